//! How many user namespaces there may be: `kernel/ucount.c`.

use super::UserNs;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use sync::Mutex;
use syserr::Errno;

/// User namespaces that each user of a namespace has made in it and below, and how many that may be:
/// `/proc/sys/user/max_user_namespaces`.
#[derive(Debug)]
pub struct Counts {
    most: AtomicU32,
    made: Mutex<BTreeMap<u32, u32>>,
}

impl Counts {
    /// Each user may have `most`.
    pub(crate) fn new(most: u32) -> Arc<Counts> {
        Arc::new(Counts { most: AtomicU32::new(most), made: Mutex::default() })
    }

    /// For one that is made: what bounds its parent bounds it too.
    pub(super) fn inside() -> Arc<Counts> {
        Counts::new(i32::MAX as u32)
    }

    /// The most that a user may have.
    pub fn most(&self) -> u32 {
        self.most.load(Relaxed)
    }

    /// Changes that, for what is made from now on.
    pub fn set_most(&self, most: u32) {
        self.most.store(most, Relaxed);
    }

    fn take(&self, uid: u32) -> Result<(), Errno> {
        let mut made = self.made.lock();
        let own = made.get(&uid).copied().unwrap_or(0);
        if own >= self.most() {
            return Err(Errno::ENOSPC);
        }
        made.insert(uid, own + 1);
        Ok(())
    }

    fn give(&self, uid: u32) {
        let mut made = self.made.lock();
        if let Some(n) = made.get_mut(&uid) {
            *n -= 1;
            if *n == 0 {
                made.remove(&uid);
            }
        }
    }
}

/// Holds what a namespace counts for, in its parent and in those further out.
#[derive(Debug, Default)]
pub(super) struct CountGuard(Vec<(Arc<Counts>, u32)>);

impl Drop for CountGuard {
    fn drop(&mut self) {
        for (counts, uid) in &self.0 {
            counts.give(*uid);
        }
    }
}

impl UserNs {
    /// Counts one more that `uid` makes in this: for it here, and for who made this one further out
    /// (`inc_ucount`).
    pub(super) fn count(&self, initial: &Arc<Counts>, uid: u32) -> Result<CountGuard, Errno> {
        let (mut guard, mut at, mut uid) = (CountGuard::default(), self, uid);
        loop {
            let counts = at.0.as_ref().map_or(initial, |n| &n.counts);
            counts.take(uid)?;
            guard.0.push((counts.clone(), uid));
            match at.parent_ns() {
                None => return Ok(guard),
                Some(parent) => (uid, at) = (at.owner_uid(), parent),
            }
        }
    }

    /// The counts of this one; `None` for the initial one, whose are its kernel's.
    pub fn counts(&self) -> Option<&Arc<Counts>> {
        self.0.as_ref().map(|n| &n.counts)
    }
}
