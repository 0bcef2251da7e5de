//! The template process, of which all stub processes are copies.
//!
//! It is forked from the sentry before anything else happens, lets go of everything but the stub's
//! code and two descriptors, and then makes children whose parent is the sentry.

use crate::regions::{RegionIndex, Regions};
use crate::shared::{
    ACK_FD, BOOT_STACK_SIZE, DOORBELL_FD, IMAGE_FD, MAX_FILTER, MAX_SELECTOR, MEMORY_FD,
    REGIONS_FD, TEXT_BASE, TEXT_MAX, THREAD_SELECTORS, op,
};
use crate::{bpf, sys};
use linux_raw_sys::general as nr;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use sync::Mutex;

static IMAGE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/stub.bin"));
include!(concat!(env!("OUT_DIR"), "/stub_symbols.rs"));

/// The template.
pub(crate) struct Zygote {
    regions: Arc<Regions>,
    child: Child,
    requests: Mutex<Requests>,
}

/// A child process of the sentry, by number and by descriptor.
pub(crate) struct Child {
    pid: i32,
    pidfd: OwnedFd,
}

impl Child {
    fn new(pid: i32) -> io::Result<Child> {
        let handle = Pid::from_raw(pid).ok_or(io::ErrorKind::NotFound)?;
        Ok(Child { pid, pidfd: rustix::process::pidfd_open(handle, PidfdFlags::empty())? })
    }

    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Ends it.
    pub(crate) fn kill(&self) {
        let _ = rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL);
    }

    /// Whether it was dead and is now reaped.
    pub(crate) fn reap(&self, block: bool) -> bool {
        let mut options = WaitIdOptions::EXITED;
        if !block {
            options |= WaitIdOptions::NOHANG;
        }
        loop {
            match rustix::process::waitid(WaitId::PidFd(self.pidfd.as_fd()), options) {
                Ok(status) => return status.is_some(),
                Err(rustix::io::Errno::INTR) => {}
                // Nobody else reaps; if somebody did, it is dead all the more.
                Err(_) => return true,
            }
        }
    }
}

/// A stub process that has not run a guest yet.
pub(crate) struct Stub {
    pub(crate) child: Child,
    pub(crate) region: RegionIndex,
}

struct Requests {
    /// Stubs that are made and may not have come up yet.
    spare: Vec<Stub>,
    outstanding: Option<(u32, RegionIndex)>,
    seq: u32,
    /// How often one was asked for; twice is enough.
    taken: u32,
}

impl Requests {
    /// How many to keep ready, of at most `spare`. Many programs never fork: a second process is
    /// made for the first that does.
    fn wanted(&self, spare: usize) -> usize {
        match self.taken {
            0 => spare.min(1),
            1 => 0,
            _ => spare,
        }
    }
}

impl Zygote {
    /// Forks the template.
    pub(crate) fn start(
        regions: Arc<Regions>,
        memory: BorrowedFd<'_>,
        doorbell: BorrowedFd<'_>,
        acks: BorrowedFd<'_>,
    ) -> io::Result<Zygote> {
        let image = memfd_create(c"tessera-stub", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        rustix::io::write(&image, IMAGE)?;
        rustix::fs::ftruncate(&image, TEXT_MAX)?;
        fcntl_add_seals(&image, SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW)?;
        // Above all numbers that the template is going to fill.
        let high = |fd: BorrowedFd<'_>| rustix::io::fcntl_dupfd_cloexec(fd, 16);
        let sources = [
            high(memory)?,
            high(regions.fd())?,
            high(doorbell)?,
            high(acks)?,
            high(image.as_fd())?,
        ];
        let fds = [
            (sources[0].as_raw_fd(), MEMORY_FD),
            (sources[1].as_raw_fd(), REGIONS_FD),
            (sources[2].as_raw_fd(), DOORBELL_FD),
            (sources[3].as_raw_fd(), ACK_FD),
            (sources[4].as_raw_fd(), IMAGE_FD),
        ];
        let parent = rustix::process::getpid().as_raw_nonzero().get() as u64;
        let birth = Birth { fds, parent };
        // SAFETY: the child runs nothing but `become_template`.
        let pid = unsafe { fork(&birth) }?;
        let child = Child::new(pid)?;
        let command = regions.command();
        while command.done.load(Acquire) == 0 {
            if child.reap(false) {
                return Err(io::Error::other("the stub template could not start"));
            }
            sys::futex_wait(&raw const command.done, 0, 10_000_000);
        }
        if command.result.load(Relaxed) != 0 {
            child.kill();
            child.reap(true);
            return Err(io::Error::other(
                "the host seals its own mappings into every process: the stub cannot drop them",
            ));
        }
        let requests = Requests { spare: Vec::new(), outstanding: None, seq: 0, taken: 0 };
        Ok(Zygote { regions, child, requests: Mutex::new(requests) })
    }

    /// A stub process, locked down and waiting for contexts; at most `spare` more are asked for.
    pub(crate) fn acquire(&self, spare: usize) -> io::Result<Stub> {
        let mut r = self.requests.lock();
        r.taken = (r.taken + 1).min(2);
        loop {
            self.collect(&mut r, false)?;
            if let Some(stub) = (!r.spare.is_empty()).then(|| r.spare.remove(0)) {
                // The next one is made while this one is used.
                if r.spare.len() < r.wanted(spare) {
                    let _ = self.request(&mut r);
                }
                drop(r);
                return self.booted(stub);
            }
            self.request(&mut r)?;
            self.collect(&mut r, true)?;
        }
    }

    /// Keeps `spare` processes ready.
    pub(crate) fn tend(&self, spare: usize) {
        let mut r = self.requests.lock();
        if self.collect(&mut r, false).is_ok() && r.spare.len() < r.wanted(spare) {
            let _ = self.request(&mut r);
        }
    }

    /// Asks for one more unless one is being made.
    fn request(&self, r: &mut Requests) -> io::Result<()> {
        if r.outstanding.is_some() {
            return Ok(());
        }
        let region = self.regions.allocate()?;
        let mut random = [0u8; 12];
        crate::random::fill(&mut random)?;
        let cookie: [u32; 3] = std::array::from_fn(|i| {
            u32::from_ne_bytes([
                random[4 * i],
                random[4 * i + 1],
                random[4 * i + 2],
                random[4 * i + 3],
            ])
        });
        let control = self.regions.control(region);
        let filter = bpf::stub_filter(cookie);
        for (to, insn) in control.filter.iter().zip(&filter) {
            to.store(*insn, Relaxed);
        }
        control.filter_len.store(filter.len().min(MAX_FILTER) as u32, Relaxed);
        for (to, word) in control.cookie.iter().zip(cookie) {
            to.store(word, Relaxed);
        }
        for entry in &control.entries[..MAX_SELECTOR] {
            entry.store(TEXT_BASE + PLAIN_OFFSET, Relaxed);
        }
        for (selector, thread) in THREAD_SELECTORS.into_iter().zip(0..) {
            let way = TEXT_BASE + CALLS_OFFSET + CALLS_STRIDE * thread;
            control.entries[usize::from(selector)].store(way, Relaxed);
        }
        // The mapper's first operation: a thread to carry contexts.
        control.ops[0].kind.store(op::THREAD, Relaxed);
        control.ops_tail.store(1, Relaxed);
        let command = self.regions.command();
        let (offset, report_size) = self.regions.extent(region);
        command.region.store(offset, Relaxed);
        command.report_size.store(report_size, Relaxed);
        r.seq = r.seq.wrapping_add(1);
        command.seq.store(r.seq, Release);
        sys::futex_wake(&raw const command.seq, 1);
        r.outstanding = Some((r.seq, region));
        Ok(())
    }

    /// Takes the answer to the outstanding request.
    fn collect(&self, r: &mut Requests, block: bool) -> io::Result<()> {
        let Some((seq, region)) = r.outstanding else { return Ok(()) };
        let command = self.regions.command();
        loop {
            let done = command.done.load(Acquire);
            if done == seq {
                break;
            }
            if !block {
                return Ok(());
            }
            if self.child.reap(false) {
                return Err(io::Error::other("the stub template died"));
            }
            sys::futex_wait(&raw const command.done, done, 10_000_000);
        }
        r.outstanding = None;
        let pid = command.result.load(Relaxed) as i32;
        if pid <= 0 {
            self.regions.release(region);
            return Err(io::Error::from_raw_os_error(-pid));
        }
        r.spare.push(Stub { child: Child::new(pid)?, region });
        Ok(())
    }

    /// Waits until the stub is locked down, then takes the cookie, and the filter that names it, away.
    fn booted(&self, stub: Stub) -> io::Result<Stub> {
        let report = self.regions.report(stub.region);
        while report.booted.load(Acquire) == 0 {
            if stub.child.reap(false) {
                self.regions.release(stub.region);
                return Err(io::Error::other(
                    "a stub process could not start: does the host permit seccomp filters?",
                ));
            }
            sys::futex_wait(&raw const report.booted, 0, 10_000_000);
        }
        let control = self.regions.control(stub.region);
        for word in &control.filter {
            word.store(0, Relaxed);
        }
        for word in &control.cookie {
            word.store(0, Relaxed);
        }
        control.filter_len.store(0, Relaxed);
        Ok(stub)
    }
}

impl Zygote {
    /// Ends the template and the stubs that nobody has.
    pub(crate) fn end(&self) {
        // The template first, or a request it is working on would leave a child behind.
        self.child.kill();
        self.child.reap(true);
        let mut r = self.requests.lock();
        let _ = self.collect(&mut r, false);
        let spare = std::mem::take(&mut r.spare);
        spare.iter().for_each(|s| s.child.kill());
        for s in spare {
            s.child.reap(true);
        }
    }
}

impl Drop for Zygote {
    fn drop(&mut self) {
        self.end();
    }
}

/// What the template needs to know of the sentry.
#[repr(C)]
struct Birth {
    /// Descriptors and the numbers they get.
    fds: [(i32, u32); 5],
    parent: u64,
}

/// Forks by way of a child that shares the memory, which is how a process loses the restartable
/// sequence area that the C library registered: the kernel would write to it after it is unmapped.
///
/// # Safety
/// What `birth` names is given up in the new process, not here.
unsafe fn fork(birth: &Birth) -> io::Result<i32> {
    const CLONE_VM_VFORK_SIGCHLD: u32 = 0x4100 | 17;
    const CLONE_PARENT_SIGCHLD: u32 = 0x8000 | 17;
    let mut pid = 0i64;
    let between: i64;
    // SAFETY: the child in between uses no stack and writes only `pid`, while this thread waits for
    // it; its child has memory of its own.
    unsafe {
        core::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 3f",
            "mov eax, {clone}",
            "mov edi, {fork}",
            "syscall",
            "test rax, rax",
            "jz 2f",
            "mov [r12], rax",
            "mov eax, {exit}",
            "xor edi, edi",
            "syscall",
            "ud2",
            "2:",
            "and rsp, -16",
            "mov rdi, r13",
            "call {template}",
            "ud2",
            "3:",
            clone = const nr::__NR_clone,
            exit = const nr::__NR_exit,
            fork = const CLONE_PARENT_SIGCHLD,
            template = sym become_template,
            inlateout("rax") u64::from(nr::__NR_clone) => between,
            in("rdi") u64::from(CLONE_VM_VFORK_SIGCHLD),
            in("rsi") 0u64,
            in("rdx") 0u64,
            in("r10") 0u64,
            in("r8") 0u64,
            in("r12") &raw mut pid,
            in("r13") birth,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    if between < 0 {
        return Err(io::Error::from_raw_os_error(-between as i32));
    }
    if let Some(handle) = Pid::from_raw(between as i32) {
        let _ = rustix::process::waitpid(Some(handle), rustix::process::WaitOptions::empty());
    }
    if pid < 0 {
        return Err(io::Error::from_raw_os_error(-pid as i32));
    }
    Ok(pid as i32)
}

/// Turns the sentry's fresh copy into the template.
///
/// # Safety
/// Only in a process that was just forked: its descriptors and memory are given up.
unsafe extern "C" fn become_template(birth: &Birth) -> ! {
    let Birth { fds, parent } = birth;
    // SAFETY: raw calls on a process of our own; the jump goes to the stub's entry on a stack of
    // its own, both mapped just before, low, where nothing of the stub's final places is.
    unsafe {
        for (from, to) in fds {
            sys::call(nr::__NR_dup3, [*from as u64, u64::from(*to), 0, 0, 0, 0]);
        }
        sys::call(nr::__NR_close_range, [u64::from(IMAGE_FD) + 1, u64::from(u32::MAX), 0, 0, 0, 0]);
        let text = [0x2000_0000, TEXT_MAX, 5, 2, u64::from(IMAGE_FD), 0];
        let text = sys::call(nr::__NR_mmap, text);
        let stack = [0x2100_0000, BOOT_STACK_SIZE, 3, 0x22, u64::MAX, 0];
        let stack = sys::call(nr::__NR_mmap, stack);
        if text < 0 || stack < 0 {
            sys::call(nr::__NR_exit_group, [1, 0, 0, 0, 0, 0]);
        }
        core::arch::asm!(
            "mov rsp, {stack}",
            "jmp {entry}",
            stack = in(reg) stack as u64 + BOOT_STACK_SIZE,
            entry = in(reg) text as u64 + ENTRY_OFFSET,
            in("rdi") *parent,
            in("rsi") text,
            options(noreturn)
        )
    }
}

/// The stub's code.
#[cfg(test)]
pub(crate) fn image() -> &'static [u8] {
    IMAGE
}
