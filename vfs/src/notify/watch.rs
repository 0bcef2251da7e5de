//! One watch, and those on one inode.

use super::Mask;
use super::inotify::Group;
use super::queue::Event;
use crate::{Inode, SuperBlock};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use sync::Mutex;
use sync::waitq::{Events, Notify};

/// One watch. Who it belongs to holds it, and it holds the inode.
pub(super) struct Watch {
    hearer: Hearer,
    pub(super) inode: Arc<dyn Inode>,
    pub(super) sb: Weak<SuperBlock>,
    mask: AtomicU32,
}

/// Who hears of a watch.
pub(super) enum Hearer {
    /// An inotify instance, and what it calls the watch.
    Instance(Weak<Group>, i32),
    /// Who has set `F_NOTIFY`: that something happened, and not what.
    Owner(Arc<dyn Notify>),
}

impl Watch {
    pub(super) fn new(
        hearer: Hearer,
        inode: Arc<dyn Inode>,
        sb: &Arc<SuperBlock>,
        mask: Mask,
    ) -> Watch {
        let mask = AtomicU32::new(mask.bits());
        Watch { hearer, inode, sb: Arc::downgrade(sb), mask }
    }

    /// What its instance calls it.
    pub(super) fn wd(&self) -> i32 {
        match self.hearer {
            Hearer::Instance(_, wd) => wd,
            Hearer::Owner(_) => -1,
        }
    }

    pub(super) fn mask(&self) -> Mask {
        Mask::from_bits_retain(self.mask.load(Relaxed))
    }

    /// Changes what is watched; with `MASK_ADD`, adds to it.
    pub(super) fn change(&self, mask: Mask) {
        let old = if mask.contains(Mask::MASK_ADD) { self.mask() } else { Mask::empty() };
        self.mask.store((old | mask).bits(), Relaxed);
        if let Some(state) = self.inode.state() {
            state.marks().recount();
        }
    }

    fn tell(&self, mask: Mask, cookie: u32, name: Option<&Arc<[u8]>>, unlinked: bool) {
        let wanted = self.mask();
        let excluded = unlinked && wanted.contains(Mask::EXCL_UNLINK) && name.is_some();
        if excluded || !wanted.intersects(mask & Mask::HAPPENED) {
            return;
        }
        let (group, wd) = match &self.hearer {
            Hearer::Instance(group, wd) => (group.upgrade(), *wd),
            Hearer::Owner(owner) => {
                // Only who finds it wanted tells, where it is wanted once.
                let once = wanted.contains(Mask::ONESHOT);
                if !once || self.mask.swap(0, Relaxed) != 0 {
                    owner.notify(Events::empty());
                }
                return;
            }
        };
        let Some(group) = group else { return };
        // Programs that are older than directories' own events do not know them with the bit.
        let selves = Mask::DELETE_SELF | Mask::MOVE_SELF;
        let mask = if mask.intersects(selves) { mask - Mask::ISDIR } else { mask };
        group.push(Event { wd, mask, cookie, name: name.cloned() });
        if wanted.contains(Mask::ONESHOT) {
            group.end(wd);
        }
    }
}

/// The watches on an inode.
#[derive(Default)]
pub(crate) struct Marks {
    /// What any of them wants.
    wanted: AtomicU32,
    list: Mutex<Vec<Weak<Watch>>>,
}

impl Marks {
    pub(crate) fn any(&self) -> bool {
        self.wanted.load(Relaxed) != 0
    }

    fn all(&self) -> Vec<Arc<Watch>> {
        self.list.lock().iter().filter_map(Weak::upgrade).collect()
    }

    /// The watch of an instance.
    pub(super) fn of(&self, group: &Weak<Group>) -> Option<Arc<Watch>> {
        let is_of = |w: &Watch| matches!(&w.hearer, Hearer::Instance(g, _) if g.ptr_eq(group));
        self.all().into_iter().find(|w| is_of(w))
    }

    pub(super) fn add(&self, watch: &Arc<Watch>) {
        self.list.lock().push(Arc::downgrade(watch));
        self.recount();
    }

    pub(super) fn remove(&self, watch: &Watch) {
        self.list.lock().retain(|w| !core::ptr::eq(w.as_ptr(), watch));
        self.recount();
    }

    fn recount(&self) {
        let all = self.all();
        // A watch for nothing still hears that its file is gone.
        let wanted = all.iter().fold(0, |sum, w| sum | (w.mask() | Mask::IGNORED).bits());
        self.wanted.store(wanted, Relaxed);
    }

    pub(super) fn tell(&self, mask: Mask, cookie: u32, name: Option<&Arc<[u8]>>, unlinked: bool) {
        if self.wanted.load(Relaxed) & (mask & Mask::HAPPENED).bits() != 0 {
            self.all().iter().for_each(|w| w.tell(mask, cookie, name, unlinked));
        }
    }

    /// The inode is gone, and its watches with it.
    pub(super) fn deleted(&self) {
        for w in self.all() {
            w.tell(Mask::DELETE_SELF, 0, None, false);
            if let Hearer::Instance(group, wd) = &w.hearer
                && let Some(group) = group.upgrade()
            {
                group.end(*wd);
            }
        }
    }
}
