//! Flags of the memory system calls, with Linux's numbers.

use arch::Access;

bitflags::bitflags! {
    /// What `PR_SET_MDWE` of prctl(2) has denied for good (`include/uapi/linux/prctl.h`).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
    pub struct Mdwe: u32 {
        /// `PR_MDWE_REFUSE_EXEC_GAIN`: no memory that is writable and executable, none that becomes
        /// executable.
        const REFUSE_EXEC_GAIN = 1;
        /// `PR_MDWE_NO_INHERIT`: for this address space only.
        const NO_INHERIT = 2;
    }
}

impl Mdwe {
    /// What a child, or the next program, has of it.
    #[must_use]
    pub fn inherited(self) -> Mdwe {
        if self.contains(Mdwe::NO_INHERIT) { Mdwe::empty() } else { self }
    }

    /// Whether memory with permissions `old` may not have `new` (`map_deny_write_exec`).
    pub(crate) fn denies(self, old: Access, new: Access) -> bool {
        let gains = new.contains(Access::WRITE) || !old.contains(Access::EXEC);
        self.contains(Mdwe::REFUSE_EXEC_GAIN) && new.contains(Access::EXEC) && gains
    }
}

bitflags::bitflags! {
    /// Flags of mmap(2), `include/uapi/asm-generic/mman*.h` (the same on x86-64 and arm64, but for
    /// `32BIT`, which only x86-64 has).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
    pub struct MapFlags: u32 {
        /// `MAP_SHARED`.
        const SHARED = 0x1;
        /// `MAP_PRIVATE`.
        const PRIVATE = 0x2;
        /// `MAP_SHARED_VALIDATE`: shared, and unknown flags are errors.
        const SHARED_VALIDATE = 0x3;
        /// `MAP_DROPPABLE`, a kind of sharing of its own.
        const DROPPABLE = 0x8;
        /// `MAP_FIXED`.
        const FIXED = 0x10;
        /// `MAP_ANONYMOUS`.
        const ANONYMOUS = 0x20;
        /// `MAP_32BIT`.
        const LOW_2G = 0x40;
        /// `MAP_GROWSDOWN`.
        const GROWSDOWN = 0x100;
        /// `MAP_DENYWRITE`, ignored.
        const DENYWRITE = 0x800;
        /// `MAP_EXECUTABLE`, ignored.
        const EXECUTABLE = 0x1000;
        /// `MAP_LOCKED`.
        const LOCKED = 0x2000;
        /// `MAP_NORESERVE`.
        const NORESERVE = 0x4000;
        /// `MAP_POPULATE`.
        const POPULATE = 0x8000;
        /// `MAP_NONBLOCK`.
        const NONBLOCK = 0x1_0000;
        /// `MAP_STACK`.
        const STACK = 0x2_0000;
        /// `MAP_HUGETLB`.
        const HUGETLB = 0x4_0000;
        /// `MAP_SYNC`.
        const SYNC = 0x8_0000;
        /// `MAP_FIXED_NOREPLACE`.
        const FIXED_NOREPLACE = 0x10_0000;
        /// `MAP_UNINITIALIZED`, ignored.
        const UNINITIALIZED = 0x400_0000;
    }

    /// Flags of mremap(2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
    pub struct MremapFlags: u32 {
        /// `MREMAP_MAYMOVE`.
        const MAYMOVE = 1;
        /// `MREMAP_FIXED`.
        const FIXED = 2;
        /// `MREMAP_DONTUNMAP`.
        const DONTUNMAP = 4;
    }

    /// Flags of mlock2(2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
    pub struct MlockFlags: u32 {
        /// `MLOCK_ONFAULT`.
        const ONFAULT = 1;
    }

    /// Flags of mlockall(2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
    pub struct MlockallFlags: u32 {
        /// `MCL_CURRENT`.
        const CURRENT = 1;
        /// `MCL_FUTURE`.
        const FUTURE = 2;
        /// `MCL_ONFAULT`.
        const ONFAULT = 4;
    }

    /// Flags of msync(2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
    pub struct MsyncFlags: u32 {
        /// `MS_ASYNC`.
        const ASYNC = 1;
        /// `MS_INVALIDATE`.
        const INVALIDATE = 2;
        /// `MS_SYNC`.
        const SYNC = 4;
    }
}

/// Advice of madvise(2), with Linux's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Advice {
    /// `MADV_NORMAL`.
    Normal = 0,
    /// `MADV_RANDOM`.
    Random = 1,
    /// `MADV_SEQUENTIAL`.
    Sequential = 2,
    /// `MADV_WILLNEED`.
    WillNeed = 3,
    /// `MADV_DONTNEED`.
    DontNeed = 4,
    /// `MADV_FREE`.
    Free = 8,
    /// `MADV_REMOVE`.
    Remove = 9,
    /// `MADV_DONTFORK`.
    DontFork = 10,
    /// `MADV_DOFORK`.
    DoFork = 11,
    /// `MADV_MERGEABLE`.
    Mergeable = 12,
    /// `MADV_UNMERGEABLE`.
    Unmergeable = 13,
    /// `MADV_HUGEPAGE`.
    HugePage = 14,
    /// `MADV_NOHUGEPAGE`.
    NoHugePage = 15,
    /// `MADV_DONTDUMP`.
    DontDump = 16,
    /// `MADV_DODUMP`.
    DoDump = 17,
    /// `MADV_WIPEONFORK`.
    WipeOnFork = 18,
    /// `MADV_KEEPONFORK`.
    KeepOnFork = 19,
    /// `MADV_COLD`.
    Cold = 20,
    /// `MADV_PAGEOUT`.
    PageOut = 21,
    /// `MADV_POPULATE_READ`.
    PopulateRead = 22,
    /// `MADV_POPULATE_WRITE`.
    PopulateWrite = 23,
    /// `MADV_DONTNEED_LOCKED`.
    DontNeedLocked = 24,
    /// `MADV_COLLAPSE`.
    Collapse = 25,
    /// `MADV_GUARD_INSTALL`.
    GuardInstall = 102,
    /// `MADV_GUARD_REMOVE`.
    GuardRemove = 103,
}

impl Advice {
    /// The advice numbered `raw`; `None` for what madvise(2) answers with `EINVAL` (the memory
    /// failure injections 100 and 101 are among them).
    pub const fn from_raw(raw: i32) -> Option<Advice> {
        use Advice::*;
        Some(match raw {
            0 => Normal,
            1 => Random,
            2 => Sequential,
            3 => WillNeed,
            4 => DontNeed,
            8 => Free,
            9 => Remove,
            10 => DontFork,
            11 => DoFork,
            12 => Mergeable,
            13 => Unmergeable,
            14 => HugePage,
            15 => NoHugePage,
            16 => DontDump,
            17 => DoDump,
            18 => WipeOnFork,
            19 => KeepOnFork,
            20 => Cold,
            21 => PageOut,
            22 => PopulateRead,
            23 => PopulateWrite,
            24 => DontNeedLocked,
            25 => Collapse,
            102 => GuardInstall,
            103 => GuardRemove,
            _ => return None,
        })
    }

    /// Whether process_madvise(2) lets a process give this advice about another one.
    pub const fn allowed_for_others(self) -> bool {
        use Advice::*;
        matches!(self, Cold | PageOut | WillNeed | Collapse)
    }
}
