//! The auxiliary vector: getauxval(3), `include/uapi/linux/auxvec.h`.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// One pair of the auxiliary vector.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct AuxEntry {
    /// Which, an `AT_*` number.
    pub key: u64,
    /// Its value.
    pub value: u64,
}

static_assertions::const_assert_eq!(size_of::<AuxEntry>(), 16);

impl AuxEntry {
    /// A pair.
    pub const fn new(key: u64, value: u64) -> AuxEntry {
        AuxEntry { key, value }
    }
}

macro_rules! keys {
    ($($(#[doc = $text:literal])* $name:ident = $n:literal;)*) => {
        $($(#[doc = $text])* pub const $name: u64 = $n;)*

        /// The name of an `AT_*` number, such as `"AT_PHDR"`.
        pub const fn name(key: u64) -> Option<&'static str> {
            match key {
                $($n => Some(stringify!($name)),)*
                _ => None,
            }
        }
    };
}

keys! {
    /// The vector's end.
    AT_NULL = 0;
    /// To be ignored.
    AT_IGNORE = 1;
    /// The program as a file descriptor.
    AT_EXECFD = 2;
    /// Address of the program headers.
    AT_PHDR = 3;
    /// Bytes of a program header.
    AT_PHENT = 4;
    /// How many program headers.
    AT_PHNUM = 5;
    /// Bytes of a page.
    AT_PAGESZ = 6;
    /// Where the interpreter was loaded.
    AT_BASE = 7;
    /// Flags.
    AT_FLAGS = 8;
    /// The program's entry point.
    AT_ENTRY = 9;
    /// Whether the program is no ELF file.
    AT_NOTELF = 10;
    /// Real user ID.
    AT_UID = 11;
    /// Effective user ID.
    AT_EUID = 12;
    /// Real group ID.
    AT_GID = 13;
    /// Effective group ID.
    AT_EGID = 14;
    /// Address of the processor's name.
    AT_PLATFORM = 15;
    /// What the processor can do.
    AT_HWCAP = 16;
    /// Ticks per second of times(2).
    AT_CLKTCK = 17;
    /// Whether the environment is not to be trusted.
    AT_SECURE = 23;
    /// Address of the real processor's name.
    AT_BASE_PLATFORM = 24;
    /// Address of 16 random bytes.
    AT_RANDOM = 25;
    /// More of what the processor can do.
    AT_HWCAP2 = 26;
    /// Bytes of `struct rseq` that the kernel uses.
    AT_RSEQ_FEATURE_SIZE = 27;
    /// Alignment of `struct rseq`, in bytes.
    AT_RSEQ_ALIGN = 28;
    /// Yet more of what the processor can do.
    AT_HWCAP3 = 29;
    /// Still more of what the processor can do.
    AT_HWCAP4 = 30;
    /// Address of the program's file name.
    AT_EXECFN = 31;
    /// Entry point of the 32-bit vDSO.
    AT_SYSINFO = 32;
    /// Address of the vDSO.
    AT_SYSINFO_EHDR = 33;
    /// Bytes of stack that a signal frame takes at most.
    AT_MINSIGSTKSZ = 51;
}
