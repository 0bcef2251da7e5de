//! The auxiliary vector.
//!
//! Source: getauxval(3), `create_elf_tables` in `fs/binfmt_elf.c`.

/// One pair of the auxiliary vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AuxEntry {
    /// Which, an `AT_*` number.
    pub key: u64,
    /// Its value.
    pub value: u64,
}

/// The identity that a program starts with, in its own user namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Credentials {
    /// Real user id.
    pub uid: u32,
    /// Effective user id.
    pub euid: u32,
    /// Real group id.
    pub gid: u32,
    /// Effective group id.
    pub egid: u32,
    /// Whether the program gains privileges: the C library then distrusts its environment.
    pub secure: bool,
}

/// What a program is told about the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Platform<'a> {
    /// `AT_HWCAP`.
    pub hwcap: u64,
    /// `AT_HWCAP2`.
    pub hwcap2: u64,
    /// `AT_PLATFORM`, such as `b"x86_64"`; left out when `None`.
    pub name: Option<&'a [u8]>,
    /// `AT_MINSIGSTKSZ`, in bytes; left out when zero.
    pub minsigstksz: u64,
    /// `AT_CLKTCK`, in ticks per second.
    pub clktck: u64,
    /// `AT_RSEQ_FEATURE_SIZE`, in bytes; left out with `AT_RSEQ_ALIGN` when zero, for a kernel
    /// without rseq(2).
    pub rseq_feature_size: u64,
    /// `AT_RSEQ_ALIGN`, in bytes.
    pub rseq_align: u64,
}

impl Default for Platform<'_> {
    fn default() -> Self {
        Platform {
            hwcap: 0,
            hwcap2: 0,
            name: None,
            minsigstksz: 0,
            clktck: 100,
            rseq_feature_size: 0,
            rseq_align: 0,
        }
    }
}
