//! Loads an ELF file or a script into byte buffers and prints how.
//! `cargo run -p loader --example inspect -- /bin/ls`

use arch::{Access, Addr, AddrRange, Arch};
use loader::vdso::Vdso;
use loader::{
    Blob, Executable, Layout, LoadArgs, Loader, Mapper, Place, Platform, Random, Resolve, inspect,
};
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::{ffi::OsStr, path::Path, sync::Arc};
use syserr::Errno;

/// Opens the host's files.
struct Host;

impl Resolve for Host {
    fn open(&mut self, path: &[u8]) -> Result<Arc<dyn Executable>, Errno> {
        let bytes = std::fs::read(Path::new(OsStr::from_bytes(path))).map_err(|_| Errno::ENOENT)?;
        Ok(Arc::new(Blob(bytes.into())))
    }
}

impl Random for Host {
    fn fill(&mut self, buf: &mut [u8]) {
        buf.fill(4); // chosen by fair dice roll
    }
}

/// An address space: byte buffers by address.
#[derive(Default)]
struct Memory(BTreeMap<u64, Vec<u8>>);

impl Memory {
    fn find(&mut self, at: Addr, len: u64) -> Result<&mut [u8], Errno> {
        let (start, bytes) = self.0.range_mut(..=at.0).next_back().ok_or(Errno::EFAULT)?;
        let from = (at.0 - start) as usize;
        bytes.get_mut(from..from + len as usize).ok_or(Errno::EFAULT)
    }
}

impl Mapper for Memory {
    fn reserve(&mut self, place: Place, len: u64) -> Result<Addr, Errno> {
        match place {
            Place::Exact(at) | Place::Hint(at) => Ok(at),
            // Far below the stack, each image a gigabyte below the last.
            Place::Any if len <= 1 << 30 => {
                Ok(Addr(0x7f00_0000_0000 - ((self.0.len() as u64) << 30)))
            }
            Place::Any => Err(Errno::ENOMEM),
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
        self.map_anon(at, len, access)?;
        file.read_at(offset, self.find(at, len)?).map(|_| ())
    }

    fn map_anon(&mut self, at: Addr, len: u64, _: Access) -> Result<(), Errno> {
        self.0.insert(at.0, vec![0; len as usize]);
        Ok(())
    }

    fn map_stack(&mut self, range: AddrRange, access: Access) -> Result<(), Errno> {
        self.map_anon(range.start, range.len(), access)
    }

    fn zero(&mut self, at: Addr, len: u64) -> Result<(), Errno> {
        self.find(at, len).map(|b| b.fill(0))
    }

    fn write(&mut self, at: Addr, bytes: &[u8]) -> Result<(), Errno> {
        self.find(at, bytes.len() as u64).map(|b| b.copy_from_slice(bytes))
    }
    fn set_brk(&mut self, _: Addr) {}
}

fn main() -> Result<(), Errno> {
    let path = std::env::args().nth(1).unwrap_or("/bin/ls".into()).into_bytes();
    let vdso = Vdso::builtin(Arch::X86_64);
    let args = LoadArgs {
        argv: vec![&path],
        platform: Platform { name: Some(b"x86_64"), ..Platform::default() },
        vdso: vdso.as_ref(),
        ..LoadArgs::new(&path, Host.open(&path)?, Layout::fixed(Arch::X86_64))
    };
    print!("{}", inspect(&args, &mut Host));
    let mut memory = Memory::default();
    let image =
        Loader { resolve: &mut Host, mapper: &mut memory, random: &mut Host }.load(&args)?;
    println!("loaded; code at the entry: {:02x?}", memory.find(image.entry, 8)?);
    Ok(())
}
