//! Signals through scripted traps.

mod common;
use common::{action, exited, killed, nr, run_at};
use kernel::testkit::{DATA, Next, Script};

const ACT: u64 = DATA + 0x100;
const USR1: u64 = 10;
const CHLD: u64 = 17;

/// A script whose first two instructions are a handler that logs its signal and returns.
fn with_handler() -> (Script, u64, u64) {
    let mut s = Script::new();
    let handler = s.step(|g| {
        if let arch::Context::X86_64(c) = g.regs {
            let signo = c.regs.rdi;
            // The return address on top of the frame. The load may fault: nothing before it.
            let sp = g.regs.sp();
            let to = g.load(sp)?;
            g.log(1000 + signo as i64);
            g.regs.set_sp(sp + 8);
            return Ok(Next::Jump(to));
        }
        Ok(Next::Go)
    });
    let restorer = s.call(nr::SIGRETURN, &[]);
    (s, handler, restorer)
}

fn catch(s: &mut Script, signo: u64, handler: u64, flags: u64, restorer: u64) {
    s.store(ACT, &action(handler, flags, 0, restorer));
    s.call(nr::SIGACTION, &[signo, ACT, 0, 8]);
}

#[test]
fn a_handler_runs_and_returns() {
    let (mut s, handler, restorer) = with_handler();
    let entry = s.here();
    catch(&mut s, USR1, handler, 0, restorer);
    s.log_result();
    s.call(nr::KILL, &[1, USR1]);
    s.log_result();
    s.call(nr::EXIT, &[0]);
    assert_eq!(run_at(s, entry), (exited(0), vec![0, 1010, 0]));
}

#[test]
fn default_action_terminates() {
    let mut s = Script::new();
    s.call(nr::KILL, &[1, 15]);
    s.log(1);
    s.call(nr::EXIT, &[0]);
    assert_eq!(run_at(s, kernel::testkit::TEXT), (killed(15), vec![]));
}

#[test]
fn ignored_and_default_ignored_do_nothing() {
    let mut s = Script::new();
    s.store(ACT, &action(1, 0, 0, 0));
    s.call(nr::SIGACTION, &[USR1, ACT, 0, 8]);
    s.call(nr::KILL, &[1, USR1]);
    s.call(nr::KILL, &[1, CHLD]);
    s.call(nr::KILL, &[1, 0]);
    s.log_result();
    s.call(nr::KILL, &[1, 65]);
    s.log_result();
    s.call(nr::EXIT, &[0]);
    assert_eq!(run_at(s, kernel::testkit::TEXT), (exited(0), vec![0, -22]));
}

#[test]
fn blocked_signals_wait_in_order() {
    let (mut s, handler, restorer) = with_handler();
    let entry = s.here();
    for signo in [USR1, 12, 34, 35] {
        catch(&mut s, signo, handler, 0, restorer);
    }
    s.store(DATA, &u64::MAX.to_le_bytes());
    s.call(nr::SIGPROCMASK, &[2, DATA, 0, 8]);
    for signo in [35, 34, 12, 34, USR1, USR1] {
        s.call(nr::KILL, &[1, signo]);
    }
    s.store(DATA, &0u64.to_le_bytes());
    s.call(nr::SIGPROCMASK, &[2, DATA, 0, 8]);
    s.call(nr::EXIT, &[0]);
    // Frames are stacked lowest number first, so the highest runs first; each handler blocks its
    // own signal only, so the second 34 comes when the first returns.
    let (status, log) = run_at(s, entry);
    assert_eq!(status, exited(0));
    let mut sorted = log.clone();
    sorted.sort();
    assert_eq!(sorted, [1010, 1012, 1034, 1034, 1035]);
    assert_eq!(log[0], 1035);
}

#[test]
fn sigkill_cannot_be_caught() {
    let mut s = Script::new();
    s.store(ACT, &action(0x40_0000, 0, 0, 0));
    s.call(nr::SIGACTION, &[9, ACT, 0, 8]);
    s.log_result();
    s.store(DATA, &u64::MAX.to_le_bytes());
    s.call(nr::SIGPROCMASK, &[2, DATA, 0, 8]);
    s.call(nr::KILL, &[1, 9]);
    s.log(1);
    assert_eq!(run_at(s, kernel::testkit::TEXT), (killed(9), vec![-22]));
}

/// A child sleeps for a second and signals its parent, which waits in the call under test.
fn interrupted(flags: u64, call: impl Fn(&mut Script)) -> Vec<i64> {
    let (mut s, handler, restorer) = with_handler();
    let entry = s.here();
    catch(&mut s, USR1, handler, flags, restorer);
    s.store(DATA, &[1u64.to_le_bytes(), 0u64.to_le_bytes()].concat());
    s.store(DATA + 16, &[5u64.to_le_bytes(), 0u64.to_le_bytes()].concat());
    s.call(nr::FORK, &[]);
    let child = s.jump_if_zero();
    call(&mut s);
    s.log_result();
    s.call(nr::EXIT, &[0]);
    *child.lock() = s.here();
    s.call(nr::NANOSLEEP, &[DATA, 0]);
    s.call(nr::KILL, &[1, USR1]);
    s.call(nr::NANOSLEEP, &[DATA, 0]);
    s.call(nr::EXIT, &[7]);
    let (status, log) = run_at(s, entry);
    assert_eq!(status, exited(0));
    log
}

#[test]
fn restart_rules() {
    const RESTART: u64 = 0x1000_0000;
    let wait = |s: &mut Script| {
        s.call(nr::WAIT4, &[u64::MAX, 0, 0, 0]);
    };
    assert_eq!(interrupted(0, wait), [1010, -4]);
    assert_eq!(interrupted(RESTART, wait), [1010, 2]);
    let sleep = |s: &mut Script| {
        s.call(nr::NANOSLEEP, &[DATA + 16, DATA + 32]);
    };
    assert_eq!(interrupted(RESTART, sleep), [1010, -4]);
    let pause = |s: &mut Script| {
        s.call(nr::PAUSE, &[]);
    };
    assert_eq!(interrupted(RESTART, pause), [1010, -4]);
}

#[test]
fn a_stop_restarts_what_it_breaks_off() {
    let mut s = Script::new();
    s.store(DATA, &[1u64.to_le_bytes(), 0u64.to_le_bytes()].concat());
    s.store(DATA + 16, &[5u64.to_le_bytes(), 0u64.to_le_bytes()].concat());
    s.call(nr::FORK, &[]);
    let child = s.jump_if_zero();
    s.call(nr::NANOSLEEP, &[DATA, 0]);
    s.call(nr::KILL, &[2, 19]);
    s.call(nr::WAIT4, &[2, DATA + 64, 2, 0]);
    s.log_result();
    s.log_word(DATA + 64);
    s.call(nr::KILL, &[2, 18]);
    s.call(nr::WAIT4, &[2, DATA + 64, 8, 0]);
    s.log_result();
    s.log_word(DATA + 64);
    s.call(nr::WAIT4, &[2, DATA + 64, 0, 0]);
    s.log_word(DATA + 64);
    s.call(nr::EXIT, &[0]);
    *child.lock() = s.here();
    s.call(nr::NANOSLEEP, &[DATA + 16, 0]);
    s.log_result();
    s.call(nr::EXIT, &[1]);
    let (status, log) = run_at(s, kernel::testkit::TEXT);
    assert_eq!(status, exited(0));
    assert_eq!(log, [2, 0x137f, 2, 0xffff, 0, 0x100]);
}

#[test]
fn alarm_fires_once() {
    let (mut s, handler, restorer) = with_handler();
    let entry = s.here();
    catch(&mut s, 14, handler, 0, restorer);
    s.call(nr::ALARM, &[3]);
    s.call(nr::PAUSE, &[]);
    s.log_result();
    s.call(nr::ALARM, &[0]);
    s.log_result();
    s.call(nr::EXIT, &[0]);
    assert_eq!(run_at(s, entry), (exited(0), vec![1014, -4, 0]));
}

#[test]
fn sigchld_and_sigsuspend() {
    let (mut s, handler, restorer) = with_handler();
    let entry = s.here();
    catch(&mut s, CHLD, handler, 0, restorer);
    s.store(DATA, &(1u64 << 16).to_le_bytes());
    s.call(nr::SIGPROCMASK, &[0, DATA, 0, 8]);
    s.call(nr::FORK, &[]);
    let child = s.jump_if_zero();
    s.store(DATA + 8, &0u64.to_le_bytes());
    s.call(nr::SIGSUSPEND, &[DATA + 8, 8]);
    s.log_result();
    s.call(nr::SIGPROCMASK, &[0, 0, DATA + 16, 8]);
    s.log_word(DATA + 16);
    s.call(nr::EXIT, &[0]);
    *child.lock() = s.here();
    s.call(nr::EXIT, &[0]);
    assert_eq!(run_at(s, entry), (exited(0), vec![1017, -4, 1 << 16]));
}

#[test]
fn sigtimedwait_takes_a_blocked_signal() {
    let mut s = Script::new();
    s.store(DATA, &(1u64 << 9).to_le_bytes());
    s.call(nr::SIGPROCMASK, &[0, DATA, 0, 8]);
    s.store(DATA + 32, &[2u64.to_le_bytes(), 0u64.to_le_bytes()].concat());
    s.store(DATA + 48, &[1u64.to_le_bytes(), 0u64.to_le_bytes()].concat());
    s.call(nr::SIGTIMEDWAIT, &[DATA, 0, DATA + 48, 8]);
    s.log_result();
    s.call(nr::FORK, &[]);
    let child = s.jump_if_zero();
    s.call(nr::SIGTIMEDWAIT, &[DATA, DATA + 0x200, DATA + 32, 8]);
    s.log_result();
    s.call(nr::EXIT, &[0]);
    *child.lock() = s.here();
    s.call(nr::NANOSLEEP, &[DATA + 48, 0]);
    s.call(nr::KILL, &[1, USR1]);
    s.call(nr::EXIT, &[0]);
    assert_eq!(run_at(s, kernel::testkit::TEXT), (exited(0), vec![-11, 10]));
}

#[test]
fn a_bad_stack_for_a_handler_is_sigsegv() {
    let (mut s, handler, restorer) = with_handler();
    let entry = s.here();
    catch(&mut s, USR1, handler, 0, restorer);
    s.step(|g| {
        g.regs.set_sp(0x100);
        Ok(Next::Go)
    });
    s.call(nr::KILL, &[1, USR1]);
    s.log(1);
    assert_eq!(run_at(s, entry), (killed(11), vec![]));
}
