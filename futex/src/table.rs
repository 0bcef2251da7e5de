//! The table that all managers of one kernel share.

use crate::bucket::{Bucket, Budget, Queue};
use crate::key::Key;
use crate::pi::{Graph, PriorityInheritance};
use alloc::boxed::Box;
use crossbeam_utils::CachePadded;
use sync::atomic::AtomicU64;
use sync::{Arc, Mutex, MutexGuard};

/// All waiters of one kernel.
///
/// One table for private and shared keys alike, because futex_requeue(2) and shared operations on
/// private memory move waiters between the two, and between address spaces.
///
/// Lock order: buckets in ascending order, then `graph`.
pub(crate) struct Table {
    buckets: Box<[CachePadded<Bucket>]>,
    seed: u64,
    pub(crate) next_manager: AtomicU64,
    pub(crate) graph: Mutex<Graph>,
    pub(crate) hook: Box<dyn PriorityInheritance>,
}

impl Table {
    /// `buckets` is rounded up to a power of two.
    pub(crate) fn new(seed: u64, buckets: usize, hook: Box<dyn PriorityInheritance>) -> Table {
        let n = buckets.clamp(1, 1 << 16).next_power_of_two() as u32;
        let budget = Arc::new(Budget::default());
        let bucket = |i| CachePadded::new(Bucket::new(i, budget.clone()));
        Table {
            buckets: (0..n).map(bucket).collect(),
            seed,
            next_manager: AtomicU64::new(1),
            graph: Mutex::new(Graph::default()),
            hook,
        }
    }

    /// The bucket's number for a key.
    pub(crate) fn index(&self, key: Key) -> u32 {
        (key.hash(self.seed) & (self.buckets.len() as u64 - 1)) as u32
    }

    pub(crate) fn bucket(&self, index: u32) -> &Bucket {
        // The mask keeps any index, even a wrong one, inside the never empty power of two.
        &self.buckets[index as usize & (self.buckets.len() - 1)]
    }

    pub(crate) fn of(&self, key: Key) -> &Bucket {
        self.bucket(self.index(key))
    }

    /// Locks the buckets of two keys, in ascending order.
    pub(crate) fn lock_two(&self, from: Key, to: Key) -> Pair<'_> {
        let (a, b) = (self.index(from), self.index(to));
        let (from, to) = (self.bucket(a), self.bucket(b));
        if a == b {
            return Pair { from, to, first: from.lock(), second: None };
        }
        if a < b {
            let first = from.lock();
            let second = Some(to.lock());
            return Pair { from, to, first, second };
        }
        let second = Some(to.lock());
        let first = from.lock();
        Pair { from, to, first, second }
    }
}

/// Two locked buckets, which may be one.
pub(crate) struct Pair<'a> {
    from: &'a Bucket,
    to: &'a Bucket,
    first: MutexGuard<'a, Queue>,
    second: Option<MutexGuard<'a, Queue>>,
}

impl Pair<'_> {
    pub(crate) fn from(&mut self) -> &mut Queue {
        &mut self.first
    }

    pub(crate) fn to(&mut self) -> &mut Queue {
        match &mut self.second {
            Some(q) => q,
            None => &mut self.first,
        }
    }

    /// Makes those who may be moved visible at their target, before the word is looked at.
    pub(crate) fn announce(&self) {
        self.to.announce(self.second.as_ref().unwrap_or(&self.first));
    }

    /// Makes the counts true after a change.
    pub(crate) fn settle(&self) {
        // The target first: who is moved must not be invisible in between.
        if let Some(q) = &self.second {
            self.to.settle(q);
        }
        self.from.settle(&self.first);
    }
}
