//! An object that is made of memory-file pages.

use super::{Allowance, MappingSet, SavedObject};
use crate::range_map::{Entry, Free, RangeMap, Value};
use crate::seam::{
    FileRange, Mappable, MemoryFile, ObjectMapping, OutOfMemory, TranslateError, Translation,
};
use crate::state::page_align;
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{Access, IoDst, IoSrc, PAGE_SIZE};
use core::ops::Range;
use sync::Mutex;
use syserr::Errno;

/// The largest size (`MAX_LFS_FILESIZE`).
const MAX_SIZE: u64 = i64::MAX as u64 & !(PAGE_SIZE - 1);
/// How much is copied between two looks at the pages.
const CHUNK: u64 = 64 << 10;
/// How much one fault in a hole allocates at most.
const WINDOW: u64 = 16 * PAGE_SIZE;

/// Bytes in memory, like a tmpfs file: holes read as zeroes and get memory when they are written
/// or mapped; cutting and punching takes the memory away from whoever maps it.
///
/// Bytes are never copied under its lock, so a read into memory that maps the object itself
/// cannot deadlock.
pub struct MemoryObject {
    memory: Arc<dyn MemoryFile>,
    inner: Mutex<Inner>,
    mappings: MappingSet,
}

struct Inner {
    pages: RangeMap<Extent>,
    size: u64,
    resident: u64,
    /// What is resident is taken from here.
    allowance: Option<Arc<Allowance>>,
}

#[derive(Clone, Copy)]
struct Extent {
    file: u64,
}

impl Value for Extent {
    fn advance(&self, by: u64) -> Extent {
        Extent { file: self.file + by }
    }

    fn merges(&self, len: u64, right: &Extent) -> bool {
        self.file + len == right.file
    }
}

impl Entry<Extent> {
    fn file(&self) -> FileRange {
        FileRange { start: self.value.file, end: self.value.file + self.len() }
    }
}

impl Inner {
    /// Memory at `at`, allocating in a hole: at least to `need`, at most to `most`.
    fn ensure(
        &mut self,
        memory: &dyn MemoryFile,
        at: u64,
        need: u64,
        most: u64,
    ) -> Result<Entry<Extent>, OutOfMemory> {
        if let Some(e) = self.pages.find(at) {
            return Ok(*e);
        }
        let hole = self.pages.ending_after(at).map_or(u64::MAX, |e| e.start);
        let end = most.max(need).min(hole).max(at + PAGE_SIZE);
        let file = match self.allocate(memory, end - at) {
            Ok(f) => f,
            Err(OutOfMemory) => self.allocate(memory, PAGE_SIZE)?,
        };
        let e = Entry { start: at, end: at + file.len(), value: Extent { file: file.start } };
        self.resident += e.len();
        self.pages.insert(e, &Free)?;
        Ok(e)
    }

    fn allocate(&self, memory: &dyn MemoryFile, len: u64) -> Result<FileRange, OutOfMemory> {
        let Some(allowance) = &self.allowance else { return memory.allocate(len) };
        allowance.take(len)?;
        memory.allocate(len).inspect_err(|_| allowance.give(len))
    }

    /// Whether it is the allowance that has no page left.
    fn is_spent(&self) -> bool {
        self.allowance.as_ref().is_some_and(|a| a.limit().saturating_sub(a.used()) < PAGE_SIZE)
    }

    fn remove(&mut self, lo: u64, hi: u64) -> Vec<FileRange> {
        let mut out = Vec::new();
        let mut gone = 0;
        let _ = self.pages.remove(lo, hi, &Free, |e| {
            gone += e.len();
            out.push(e.file());
        });
        self.resident -= gone;
        if let Some(a) = &self.allowance {
            a.give(gone);
        }
        out
    }

    fn zero(&self, memory: &dyn MemoryFile, lo: u64, hi: u64) {
        for e in self.pages.range(lo, hi).filter_map(|e| e.clip(lo, hi)) {
            memory.zero(e.value.file, e.len());
        }
    }
}

impl MemoryObject {
    /// An object of `size` bytes, all holes.
    pub fn new(memory: Arc<dyn MemoryFile>, size: u64) -> MemoryObject {
        MemoryObject::build(memory, size, None)
    }

    /// An object of `size` bytes, all holes, whose memory counts in `allowance`. Where that has no
    /// more, writing is `ENOSPC` and a mapping raises `SIGBUS`.
    pub fn within(
        memory: Arc<dyn MemoryFile>,
        size: u64,
        allowance: Arc<Allowance>,
    ) -> MemoryObject {
        MemoryObject::build(memory, size, Some(allowance))
    }

    fn build(
        memory: Arc<dyn MemoryFile>,
        size: u64,
        allowance: Option<Arc<Allowance>>,
    ) -> MemoryObject {
        let pages = RangeMap::default();
        let inner = Inner { pages, size: size.min(MAX_SIZE), resident: 0, allowance };
        MemoryObject { memory, inner: Mutex::new(inner), mappings: MappingSet::new() }
    }

    /// Size in bytes.
    pub fn size(&self) -> u64 {
        self.inner.lock().size
    }

    /// Pages that have memory.
    pub fn resident_pages(&self) -> u64 {
        self.inner.lock().resident / PAGE_SIZE
    }

    /// Who maps it.
    pub fn mappings(&self) -> &MappingSet {
        &self.mappings
    }

    /// Puts memory in a hole; its reference becomes the object's. Says whether it is a hole below
    /// the largest size.
    pub(super) fn put_extent(&self, at: u64, file: FileRange) -> bool {
        let mut inner = self.inner.lock();
        let end = at.checked_add(file.len()).filter(|e| *e <= MAX_SIZE);
        let Some(end) = end.filter(|e| inner.pages.is_free(at, *e)) else { return false };
        inner.resident += file.len();
        let value = Extent { file: file.start };
        inner.pages.insert(Entry { start: at, end, value }, &Free).is_ok()
    }

    /// Reads from `offset` until the destination is full or the object ends.
    ///
    /// # Errors
    /// `EFAULT` when not even the first byte could be delivered.
    pub fn read_at(&self, offset: u64, dst: &mut dyn IoDst) -> Result<usize, Errno> {
        let mut done = 0u64;
        let mut buf = Vec::new();
        while dst.remaining() > 0 {
            let at = offset.saturating_add(done);
            let (n, file) = {
                let inner = self.inner.lock();
                let n = inner.size.saturating_sub(at).min(dst.remaining()).min(CHUNK);
                if n == 0 {
                    break;
                }
                match inner.pages.ending_after(at).and_then(|e| e.clip(at, at + n)) {
                    Some(e) if e.start == at => {
                        buf.resize(e.len() as usize, 0);
                        self.memory.read(e.value.file, &mut buf);
                        (e.len(), true)
                    }
                    Some(e) => (e.start - at, false),
                    None => (n, false),
                }
            };
            let got = if file { dst.put(&buf).map(|n| n as u64) } else { dst.put_zeros(n) };
            match got {
                Ok(k) => {
                    done += k;
                    if k < n {
                        break;
                    }
                }
                Err(e) if done == 0 => return Err(e),
                Err(_) => break,
            }
        }
        Ok(done as usize)
    }

    /// Writes the source at `offset`, growing the object.
    ///
    /// # Errors
    /// When not even the first byte could be written: `EFAULT`; `ENOSPC` without memory; `EFBIG`
    /// past the largest size.
    pub fn write_at(&self, offset: u64, src: &mut dyn IoSrc) -> Result<usize, Errno> {
        let mut done = 0u64;
        let mut buf = alloc::vec![0u8; src.remaining().min(CHUNK) as usize];
        while src.remaining() > 0 {
            let at = offset.saturating_add(done);
            let room = MAX_SIZE.saturating_sub(at).min(buf.len() as u64) as usize;
            if room == 0 {
                return if done == 0 { Err(Errno::EFBIG) } else { break };
            }
            let taken = match src.take(buf.get_mut(..room).unwrap_or(&mut [])) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if done == 0 => return Err(e),
                Err(_) => break,
            };
            let written = self.put(at, buf.get(..taken).unwrap_or(&[]));
            done += written as u64;
            if written < taken {
                src.untake(taken - written);
                return if done == 0 { Err(Errno::ENOSPC) } else { break };
            }
        }
        Ok(done as usize)
    }

    /// Stores bytes; says how many there was memory for.
    fn put(&self, offset: u64, bytes: &[u8]) -> usize {
        let mut inner = self.inner.lock();
        let end = offset + bytes.len() as u64;
        let mut at = offset;
        while at < end {
            let page = at & !(PAGE_SIZE - 1);
            let e = match inner.pages.find(at) {
                Some(e) => *e,
                None => {
                    let need = end.next_multiple_of(PAGE_SIZE);
                    match inner.ensure(&*self.memory, page, need, need) {
                        Ok(e) => e,
                        Err(OutOfMemory) => break,
                    }
                }
            };
            let n = e.end.min(end) - at;
            let from = (at - offset) as usize;
            if let Some(part) = bytes.get(from..from + n as usize) {
                self.memory.write(e.value.file + (at - e.start), part);
            }
            at += n;
        }
        inner.size = inner.size.max(at);
        (at - offset) as usize
    }

    /// Sets the size. What lies past a smaller one is gone, in mappings too; what was allocated past
    /// the end stays when it grows.
    ///
    /// # Errors
    /// `EFBIG` past the largest size.
    pub fn truncate(&self, size: u64) -> Result<(), Errno> {
        if size > MAX_SIZE {
            return Err(Errno::EFBIG);
        }
        let keep = page_align(size).ok_or(Errno::EFBIG)?;
        let (gone, old) = {
            let mut inner = self.inner.lock();
            let old = inner.size;
            inner.size = size;
            inner.zero(&*self.memory, size, keep);
            let gone = if size > old { Vec::new() } else { inner.remove(keep, u64::MAX) };
            (gone, old)
        };
        if size < old {
            self.mappings.invalidate(keep..u64::MAX, true);
        }
        gone.into_iter().for_each(|r| self.memory.dec_ref(r));
        Ok(())
    }

    /// Frees the memory of a range: it reads as zeroes.
    pub fn punch(&self, range: Range<u64>) {
        let lo = range.start.checked_next_multiple_of(PAGE_SIZE).unwrap_or(u64::MAX);
        let hi = range.end & !(PAGE_SIZE - 1);
        let gone = {
            let mut inner = self.inner.lock();
            if lo >= hi {
                inner.zero(&*self.memory, range.start, range.end);
                return;
            }
            inner.zero(&*self.memory, range.start, lo);
            inner.zero(&*self.memory, hi, range.end);
            inner.remove(lo, hi)
        };
        self.mappings.invalidate(lo..hi, false);
        gone.into_iter().for_each(|r| self.memory.dec_ref(r));
    }

    /// Gives memory to the holes of a range: fallocate(2). Does not change the size.
    ///
    /// # Errors
    /// [`OutOfMemory`]; what got memory keeps it.
    pub fn allocate(&self, range: Range<u64>) -> Result<(), OutOfMemory> {
        let mut inner = self.inner.lock();
        let mut at = range.start & !(PAGE_SIZE - 1);
        let end = page_align(range.end.min(MAX_SIZE)).unwrap_or(MAX_SIZE);
        while at < end {
            at = inner.ensure(&*self.memory, at, end, end)?.end;
        }
        Ok(())
    }

    /// The first byte at or after `offset` that has memory (or, with `hole`, that has none) before
    /// the end: `SEEK_DATA` and `SEEK_HOLE`. The end counts as a hole.
    pub fn seek(&self, offset: u64, hole: bool) -> Option<u64> {
        let inner = self.inner.lock();
        if offset >= inner.size {
            return None;
        }
        let mut at = offset;
        if hole {
            while let Some(e) = inner.pages.find(at) {
                at = e.end;
            }
            return Some(at.min(inner.size));
        }
        let e = inner.pages.ending_after(at)?;
        at = at.max(e.start);
        (at < inner.size).then_some(at)
    }
}

impl Drop for MemoryObject {
    fn drop(&mut self) {
        let gone = self.inner.lock().remove(0, u64::MAX);
        gone.into_iter().for_each(|r| self.memory.dec_ref(r));
    }
}

impl Mappable for MemoryObject {
    fn object_id(&self) -> u64 {
        core::ptr::from_ref(self) as usize as u64
    }

    fn translate(
        &self,
        required: Range<u64>,
        optional: Range<u64>,
        _: Access,
    ) -> Result<Translation, TranslateError> {
        let mut inner = self.inner.lock();
        let size = page_align(inner.size).unwrap_or(MAX_SIZE);
        let at = required.start;
        if at >= size {
            return Err(TranslateError::Bus);
        }
        let most = optional.end.min(at.saturating_add(WINDOW)).min(size);
        let e = match inner.ensure(&*self.memory, at, required.end.min(size), most) {
            Ok(e) => e,
            Err(OutOfMemory) if inner.is_spent() => return Err(TranslateError::Bus),
            Err(OutOfMemory) => return Err(TranslateError::NoMemory),
        };
        let part = inner.pages.find(at).copied().unwrap_or(e);
        let (lo, hi) = (optional.start.min(at), optional.end.max(required.end).min(size));
        let part = part.clip(lo, hi).ok_or(TranslateError::Bus)?;
        self.memory.inc_ref(part.file()).map_err(|_| TranslateError::NoMemory)?;
        Ok(Translation { offset: part.start, file: part.file(), access: Access::ALL })
    }

    fn resident(&self, range: Range<u64>) -> Option<Translation> {
        let inner = self.inner.lock();
        let end = range.end.min(page_align(inner.size).unwrap_or(MAX_SIZE));
        if range.start >= end {
            return None;
        }
        let e = inner.pages.range(range.start, end).next()?.clip(range.start, end)?;
        self.memory.inc_ref(e.file()).ok()?;
        Some(Translation { offset: e.start, file: e.file(), access: Access::ALL })
    }

    fn add_mapping(&self, mapping: &ObjectMapping) -> Result<(), Errno> {
        self.mappings.add(mapping);
        Ok(())
    }

    fn remove_mapping(&self, mapping: &ObjectMapping) {
        self.mappings.remove(mapping);
    }

    fn sync(&self, _: Range<u64>) -> Result<(), Errno> {
        Ok(())
    }

    fn punch_hole(&self, range: Range<u64>) -> Result<(), Errno> {
        self.punch(range);
        Ok(())
    }

    fn save(&self) -> Option<SavedObject> {
        let inner = self.inner.lock();
        let extents = inner.pages.iter().map(|e| (e.start, e.file())).collect();
        Some(SavedObject { size: inner.size, extents })
    }
}
