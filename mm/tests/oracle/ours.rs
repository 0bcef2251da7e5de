//! Our side: the same calls on memory managers over the test kit's doubles.

use crate::call::{Answer, BASE, BRK_PAGES, Call, FILE_PAGES, GROWS_DOWN, P, PAGES, PROCS, place};
use arch::{Access, Addr, AddrRange, BufDst, BufSrc, Permissions, UserMemory};
use mm::testkit::model::file;
use mm::testkit::{RecordingSpace, VecMemoryFile};
use mm::*;
use std::sync::Arc;
use syserr::Errno;

const HEAP: u64 = 0x5555_5000_0000;

struct Proc {
    mm: Arc<MemoryManager>,
    space: Arc<RecordingSpace>,
}

pub(crate) struct Ours {
    procs: Vec<Proc>,
    memory: Arc<VecMemoryFile>,
    object: Arc<MemoryObject>,
    mapped: MappedObject,
    limits: Limits,
}

fn answer(r: Result<(), Errno>) -> Answer {
    match r {
        Ok(()) => Answer::Value(0),
        Err(e) => Answer::Errno(e.number()),
    }
}

impl Ours {
    pub(crate) fn new(tuning: Tuning) -> Ours {
        let memory = VecMemoryFile::new(256 << 20);
        let space = RecordingSpace::new(memory.clone());
        let limits = Limits {
            memlock: rustix::process::getrlimit(rustix::process::Resource::Memlock)
                .current
                .unwrap_or(u64::MAX),
            can_lock: rustix::process::geteuid().is_root(),
            ..Limits::DEFAULT
        };
        let config = MmConfig { tuning, limits, ..MmConfig::new(memory.clone(), space.clone()) };
        let mm = MemoryManager::new(config);
        mm.set_brk(Addr(HEAP));
        let (object, mapped) = file(&memory, FILE_PAGES);
        Ours { procs: vec![Proc { mm, space }], memory, object, mapped, limits }
    }

    fn placed(&self, mm: &MemoryManager, r: Result<Addr, Errno>, len: u64) -> Answer {
        match r {
            Err(e) => Answer::Errno(e.number()),
            Ok(at) => {
                let a = place(at.0);
                if matches!(a, Answer::Elsewhere { .. }) {
                    mm.munmap(at, len.next_multiple_of(P)).unwrap();
                }
                a
            }
        }
    }

    /// Which of the pages of a mincore(2) are private anonymous memory: others may be in the
    /// host's page cache. A child's pages are left out too.
    pub(crate) fn comparable(&self, who: usize, at: u64, pages: u64) -> u64 {
        if who != 0 {
            return 0;
        }
        let mm = &self.procs[0].mm;
        (0..pages)
            .filter(|i| mm.vma_at(Addr(at + i * P)).is_some_and(|v| v.object.is_none()))
            .fold(0, |all, i| all | 1 << i)
    }

    pub(crate) fn call(&mut self, who: usize, c: &Call) -> Answer {
        let Proc { mm, space } = &self.procs[who];
        let limits = &self.limits;
        match *c {
            Call::Mmap { at, len, prot, flags, file, offset } => {
                let extra = if file { MapFlags::empty() } else { MapFlags::ANONYMOUS };
                let r = mm.mmap(MmapArgs {
                    addr: Addr(at),
                    len,
                    prot: Access::from_bits_truncate(prot as u8),
                    flags: MapFlags::from_bits_retain(flags) | extra,
                    max_prot: Access::ALL,
                    object: file.then(|| self.mapped.clone()),
                    offset: if file { offset } else { 0 },
                    limits,
                });
                self.placed(mm, r, len)
            }
            Call::Munmap { at, len } => answer(mm.munmap(Addr(at), len)),
            Call::Mprotect { at, len, prot } => {
                let access = Access::from_bits_truncate(prot as u8);
                answer(mm.mprotect(Addr(at), len, access, prot & GROWS_DOWN != 0, limits))
            }
            Call::Mremap { at, old, new, flags, to } => {
                let r = mm.mremap(MremapArgs {
                    old: Addr(at),
                    old_len: old,
                    new_len: new,
                    flags: MremapFlags::from_bits_retain(flags),
                    new: Addr(if flags & 2 != 0 { to } else { 0 }),
                    limits,
                });
                self.placed(mm, r, new)
            }
            Call::Madvise { at, len, advice } => match Advice::from_raw(advice) {
                None => Answer::Errno(Errno::EINVAL.number()),
                Some(a) => {
                    let r = answer(mm.madvise(Addr(at), len, a));
                    if a == Advice::Free {
                        let _ = mm.madvise(Addr(at), len, Advice::DontNeed);
                    }
                    r
                }
            },
            Call::ProcessMadvise { ranges, advice } => {
                let ranges =
                    ranges.map(|(at, len)| AddrRange { start: Addr(at), end: Addr(at + len) });
                let r = mm.process_madvise(&ranges, advice, true);
                if advice == Advice::Free as i32 {
                    let _ = mm.process_madvise(&ranges, Advice::DontNeed as i32, true);
                }
                r.map_or_else(|e| Answer::Errno(e.number()), Answer::Value)
            }
            Call::Mlock { at, len, how } => answer(match how % 4 {
                0 => mm.mlock(Addr(at), len, MlockFlags::empty(), limits),
                1 => mm.mlock(Addr(at), len, MlockFlags::ONFAULT, limits),
                _ => mm.munlock(Addr(at), len),
            }),
            Call::Mlockall { flags } => answer(match MlockallFlags::from_bits(flags) {
                Some(f) => mm.mlockall(f, limits),
                None => Err(Errno::EINVAL),
            }),
            Call::Munlockall => {
                mm.munlockall();
                Answer::Value(0)
            }
            Call::Msync { at, len, flags } => {
                answer(mm.msync(Addr(at), len, MsyncFlags::from_bits_retain(flags)))
            }
            Call::Mincore { at, pages } => {
                let mut out = vec![0; pages as usize];
                match mm.mincore(Addr(at), &mut out, &|_| true) {
                    Err(e) => Answer::Errno(e.number()),
                    Ok(()) => {
                        let bits = out.iter().enumerate();
                        Answer::Value(bits.fold(0, |all, (i, b)| all | u64::from(*b) << i))
                    }
                }
            }
            Call::Mseal { at, len } => answer(mm.mseal(Addr(at), len)),
            Call::Brk { by } => Answer::Value(mm.brk(Addr(HEAP + by), limits).0 - HEAP),
            Call::BrkTouch { page, value } => self.touch(mm, space, HEAP + page * P, Some(value)),
            Call::CopyOut { at, value } => {
                let r = mm.copy_out(Addr(at), &value.to_ne_bytes(), Permissions::Obey);
                answer(r.map_err(|e| e.errno))
            }
            Call::CopyIn { at } => {
                let mut b = [0; 8];
                match mm.copy_in(Addr(at), &mut b, Permissions::Obey) {
                    Ok(()) => Answer::Value(u64::from_ne_bytes(b)),
                    Err(e) => Answer::Errno(e.errno.number()),
                }
            }
            Call::Store { at, value } => self.touch(mm, space, at, Some(value)),
            Call::Load { at } => self.touch(mm, space, at, None),
            Call::Truncate { pages } => answer(self.object.truncate(pages * P)),
            Call::FileWrite { page, value } => {
                let bytes = value.to_ne_bytes();
                answer(self.object.write_at(page * P, &mut BufSrc::new(&bytes)).map(|_| ()))
            }
            Call::Fork if self.procs.len() < PROCS => {
                let space = RecordingSpace::new(self.memory.clone());
                match mm.fork(space.clone()) {
                    Err(e) => Answer::Errno(e.number()),
                    Ok(mm) => {
                        self.procs.push(Proc { mm, space });
                        Answer::Value(0)
                    }
                }
            }
            Call::Fork => Answer::Value(0),
        }
    }

    /// What an instruction does: the page tables if they permit it, else a fault and once more.
    fn touch(
        &self,
        mm: &MemoryManager,
        space: &RecordingSpace,
        at: u64,
        store: Option<u64>,
    ) -> Answer {
        let access = if store.is_some() { Access::WRITE } else { Access::READ };
        for _ in 0..2 {
            if let Some((offset, now)) = space.mapped(Addr(at))
                && now.contains(access)
            {
                let mut b = [0; 8];
                self.memory.read(offset, &mut b);
                let Some(value) = store else { return Answer::Value(u64::from_ne_bytes(b)) };
                self.memory.write(offset, &value.to_ne_bytes());
                return Answer::Value(0);
            }
            let (signal, code) = match mm.handle_fault(Addr(at), access) {
                Ok(()) => continue,
                Err(FaultError::NotMapped) => (libc::SIGSEGV, 1),
                Err(FaultError::Denied) => (libc::SIGSEGV, 2),
                Err(FaultError::Bus) => (libc::SIGBUS, 2),
                Err(FaultError::NoMemory) => (libc::SIGKILL, 0),
            };
            return Answer::Signal(signal, code);
        }
        panic!("a fault at {at:#x} for {access:?} was resolved and is not mapped");
    }

    pub(crate) fn count(&self) -> usize {
        self.procs.len()
    }

    pub(crate) fn smaps(&self, who: usize) -> String {
        String::from_utf8(self.procs[who].mm.smaps_text()).unwrap()
    }

    pub(crate) fn pages(&self, who: usize) -> Vec<Answer> {
        let p = &self.procs[who];
        (0..PAGES).map(|i| self.touch(&p.mm, &p.space, BASE + i * P, None)).collect()
    }

    pub(crate) fn heap(&self, who: usize) -> Vec<Answer> {
        let p = &self.procs[who];
        (0..BRK_PAGES).map(|i| self.touch(&p.mm, &p.space, HEAP + i * P, None)).collect()
    }

    pub(crate) fn file(&self) -> Vec<u64> {
        let page = |i| {
            let mut b = [0; 8];
            self.object.read_at(i * P, &mut BufDst::new(&mut b)).unwrap();
            u64::from_ne_bytes(b)
        };
        (0..FILE_PAGES).map(page).collect()
    }

    /// Everybody exits; how many pages are left that nobody can reach.
    pub(crate) fn finish(mut self) -> u64 {
        for p in self.procs.drain(..) {
            let (s, r) = (p.mm.stats(), p.mm.recount());
            assert_eq!(MmStats { peak_size: 0, peak_rss: 0, ..s }, r, "sums");
            p.mm.dec_users();
        }
        let Ours { memory, object, mapped, .. } = self;
        drop((object, mapped));
        memory.live_pages()
    }
}
