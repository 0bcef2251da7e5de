//! The table that all managers of one kernel share.

use crate::bucket::{Bucket, Queue};
use crate::chain::{Chain, Store};
use crate::key::Key;
use crate::pi::{Graph, PriorityInheritance};
use alloc::boxed::Box;
use alloc::vec::Vec;
use crossbeam_utils::CachePadded;
use sync::atomic::AtomicU64;
use sync::{Arc, Mutex, MutexGuard, OnceBox};
use syserr::Errno;

/// The number of buckets in a block.
const BLOCK: usize = 32;

type Block = [CachePadded<Bucket>; BLOCK];

/// All waiters of one kernel.
///
/// One table for private and shared keys alike, because futex_requeue(2) and shared operations on
/// private memory move waiters between the two, and between address spaces. Its buckets are made
/// in blocks, when somebody first waits there.
///
/// Lock order: buckets in ascending order, then `graph`, then the store's.
pub(crate) struct Table {
    blocks: Box<[OnceBox<Block>]>,
    buckets: u32,
    seed: u64,
    pub(crate) store: Arc<Store>,
    pub(crate) next_manager: AtomicU64,
    pub(crate) graph: Mutex<Graph>,
    pub(crate) hook: Box<dyn PriorityInheritance>,
}

impl Table {
    /// `buckets` is rounded up to a power of two.
    pub(crate) fn new(seed: u64, buckets: usize, hook: Box<dyn PriorityInheritance>) -> Table {
        let buckets = buckets.clamp(1, 1 << 16).next_power_of_two();
        let blocks = core::iter::repeat_with(OnceBox::new).take(buckets.div_ceil(BLOCK));
        Table {
            blocks: blocks.collect(),
            buckets: buckets as u32,
            seed,
            store: Arc::new(Store::new()),
            next_manager: AtomicU64::new(1),
            graph: Mutex::new(Graph::default()),
            hook,
        }
    }

    /// The bucket's number for a key.
    #[inline]
    fn index(&self, key: Key) -> u32 {
        key.hash(self.seed) as u32 & (self.buckets - 1)
    }

    /// A bucket where somebody has waited.
    #[inline]
    pub(crate) fn bucket(&self, index: u32) -> Option<&Bucket> {
        let block = self.blocks.get(index as usize / BLOCK)?.get()?;
        Some(&block[index as usize % BLOCK])
    }

    /// A bucket in order to wait there.
    ///
    /// # Errors
    /// `ENOMEM`.
    #[inline]
    fn bucket_for(&self, index: u32) -> Result<&Bucket, Errno> {
        let block = self.blocks.get(index as usize / BLOCK).ok_or(Errno::ENOMEM)?;
        let block = block.get_or_try_init(|| new_block(index - index % BLOCK as u32))?;
        Ok(&block[index as usize % BLOCK])
    }

    /// The bucket of `key` in order to wait there.
    ///
    /// # Errors
    /// `ENOMEM`.
    #[inline]
    pub(crate) fn of(&self, key: Key) -> Result<&Bucket, Errno> {
        self.bucket_for(self.index(key))
    }

    /// The bucket of `key`, unless nobody waits there. Who comes at the same time may be missed;
    /// see [`crate::bucket::barrier`].
    #[inline]
    pub(crate) fn busy(&self, key: Key) -> Option<&Bucket> {
        self.bucket(self.index(key)).filter(|b| !b.is_idle())
    }

    /// Locks the buckets of two keys, in ascending order.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub(crate) fn lock_two(&self, from: Key, to: Key) -> Result<Pair<'_>, Errno> {
        let (a, b) = (self.index(from), self.index(to));
        let (from, to) = (self.bucket_for(a)?, self.bucket_for(b)?);
        if a == b {
            return Ok(Pair { to, first: from.lock(), second: None });
        }
        if a < b {
            let first = from.lock();
            let second = Some(to.lock());
            return Ok(Pair { to, first, second });
        }
        let second = Some(to.lock());
        let first = from.lock();
        Ok(Pair { to, first, second })
    }
}

fn new_block(first: u32) -> Result<Box<Block>, Errno> {
    let mut buckets = Vec::new();
    buckets.try_reserve_exact(BLOCK).map_err(|_| Errno::ENOMEM)?;
    buckets.extend((first..).take(BLOCK).map(|i| CachePadded::new(Bucket::new(i))));
    buckets.into_boxed_slice().try_into().map_err(|_| Errno::ENOMEM)
}

/// Two locked buckets, which may be one.
pub(crate) struct Pair<'a> {
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

    /// The chain at position `a` of the first bucket, and that at `b` of the second.
    pub(crate) fn chains(&mut self, a: usize, b: usize) -> Option<[&mut Chain; 2]> {
        match &mut self.second {
            Some(q) => Some([self.first.at(a)?, q.at(b)?]),
            None => self.first.two(a, b),
        }
    }

    /// Swaps the chain at position `a` of the first bucket with that at `b` of the second.
    pub(crate) fn swap(&mut self, a: usize, b: usize) {
        if let Some([x, y]) = self.chains(a, b) {
            core::mem::swap(x, y);
        }
        self.first.tell_home(a);
        self.to().tell_home(b);
    }

    /// Makes those who may be moved visible at their target, before the word is looked at.
    pub(crate) fn announce(&self) {
        self.to.announce();
    }
}
