//! One file in memory.

use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use sync::{Mutex, RwLock};
use syserr::Errno;

use super::MemFs;
use super::acl::Acls;
use super::content::Content;
use super::dir::Dir;
use super::lower::Identity;
use super::xattr::Xattrs;
use crate::acl::AclKind;
use crate::{
    Create, FileFlags, Inode, InodeState, Lower as LowerInode, Nanos, Perm, SetAttr, Stat, mode,
};

/// Attributes that are kept here.
#[derive(Clone, Copy)]
pub(super) struct Attr {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) nlink: u32,
    pub(super) rdev: u64,
    pub(super) atime: Nanos,
    pub(super) mtime: Nanos,
    pub(super) ctime: Nanos,
    pub(super) btime: Nanos,
    pub(super) flags: FileFlags,
}

pub(super) enum Data {
    File(RwLock<Content>),
    Dir(Dir),
    Link(Arc<[u8]>),
    Special,
}

/// What lies beneath a node.
pub(super) struct Lower {
    pub(super) inode: Arc<dyn LowerInode>,
    pub(super) identity: Identity,
}

pub(crate) struct Node {
    pub(super) this: Weak<Node>,
    pub(super) fs: Arc<MemFs>,
    pub(super) ino: u64,
    pub(super) kind: u32,
    /// `None` as long as the lower's are good.
    pub(super) attr: Mutex<Option<Attr>>,
    pub(super) data: Data,
    pub(super) lower: Option<Lower>,
    pub(super) xattrs: Mutex<Xattrs>,
    pub(super) acls: Mutex<Acls>,
    pub(super) state: InodeState,
    /// `F_SEAL_*` bits of a memfd.
    pub(super) seals: AtomicU32,
    /// One append or copy-up at a time.
    pub(super) writing: Mutex<()>,
}

impl Node {
    /// A new node without a name.
    pub(crate) fn create(fs: &Arc<MemFs>, what: &Create<'_>) -> Result<Arc<Node>, Errno> {
        fs.take_inode()?;
        let kind = what.mode & mode::IFMT;
        if kind == mode::IFLNK {
            fs.take_link(what.target).inspect_err(|_| fs.give_inode())?;
        }
        let now = fs.env.now();
        let attr = Attr {
            mode: what.mode,
            uid: what.uid,
            gid: what.gid,
            nlink: if kind == mode::IFDIR { 2 } else { 1 },
            rdev: what.rdev,
            atime: now,
            mtime: now,
            ctime: now,
            btime: now,
            flags: FileFlags::empty(),
        };
        let data = match kind {
            mode::IFREG => Data::File(RwLock::new(Content::empty(fs))),
            mode::IFDIR => Data::Dir(Dir::default()),
            mode::IFLNK => Data::Link(what.target.into()),
            _ => Data::Special,
        };
        let ino = fs.new_ino();
        let node = Node::build(fs, ino, kind, Some(attr), data, None);
        for (kind, acl) in [(AclKind::Access, &what.acl), (AclKind::Default, &what.default_acl)] {
            if acl.is_some() && fs.has_acls() {
                node.put_list(kind, acl.as_ref())?;
            }
        }
        Ok(node)
    }

    pub(super) fn build(
        fs: &Arc<MemFs>,
        ino: u64,
        kind: u32,
        attr: Option<Attr>,
        data: Data,
        lower: Option<Lower>,
    ) -> Arc<Node> {
        Arc::new_cyclic(|this| Node {
            this: this.clone(),
            fs: fs.clone(),
            ino,
            kind,
            attr: Mutex::new(attr),
            data,
            lower,
            xattrs: Mutex::default(),
            acls: Mutex::default(),
            state: InodeState::default(),
            // Only a memfd that asked for it may be sealed further.
            seals: AtomicU32::new(super::memfd::SEAL_SEAL),
            writing: Mutex::new(()),
        })
    }

    pub(crate) fn of(inode: &Arc<dyn Inode>) -> Result<&Node, Errno> {
        inode.as_any().downcast_ref().ok_or(Errno::EXDEV)
    }

    pub(crate) fn arc(&self) -> Result<Arc<Node>, Errno> {
        self.this.upgrade().ok_or(Errno::EIO)
    }

    pub(super) fn dir(&self) -> Result<&Dir, Errno> {
        match &self.data {
            Data::Dir(d) => Ok(d),
            _ => Err(Errno::ENOTDIR),
        }
    }

    /// The attributes, read from beneath if need be.
    pub(super) fn attr(&self) -> Result<Attr, Errno> {
        if let Some(a) = *self.attr.lock() {
            return Ok(a);
        }
        self.lower_attr()
    }

    fn lower_attr(&self) -> Result<Attr, Errno> {
        let s = self.lower.as_ref().ok_or(Errno::EIO)?.inode.stat()?;
        Ok(Attr {
            mode: s.mode,
            uid: s.uid,
            gid: s.gid,
            nlink: s.nlink,
            rdev: s.rdev,
            atime: s.atime,
            mtime: s.mtime,
            ctime: s.ctime,
            btime: s.btime,
            flags: FileFlags::empty(),
        })
    }

    /// Changes attributes; from now on they are kept here.
    pub(super) fn update(&self, change: impl FnOnce(&mut Attr)) -> Result<(), Errno> {
        let mut guard = self.attr.lock();
        let mut a = match *guard {
            Some(a) => a,
            None => self.lower_attr()?,
        };
        change(&mut a);
        let first = guard.is_none();
        *guard = Some(a);
        drop(guard);
        if first { self.keep() } else { Ok(()) }
    }

    /// Notes that contents or names changed.
    pub(super) fn touch(&self) -> Result<(), Errno> {
        let now = self.fs.env.now();
        self.update(|a| {
            a.mtime = now;
            a.ctime = now;
        })
    }

    /// Notes that contents were read or mapped, of nodes that are kept here anyway: with `relatime`
    /// only if that tells something new (`relatime_need_update`).
    pub(super) fn note_access(&self, relatime: bool) {
        const DAY: Nanos = 86_400_000_000_000;
        let mut guard = self.attr.lock();
        let Some(a) = guard.as_mut().filter(|a| !a.flags.contains(FileFlags::NOATIME)) else {
            return;
        };
        let now = self.fs.env.now();
        let stale = a.atime <= a.mtime || a.atime <= a.ctime || now - a.atime >= DAY;
        if stale || !relatime {
            a.atime = now;
        }
    }

    /// Notes that a mapping begins to be written, which only files that are kept here allow
    /// (`fault_dirty_shared_page`).
    pub(super) fn written_through_mapping(&self) {
        if let Some(a) = self.attr.lock().as_mut() {
            a.mtime = self.fs.env.now();
            a.ctime = a.mtime;
        }
    }

    /// Size in bytes and blocks of 512 of what lies beneath.
    fn lower_size(&self) -> Result<(u64, u64), Errno> {
        match &self.lower {
            Some(l) => l.inode.stat().map(|s| (s.size, s.blocks)),
            None => Ok((0, 0)),
        }
    }

    pub(super) fn full_stat(&self) -> Result<Stat, Errno> {
        let attr = *self.attr.lock();
        let dev = self.fs.dev;
        let Some(a) = attr else {
            let s = self.lower.as_ref().ok_or(Errno::EIO)?.inode.stat()?;
            return Ok(Stat { dev, ino: self.ino, ..s });
        };
        let (size, blocks) = match &self.data {
            Data::File(c) => match &*c.read() {
                Content::Own(o) => (o.size(), o.resident_pages() * 8),
                Content::Lower(_) => self.lower_size()?,
            },
            Data::Dir(d) => (d.size(), 0),
            Data::Link(t) => (t.len() as u64, 0),
            Data::Special => self.lower_size()?,
        };
        Ok(Stat {
            dev,
            ino: self.ino,
            mode: a.mode,
            nlink: a.nlink,
            uid: a.uid,
            gid: a.gid,
            rdev: a.rdev,
            size,
            blksize: 4096,
            blocks,
            atime: a.atime,
            mtime: a.mtime,
            ctime: a.ctime,
            btime: a.btime,
        })
    }

    pub(super) fn quick_perm(&self) -> Result<Perm, Errno> {
        if let Some(a) = &*self.attr.lock() {
            return Ok(Perm { mode: a.mode, uid: a.uid, gid: a.gid });
        }
        self.lower.as_ref().ok_or(Errno::EIO)?.inode.perm()
    }

    /// What chattr(1) has set, of a file or directory.
    pub(crate) fn file_flags(&self) -> Option<FileFlags> {
        // What has lists has these too.
        let has = self.fs.has_acls() && matches!(self.kind, mode::IFREG | mode::IFDIR);
        has.then(|| self.attr.lock().map_or(FileFlags::empty(), |a| a.flags))
    }

    pub(super) fn apply(&self, set: &SetAttr) -> Result<(), Errno> {
        if let Some(m) = set.mode
            && let Ok(Some(acl)) = self.acl_of(AclKind::Access)
        {
            self.put_list(AclKind::Access, Some(&Arc::new(acl.with_mode(m))))?;
        }
        let now = self.fs.env.now();
        self.update(|a| {
            if let Some(m) = set.mode {
                a.mode = a.mode & mode::IFMT | m & 0o7777;
            }
            a.uid = set.uid.unwrap_or(a.uid);
            a.gid = set.gid.unwrap_or(a.gid);
            a.atime = set.atime.unwrap_or(a.atime);
            a.mtime = set.mtime.unwrap_or(a.mtime);
            a.ctime = now;
        })
    }

    pub(super) fn has_writable_mapping(&self) -> bool {
        match &self.data {
            Data::File(c) => match &*c.read() {
                Content::Own(o) => o.mappings().has_writable(),
                Content::Lower(_) => false,
            },
            _ => false,
        }
    }

    pub(super) fn sealed(&self, seals: u32) -> bool {
        self.seals.load(Relaxed) & seals != 0
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.fs.env.attributes.give(self.acls.lock().size() + self.xattrs.lock().size());
        if let Some(l) = &self.lower {
            let mut above = self.fs.above.lock();
            // Another node may have taken the place meanwhile.
            if above.get(&l.identity).is_some_and(|w| w.strong_count() == 0) {
                above.remove(&l.identity);
            }
        } else {
            self.fs.give_inode();
            if let Data::Link(text) = &self.data {
                self.fs.give_link(text);
            }
        }
        self.drop_children();
    }
}
