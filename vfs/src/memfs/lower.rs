//! What lies beneath a node of the overlay.

use alloc::sync::{Arc, Weak};
use sync::RwLock;
use syserr::Errno;

use super::content::Content;
use super::dir::Dir;
use super::node::{Data, Lower};
use super::{MemFs, Node};
use crate::{Lower as LowerInode, Nanos, mode};

/// Device, inode number and time of creation: a number that is given to a new file is not mistaken
/// for the old one.
pub(super) type Identity = (u64, u64, Nanos);

pub(super) fn identity(lower: &dyn LowerInode) -> Result<Identity, Errno> {
    let s = lower.stat()?;
    Ok((s.dev, s.ino, s.btime))
}

impl Node {
    /// The node above a lower inode; the same one as long as anybody has it or it was changed.
    pub(super) fn above(
        fs: &Arc<MemFs>,
        lower: Arc<dyn LowerInode>,
        parent: Option<&Node>,
    ) -> Result<Arc<Node>, Errno> {
        let identity = identity(&*lower)?;
        let mut above = fs.above.lock();
        if let Some(n) = above.get(&identity).and_then(Weak::upgrade) {
            return Ok(n);
        }
        let kind = lower.kind();
        let data = match kind {
            mode::IFREG => Data::File(RwLock::new(Content::Lower(None))),
            mode::IFDIR => {
                Data::Dir(Dir::merged(parent.map_or_else(Weak::new, |p| p.this.clone())))
            }
            _ => Data::Special,
        };
        let lower = Some(Lower { inode: lower, identity });
        let node = Node::build(fs, identity.1, kind, None, data, lower);
        above.insert(identity, Arc::downgrade(&node));
        Ok(node)
    }

    /// Keeps this node alive: it differs from what lies beneath it.
    pub(super) fn keep(&self) -> Result<(), Errno> {
        let Some(lower) = &self.lower else { return Ok(()) };
        let this = self.arc()?;
        let old = self.fs.changed.lock().insert(lower.identity, this);
        drop(old);
        Ok(())
    }

    /// Lets a node go whose last name was removed.
    pub(super) fn let_go(&self) {
        if let Some(lower) = &self.lower {
            let old = self.fs.changed.lock().remove(&lower.identity);
            drop(old);
        }
    }

    /// Makes the contents this node's own, copied from beneath or, with `empty`, empty.
    pub(super) fn copy_up(&self, empty: bool) -> Result<(), Errno> {
        let Data::File(content) = &self.data else { return Ok(()) };
        if content.read().is_own() {
            return Ok(());
        }
        let _one = self.writing.lock();
        if content.read().is_own() {
            return Ok(());
        }
        let lower = self.lower.as_ref().ok_or(Errno::EIO)?;
        let new = if empty {
            Content::empty(&self.fs)
        } else {
            let ops = lower.inode.clone().lower_file()?;
            Content::copy(&*ops, &self.fs)?
        };
        self.update(|_| {})?;
        let old = core::mem::replace(&mut *content.write(), new);
        drop(old);
        self.keep()
    }
}
