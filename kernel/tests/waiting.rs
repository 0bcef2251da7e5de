//! Which children a wait finds.

mod common;
use common::{exited, nr, run};
use kernel::testkit::{DATA, Script};

const ANY: u64 = u64::MAX;
const NOHANG: u64 = 1;
const WALL: u64 = 0x4000_0000;
const WCLONE: u64 = 0x8000_0000;
const NOWAIT: u64 = 0x0100_0000;

/// A parent with a child that ends at once with code 3 and tells so by `exit_signal`.
fn with_child(exit_signal: u64, parent: impl Fn(&mut Script)) -> Vec<i64> {
    let mut s = Script::new();
    s.call(nr::CLONE, &[exit_signal, 0, 0, 0, 0]);
    let child = s.jump_if_zero();
    for _ in 0..5 {
        s.call(nr::YIELD, &[]);
    }
    parent(&mut s);
    s.call(nr::EXIT, &[0]);
    *child.lock() = s.here();
    s.call(nr::EXIT, &[3]);
    let (status, log) = run(s);
    assert_eq!(status, exited(0));
    log
}

fn wait(s: &mut Script, pid: u64, options: u64) {
    s.call(nr::WAIT4, &[pid, 0, options, 0]);
    s.log_result();
}

#[test]
fn by_id_group_and_kind() {
    let log = with_child(17, |s| {
        wait(s, 99, NOHANG);
        wait(s, (-5i64) as u64, NOHANG);
        wait(s, ANY, NOHANG | WCLONE);
        wait(s, 0, NOHANG);
        wait(s, 0, NOHANG);
    });
    assert_eq!(log, [-10, -10, -10, 2, -10]);
}

#[test]
fn clone_children() {
    let log = with_child(0, |s| {
        wait(s, ANY, NOHANG);
        wait(s, ANY, NOHANG | WCLONE);
    });
    assert_eq!(log, [-10, 2]);
    assert_eq!(with_child(0, |s| wait(s, ANY, NOHANG | WALL)), [2]);
    assert_eq!(with_child(0, |s| wait(s, ANY, NOHANG | WALL | WCLONE)), [2]);
}

#[test]
fn bad_options() {
    let log = with_child(17, |s| {
        wait(s, ANY, NOWAIT);
        wait(s, ANY, 0x10);
        wait(s, 0x8000_0000, 0);
        s.call(nr::WAITID, &[0, 0, DATA, NOHANG, 0]);
        s.log_result();
        s.call(nr::WAITID, &[7, 0, DATA, 4, 0]);
        s.log_result();
        s.call(nr::WAITID, &[1, 0, DATA, 4, 0]);
        s.log_result();
    });
    assert_eq!(log, [-22, -22, -3, -22, -22, -22]);
}

#[test]
fn waitid_looks_and_takes() {
    let log = with_child(17, |s| {
        for options in [4 | NOWAIT, 2 | NOHANG, 4] {
            s.call(nr::WAITID, &[0, 0, DATA, options, 0]);
            s.log_result();
            s.log_word(DATA + 16);
            s.log_word(DATA + 24);
        }
    });
    // Only a zombie is left, so a wait for stops finds no child that could stop; the structure is
    // written all the same.
    assert_eq!(log[..6], [0, 2, 3, -10, 0, 0]);
    assert_eq!(log[6..], [0, 2, 3]);
}

#[test]
fn ignored_children_leave_nothing() {
    let mut s = Script::new();
    s.store(DATA, &common::action(1, 0, 0, 0));
    s.call(nr::SIGACTION, &[17, DATA, 0, 8]);
    s.call(nr::FORK, &[]);
    let child = s.jump_if_zero();
    s.call(nr::WAIT4, &[ANY, 0, 0, 0]);
    s.log_result();
    s.call(nr::EXIT, &[0]);
    *child.lock() = s.here();
    s.call(nr::YIELD, &[]);
    s.call(nr::EXIT, &[3]);
    assert_eq!(run(s), (exited(0), vec![-10]));
}
