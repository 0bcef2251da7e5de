//! `F_NOTIFY` of fcntl(2): a signal when something happens to a directory or in it.

use super::watch::{Hearer, Watch};
use super::{Mask, WATCHES_MAX, Watches};
use crate::locks::LockOwner;
use crate::{File, Vfs, mode};
use alloc::sync::Arc;
use core::sync::atomic::Ordering::Relaxed;
use sync::waitq::Notify;
use syserr::Errno;

bitflags::bitflags! {
    /// `DN_*` bits.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct DirEvents: u32 {
        /// `DN_ACCESS`: a file was read.
        const ACCESS = 1;
        /// `DN_MODIFY`: a file was written.
        const MODIFY = 2;
        /// `DN_CREATE`: a name came.
        const CREATE = 4;
        /// `DN_DELETE`: a name went.
        const DELETE = 8;
        /// `DN_RENAME`: a name became another one here.
        const RENAME = 0x10;
        /// `DN_ATTRIB`: attributes changed.
        const ATTRIB = 0x20;
        /// `DN_MULTISHOT`: not only once.
        const MULTISHOT = 0x8000_0000;
    }
}

impl DirEvents {
    /// As bits of inotify(7) (`convert_arg` in `fs/notify/dnotify/dnotify.c`).
    fn mask(self) -> Mask {
        let pairs = [
            (DirEvents::ACCESS, Mask::ACCESS),
            (DirEvents::MODIFY, Mask::MODIFY),
            (DirEvents::CREATE, Mask::CREATE | Mask::MOVED_TO),
            (DirEvents::DELETE, Mask::DELETE | Mask::MOVED_FROM),
            (DirEvents::RENAME, Mask::RENAMED),
            (DirEvents::ATTRIB, Mask::ATTRIB),
        ];
        let wanted = pairs.iter().filter(|(bit, _)| self.contains(*bit));
        let once = if self.contains(DirEvents::MULTISHOT) { Mask::empty() } else { Mask::ONESHOT };
        wanted.fold(once, |all, (_, mask)| all | *mask)
    }
}

/// What a table of descriptors has asked to hear of the directory of a description.
pub(crate) struct DirectoryWatch {
    owner: LockOwner,
    events: DirEvents,
    watch: Arc<Watch>,
    all: Arc<Watches>,
}

impl DirectoryWatch {
    /// Whether it is of the table `owner`.
    pub(crate) fn is_of(&self, owner: LockOwner) -> bool {
        self.owner == owner
    }
}

impl Drop for DirectoryWatch {
    fn drop(&mut self) {
        if let Some(state) = self.watch.inode.state() {
            state.marks().remove(&self.watch);
        }
        self.all.count.fetch_sub(1, Relaxed);
    }
}

impl Vfs {
    /// Has `hearer` told of what happens in the directory `file`, also of what the table `owner` has
    /// asked for before; nothing at all, when it is no event.
    ///
    /// # Errors
    /// `ENOTDIR`; `ENOMEM` when there are too many watches.
    pub fn watch_directory(
        &self,
        file: &File,
        owner: LockOwner,
        events: DirEvents,
        hearer: Arc<dyn Notify>,
    ) -> Result<(), Errno> {
        if (events - DirEvents::MULTISHOT).is_empty() {
            file.end_directory_watch(owner);
            return Ok(());
        }
        if file.kind() != mode::IFDIR {
            return Err(Errno::ENOTDIR);
        }
        let all = self.mounts.watches().clone();
        if all.count.fetch_add(1, Relaxed) >= WATCHES_MAX {
            all.count.fetch_sub(1, Relaxed);
            return Err(Errno::ENOMEM);
        }
        let sb = file.path().mount().super_block();
        file.change_directory_watch(owner, |old| {
            // What was told once is not asked for any more.
            let old = old.filter(|w| !w.watch.mask().is_empty()).map(|w| w.events);
            let events = events | old.unwrap_or(DirEvents::empty());
            let inode = file.path().inode().clone();
            let watch = Arc::new(Watch::new(Hearer::Owner(hearer), inode, sb, events.mask()));
            if let Some(state) = watch.inode.state() {
                state.marks().add(&watch);
            }
            DirectoryWatch { owner, events, watch, all }
        });
        Ok(())
    }
}
