//! A place in the tree.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Dentry, Mount};
use crate::Inode;

/// A place in the tree: a name, and the mount through which it was reached.
#[derive(Clone)]
pub struct Path {
    pub(crate) mount: Arc<Mount>,
    pub(crate) dentry: Arc<Dentry>,
}

impl PartialEq for Path {
    fn eq(&self, other: &Path) -> bool {
        Arc::ptr_eq(&self.dentry, &other.dentry) && Arc::ptr_eq(&self.mount, &other.mount)
    }
}

impl core::fmt::Debug for Path {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Path({})", alloc::string::String::from_utf8_lossy(&self.display(None)))
    }
}

/// Longest path that is ever written out, in bytes; a guest can nest directories deeper.
const LONGEST: usize = 1 << 16;

impl Path {
    /// The place that shows where `m` is mounted.
    pub fn of_mount(m: &Arc<Mount>) -> Path {
        Path { dentry: m.root().clone(), mount: m.clone() }
    }

    /// The inode there.
    pub fn inode(&self) -> &Arc<dyn Inode> {
        self.dentry.positive()
    }

    /// The mount.
    pub fn mount(&self) -> &Arc<Mount> {
        &self.mount
    }

    /// The name.
    pub fn dentry(&self) -> &Arc<Dentry> {
        &self.dentry
    }

    /// Whether it lies in what its mount shows, and was not moved out of there (`path_connected`).
    pub(crate) fn is_connected(&self) -> bool {
        let root = self.mount.root();
        root.place().0.is_none() || self.dentry.is_below(root)
    }

    /// The directory above, across mounts; the top's parent is itself.
    pub(crate) fn parent(&self) -> Path {
        let mut at = self.clone();
        loop {
            if Arc::ptr_eq(&at.dentry, at.mount.root()) {
                match at.mount.point() {
                    Some(p) => at = p,
                    None => return at,
                }
            } else {
                return match at.dentry.parent() {
                    Some(dentry) => Path { mount: at.mount, dentry },
                    None => at,
                };
            }
        }
    }

    /// Whether it lies below `top`, across mounts (`is_path_reachable`).
    pub fn is_reachable_from(&self, top: &Path) -> bool {
        let mut at = self.clone();
        while !Arc::ptr_eq(&at.mount, &top.mount) {
            match at.mount.point() {
                Some(p) => at = p,
                None => return false,
            }
        }
        at.dentry.is_below(&top.dentry)
    }

    /// The path that names this place from `root`; with ` (deleted)` appended when its name is
    /// gone, and `(unreachable)` before it when it does not lie below `root` (proc(5), `d_path`).
    /// Without a root, from the top of the tree.
    pub fn display(&self, root: Option<&Path>) -> Vec<u8> {
        let (mut out, reached) = self.text(root);
        if !reached && root.is_some() {
            let mut s = b"(unreachable)".to_vec();
            s.append(&mut out);
            out = s;
        }
        if self.dentry.is_deleted() {
            out.extend_from_slice(b" (deleted)");
        }
        out
    }

    /// The path that names this place from `root`, whether or not its name is gone; `None` when it
    /// does not lie below `root` (`__d_path`).
    pub fn below(&self, root: &Path) -> Option<Vec<u8>> {
        let (text, reached) = self.text(Some(root));
        reached.then_some(text)
    }

    /// The path from `root`, and whether it lies below `root` at all.
    pub(crate) fn text(&self, root: Option<&Path>) -> (Vec<u8>, bool) {
        let mut names: Vec<Arc<[u8]>> = Vec::new();
        let mut len = 0;
        let mut at = self.clone();
        let mut reached = true;
        loop {
            if root == Some(&at) {
                break;
            }
            if Arc::ptr_eq(&at.dentry, at.mount.root()) {
                match at.mount.point() {
                    Some(p) => at = p,
                    None => {
                        reached = root.is_none_or(|r| *r == at);
                        break;
                    }
                }
                continue;
            }
            let (parent, name) = at.dentry.place();
            let Some(parent) = parent else {
                // A description without a place in any tree: its name is all there is.
                return (name.to_vec(), true);
            };
            len += name.len() + 1;
            names.push(name);
            if len > LONGEST {
                reached = false;
                break;
            }
            at.dentry = parent;
        }
        let mut out = Vec::with_capacity(len.max(1));
        for n in names.iter().rev() {
            out.push(b'/');
            out.extend_from_slice(n);
        }
        if out.is_empty() {
            out.push(b'/');
        }
        (out, reached)
    }
}
