//! The kernel's side of other crates' seams, held against their contracts.

use super::World;
use crate::VfsExecutable;
use crate::image::Space;
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{Addr, Permissions, UserMemory};
use loader::Blob;
use loader::kit::{Probe, check_mapper};
use mm::{Limits, MemoryManager, MmConfig};
use syserr::Errno;
use vfs::{AT_FDCWD, Creds, FdTable, OpenFlags, OpenHow, PathCx};

impl Probe for Space<'_> {
    fn read(&mut self, at: Addr, to: &mut [u8]) -> Result<(), Errno> {
        Ok(self.mm.copy_in(at, to, Permissions::Ignore)?)
    }
}

impl World {
    /// Checks what the kernel gives the loader, a memory manager, with a file of the virtual file
    /// system and with one that only can be read.
    ///
    /// # Panics
    /// When it does something else than [`loader::Mapper`] says.
    pub fn check_mapper(&self) {
        let content: Vec<u8> = (0..10_000u32).map(|i| (i % 251) as u8 + 1).collect();
        self.write_file(b"/content", &content).expect("a file");
        let creds = Creds::root();
        let (fs, files) = (self.kernel.root_fs(), FdTable::new());
        let cx = PathCx { creds: &creds, fs: &fs, files: &files, tgid: 0, tid: 0 };
        let how = OpenHow { flags: OpenFlags::empty(), ..OpenHow::default() };
        let file = self.kernel.vfs().open(&cx, AT_FDCWD, b"/content", how).expect("a file");
        let check = |file: &dyn loader::Executable| {
            let platform = &self.kernel.embedder().platform;
            let space = platform.new_address_space().expect("an address space");
            let mm = MemoryManager::new(MmConfig::new(platform.memory(), space));
            let mut space = Space { kernel: &self.kernel, mm: &mm, limits: &Limits::DEFAULT };
            check_mapper(&mut space, file, &content);
            mm.dec_users();
        };
        check(&VfsExecutable::new(file).expect("nobody writes to it"));
        check(&Blob(Arc::from(content.as_slice())));
    }
}
