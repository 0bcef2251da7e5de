//! A memory file in vectors.

use crate::seam::{FileRange, MemoryFile, OutOfMemory};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::PAGE_SIZE;
use sync::Mutex;
use sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What [`MemoryFile::peek`] finds in a [`VecMemoryFile`] where nothing is.
const FREED: u8 = 0xa5;

type Page = Box<[u8; PAGE_SIZE as usize]>;

/// A [`MemoryFile`] in a vector of pages, for tests: counts live pages, checks every access, and
/// fails when told to.
pub struct VecMemoryFile {
    inner: Mutex<Inner>,
    limit: u64,
    overhead: AtomicU64,
}

#[derive(Default)]
struct Inner {
    pages: Vec<(u32, Option<Page>)>,
    /// Free runs of pages, by first page.
    free: BTreeMap<u64, u64>,
    live: u64,
    copied: u64,
    counts_read: u64,
    fail_in: Option<u64>,
}

impl Inner {
    /// Whether this allocation or reference is the one that is to fail.
    fn fails(&mut self) -> bool {
        match &mut self.fail_in {
            None => false,
            Some(0) => true,
            Some(n) => {
                *n -= 1;
                false
            }
        }
    }

    fn entry(&mut self, offset: u64) -> &mut (u32, Option<Page>) {
        let i = (offset / PAGE_SIZE) as usize;
        let e = self.pages.get_mut(i);
        let e = e.unwrap_or_else(|| panic!("offset {offset:#x} was never allocated"));
        assert!(e.0 > 0, "offset {offset:#x} is free");
        e
    }

    fn each(&mut self, offset: u64, len: u64, mut f: impl FnMut(usize, &mut [u8])) {
        let mut done = 0;
        while done < len {
            let at = offset + done;
            let inside = (at % PAGE_SIZE) as usize;
            let n = (PAGE_SIZE - at % PAGE_SIZE).min(len - done) as usize;
            let page = self.entry(at).1.get_or_insert_with(|| Box::new([0; PAGE_SIZE as usize]));
            f(done as usize, &mut page[inside..inside + n]);
            done += n as u64;
        }
    }
}

impl VecMemoryFile {
    /// At most `limit` bytes.
    pub fn new(limit: u64) -> Arc<VecMemoryFile> {
        let (inner, overhead) = (Mutex::default(), AtomicU64::new(0));
        Arc::new(VecMemoryFile { inner, limit, overhead })
    }

    /// Lets the `n`-th allocation or reference from now on fail, and all after it; `None` ends
    /// that.
    pub fn fail_in(&self, n: Option<u64>) {
        self.inner.lock().fail_in = n;
    }

    /// Says that a kernel keeps `bytes` for guests, of which it may keep half of the limit.
    pub fn set_overhead(&self, bytes: u64) {
        self.overhead.store(bytes, Relaxed);
    }

    /// Pages that are referenced.
    pub fn live_pages(&self) -> u64 {
        self.inner.lock().live
    }

    /// How often [`MemoryFile::ref_count`] was asked so far.
    pub fn counts_read(&self) -> u64 {
        self.inner.lock().counts_read
    }

    /// Pages that [`MemoryFile::copy`] has copied so far.
    pub fn copied_pages(&self) -> u64 {
        self.inner.lock().copied
    }
}

impl MemoryFile for VecMemoryFile {
    fn allocate(&self, len: u64) -> Result<FileRange, OutOfMemory> {
        assert!(len > 0 && len.is_multiple_of(PAGE_SIZE), "bad length {len:#x}");
        let n = len / PAGE_SIZE;
        let mut i = self.inner.lock();
        if i.fails() || (i.live + n) * PAGE_SIZE > self.limit {
            return Err(OutOfMemory);
        }
        let run = i.free.iter().find(|r| *r.1 >= n).map(|r| (*r.0, *r.1));
        let first = match run {
            Some((at, have)) => {
                i.free.remove(&at);
                if have > n {
                    i.free.insert(at + n, have - n);
                }
                at
            }
            None => {
                let at = i.pages.len() as u64;
                i.pages.resize_with((at + n) as usize, || (0, None));
                at
            }
        };
        for p in &mut i.pages[first as usize..(first + n) as usize] {
            *p = (1, None);
        }
        i.live += n;
        Ok(FileRange { start: first * PAGE_SIZE, end: (first + n) * PAGE_SIZE })
    }

    fn overhead(&self) -> u64 {
        self.overhead.load(Relaxed)
    }

    fn is_exhausted(&self) -> bool {
        self.overhead() > self.limit / 2
    }

    fn inc_ref(&self, r: FileRange) -> Result<(), OutOfMemory> {
        let mut i = self.inner.lock();
        if i.fails() {
            return Err(OutOfMemory);
        }
        for at in (r.start..r.end).step_by(PAGE_SIZE as usize) {
            i.entry(at).0 += 1;
        }
        Ok(())
    }

    fn dec_ref(&self, r: FileRange) {
        let mut i = self.inner.lock();
        for at in (r.start..r.end).step_by(PAGE_SIZE as usize) {
            let e = i.entry(at);
            e.0 -= 1;
            if e.0 > 0 {
                continue;
            }
            e.1 = None;
            i.live -= 1;
            let mut first = at / PAGE_SIZE;
            let mut n = 1;
            if let Some(after) = i.free.remove(&(first + 1)) {
                n += after;
            }
            if let Some((&before, &m)) = i.free.range(..first).next_back()
                && before + m == first
            {
                first = before;
                n += m;
            }
            i.free.insert(first, n);
        }
    }

    fn ref_count(&self, offset: u64) -> u32 {
        let mut i = self.inner.lock();
        i.counts_read += 1;
        i.pages.get((offset / PAGE_SIZE) as usize).map_or(0, |p| p.0)
    }

    fn read(&self, offset: u64, to: &mut [u8]) {
        let len = to.len() as u64;
        self.inner.lock().each(offset, len, |at, p| to[at..at + p.len()].copy_from_slice(p));
    }

    /// Memory that is free reads as `FREED`, for tests that look whether anybody believes it.
    fn peek(&self, offset: u64, to: &mut [u8]) -> bool {
        let mut inner = self.inner.lock();
        for (i, byte) in to.iter_mut().enumerate() {
            let at = offset + i as u64;
            *byte = match inner.pages.get_mut((at / PAGE_SIZE) as usize) {
                Some((1.., page)) => page.as_ref().map_or(0, |p| p[(at % PAGE_SIZE) as usize]),
                _ => FREED,
            };
        }
        true
    }

    fn peek_u32(&self, offset: u64) -> Option<u32> {
        let mut b = [0; 4];
        self.peek(offset, &mut b).then(|| u32::from_ne_bytes(b))
    }

    fn write(&self, offset: u64, from: &[u8]) {
        let len = from.len() as u64;
        self.inner.lock().each(offset, len, |at, p| p.copy_from_slice(&from[at..at + p.len()]));
    }

    fn zero(&self, offset: u64, len: u64) {
        self.inner.lock().each(offset, len, |_, p| p.fill(0));
    }

    fn copy(&self, from: u64, to: u64, len: u64) {
        let mut buf = alloc::vec![0; len as usize];
        self.read(from, &mut buf);
        self.write(to, &buf);
        self.inner.lock().copied += len / PAGE_SIZE;
    }

    fn load_u32(&self, offset: u64) -> u32 {
        let mut b = [0; 4];
        self.read(offset, &mut b);
        u32::from_ne_bytes(b)
    }

    fn swap_u32(&self, offset: u64, new: u32) -> u32 {
        self.exchange(offset, None, new)
    }

    fn compare_exchange_u32(&self, offset: u64, old: u32, new: u32) -> u32 {
        self.exchange(offset, Some(old), new)
    }

    fn used(&self) -> u64 {
        self.live_pages() * PAGE_SIZE
    }

    fn limit(&self) -> u64 {
        self.limit
    }
}

impl VecMemoryFile {
    fn exchange(&self, offset: u64, old: Option<u32>, new: u32) -> u32 {
        let mut before = 0;
        self.inner.lock().each(offset, 4, |_, p| {
            let mut b = [0; 4];
            b.copy_from_slice(p);
            before = u32::from_ne_bytes(b);
            if old.is_none_or(|o| o == before) {
                p.copy_from_slice(&new.to_ne_bytes());
            }
        });
        before
    }
}
