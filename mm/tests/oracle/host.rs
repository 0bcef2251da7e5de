//! The host's side: a forked process makes the calls and leaves its answers in shared memory.
//!
//! Between its fork and its end it allocates nothing: this process has threads.

use crate::call::{Answer, BASE, BRK_PAGES, Call, FILE_PAGES, P, PAGES, PROCS, place};
use crate::touch;
use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

const CALLS: usize = 64;
const TEXT: usize = 512 << 10;

/// What is seen of a process at the end.
pub(crate) struct Seen {
    pub(crate) pages: [Answer; PAGES as usize],
    pub(crate) heap: [Answer; BRK_PAGES as usize],
    /// `/proc/self/smaps`.
    pub(crate) smaps_len: usize,
    pub(crate) smaps: [u8; TEXT],
}

pub(crate) struct Shared {
    turn: AtomicU32,
    pub(crate) answers: [Answer; CALLS],
    pub(crate) seen: [Seen; PROCS],
    pub(crate) file: [u64; FILE_PAGES as usize],
}

/// Shared memory that forked processes write.
pub(crate) struct Host {
    shared: *mut Shared,
    file: i32,
    carrier: i32,
    start: u64,
}

fn ptr(at: u64) -> *mut c_void {
    at as usize as *mut c_void
}

fn errno() -> u16 {
    // SAFETY: the thread's own.
    unsafe { *libc::__errno_location() as u16 }
}

fn answer(r: i64) -> Answer {
    if r < 0 { Answer::Errno(errno()) } else { Answer::Value(r as u64) }
}

fn memfd(pages: u64) -> i32 {
    // SAFETY: a new descriptor.
    unsafe {
        let fd = libc::memfd_create(c"oracle".as_ptr(), 0);
        assert!(fd >= 0 && libc::ftruncate(fd, (pages * P) as i64) == 0);
        fd
    }
}

impl Host {
    pub(crate) fn new() -> Host {
        // SAFETY: fresh memory, all of it zero, which is a valid `Shared` once it is initialised
        // by `run`: only `answers` and `seen` have invalid patterns, and they are written first.
        unsafe {
            let prot = libc::PROT_READ | libc::PROT_WRITE;
            let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
            let len = size_of::<Shared>();
            let shared = libc::mmap(null_mut(), len, prot, flags, -1, 0).cast::<Shared>();
            assert!(shared as isize != -1);
            // A page for carrying bytes into and out of memory that may not be there.
            Host { shared, file: memfd(FILE_PAGES), carrier: memfd(1), start: 0 }
        }
    }

    /// Makes the calls in fresh processes; what they answered, unless one of them died.
    pub(crate) fn run(
        &mut self,
        calls: &[(usize, Call)],
        owners: &[usize],
    ) -> Result<&Shared, String> {
        assert!(calls.len() <= CALLS);
        // SAFETY: nobody else has the shared memory now; the child is alone until it exits.
        let status = unsafe {
            let shared = &mut *self.shared;
            shared.turn = AtomicU32::new(0);
            shared.answers = [Answer::Missing; CALLS];
            for s in &mut shared.seen {
                s.pages = [Answer::Missing; PAGES as usize];
                s.smaps_len = 0;
            }
            libc::ftruncate(self.file, 0);
            libc::ftruncate(self.file, (FILE_PAGES * P) as i64);
            let pid = libc::fork();
            if pid == 0 {
                touch::install();
                self.start = libc::syscall(libc::SYS_brk, 0) as u64;
                // What is mapped behind the heap's end is not known: it starts on a new page.
                self.start = self.start.next_multiple_of(P);
                libc::syscall(libc::SYS_brk, self.start);
                self.live(calls, owners, 0, 0);
            }
            let mut status = 0;
            assert_eq!(libc::waitpid(pid, &raw mut status, 0), pid);
            status
        };
        if status != 0 {
            return Err(format!("the host's process ended with status {status:#x}"));
        }
        // SAFETY: initialised above, and all writers have exited.
        Ok(unsafe { &*self.shared })
    }

    /// The life of process `me` from call `from` on.
    unsafe fn live(
        &self,
        calls: &[(usize, Call)],
        owners: &[usize],
        mut me: usize,
        from: usize,
    ) -> ! {
        let mut procs = me + 1;
        let mut children = 0;
        let mut i = from;
        // SAFETY: the shared memory outlives all processes; turns keep them apart.
        unsafe {
            while i < calls.len() {
                let fork = matches!(calls[i].1, Call::Fork);
                if owners[i] == me {
                    self.wait(i as u32);
                    if fork && procs < PROCS {
                        let child = libc::fork();
                        if child == 0 {
                            me = procs;
                            children = 0;
                        } else {
                            children += 1;
                            self.done(i, Answer::Value(0));
                        }
                    } else {
                        let a = self.call(&calls[i].1);
                        self.done(i, a);
                    }
                }
                procs = if fork { (procs + 1).min(PROCS) } else { procs };
                i += 1;
            }
            self.wait(calls.len() as u32);
            self.look(me);
            let mut bad = 0;
            for _ in 0..children {
                let mut status = 0;
                libc::waitpid(-1, &raw mut status, 0);
                bad |= i32::from(status != 0);
            }
            libc::_exit(bad * 98)
        }
    }

    unsafe fn wait(&self, turn: u32) {
        // SAFETY: as in `live`.
        let word = unsafe { &(*self.shared).turn };
        let limit = libc::timespec { tv_sec: 20, tv_nsec: 0 };
        loop {
            let now = word.load(SeqCst);
            if now >= turn {
                return;
            }
            // SAFETY: a futex in shared memory.
            unsafe {
                let r = libc::syscall(
                    libc::SYS_futex,
                    word.as_ptr(),
                    libc::FUTEX_WAIT,
                    now,
                    &raw const limit,
                );
                if r < 0 && errno() == libc::ETIMEDOUT as u16 {
                    libc::_exit(97);
                }
            }
        }
    }

    unsafe fn done(&self, i: usize, a: Answer) {
        // SAFETY: it is this process's turn.
        unsafe {
            (*self.shared).answers[i] = a;
            let word = &(*self.shared).turn;
            word.store(i as u32 + 1, SeqCst);
            libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, PROCS);
        }
    }

    /// The result of a call that returns an address; what lies elsewhere is unmapped again.
    unsafe fn placed(&self, r: *mut c_void, len: u64) -> Answer {
        if r as isize == -1 {
            return Answer::Errno(errno());
        }
        let a = place(r as u64);
        if matches!(a, Answer::Elsewhere { .. }) {
            // SAFETY: a mapping that was just made, and nobody uses.
            unsafe { libc::munmap(r, len.next_multiple_of(P) as usize) };
        }
        a
    }

    unsafe fn call(&self, c: &Call) -> Answer {
        touch::open_all_keys();
        // SAFETY: the calls touch the region and the pages above the heap only, in which nothing
        // of this process lives; what they could reach outside of them they refuse.
        unsafe {
            match *c {
                Call::Mmap { at, len, prot, flags, file, offset } => {
                    let (fd, anonymous) = if file { (self.file, 0) } else { (-1, 0x20) };
                    let offset = if file { offset } else { 0 };
                    let r =
                        libc::syscall(libc::SYS_mmap, at, len, prot, flags | anonymous, fd, offset);
                    self.placed(ptr(r as u64), len)
                }
                Call::Munmap { at, len } => answer(libc::syscall(libc::SYS_munmap, at, len)),
                Call::Mprotect { at, len, prot } => {
                    answer(libc::syscall(libc::SYS_mprotect, at, len, prot))
                }
                Call::Mremap { at, old, new, flags, to } => {
                    let to = if flags & 2 != 0 { to } else { 0 };
                    let r = libc::syscall(libc::SYS_mremap, at, old, new, flags, to);
                    self.placed(ptr(r as u64), new)
                }
                Call::Madvise { at, len, advice } => {
                    let r = answer(libc::syscall(libc::SYS_madvise, at, len, advice));
                    if advice == libc::MADV_FREE {
                        // What is freed lazily may still be there: gone now, for comparison.
                        libc::syscall(libc::SYS_madvise, at, len, libc::MADV_DONTNEED);
                    }
                    r
                }
                Call::ProcessMadvise { ranges, advice } => {
                    let me = libc::syscall(libc::SYS_pidfd_open, libc::getpid(), 0);
                    let call = |advice: i32| {
                        libc::syscall(libc::SYS_process_madvise, me, &ranges, 2, advice, 0)
                    };
                    let r = call(advice);
                    let done = if r < 0 { Answer::Errno(errno()) } else { Answer::Value(r as u64) };
                    if advice == libc::MADV_FREE {
                        call(libc::MADV_DONTNEED);
                    }
                    libc::close(me as i32);
                    done
                }
                Call::Mlock { at, len, how } => answer(match how % 4 {
                    0 => libc::syscall(libc::SYS_mlock, at, len),
                    1 => libc::syscall(libc::SYS_mlock2, at, len, 1),
                    _ => libc::syscall(libc::SYS_munlock, at, len),
                }),
                Call::Mlockall { flags } => answer(libc::syscall(libc::SYS_mlockall, flags)),
                Call::Munlockall => answer(libc::syscall(libc::SYS_munlockall)),
                Call::Msync { at, len, flags } => {
                    answer(libc::syscall(libc::SYS_msync, at, len, flags))
                }
                Call::Mincore { at, pages } => {
                    let mut out = [0u8; 16];
                    let r = libc::syscall(libc::SYS_mincore, at, pages * P, out.as_mut_ptr());
                    if r < 0 {
                        return Answer::Errno(errno());
                    }
                    let bits = out.iter().enumerate();
                    Answer::Value(bits.fold(0, |all, (i, b)| all | u64::from(b & 1) << i))
                }
                Call::Mseal { at, len } => answer(libc::syscall(462, at, len, 0)),
                Call::Brk { by } => {
                    let r = libc::syscall(libc::SYS_brk, self.start + by) as u64;
                    Answer::Value(r.wrapping_sub(self.start))
                }
                Call::BrkTouch { page, value } => {
                    self.touched(touch::store(self.start + page * P, value))
                }
                Call::CopyOut { at, value } => {
                    libc::pwrite(self.carrier, (&raw const value).cast(), 8, 0);
                    let r = libc::pread(self.carrier, ptr(at), 8, 0);
                    if r < 0 { Answer::Errno(errno()) } else { Answer::Value(0) }
                }
                Call::CopyIn { at } => {
                    if libc::pwrite(self.carrier, ptr(at), 8, 0) < 0 {
                        return Answer::Errno(errno());
                    }
                    let mut value = 0u64;
                    libc::pread(self.carrier, (&raw mut value).cast(), 8, 0);
                    Answer::Value(value)
                }
                Call::Store { at, value } => self.touched(touch::store(at, value)),
                Call::Load { at } => self.touched(touch::load(at)),
                Call::Truncate { pages } => {
                    answer(i64::from(libc::ftruncate(self.file, (pages * P) as i64)))
                }
                Call::FileWrite { page, value } => {
                    let at = (page * P) as i64;
                    let r = libc::pwrite(self.file, (&raw const value).cast(), 8, at);
                    if r < 0 { Answer::Errno(errno()) } else { Answer::Value(0) }
                }
                Call::Fork => Answer::Value(0),
            }
        }
    }

    fn touched(&self, r: Result<u64, (i32, i32)>) -> Answer {
        match r {
            Ok(v) => Answer::Value(v),
            Err((signal, code)) => Answer::Signal(signal, code),
        }
    }

    /// Notes what there is at the end. First the maps: reading changes them.
    unsafe fn look(&self, me: usize) {
        // SAFETY: each process writes its own part.
        unsafe {
            let seen = &mut (*self.shared).seen[me];
            let fd = libc::open(c"/proc/self/smaps".as_ptr(), libc::O_RDONLY);
            loop {
                let rest = &mut seen.smaps[seen.smaps_len..];
                let n = libc::read(fd, rest.as_mut_ptr().cast(), rest.len());
                if n <= 0 {
                    break;
                }
                seen.smaps_len += n as usize;
            }
            libc::close(fd);
            for (i, a) in seen.pages.iter_mut().enumerate() {
                *a = self.touched(touch::load(BASE + i as u64 * P));
            }
            for (i, a) in seen.heap.iter_mut().enumerate() {
                *a = self.touched(touch::load(self.start + i as u64 * P));
            }
            if me == 0 {
                for (i, v) in (*self.shared).file.iter_mut().enumerate() {
                    *v = 0;
                    libc::pread(self.file, (&raw mut *v).cast(), 8, (i as u64 * P) as i64);
                }
            }
        }
    }
}
