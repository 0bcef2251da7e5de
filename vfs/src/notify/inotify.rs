//! An inotify instance.

use super::queue::{Event, Events};
use super::watch::{Hearer, Watch};
use super::{INSTANCES_MAX, Mask, WATCHES_MAX, Watches};
use crate::perm::{self, MAY_READ};
use crate::{Caller, FileOps, LookupFlags, PathCx, Stat, SuperBlock, Vfs, anon};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use arch::{Addr, IoDst, UserMemoryExt};
use core::any::Any;
use core::sync::atomic::Ordering::Relaxed;
use sync::Mutex;
use sync::waitq::{self, Queue};
use syserr::Errno;

/// `FIONREAD` of ioctl(2).
const FIONREAD: u32 = 0x541b;

/// Watches and events of an instance.
pub(super) struct Group {
    all: Arc<Watches>,
    watches: Mutex<Numbered>,
    events: Mutex<Events>,
    queue: Queue,
}

#[derive(Default)]
struct Numbered {
    by_wd: BTreeMap<i32, Arc<Watch>>,
    /// The number that was given out last: one that is free again is not used again soon.
    last: i32,
}

impl Group {
    pub(super) fn push(&self, event: Event) {
        self.events.lock().push(event);
        self.queue.notify(waitq::Events::IN | waitq::Events::RDNORM);
    }

    /// Ends a watch; false when there is none of that number.
    pub(super) fn end(&self, wd: i32) -> bool {
        let Some(watch) = self.watches.lock().by_wd.remove(&wd) else { return false };
        self.leave(&watch);
        self.push(Event::plain(wd, Mask::IGNORED));
        true
    }

    /// Takes a watch off its inode.
    fn leave(&self, watch: &Watch) {
        if let Some(state) = watch.inode.state() {
            state.marks().remove(watch);
        }
        self.all.count.fetch_sub(1, Relaxed);
    }

    pub(super) fn unmounted(&self, sb: &Arc<SuperBlock>) {
        let watches: Vec<_> = self.watches.lock().by_wd.values().cloned().collect();
        for w in watches {
            if w.sb.ptr_eq(&Arc::downgrade(sb)) {
                self.push(Event::plain(w.wd(), Mask::UNMOUNT));
                self.end(w.wd());
            }
        }
    }
}

/// The file that inotify_init(2) makes.
pub struct Inotify(Arc<Group>);

impl Vfs {
    /// A new instance.
    ///
    /// # Errors
    /// `EMFILE` when there are [`INSTANCES_MAX`] already.
    pub fn inotify(&self) -> Result<Inotify, Errno> {
        let all = self.mounts.watches().clone();
        let mut groups = all.groups.lock();
        if groups.len() >= INSTANCES_MAX {
            return Err(Errno::EMFILE);
        }
        let group = Arc::new(Group {
            all: all.clone(),
            watches: Mutex::default(),
            events: Mutex::default(),
            queue: Queue::new(),
        });
        groups.push(Arc::downgrade(&group));
        drop(groups);
        Ok(Inotify(group))
    }
}

impl Inotify {
    /// Watches what `path` leads to, or changes how; inotify_add_watch(2). Returns its number.
    ///
    /// # Errors
    /// `EINVAL` for a mask without bits or with bits that do not go together; `EEXIST`, `ENOSPC`;
    /// `EACCES` for a file that may not be read; those of path_resolution(7).
    pub fn watch(&self, vfs: &Vfs, cx: &PathCx<'_>, path: &[u8], mask: u32) -> Result<i32, Errno> {
        let mask = Mask::from_bits(mask).filter(|m| !m.is_empty()).ok_or(Errno::EINVAL)?;
        if mask.contains(Mask::RENAMED) {
            return Err(Errno::EINVAL);
        }
        if mask.contains(Mask::MASK_ADD | Mask::MASK_CREATE) {
            return Err(Errno::EINVAL);
        }
        let mut lookup = LookupFlags::empty();
        lookup.set(LookupFlags::NOFOLLOW, mask.contains(Mask::DONT_FOLLOW));
        lookup.set(LookupFlags::DIRECTORY, mask.contains(Mask::ONLYDIR));
        let place = vfs.resolve(cx, crate::AT_FDCWD, path, lookup)?;
        let inode = place.inode();
        perm::check(&**inode, cx.creds, MAY_READ)?;
        let (group, this) = (&self.0, Arc::downgrade(&self.0));
        let mut watches = group.watches.lock();
        let known = match inode.state() {
            Some(state) => state.marks().of(&this),
            // File systems without state tell nothing; their inodes come and go.
            None => watches.by_wd.values().find(|w| Arc::ptr_eq(&w.inode, inode)).cloned(),
        };
        if let Some(w) = known {
            if mask.contains(Mask::MASK_CREATE) {
                return Err(Errno::EEXIST);
            }
            w.change(mask);
            return Ok(w.wd());
        }
        if group.all.count.load(Relaxed) >= WATCHES_MAX {
            return Err(Errno::ENOSPC);
        }
        let wd = watches.last.checked_add(1).ok_or(Errno::ENOSPC)?;
        watches.last = wd;
        let watch = Watch::new(
            Hearer::Instance(this, wd),
            inode.clone(),
            place.mount().super_block(),
            mask,
        );
        let watch = Arc::new(watch);
        group.all.count.fetch_add(1, Relaxed);
        watches.by_wd.insert(wd, watch.clone());
        if let Some(state) = inode.state() {
            state.marks().add(&watch);
        }
        Ok(wd)
    }

    /// Ends a watch; inotify_rm_watch(2).
    ///
    /// # Errors
    /// `EINVAL` when there is no such watch.
    pub fn unwatch(&self, wd: i32) -> Result<(), Errno> {
        if self.0.end(wd) { Ok(()) } else { Err(Errno::EINVAL) }
    }
}

impl Drop for Inotify {
    fn drop(&mut self) {
        let this: Weak<Group> = Arc::downgrade(&self.0);
        self.0.all.groups.lock().retain(|g| !g.ptr_eq(&this));
        let watches = core::mem::take(&mut self.0.watches.lock().by_wd);
        watches.values().for_each(|w| self.0.leave(w));
    }
}

impl FileOps for Inotify {
    fn read_at(&self, dst: &mut dyn IoDst, _: u64) -> Result<usize, Errno> {
        let mut done = 0;
        loop {
            let next = self.0.events.lock().pop(dst.remaining());
            match next {
                None if done == 0 => return Err(Errno::EAGAIN),
                Some(Err(())) if done == 0 => return Err(Errno::EINVAL),
                None | Some(Err(())) => return Ok(done),
                // What was taken is gone even when the buffer is bad, as in Linux.
                Some(Ok(bytes)) => match dst.put(&bytes) {
                    Ok(n) if n == bytes.len() => done += n,
                    Ok(_) | Err(_) => return Err(Errno::EFAULT),
                },
            }
        }
    }

    fn readiness(&self) -> waitq::Events {
        let mut e = waitq::Events::empty();
        let any = !self.0.events.lock().is_empty();
        e.set(waitq::Events::IN | waitq::Events::RDNORM, any);
        e
    }

    fn ignores_seeks(&self) -> bool {
        true
    }

    fn queue(&self) -> Option<&Queue> {
        Some(&self.0.queue)
    }

    fn stat(&self) -> Result<Stat, Errno> {
        Ok(anon::anon_stat())
    }

    fn ioctl(&self, caller: &dyn Caller, cmd: u32, arg: Addr) -> Result<u64, Errno> {
        if cmd != FIONREAD {
            return Err(Errno::ENOTTY);
        }
        let bytes = self.0.events.lock().bytes() as i32;
        caller.memory().write_obj(arg, &bytes)?;
        Ok(0)
    }

    fn fdinfo(&self, _: &dyn crate::proc::ProcSource, out: &mut Vec<u8>) {
        for w in self.0.watches.lock().by_wd.values() {
            let Ok(s) = w.inode.stat() else { continue };
            let (major, minor) = crate::split_dev(s.dev);
            let line = format!(
                "inotify wd:{:x} ino:{:x} sdev:{:x} mask:{:x} ignored_mask:0 \n",
                w.wd(),
                s.ino,
                u64::from(major) << 20 | u64::from(minor),
                (w.mask() & Mask::ALL_EVENTS).bits()
            );
            out.extend_from_slice(line.as_bytes());
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl core::fmt::Debug for Inotify {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Inotify").finish_non_exhaustive()
    }
}
