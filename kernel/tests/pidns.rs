//! PID namespaces, through scripted traps; pid_namespaces(7). Against the host: `pidns*.c` of the
//! sandbox's tests.

mod common;
use common::{exited, killed, nr, run};
use kernel::testkit::{DATA, Script};

const ANY: u64 = u64::MAX;
const NEWPID: u64 = 0x2000_0000;
const CHLD: u64 = 17;
const KILL: u64 = 9;
const TERM: u64 = 15;
const UNSHARE: u64 = 272;

/// Makes a first process of a new namespace; the caller waits for it, logs its status and exits.
/// What follows is the first process.
fn enter(s: &mut Script) {
    s.call(nr::CLONE, &[NEWPID | CHLD, 0, 0, 0, 0]);
    let inside = s.jump_if_zero();
    s.call(nr::WAIT4, &[ANY, DATA, 0, 0]);
    s.log_result();
    s.log_word(DATA);
    s.call(nr::EXIT, &[0]);
    *inside.lock() = s.here();
}

#[test]
fn numbers_begin_anew_at_each_level() {
    let mut s = Script::new();
    enter(&mut s);
    for call in [nr::GETPID, nr::GETTID, nr::GETPPID] {
        s.call(call, &[]);
        s.log_result();
    }
    enter(&mut s);
    s.call(nr::GETPID, &[]);
    s.log_result();
    s.call(nr::EXIT, &[3]);
    // The inner one is number 2 to the middle one, which is number 2 outside.
    assert_eq!(run(s), (exited(0), vec![1, 1, 0, 1, 2, 3 << 8, 2, 0]));
}

#[test]
fn the_first_process_ends_only_by_who_is_outside() {
    let mut s = Script::new();
    s.call(nr::CLONE, &[NEWPID | CHLD, 0, 0, 0, 0]);
    let inside = s.jump_if_zero();
    // It has to be inside its pause before.
    for _ in 0..4 {
        s.call(nr::YIELD, &[]);
    }
    for signo in [TERM, KILL] {
        s.call(nr::KILL, &[2, signo]);
        s.log_result();
    }
    s.call(nr::WAIT4, &[ANY, DATA, 0, 0]);
    s.log_word(DATA);
    s.call(nr::EXIT, &[0]);
    *inside.lock() = s.here();
    for signo in [TERM, KILL] {
        s.call(nr::KILL, &[1, signo]);
        s.log_result();
    }
    s.call(nr::KILL, &[2, 0]);
    s.log_result();
    s.call(nr::PAUSE, &[]);
    s.log(99);
    assert_eq!(run(s), (exited(0), vec![0, 0, -3, 0, 0, KILL as i64]));
}

#[test]
fn all_end_with_the_first_process_and_before_it() {
    let mut s = Script::new();
    enter(&mut s);
    let mut children = Vec::new();
    for _ in 0..3 {
        s.call(nr::FORK, &[]);
        children.push(s.jump_if_zero());
    }
    s.call(nr::EXIT, &[4]);
    for child in children {
        *child.lock() = s.here();
    }
    s.call(nr::PAUSE, &[]);
    s.log(99);
    // No task is left: `run` looks.
    assert_eq!(run(s), (exited(0), vec![2, 4 << 8]));
}

#[test]
fn without_a_first_process_there_are_no_others() {
    let mut s = Script::new();
    s.call(UNSHARE, &[NEWPID]);
    s.log_result();
    s.call(UNSHARE, &[NEWPID]);
    s.log_result();
    s.call(nr::FORK, &[]);
    let first = s.jump_if_zero();
    s.call(nr::WAIT4, &[ANY, DATA, 0, 0]);
    s.call(nr::FORK, &[]);
    s.log_result();
    s.call(nr::EXIT, &[0]);
    *first.lock() = s.here();
    s.call(nr::GETPID, &[]);
    s.log_result();
    s.call(nr::EXIT, &[0]);
    assert_eq!(run(s), (exited(0), vec![0, -22, 1, -12]));
}

#[test]
fn the_end_of_all_is_the_end_of_namespaces() {
    let mut s = Script::new();
    s.call(nr::CLONE, &[NEWPID | CHLD, 0, 0, 0, 0]);
    let inside = s.jump_if_zero();
    s.call(nr::KILL, &[1, TERM]);
    *inside.lock() = s.here();
    s.call(nr::CLONE, &[NEWPID | CHLD, 0, 0, 0, 0]);
    let inmost = s.jump_if_zero();
    s.call(nr::PAUSE, &[]);
    *inmost.lock() = s.here();
    s.call(nr::FORK, &[]);
    s.call(nr::PAUSE, &[]);
    assert_eq!(run(s).0, killed(TERM as u32));
}
