//! Where each chain is: the only thing that changes when a whole chain is requeued.

use alloc::boxed::Box;
use alloc::vec::Vec;
use sync::atomic::{AtomicU64, Ordering};
use sync::{Mutex, OnceBox};
use syserr::Errno;

/// A chain's bucket, and its position among the bucket's chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Home {
    pub(crate) bucket: u32,
    pub(crate) at: u32,
}

/// No chain has this id.
const NOWHERE: u64 = u64::MAX;

/// The number of ids in the first block; each block has twice as many as the one before.
const FIRST: u32 = 64;
const BLOCKS: usize = 26;

/// Homes of consecutive ids; in an array of one, because a box of an array can be made fallibly.
type Block = [Box<[AtomicU64]>; 1];

/// The homes of all chains of a table, by chain id.
///
/// Written only under the lock of the bucket that the home names before and after; read by anyone,
/// by loads alone, since blocks stay where they are.
pub(crate) struct Homes {
    blocks: [OnceBox<Block>; BLOCKS],
    ids: Mutex<Ids>,
}

#[derive(Default)]
struct Ids {
    /// Has room for all ids there are, so that giving one back cannot fail.
    free: Vec<u32>,
    next: u32,
}

/// The word that says where one chain is.
#[derive(Clone, Copy)]
pub(crate) struct HomeOf<'a>(&'a AtomicU64);

impl HomeOf<'_> {
    /// Where the chain is; `None` if it has ended.
    #[inline]
    pub(crate) fn get(self) -> Option<Home> {
        match self.0.load(Ordering::Acquire) {
            NOWHERE => None,
            v => Some(Home { bucket: (v >> 32) as u32, at: v as u32 }),
        }
    }
}

/// The block of an id, and its place there.
fn split(id: u32) -> (usize, usize) {
    let n = u64::from(id) + u64::from(FIRST);
    let block = n.ilog2() - FIRST.ilog2();
    (block as usize, (n - (u64::from(FIRST) << block)) as usize)
}

impl Homes {
    pub(crate) fn new() -> Homes {
        Homes { blocks: core::array::from_fn(|_| OnceBox::new()), ids: Mutex::new(Ids::default()) }
    }

    /// The home of a chain.
    #[inline]
    pub(crate) fn of(&self, id: u32) -> Option<HomeOf<'_>> {
        let (block, at) = split(id);
        let [cells] = self.blocks.get(block)?.get()?;
        cells.get(at).map(HomeOf)
    }

    #[inline]
    pub(crate) fn set(&self, id: u32, home: Home) {
        if let Some(HomeOf(cell)) = self.of(id) {
            cell.store(u64::from(home.bucket) << 32 | u64::from(home.at), Ordering::Release);
        }
    }

    /// An id for a new chain.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub(crate) fn allocate(&self) -> Result<u32, Errno> {
        let mut ids = self.ids.lock();
        if let Some(id) = ids.free.pop() {
            return Ok(id);
        }
        let id = ids.next;
        // The largest number is no id: a place uses it for what is not queued.
        let next = id.checked_add(1).ok_or(Errno::ENOMEM)?;
        let (block, at) = split(id);
        let cells = self.blocks.get(block).ok_or(Errno::ENOMEM)?;
        let [there] = cells.get_or_try_init(|| nowhere((FIRST as usize) << block))?;
        if at >= there.len() {
            return Err(Errno::ENOMEM);
        }
        ids.free.try_reserve(next as usize).map_err(|_| Errno::ENOMEM)?;
        ids.next = next;
        Ok(id)
    }

    /// Takes back the id of a chain that has ended.
    pub(crate) fn release(&self, id: u32) {
        if let Some(HomeOf(cell)) = self.of(id) {
            cell.store(NOWHERE, Ordering::Release);
        }
        self.ids.lock().free.push(id);
    }
}

fn nowhere(len: usize) -> Result<Box<Block>, Errno> {
    let mut cells = Vec::new();
    cells.try_reserve_exact(len).map_err(|_| Errno::ENOMEM)?;
    cells.resize_with(len, || AtomicU64::new(NOWHERE));
    let mut block = Vec::new();
    block.try_reserve_exact(1).map_err(|_| Errno::ENOMEM)?;
    block.push(cells.into_boxed_slice());
    block.into_boxed_slice().try_into().map_err(|_| Errno::ENOMEM)
}
