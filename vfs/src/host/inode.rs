//! One file of the host.

use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;
use sync::Mutex;
use syserr::Errno;

use super::pages::Pages;
use super::{HostFs, HostNode};
use crate::acl::{Acl, AclKind};
use crate::{
    Create, DirEntry, FileOps, Inode, InodeState, Link, Lower, Nanos, OpenFlags, PathCx, Perm,
    RenameFlags, SetAttr, Stat, StatFs, UserNs, XattrSet, mode,
};

/// What the host said of a list, and the file's time of change then.
type ReadAcl = (Nanos, Result<Option<Arc<Acl>>, Errno>);

struct Cached {
    stat: Stat,
    at: Nanos,
}

/// A file of the host.
pub struct HostInode {
    pub(super) this: Weak<HostInode>,
    fs: Arc<HostFs>,
    pub(super) node: Arc<dyn HostNode>,
    key: (u64, u64),
    ino: u64,
    kind: u32,
    cached: Mutex<Cached>,
    pub(super) pages: Pages,
    /// The text of a symbolic link, which never changes, once it was read.
    link: Mutex<Option<Arc<[u8]>>>,
    /// Access control lists.
    acls: Mutex<[Option<ReadAcl>; 2]>,
    state: InodeState,
    /// One append at a time.
    pub(super) writing: Mutex<()>,
}

impl HostInode {
    pub(super) fn new(
        fs: &Arc<HostFs>,
        node: Arc<dyn HostNode>,
        stat: Stat,
        ino: u64,
    ) -> Arc<HostInode> {
        let at = fs.env.time().monotonic();
        Arc::new_cyclic(|this| HostInode {
            this: this.clone(),
            fs: fs.clone(),
            node,
            key: (stat.dev, stat.ino),
            ino,
            kind: stat.mode & mode::IFMT,
            cached: Mutex::new(Cached { stat, at }),
            pages: Pages::default(),
            link: Mutex::default(),
            acls: Mutex::default(),
            state: InodeState::default(),
            writing: Mutex::new(()),
        })
    }

    pub(super) fn fs(&self) -> &Arc<HostFs> {
        &self.fs
    }

    /// Whether attributes are of this very file, and not of a later one with its number.
    pub(super) fn is_same(&self, stat: &Stat) -> bool {
        (stat.dev, stat.ino) == self.key
            && stat.mode & mode::IFMT == self.kind
            && stat.btime == self.cached.lock().stat.btime
    }

    /// Takes in attributes that were just read; contents that changed on the host are forgotten.
    pub(super) fn refresh(&self, stat: Stat) {
        let mut c = self.cached.lock();
        let changed = (c.stat.mtime, c.stat.size) != (stat.mtime, stat.size);
        *c = Cached { stat, at: self.fs.env.time().monotonic() };
        drop(c);
        if changed && self.kind == mode::IFREG {
            self.forget_pages(stat.size);
        }
    }

    /// Attributes as the host has them, at most as old as the view allows.
    pub(super) fn host_stat(&self) -> Result<Stat, Errno> {
        let valid_for = self.fs.options.valid_for;
        {
            let c = self.cached.lock();
            if valid_for > 0 && self.fs.env.time().monotonic() - c.at < valid_for {
                return Ok(c.stat);
            }
        }
        let stat = self.node.stat()?;
        self.refresh(stat);
        Ok(stat)
    }

    /// Attributes after a change that this kernel made itself: its pages are good.
    pub(super) fn changed(&self) -> Result<(), Errno> {
        let stat = self.node.stat()?;
        let at = self.fs.env.time().monotonic();
        *self.cached.lock() = Cached { stat, at };
        Ok(())
    }

    /// Size as it was last known.
    pub(super) fn size(&self) -> u64 {
        self.cached.lock().stat.size
    }

    pub(super) fn guest_stat(&self) -> Result<Stat, Errno> {
        let s = self.host_stat()?;
        Ok(Stat { dev: self.fs.dev, ino: self.ino, ..s })
    }

    fn child(&self, name: &[u8]) -> Result<Arc<HostInode>, Errno> {
        let (node, stat) = self.node.clone().child(name)?;
        Ok(self.fs.inode(node, stat))
    }

    fn writable(&self) -> Result<(), Errno> {
        if self.fs.options.writable { Ok(()) } else { Err(Errno::EROFS) }
    }

    fn of(inode: &Arc<dyn Inode>) -> Result<&HostInode, Errno> {
        inode.as_any().downcast_ref().ok_or(Errno::EXDEV)
    }

    fn link_target(&self) -> Result<Arc<[u8]>, Errno> {
        if self.kind != mode::IFLNK {
            return Err(Errno::EINVAL);
        }
        let mut known = self.link.lock();
        if let Some(text) = &*known {
            return Ok(text.clone());
        }
        let text: Arc<[u8]> = self.node.read_link()?.into();
        *known = Some(text.clone());
        Ok(text)
    }

    fn open_node(&self, flags: OpenFlags) -> Result<(), Errno> {
        match self.kind {
            mode::IFREG => {
                let write = flags.writable() || flags.contains(OpenFlags::TRUNC);
                if write {
                    self.writable()?;
                }
                self.node.open(write)
            }
            mode::IFDIR => Ok(()),
            _ => Err(Errno::ENXIO),
        }
    }

    pub(super) fn list(
        &self,
        from: u64,
        emit: &mut dyn FnMut(&DirEntry) -> bool,
    ) -> Result<(), Errno> {
        self.node.read_dir(from, emit)
    }
}

impl Inode for HostInode {
    fn stat(&self) -> Result<Stat, Errno> {
        self.guest_stat()
    }

    fn kind(&self) -> u32 {
        self.kind
    }

    fn perm(&self) -> Result<Perm, Errno> {
        let s = self.host_stat()?;
        Ok(Perm { mode: s.mode, uid: s.uid, gid: s.gid })
    }

    fn state(&self) -> Option<&InodeState> {
        Some(&self.state)
    }

    fn lookup(&self, name: &[u8], _: &PathCx<'_>) -> Result<Arc<dyn Inode>, Errno> {
        Ok(self.child(name)?)
    }

    fn revalidate(&self, name: &[u8], child: Option<&Arc<dyn Inode>>) -> bool {
        match (self.node.child_stat(name), child.map(|c| HostInode::of(c))) {
            (Ok(stat), Some(Ok(c))) => {
                let same = c.is_same(&stat);
                if same {
                    c.refresh(stat);
                }
                same
            }
            (Err(Errno::ENOENT), None) => true,
            _ => false,
        }
    }

    fn create(&self, name: &[u8], what: &Create<'_>) -> Result<Arc<dyn Inode>, Errno> {
        self.writable()?;
        let (node, stat) = self.node.clone().create(name, what)?;
        self.changed()?;
        Ok(self.fs.inode(node, stat))
    }

    fn link(&self, name: &[u8], target: &Arc<dyn Inode>) -> Result<(), Errno> {
        self.writable()?;
        let target = HostInode::of(target)?;
        self.node.link(name, &*target.node)?;
        target.changed()?;
        self.changed()
    }

    fn remove(&self, name: &[u8], child: &Arc<dyn Inode>) -> Result<(), Errno> {
        self.writable()?;
        let child = HostInode::of(child)?;
        self.node.remove(name, &*child.node, child.kind == mode::IFDIR)?;
        // The host may know nothing of it any more, and then its link count is 0.
        if child.changed().is_err() {
            child.cached.lock().stat.nlink = 0;
        }
        self.changed()
    }

    fn rename(
        &self,
        name: &[u8],
        new_parent: &Arc<dyn Inode>,
        new_name: &[u8],
        flags: RenameFlags,
        _: &Create<'_>,
    ) -> Result<(), Errno> {
        self.writable()?;
        if flags.contains(RenameFlags::WHITEOUT) {
            return Err(Errno::EINVAL);
        }
        let to = HostInode::of(new_parent)?;
        let child = self.child(name)?;
        let other = match to.child(new_name) {
            Ok(c) => Some(c),
            Err(Errno::ENOENT) => None,
            Err(e) => return Err(e),
        };
        let (target, replaced) = (to.node.clone(), other.as_ref().map(|o| &*o.node));
        self.node.rename(name, &*child.node, target, new_name, replaced, flags)?;
        for moved in [Some(&child), other.as_ref()].into_iter().flatten() {
            if moved.changed().is_err() {
                moved.cached.lock().stat.nlink = 0;
            }
        }
        to.changed()?;
        self.changed()
    }

    fn follow(&self, _: &PathCx<'_>) -> Result<Link, Errno> {
        self.link_target().map(Link::Text)
    }

    fn set_attr(&self, set: &SetAttr) -> Result<(), Errno> {
        self.writable()?;
        self.node.set_attr(set)?;
        self.changed()
    }

    fn open(self: Arc<Self>, flags: OpenFlags, _: &PathCx<'_>) -> Result<Arc<dyn FileOps>, Errno> {
        self.open_node(flags)?;
        Ok(self)
    }

    fn statfs(&self) -> Result<StatFs, Errno> {
        self.node.statfs()
    }

    fn get_xattr(&self, name: &[u8]) -> Result<Vec<u8>, Errno> {
        self.node.get_xattr(name)
    }

    fn set_xattr(&self, name: &[u8], value: &[u8], how: XattrSet) -> Result<(), Errno> {
        self.writable()?;
        self.node.set_xattr(name, Some(value), how)
    }

    fn list_xattr(&self) -> Result<Vec<Box<[u8]>>, Errno> {
        self.node.list_xattr()
    }

    fn remove_xattr(&self, name: &[u8]) -> Result<(), Errno> {
        self.writable()?;
        self.node.set_xattr(name, None, XattrSet::REPLACE)
    }

    fn acl(&self, kind: AclKind) -> Result<Option<Arc<Acl>>, Errno> {
        let now = self.host_stat()?.ctime;
        let mut known = self.acls.lock();
        let [access, default] = &mut *known;
        let slot = if kind == AclKind::Access { access } else { default };
        if let Some((then, acl)) = slot
            && *then == now
        {
            return acl.clone();
        }
        let acl = match self.node.get_xattr(kind.name()) {
            Ok(value) => Ok(Acl::parse(&value, &UserNs::INITIAL)?.map(Arc::new)),
            Err(Errno::ENODATA) => Ok(None),
            // As lasting as an answer.
            Err(Errno::EOPNOTSUPP) => Err(Errno::EOPNOTSUPP),
            Err(e) => return Err(e),
        };
        *slot = Some((now, acl.clone()));
        acl
    }

    fn set_acl(
        &self,
        kind: AclKind,
        acl: Option<&Arc<Acl>>,
        mode: Option<u32>,
    ) -> Result<(), Errno> {
        self.writable()?;
        let value = acl.map(|a| a.bytes(&UserNs::INITIAL));
        match self.node.set_xattr(kind.name(), value.as_deref(), XattrSet::empty()) {
            Err(Errno::ENODATA) if value.is_none() => {}
            other => other?,
        }
        *self.acls.lock() = Default::default();
        match mode {
            Some(_) => Inode::set_attr(self, &SetAttr { mode, ..SetAttr::default() }),
            None => self.changed(),
        }
    }

    fn as_lower(self: Arc<Self>) -> Option<Arc<dyn Lower>> {
        Some(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Lower for HostInode {
    fn lower_child(&self, name: &[u8]) -> Result<Arc<dyn Lower>, Errno> {
        Ok(self.child(name)?)
    }

    fn lower_list(&self, from: u64, emit: &mut dyn FnMut(&DirEntry) -> bool) -> Result<(), Errno> {
        self.list(from, emit)
    }

    fn lower_file(self: Arc<Self>) -> Result<Arc<dyn FileOps>, Errno> {
        self.open_node(OpenFlags::empty())?;
        Ok(self)
    }

    fn lower_link(&self) -> Result<Arc<[u8]>, Errno> {
        self.link_target()
    }
}

impl Drop for HostInode {
    fn drop(&mut self) {
        self.pages.clear(&**self.fs.env.memory(), &self.fs.budget);
        self.fs.forget(self.key);
    }
}
