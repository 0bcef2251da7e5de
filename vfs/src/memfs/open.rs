//! A node as an inode.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use syserr::Errno;

use super::Node;
use super::content::Content;
use super::memfd::SEAL_EXEC;
use super::node::Data;
use crate::acl::{Acl, AclKind};
use crate::{
    Create, DirEntry, FileFlags, FileOps, Inode, InodeState, Link, Lower, OpenFlags, PathCx, Perm,
    RenameFlags, SetAttr, Stat, StatFs, XattrSet, mode,
};

impl Node {
    /// Opens the lower's bytes once, so that errors show at open(2).
    fn open_lower(&self) -> Result<(), Errno> {
        let Data::File(content) = &self.data else { return Ok(()) };
        if !matches!(&*content.read(), Content::Lower(None)) {
            return Ok(());
        }
        let lower = self.lower.as_ref().ok_or(Errno::EIO)?;
        let ops = lower.inode.clone().lower_file()?;
        let mut c = content.write();
        if let Content::Lower(slot) = &mut *c {
            slot.get_or_insert(ops);
        }
        Ok(())
    }

    fn link_target(&self) -> Result<Arc<[u8]>, Errno> {
        match (&self.data, &self.lower) {
            (Data::Link(t), _) => Ok(t.clone()),
            (_, Some(l)) if self.kind == mode::IFLNK => l.inode.lower_link(),
            _ => Err(Errno::EINVAL),
        }
    }
}

impl Node {
    /// `EPERM` in sysfs, whose names are fixed.
    fn changes_names(&self) -> Result<(), Errno> {
        if self.fs.is_sysfs() { Err(Errno::EPERM) } else { Ok(()) }
    }
}

impl Inode for Node {
    fn stat(&self) -> Result<Stat, Errno> {
        self.full_stat()
    }

    fn kind(&self) -> u32 {
        self.kind
    }

    fn perm(&self) -> Result<Perm, Errno> {
        self.quick_perm()
    }

    fn flags(&self) -> Option<FileFlags> {
        self.file_flags()
    }

    fn set_flags(&self, flags: FileFlags) -> Result<(), Errno> {
        if self.file_flags().is_none() {
            return Err(Errno::EOPNOTSUPP);
        }
        let now = self.fs.env.now();
        self.update(|a| {
            a.flags = flags;
            a.ctime = now;
        })
    }

    fn state(&self) -> Option<&InodeState> {
        Some(&self.state)
    }

    fn lookup(&self, name: &[u8], _: &PathCx<'_>) -> Result<Arc<dyn Inode>, Errno> {
        Ok(self.find(name)?)
    }

    fn revalidate(&self, name: &[u8], child: Option<&Arc<dyn Inode>>) -> bool {
        self.still_valid(name, child)
    }

    fn create(&self, name: &[u8], what: &Create<'_>) -> Result<Arc<dyn Inode>, Errno> {
        self.changes_names().map_err(|e| match what.mode & mode::IFMT {
            // Making a file is not refused but not known (`lookup_open` in fs/namei.c).
            mode::IFREG => Errno::EACCES,
            _ => e,
        })?;
        Ok(self.make(name, what)?)
    }

    fn create_unnamed(&self, what: &Create<'_>) -> Result<Arc<dyn Inode>, Errno> {
        self.changes_names().map_err(|_| Errno::EOPNOTSUPP)?;
        let node = Node::create(&self.fs, what)?;
        node.update(|a| a.nlink = 0)?;
        Ok(node)
    }

    fn link(&self, name: &[u8], target: &Arc<dyn Inode>) -> Result<(), Errno> {
        self.changes_names()?;
        self.add_link(name, Node::of(target)?)
    }

    fn remove(&self, name: &[u8], child: &Arc<dyn Inode>) -> Result<(), Errno> {
        self.changes_names()?;
        self.drop_name(name, Node::of(child)?)
    }

    fn rename(
        &self,
        name: &[u8],
        new_parent: &Arc<dyn Inode>,
        new_name: &[u8],
        flags: RenameFlags,
        whiteout: &Create<'_>,
    ) -> Result<(), Errno> {
        self.changes_names()?;
        self.move_name(name, Node::of(new_parent)?, new_name, flags, whiteout)
    }

    fn follow(&self, _: &PathCx<'_>) -> Result<Link, Errno> {
        self.link_target().map(Link::Text)
    }

    fn set_attr(&self, set: &SetAttr) -> Result<(), Errno> {
        if let Some(m) = set.mode
            && self.sealed(SEAL_EXEC)
            && (m ^ self.quick_perm()?.mode) & 0o111 != 0
        {
            return Err(Errno::EPERM);
        }
        self.apply(set)
    }

    fn open(self: Arc<Self>, flags: OpenFlags, _: &PathCx<'_>) -> Result<Arc<dyn FileOps>, Errno> {
        match self.kind {
            mode::IFREG if flags.writable() && self.fs.is_sysfs() => return Err(Errno::EACCES),
            mode::IFREG => {
                let truncate = flags.contains(OpenFlags::TRUNC);
                if flags.writable() || truncate {
                    self.copy_up(truncate)?;
                } else {
                    self.open_lower()?;
                }
            }
            mode::IFDIR => {}
            _ => return Err(Errno::ENXIO),
        }
        Ok(self)
    }

    fn statfs(&self) -> Result<StatFs, Errno> {
        Ok(self.fs.statfs())
    }

    fn get_xattr(&self, name: &[u8]) -> Result<Vec<u8>, Errno> {
        self.xattr(name)
    }

    fn set_xattr(&self, name: &[u8], value: &[u8], how: XattrSet) -> Result<(), Errno> {
        self.put_xattr(name, Some(value), how)
    }

    fn list_xattr(&self) -> Result<Vec<Box<[u8]>>, Errno> {
        self.xattr_names()
    }

    fn remove_xattr(&self, name: &[u8]) -> Result<(), Errno> {
        self.put_xattr(name, None, XattrSet::REPLACE)
    }

    fn acl(&self, kind: AclKind) -> Result<Option<Arc<Acl>>, Errno> {
        self.acl_of(kind)
    }

    fn set_acl(
        &self,
        kind: AclKind,
        acl: Option<&Arc<Acl>>,
        mode: Option<u32>,
    ) -> Result<(), Errno> {
        self.put_list(kind, acl)?;
        let now = self.fs.env.now();
        self.update(|a| {
            a.mode = mode.map_or(a.mode, |m| a.mode & mode::IFMT | m & 0o7777);
            a.ctime = now;
        })
    }

    fn unmounted(&self) {
        // Nodes that are kept hold the file system, which keeps them.
        let kept = core::mem::take(&mut *self.fs.changed.lock());
        drop(kept);
    }

    fn as_lower(self: Arc<Self>) -> Option<Arc<dyn Lower>> {
        Some(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// An overlay may lie over a tree in memory too.
impl Lower for Node {
    fn lower_child(&self, name: &[u8]) -> Result<Arc<dyn Lower>, Errno> {
        Ok(self.find(name)?)
    }

    fn lower_list(&self, from: u64, emit: &mut dyn FnMut(&DirEntry) -> bool) -> Result<(), Errno> {
        self.list(from, emit)
    }

    fn lower_file(self: Arc<Self>) -> Result<Arc<dyn FileOps>, Errno> {
        self.open_lower()?;
        Ok(self)
    }

    fn lower_link(&self) -> Result<Arc<[u8]>, Errno> {
        self.link_target()
    }
}
