//! Extended attributes, kept with the node.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use syserr::Errno;

use super::Node;
use crate::XattrSet;
use crate::acl::AclKind;

/// The most bytes of names and values of one file.
const BYTES_MAX: usize = 128 << 10;
/// What keeping an attribute takes beside its name and value, roughly.
const OVERHEAD: usize = 64;

#[derive(Default)]
pub(super) struct Xattrs {
    /// `None` stands for a lower attribute that was removed.
    changed: BTreeMap<Box<[u8]>, Option<Box<[u8]>>>,
    bytes: usize,
}

impl Xattrs {
    /// Bytes that they take of [`crate::Env`]'s.
    pub(super) fn size(&self) -> u64 {
        (self.bytes + self.changed.len() * OVERHEAD) as u64
    }
}

fn lower_or_none(node: &Node, name: &[u8]) -> Result<Vec<u8>, Errno> {
    let Some(l) = &node.lower else { return Err(Errno::ENODATA) };
    match l.inode.get_xattr(name) {
        Err(Errno::EOPNOTSUPP) => Err(Errno::ENODATA),
        other => other,
    }
}

impl Node {
    pub(super) fn xattr(&self, name: &[u8]) -> Result<Vec<u8>, Errno> {
        match self.xattrs.lock().changed.get(name) {
            Some(Some(v)) => return Ok(v.to_vec()),
            Some(None) => return Err(Errno::ENODATA),
            None => {}
        }
        lower_or_none(self, name)
    }

    pub(super) fn put_xattr(
        &self,
        name: &[u8],
        value: Option<&[u8]>,
        how: XattrSet,
    ) -> Result<(), Errno> {
        let there = match self.xattr(name) {
            Ok(_) => true,
            Err(Errno::ENODATA) => false,
            Err(e) => return Err(e),
        };
        if there && how.contains(XattrSet::CREATE) {
            return Err(Errno::EEXIST);
        }
        if !there && how.contains(XattrSet::REPLACE) {
            return Err(Errno::ENODATA);
        }
        let mut x = self.xattrs.lock();
        let old = x.changed.get(name).map_or(0, |v| name.len() + v.as_ref().map_or(0, |v| v.len()));
        let forget = value.is_none() && self.lower.is_none();
        let new = if forget { 0 } else { name.len() + value.map_or(0, |v| v.len()) };
        let bytes = x.bytes - old + new;
        if bytes > BYTES_MAX && new > old {
            return Err(Errno::ENOSPC);
        }
        let more = |n: usize| if n > 0 { (n + OVERHEAD) as u64 } else { 0 };
        self.fs.env.attributes.exchange(more(old), more(new))?;
        x.bytes = bytes;
        if forget {
            x.changed.remove(name);
        } else {
            x.changed.insert(name.into(), value.map(Into::into));
        }
        drop(x);
        let now = self.fs.env.now();
        self.update(|a| a.ctime = now)
    }

    pub(super) fn xattr_names(&self) -> Result<Vec<Box<[u8]>>, Errno> {
        let mut names = match &self.lower {
            Some(l) => l.inode.list_xattr()?,
            None => Vec::new(),
        };
        names.retain(|n| AclKind::of(n).is_none());
        // What lies below may be asked for them, so no lock is held.
        let kinds = [AclKind::Access, AclKind::Default].into_iter();
        let lists = kinds.filter(|k| matches!(self.acl_of(*k), Ok(Some(_))));
        let lists: Vec<Box<[u8]>> = lists.map(|k| k.name().into()).collect();
        let x = self.xattrs.lock();
        names.retain(|n| !x.changed.contains_key(n));
        names.splice(0..0, lists);
        names.extend(x.changed.iter().filter(|(_, v)| v.is_some()).map(|(n, _)| n.clone()));
        Ok(names)
    }
}
