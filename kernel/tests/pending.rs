//! Pending signals against a naive model.

use kernel::signal::{
    Pending, SI_QUEUE, SI_USER, SIGNAL_COUNT, SIGRTMIN, SYNCHRONOUS, SigInfo, SignalSet,
};
use proptest::prelude::*;

/// Every signal that was accepted, in order, and nothing clever.
#[derive(Default)]
struct Naive(Vec<(u32, i32)>);

impl Naive {
    fn push(&mut self, signo: u32, tag: i32) {
        if signo >= SIGRTMIN || !self.0.iter().any(|s| s.0 == signo) {
            self.0.push((signo, tag));
        }
    }

    fn pop(&mut self, blocked: SignalSet) -> Option<(u32, i32)> {
        let open = |s: &(u32, i32)| !blocked.contains(s.0);
        let urgent = |s: &(u32, i32)| SYNCHRONOUS.contains(s.0);
        let rank = |s: &(u32, i32)| (!urgent(s), s.0);
        let best = self.0.iter().filter(|s| open(s)).map(rank).min()?;
        let at = self.0.iter().position(|s| rank(s) == best)?;
        Some(self.0.remove(at))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn order_and_merging(
        ops in prop::collection::vec((1..=SIGNAL_COUNT, any::<u64>(), 0..4u8), 1..200),
    ) {
        let (mut real, mut model) = (Pending::default(), Naive::default());
        for (i, (signo, mask, kind)) in ops.into_iter().enumerate() {
            let tag = i as i32;
            match kind {
                0 | 1 => {
                    let info = SigInfo::user(signo, SI_USER, tag, 0);
                    prop_assert!(real.push(signo, info, true).is_ok());
                    model.push(signo, tag);
                }
                2 => {
                    let got = real.pop(SignalSet(mask)).map(|i| (i.signo as u32, i.pid()));
                    prop_assert_eq!(got, model.pop(SignalSet(mask)));
                }
                _ => {
                    let which = SignalSet::of(&[signo]);
                    real.discard(which);
                    model.0.retain(|s| s.0 != signo);
                }
            }
            let mut set = SignalSet::EMPTY;
            model.0.iter().for_each(|s| set.insert(s.0));
            prop_assert_eq!(real.set(), set);
            prop_assert_eq!(real.len(), model.0.len());
        }
    }
}

#[test]
fn a_full_queue() {
    let mut p = Pending::default();
    let queued = SigInfo::user(40, SI_QUEUE, 1, 0);
    assert_eq!(p.push(40, queued, false), Err(syserr::Errno::EAGAIN));
    assert!(p.set().is_empty());
    // kill(2) of a real-time signal may lose its info, not the signal.
    assert!(p.push(40, SigInfo::user(40, SI_USER, 1, 0), false).is_ok());
    assert!(p.set().contains(40) && p.is_empty());
    assert_eq!(p.pop(SignalSet::EMPTY).map(|i| (i.signo, i.pid())), Some((40, 0)));
    // Standard signals always have room.
    assert!(p.push(11, SigInfo::fault(11, 1, arch::Addr(0)), false).is_ok());
    assert_eq!(p.len(), 1);
}
