//! Who is told what happens to files; inotify(7), and `F_NOTIFY` of fcntl(2).
//!
//! An inode keeps the watches on it. What happens to a file is told to the watches of the
//! directory that its name is in, with the name, and then to its own. While nothing is watched
//! anywhere, each operation costs one load: mounts share a count of all watches.

mod dnotify;
mod inotify;
mod mask;
mod queue;
mod watch;

pub use dnotify::DirEvents;
pub(crate) use dnotify::DirectoryWatch;
pub use inotify::Inotify;
pub use mask::Mask;
pub(crate) use watch::Marks;

use crate::{Inode, Path, SuperBlock, mode};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use inotify::Group;
use sync::Mutex;

/// The most watches of one kernel; `fs.inotify.max_user_watches`.
pub const WATCHES_MAX: usize = 65_536;
/// The most instances of one kernel; `fs.inotify.max_user_instances`.
pub const INSTANCES_MAX: usize = 1024;

/// All watches of one kernel.
#[derive(Default)]
pub(crate) struct Watches {
    count: AtomicUsize,
    cookie: AtomicU32,
    groups: Mutex<Vec<Weak<Group>>>,
}

impl Watches {
    pub(crate) fn any(&self) -> bool {
        self.count.load(Relaxed) != 0
    }

    /// A number that ties the two events of one rename together.
    fn cookie(&self) -> u32 {
        self.cookie.fetch_add(1, Relaxed).wrapping_add(1)
    }

    /// A file system is mounted nowhere any more.
    pub(crate) fn unmounted(&self, sb: &Arc<SuperBlock>) {
        if self.any() {
            let groups: Vec<_> = self.groups.lock().iter().filter_map(Weak::upgrade).collect();
            groups.iter().for_each(|g| g.unmounted(sb));
        }
    }
}

impl crate::InodeState {
    /// Tells watches that what the file says has changed, though nobody wrote it.
    pub fn contents_changed(&self) {
        self.marks().tell(Mask::MODIFY, 0, None, false);
    }
}

fn of_kind(inode: &dyn Inode, mask: Mask) -> Mask {
    if inode.kind() == mode::IFDIR { mask | Mask::ISDIR } else { mask }
}

/// Something happened to the file at `path`, of which directories hear too.
pub(crate) fn happened(path: &Path, mask: Mask) {
    if path.mount.is_watched() {
        tell(path, mask);
    }
}

#[cold]
fn tell(path: &Path, mask: Mask) {
    let (inode, (parent, name)) = (path.inode(), path.dentry.place());
    if let Some(marks) = parent.as_ref().and_then(|p| p.inode()?.state()).map(|s| s.marks()) {
        marks.tell(of_kind(&**inode, mask), 0, Some(&name), path.dentry.is_deleted());
    }
    happened_to(inode, mask);
}

/// Bytes of the file at `path` were read or written. Directories do not hear of it where its times
/// do not tell (`__fsnotify_parent` in `fs/notify/fsnotify.c`).
pub(crate) fn transferred(path: &Path, mask: Mask) {
    if !path.mount.is_watched() {
        return;
    }
    match path.inode().kind() {
        mode::IFREG | mode::IFDIR => tell(path, mask),
        _ => happened_to(path.inode(), mask),
    }
}

/// Something happened to `inode`, whatever its names.
pub(crate) fn happened_to(inode: &Arc<dyn Inode>, mask: Mask) {
    if let Some(state) = inode.state() {
        state.marks().tell(of_kind(&**inode, mask), 0, None, false);
    }
}

/// A name in the directory `dir` came or went, and led to `inode`.
pub(crate) fn name_changed(dir: &Path, name: &[u8], inode: &dyn Inode, mask: Mask) {
    if dir.mount.is_watched() {
        name_told(dir, name, of_kind(inode, mask), 0);
    }
}

#[cold]
fn name_told(dir: &Path, name: &[u8], mask: Mask, cookie: u32) {
    if let Some(state) = dir.inode().state() {
        state.marks().tell(mask, cookie, Some(&name.into()), false);
    }
}

/// `inode` moved from one name to another, and `replaced` lost that name.
pub(crate) fn moved(
    from: (&Path, &[u8]),
    to: (&Path, &[u8]),
    inode: &Arc<dyn Inode>,
    replaced: Option<&Arc<dyn Inode>>,
) {
    let Some(watches) = from.0.mount.watches().filter(|w| w.any()) else { return };
    let cookie = watches.cookie();
    name_told(from.0, from.1, of_kind(&**inode, Mask::MOVED_FROM), cookie);
    name_told(to.0, to.1, of_kind(&**inode, Mask::MOVED_TO), cookie);
    if Arc::ptr_eq(from.0.inode(), to.0.inode()) {
        name_told(from.0, from.1, of_kind(&**inode, Mask::RENAMED), 0);
    }
    if let Some(r) = replaced {
        happened_to(r, Mask::ATTRIB);
    }
    happened_to(inode, Mask::MOVE_SELF);
}

/// Nobody uses a name any more that was removed. If it was the last one, the file is gone.
pub(crate) fn name_let_go(inode: &dyn Inode) {
    if let Some(marks) = inode.state().map(|s| s.marks()).filter(|m| m.any())
        && inode.stat().is_ok_and(|s| s.nlink == 0)
    {
        marks.deleted();
    }
}
