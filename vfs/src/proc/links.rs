//! Links of `/proc`, and where the magic ones lead.

use super::namespace::LINKS;
use super::node::{Node, What};
use super::table::{Fixed, PerTask};
use crate::{Link, Path, PathCx};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use syserr::Errno;

fn own(cx: &PathCx<'_>, thread: bool) -> String {
    if thread { format!("{}/task/{}", cx.tgid, cx.tid) } else { format!("{}", cx.tgid) }
}

/// The place that a magic link leads to, for one who may inspect the task.
fn place(node: &Node, cx: &PathCx<'_>) -> Result<Path, Errno> {
    node.alive().map_err(|_| Errno::ENOENT)?;
    node.inspect(cx)?;
    let source = &node.source;
    match node.what {
        What::Descriptor { tid, fd } => {
            let files = source.descriptors(tid).ok_or(Errno::ENOENT)?;
            let file = files.get(fd).map_err(|_| Errno::ENOENT)?;
            Ok(file.path().clone())
        }
        What::Per { tid, what: PerTask::Cwd } => {
            Ok(source.directories(tid).ok_or(Errno::ENOENT)?.cwd())
        }
        What::Per { tid, what: PerTask::Root } => {
            Ok(source.directories(tid).ok_or(Errno::ENOENT)?.root())
        }
        _ => Err(Errno::EINVAL),
    }
}

fn executable(node: &Node, tid: i32, cx: &PathCx<'_>) -> Result<Vec<u8>, Errno> {
    node.inspect(cx)?;
    node.source.executable(tid).ok_or(Errno::ENOENT)
}

pub(super) fn follow(node: &Node, cx: &PathCx<'_>) -> Result<Link, Errno> {
    Ok(match node.what {
        What::Own { thread } => Link::Text(own(cx, thread).into_bytes().into()),
        What::Fixed(Fixed::Link(to), _) => Link::Text(to.as_bytes().into()),
        What::Per { tid, what: PerTask::Exe } => Link::Text(executable(node, tid, cx)?.into()),
        What::Namespace { index, .. } => {
            node.alive().map_err(|_| Errno::ENOENT)?;
            node.inspect(cx)?;
            Link::Magic(LINKS.get(index).ok_or(Errno::ENOENT)?.1.path())
        }
        _ => Link::Magic(place(node, cx)?),
    })
}

/// Whether the link leads to an object and not along a path.
pub(super) fn is_magic(what: What) -> bool {
    !matches!(what, What::Own { .. } | What::Fixed(..))
}

/// What readlink(2) shows where following would not do.
pub(super) fn text(node: &Node, cx: &PathCx<'_>) -> Result<Option<Vec<u8>>, Errno> {
    match node.what {
        What::Namespace { index, .. } => {
            node.inspect(cx)?;
            Ok(LINKS.get(index).map(|(_, kind)| kind.text()))
        }
        _ => Ok(None),
    }
}
