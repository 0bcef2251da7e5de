//! What a memory manager is made of and what limits it.

use crate::seam::{AddressSpace, MappedObject, MemoryFile};
use crate::{MapCountLimit, MapFlags, MremapFlags, Overcommit};
use alloc::sync::Arc;
use arch::{Access, Addr, AddrRange};

/// Where mappings may lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Lowest address that can be mapped (`vm.mmap_min_addr`).
    pub min: Addr,
    /// First address that cannot be mapped any more (`TASK_SIZE`).
    pub max: Addr,
    /// Where a search from below starts (`TASK_UNMAPPED_BASE`).
    pub bottom_up_base: Addr,
    /// Where a search from above starts (`mm->mmap_base`).
    pub top_down_base: Addr,
    /// Which of the two is the default.
    pub top_down: bool,
    /// What the platform keeps for itself: nobody maps anything there, whatever rights they have.
    pub reserved: [AddrRange; 2],
}

impl Layout {
    /// Nothing that the platform keeps for itself.
    const NOTHING_RESERVED: [AddrRange; 2] = [AddrRange { start: Addr::NULL, end: Addr::NULL }; 2];

    /// x86-64 and arm64 with 47 bits, without randomisation and with room for an 8 MiB stack.
    pub const DEFAULT: Layout = Layout {
        min: Addr(0x1_0000),
        max: Addr((1 << 47) - 4096),
        bottom_up_base: Addr(0x2aaa_aaaa_a000),
        top_down_base: Addr((1 << 47) - 4096 - (160 << 20)),
        top_down: true,
        reserved: Layout::NOTHING_RESERVED,
    };

    /// The place of the platform's own that lies in a range.
    pub(crate) fn reserved_in(&self, lo: u64, hi: u64) -> Option<AddrRange> {
        self.reserved.into_iter().find(|r| r.start.0.max(lo) < r.end.0.min(hi))
    }
}

impl Default for Layout {
    fn default() -> Layout {
        Layout::DEFAULT
    }
}

impl From<&arch::MmapLayout> for Layout {
    fn from(l: &arch::MmapLayout) -> Layout {
        Layout {
            min: l.min,
            max: l.max,
            bottom_up_base: l.bottom_up_base,
            top_down_base: l.top_down_base,
            top_down: l.top_down,
            reserved: Layout::NOTHING_RESERVED,
        }
    }
}

impl From<arch::MmapLayout> for Layout {
    fn from(l: arch::MmapLayout) -> Layout {
        Layout::from(&l)
    }
}

/// Resource limits that memory calls obey, in bytes; see setrlimit(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `RLIMIT_AS`.
    pub as_: u64,
    /// `RLIMIT_DATA`.
    pub data: u64,
    /// `RLIMIT_MEMLOCK`.
    pub memlock: u64,
    /// `RLIMIT_STACK`.
    pub stack: u64,
    /// `CAP_IPC_LOCK`: `memlock` does not count.
    pub can_lock: bool,
    /// `CAP_SYS_RAWIO`: pages under [`Layout::min`] may be mapped.
    pub can_map_low: bool,
    /// `CAP_SYS_ADMIN`: memory that is kept for who repairs a full system can be had.
    pub is_admin: bool,
}

impl Limits {
    /// Linux's defaults: an 8 MiB stack, 8 MiB of locked memory, nothing else limited.
    pub const DEFAULT: Limits = Limits {
        as_: u64::MAX,
        data: u64::MAX,
        memlock: 8 << 20,
        stack: 8 << 20,
        can_lock: false,
        can_map_low: false,
        is_admin: false,
    };
}

impl Default for Limits {
    fn default() -> Limits {
        Limits::DEFAULT
    }
}

/// Policy constants that trade memory for faults. All in pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// Private anonymous mappings of at most this size are backed and mapped at once.
    pub eager: u64,
    /// What the first fault in private anonymous memory backs.
    pub window: u64,
    /// The most that a run of sequential faults backs at once.
    pub window_max: u64,
    /// The same in mappings of 2 MiB and more.
    pub window_max_large: u64,
    /// How much of a file one fault brings in for shared writing.
    pub file_window: u64,
    /// How much of a file that is in memory a new mapping, or another fault, maps; a power of two.
    pub ahead: u64,
    /// Private writable mappings of constant files of at most this size get their copy at once.
    pub eager_copy: u64,
    /// How much of a constant file one copy-on-write break copies; a power of two.
    pub copy_window: u64,
    /// The most that fork copies for the child, of what the parent has written since its last fork.
    pub fork_copies: u64,
    /// The most that one copy-on-write break copies in a run of sequential ones.
    pub cow_max: u64,
}

impl Tuning {
    /// The defaults.
    pub const DEFAULT: Tuning = Tuning {
        eager: 16,
        window: 16,
        window_max: 64,
        window_max_large: 512,
        file_window: 16,
        ahead: 512,
        eager_copy: 32,
        copy_window: 8,
        fork_copies: 64,
        cow_max: 16,
    };
    /// Page by page, as a naive model does it: for tests.
    pub const EXACT: Tuning = Tuning {
        eager: 0,
        window: 1,
        window_max: 1,
        window_max_large: 1,
        file_window: 1,
        ahead: 1,
        eager_copy: 0,
        copy_window: 1,
        fork_copies: 0,
        cow_max: 1,
    };
}

impl Default for Tuning {
    fn default() -> Tuning {
        Tuning::DEFAULT
    }
}

/// Pages below a stack that stay free of other mappings (`stack_guard_gap`).
pub const STACK_GUARD_PAGES: u64 = 256;

/// What [`crate::MemoryManager::new`] needs.
#[derive(Clone)]
pub struct MmConfig {
    /// Where memory comes from.
    pub memory: Arc<dyn MemoryFile>,
    /// Page tables.
    pub space: Arc<dyn AddressSpace>,
    /// Where mappings may lie; can be set later too.
    pub layout: Layout,
    /// The limits that apply where no caller gives any: stack growth in a fault.
    pub limits: Limits,
    /// How many vmas there may be.
    pub max_map_count: MapCountLimit,
    /// Overcommit policy; `None` never refuses.
    pub overcommit: Option<Arc<dyn Overcommit>>,
    /// Policy constants.
    pub tuning: Tuning,
}

impl MmConfig {
    /// Defaults over the embedder's memory and page tables.
    pub fn new(memory: Arc<dyn MemoryFile>, space: Arc<dyn AddressSpace>) -> MmConfig {
        MmConfig {
            memory,
            space,
            layout: Layout::DEFAULT,
            limits: Limits::DEFAULT,
            max_map_count: MapCountLimit::default(),
            overcommit: None,
            tuning: Tuning::DEFAULT,
        }
    }
}

/// Arguments of [`crate::MemoryManager::mmap`].
#[derive(Clone)]
pub struct MmapArgs<'a> {
    /// Hint, or the address itself with `FIXED` or `FIXED_NOREPLACE`.
    pub addr: Addr,
    /// Length in bytes.
    pub len: u64,
    /// Permissions.
    pub prot: Access,
    /// Flags.
    pub flags: MapFlags,
    /// What mprotect(2) may ever add: without `WRITE` for a shared mapping of a descriptor that
    /// is not writable, without `EXEC` on a `noexec` mount.
    pub max_prot: Access,
    /// What is mapped; `None` only with `ANONYMOUS`.
    pub object: Option<MappedObject>,
    /// Where in the object, in bytes.
    pub offset: u64,
    /// The caller's limits.
    pub limits: &'a Limits,
}

impl<'a> MmapArgs<'a> {
    /// Private anonymous memory.
    pub fn anonymous(addr: Addr, len: u64, prot: Access, limits: &'a Limits) -> MmapArgs<'a> {
        MmapArgs {
            addr,
            len,
            prot,
            flags: MapFlags::PRIVATE | MapFlags::ANONYMOUS,
            max_prot: Access::ALL,
            object: None,
            offset: 0,
            limits,
        }
    }
}

/// Arguments of [`crate::MemoryManager::mremap`].
#[derive(Clone, Copy, Debug)]
pub struct MremapArgs<'a> {
    /// Where the mapping is.
    pub old: Addr,
    /// How long it is; 0 duplicates a shared mapping.
    pub old_len: u64,
    /// How long it shall be.
    pub new_len: u64,
    /// Flags.
    pub flags: MremapFlags,
    /// Where it shall be, with `FIXED` (and as a hint with `DONTUNMAP`).
    pub new: Addr,
    /// The caller's limits.
    pub limits: &'a Limits,
}

/// Why a fault cannot be resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultError {
    /// Nothing is mapped there: `SIGSEGV` with `SEGV_MAPERR`.
    NotMapped,
    /// The mapping forbids the access: `SIGSEGV` with `SEGV_ACCERR`.
    Denied,
    /// Past the end of the object: `SIGBUS` with `BUS_ADRERR`.
    Bus,
    /// No memory.
    NoMemory,
}

/// Identifies a futex: the same word has the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FutexKey {
    /// In memory that only this address space sees.
    Private {
        /// [`crate::MemoryManager::id`].
        mm: u64,
        /// Address of the word.
        addr: Addr,
    },
    /// In a shared object.
    Shared {
        /// [`crate::Mappable::object_id`].
        object: u64,
        /// Offset of the word in the object, in bytes.
        offset: u64,
    },
}

/// A NUMA policy as mbind(2) stores it. Nothing is placed by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
pub struct NumaPolicy {
    /// `MPOL_*` mode with its flags.
    pub mode: u32,
    /// Node mask.
    pub nodes: u64,
}
