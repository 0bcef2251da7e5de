//! The table that all managers of one kernel share.

use crate::bucket::{Bucket, Budget, Queue};
use crate::key::Key;
use crate::pi::{Graph, PriorityInheritance};
use alloc::boxed::Box;
use alloc::vec::Vec;
use crossbeam_utils::CachePadded;
use spin::Once;
use sync::atomic::{AtomicU64, Ordering, fence};
use sync::{Arc, Mutex, MutexGuard};
use syserr::Errno;

/// How many parts a table comes in.
const SEGMENTS: usize = 16;

type Segment = Box<[CachePadded<Bucket>]>;

/// All waiters of one kernel.
///
/// One table for private and shared keys alike, because futex_requeue(2) and shared operations on
/// private memory move waiters between the two, and between address spaces.
///
/// Lock order: buckets in ascending order, then `graph`.
///
/// A new table has no buckets yet: a segment of them comes with the first waiter in it.
pub(crate) struct Table {
    segments: [Once<Segment>; SEGMENTS],
    /// The number of buckets, a power of two.
    buckets: u32,
    /// How many bits of an index lie within a segment.
    shift: u32,
    budget: Arc<Budget>,
    seed: u64,
    pub(crate) next_manager: AtomicU64,
    pub(crate) graph: Mutex<Graph>,
    pub(crate) hook: Box<dyn PriorityInheritance>,
}

impl Table {
    /// `buckets` is rounded up to a power of two.
    pub(crate) fn new(seed: u64, buckets: usize, hook: Box<dyn PriorityInheritance>) -> Table {
        let n = buckets.clamp(1, 1 << 16).next_power_of_two() as u32;
        Table {
            segments: [const { Once::new() }; SEGMENTS],
            buckets: n,
            shift: (n / SEGMENTS as u32).max(1).trailing_zeros(),
            budget: Arc::default(),
            seed,
            next_manager: AtomicU64::new(1),
            graph: Mutex::new(Graph::default()),
            hook,
        }
    }

    /// The bucket's number for a key.
    pub(crate) fn index(&self, key: Key) -> u32 {
        (key.hash(self.seed) & u64::from(self.buckets - 1)) as u32
    }

    /// The bucket of that number; `None` while nobody has waited near it.
    #[inline]
    pub(crate) fn bucket(&self, index: u32) -> Option<&Bucket> {
        let segment = self.segments.get((index >> self.shift) as usize)?.get()?;
        segment.get((index & ((1 << self.shift) - 1)) as usize).map(|b| &**b)
    }

    /// The bucket of a key; `None` while nobody has waited near it.
    pub(crate) fn of(&self, key: Key) -> Option<&Bucket> {
        self.bucket(self.index(key))
    }

    /// The bucket of a key, unless nobody waits there. Whoever has changed the futex word before
    /// asking either sees the waiter, or the waiter sees the changed word.
    #[inline]
    pub(crate) fn of_busy(&self, key: Key) -> Option<&Bucket> {
        fence(Ordering::SeqCst);
        self.of(key).filter(|b| !b.is_idle())
    }

    /// The bucket of a key, for somebody who is going to wait.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub(crate) fn make(&self, key: Key) -> Result<&Bucket, Errno> {
        self.make_bucket(self.index(key))
    }

    fn make_bucket(&self, index: u32) -> Result<&Bucket, Errno> {
        match self.bucket(index) {
            Some(b) => Ok(b),
            None => self.make_segment(index),
        }
    }

    #[cold]
    fn make_segment(&self, index: u32) -> Result<&Bucket, Errno> {
        let number = index >> self.shift;
        let slot = self.segments.get(number as usize).ok_or(Errno::ENOMEM)?;
        slot.try_call_once(|| {
            let mut buckets = Vec::new();
            buckets.try_reserve_exact(1 << self.shift).map_err(|_| Errno::ENOMEM)?;
            let first = number << self.shift;
            let all =
                (first..first + (1 << self.shift)).map(|i| Bucket::new(i, self.budget.clone()));
            buckets.extend(all.map(CachePadded::new));
            Ok::<_, Errno>(buckets.into_boxed_slice())
        })?;
        self.bucket(index).ok_or(Errno::ENOMEM)
    }

    /// Locks the buckets of two keys, in ascending order.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub(crate) fn lock_two(&self, from: Key, to: Key) -> Result<Pair<'_>, Errno> {
        let (a, b) = (self.index(from), self.index(to));
        let (from, to) = (self.make_bucket(a)?, self.make_bucket(b)?);
        if a == b {
            return Ok(Pair { from, to, first: from.lock(), second: None });
        }
        if a < b {
            let first = from.lock();
            let second = Some(to.lock());
            return Ok(Pair { from, to, first, second });
        }
        let second = Some(to.lock());
        let first = from.lock();
        Ok(Pair { from, to, first, second })
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
