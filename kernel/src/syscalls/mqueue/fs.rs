//! The file system of message queues; mq_overview(7), `ipc/mqueue.c`.

use super::names::Queues;
use super::queue::MessageQueue;
use crate::ns::{self, IpcNs};
use crate::{ClockId, Kernel};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;
use sync::Mutex;
use syserr::Errno;
use vfs::anon::MQUEUE_DEV;
use vfs::{
    Create, DirEntry, FileOps, FileSystemType, Inode, InodeState, Nanos, OpenFlags, OptionError,
    PathCx, SetAttr, Stat, StatFs, SuperBlock, SuperState, Validity, mode,
};

/// `MQUEUE_MAGIC`.
const MAGIC: u64 = 0x1980_0202;
/// What each entry adds to the size of the directory (`DIRENT_SIZE`).
const ENTRY_SIZE: u64 = 20;
pub(super) const STATFS: StatFs = StatFs {
    magic: MAGIC,
    bsize: 4096,
    blocks: 0,
    bfree: 0,
    bavail: 0,
    files: 0,
    ffree: 0,
    namelen: 255,
    flags: 0,
    fsid: 0,
};

/// `mqueue` for mount(2): the queues of the IPC namespace of who mounts.
pub struct MqueueType {
    kernel: Weak<Kernel>,
}

impl MqueueType {
    /// The type, and the file system of it that shows the queues of the first process.
    pub fn new(kernel: &Arc<Kernel>) -> (Arc<MqueueType>, Arc<SuperBlock>) {
        let first = super_block(kernel, &kernel.namespaces().ipc, b"mqueue");
        (Arc::new(MqueueType { kernel: Arc::downgrade(kernel) }), first)
    }
}

/// The file system of a namespace, of which there is one as long as it is mounted; `source` names it
/// when there was none.
fn super_block(kernel: &Arc<Kernel>, ns: &Arc<IpcNs>, source: &[u8]) -> Arc<SuperBlock> {
    let mut shown = ns.queues.root.shown.lock();
    if let Some(sb) = shown.upgrade() {
        return sb;
    }
    let (kernel, ns_ref) = (Arc::downgrade(kernel), Arc::downgrade(ns));
    let root = Shown { queues: ns.queues.clone(), ns: ns_ref, kernel };
    let sb = Arc::new(SuperBlock {
        kind: "mqueue",
        source: source.to_vec(),
        options: Vec::new(),
        dev: MQUEUE_DEV,
        validity: Validity::Never,
        root: Arc::new(root),
        state: SuperState::of(ns.owner_ns()),
    });
    *shown = Arc::downgrade(&sb);
    sb
}

impl FileSystemType for MqueueType {
    fn name(&self) -> &'static str {
        "mqueue"
    }

    fn make(
        &self,
        mounter: &PathCx<'_>,
        source: &[u8],
        options: &[u8],
    ) -> Result<Arc<SuperBlock>, Errno> {
        let (kernel, namespaces) = ns::of_mounter(&self.kernel, mounter)?;
        let ns = &namespaces.ipc;
        if !options.is_empty() {
            return Err(Errno::EINVAL);
        }
        Ok(super_block(&kernel, ns, source))
    }

    fn is_for_users(&self) -> bool {
        true
    }

    fn check(&self, _: &str, _: Option<&str>) -> Result<(), OptionError> {
        Err(OptionError::Unknown)
    }
}

/// The directory of a namespace's queues: whose it is, and what happened to it.
pub(crate) struct Root {
    queues: Weak<Queues>,
    stat: Mutex<Stat>,
    inode: InodeState,
    /// The file system, while it is mounted.
    shown: Mutex<Weak<SuperBlock>>,
}

impl Root {
    pub(super) fn new(queues: Weak<Queues>, (uid, gid): (u32, u32)) -> Arc<Root> {
        let mode = mode::IFDIR | 0o1777;
        let dev = MQUEUE_DEV;
        let stat = Stat { dev, ino: 1, mode, nlink: 2, uid, gid, blksize: 4096, ..Stat::default() };
        Arc::new(Root {
            queues,
            stat: Mutex::new(stat),
            inode: InodeState::default(),
            shown: Mutex::default(),
        })
    }

    /// A name came or went.
    pub(super) fn changed(&self, now: Nanos) {
        let mut stat = self.stat.lock();
        (stat.atime, stat.mtime, stat.ctime) = (now, now, now);
    }

    pub(super) fn perm(&self) -> vfs::Perm {
        let Stat { mode, uid, gid, .. } = *self.stat.lock();
        vfs::Perm { mode, uid, gid }
    }

    fn status(&self) -> Stat {
        let count = self.queues.upgrade().map_or(0, |q| q.names.lock().len());
        Stat { size: (2 + count as u64) * ENTRY_SIZE, ..*self.stat.lock() }
    }
}

/// The directory as a mount shows it.
struct Shown {
    queues: Arc<Queues>,
    /// Without it nothing new is made.
    ns: Weak<IpcNs>,
    kernel: Weak<Kernel>,
}

impl Inode for Shown {
    fn stat(&self) -> Result<Stat, Errno> {
        Ok(self.queues.root.status())
    }

    fn kind(&self) -> u32 {
        mode::IFDIR
    }

    fn state(&self) -> Option<&InodeState> {
        Some(&self.queues.root.inode)
    }

    fn lookup(&self, name: &[u8], _: &PathCx<'_>) -> Result<Arc<dyn Inode>, Errno> {
        Ok(self.queues.get(name)?)
    }

    fn create(&self, name: &[u8], what: &Create<'_>) -> Result<Arc<dyn Inode>, Errno> {
        if what.mode & mode::IFMT != mode::IFREG {
            return Err(Errno::EPERM);
        }
        let (kernel, ns) = (self.kernel.upgrade(), self.ns.upgrade());
        let (Some(kernel), Some(_), Some(tid)) = (kernel, ns, what.tid) else {
            return Err(Errno::EACCES);
        };
        let task = kernel.task(tid).ok_or(Errno::EACCES)?;
        Ok(self.queues.make(&task, name.to_vec(), None, what)?)
    }

    fn remove(&self, name: &[u8], child: &Arc<dyn Inode>) -> Result<(), Errno> {
        let queue = child.as_any().downcast_ref::<MessageQueue>().and_then(MessageQueue::this);
        self.queues.remove(name, &queue.ok_or(Errno::ENOENT)?)
    }

    fn set_attr(&self, set: &SetAttr) -> Result<(), Errno> {
        let now = self.kernel.upgrade().map_or(0, |k| k.now(ClockId::Realtime));
        let mut stat = self.queues.root.stat.lock();
        set.apply(&mut stat);
        stat.ctime = now;
        Ok(())
    }

    fn open(self: Arc<Self>, _: OpenFlags, _: &PathCx<'_>) -> Result<Arc<dyn FileOps>, Errno> {
        Ok(Arc::new(Listing(self)))
    }

    fn statfs(&self) -> Result<StatFs, Errno> {
        Ok(STATFS)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

struct Listing(Arc<Shown>);

impl FileOps for Listing {
    fn seekable(&self) -> bool {
        true
    }

    fn stat(&self) -> Result<Stat, Errno> {
        Inode::stat(&*self.0)
    }

    fn read_dir(&self, from: u64, emit: &mut dyn FnMut(&DirEntry) -> bool) -> Result<(), Errno> {
        let dot =
            |name: &[u8], next| DirEntry { ino: 1, kind: mode::IFDIR, name: name.into(), next };
        let mut all = Vec::from([dot(b".", 1), dot(b"..", 2)]);
        all.retain(|e| e.next > from);
        for (name, q) in self.0.queues.names.lock().iter() {
            // Numbers of queues are never used again: places last.
            let (ino, next) = (q.shape.ino, q.shape.ino.saturating_add(2));
            if next > from {
                all.push(DirEntry { ino, kind: mode::IFREG, name: name.clone(), next });
            }
        }
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
