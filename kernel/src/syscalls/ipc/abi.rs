//! Structures of the `*ctl` calls on 64-bit machines; `asm-generic/ipcbuf.h` and its neighbours.

use super::table::Perm;
use vfs::UserNs;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `struct ipc64_perm`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct IpcPerm {
    key: i32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    cuid: u32,
    cgid: u32,
    pub(super) mode: u32,
    seq: u16,
    pad: [u8; 6],
    pub(super) unused: [u64; 2],
}
static_assertions::assert_eq_size!(IpcPerm, [u8; 48]);

impl IpcPerm {
    /// As somebody in `ns` sees it (`kernel_to_ipc64_perm`).
    pub(super) fn seen_by(ns: &UserNs, p: &Perm) -> IpcPerm {
        IpcPerm {
            key: p.key,
            uid: ns.show_uid(p.uid),
            gid: ns.show_gid(p.gid),
            cuid: ns.show_uid(p.cuid),
            cgid: ns.show_gid(p.cgid),
            mode: p.mode,
            seq: p.seq,
            ..IpcPerm::default()
        }
    }
}

/// `struct shmid64_ds`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct ShmDs {
    pub(super) perm: IpcPerm,
    pub(super) size: u64,
    pub(super) atime: i64,
    pub(super) dtime: i64,
    pub(super) ctime: i64,
    pub(super) cpid: i32,
    pub(super) lpid: i32,
    pub(super) nattch: u64,
    pub(super) unused: [u64; 2],
}
static_assertions::assert_eq_size!(ShmDs, [u8; 112]);

/// `struct semid64_ds` of x86-64.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct SemDs {
    pub(super) perm: IpcPerm,
    pub(super) otime: i64,
    pub(super) unused1: u64,
    pub(super) ctime: i64,
    pub(super) unused2: u64,
    pub(super) nsems: u64,
    pub(super) unused3: [u64; 2],
}
static_assertions::assert_eq_size!(SemDs, [u8; 104]);

/// `struct semid64_ds` of 64-bit machines other than x86.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct GenericSemDs {
    perm: IpcPerm,
    otime: i64,
    ctime: i64,
    nsems: u64,
    pub(super) unused: [u64; 2],
}
static_assertions::assert_eq_size!(GenericSemDs, [u8; 88]);

impl From<SemDs> for GenericSemDs {
    fn from(s: SemDs) -> GenericSemDs {
        let SemDs { perm, otime, ctime, nsems, .. } = s;
        GenericSemDs { perm, otime, ctime, nsems, unused: [0; 2] }
    }
}

/// `struct msqid64_ds`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct MsgDs {
    pub(super) perm: IpcPerm,
    pub(super) stime: i64,
    pub(super) rtime: i64,
    pub(super) ctime: i64,
    pub(super) cbytes: u64,
    pub(super) qnum: u64,
    pub(super) qbytes: u64,
    pub(super) lspid: i32,
    pub(super) lrpid: i32,
    pub(super) unused: [u64; 2],
}
static_assertions::assert_eq_size!(MsgDs, [u8; 120]);

/// `struct shminfo64`.
#[derive(Clone, Copy, Debug, Default, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct ShmInfo {
    pub(super) max: u64,
    pub(super) min: u64,
    pub(super) mni: u64,
    pub(super) seg: u64,
    pub(super) all: u64,
    pub(super) unused: [u64; 4],
}

/// `struct shm_info`.
#[derive(Clone, Copy, Debug, Default, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct ShmUse {
    pub(super) used_ids: i32,
    pub(super) pad: i32,
    pub(super) total: u64,
    pub(super) resident: u64,
    pub(super) swapped: u64,
    pub(super) attempts: u64,
    pub(super) successes: u64,
}

/// `struct seminfo`: `semmap`, `semmni`, `semmns`, `semmnu`, `semmsl`, `semopm`, `semume`,
/// `semusz`, `semvmx`, `semaem`.
pub(super) type SemInfo = [i32; 10];

/// `struct msginfo`: `msgpool`, `msgmap`, `msgmax`, `msgmnb`, `msgmni`, `msgssz`, `msgtql`, and
/// `msgseg`, which is 16 bits with padding behind it.
pub(super) type MsgInfo = [i32; 8];
