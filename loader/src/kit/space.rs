//! An address space in kernel memory.

use super::Probe;
use crate::dry::Blob;
use crate::seam::{Executable, Mapper, Place};
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use arch::{Access, Addr, AddrRange, PAGE_SIZE, Partial, Permissions, UserMemory};
use syserr::Errno;

const PAGE: usize = PAGE_SIZE as usize;
/// The lowest address that is given out unasked.
const LOWEST: u64 = 65536;

/// One mapping.
#[derive(Clone, Debug)]
pub struct Vma {
    /// First address past it.
    pub end: u64,
    /// What a program may do with it.
    pub access: Access,
    /// The file and the offset of the mapping's first byte in it, which may lie past its end;
    /// `None` for zeroes.
    pub file: Option<(Blob, u64)>,
}

/// An address space whose mappings are real enough to be read: the files are [`Blob`]s, and pages
/// exist once they are written.
#[derive(Clone, Debug, Default)]
pub struct Space {
    vmas: BTreeMap<u64, Vma>,
    pages: BTreeMap<u64, [u8; PAGE]>,
    brk: Addr,
    top: u64,
}

impl Space {
    /// An empty space that gives out addresses below `top`.
    pub fn new(top: Addr) -> Space {
        Space { top: top.0, ..Space::default() }
    }

    /// The mapping that an address lies in, and where that begins.
    pub fn find(&self, at: u64) -> Option<(u64, &Vma)> {
        let (&start, vma) = self.vmas.range(..=at).next_back()?;
        (at < vma.end).then_some((start, vma))
    }

    /// The mappings by their first address.
    pub fn vmas(&self) -> impl Iterator<Item = (u64, &Vma)> {
        self.vmas.iter().map(|(&start, vma)| (start, vma))
    }

    /// Where the heap begins.
    pub fn brk(&self) -> Addr {
        self.brk
    }

    /// The `len` bytes at `at`, whatever their permissions; `None` where one of them is not there.
    pub fn bytes(&self, at: Addr, len: usize) -> Option<Vec<u8>> {
        let mut out = vec![0; len];
        (self.copy(at.0, &mut out) == len).then_some(out)
    }

    /// The space as a program's memory, for [`arch::parse_initial_stack`] and its like.
    pub fn view(&self) -> View<'_> {
        View(self)
    }

    fn is_free(&self, start: u64, len: u64) -> bool {
        let Some(end) = start.checked_add(len) else { return false };
        self.find(start).is_none() && self.vmas.range(start..end).next().is_none()
    }

    /// The page at `base` as a program sees it: zero behind a file's end, absent past its last
    /// page.
    fn page(&self, base: u64) -> Option<[u8; PAGE]> {
        if let Some(page) = self.pages.get(&base) {
            return Some(*page);
        }
        let (start, vma) = self.find(base)?;
        let mut page = [0; PAGE];
        if let Some((file, offset)) = &vma.file {
            let from = usize::try_from(offset.checked_add(base - start)?).ok()?;
            let rest = file.0.get(from..).filter(|r| !r.is_empty())?;
            let n = rest.len().min(PAGE);
            page.get_mut(..n)?.copy_from_slice(rest.get(..n)?);
        }
        Some(page)
    }

    /// Copies from `at` on, and says how far it came.
    fn copy(&self, at: u64, to: &mut [u8]) -> usize {
        let mut done = 0;
        while let Some(rest) = to.get_mut(done..).filter(|r| !r.is_empty()) {
            let Some(at) = at.checked_add(done as u64) else { break };
            let Some(page) = self.page(at & !(PAGE_SIZE - 1)) else { break };
            let from = page.get((at % PAGE_SIZE) as usize..).unwrap_or_default();
            let n = from.len().min(rest.len());
            if let (Some(to), Some(from)) = (rest.get_mut(..n), from.get(..n)) {
                to.copy_from_slice(from);
            }
            done += n;
        }
        done
    }

    fn insert(&mut self, start: u64, vma: Vma) -> Result<(), Errno> {
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
        self.vmas.retain(|&at, _| at < start || at >= end);
        self.pages.retain(|&at, _| at < start || at >= end);
        self.vmas.insert(start, vma);
        Ok(())
    }

    fn store(&mut self, at: Addr, bytes: &[u8]) -> Result<(), Errno> {
        let mut rest = bytes;
        let mut at = at.0;
        while !rest.is_empty() {
            let base = at & !(PAGE_SIZE - 1);
            let mut page = self.page(base).ok_or(Errno::EFAULT)?;
            let to = page.get_mut((at - base) as usize..).unwrap_or_default();
            let (now, later) = rest.split_at(rest.len().min(to.len()));
            to.iter_mut().zip(now).for_each(|(to, from)| *to = *from);
            self.pages.insert(base, page);
            at = at.checked_add(now.len() as u64).ok_or(Errno::EFAULT)?;
            rest = later;
        }
        Ok(())
    }
}

/// The mappings must be page-aligned and not empty; a loader that asks for others panics.
impl Mapper for Space {
    fn reserve(&mut self, place: Place, len: u64) -> Result<Addr, Errno> {
        assert!(len != 0 && len.is_multiple_of(PAGE_SIZE));
        match place {
            Place::Exact(at) if self.is_free(at.0, len) => return Ok(at),
            Place::Exact(_) => return Err(Errno::EEXIST),
            Place::Hint(at) if at.0 + len < self.top && self.is_free(at.0, len) => return Ok(at),
            _ => {}
        }
        let mut end = self.top;
        for (&start, vma) in self.vmas.iter().rev() {
            if vma.end <= end && end - vma.end >= len {
                break;
            }
            end = end.min(start);
        }
        let start = end.checked_sub(len).filter(|&s| s >= LOWEST && self.is_free(s, len));
        start.map(Addr).ok_or(Errno::ENOMEM)
    }

    fn map_file(
        &mut self,
        file: &dyn Executable,
        at: Addr,
        len: u64,
        offset: u64,
        access: Access,
    ) -> Result<(), Errno> {
        assert!(offset.is_multiple_of(PAGE_SIZE));
        let file = file.as_any().downcast_ref::<Blob>().ok_or(Errno::ENODEV)?;
        self.insert(at.0, Vma { end: at.0 + len, access, file: Some((file.clone(), offset)) })
    }

    fn map_anon(&mut self, at: Addr, len: u64, access: Access) -> Result<(), Errno> {
        self.insert(at.0, Vma { end: at.0 + len, access, file: None })
    }

    fn map_stack(&mut self, range: AddrRange, access: Access) -> Result<(), Errno> {
        if !self.is_free(range.start.0, range.len()) {
            return Err(Errno::EEXIST);
        }
        self.insert(range.start.0, Vma { end: range.end.0, access, file: None })
    }

    fn zero(&mut self, at: Addr, len: u64) -> Result<(), Errno> {
        let (_, vma) = self.find(at.0).ok_or(Errno::EFAULT)?;
        assert!(vma.access.contains(Access::WRITE), "zeroing obeys permissions");
        self.store(at, &vec![0; len as usize])
    }

    fn write(&mut self, at: Addr, bytes: &[u8]) -> Result<(), Errno> {
        self.store(at, bytes)
    }

    fn set_brk(&mut self, start: Addr) {
        self.brk = start;
    }
}

impl Probe for Space {
    fn read(&mut self, at: Addr, to: &mut [u8]) -> Result<(), Errno> {
        if self.copy(at.0, to) == to.len() { Ok(()) } else { Err(Errno::EFAULT) }
    }
}

/// A [`Space`] that is only read; every write faults.
#[derive(Clone, Copy, Debug)]
pub struct View<'a>(&'a Space);

impl UserMemory for View<'_> {
    fn copy_in(&self, from: Addr, to: &mut [u8], _: Permissions) -> Result<(), Partial> {
        let done = self.0.copy(from.0, to);
        if done == to.len() { Ok(()) } else { Err(Partial { done, errno: Errno::EFAULT }) }
    }

    fn copy_out(&self, _: Addr, _: &[u8], _: Permissions) -> Result<(), Partial> {
        Err(Partial { done: 0, errno: Errno::EFAULT })
    }

    fn zero_out(&self, _: Addr, _: u64, _: Permissions) -> Result<(), Partial> {
        Err(Partial { done: 0, errno: Errno::EFAULT })
    }

    fn load_u32(&self, at: Addr) -> Result<u32, Errno> {
        if !at.0.is_multiple_of(4) {
            return Err(Errno::EINVAL);
        }
        let mut word = [0; 4];
        self.copy_in(at, &mut word, Permissions::Obey)?;
        Ok(u32::from_le_bytes(word))
    }

    fn swap_u32(&self, _: Addr, _: u32) -> Result<u32, Errno> {
        Err(Errno::EFAULT)
    }

    fn compare_exchange_u32(&self, _: Addr, _: u32, _: u32) -> Result<u32, Errno> {
        Err(Errno::EFAULT)
    }
}
