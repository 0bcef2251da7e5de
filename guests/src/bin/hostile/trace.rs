//! Misuse of ptrace(2).

use super::syscall;

const CONT: usize = 7;
const ATTACH: usize = 16;
const DETACH: usize = 17;
pub(super) const SEIZE: usize = 0x4206;
const INTERRUPT: usize = 0x4207;
pub(super) const EXITKILL: usize = 1 << 20;
/// Requests, known and unknown, on both sides of each known range.
const REQUESTS: [std::ops::Range<usize>; 2] = [0..36, 0x41fe..0x4216];

pub(super) fn ptrace(request: usize, pid: i32, addr: usize, data: usize) -> isize {
    syscall(libc::SYS_ptrace, [request, pid as usize, addr, data, 0, 0])
}

pub(super) fn fork() -> i32 {
    // SAFETY: the process has one thread, and each side goes its way.
    unsafe { libc::fork() }
}

pub(super) fn wait(pid: i32, flags: i32) -> (i32, i32) {
    let mut status = 0;
    // SAFETY: writes to a variable of ours.
    let got = unsafe { libc::waitpid(pid, &raw mut status, flags) };
    (got, status)
}

pub(super) fn kill(pid: i32, signo: i32) {
    // SAFETY: touches no memory.
    unsafe { libc::kill(pid, signo) };
}

pub(super) fn end() -> ! {
    // SAFETY: ends a forked child without running what belongs to its parent.
    unsafe { libc::_exit(0) }
}

/// The second argument, so that other runs try other things.
pub(super) fn seed() -> u64 {
    let given = std::env::args().nth(2).and_then(|n| n.parse().ok());
    given.unwrap_or(0x9e37_79b9_7f4a_7c15u64) | 1
}

/// Numbers without a pattern, the same in each run with the same seed.
pub(super) struct Numbers(u64);

impl Numbers {
    pub(super) fn new(seed: u64) -> Numbers {
        Numbers(seed | 1)
    }

    /// Others from now on.
    pub(super) fn mix(&mut self, with: u64) {
        self.0 = (self.0 ^ with.wrapping_mul(0x9e37_79b9_7f4a_7c15)) | 1;
    }

    fn next(&mut self) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 as usize
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        self.next() % n
    }
}

/// Work with many kinds of stops in it.
fn work(n: usize) -> ! {
    loop {
        match n % 4 {
            0 => {
                let pid = fork();
                if pid == 0 {
                    end();
                }
                wait(pid, 0);
            }
            1 => {
                syscall(libc::SYS_getppid, [0; 6]);
            }
            2 => {
                let hints = std::hint::black_box(0..10_000u32);
                std::hint::black_box(hints.sum::<u32>());
            }
            _ => {
                let t = std::thread::spawn(|| syscall(libc::SYS_getpid, [0; 6]));
                // A tracer may have killed it or changed what it returns.
                let _ = t.join();
            }
        }
    }
}

/// Requests with any numbers for any process, tracees in every state among them.
pub(super) fn at_random() {
    let mut r = Numbers(seed());
    let mut buffer = vec![0u64; 4096];
    for round in 0..12 {
        let tracees: Vec<i32> = (0..4)
            .map(|n| match fork() {
                0 => work(n),
                pid => pid,
            })
            .collect();
        for pid in &tracees {
            ptrace([ATTACH, SEIZE][round % 2], *pid, 0, 0);
        }
        for _ in 0..4_000 {
            let pid = match r.below(16) {
                0 => 1,
                1 => r.next() as i32,
                _ => tracees[r.below(tracees.len())],
            };
            let at = buffer.as_mut_ptr() as usize;
            let any = |r: &mut Numbers| match r.below(8) {
                0 => r.next(),
                1 => at + r.below(8192),
                2 => at,
                3 => super::TOP - r.below(1 << 16),
                4 => 1,
                5 => r.below(1024),
                6 => 0x202,
                _ => 0,
            };
            let (addr, data) = (any(&mut r), any(&mut r));
            let requests = REQUESTS[r.below(2)].clone();
            let request = requests.start + r.below(requests.len());
            // Tracing the first process for good would only stop this sandbox's own shell, and
            // who traces itself waits for itself.
            if pid == 1 && [ATTACH, SEIZE].contains(&request) || request == 0 {
                continue;
            }
            ptrace(request, pid, addr, data);
            buffer[r.below(4096)] = r.next() as u64;
            if r.below(4) == 0 {
                let (got, status) = wait(-1, libc::WNOHANG | libc::__WALL);
                if got > 0 && libc::WIFSTOPPED(status) {
                    ptrace(CONT, got, 0, 0);
                }
            }
        }
        for pid in tracees {
            kill(pid, libc::SIGKILL);
        }
        // What they left behind is ours to let go on, and to wait for.
        while let (got @ 1.., status) = wait(-1, libc::__WALL) {
            if libc::WIFSTOPPED(status) {
                kill(got, libc::SIGKILL);
                ptrace(CONT, got, 0, 0);
            }
        }
    }
}

/// Tracers that end at any moment, some of which kill what they traced.
pub(super) fn and_end() {
    let mut r = Numbers(seed());
    for round in 0..300 {
        let target = match fork() {
            0 => work(round),
            pid => pid,
        };
        let tracers: Vec<i32> = (0..2)
            .map(|n| {
                let moment = r.below(5);
                let options = if r.below(3) == 0 { 0x7f | EXITKILL } else { 0x7f };
                match fork() {
                    0 => {
                        ptrace([SEIZE, ATTACH][n], target, 0, if n == 0 { options } else { 0 });
                        if moment > 0 {
                            ptrace(INTERRUPT, target, 0, 0);
                            wait(target, libc::__WALL);
                        }
                        for _ in 1..moment {
                            ptrace([CONT, 24, 9][moment % 3], target, 0, 0);
                            wait(target, libc::__WALL | libc::WNOHANG);
                        }
                        end();
                    }
                    pid => pid,
                }
            })
            .collect();
        if r.below(2) == 0 {
            kill(tracers[0], libc::SIGKILL);
        }
        for pid in tracers {
            wait(pid, 0);
        }
        kill(target, libc::SIGKILL);
        wait(target, 0);
    }
}

/// The same process attached to and let go ten thousand times.
pub(super) fn often() {
    let target = match fork() {
        0 => work(1),
        pid => pid,
    };
    for _ in 0..10_000 {
        assert_eq!(ptrace(ATTACH, target, 0, 0), 0);
        let (got, status) = wait(target, libc::__WALL);
        assert!(got == target && libc::WIFSTOPPED(status));
        assert_eq!(ptrace(DETACH, target, 0, 0), 0);
    }
    kill(target, libc::SIGKILL);
    wait(target, 0);
}
