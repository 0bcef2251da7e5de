//! How much the pipes of each user may hold: `fs.pipe-user-pages-*`; pipe(7).

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use sync::Mutex;

/// Linux's default for `fs.pipe-user-pages-soft`: as much as 1024 pipes hold at first
/// (`PIPE_DEF_BUFFERS * INR_OPEN_CUR`).
const SOFT: u64 = 16 * 1024;

/// What all users have, in pages.
pub struct PipeUsers {
    /// From here on, new pipes of the unprivileged are small and none grows; 0 for no such limit.
    pub soft: AtomicU64,
    /// From here on, the unprivileged get none; 0 for no such limit.
    pub hard: AtomicU64,
    users: Mutex<BTreeMap<u32, u64>>,
}

impl Default for PipeUsers {
    fn default() -> PipeUsers {
        let (soft, hard) = (AtomicU64::new(SOFT), AtomicU64::new(0));
        PipeUsers { soft, hard, users: Mutex::default() }
    }
}

impl PipeUsers {
    /// Exchanges pages of a user, and says how many there are then.
    fn exchange(&self, uid: u32, old: usize, new: usize) -> u64 {
        let mut users = self.users.lock();
        let now = users.entry(uid).or_default();
        *now = now.saturating_sub(old as u64).saturating_add(new as u64);
        let now = *now;
        if now == 0 {
            users.remove(&uid);
        }
        now
    }

    fn exceeds(limit: &AtomicU64, pages: u64) -> bool {
        let limit = limit.load(Relaxed);
        limit != 0 && pages > limit
    }
}

/// What one pipe has of it.
pub(super) struct Share {
    users: Arc<PipeUsers>,
    uid: u32,
    pages: usize,
}

/// The user may have no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMuch;

impl Share {
    /// Pages for a new pipe: as many as are wanted, or for the unprivileged with too many two.
    pub(super) fn new(
        users: &Arc<PipeUsers>,
        uid: u32,
        wanted: usize,
        privileged: bool,
    ) -> Result<Share, TooMuch> {
        const LEAST: usize = 2;
        let mut share = Share { users: users.clone(), uid, pages: wanted };
        let mut now = users.exchange(uid, 0, wanted);
        if !privileged && PipeUsers::exceeds(&users.soft, now) {
            share.pages = LEAST;
            now = users.exchange(uid, wanted, LEAST);
        }
        let fits = privileged || !PipeUsers::exceeds(&users.hard, now);
        if fits { Ok(share) } else { Err(TooMuch) }
    }

    /// How many pages the pipe may hold.
    pub(super) fn pages(&self) -> usize {
        self.pages
    }

    /// Changes that; `grows` where it becomes more than the pipe holds.
    pub(super) fn change(
        &mut self,
        to: usize,
        grows: bool,
        privileged: bool,
    ) -> Result<(), TooMuch> {
        let now = self.users.exchange(self.uid, self.pages, to);
        let users = &self.users;
        let exceeds = PipeUsers::exceeds(&users.hard, now) || PipeUsers::exceeds(&users.soft, now);
        if grows && exceeds && !privileged {
            users.exchange(self.uid, to, self.pages);
            return Err(TooMuch);
        }
        self.pages = to;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.users.exchange(self.uid, self.pages, 0);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_unprivileged_get_less_and_then_none() {
        let users = Arc::new(PipeUsers::default());
        users.soft.store(20, Relaxed);
        users.hard.store(21, Relaxed);
        let mut first = Share::new(&users, 1, 16, false).unwrap();
        let second = Share::new(&users, 1, 16, false).unwrap();
        assert_eq!((first.pages(), second.pages()), (16, 2));
        assert_eq!(first.change(32, true, false), Err(TooMuch));
        assert_eq!(Share::new(&users, 2, 16, false).unwrap().pages(), 16, "another user");
        assert_eq!(Share::new(&users, 1, 16, true).unwrap().pages(), 16, "a privileged one");
        let _third = Share::new(&users, 1, 16, false).unwrap();
        assert_eq!(Share::new(&users, 1, 16, false).err(), Some(TooMuch));
        assert_eq!(first.change(1, false, false), Ok(()));
        assert_eq!(Share::new(&users, 1, 16, false).unwrap().pages(), 2);
        drop((first, second));
        assert_eq!(users.users.lock().get(&1), Some(&2));
    }
}
