//! Nanoseconds per operation, bookkeeping only: memory is a table of counters.
//!
//! `cargo bench -p mm --features std,testkit`
#![allow(missing_docs)]

use arch::{Access, Addr, AddrRange, PAGE_SIZE, Permissions, UserMemory};
use mm::*;
use std::any::Any;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Instant;

const P: u64 = PAGE_SIZE;
const BYTES: u64 = 4 << 20;

/// Hands out offsets from a ring; bytes exist for the first few megabytes only.
struct Counters {
    counts: Vec<AtomicU32>,
    next: AtomicU64,
    bytes: Mutex<Vec<u8>>,
}

impl Counters {
    fn each(&self, r: FileRange, f: impl Fn(&AtomicU32)) {
        let slots = self.counts.len() as u64;
        for i in r.start / P..r.end / P {
            f(&self.counts[(i % slots) as usize]);
        }
    }
}

impl MemoryFile for Counters {
    fn allocate(&self, len: u64) -> Result<FileRange, OutOfMemory> {
        let slots = self.counts.len() as u64 * P;
        let mut start = self.next.fetch_add(len, Relaxed) % slots;
        if start + len > slots {
            start = 0;
        }
        let r = FileRange { start, end: start + len };
        self.each(r, |c| c.store(1, Relaxed));
        Ok(r)
    }

    fn inc_ref(&self, r: FileRange) -> Result<(), OutOfMemory> {
        self.each(r, |c| {
            c.fetch_add(1, Relaxed);
        });
        Ok(())
    }

    fn dec_ref(&self, r: FileRange) {
        self.each(r, |c| {
            c.fetch_sub(1, Relaxed);
        });
    }

    fn ref_count(&self, offset: u64) -> u32 {
        self.counts[(offset / P) as usize % self.counts.len()].load(Relaxed)
    }

    fn read(&self, offset: u64, to: &mut [u8]) {
        let at = (offset % BYTES) as usize;
        to.copy_from_slice(&self.bytes.lock().unwrap()[at..at + to.len()]);
    }

    fn write(&self, offset: u64, from: &[u8]) {
        let at = (offset % BYTES) as usize;
        self.bytes.lock().unwrap()[at..at + from.len()].copy_from_slice(from);
    }

    fn zero(&self, _: u64, _: u64) {}

    fn copy(&self, _: u64, _: u64, _: u64) {}

    fn load_u32(&self, offset: u64) -> u32 {
        self.counts[(offset / P) as usize % self.counts.len()].load(Relaxed)
    }

    fn swap_u32(&self, _: u64, new: u32) -> u32 {
        new
    }

    fn compare_exchange_u32(&self, _: u64, old: u32, _: u32) -> u32 {
        old
    }

    fn used(&self) -> u64 {
        0
    }

    fn limit(&self) -> u64 {
        u64::MAX
    }
}

/// Page tables that forget everything.
struct Nowhere(Arc<dyn MemoryFile>);

impl AddressSpace for Nowhere {
    fn map(&self, _: AddrRange, _: u64, _: Access, _: bool) -> Result<(), OutOfMemory> {
        Ok(())
    }

    fn protect(&self, _: AddrRange, _: Access) {}

    fn unmap(&self, _: AddrRange) {}

    fn retire(&self, ranges: Vec<FileRange>) {
        ranges.into_iter().for_each(|r| self.0.dec_ref(r));
    }

    fn flush(&self) {}

    fn poll_flushed(&self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

struct Bench {
    memory: Arc<dyn MemoryFile>,
    limits: Limits,
}

impl Bench {
    fn mm(&self, tuning: Tuning) -> Arc<MemoryManager> {
        let space = Arc::new(Nowhere(self.memory.clone()));
        MemoryManager::new(MmConfig {
            max_map_count: usize::MAX,
            tuning,
            ..MmConfig::new(self.memory.clone(), space)
        })
    }

    fn map(&self, mm: &MemoryManager, at: u64, pages: u64, prot: Access) -> Addr {
        let fixed = if at == 0 { MapFlags::empty() } else { MapFlags::FIXED };
        let a = MmapArgs::anonymous(Addr(at), pages * P, prot, &self.limits);
        mm.mmap(MmapArgs { flags: a.flags | fixed, ..a }).unwrap()
    }

    /// An address space of `n` vmas of one page, every second page free.
    fn many(&self, n: u64) -> Arc<MemoryManager> {
        let mm = self.mm(Tuning { eager: 0, ..Tuning::DEFAULT });
        for i in 0..n {
            self.map(&mm, AT + i * 2 * P, 1, Access::RW);
        }
        mm
    }

    fn fork(&self, mm: &MemoryManager) -> Arc<MemoryManager> {
        mm.fork(Arc::new(Nowhere(self.memory.clone()))).unwrap()
    }
}

const AT: u64 = 0x10_0000_0000;

/// The best of five runs.
fn time(name: &str, n: u32, mut f: impl FnMut()) {
    let best = (0..5)
        .map(|_| {
            let t = Instant::now();
            (0..n).for_each(|_| f());
            t.elapsed().as_nanos() as f64 / f64::from(n)
        })
        .fold(f64::MAX, f64::min);
    println!("{name:<48}{best:>12.0} ns");
}

fn main() {
    let memory = Arc::new(Counters {
        counts: (0..1 << 20).map(|_| AtomicU32::new(0)).collect(),
        next: AtomicU64::new(0),
        bytes: Mutex::new(vec![0; BYTES as usize + (2 << 20)]),
    });
    let b = Bench { memory, limits: Limits::DEFAULT };
    let lazy = Tuning { eager: 0, ..Tuning::DEFAULT };
    mapping(&b, lazy);
    forking(&b, lazy);
    access(&b);
}

fn mapping(b: &Bench, lazy: Tuning) {
    let mm = b.mm(lazy);
    time("mmap + munmap of one page", 20_000, || {
        let a = b.map(&mm, 0, 1, Access::RW);
        mm.munmap(a, P).unwrap();
    });
    for n in [10, 1_000, 100_000] {
        let mm = b.many(n);
        time(&format!("mmap + munmap among {n}"), 20_000, || {
            let a = b.map(&mm, 0, 1, Access::RW);
            mm.munmap(a, P).unwrap();
        });
        time(&format!("fixed replace among {n}"), 20_000, || {
            b.map(&mm, AT + n / 2 * 2 * P, 1, Access::RW);
        });
    }
    b.map(&mm, AT, 16, Access::RW);
    time("mprotect that splits and merges back", 20_000, || {
        mm.mprotect(Addr(AT + 4 * P), P, Access::READ, false, &b.limits).unwrap();
        mm.mprotect(Addr(AT + 4 * P), P, Access::RW, false, &b.limits).unwrap();
    });
    let remap = |old: u64, new: u64| MremapArgs {
        old: Addr(AT),
        old_len: old * P,
        new_len: new * P,
        flags: MremapFlags::empty(),
        new: Addr(0),
        limits: &b.limits,
    };
    time("mremap grow + shrink", 20_000, || {
        mm.mremap(remap(16, 17)).unwrap();
        mm.mremap(remap(17, 16)).unwrap();
    });
    mm.set_brk(Addr(0x5555_0000_0000));
    time("brk grow + shrink", 20_000, || {
        mm.brk(Addr(0x5555_0000_1000), &b.limits);
        mm.brk(Addr(0x5555_0000_0000), &b.limits);
    });
    time("mmap + fault + munmap of one page", 20_000, || {
        let a = b.map(&mm, 0, 1, Access::RW);
        mm.handle_fault(a, Access::WRITE).unwrap();
        mm.munmap(a, P).unwrap();
    });
    time("new + drop of a memory manager", 10_000, || drop(b.mm(lazy)));
    time("user inc + dec", 100_000, || {
        assert!(mm.inc_users());
        mm.dec_users();
    });
}

fn forking(b: &Bench, lazy: Tuning) {
    for n in [1, 100, 10_000] {
        let mm = b.many(n);
        time(&format!("fork + exit, {n} vmas"), 200, || b.fork(&mm).dec_users());
    }
    let mm = b.mm(Tuning::EXACT);
    let extents = 16_384;
    b.map(&mm, AT, extents * 2, Access::RW);
    for i in 0..extents {
        mm.handle_fault(Addr(AT + i * 2 * P), Access::WRITE).unwrap();
    }
    let t = Instant::now();
    let child = b.fork(&mm);
    println!("{:<48}{:>12} ns", "first fork, 16384 extents", t.elapsed().as_nanos());
    child.dec_users();
    time("fork + exit again, 16384 extents", 200, || b.fork(&mm).dec_users());
    let mm = b.mm(lazy);
    b.map(&mm, AT, 1, Access::RW);
    mm.handle_fault(Addr(AT), Access::WRITE).unwrap();
    time("fork + copy-on-write break + exit", 2_000, || {
        let child = b.fork(&mm);
        child.handle_fault(Addr(AT), Access::WRITE).unwrap();
        child.dec_users();
    });
}

fn access(b: &Bench) {
    let mm = b.mm(Tuning::DEFAULT);
    b.map(&mm, AT, 512, Access::RW);
    mm.populate(Addr(AT), 512 * P).unwrap();
    let mut buf = vec![0u8; 1 << 20];
    for (name, n) in [("64 B", 64), ("4 KiB", 4096), ("1 MiB", 1 << 20)] {
        let count = if n > 4096 { 500 } else { 100_000 };
        time(&format!("copy in, {name}"), count, || {
            mm.copy_in(Addr(AT), &mut buf[..n], Permissions::Obey).unwrap();
        });
        time(&format!("copy out, {name}"), count, || {
            mm.copy_out(Addr(AT), &buf[..n], Permissions::Obey).unwrap();
        });
    }
    time("load u32", 100_000, || {
        let _ = mm.load_u32(Addr(AT + 8)).unwrap();
    });
    time("compare-and-swap u32", 100_000, || {
        let _ = mm.compare_exchange_u32(Addr(AT + 8), 0, 0).unwrap();
    });
}
