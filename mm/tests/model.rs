//! Random sequences of operations on several related address spaces, against a naive model.
#![allow(missing_docs)]

use mm::testkit::model::{FILE_PAGES, Kind, Op, PAGES, World};
use mm::{Advice, Tuning};
use proptest::prelude::*;
use syserr::Errno;

fn span() -> impl Strategy<Value = (u64, u64)> {
    (0..PAGES, 1..12u64).prop_map(|(at, len)| (at, len.min(PAGES - at)))
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        4 => Just(Kind::Anon),
        1 => Just(Kind::SharedAnon),
        2 => Just(Kind::FilePrivate),
        1 => Just(Kind::FileShared),
    ]
}

fn advice() -> impl Strategy<Value = Advice> {
    prop_oneof![
        4 => Just(Advice::DontNeed),
        1 => Just(Advice::DontFork),
        1 => Just(Advice::WipeOnFork),
        1 => Just(Advice::GuardInstall),
        1 => Just(Advice::GuardRemove),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let perms = prop_oneof![4 => Just(3u8), 1 => Just(1), 1 => Just(0), 1 => Just(7), 1 => Just(5)];
    prop_oneof![
        5 => (span(), perms.clone(), kind(), 0..FILE_PAGES).prop_map(
            |((at, len), perms, kind, offset)| Op::Mmap { at, len, perms, kind, offset }
        ),
        2 => span().prop_map(|(at, len)| Op::Munmap { at, len }),
        2 => (span(), perms).prop_map(|((at, len), perms)| Op::Mprotect { at, len, perms }),
        2 => (span(), 0..PAGES).prop_map(
            |((at, len), to)| Op::Move { at, len, to: to.min(PAGES - len) }
        ),
        2 => (span(), advice()).prop_map(|((at, len), advice)| Op::Advise { at, len, advice }),
        8 => (0..PAGES, 1..u64::MAX).prop_map(|(at, value)| Op::Write { at, value }),
        8 => (0..PAGES, any::<bool>()).prop_map(|(at, write)| Op::Fault { at, write }),
        2 => Just(Op::Fork),
        1 => Just(Op::Exit),
        1 => (0..=FILE_PAGES).prop_map(|pages| Op::Truncate { pages }),
        1 => (0..FILE_PAGES, 1..u64::MAX).prop_map(|(page, value)| Op::FileWrite { page, value }),
        1 => Just(Op::Premap),
    ]
}

fn tuning() -> impl Strategy<Value = Tuning> {
    prop_oneof![Just(Tuning::DEFAULT), Just(Tuning::EXACT)]
}

fn capped(w: &World, op: &Op) -> bool {
    matches!(op, Op::Fork) && w.count() >= 4
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn equals_a_naive_model(
        tuning in tuning(),
        ops in proptest::collection::vec((any::<usize>(), op()), 1..60),
    ) {
        let mut w = World::new(tuning);
        for (i, (who, op)) in ops.iter().enumerate() {
            if !capped(&w, op) {
                prop_assert_eq!(w.run(*who, op), Ok(()), "{:?}", op);
            }
            if i % 8 == 0 {
                w.check();
            }
        }
        w.check();
        w.finish();
    }

    /// Whatever step runs out of memory, the state is as it was.
    #[test]
    fn a_failed_operation_changes_nothing(
        before in proptest::collection::vec((any::<usize>(), op()), 1..30),
        then in proptest::collection::vec((any::<usize>(), op()), 1..6),
    ) {
        let mut w = World::new(Tuning::EXACT);
        for (who, op) in &before {
            if !capped(&w, op) {
                w.run(*who, op).unwrap();
            }
        }
        for (who, op) in &then {
            // Truncation cannot fail; writing to a file reports how far it came instead.
            if capped(&w, op) || matches!(op, Op::FileWrite { .. } | Op::Truncate { .. }) {
                continue;
            }
            // A hole is the same errno as no memory.
            if let Op::Advise { at, len, .. } = op
                && w.has_holes(*who, *at, *len)
            {
                continue;
            }
            let mut last = false;
            for k in 0..200 {
                w.memory().fail_in(Some(k));
                let r = w.run(*who, op);
                w.memory().fail_in(None);
                // Checking reads memory, which backs it: only what can be seen is compared.
                w.check();
                if r.is_ok() {
                    last = true;
                    break;
                }
                prop_assert!(matches!(r, Err(Errno::ENOMEM | Errno::EFAULT)), "{:?}", r);
            }
            prop_assert!(last, "{:?} never succeeds", op);
        }
        w.finish();
    }
}
