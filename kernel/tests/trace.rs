//! ptrace(2), through scripted traps: what tracer and tracee see, and that nothing is left when
//! either ends first.

mod common;
use common::{exited, killed, nr, run};
use kernel::testkit::{DATA, Script, TEXT, World};

const ANY: u64 = u64::MAX;
const WALL: u64 = 0x4000_0000;
const PTRACE: u64 = 101;
const TRACEME: u64 = 0;
const PEEKDATA: u64 = 2;
const PEEKUSER: u64 = 3;
const POKEDATA: u64 = 5;
const POKEUSER: u64 = 6;
const CONT: u64 = 7;
const ATTACH: u64 = 16;
const DETACH: u64 = 17;
const SYSCALL: u64 = 24;
const SETOPTIONS: u64 = 0x4200;
const GETEVENTMSG: u64 = 0x4201;
const SEIZE: u64 = 0x4206;
const INTERRUPT: u64 = 0x4207;
const EXITKILL: u64 = 1 << 20;
const TRACEEXIT: u64 = 0x40;
const TRACECLONE: u64 = 8;
const SIGSTOP: u64 = 19;
const SIGKILL: u64 = 9;
const SIGTRAP: i64 = 5;
/// Offsets in `struct user`.
const RAX: u64 = 80;
const ORIG_RAX: u64 = 120;
/// Where the scripts keep what they wait for.
const STATUS: u64 = DATA + 64;
const WORD: u64 = DATA + 72;

fn stopped(signo: i64) -> i64 {
    signo << 8 | 0x7f
}

/// A parent that has forked; its child is process 2 and goes on where the lock says.
fn forked(s: &mut Script) -> impl Fn(&mut Script) + use<> {
    s.call(nr::FORK, &[]);
    let child = s.jump_if_zero();
    move |s| *child.lock() = s.here()
}

fn wait(s: &mut Script, pid: u64) {
    s.call(nr::WAIT4, &[pid, STATUS, WALL, 0]);
    s.log_word(STATUS);
}

/// The child asks to be traced and stops.
fn be_traced(s: &mut Script) {
    s.call(PTRACE, &[TRACEME, 0, 0, 0]);
    s.call(nr::TGKILL, &[2, 2, SIGSTOP]);
}

#[test]
fn a_tracer_reads_and_changes() {
    let mut s = Script::new();
    s.store(DATA, &7u64.to_le_bytes());
    s.store(STATUS, &[0; 16]);
    let child = forked(&mut s);
    wait(&mut s, 2);
    s.call(PTRACE, &[PEEKUSER, 2, ORIG_RAX, WORD]);
    s.log_word(WORD);
    s.call(PTRACE, &[PEEKDATA, 2, DATA, WORD]);
    s.log_word(WORD);
    s.call(PTRACE, &[POKEDATA, 2, DATA, 9]);
    s.log_result();
    s.call(PTRACE, &[SETOPTIONS, 2, 0, 1]);
    // Into the next call and out of it, whose result changes.
    for _ in 0..2 {
        s.call(PTRACE, &[SYSCALL, 2, 0, 0]);
        wait(&mut s, 2);
        s.call(PTRACE, &[PEEKUSER, 2, RAX, WORD]);
        s.log_word(WORD);
    }
    s.call(PTRACE, &[POKEUSER, 2, RAX, 77]);
    s.call(PTRACE, &[CONT, 2, 0, 0]);
    wait(&mut s, 2);
    s.call(PTRACE, &[CONT, 2, 0, 0]);
    s.log_result();
    s.call(nr::EXIT, &[0]);
    child(&mut s);
    be_traced(&mut s);
    s.call(nr::GETPPID, &[]);
    s.log_result();
    s.log_word(DATA);
    s.call(nr::EXIT, &[5]);
    let call = stopped(SIGTRAP | 0x80);
    let log = [stopped(19), 234, 7, 0, call, -38, call, 1, 77, 9, 5 << 8, -3];
    assert_eq!(run(s), (exited(0), log.to_vec()));
}

#[test]
fn whoever_ends_first_leaves_nothing() {
    // Init ends while its tracee is stopped; while it runs; while it waits to be waited for.
    for way in 0..3 {
        let mut s = Script::new();
        s.store(STATUS, &[0; 16]);
        let child = forked(&mut s);
        wait(&mut s, 2);
        if way > 0 {
            s.call(PTRACE, &[CONT, 2, 0, 0]);
        }
        if way > 1 {
            s.call(nr::YIELD, &[]);
            s.call(nr::YIELD, &[]);
        }
        s.call(nr::EXIT, &[3]);
        child(&mut s);
        be_traced(&mut s);
        if way == 1 {
            s.call(nr::PAUSE, &[]);
        }
        s.call(nr::EXIT, &[0]);
        assert_eq!(run(s), (exited(3), vec![stopped(19)]), "way {way}");
    }
}

/// Process 2 traces process 3, a child of init, and ends; with `options`.
fn tracer_that_ends(
    options: u64,
    after: impl Fn(&mut Script),
) -> (Option<kernel::ExitStatus>, Vec<i64>) {
    let mut s = Script::new();
    s.store(STATUS, &[0; 16]);
    let tracer = forked(&mut s);
    let tracee = forked(&mut s);
    wait(&mut s, 2);
    after(&mut s);
    wait(&mut s, 3);
    s.call(nr::EXIT, &[0]);
    tracer(&mut s);
    // Until the tracee is there.
    s.call(nr::YIELD, &[]);
    s.call(nr::YIELD, &[]);
    s.call(PTRACE, &[SEIZE, 3, 0, options]);
    s.log_result();
    s.call(PTRACE, &[INTERRUPT, 3, 0, 0]);
    wait(&mut s, 3);
    s.call(nr::EXIT, &[4]);
    tracee(&mut s);
    s.call(nr::PAUSE, &[]);
    s.call(nr::EXIT, &[6]);
    run(s)
}

#[test]
fn a_tracer_that_ends_lets_go_or_kills() {
    let stop = stopped(SIGTRAP) | 0x80_0000;
    let kill = |s: &mut Script| {
        s.call(nr::KILL, &[3, SIGKILL]);
    };
    assert_eq!(tracer_that_ends(0, kill), (exited(0), vec![0, stop, 4 << 8, 9]));
    assert_eq!(tracer_that_ends(EXITKILL, |_| ()), (exited(0), vec![0, stop, 4 << 8, 9]));
}

#[test]
fn init_can_be_traced_and_ends() {
    let mut s = Script::new();
    s.store(STATUS, &[0; 16]);
    let child = forked(&mut s);
    s.call(nr::WAIT4, &[2, STATUS, 0, 0]);
    s.log_word(STATUS);
    s.call(nr::EXIT, &[1]);
    child(&mut s);
    s.call(PTRACE, &[ATTACH, 1, 0, 0]);
    s.log_result();
    wait(&mut s, 1);
    s.call(PTRACE, &[DETACH, 1, 0, 0]);
    s.log_result();
    s.call(nr::EXIT, &[2]);
    assert_eq!(run(s), (exited(1), vec![0, stopped(19), 0, 2 << 8]));
}

#[test]
fn two_trace_each_other_and_die() {
    let mut s = Script::new();
    s.store(STATUS, &[0; 16]);
    let child = forked(&mut s);
    s.call(PTRACE, &[SEIZE, 2, 0, EXITKILL]);
    s.log_result();
    s.call(nr::PAUSE, &[]);
    child(&mut s);
    s.call(nr::YIELD, &[]);
    s.call(PTRACE, &[SEIZE, 1, 0, EXITKILL]);
    s.log_result();
    s.call(nr::KILL, &[2, SIGKILL]);
    assert_eq!(run(s), (killed(9), vec![0, 0]));
}

/// Each waits for the other in its last stop, which no signal ends.
#[test]
fn a_circle_in_its_last_stops_ends() {
    let mut s = Script::new();
    s.store(STATUS, &[0; 16]);
    let child = forked(&mut s);
    s.call(PTRACE, &[SEIZE, 2, 0, TRACEEXIT]);
    s.log_result();
    s.call(nr::PAUSE, &[]);
    child(&mut s);
    s.call(nr::YIELD, &[]);
    s.call(PTRACE, &[SEIZE, 1, 0, TRACEEXIT]);
    s.log_result();
    s.call(nr::PAUSE, &[]);
    let world = World::new(s).expect("a world");
    world.write_program(b"/init", TEXT).expect("a program");
    assert_eq!(world.run(b"/init").expect("a process"), None);
    assert_eq!(world.log(), [0, 0]);
    world.kernel.kill_all();
    world.executor.run(1_000_000);
    assert_eq!((world.kernel.task_count(), world.executor.left()), (0, 0));
}

/// A traced thread that ended waits for its tracer, and its process waits for it.
#[test]
fn ended_threads_wait_for_their_tracer() {
    for waits in [true, false] {
        let mut s = Script::new();
        s.store(STATUS, &[0; 16]);
        let child = forked(&mut s);
        wait(&mut s, 2);
        s.call(PTRACE, &[SETOPTIONS, 2, 0, TRACECLONE | TRACEEXIT]);
        s.call(PTRACE, &[CONT, 2, 0, 0]);
        wait(&mut s, 2);
        s.call(PTRACE, &[GETEVENTMSG, 2, 0, WORD]);
        s.log_word(WORD);
        wait(&mut s, 3);
        s.call(PTRACE, &[CONT, 3, 0, 0]);
        wait(&mut s, 3);
        s.call(PTRACE, &[GETEVENTMSG, 3, 0, WORD]);
        s.log_word(WORD);
        s.call(PTRACE, &[CONT, 3, 0, 0]);
        // The leader ends now, but is not to be seen before its thread is waited for.
        s.call(nr::KILL, &[2, SIGKILL]);
        wait(&mut s, 2);
        s.call(PTRACE, &[CONT, 2, 0, 0]);
        if waits {
            wait(&mut s, 3);
            wait(&mut s, ANY);
            s.call(nr::WAIT4, &[ANY, 0, WALL, 0]);
            s.log_result();
        }
        s.call(nr::EXIT, &[0]);
        child(&mut s);
        be_traced(&mut s);
        // CLONE_VM, SIGHAND, THREAD.
        s.call(nr::CLONE, &[0x1_0900, 0, 0, 0, 0]);
        let thread = s.jump_if_zero();
        s.call(nr::PAUSE, &[]);
        *thread.lock() = s.here();
        s.call(nr::EXIT, &[8]);
        let event = |n: i64| stopped(SIGTRAP) | n << 16;
        let mut log = vec![stopped(19), event(3), 3, stopped(19), event(6), 8 << 8, event(6)];
        if waits {
            // What ends the whole process counts for what ended the thread.
            log.extend([9, 9, -10]);
        }
        assert_eq!(run(s), (exited(0), log), "waits {waits}");
    }
}
