//! fork, exec, wait, exit, through scripted traps.

mod common;
use common::{exited, killed, nr, run};
use kernel::testkit::{DATA, Script, World};

const ANY: u64 = u64::MAX;

#[test]
fn exit_code_comes_out() {
    let mut s = Script::new();
    s.call(nr::GETPID, &[]);
    s.log_result();
    s.call(nr::EXIT_GROUP, &[0x123]);
    assert_eq!(run(s), (exited(0x23), vec![1]));
}

#[test]
fn unknown_calls_are_enosys() {
    let mut s = Script::new();
    for n in [400, 511, 512, u64::from(u32::MAX)] {
        s.call(n, &[]);
        s.log_result();
    }
    s.call(nr::EXIT, &[0]);
    assert_eq!(run(s), (exited(0), vec![-38; 4]));
}

#[test]
fn fork_and_wait() {
    let mut s = Script::new();
    s.store(DATA, &7u64.to_le_bytes());
    s.call(nr::FORK, &[]);
    let child = s.jump_if_zero();
    s.log_result();
    s.call(nr::WAIT4, &[ANY, DATA + 8, 0, 0]);
    s.log_result();
    s.log_word(DATA + 8);
    s.log_word(DATA);
    s.call(nr::WAIT4, &[ANY, 0, 0, 0]);
    s.log_result();
    s.call(nr::EXIT, &[0]);
    *child.lock() = s.here();
    s.store(DATA, &9u64.to_le_bytes());
    s.call(nr::GETPPID, &[]);
    s.log_result();
    s.call(nr::EXIT, &[5]);
    // The parent's page is its own; the second wait finds no child.
    assert_eq!(run(s), (exited(0), vec![2, 1, 2, 5 << 8, 7, -10]));
}

#[test]
fn a_fault_kills_and_is_reported() {
    let mut s = Script::new();
    s.call(nr::FORK, &[]);
    let child = s.jump_if_zero();
    s.call(nr::WAIT4, &[ANY, DATA, 0, 0]);
    s.log_word(DATA);
    s.call(nr::EXIT, &[0]);
    *child.lock() = s.here();
    s.store(0x1234, &[0]);
    assert_eq!(run(s), (exited(0), vec![11]));
}

#[test]
fn init_killed_by_fault() {
    let mut s = Script::new();
    s.store(0x1234, &[0]);
    assert_eq!(run(s).0, killed(11));
}

#[test]
fn execve_replaces_the_image() {
    let mut s = Script::new();
    s.store(DATA, b"/two\0");
    s.call(nr::EXECVE, &[DATA, 0, 0]);
    s.log_result();
    s.call(nr::EXIT, &[9]);
    let two = s.log(42);
    s.call(nr::GETPID, &[]);
    s.log_result();
    s.call(nr::EXIT, &[3]);
    let w = World::new(s).expect("a world");
    w.write_program(b"/init", kernel::testkit::TEXT).expect("init");
    w.write_program(b"/two", two).expect("two");
    assert_eq!(w.run(b"/init").expect("a process"), exited(3));
    assert_eq!(w.log(), [42, 1]);
}

#[test]
fn execve_fails_and_nothing_changes() {
    let mut s = Script::new();
    s.store(DATA, b"/none\0/text\0/\0");
    for path in [DATA, DATA + 6, DATA + 12, 0x10] {
        s.call(nr::EXECVE, &[path, 0, 0]);
        s.log_result();
    }
    s.log_word(DATA);
    s.call(nr::EXIT, &[0]);
    let w = World::new(s).expect("a world");
    w.write_program(b"/init", kernel::testkit::TEXT).expect("init");
    w.write_file(b"/text", b"no program").expect("text");
    assert_eq!(w.run(b"/init").expect("a process"), exited(0));
    let word = i64::from_le_bytes(*b"/none\0/t");
    assert_eq!(w.log(), [-2, -8, -13, -14, word]);
}

#[test]
fn vfork_parent_waits_for_exec_or_exit() {
    let mut s = Script::new();
    s.call(nr::VFORK, &[]);
    let child = s.jump_if_zero();
    s.log(2);
    s.call(nr::WAIT4, &[ANY, 0, 0, 0]);
    s.call(nr::EXIT, &[0]);
    *child.lock() = s.here();
    for _ in 0..5 {
        s.call(nr::YIELD, &[]);
    }
    s.log(1);
    s.call(nr::EXIT, &[0]);
    assert_eq!(run(s), (exited(0), vec![1, 2]));
}

#[test]
fn threads_share_and_join() {
    const FLAGS: u64 = 0x3d0f00;
    let mut s = Script::new();
    s.store(DATA, &1u32.to_le_bytes());
    s.call(nr::CLONE, &[FLAGS, DATA + 0x1000, DATA + 8, DATA, DATA + 0x2000]);
    let child = s.jump_if_zero();
    s.log_result();
    // CLONE_PARENT_SETTID has written the ID; the thread clears the word when it ends.
    s.call(nr::FUTEX, &[DATA, 0, 1, 0]);
    s.log_result();
    s.log_word(DATA + 16);
    s.call(nr::EXIT_GROUP, &[0]);
    *child.lock() = s.here();
    s.call(nr::GETPID, &[]);
    s.store(DATA + 16, &77u64.to_le_bytes());
    s.call(nr::EXIT, &[0]);
    assert_eq!(run(s), (exited(0), vec![2, 0, 77]));
}

#[test]
fn exec_from_a_thread_takes_the_leaders_id() {
    const FLAGS: u64 = 0x10f00;
    let mut s = Script::new();
    s.store(DATA, b"/two\0");
    s.call(nr::CLONE, &[FLAGS, DATA + 0x1000, 0, 0, 0]);
    let child = s.jump_if_zero();
    s.call(nr::PAUSE, &[]);
    s.call(nr::EXIT, &[1]);
    *child.lock() = s.here();
    s.call(nr::GETTID, &[]);
    s.log_result();
    s.call(nr::EXECVE, &[DATA, 0, 0]);
    s.call(nr::EXIT, &[2]);
    let two = s.call(nr::GETTID, &[]);
    s.log_result();
    s.call(nr::EXIT, &[0]);
    let w = World::new(s).expect("a world");
    w.write_program(b"/init", kernel::testkit::TEXT).expect("init");
    w.write_program(b"/two", two).expect("two");
    assert_eq!(w.run(b"/init").expect("a process"), exited(0));
    assert_eq!(w.log(), [2, 1]);
    assert_eq!(w.executor.left(), 0);
}

#[test]
fn orphans_go_to_init() {
    let mut s = Script::new();
    s.call(nr::FORK, &[]);
    let child = s.jump_if_zero();
    s.call(nr::WAIT4, &[ANY, 0, 0, 0]);
    s.log_result();
    s.call(nr::WAIT4, &[ANY, DATA, 0, 0]);
    s.log_result();
    s.log_word(DATA);
    s.call(nr::EXIT, &[0]);
    *child.lock() = s.here();
    s.call(nr::FORK, &[]);
    let grandchild = s.jump_if_zero();
    s.call(nr::EXIT, &[0]);
    *grandchild.lock() = s.here();
    s.store(DATA + 64, &[0; 16]);
    s.call(nr::NANOSLEEP, &[DATA + 64, 0]);
    for _ in 0..20 {
        s.call(nr::YIELD, &[]);
    }
    s.call(nr::GETPPID, &[]);
    s.log_result();
    s.call(nr::EXIT, &[4]);
    assert_eq!(run(s), (exited(0), vec![2, 1, 3, 4 << 8]));
}

#[test]
fn init_takes_everybody_along() {
    let mut s = Script::new();
    s.call(nr::FORK, &[]);
    let child = s.jump_if_zero();
    s.call(nr::YIELD, &[]);
    s.call(nr::EXIT, &[0]);
    *child.lock() = s.here();
    s.call(nr::PAUSE, &[]);
    s.log(99);
    assert_eq!(run(s), (exited(0), vec![]));
}

#[test]
fn pids_are_used_again_only_when_free() {
    let mut s = Script::new();
    let top = s.call(nr::FORK, &[]);
    let child = s.jump_if_zero();
    s.call(nr::WAIT4, &[ANY, 0, 0, 0]);
    s.step(move |g| {
        let pid = g.result();
        g.log(pid);
        Ok(if pid < 40 { kernel::testkit::Next::Jump(top) } else { kernel::testkit::Next::Go })
    });
    s.call(nr::EXIT, &[0]);
    *child.lock() = s.here();
    s.call(nr::EXIT, &[0]);
    let (status, log) = run(s);
    assert_eq!(status, exited(0));
    assert_eq!(log, (2..=40).collect::<Vec<_>>());
}
