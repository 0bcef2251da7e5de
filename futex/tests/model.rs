//! Random interleavings of waits, wakes, requeues and cancellations against a naive model: one
//! list for each word, searched from the front.
#![cfg(not(loom))]

mod common;

use arch::Addr;
use common::{Memory, Sleeper, poll, waiter};
use futex::{Counts, Manager, NoInheritance, Outcome, Scope, Step, WaitEntry, Word};
use proptest::prelude::*;
use std::sync::Arc;
use std::task::Poll;
use syserr::Errno;

const WORDS: usize = 4;

#[derive(Clone, Debug)]
enum Op {
    Wait { word: usize, bitset: u32, poll: bool },
    Waitv { words: Vec<usize> },
    Wake { word: usize, n: i32, bitset: u32 },
    Both { a: usize, b: usize, n: i32, n2: i32, met: bool },
    Requeue { from: usize, to: usize, wake: i32, requeue: i32, cmp: Option<u32> },
    Cancel { which: prop::sample::Index },
    Poll { which: prop::sample::Index },
    Drop { which: prop::sample::Index },
    Set { word: usize, value: u32 },
    Evict { word: usize },
}

fn op() -> impl Strategy<Value = Op> {
    let word = || 0..WORDS;
    let count = || prop_oneof![-1..4i32, Just(i32::MAX)];
    let bitset = || prop_oneof![Just(!0u32), 0..4u32];
    prop_oneof![
        6 => (word(), bitset(), any::<bool>())
            .prop_map(|(word, bitset, poll)| Op::Wait { word, bitset, poll }),
        1 => prop::collection::vec(word(), 1..5).prop_map(|words| Op::Waitv { words }),
        3 => (word(), count(), bitset()).prop_map(|(word, n, bitset)| Op::Wake { word, n, bitset }),
        1 => (word(), word(), count(), count(), any::<bool>())
            .prop_map(|(a, b, n, n2, met)| Op::Both { a, b, n, n2, met }),
        4 => (word(), word(), count(), count(), prop::option::of(0..2u32))
            .prop_map(|(from, to, wake, requeue, cmp)| Op::Requeue { from, to, wake, requeue, cmp }),
        2 => any::<prop::sample::Index>().prop_map(|which| Op::Cancel { which }),
        1 => any::<prop::sample::Index>().prop_map(|which| Op::Poll { which }),
        1 => any::<prop::sample::Index>().prop_map(|which| Op::Drop { which }),
        1 => (word(), 0..2u32).prop_map(|(word, value)| Op::Set { word, value }),
        1 => word().prop_map(|word| Op::Evict { word }),
    ]
}

/// Who waits where: (sleeper, entry, bitset), front first.
#[derive(Default)]
struct Model {
    queues: [Vec<(usize, usize, u32)>; WORDS],
    /// For each sleeper, the entries that were woken; `None` once it is gone.
    woken: Vec<Option<Vec<usize>>>,
}

impl Model {
    fn wake(&mut self, word: usize, n: i32, bitset: u32) -> u32 {
        let mut count = 0;
        while let Some(i) = self.queues[word].iter().position(|w| w.2 & bitset != 0) {
            let (id, entry, _) = self.queues[word].remove(i);
            self.woken[id].as_mut().unwrap().push(entry);
            count += 1;
            if i64::from(count) >= i64::from(n) {
                break;
            }
        }
        count
    }

    fn requeue(&mut self, from: usize, to: usize, wake: i32, requeue: i32) -> u32 {
        let woken = if wake == 0 { 0 } else { self.wake(from, wake, !0) };
        let n = self.queues[from].len().min(requeue as usize);
        if from != to {
            let moved: Vec<_> = self.queues[from].drain(..n).collect();
            self.queues[to].extend(moved);
        }
        woken + n as u32
    }

    /// Takes a sleeper out; the result of its wait if it was woken.
    fn leave(&mut self, id: usize) -> Option<u32> {
        self.queues.iter_mut().for_each(|q| q.retain(|w| w.0 != id));
        self.woken[id].take()?.into_iter().max().map(|e| e as u32)
    }
}

fn at(word: usize) -> Addr {
    Addr(0x1000 + 4 * word as u64)
}

fn run(ops: &[Op], scope: Scope, buckets: usize) -> Result<(), TestCaseError> {
    let m = Manager::with(11, buckets, Box::new(NoInheritance)).fork();
    let mem: Arc<Memory> = Memory::new();
    (0..WORDS).for_each(|w| mem.map(at(w), 0));
    let mut model = Model::default();
    let mut sleepers: Vec<Option<Sleeper>> = Vec::new();
    for op in ops {
        match op {
            &Op::Wait { word, bitset, poll: polled } => {
                let r = m.wait_bitset(waiter(), mem.clone(), at(word), scope, 0, bitset);
                match r.map(|w| w.into_owned()) {
                    Ok(mut w) => {
                        prop_assert!(bitset != 0 && mem.get(at(word)) == 0);
                        model.queues[word].push((sleepers.len(), 0, bitset));
                        model.woken.push(Some(Vec::new()));
                        prop_assert!(!polled || poll(&mut w).is_pending());
                        sleepers.push(Some(w));
                    }
                    Err(Errno::EINVAL) => prop_assert_eq!(bitset, 0),
                    Err(e) => prop_assert_eq!((e, mem.get(at(word))), (Errno::EAGAIN, 1)),
                }
            }
            Op::Waitv { words } => {
                let entry = |&w: &usize| WaitEntry { addr: at(w), scope, val: 0 };
                let entries: Vec<_> = words.iter().map(entry).collect();
                let all_zero = words.iter().all(|w| mem.get(at(*w)) == 0);
                match m.waitv(mem.clone(), &entries) {
                    Ok(Step::Block(w)) => {
                        prop_assert!(all_zero);
                        for (i, w) in words.iter().enumerate() {
                            model.queues[*w].push((sleepers.len(), i, !0));
                        }
                        model.woken.push(Some(Vec::new()));
                        sleepers.push(Some(w.into_owned()));
                    }
                    Ok(Step::Done(v)) => prop_assert!(false, "nobody wakes meanwhile: {v}"),
                    Err(e) => prop_assert_eq!((e, all_zero), (Errno::EAGAIN, false)),
                }
            }
            &Op::Wake { word, n, bitset } => {
                let r = m.wake_bitset(&mem, at(word), scope, n, bitset);
                if bitset == 0 {
                    prop_assert_eq!(r, Err(Errno::EINVAL));
                } else {
                    prop_assert_eq!(r, Ok(model.wake(word, n, bitset)));
                }
            }
            &Op::Both { a, b, n, n2, met } => {
                // Adds 0, and compares with a value that no word has.
                let op = 1 << 28 | u32::from(met) << 24 | 9;
                let mut expected = model.wake(a, n, !0);
                if met {
                    expected += model.wake(b, n2, !0);
                }
                prop_assert_eq!(m.wake_op(&mem, at(a), at(b), scope, n, n2, op), Ok(expected));
            }
            &Op::Requeue { from, to, wake, requeue, cmp } => {
                let counts = Counts { wake, requeue };
                let value = mem.get(at(from));
                let [f, t] = [from, to].map(|w| Word { addr: at(w), scope });
                let r = m.requeue(&mem, f, t, counts, cmp);
                if wake < 0 || requeue < 0 {
                    prop_assert_eq!(r, Err(Errno::EINVAL));
                } else if cmp.is_some_and(|c| c != value) {
                    prop_assert_eq!(r, Err(Errno::EAGAIN));
                } else {
                    prop_assert_eq!(r, Ok(model.requeue(from, to, wake, requeue)));
                }
            }
            Op::Cancel { which } | Op::Drop { which } | Op::Poll { which } => {
                if sleepers.is_empty() {
                    continue;
                }
                let id = which.index(sleepers.len());
                let Some(mut w) = sleepers[id].take() else { continue };
                match op {
                    Op::Cancel { .. } => {
                        let outcome = match model.leave(id) {
                            Some(v) => Outcome::Finished(Ok(v)),
                            None => Outcome::Withdrawn,
                        };
                        prop_assert_eq!(w.cancel(), outcome);
                    }
                    Op::Poll { .. } => match poll(&mut w) {
                        Poll::Ready(r) => prop_assert_eq!(r.ok(), model.leave(id)),
                        Poll::Pending => {
                            prop_assert!(model.woken[id].as_ref().is_some_and(Vec::is_empty));
                            sleepers[id] = Some(w);
                        }
                    },
                    _ => drop(model.leave(id)),
                }
            }
            &Op::Set { word, value } => mem.set(at(word), value),
            &Op::Evict { word } => mem.evict(at(word)),
        }
    }
    // Nobody else is queued, and everyone ends as the model says.
    for word in 0..WORDS {
        let all = model.wake(word, i32::MAX, !0);
        prop_assert_eq!(m.wake(&mem, at(word), scope, i32::MAX), Ok(all));
    }
    for (id, w) in sleepers.iter_mut().enumerate() {
        if let Some(w) = w {
            prop_assert_eq!(poll(w).map(Result::ok), Poll::Ready(model.leave(id)));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]

    #[test]
    fn agrees_with_the_naive_model(
        ops in prop::collection::vec(op(), 1..120),
        shared in any::<bool>(),
        buckets in 1..9usize,
    ) {
        run(&ops, if shared { Scope::Shared } else { Scope::Private }, buckets)?;
    }
}
