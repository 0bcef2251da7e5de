//! An embedder for tests: files are slices, the address space is a map of pages.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses another part")]

use arch::{Access, Addr, AddrRange, Arch, PAGE_SIZE};
use loader::{
    Credentials, Executable, Layout, LoadArgs, LoadError, LoadedImage, Loader, Mapper, Place,
    Platform, Random, ReadAt, Resolve,
};
use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;
use syserr::Errno;

pub mod elf;

/// A file in memory.
pub struct Bytes(pub Vec<u8>);

impl ReadAt for Bytes {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, Errno> {
        let Some(rest) = usize::try_from(offset).ok().and_then(|o| self.0.get(o..)) else {
            return Ok(0);
        };
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }

    fn size(&self) -> u64 {
        self.0.len() as u64
    }
}

impl Executable for Bytes {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Opens files of the host as execve(2) would.
pub struct HostFiles;

impl Resolve for HostFiles {
    fn open(&mut self, path: &[u8]) -> Result<Arc<dyn Executable>, Errno> {
        use std::os::unix::ffi::OsStrExt;
        use std::os::unix::fs::PermissionsExt;
        let path = std::path::Path::new(std::ffi::OsStr::from_bytes(path));
        let errno = |e: std::io::Error| {
            let number = e.raw_os_error().unwrap_or(5) as u16;
            Errno::new(number).unwrap_or(Errno::EIO)
        };
        let meta = std::fs::metadata(path).map_err(errno)?;
        if !meta.is_file() || meta.permissions().mode() & 0o111 == 0 {
            return Err(Errno::EACCES);
        }
        Ok(Arc::new(Bytes(std::fs::read(path).map_err(errno)?)))
    }
}

/// Files by name.
#[derive(Default)]
pub struct Files(pub BTreeMap<Vec<u8>, Arc<dyn Executable>>);

impl Resolve for Files {
    fn open(&mut self, path: &[u8]) -> Result<Arc<dyn Executable>, Errno> {
        self.0.get(path).cloned().ok_or(Errno::ENOENT)
    }
}

/// The same sixteen bytes always.
pub struct Dice;

impl Random for Dice {
    fn fill(&mut self, buf: &mut [u8]) {
        for (i, b) in buf.iter_mut().enumerate() {
            *b = 0xa0 + i as u8;
        }
    }
}

/// One mapping.
#[derive(Clone)]
pub struct Vma {
    pub end: u64,
    pub access: Access,
    /// File bytes and the offset of the mapping's first byte, which may lie past their end.
    pub file: Option<(Arc<Vec<u8>>, u64)>,
}

/// An address space whose pages exist once they are written.
#[derive(Default)]
pub struct Space {
    pub vmas: BTreeMap<u64, Vma>,
    pub pages: BTreeMap<u64, [u8; PAGE_SIZE as usize]>,
    pub brk: Addr,
    pub top: u64,
}

impl Space {
    pub fn find(&self, at: u64) -> Option<(u64, &Vma)> {
        let (&start, vma) = self.vmas.range(..=at).next_back()?;
        (at < vma.end).then_some((start, vma))
    }

    fn is_free(&self, start: u64, end: u64) -> bool {
        self.find(start).is_none() && self.vmas.range(start..end).next().is_none()
    }

    fn insert(&mut self, start: u64, vma: Vma) {
        let end = vma.end;
        assert!(start < end && start.is_multiple_of(PAGE_SIZE) && end.is_multiple_of(PAGE_SIZE));
        for edge in [start, end] {
            if let Some((at, old)) = self.find(edge).map(|(at, v)| (at, v.clone()))
                && at < edge
            {
                let file = old.file.clone().map(|(f, o)| (f, o + (edge - at)));
                self.vmas.insert(edge, Vma { file, ..old.clone() });
                self.vmas.insert(at, Vma { end: edge, ..old });
            }
        }
        let gone: Vec<u64> = self.vmas.range(start..end).map(|(&k, _)| k).collect();
        for k in gone {
            self.vmas.remove(&k);
        }
        let gone: Vec<u64> = self.pages.range(start..end).map(|(&k, _)| k).collect();
        for k in gone {
            self.pages.remove(&k);
        }
        self.vmas.insert(start, vma);
    }

    /// One byte as a program would see it, whatever the permissions.
    pub fn byte(&self, at: u64) -> Option<u8> {
        let (start, vma) = self.find(at)?;
        if let Some(page) = self.pages.get(&(at & !(PAGE_SIZE - 1))) {
            return Some(page[(at % PAGE_SIZE) as usize]);
        }
        match &vma.file {
            None => Some(0),
            Some((bytes, offset)) => {
                let at = offset.checked_add(at - start)?;
                // The rest of the last page is zero, pages behind it are not there.
                if at / PAGE_SIZE >= (bytes.len() as u64).div_ceil(PAGE_SIZE) {
                    return None;
                }
                Some(bytes.get(at as usize).copied().unwrap_or(0))
            }
        }
    }

    pub fn read(&self, at: Addr, len: usize) -> Option<Vec<u8>> {
        (0..len as u64).map(|i| self.byte(at.0.checked_add(i)?)).collect()
    }

    pub fn word(&self, at: u64) -> u64 {
        let b = self.read(Addr(at), 8).expect("mapped");
        u64::from_le_bytes(b.try_into().expect("8 bytes"))
    }

    pub fn cstr(&self, at: u64) -> Vec<u8> {
        (at..).map(|a| self.byte(a).expect("mapped")).take_while(|&b| b != 0).collect()
    }

    fn store(&mut self, at: u64, b: u8) -> Result<(), Errno> {
        let base = at & !(PAGE_SIZE - 1);
        if !self.pages.contains_key(&base) {
            let bytes = self.read(Addr(base), PAGE_SIZE as usize).ok_or(Errno::EFAULT)?;
            self.pages.insert(base, bytes.try_into().expect("a page"));
        }
        self.pages.get_mut(&base).expect("just made")[(at - base) as usize] = b;
        Ok(())
    }
}

impl Mapper for Space {
    fn reserve(&mut self, place: Place, len: u64) -> Result<Addr, Errno> {
        assert!(len != 0 && len.is_multiple_of(PAGE_SIZE));
        match place {
            Place::Exact(at) if self.is_free(at.0, at.0 + len) => return Ok(at),
            Place::Exact(_) => return Err(Errno::EEXIST),
            Place::Hint(at) if at.0 + len < self.top && self.is_free(at.0, at.0 + len) => {
                return Ok(at);
            }
            _ => {}
        }
        let mut end = self.top;
        for (&start, vma) in self.vmas.iter().rev() {
            if vma.end <= end && end - vma.end >= len {
                break;
            }
            end = end.min(start);
        }
        end.checked_sub(len)
            .filter(|&s| s >= 65536 && self.is_free(s, end))
            .map(Addr)
            .ok_or(Errno::ENOMEM)
    }

    fn map_file(
        &mut self,
        file: &dyn Executable,
        at: Addr,
        len: u64,
        offset: u64,
        access: Access,
    ) -> Result<(), Errno> {
        assert_eq!(offset % PAGE_SIZE, 0);
        let bytes = file.as_any().downcast_ref::<Bytes>().ok_or(Errno::ENODEV)?;
        let file = Some((Arc::new(bytes.0.clone()), offset));
        self.insert(at.0, Vma { end: at.0 + len, access, file });
        Ok(())
    }

    fn map_anon(&mut self, at: Addr, len: u64, access: Access) -> Result<(), Errno> {
        self.insert(at.0, Vma { end: at.0 + len, access, file: None });
        Ok(())
    }

    fn map_stack(&mut self, range: AddrRange, access: Access) -> Result<(), Errno> {
        assert!(self.is_free(range.start.0, range.end.0));
        self.insert(range.start.0, Vma { end: range.end.0, access, file: None });
        Ok(())
    }

    fn zero(&mut self, at: Addr, len: u64) -> Result<(), Errno> {
        let (_, vma) = self.find(at.0).ok_or(Errno::EFAULT)?;
        assert!(vma.access.contains(Access::WRITE), "zeroing obeys permissions");
        (0..len).try_for_each(|i| self.store(at.0 + i, 0))
    }

    fn write(&mut self, at: Addr, bytes: &[u8]) -> Result<(), Errno> {
        bytes.iter().zip(at.0..).try_for_each(|(&b, a)| self.store(a, b))
    }

    fn set_brk(&mut self, start: Addr) {
        self.brk = start;
    }
}

/// Arguments of a plain program.
pub fn args<'a>(filename: &'a [u8], executable: Arc<dyn Executable>) -> LoadArgs<'a> {
    LoadArgs {
        filename,
        comm: None,
        executable,
        arch: Some(Arch::X86_64),
        argv: vec![filename],
        envp: vec![],
        credentials: Credentials::default(),
        platform: Platform { name: Some(b"x86_64"), minsigstksz: 2048, ..Platform::default() },
        layout: Layout::fixed(Arch::X86_64),
        vdso: None,
        extra_auxv: &[],
        execfd: None,
        inaccessible: false,
    }
}

/// Loads into a fresh space.
pub fn load(
    args: &LoadArgs<'_>,
    files: &mut dyn Resolve,
) -> Result<(LoadedImage, Space), LoadError> {
    let mut space = Space { top: args.layout.stack_top.0 - (64 << 20), ..Space::default() };
    let image = Loader { resolve: files, mapper: &mut space, random: &mut Dice }.load(args)?;
    Ok((image, space))
}
