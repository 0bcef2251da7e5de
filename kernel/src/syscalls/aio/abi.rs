//! `include/uapi/linux/aio_abi.h`, and the ring of `fs/aio.c`.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `struct iocb`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct Iocb {
    pub(super) data: u64,
    pub(super) key: u32,
    pub(super) rw_flags: u32,
    pub(super) opcode: u16,
    pub(super) reqprio: i16,
    pub(super) fildes: u32,
    pub(super) buf: u64,
    pub(super) nbytes: u64,
    pub(super) offset: i64,
    pub(super) reserved2: u64,
    pub(super) flags: u32,
    pub(super) resfd: u32,
}
static_assertions::assert_eq_size!(Iocb, [u8; 64]);

/// Where [`Iocb::key`] is.
pub(super) const KEY_OFFSET: u64 = 8;
/// What the kernel puts there.
pub(super) const KIOCB_KEY: u32 = 0;

/// `struct io_event`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct IoEvent {
    pub(super) data: u64,
    pub(super) obj: u64,
    pub(super) res: i64,
    pub(super) res2: i64,
}
static_assertions::assert_eq_size!(IoEvent, [u8; 32]);

/// `struct aio_ring`, without the events behind it.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct RingHead {
    pub(super) id: u32,
    pub(super) nr: u32,
    pub(super) head: u32,
    pub(super) tail: u32,
    pub(super) magic: u32,
    pub(super) compat_features: u32,
    pub(super) incompat_features: u32,
    pub(super) header_length: u32,
}
static_assertions::assert_eq_size!(RingHead, [u8; 32]);

/// Where [`RingHead::head`] is.
pub(super) const HEAD_OFFSET: u64 = 8;
/// Where [`RingHead::tail`] is.
pub(super) const TAIL_OFFSET: u64 = 12;
pub(super) const AIO_RING_MAGIC: u32 = 0xa10a_10a1;

pub(super) const IOCB_CMD_PREAD: u16 = 0;
pub(super) const IOCB_CMD_PWRITE: u16 = 1;
pub(super) const IOCB_CMD_FSYNC: u16 = 2;
pub(super) const IOCB_CMD_FDSYNC: u16 = 3;
pub(super) const IOCB_CMD_POLL: u16 = 5;
pub(super) const IOCB_CMD_PREADV: u16 = 7;
pub(super) const IOCB_CMD_PWRITEV: u16 = 8;

pub(super) const IOCB_FLAG_RESFD: u32 = 1;
pub(super) const IOCB_FLAG_IOPRIO: u32 = 2;
