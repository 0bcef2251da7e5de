//! The memory manager as a program's address space, over the doubles of its own benches.

#[path = "../../../mm/benches/doubles/mod.rs"]
#[allow(dead_code)]
mod doubles;

use arch::{Access, Addr, AddrRange, BufDst, BufSrc, Permissions, UserMemory};
use loader::vdso::Vdso;
use loader::{Executable, Mapper, Place, ReadAt};
use mm::{MapFlags, MappedObject, MappingIdentity, MemoryManager, MemoryObject, MmapArgs, Tuning};
use std::any::Any;
use std::sync::{Arc, OnceLock};
use syserr::Errno;

/// A file in the memory file's pages, as a page cache holds it.
pub(crate) struct Cached(Arc<MemoryObject>);

impl Cached {
    pub(crate) fn new(bytes: &[u8]) -> Cached {
        let memory = doubles::manager(Tuning::DEFAULT).memory().clone();
        let object = MemoryObject::new(memory, bytes.len() as u64);
        object.write_at(0, &mut BufSrc::new(bytes)).expect("room");
        Cached(Arc::new(object))
    }

    fn mapped(&self) -> MappedObject {
        MappedObject { object: self.0.clone(), identity: Arc::new(Name) }
    }
}

struct Name;

impl MappingIdentity for Name {
    fn device(&self) -> u64 {
        1
    }

    fn inode(&self) -> u64 {
        1
    }

    fn path(&self) -> Vec<u8> {
        b"/bin/program".to_vec()
    }
}

impl ReadAt for Cached {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, Errno> {
        self.0.read_at(offset, &mut BufDst::new(buf))
    }

    fn size(&self) -> u64 {
        self.0.size()
    }
}

impl Executable for Cached {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// An empty address space.
pub(crate) struct Space(Arc<MemoryManager>);

impl Space {
    pub(crate) fn new() -> Space {
        Space(doubles::manager(Tuning::DEFAULT))
    }

    fn map(&self, at: Addr, len: u64, access: Access, flags: MapFlags) -> Result<(), Errno> {
        let args = MmapArgs::anonymous(at, len, access, &doubles::LIMITS);
        self.0.mmap(MmapArgs { flags: args.flags | flags, ..args }).map(drop)
    }

    fn map_object(
        &self,
        object: MappedObject,
        at: Addr,
        len: u64,
        offset: u64,
        access: Access,
    ) -> Result<(), Errno> {
        let mut args = MmapArgs::anonymous(at, len, access, &doubles::LIMITS);
        args.flags.remove(MapFlags::ANONYMOUS);
        args.flags |= MapFlags::FIXED;
        args.object = Some(object);
        args.offset = offset;
        self.0.mmap(args).map(drop)
    }
}

impl Mapper for Space {
    fn reserve(&mut self, place: Place, len: u64) -> Result<Addr, Errno> {
        match place {
            Place::Any => self.0.find_room(Addr::NULL, len),
            Place::Hint(at) => self.0.find_room(at, len),
            Place::Exact(at) => match self.0.find_room(at, len)? {
                found if found == at => Ok(at),
                _ => Err(Errno::EEXIST),
            },
        }
    }

    fn map_file(
        &mut self,
        file: &dyn Executable,
        at: Addr,
        len: u64,
        offset: u64,
        access: Access,
    ) -> Result<(), Errno> {
        let file = file.as_any().downcast_ref::<Cached>().ok_or(Errno::ENODEV)?;
        self.map_object(file.mapped(), at, len, offset, access)
    }

    fn map_anon(&mut self, at: Addr, len: u64, access: Access) -> Result<(), Errno> {
        self.map(at, len, access, MapFlags::FIXED)
    }

    fn map_stack(&mut self, range: AddrRange, access: Access) -> Result<(), Errno> {
        let flags = MapFlags::FIXED_NOREPLACE | MapFlags::GROWSDOWN | MapFlags::STACK;
        self.map(range.start, range.len(), access, flags)
    }

    fn zero(&mut self, at: Addr, len: u64) -> Result<(), Errno> {
        Ok(self.0.zero_out(at, len, Permissions::Obey)?)
    }

    fn write(&mut self, at: Addr, bytes: &[u8]) -> Result<(), Errno> {
        Ok(self.0.copy_out(at, bytes, Permissions::Ignore)?)
    }

    fn set_brk(&mut self, start: Addr) {
        self.0.set_brk(start);
    }

    /// Pages that all address spaces share.
    fn map_vdso(&mut self, at: Addr, vdso: &Vdso) -> Result<(), Errno> {
        static PAGES: OnceLock<Cached> = OnceLock::new();
        let pages = PAGES.get_or_init(|| Cached::new(&[&[0; 4096], vdso.image()].concat()));
        let code = at.wrapping_add(4096);
        self.map_object(pages.mapped(), at, 4096, 0, Access::READ)?;
        let access = Access::READ | Access::EXEC;
        self.map_object(pages.mapped(), code, vdso.image_len(), 4096, access)
    }
}
