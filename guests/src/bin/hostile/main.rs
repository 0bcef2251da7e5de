//! Tries to harm whatever runs it: `hostile WAY [SEED]`. What survives prints `survived`.
//!
//! Each way is something that an ordinary kernel answers with an error number or a signal to this
//! process alone.

mod namespaces;
mod trace;

use std::arch::asm;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Top of the range in which a sandbox might keep something of its own.
const TOP: usize = 0x7fff_ffff_f000;

type Way = (&'static str, fn());

const WAYS: &[Way] = &[
    ("scribble", scribble),
    ("jump", jump),
    ("wild-pointers", wild_pointers),
    ("unknown-syscalls", unknown_syscalls),
    ("kill-self", kill_self),
    ("kill-everyone-above", kill_everyone_above),
    ("bad-sigreturn", bad_sigreturn),
    ("stack-overflow", stack_overflow),
    ("memory-hog", memory_hog),
    ("fd-hog", fd_hog),
    ("kernel-hog", kernel_hog),
    ("segment-registers", segment_registers),
    ("protection-keys", protection_keys),
    ("borrowed-threads", borrowed_threads),
    ("trace-at-random", trace::at_random),
    ("trace-and-end", trace::and_end),
    ("trace-often", trace::often),
    ("namespaces-at-random", namespaces::at_random),
];

fn main() {
    let name = std::env::args().nth(1).unwrap_or_default();
    let Some((_, way)) = WAYS.iter().find(|w| w.0 == name) else {
        for (name, _) in WAYS {
            println!("{name}");
        }
        return;
    };
    way();
    println!("survived");
}

/// A system call with any arguments.
fn syscall(nr: i64, a: [usize; 6]) -> isize {
    let r: isize;
    // SAFETY: what the call does to this process is the point of the program.
    unsafe {
        asm!("syscall", inlateout("rax") nr as isize => r, in("rdi") a[0], in("rsi") a[1],
            in("rdx") a[2], in("r10") a[3], in("r8") a[4], in("r9") a[5],
            lateout("rcx") _, lateout("r11") _);
    }
    r
}

/// A child that only runs `f`.
fn child(f: impl FnOnce()) -> i32 {
    // SAFETY: the child runs `f` and exits.
    unsafe {
        let pid = libc::fork();
        if pid == 0 {
            f();
            libc::_exit(0);
        }
        pid
    }
}

/// Runs `f` in a child and reports how the child ended, so that one probe survives another.
fn in_child(f: impl FnOnce()) -> i32 {
    let (pid, mut status) = (child(f), 0);
    // SAFETY: only waits.
    unsafe { libc::waitpid(pid, &raw mut status, 0) };
    status
}

/// Writes garbage over what can be written near the top of the address space: the start of every
/// 256 MiB, once with a child for each and once with all of it in one.
fn scribble() {
    const STEP: usize = 1 << 28;
    const SPAN: usize = 1 << 21;
    let bases = || (0x7fff_0000_0000..TOP).step_by(STEP);
    for base in bases() {
        in_child(|| (base..base + SPAN).step_by(4096).for_each(scribble_page));
    }
    in_child(|| bases().for_each(|b| (b..b + SPAN).step_by(4096).for_each(scribble_page)));
}

static FAULTED: AtomicBool = AtomicBool::new(false);

/// Overwrites a page if it can be written; a fault is stepped over.
fn scribble_page(page: usize) {
    static ONCE: std::sync::Once = std::sync::Once::new();
    // SAFETY: the handler only steps over the store below.
    ONCE.call_once(|| unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) = skip;
        action.sa_sigaction = handler as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER;
        libc::sigaction(libc::SIGSEGV, &raw const action, std::ptr::null_mut());
        libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut());
    });
    FAULTED.store(false, Ordering::SeqCst);
    for at in (page..page + 4096).step_by(8) {
        // SAFETY: whatever this destroys is this process's own; exactly two bytes long, so that
        // the handler can step over it: mov [rax], cl.
        unsafe { asm!(".byte 0x88, 0x08", in("rax") at, in("cl") 0xa5u8) };
        if FAULTED.load(Ordering::SeqCst) {
            return;
        }
    }
}

/// Steps over the two-byte store that faulted. A program that has destroyed its own registers would
/// step through nothing for ever.
extern "C" fn skip(_: i32, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    const MOST: u32 = 100_000;
    static STEPS: AtomicU32 = AtomicU32::new(0);
    if STEPS.fetch_add(1, Ordering::Relaxed) > MOST {
        // SAFETY: ends the process.
        unsafe { libc::_exit(3) };
    }
    let context = context.cast::<libc::ucontext_t>();
    // SAFETY: the kernel passes a valid context to the handler.
    unsafe { (*context).uc_mcontext.gregs[libc::REG_RIP as usize] += 2 };
    FAULTED.store(true, Ordering::SeqCst);
}

/// Jumps to every place near the top of the address space with registers set for host calls.
fn jump() {
    for base in [0x7fff_0000_0000usize, 0x7fff_8000_0000, 0x7fff_ffff_0000] {
        for offset in (0..0x8000).step_by(1) {
            if offset % 64 > 3 && offset > 0x400 {
                continue;
            }
            let status = in_child(|| {
                // SAFETY: it is expected to fault; only this child runs it.
                unsafe {
                    asm!("jmp {to}", to = in(reg) base + offset, in("rax") 62usize, in("rdi") 1usize,
                        in("rsi") 9usize, options(noreturn));
                }
            });
            std::hint::black_box(status);
        }
    }
}

/// Every system call that takes no blocking form, with pointers to nowhere.
fn wild_pointers() {
    // Calls that end others are left out: kill and its relatives, vhangup, chroot, reboot.
    const ENDING: [i64; 9] = [62, 129, 153, 161, 169, 200, 234, 297, 424];
    const BLOCKING: [i64; 16] =
        [15, 22, 34, 35, 56, 57, 58, 59, 60, 61, 128, 130, 230, 231, 232, 435];
    let bad =
        [0usize, 1, 4095, 0x1000, 0xdea_dbee_f000, 0x7fff_0000_0000, TOP, usize::MAX, 1 << 63];
    for nr in (0..470).filter(|nr| !BLOCKING.contains(nr) && !ENDING.contains(nr)) {
        for b in bad {
            in_child(|| {
                // SAFETY: an alarm bounds a call that blocks after all.
                unsafe { libc::alarm(2) };
                syscall(nr, [b; 6]);
                syscall(nr, [0, b, b, b, b, b]);
                syscall(nr, [b, 8, 0, b, 0, 0]);
                syscall(nr, [1, b, usize::MAX, 0, 0, 0]);
            });
        }
    }
}

fn unknown_syscalls() {
    for nr in [340, 400, 480, 511, 548, 1000, 1 << 20, i64::from(i32::MAX), -1, 0x4000_0000] {
        assert_eq!(syscall(nr, [0; 6]), -38, "system call {nr} does not exist");
    }
}

fn kill_self() {
    // SAFETY: no preconditions.
    unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
}

/// Host process IDs mean nothing inside: killing them must not reach the host.
fn kill_everyone_above() {
    for pid in 2..4000 {
        if pid != std::process::id() as i32 {
            // SAFETY: no preconditions.
            unsafe { libc::kill(pid, 0) };
        }
    }
}

/// A signal return with a stack pointer to nowhere.
fn bad_sigreturn() {
    for sp in [0usize, 8, 0x7fff_0000_0000, TOP - 8, usize::MAX - 7] {
        in_child(|| {
            // SAFETY: it is expected to be killed; only this child runs it.
            unsafe {
                asm!("mov rsp, {sp}", "mov eax, 15", "syscall", "ud2", sp = in(reg) sp,
                    options(noreturn));
            }
        });
    }
}

#[expect(unconditional_recursion, reason = "it is meant to run out of stack")]
fn stack_overflow() {
    fn deeper(n: u64) -> u64 {
        let room = std::hint::black_box([n; 512]);
        deeper(n + 1) + room[7]
    }
    deeper(0);
}

/// Takes memory until there is no more.
fn memory_hog() {
    for _ in 0..1 << 16 {
        // SAFETY: a new mapping; a failure ends the loop.
        let p = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                1 << 24,
                3,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if p == libc::MAP_FAILED {
            return;
        }
        for i in (0..1 << 24).step_by(4096) {
            // SAFETY: inside the new mapping.
            unsafe { p.cast::<u8>().add(i).write_volatile(1) };
        }
    }
}

fn fd_hog() {
    let mut last = 0;
    loop {
        // SAFETY: a valid C string.
        let fd = unsafe { libc::open(c"/dev/null".as_ptr(), 0) };
        if fd < 0 {
            break;
        }
        last = fd;
    }
    assert!(last > 100);
}

/// Makes the kernel keep a gigabyte: what one socket after the other is sent and nobody reads.
fn kernel_hog() {
    let bytes = [0u8; 1 << 15];
    let mut kept = 0;
    // SAFETY: plain calls on memory that is there.
    unsafe {
        let mut most: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut most);
        most.rlim_cur = most.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const most);
        while kept < 1 << 30 {
            let mut ends = [0; 2];
            let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK;
            assert_eq!(libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()), 0);
            while let n @ 1.. = libc::write(ends[0], bytes.as_ptr().cast(), bytes.len()) {
                kept += n;
            }
        }
    }
}

/// Denies itself its own memory, where the processor can: reads and writes that no change of a map
/// would let through, and calls from places that have been rewritten.
fn protection_keys() {
    const OSPKE: u32 = 1 << 4;
    if std::arch::x86_64::__cpuid_count(7, 0).ecx & OSPKE == 0 {
        return;
    }
    for deny in [1u32, 2, 3, u32::MAX] {
        in_child(|| {
            // SAFETY: as `syscall`.
            unsafe {
                asm!("wrpkru", "mov [{at}], eax", "mov eax, [{at}]", at = in(reg) &mut 0u32,
                    inout("eax") deny => _, in("ecx") 0, in("edx") 0);
            }
        });
        in_child(|| {
            // SAFETY: as `syscall`; no memory is used between the first call and the last.
            unsafe {
                asm!(
                    "2:",
                    "mov r12d, 5000",
                    "3:",
                    "mov eax, 110",
                    "syscall",
                    "dec r12d",
                    "jnz 3b",
                    "mov eax, r13d",
                    "xor ecx, ecx",
                    "xor edx, edx",
                    "wrpkru",
                    "dec r14d",
                    "jnz 2b",
                    out("rax") _, out("rcx") _, out("rdx") _, out("r11") _, out("r12") _,
                    in("r13") deny, inout("r14") 2 => _,
                );
            }
        });
    }
}

/// Loads odd values into what a sandbox might rely on.
fn segment_registers() {
    in_child(|| {
        syscall(158, [0x1001, 0x1234_5678, 0, 0, 0, 0]);
        syscall(158, [0x1002, usize::MAX, 0, 0, 0, 0]);
        syscall(39, [0; 6]);
    });
    in_child(|| {
        // SAFETY: the direction and alignment flags change nothing that Rust relies on before the
        // system call ends the probe.
        unsafe {
            asm!(
                "pushfq",
                "or qword ptr [rsp], 0x40400",
                "popfq",
                "mov eax, 39",
                "syscall",
                "mov eax, 60",
                "xor edi, edi",
                "syscall",
                options(noreturn)
            )
        };
    });
}

/// Threads that make system calls all the time and load every data segment there is meanwhile, each
/// thread the same ones as the others: a sandbox may tell them apart by that. A process that has
/// confused itself may hang, but can be killed.
fn borrowed_threads() {
    const THREADS: usize = 4;
    const CALLS: u32 = 20_000;
    for own in 0..3 {
        in_killed_child(|| {
            let calls = move |thread: usize| {
                for i in 0..CALLS as usize {
                    // First as they are, so that the calls are known to be made often; then the
                    // segments of the others, or all of them.
                    let selector = match own {
                        0 => i / 8 % 128,
                        1 => 0x28 + (i / 8 + thread) % 3,
                        _ => 0x28,
                    };
                    if i > 200 {
                        load_es(selector as u16);
                    }
                    // SAFETY: neither has an argument.
                    unsafe { (libc::getppid(), libc::sched_yield()) };
                }
            };
            let threads: Vec<_> =
                (0..THREADS).map(|t| std::thread::spawn(move || calls(t))).collect();
            for thread in threads {
                let _ = thread.join();
            }
        });
    }
}

/// [`in_child`] of what may hang: it is killed after a second.
fn in_killed_child(f: impl FnOnce()) {
    let (pid, mut status) = (child(f), 0);
    // SAFETY: only waits, and ends the child.
    unsafe {
        for _ in 0..100 {
            if libc::waitpid(pid, &raw mut status, libc::WNOHANG) != 0 {
                return;
            }
            libc::usleep(10_000);
        }
        libc::kill(pid, libc::SIGKILL);
        libc::waitpid(pid, &raw mut status, 0);
    }
}

/// Loads a selector if it names a segment that can be read.
fn load_es(selector: u16) {
    // SAFETY: 64-bit code ignores the segment.
    unsafe {
        asm!("verr {0:x}", "jnz 2f", "mov es, {0:e}", "2:", in(reg) selector, options(nostack));
    }
}
