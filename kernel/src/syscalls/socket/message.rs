//! `struct msghdr` and `struct mmsghdr`; recv(2), recvmmsg(2).

use crate::TaskCx;
use crate::syscalls::fs::buffers::{self, Ranges};
use arch::{Addr, UserMemoryExt};
use syserr::Errno;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The most buffers, and messages of one call (`UIO_MAXIOV`).
pub(super) const MANY: u64 = 1024;

/// `struct msghdr` of 64-bit machines (`struct user_msghdr`).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct MsgHdr {
    pub(super) name: u64,
    pub(super) name_len: i32,
    pad: u32,
    pub(super) iov: u64,
    pub(super) iov_len: u64,
    pub(super) control: u64,
    pub(super) control_len: u64,
    pub(super) flags: u32,
    pad2: u32,
}
static_assertions::assert_eq_size!(MsgHdr, [u8; 56]);
static_assertions::const_assert_eq!(core::mem::offset_of!(MsgHdr, control), 32);

/// Where `msg_namelen` lies.
pub(super) const NAME_LEN_AT: u64 = 8;
/// Where `msg_controllen` lies.
pub(super) const CONTROL_LEN_AT: u64 = 40;
/// Where `msg_flags` lies.
pub(super) const FLAGS_AT: u64 = 48;
/// `sizeof(struct mmsghdr)`.
pub(super) const MMSG_SIZE: u64 = 64;
/// Where `msg_len` lies in it.
pub(super) const MMSG_LEN_AT: u64 = 56;

/// Reads a header and the buffers it names.
pub(super) fn read(cx: &TaskCx, at: u64) -> Result<(MsgHdr, Ranges), Errno> {
    let mut h: MsgHdr = cx.mm().read_obj(Addr(at))?;
    if h.name == 0 {
        h.name_len = 0;
    }
    if h.name_len < 0 {
        return Err(Errno::EINVAL);
    }
    h.name_len = h.name_len.min(128);
    if h.iov_len > MANY {
        return Err(Errno::EMSGSIZE);
    }
    let ranges = buffers::vector(cx, h.iov, h.iov_len)?;
    Ok((h, ranges))
}
