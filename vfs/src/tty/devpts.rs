//! `/dev/pts`: one node for each pseudo-terminal.

use super::Ptys;
use super::file::pts_stat;
use super::instance::{Instance, Owner};
use super::options::Options;
use super::pair::Pair;
use crate::env::makedev;
use crate::{
    DirEntry, FileOps, Inode, OpenFlags, PathCx, SetAttr, Stat, StatFs, SuperBlock, SuperState,
    UserNs, Validity, mode,
};
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use syserr::Errno;

/// Device number of the file system.
pub(super) const DEV: u64 = makedev(0, 13);
const MAGIC: u64 = 0x1cd1;

/// The file system that shows those of `ptys` that are made by `/dev/ptmx`.
pub fn devpts(ptys: &Arc<Ptys>) -> Arc<SuperBlock> {
    show(ptys.first.clone(), b"devpts", Options::first().text(), &UserNs::INITIAL)
}

pub(super) fn show(
    instance: Arc<Instance>,
    source: &[u8],
    options: Vec<u8>,
    user_ns: &UserNs,
) -> Arc<SuperBlock> {
    Arc::new(SuperBlock {
        kind: "devpts",
        source: source.to_vec(),
        options,
        dev: instance.dev,
        validity: Validity::Never,
        root: Arc::new(Root(instance)),
        state: SuperState::of(user_ns),
    })
}

/// The instance whose root directory `inode` is.
pub(super) fn instance_at(inode: &Arc<dyn Inode>) -> Option<&Arc<Instance>> {
    inode.as_any().downcast_ref::<Root>().map(|r| &r.0)
}

/// The instance whose `ptmx` `inode` is.
pub(super) fn instance_of(inode: &dyn Inode) -> Option<&Arc<Instance>> {
    inode.as_any().downcast_ref::<Ptmx>().map(|p| &p.0)
}

/// The terminal that `inode` names.
pub(super) fn pair_of(inode: &dyn Inode) -> Option<&Arc<Pair>> {
    inode.as_any().downcast_ref::<Pts>().map(|p| &p.0)
}

/// The root directory.
struct Root(Arc<Instance>);

impl Root {
    fn status(&self) -> Stat {
        let Owner { uid, gid, mode } = *self.0.root.lock();
        Stat {
            dev: self.0.dev,
            ino: 1,
            mode: mode::IFDIR | mode,
            nlink: 2,
            uid,
            gid,
            blksize: 1024,
            ..Stat::default()
        }
    }
}

fn statfs() -> StatFs {
    StatFs { magic: MAGIC, bsize: 4096, namelen: 255, ..StatFs::default() }
}

impl Inode for Root {
    fn stat(&self) -> Result<Stat, Errno> {
        Ok(self.status())
    }

    fn kind(&self) -> u32 {
        mode::IFDIR
    }

    fn lookup(&self, name: &[u8], _: &PathCx<'_>) -> Result<Arc<dyn Inode>, Errno> {
        if name == b"ptmx" {
            return Ok(Arc::new(Ptmx(self.0.clone())));
        }
        let number = core::str::from_utf8(name).ok().and_then(|n| n.parse().ok());
        let pair = number.and_then(|n: u32| {
            let same = n.to_string().as_bytes() == name;
            if same { self.0.pair(n) } else { None }
        });
        Ok(Arc::new(Pts(pair.ok_or(Errno::ENOENT)?)))
    }

    fn open(self: Arc<Self>, flags: OpenFlags, _: &PathCx<'_>) -> Result<Arc<dyn FileOps>, Errno> {
        if flags.writable() { Err(Errno::EISDIR) } else { Ok(Arc::new(Dir(self))) }
    }

    fn set_attr(&self, set: &SetAttr) -> Result<(), Errno> {
        self.0.root.lock().change(set);
        Ok(())
    }

    fn statfs(&self) -> Result<StatFs, Errno> {
        Ok(statfs())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

struct Pts(Arc<Pair>);

impl Inode for Pts {
    fn stat(&self) -> Result<Stat, Errno> {
        Ok(pts_stat(&self.0))
    }

    fn kind(&self) -> u32 {
        mode::IFCHR
    }

    fn set_attr(&self, set: &SetAttr) -> Result<(), Errno> {
        self.0.owner.lock().change(set);
        Ok(())
    }

    fn statfs(&self) -> Result<StatFs, Errno> {
        Ok(statfs())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `/dev/pts/ptmx`.
struct Ptmx(Arc<Instance>);

impl Inode for Ptmx {
    fn stat(&self) -> Result<Stat, Errno> {
        let Owner { uid, gid, mode } = *self.0.ptmx.lock();
        Ok(Stat {
            dev: self.0.dev,
            ino: 2,
            mode: mode::IFCHR | mode,
            nlink: 1,
            uid,
            gid,
            rdev: crate::dev::PTMX,
            blksize: 1024,
            ..Stat::default()
        })
    }

    fn kind(&self) -> u32 {
        mode::IFCHR
    }

    fn set_attr(&self, set: &SetAttr) -> Result<(), Errno> {
        self.0.ptmx.lock().change(set);
        Ok(())
    }

    fn statfs(&self) -> Result<StatFs, Errno> {
        Ok(statfs())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

struct Dir(Arc<Root>);

impl FileOps for Dir {
    fn seekable(&self) -> bool {
        true
    }

    fn stat(&self) -> Result<Stat, Errno> {
        Ok(self.0.status())
    }

    fn read_dir(&self, from: u64, emit: &mut dyn FnMut(&DirEntry) -> bool) -> Result<(), Errno> {
        let fixed = [(1, mode::IFDIR, "."), (1, mode::IFDIR, ".."), (2, mode::IFCHR, "ptmx")];
        let mut all: Vec<DirEntry> = Vec::new();
        for (i, (ino, kind, name)) in fixed.into_iter().enumerate() {
            all.push(DirEntry { ino, kind, name: name.into(), next: i as u64 + 1 });
        }
        for n in self.0.0.numbers() {
            let (ino, name) = (u64::from(n) + 3, n.to_string().into_bytes());
            all.push(DirEntry { ino, kind: mode::IFCHR, name, next: u64::from(n) + 4 });
        }
        for e in all.iter().filter(|e| e.next > from) {
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
