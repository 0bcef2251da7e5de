//! The file system of control groups.

use super::files::{FILES, Opener, file_named, files};
use super::{Group, Hierarchy};
use crate::ns::{self, CgroupNs};
use crate::{ClockId, Kernel};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use arch::{IoDst, IoSrc};
use core::any::Any;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use sync::waitq::{Events, Queue};
use syserr::Errno;
use vfs::{
    Create, DirEntry, File, FileOps, FileSystemType, Inode, InodeState, OpenFlags, OptionError,
    PathCx, Perm, SetAttr, Stat, StatFs, SuperBlock, SuperState, Validity, cap, mode,
};

/// `CGROUP2_SUPER_MAGIC`.
const MAGIC: u64 = 0x6367_7270;
/// The longest text that can be written at once, a page.
const WRITE_MAX: usize = 4096;
/// Inode numbers of one group, and places of its files in the directory.
const PER_GROUP: u64 = 64;
/// Options of the type; of all but `nsdelegate` nothing follows without controllers.
const OPTIONS: [&str; 6] = [
    "nsdelegate",
    "favordynmods",
    "memory_localevents",
    "memory_recursiveprot",
    "memory_hugetlb_accounting",
    "pids_localevents",
];

/// The inode number of a group's directory (0) or of a file in it.
fn number(group: u64, at: u64) -> u64 {
    1 + group * PER_GROUP + at
}

/// That of its directory.
pub(super) fn directory_number(group: &Group) -> u64 {
    number(group.id, 0)
}

/// `cgroup2` for mount(2): the groups from the root of the cgroup namespace of who mounts.
pub struct CgroupType {
    kernel: Weak<Kernel>,
    dev: u64,
}

impl CgroupType {
    /// The type, and the file system of it that shows all groups.
    pub fn new(kernel: &Arc<Kernel>) -> (Arc<CgroupType>, Arc<SuperBlock>) {
        let dev = kernel.vfs().env().new_device();
        let kind = CgroupType { kernel: Arc::downgrade(kernel), dev };
        let sb = kind.super_block(kernel, &kernel.namespaces().cgroup, b"cgroup2");
        (Arc::new(kind), sb)
    }

    fn super_block(&self, kernel: &Arc<Kernel>, ns: &CgroupNs, source: &[u8]) -> Arc<SuperBlock> {
        let hierarchy = kernel.cgroups();
        let group = ns.root().unwrap_or(&hierarchy.root).clone();
        // One that belongs to others is another's, though it shows the same.
        let whole = group.is_root() && ns.owner_ns().is_initial();
        let mut shown = hierarchy.shown.lock();
        if let Some(sb) = shown.upgrade().filter(|_| whole) {
            return sb;
        }
        let place = Place { group, kernel: self.kernel.clone(), dev: self.dev };
        let sb = Arc::new(SuperBlock {
            kind: "cgroup2",
            source: source.to_vec(),
            options: Vec::new(),
            dev: self.dev,
            validity: Validity::Never,
            root: Arc::new(Dir(place)),
            state: SuperState::of(ns.owner_ns()),
        });
        if whole {
            *shown = Arc::downgrade(&sb);
        }
        sb
    }
}

impl FileSystemType for CgroupType {
    fn name(&self) -> &'static str {
        "cgroup2"
    }

    fn make(
        &self,
        mounter: &PathCx<'_>,
        source: &[u8],
        options: &[u8],
    ) -> Result<Arc<SuperBlock>, Errno> {
        let (kernel, namespaces) = ns::of_mounter(&self.kernel, mounter)?;
        let ns = &namespaces.cgroup;
        if !mounter.creds.has_in(ns.owner_ns(), cap::SYS_ADMIN) {
            return Err(Errno::EPERM);
        }
        let sb = self.super_block(&kernel, ns, source);
        self.reconfigure(&sb, options)?;
        Ok(sb)
    }

    fn is_for_users(&self) -> bool {
        true
    }

    fn check(&self, key: &str, value: Option<&str>) -> Result<(), OptionError> {
        match (OPTIONS.contains(&key), value) {
            (false, _) => Err(OptionError::Unknown),
            (true, Some(_)) => Err(OptionError::BadValue),
            (true, None) => Ok(()),
        }
    }

    /// Options are of the hierarchy: only who mounts all of it sets them
    /// (`apply_cgroup_root_flags`).
    fn reconfigure(&self, sb: &SuperBlock, options: &[u8]) -> Result<(), Errno> {
        let text = core::str::from_utf8(options).map_err(|_| Errno::EINVAL)?;
        let mut delegates = false;
        for option in text.split(',').filter(|o| !o.is_empty()) {
            let (key, value) = option.split_once('=').map_or((option, None), |(k, v)| (k, Some(v)));
            self.check(key, value).map_err(|_| Errno::EINVAL)?;
            delegates |= key == "nsdelegate";
        }
        let kernel = self.kernel.upgrade().ok_or(Errno::ESRCH)?;
        let root = sb.root.as_any().downcast_ref::<Dir>();
        if sb.user_ns().is_initial() && root.is_some_and(|d| d.0.group.is_root()) {
            kernel.cgroups().delegates.store(delegates, Relaxed);
        }
        Ok(())
    }
}

/// The group whose directory a file is.
///
/// # Errors
/// `EBADF` when it is none.
pub(crate) fn group_of_file(file: &File) -> Result<Arc<Group>, Errno> {
    let dir = file.path().inode().as_any().downcast_ref::<Dir>();
    dir.map(|d| d.0.group.clone()).ok_or(Errno::EBADF)
}

/// A group, and what shows it.
#[derive(Clone)]
struct Place {
    group: Arc<Group>,
    kernel: Weak<Kernel>,
    dev: u64,
}

impl Place {
    /// # Errors
    /// `ENODEV` when there is no kernel any more; those of `f`.
    fn with<R>(
        &self,
        f: impl FnOnce(&Arc<Kernel>, &Hierarchy) -> Result<R, Errno>,
    ) -> Result<R, Errno> {
        let kernel = self.kernel.upgrade().ok_or(Errno::ENODEV)?;
        f(&kernel, kernel.cgroups())
    }

    /// The inode of the directory (0) or of a file. A group that was removed has no names.
    fn status(&self, at: usize) -> Result<Stat, Errno> {
        let stat = Stat {
            dev: self.dev,
            ino: number(self.group.id, at as u64),
            blksize: 4096,
            ..Stat::default()
        };
        self.with(|_, h| {
            let table = h.table.lock();
            let Ok(node) = table.get(&self.group) else {
                let kind = if at == 0 { mode::IFDIR } else { mode::IFREG };
                return Ok(Stat { mode: kind, ..stat });
            };
            let (Perm { mode, uid, gid }, t) = (node.perms[at], node.made);
            let nlink = if at == 0 { 2 + node.children.len() as u32 } else { 1 };
            Ok(Stat { mode, uid, gid, nlink, atime: t, mtime: t, ctime: t, ..stat })
        })
    }

    fn set_attr(&self, at: usize, set: &SetAttr) -> Result<(), Errno> {
        self.with(|_, h| {
            let mut table = h.table.lock();
            let perm = &mut table.get_mut(&self.group)?.perms[at];
            perm.mode = set.mode.map_or(perm.mode, |m| perm.mode & mode::IFMT | m & 0o7777);
            perm.uid = set.uid.unwrap_or(perm.uid);
            perm.gid = set.gid.unwrap_or(perm.gid);
            Ok(())
        })
    }
}

fn statfs() -> StatFs {
    StatFs { magic: MAGIC, bsize: 4096, namelen: 255, ..StatFs::default() }
}

/// The directory of a group.
struct Dir(Place);

impl Inode for Dir {
    fn stat(&self) -> Result<Stat, Errno> {
        self.0.status(0)
    }

    fn kind(&self) -> u32 {
        mode::IFDIR
    }

    fn lookup(&self, name: &[u8], _: &PathCx<'_>) -> Result<Arc<dyn Inode>, Errno> {
        let place = self.0.clone();
        let child = self.0.with(|_, h| {
            let table = h.table.lock();
            let node = table.get(&place.group).map_err(|_| Errno::ENOENT)?;
            let child = node.children.get(name).and_then(|id| table.by_id(*id));
            Ok(child.map(|n| n.group.clone()))
        })?;
        if let Some(group) = child {
            return Ok(Arc::new(Dir(Place { group, ..place })));
        }
        let at = file_named(name, place.group.is_root()).ok_or(Errno::ENOENT)?;
        Ok(Arc::new(GroupFile(place, at)))
    }

    fn create(&self, name: &[u8], what: &Create<'_>) -> Result<Arc<dyn Inode>, Errno> {
        match what.mode & mode::IFMT {
            mode::IFDIR => {}
            mode::IFREG => return Err(Errno::EACCES),
            _ => return Err(Errno::EPERM),
        }
        let made = |k: &Arc<Kernel>, h: &Hierarchy| {
            h.make(&self.0.group, name, what, k.now(ClockId::Realtime))
        };
        let group = self.0.with(made)?;
        Ok(Arc::new(Dir(Place { group, ..self.0.clone() })))
    }

    fn remove(&self, _: &[u8], child: &Arc<dyn Inode>) -> Result<(), Errno> {
        let child = child.as_any().downcast_ref::<Dir>().ok_or(Errno::EPERM)?;
        self.0.with(|_, h| h.remove(&child.0.group))
    }

    fn set_attr(&self, set: &SetAttr) -> Result<(), Errno> {
        self.0.set_attr(0, set)
    }

    fn open(self: Arc<Self>, _: OpenFlags, _: &PathCx<'_>) -> Result<Arc<dyn FileOps>, Errno> {
        Ok(Arc::new(Listing(self.0.clone())))
    }

    fn statfs(&self) -> Result<StatFs, Errno> {
        Ok(statfs())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

struct Listing(Place);

impl FileOps for Listing {
    fn seekable(&self) -> bool {
        true
    }

    fn stat(&self) -> Result<Stat, Errno> {
        self.0.status(0)
    }

    fn read_dir(&self, from: u64, emit: &mut dyn FnMut(&DirEntry) -> bool) -> Result<(), Errno> {
        let group = &self.0.group;
        let up = group.parent.as_ref().map_or(group.id, |p| p.id);
        let entry = |ino, kind, name: &[u8], next| DirEntry { ino, kind, name: name.into(), next };
        let mut all = Vec::from([
            entry(number(group.id, 0), mode::IFDIR, b".", 1),
            entry(number(up, 0), mode::IFDIR, b"..", 2),
        ]);
        for (at, f) in files(group.is_root()) {
            let at = at as u64 + 1;
            all.push(entry(number(group.id, at), mode::IFREG, f.name.as_bytes(), at + 2));
        }
        self.0.with(|_, h| {
            let table = h.table.lock();
            let node = table.get(group).map_err(|_| Errno::ENOENT)?;
            // IDs are never used again: places last.
            all.extend(
                node.children
                    .iter()
                    .map(|(name, id)| entry(number(*id, 0), mode::IFDIR, name, PER_GROUP + id)),
            );
            Ok(())
        })?;
        all.retain(|e| e.next > from);
        all.sort_by_key(|e| e.next);
        for e in &all {
            if !emit(e) {
                break;
            }
        }
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A file of a group, by its place in [`FILES`].
struct GroupFile(Place, usize);

impl Inode for GroupFile {
    fn stat(&self) -> Result<Stat, Errno> {
        self.0.status(self.1 + 1)
    }

    fn kind(&self) -> u32 {
        mode::IFREG
    }

    /// Only what changes by itself is worth watching.
    fn state(&self) -> Option<&InodeState> {
        let events = FILES[self.1].what == super::files::What::Events;
        events.then_some(&self.0.group.events_inode)
    }

    fn set_attr(&self, set: &SetAttr) -> Result<(), Errno> {
        self.0.set_attr(self.1 + 1, set)
    }

    fn open(self: Arc<Self>, _: OpenFlags, cx: &PathCx<'_>) -> Result<Arc<dyn FileOps>, Errno> {
        let opener = self.0.with(|k, _| {
            let task = k.task(cx.tid).ok_or(Errno::ESRCH)?;
            let ns = task.namespaces().ok_or(Errno::ESRCH)?.cgroup.clone();
            let (creds, pids) = (cx.creds.clone(), task.pid_ns().clone());
            Ok(Opener { tid: cx.tid, creds, pids, ns })
        })?;
        let seen = AtomicU64::new(self.0.group.changes.load(Relaxed));
        Ok(Arc::new(Open { file: self, opener, seen }))
    }

    fn statfs(&self) -> Result<StatFs, Errno> {
        Ok(statfs())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// An open file of a group.
struct Open {
    file: Arc<GroupFile>,
    opener: Opener,
    /// How many changes the text that was read last tells of.
    seen: AtomicU64,
}

impl FileOps for Open {
    fn read_at(&self, dst: &mut dyn IoDst, offset: u64) -> Result<usize, Errno> {
        let GroupFile(place, at) = &*self.file;
        self.seen.store(place.group.changes.load(Relaxed), Relaxed);
        let text =
            place.with(|k, h| h.text(k, &place.group, FILES[*at].what, &self.opener.pids))?;
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        dst.put(text.get(from..).unwrap_or_default())
    }

    fn write_at(&self, src: &mut dyn IoSrc, _: u64) -> Result<usize, Errno> {
        let len = usize::try_from(src.remaining()).unwrap_or(usize::MAX);
        if len > WRITE_MAX {
            return Err(Errno::E2BIG);
        }
        let mut text = alloc::vec![0; len];
        let n = src.take(&mut text)?;
        text.truncate(n);
        let GroupFile(place, at) = &*self.file;
        place.with(|k, h| h.write(k, &place.group, &FILES[*at], &text, &self.opener))?;
        Ok(n)
    }

    /// What has changed since it was read tells so (`kernfs_generic_poll`).
    fn readiness(&self) -> Events {
        let mut ready = Events::IN | Events::OUT | Events::RDNORM | Events::WRNORM;
        if self.seen.load(Relaxed) != self.file.0.group.changes.load(Relaxed) {
            ready |= Events::PRI | Events::ERR;
        }
        ready
    }

    fn queue(&self) -> Option<&Queue> {
        let watched = self.file.state().is_some();
        watched.then_some(&self.file.0.group.waiting)
    }

    fn seekable(&self) -> bool {
        true
    }

    fn truncate(&self, _: u64) -> Result<(), Errno> {
        Ok(())
    }

    fn stat(&self) -> Result<Stat, Errno> {
        self.file.stat()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
