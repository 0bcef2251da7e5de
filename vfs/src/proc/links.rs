//! Links of `/proc`, and where the magic ones lead.

use super::mapped;
use super::node::{Node, What};
use super::table::{Fixed, PerTask};
use crate::nsfs::{self, NamespaceKind, NamespaceRef};
use crate::{Link, Path, PathCx, cap};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use syserr::Errno;

/// The links in `/proc/PID/ns`: what kind of namespace, and whether it is that of new children.
pub(super) static LINKS: &[(&str, (NamespaceKind, bool))] = &[
    ("cgroup", (NamespaceKind::Cgroup, false)),
    ("ipc", (NamespaceKind::Ipc, false)),
    ("mnt", (NamespaceKind::Mnt, false)),
    ("net", (NamespaceKind::Net, false)),
    ("pid", (NamespaceKind::Pid, false)),
    ("pid_for_children", (NamespaceKind::Pid, true)),
    ("time", (NamespaceKind::Time, false)),
    ("time_for_children", (NamespaceKind::Time, true)),
    ("user", (NamespaceKind::User, false)),
    ("uts", (NamespaceKind::Uts, false)),
];

fn namespace(node: &Node, cx: &PathCx<'_>, tid: i32, index: usize) -> Result<NamespaceRef, Errno> {
    node.inspect(cx)?;
    let (_, (kind, of_children)) = *LINKS.get(index).ok_or(Errno::ENOENT)?;
    node.source.namespace(tid, kind, of_children).ok_or(Errno::ENOENT)
}

/// # Errors
/// `ENOENT` for who is not among those that are shown.
fn own(node: &Node, cx: &PathCx<'_>, thread: bool) -> Result<String, Errno> {
    match (node.source.number(cx.tgid), node.source.number(cx.tid)) {
        (0, _) | (_, 0) => Err(Errno::ENOENT),
        (pid, tid) if thread => Ok(format!("{pid}/task/{tid}")),
        (pid, _) => Ok(format!("{pid}")),
    }
}

/// The file of a mapping, for one who may inspect the task.
fn mapping(node: &Node, cx: &PathCx<'_>, tid: i32, start: u64, end: u64) -> Result<Path, Errno> {
    node.alive().map_err(|_| Errno::ENOENT)?;
    node.inspect(cx)?;
    Ok(mapped::find(&*node.source, tid, start, end).ok_or(Errno::ENOENT)?.place)
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
        What::Per { tid, what: PerTask::Exe } => source.executable(tid).ok_or(Errno::ENOENT),
        What::Per { tid, what: PerTask::Cwd } => {
            Ok(source.directories(tid).ok_or(Errno::ENOENT)?.cwd())
        }
        What::Per { tid, what: PerTask::Root } => {
            Ok(source.directories(tid).ok_or(Errno::ENOENT)?.root())
        }
        _ => Err(Errno::EINVAL),
    }
}

pub(super) fn follow(node: &Node, cx: &PathCx<'_>) -> Result<Link, Errno> {
    Ok(match node.what {
        What::Own { thread } => Link::Text(own(node, cx, thread)?.into_bytes().into()),
        What::Fixed(Fixed::Link(to), _) => Link::Text(to.as_bytes().into()),
        What::Namespace { tid, index } => {
            node.alive().map_err(|_| Errno::ENOENT)?;
            Link::Magic(nsfs::path(namespace(node, cx, tid, index)?))
        }
        // What is mapped need not be reached by any path that the caller could take
        // (`proc_map_files_get_link`).
        What::Mapped { tid, start, end } => {
            if !cx.creds.has(cap::SYS_ADMIN) && !cx.creds.has(cap::CHECKPOINT_RESTORE) {
                return Err(Errno::EPERM);
            }
            Link::Magic(mapping(node, cx, tid, start, end)?)
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
        What::Namespace { tid, index } => Ok(Some(nsfs::text(&*namespace(node, cx, tid, index)?))),
        What::Mapped { tid, start, end } => {
            Ok(Some(mapping(node, cx, tid, start, end)?.display(Some(&cx.fs.root()))))
        }
        _ => Ok(None),
    }
}
