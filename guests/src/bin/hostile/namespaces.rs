//! PID namespaces whose first processes end while others in them are made, traced, waited for and
//! moved.

use super::syscall;
use super::trace::{EXITKILL, Numbers, SEIZE, end, fork, kill, ptrace, seed, wait};

const NEWPID: usize = 0x2000_0000;
/// `PTRACE_O_TRACEFORK`.
const TRACEFORK: usize = 2;

/// A child, in a namespace of its own.
fn enter() -> i32 {
    syscall(libc::SYS_clone, [NEWPID | libc::SIGCHLD as usize, 0, 0, 0, 0, 0]) as i32
}

fn sleep(nanoseconds: usize) {
    let time = [0, nanoseconds];
    syscall(libc::SYS_nanosleep, [time.as_ptr() as usize, 0, 0, 0, 0, 0]);
}

fn branch(r: &mut Numbers, depth: usize) -> ! {
    // Another way than its parent's.
    r.mix(syscall(libc::SYS_getpid, [0; 6]) as u64 * 7919 + depth as u64);
    act(r, depth);
    end()
}

fn act(r: &mut Numbers, depth: usize) {
    const SIGNALS: [i32; 5] = [libc::SIGKILL, libc::SIGTERM, libc::SIGSTOP, libc::SIGCONT, 0];
    for _ in 0..40 {
        let near = 1 + r.below(8) as i32;
        match r.below(13) {
            0 | 1 if depth < 6 => {
                if enter() == 0 {
                    branch(r, depth + 1);
                }
            }
            0..=3 => {
                if fork() == 0 {
                    branch(r, depth);
                }
            }
            4 => drop(wait(-1, libc::WNOHANG)),
            5 => kill(near, SIGNALS[r.below(SIGNALS.len())]),
            6 => drop(syscall(libc::SYS_setsid, [0; 6])),
            // The first process too may be in a group that is called as one who ends.
            7 => drop(syscall(libc::SYS_setpgid, [0, near as usize, 0, 0, 0, 0])),
            8 => {
                let last = if r.below(3) == 0 { EXITKILL } else { 0 };
                ptrace(SEIZE, near, 0, TRACEFORK | last);
            }
            9 => {
                let fd = syscall(libc::SYS_pidfd_open, [near as usize, 0, 0, 0, 0, 0]);
                syscall(libc::SYS_setns, [fd as usize, NEWPID, 0, 0, 0, 0]);
            }
            10 => drop(syscall(libc::SYS_unshare, [NEWPID, 0, 0, 0, 0, 0])),
            11 => {
                let subreaper = libc::PR_SET_CHILD_SUBREAPER as usize;
                syscall(libc::SYS_prctl, [subreaper, r.below(2), 0, 0, 0, 0]);
            }
            _ => sleep(r.below(1_000_000)),
        }
    }
    if r.below(3) == 0 {
        while wait(-1, libc::__WALL).0 > 0 {}
    }
}

/// The end of the first process is everybody's, however they hang together.
pub(super) fn at_random() {
    let mut r = Numbers::new(seed());
    for round in 0..8 {
        let first = enter();
        if first == 0 {
            r.mix(round + 1);
            // Groups that nobody can continue are hung up, and that of whoever runs this is not to be
            // one of them.
            syscall(libc::SYS_setsid, [0; 6]);
            act(&mut r, 0);
            loop {
                syscall(libc::SYS_pause, [0; 6]);
            }
        }
        sleep(60_000_000);
        kill(first, libc::SIGKILL);
        // Without the right to namespaces there is nobody.
        assert!(first < 0 || wait(first, 0).0 == first, "the first process goes");
    }
}
