//! The host kernel is the oracle: the same random calls on a region of this process and on ours.
//!
//! Results, errnos, bytes and the flags of every page must agree. Known differences are listed in
//! the README.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(missing_docs)]

mod common;

use arch::{Access, Addr, BufDst, PAGE_SIZE, Permissions, UserMemory};
use common::{BASE, FILE_PAGES, PAGES, file};
use mm::testkit::{RecordingSpace, VecMemoryFile};
use mm::*;
use proptest::prelude::*;
use rustix::fd::OwnedFd;
use rustix::mm as host;
use std::collections::BTreeMap;
use std::ffi::c_void;
use std::sync::{Arc, Mutex};

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
const P: u64 = PAGE_SIZE;

#[derive(Clone, Debug)]
enum Call {
    Mmap { at: u64, len: u64, prot: u32, flags: u32, file: bool, offset: u64 },
    Munmap { at: u64, len: u64 },
    Mprotect { at: u64, len: u64, prot: u32 },
    Mremap { at: u64, old: u64, new: u64, flags: u32, to: u64 },
    Madvise { at: u64, len: u64, advice: usize },
    Mlock { at: u64, len: u64, how: u8 },
    Msync { at: u64, len: u64, flags: u32 },
    Write { at: u64, value: u64 },
    Read { at: u64 },
}

const ADVICE: [(host::Advice, Advice); 20] = [
    (host::Advice::Normal, Advice::Normal),
    (host::Advice::Sequential, Advice::Sequential),
    (host::Advice::Random, Advice::Random),
    (host::Advice::WillNeed, Advice::WillNeed),
    (host::Advice::LinuxDontNeed, Advice::DontNeed),
    (host::Advice::LinuxFree, Advice::Free),
    (host::Advice::LinuxRemove, Advice::Remove),
    (host::Advice::LinuxDontFork, Advice::DontFork),
    (host::Advice::LinuxDoFork, Advice::DoFork),
    (host::Advice::LinuxHugepage, Advice::HugePage),
    (host::Advice::LinuxNoHugepage, Advice::NoHugePage),
    (host::Advice::LinuxDontDump, Advice::DontDump),
    (host::Advice::LinuxDoDump, Advice::DoDump),
    (host::Advice::LinuxWipeOnFork, Advice::WipeOnFork),
    (host::Advice::LinuxKeepOnFork, Advice::KeepOnFork),
    (host::Advice::LinuxCold, Advice::Cold),
    (host::Advice::LinuxPageOut, Advice::PageOut),
    (host::Advice::LinuxPopulateRead, Advice::PopulateRead),
    (host::Advice::LinuxPopulateWrite, Advice::PopulateWrite),
    (host::Advice::LinuxDontneedLocked, Advice::DontNeedLocked),
];

fn ptr(at: u64) -> *mut c_void {
    at as usize as *mut c_void
}

fn errno(e: rustix::io::Errno) -> u16 {
    e.raw_os_error() as u16
}

fn ours<T>(r: Result<T, syserr::Errno>) -> Result<T, u16> {
    r.map_err(|e| e.number())
}

struct Pair {
    mm: Arc<MemoryManager>,
    memory: Arc<VecMemoryFile>,
    object: Arc<MemoryObject>,
    mapped: MappedObject,
    fd: OwnedFd,
    /// A file that carries bytes into and out of memory that may not be there.
    carrier: OwnedFd,
    limits: Limits,
}

impl Pair {
    fn new() -> Pair {
        let memory = VecMemoryFile::new(256 << 20);
        let space = RecordingSpace::new(memory.clone());
        let mm = MemoryManager::new(MmConfig::new(memory.clone(), space));
        let (object, mapped) = file(&memory, FILE_PAGES);
        let memfd = |pages: u64| {
            let fd = rustix::fs::memfd_create("oracle", rustix::fs::MemfdFlags::empty()).unwrap();
            rustix::fs::ftruncate(&fd, pages * P).unwrap();
            fd
        };
        let lock = rustix::process::getrlimit(rustix::process::Resource::Memlock).current;
        let limits = Limits {
            memlock: lock.unwrap_or(u64::MAX),
            can_lock: rustix::process::geteuid().is_root(),
            ..Limits::DEFAULT
        };
        Pair { mm, memory, object, mapped, fd: memfd(FILE_PAGES), carrier: memfd(1), limits }
    }

    /// Both results of a call.
    fn run(&self, c: &Call) -> (Result<u64, u16>, Result<u64, u16>) {
        // SAFETY: the calls touch the region only, in which nothing of this process lives; what
        // they could reach outside of it they refuse.
        unsafe {
            match *c {
                Call::Mmap { at, len, prot, flags, file, offset } => {
                    let hp = host::ProtFlags::from_bits_retain(prot);
                    let hf = host::MapFlags::from_bits_retain(flags);
                    let h = if file {
                        host::mmap(ptr(at), len as usize, hp, hf, &self.fd, offset)
                    } else {
                        host::mmap_anonymous(ptr(at), len as usize, hp, hf)
                    };
                    let extra = if file { MapFlags::empty() } else { MapFlags::ANONYMOUS };
                    let o = self.mm.mmap(MmapArgs {
                        addr: Addr(at),
                        len,
                        prot: Access::from_bits_truncate(prot as u8),
                        flags: MapFlags::from_bits_retain(flags) | extra,
                        max_prot: Access::ALL,
                        object: file.then(|| self.mapped.clone()),
                        offset: if file { offset } else { 0 },
                        limits: &self.limits,
                    });
                    (h.map(|p| p as u64).map_err(errno), ours(o).map(|a| a.0))
                }
                Call::Munmap { at, len } => (
                    host::munmap(ptr(at), len as usize).map(|()| 0).map_err(errno),
                    ours(self.mm.munmap(Addr(at), len)).map(|()| 0),
                ),
                Call::Mprotect { at, len, prot } => {
                    let hp = host::MprotectFlags::from_bits_retain(prot);
                    let access = Access::from_bits_truncate(prot as u8);
                    let down = prot & 0x0100_0000 != 0;
                    (
                        host::mprotect(ptr(at), len as usize, hp).map(|()| 0).map_err(errno),
                        ours(self.mm.mprotect(Addr(at), len, access, down, &self.limits))
                            .map(|()| 0),
                    )
                }
                Call::Mremap { at, old, new, flags, to } => {
                    let hf = host::MremapFlags::from_bits_retain(flags & !2);
                    let h = if flags & 2 != 0 {
                        host::mremap_fixed(ptr(at), old as usize, new as usize, hf, ptr(to))
                    } else {
                        host::mremap(ptr(at), old as usize, new as usize, hf)
                    };
                    let o = self.mm.mremap(MremapArgs {
                        old: Addr(at),
                        old_len: old,
                        new_len: new,
                        flags: MremapFlags::from_bits_retain(flags),
                        new: Addr(if flags & 2 != 0 { to } else { 0 }),
                        limits: &self.limits,
                    });
                    (h.map(|p| p as u64).map_err(errno), ours(o).map(|a| a.0))
                }
                Call::Madvise { at, len, advice } => {
                    let (h, o) = ADVICE[advice % ADVICE.len()];
                    (
                        host::madvise(ptr(at), len as usize, h).map(|()| 0).map_err(errno),
                        ours(self.mm.madvise(Addr(at), len, o)).map(|()| 0),
                    )
                }
                Call::Mlock { at, len, how } => {
                    let (h, o) = match how % 3 {
                        0 => (
                            host::mlock(ptr(at), len as usize),
                            self.mm.mlock(Addr(at), len, MlockFlags::empty(), &self.limits),
                        ),
                        1 => (
                            host::mlock_with(ptr(at), len as usize, host::MlockFlags::ONFAULT),
                            self.mm.mlock(Addr(at), len, MlockFlags::ONFAULT, &self.limits),
                        ),
                        _ => (host::munlock(ptr(at), len as usize), self.mm.munlock(Addr(at), len)),
                    };
                    (h.map(|()| 0).map_err(errno), ours(o).map(|()| 0))
                }
                Call::Msync { at, len, flags } => (
                    host::msync(ptr(at), len as usize, host::MsyncFlags::from_bits_retain(flags))
                        .map(|()| 0)
                        .map_err(errno),
                    ours(self.mm.msync(Addr(at), len, MsyncFlags::from_bits_retain(flags)))
                        .map(|()| 0),
                ),
                Call::Write { at, value } => {
                    rustix::io::pwrite(&self.carrier, &value.to_ne_bytes(), 0).unwrap();
                    let to = core::slice::from_raw_parts_mut(ptr(at).cast::<u8>(), 8);
                    let h = rustix::io::pread(&self.carrier, to, 0);
                    let o = self.mm.copy_out(Addr(at), &value.to_ne_bytes(), Permissions::Obey);
                    (h.map(|_| 0).map_err(errno), o.map(|()| 0).map_err(|e| e.errno.number()))
                }
                Call::Read { at } => (self.host_read(at), self.our_read(at)),
            }
        }
    }

    fn host_read(&self, at: u64) -> Result<u64, u16> {
        // SAFETY: only the kernel looks at the slice, and it checks.
        let from = unsafe { core::slice::from_raw_parts(ptr(at).cast::<u8>(), 8) };
        rustix::io::pwrite(&self.carrier, from, 0).map_err(errno)?;
        let mut b = [0; 8];
        rustix::io::pread(&self.carrier, &mut b, 0).map_err(errno)?;
        Ok(u64::from_ne_bytes(b))
    }

    fn our_read(&self, at: u64) -> Result<u64, u16> {
        let mut b = [0; 8];
        self.mm.copy_in(Addr(at), &mut b, Permissions::Obey).map_err(|e| e.errno.number())?;
        Ok(u64::from_ne_bytes(b))
    }

    /// A call that moved a mapping away chose its own address: both are unmapped again.
    fn forget(&self, host: u64, ours: u64, len: u64) {
        // SAFETY: the host has just returned this mapping, and nobody uses it.
        unsafe { host::munmap(ptr(host), len as usize).unwrap() };
        self.mm.munmap(Addr(ours), len).unwrap();
    }

    fn compare(&self) {
        assert_eq!(host_pages(), our_pages(&self.mm), "pages (host, ours)");
        for i in 0..PAGES {
            let at = BASE + i * P;
            assert_eq!(self.host_read(at), self.our_read(at), "bytes of page {i} (host, ours)");
        }
        let mut b = [0; 8];
        for i in 0..FILE_PAGES {
            rustix::io::pread(&self.fd, &mut b, i * P).unwrap();
            let mut o = [0; 8];
            self.object.read_at(i * P, &mut BufDst::new(&mut o)).unwrap();
            assert_eq!(b, o, "file page {i} (host, ours)");
        }
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        // SAFETY: nothing of this process lives in the region.
        unsafe { host::munmap(ptr(BASE), (PAGES * P) as usize).unwrap() };
        self.mm.dec_users();
    }
}

/// The codes of `VmFlags` that both sides must agree on.
const CODES: [&str; 14] =
    ["rd", "wr", "ex", "mr", "mw", "me", "gd", "lo", "dc", "wf", "dd", "sr", "rr", "hg"];

fn parse(smaps: &str) -> BTreeMap<u64, (String, String)> {
    let mut out = BTreeMap::new();
    let mut head = (0, 0, String::new());
    for line in smaps.lines() {
        if let Some(flags) = line.strip_prefix("VmFlags:") {
            let flags: Vec<_> = flags.split_whitespace().filter(|f| CODES.contains(f)).collect();
            for at in (head.0..head.1).step_by(P as usize) {
                out.insert((at - BASE) / P, (head.2.clone(), flags.join(" ")));
            }
        } else if let Some((range, rest)) = line.split_once(' ')
            && let Some((lo, hi)) = range.split_once('-')
        {
            let (lo, hi) = (hex(lo), hex(hi));
            head = (0, 0, String::new());
            if lo >= BASE && hi <= BASE + PAGES * P {
                head = (lo, hi, rest.split_whitespace().next().unwrap_or("").to_owned());
            }
        }
    }
    out
}

fn hex(s: &str) -> u64 {
    u64::from_str_radix(s, 16).unwrap_or(0)
}

fn host_pages() -> BTreeMap<u64, (String, String)> {
    parse(&std::fs::read_to_string("/proc/self/smaps").unwrap())
}

fn our_pages(mm: &MemoryManager) -> BTreeMap<u64, (String, String)> {
    parse(&String::from_utf8(mm.smaps_text()).unwrap())
}

fn place() -> impl Strategy<Value = u64> {
    prop_oneof![9 => (0..PAGES).prop_map(|i| BASE + i * P), 1 => (0..PAGES * P).prop_map(|o| BASE + o)]
}

fn length() -> impl Strategy<Value = u64> {
    prop_oneof![
        12 => (1..10u64).prop_map(|n| n * P),
        2 => 1..5 * P,
        1 => Just(0),
        1 => Just(u64::MAX),
        1 => Just(u64::MAX - P),
    ]
}

fn call() -> impl Strategy<Value = Call> {
    let prot = prop_oneof![6 => Just(3u32), 2 => 0..8u32];
    let flags = prop_oneof![
        8 => Just(0x12u32),
        2 => Just(0x11),
        1 => Just(0x13),
        1 => Just(0x10),
        1 => Just(0x10_0002),
        1 => Just(0x10_0011),
        1 => Just(0x2012),
        1 => Just(0x112),
        1 => Just(0x8012),
        1 => Just(0x4012),
    ];
    let offset =
        prop_oneof![6 => (0..FILE_PAGES).prop_map(|i| i * P), 1 => Just(1u64), 1 => Just(1 << 63)];
    prop_oneof![
        8 => (place(), length(), prot.clone(), flags, prop::bool::weighted(0.3), offset).prop_map(
            |(at, len, prot, flags, file, offset)| Call::Mmap { at, len, prot, flags, file, offset }
        ),
        3 => (place(), length()).prop_map(|(at, len)| Call::Munmap { at, len }),
        3 => (place(), length(), prot, prop::bool::weighted(0.1)).prop_map(|(at, len, p, down)| {
            Call::Mprotect { at, len, prot: p | if down { 0x0100_0000 } else { 0 } }
        }),
        4 => (place(), length(), length(), 0..8u32, place()).prop_map(
            |(at, old, new, flags, to)| Call::Mremap { at, old, new, flags, to }
        ),
        4 => (place(), length(), 0..ADVICE.len()).prop_map(
            |(at, len, advice)| Call::Madvise { at, len, advice }
        ),
        2 => (place(), length(), any::<u8>()).prop_map(|(at, len, how)| Call::Mlock { at, len, how }),
        1 => (place(), length(), 0..8u32).prop_map(|(at, len, flags)| Call::Msync { at, len, flags }),
        6 => (place(), 1..u64::MAX).prop_map(|(at, value)| Call::Write { at: at & !7, value }),
        4 => place().prop_map(|at| Call::Read { at: at & !7 }),
    ]
}

/// Keeps what a call reaches inside the region.
fn inside(c: Call) -> Option<Call> {
    let end = BASE + PAGES * P;
    let fits = |at: u64, len: u64| len > 1 << 48 || at + len <= end;
    let ok = match c {
        Call::Mmap { at, len, .. }
        | Call::Munmap { at, len }
        | Call::Mprotect { at, len, .. }
        | Call::Madvise { at, len, .. }
        | Call::Mlock { at, len, .. }
        | Call::Msync { at, len, .. } => fits(at, len),
        // Without FIXED, rustix leaves the register of the hint undefined.
        Call::Mremap { flags, .. } if flags & 6 == 4 => false,
        Call::Mremap { at, old, new, to, .. } => {
            fits(at, old) && fits(at, new) && fits(to, new) && fits(to, old)
        }
        Call::Write { .. } | Call::Read { .. } => true,
    };
    ok.then_some(c)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_host_kernel_agrees(calls in proptest::collection::vec(call(), 1..40)) {
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(|e| e.into_inner());
        let pair = Pair::new();
        for c in calls.into_iter().filter_map(inside) {
            let (host, ours) = pair.run(&c);
            if let Call::Mremap { old, flags, .. } = c
                && host == Err(14)
                && ours.is_ok()
                && old > P
                && flags & 2 == 0
            {
                // Adjacent anonymous vmas with different histories: one of ours, two of Linux's.
                return Ok(());
            }
            match (host, ours) {
                (Ok(h), Ok(o)) if h != o => {
                    let (Call::Mremap { new, .. } | Call::Mmap { len: new, .. }) = c else {
                        panic!("{c:?}: {h:#x} {o:#x}")
                    };
                    let outside = |a: u64| !(BASE..BASE + PAGES * P).contains(&a);
                    prop_assert!(outside(h) && outside(o), "{:?}: {:#x} {:#x}", c, h, o);
                    pair.forget(h, o, new.next_multiple_of(P));
                }
                _ => prop_assert_eq!(host, ours, "{:?} (host, ours)", c),
            }
            if let Call::Madvise { at, len, advice } = c
                && ADVICE[advice].1 == Advice::Free
            {
                // What is freed lazily may still be there: not comparable until it is dropped.
                let _ = pair.run(&Call::Madvise { at, len, advice: 4 });
            }
        }
        pair.compare();
        let memory = pair.memory.clone();
        drop(pair);
        prop_assert_eq!(memory.live_pages(), 0);
    }
}
