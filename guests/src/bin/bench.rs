//! Repeats one kernel operation and prints nanoseconds per repetition: `bench ROW REPETITIONS`.
//!
//! Time is read inside the guest, around a loop, so that start-up does not count.

use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

const PAGE: usize = 4096;

/// What a row repeats, and how many operations one repetition counts for.
type Row = (&'static str, fn(u64), u64);

const ROWS: &[Row] = &[
    ("getppid", getppid, 1),
    ("getppid-8-threads", getppid_of_threads, THREADS),
    ("read-zero-1", read_zero, 1),
    ("open-close", open_close, 1),
    ("stat", stat, 1),
    ("mmap-munmap", mmap_munmap, 1),
    ("mmap-touch-munmap", mmap_touch_munmap, 1),
    ("touch-64MiB", touch_64m, 16384),
    ("fork-exit-wait", fork_exit_wait, 1),
    ("fork-64MiB", fork_64m, 1),
    ("vfork-exec", vfork_exec, 1),
    ("thread", thread, 1),
    ("futex-pingpong", futex_pingpong, 1),
    ("pipe-pingpong", pipe_pingpong, 1),
    ("signal", signal, 1),
];

fn main() {
    let mut args = std::env::args().skip(1);
    let (Some(name), Some(n)) = (args.next(), args.next().and_then(|n| n.parse().ok())) else {
        eprintln!("usage: bench ROW REPETITIONS; rows:");
        for (name, ..) in ROWS {
            eprintln!("  {name}");
        }
        std::process::exit(2);
    };
    let Some((_, run, ops)) = ROWS.iter().find(|r| r.0 == name) else {
        eprintln!("bench: no row {name}");
        std::process::exit(2);
    };
    run(n / 10 + 1);
    let start = Instant::now();
    run(n);
    let ns = start.elapsed().as_nanos() as f64 / (n * ops) as f64;
    println!("{ns:.1}");
}

/// Ends the process when a call that cannot fail natively failed.
fn check(ok: bool, what: &str) {
    if !ok {
        eprintln!("bench: {what}: {}", std::io::Error::last_os_error());
        std::process::exit(1);
    }
}

fn getppid(n: u64) {
    for _ in 0..n {
        // SAFETY: getppid has no preconditions.
        unsafe { libc::syscall(libc::SYS_getppid) };
    }
}

/// Threads that make system calls at the same time.
const THREADS: u64 = 8;

fn getppid_of_threads(n: u64) {
    std::thread::scope(|s| {
        for _ in 0..THREADS {
            s.spawn(|| getppid(n));
        }
    });
}

fn read_zero(n: u64) {
    // SAFETY: a valid C string, and a buffer of the size given.
    unsafe {
        let fd = libc::open(c"/dev/zero".as_ptr(), libc::O_RDONLY);
        check(fd >= 0, "open");
        let mut b = 0u8;
        for _ in 0..n {
            check(libc::read(fd, (&raw mut b).cast(), 1) == 1, "read");
        }
        libc::close(fd);
    }
}

fn open_close(n: u64) {
    for _ in 0..n {
        // SAFETY: a valid C string; the descriptor is closed once.
        unsafe {
            let fd = libc::open(c"/etc/passwd".as_ptr(), libc::O_RDONLY);
            check(fd >= 0, "open");
            libc::close(fd);
        }
    }
}

fn stat(n: u64) {
    for _ in 0..n {
        // SAFETY: a valid C string and room for the result.
        unsafe {
            let mut st: libc::stat = std::mem::zeroed();
            check(libc::stat(c"/etc/passwd".as_ptr(), &raw mut st) == 0, "stat");
        }
    }
}

fn anon(len: usize) -> *mut u8 {
    // SAFETY: a new anonymous mapping touches nothing that exists.
    let p = unsafe {
        libc::mmap(
            null_mut(),
            len,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    check(p != libc::MAP_FAILED, "mmap");
    p.cast()
}

fn free(p: *mut u8, len: usize) {
    // SAFETY: `p` came from `anon(len)` and is not used again.
    unsafe { check(libc::munmap(p.cast(), len) == 0, "munmap") };
}

fn touch(p: *mut u8, len: usize) {
    for i in (0..len).step_by(PAGE) {
        // SAFETY: `i` is inside the mapping of `len` bytes.
        unsafe { p.add(i).write_volatile(1) };
    }
}

fn mmap_munmap(n: u64) {
    for _ in 0..n {
        free(anon(PAGE), PAGE);
    }
}

fn mmap_touch_munmap(n: u64) {
    for _ in 0..n {
        let p = anon(PAGE);
        touch(p, PAGE);
        free(p, PAGE);
    }
}

fn touch_64m(n: u64) {
    for _ in 0..n {
        let p = anon(64 << 20);
        touch(p, 64 << 20);
        free(p, 64 << 20);
    }
}

fn fork_exit_wait(n: u64) {
    for _ in 0..n {
        // SAFETY: the child only exits; the parent waits for it.
        unsafe {
            let pid = libc::fork();
            if pid == 0 {
                libc::_exit(0);
            }
            check(pid > 0 && libc::waitpid(pid, null_mut(), 0) == pid, "fork");
        }
    }
}

fn fork_64m(n: u64) {
    let p = anon(64 << 20);
    touch(p, 64 << 20);
    fork_exit_wait(n);
    free(p, 64 << 20);
}

fn vfork_exec(n: u64) {
    let argv = [c"/bin/true".as_ptr(), null()];
    let env = [null_mut()];
    for _ in 0..n {
        let mut pid = 0;
        // SAFETY: the arrays are NULL-terminated and outlive the call.
        unsafe {
            let r = libc::posix_spawn(
                &raw mut pid,
                c"/bin/true".as_ptr(),
                null(),
                null(),
                argv.as_ptr().cast(),
                env.as_ptr(),
            );
            check(r == 0 && libc::waitpid(pid, null_mut(), 0) == pid, "posix_spawn");
        }
    }
}

fn thread(n: u64) {
    for _ in 0..n {
        std::thread::spawn(|| ()).join().expect("the thread returns");
    }
}

fn futex_wait(word: &AtomicU32, while_is: u32) {
    while word.load(Ordering::Acquire) == while_is {
        // SAFETY: a valid word and no timeout.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                word.as_ptr(),
                libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
                while_is,
                null::<libc::timespec>(),
            );
        }
    }
}

fn futex_set(word: &AtomicU32, value: u32) {
    word.store(value, Ordering::Release);
    // SAFETY: a valid word.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
            1,
        );
    }
}

fn futex_pingpong(n: u64) {
    let word = AtomicU32::new(0);
    std::thread::scope(|s| {
        s.spawn(|| {
            for _ in 0..n {
                futex_wait(&word, 0);
                futex_set(&word, 0);
            }
        });
        for _ in 0..n {
            futex_set(&word, 1);
            futex_wait(&word, 1);
        }
    });
}

fn pipe_pingpong(n: u64) {
    let (mut there, mut back) = ([0; 2], [0; 2]);
    // SAFETY: room for two descriptors each; buffers of one byte; the child only echoes and exits.
    unsafe {
        check(libc::pipe(there.as_mut_ptr()) == 0 && libc::pipe(back.as_mut_ptr()) == 0, "pipe");
        let pid = libc::fork();
        let mut b = 0u8;
        if pid == 0 {
            for _ in 0..n {
                libc::read(there[0], (&raw mut b).cast(), 1);
                libc::write(back[1], (&raw const b).cast(), 1);
            }
            libc::_exit(0);
        }
        check(pid > 0, "fork");
        for _ in 0..n {
            check(libc::write(there[1], (&raw const b).cast(), 1) == 1, "write");
            check(libc::read(back[0], (&raw mut b).cast(), 1) == 1, "read");
        }
        libc::waitpid(pid, null_mut(), 0);
        for fd in there.into_iter().chain(back) {
            libc::close(fd);
        }
    }
}

static CAUGHT: AtomicU32 = AtomicU32::new(0);

extern "C" fn caught(_: libc::c_int) {
    CAUGHT.fetch_add(1, Ordering::Relaxed);
}

fn signal(n: u64) {
    let before = CAUGHT.load(Ordering::Relaxed);
    // SAFETY: the handler only counts.
    unsafe {
        libc::signal(libc::SIGUSR1, caught as extern "C" fn(libc::c_int) as libc::sighandler_t);
        for _ in 0..n {
            libc::raise(libc::SIGUSR1);
        }
    }
    check(u64::from(CAUGHT.load(Ordering::Relaxed) - before) == n, "signals lost");
}
