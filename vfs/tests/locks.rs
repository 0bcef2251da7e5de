//! Record locks against a model that keeps one owner and kind for each byte; leases that end.

use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use sync::waitq::{Events, Notify};
use syserr::Errno;
use vfs::locks::{
    FileLocks, LeaseRules, LockError, LockGraph, LockKind, LockOwner, OpenCounts, Record,
};

const BYTES: u64 = 24;

#[derive(Clone, Debug)]
enum Op {
    Set(u64, LockKind, u64, u64),
    Clear(u64, u64, u64),
    Release(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let kind = prop_oneof![Just(LockKind::Read), Just(LockKind::Write)];
    prop_oneof![
        5 => (0u64..3, kind, 0..BYTES, 0..BYTES).prop_map(|(o, k, a, b)| Op::Set(o, k, a.min(b), a.max(b))),
        3 => (0u64..3, 0..BYTES, 0..BYTES).prop_map(|(o, a, b)| Op::Clear(o, a.min(b), a.max(b))),
        1 => (0u64..3).prop_map(Op::Release),
    ]
}

/// For each byte and owner, what it holds.
type Model = Vec<[Option<LockKind>; 3]>;

fn blocked(model: &Model, owner: u64, kind: LockKind, a: u64, b: u64) -> bool {
    (a..=b).any(|i| {
        (0..3).filter(|o| *o != owner).any(|o| match model[i as usize][o as usize] {
            None => false,
            Some(k) => k == LockKind::Write || kind == LockKind::Write,
        })
    })
}

fn record(owner: u64, kind: LockKind, start: u64, last: u64) -> Record {
    let via = LockOwner::Description(owner);
    Record { owner: LockOwner::Table(owner), pid: owner as i32, via, kind, start, last }
}

proptest! {
    #[test]
    fn agree_with_one_owner_for_each_byte(ops in prop::collection::vec(op(), 1..60)) {
        let locks = FileLocks::default();
        let mut model: Model = vec![[None; 3]; BYTES as usize];
        for op in ops {
            match op {
                Op::Set(o, k, a, b) => {
                    let r = record(o, k, a, b);
                    prop_assert_eq!(locks.test(&r).is_some(), blocked(&model, o, k, a, b));
                    match locks.set(r) {
                        Ok(()) => {
                            prop_assert!(!blocked(&model, o, k, a, b));
                            (a..=b).for_each(|i| model[i as usize][o as usize] = Some(k));
                        }
                        Err(LockError::Conflict(c)) => {
                            prop_assert!(blocked(&model, o, k, a, b));
                            prop_assert!(c.start <= b && a <= c.last && c.owner != LockOwner::Table(o));
                        }
                        Err(e) => prop_assert!(false, "{:?}", e),
                    }
                }
                Op::Clear(o, a, b) => {
                    prop_assert_eq!(locks.clear(LockOwner::Table(o), a, b), Ok(()));
                    (a..=b).for_each(|i| model[i as usize][o as usize] = None);
                }
                Op::Release(o) => {
                    locks.release(LockOwner::Table(o));
                    model.iter_mut().for_each(|m| m[o as usize] = None);
                }
            }
            let records = locks.records();
            let mut seen: Model = vec![[None; 3]; BYTES as usize];
            for r in &records {
                let LockOwner::Table(o) = r.owner else { panic!("an owner that nobody is") };
                for i in r.start..=r.last {
                    prop_assert_eq!(seen[i as usize][o as usize], None, "records overlap");
                    seen[i as usize][o as usize] = Some(r.kind);
                }
            }
            prop_assert_eq!(&seen, &model);
            for p in records.windows(2) {
                let touch = p[0].owner == p[1].owner && p[0].kind == p[1].kind;
                prop_assert!(!(touch && p[0].last + 1 == p[1].start), "records were not joined");
            }
        }
    }
}

#[test]
fn a_circle_of_waits_is_refused() {
    let graph = LockGraph::default();
    let t = LockOwner::Table;
    let _a = graph.wait(t(1), t(2)).unwrap();
    let b = graph.wait(t(2), t(3)).unwrap();
    assert_eq!(graph.wait(t(3), t(1)).err(), Some(Errno::EDEADLK));
    drop(b);
    assert!(graph.wait(t(3), t(1)).is_ok());
}

#[test]
fn flock_is_shared_or_exclusive() {
    let locks = FileLocks::default();
    let d = LockOwner::Description;
    locks.flock(d(1), 1, LockKind::Read).unwrap();
    locks.flock(d(2), 2, LockKind::Read).unwrap();
    assert!(locks.flock(d(3), 3, LockKind::Write).is_err());
    // A failed conversion loses the old lock.
    assert!(locks.flock(d(1), 1, LockKind::Write).is_err());
    locks.release(d(2));
    locks.flock(d(3), 3, LockKind::Write).unwrap();
    assert!(locks.flock(d(1), 1, LockKind::Read).is_err());
}

/// Counts how often it is told.
#[derive(Default)]
struct Told(AtomicU32);

impl Notify for Told {
    fn notify(&self, _: Events) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Whose time to give a lease up is over has none, for itself and for others, though nobody opened
/// the file meanwhile.
#[test]
fn a_lease_ends_with_its_time() {
    let (locks, told) = (FileLocks::default(), Arc::new(Told::default()));
    let second = 1_000_000_000;
    let open = || OpenCounts { writers: 0, readers: 2, own_writes: false };
    let take = |who, now| {
        let owner = LockOwner::Description(who);
        locks.set_lease(owner, who as i32, LockKind::Read, open, now, told.clone())
    };
    assert_eq!(take(1, 0), Ok(true));
    let rules = LeaseRules::default();
    rules.set_break_time(5);
    assert_eq!(locks.break_leases(true, second, &rules), Err(6 * second));
    assert_eq!(told.0.load(Ordering::Relaxed), 1);
    assert_eq!(take(2, 5 * second), Err(Errno::EAGAIN));
    assert_eq!(take(2, 6 * second), Ok(true));
    assert_eq!(take(1, 6 * second), Ok(true), "the old one is gone");
}
