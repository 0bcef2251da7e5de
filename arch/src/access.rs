//! Kinds of access to memory.

bitflags::bitflags! {
    /// What may be done, or is tried, with memory. The bits are those of `PROT_*` in mmap(2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    pub struct Access: u8 {
        /// Reading (`PROT_READ`).
        const READ = 1;
        /// Writing (`PROT_WRITE`).
        const WRITE = 2;
        /// Executing (`PROT_EXEC`).
        const EXEC = 4;
    }
}

impl Access {
    /// Reading and writing.
    pub const RW: Access = Access::READ.union(Access::WRITE);
    /// Everything.
    pub const ALL: Access = Access::RW.union(Access::EXEC);

    /// What the hardware grants for these permissions: write or execute imply read, as in Linux's
    /// protection map (`arch/x86/mm/pgprot.c`).
    pub const fn effective(self) -> Access {
        if self.is_empty() { self } else { self.union(Access::READ) }
    }
}
