//! Filters.

mod common;
use common::{exited, killed, nr, run};
use kernel::seccomp::{DIALECT, Instruction, Program};
use kernel::testkit::{DATA, Script};
use proptest::prelude::*;
use zerocopy::IntoBytes;

const fn ins(code: u16, jt: u8, jf: u8, k: u32) -> Instruction {
    Instruction { code, jt, jf, k }
}

/// "If the number is `nr`, answer `verdict`, else allow".
fn only(nr: u32, verdict: u32) -> [Instruction; 4] {
    [ins(0x20, 0, 0, 0), ins(0x15, 0, 1, nr), ins(6, 0, 0, verdict), ins(6, 0, 0, 0x7fff_0000)]
}

fn install(s: &mut Script, code: &[Instruction]) {
    s.store(DATA + 0x800, code.as_bytes());
    s.store(DATA + 0x700, [code.len() as u64, DATA + 0x800].as_bytes());
    s.call(nr::SECCOMP, &[1, 0, DATA + 0x700]);
    s.log_result();
}

#[test]
fn errno_and_inheritance() {
    let mut s = Script::new();
    install(&mut s, &only(39, 0x0005_0000 | 77));
    s.call(nr::GETPID, &[]);
    s.log_result();
    s.call(nr::FORK, &[]);
    let child = s.jump_if_zero();
    s.call(nr::WAIT4, &[u64::MAX, 0, 0, 0]);
    s.call(nr::EXIT, &[0]);
    *child.lock() = s.here();
    s.call(nr::GETPID, &[]);
    s.log_result();
    s.call(nr::EXIT, &[0]);
    assert_eq!(run(s), (exited(0), vec![0, -77, -77]));
}

#[test]
fn the_strictest_answer_counts() {
    let mut s = Script::new();
    install(&mut s, &only(39, 0x8000_0000));
    install(&mut s, &only(39, 0x7fff_0000));
    s.call(nr::GETPID, &[]);
    s.log(1);
    assert_eq!(run(s), (killed(31), vec![0, 0]));
}

#[test]
fn strict_mode() {
    let mut s = Script::new();
    s.call(nr::SECCOMP, &[0, 0, 0]);
    s.log_result();
    s.call(nr::GETPID, &[]);
    s.log(1);
    assert_eq!(run(s), (killed(9), vec![0]));
}

#[test]
fn refused_programs() {
    let ret = ins(6, 0, 0, 0);
    let refused: [&[Instruction]; 9] = [
        &[],
        &[ins(0, 0, 0, 0)],
        &[ins(0x20, 0, 0, 2), ret],
        &[ins(0x20, 0, 0, 64), ret],
        &[ins(0x05, 0, 0, 1), ret],
        &[ins(0x15, 0, 1, 0), ret],
        &[ins(0x60, 0, 0, 0), ret],
        &[ins(0x34, 0, 0, 0), ret],
        &[ins(0x28, 0, 0, 0), ret],
    ];
    for p in refused {
        assert!(Program::new(p.to_vec(), DIALECT).is_err(), "{p:?}");
    }
    assert!(Program::new(vec![ins(2, 0, 0, 3), ins(0x60, 0, 0, 3), ret], DIALECT).is_ok());
}

proptest! {
    /// Whatever is accepted ends, and whatever is refused does no harm.
    #[test]
    fn any_bytes(raw in prop::collection::vec(any::<(u8, u8, u8, u8)>(), 1..40)) {
        let code = raw.into_iter().map(|(c, t, f, k)| ins(c.into(), t % 8, f % 8, k.into()));
        let _ = Program::new(code.chain([ins(6, 0, 0, 0)]).collect(), DIALECT);
    }
}
