//! Directories of `/proc`.

use super::links::LINKS;
use super::mapped;
use super::node::{Node, What};
use super::table::{Fixed, NET, PerTask, ROOT, TASK};
use crate::nsfs::NamespaceKind;
use crate::{DirEntry, FileOps, Inode, PathCx, Stat, Whence};
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::IoDst;
use core::any::Any;
use syserr::Errno;

/// A decimal number as it would be written.
fn number(name: &[u8]) -> Option<i32> {
    let text = core::str::from_utf8(name).ok()?;
    let n: i32 = text.parse().ok()?;
    (n >= 0 && n.to_string() == text).then_some(n)
}

fn find<T>(table: &'static [(&'static str, T)], name: &[u8]) -> Option<&'static T> {
    table.iter().find(|(n, _)| n.as_bytes() == name).map(|(_, v)| v)
}

/// A fixed name of a directory whose inode number is `parent`.
fn fixed(entries: &'static [(&'static str, Fixed)], parent: u64, name: &[u8]) -> Option<What> {
    let i = entries.iter().position(|(n, _)| n.as_bytes() == name)?;
    entries.get(i).map(|(_, f)| What::Fixed(f, parent * 64 + i as u64))
}

fn per(tid: i32, what: &'static PerTask) -> What {
    match *what {
        PerTask::File(mode, file, inspect) => What::Text { tid, mode, file, inspect },
        _ => What::Per { tid, what },
    }
}

pub(super) fn lookup(node: &Node, name: &[u8], cx: &PathCx<'_>) -> Result<Arc<dyn Inode>, Errno> {
    let source = &node.source;
    let found = match node.what {
        What::Root => match name {
            b"self" => Some(What::Own { thread: false }),
            b"thread-self" => Some(What::Own { thread: true }),
            _ => fixed(ROOT, 1, name).or_else(|| {
                // Threads have a directory here too, which is not listed.
                let tid = source.id(number(name)?)?;
                let group = source.process_of(tid)?;
                Some(What::Task { tid, group: true }).filter(|_| group > 0)
            }),
        },
        What::Fixed(Fixed::Dir(entries), ino) => fixed(entries, ino, name),
        What::Task { tid, group } => {
            // A process that is gone may not be searched (`proc_pid_permission`).
            node.alive().map_err(|e| if group { e } else { Errno::ENOENT })?;
            find(TASK, name).filter(|w| w.is_of(group)).map(|w| per(tid, w))
        }
        What::Per { tid, what } => {
            node.alive().map_err(|_| Errno::ENOENT)?;
            match what {
                PerTask::Task => number(name)
                    .and_then(|n| source.id(n))
                    .filter(|t| source.process_of(*t) == source.process_of(tid))
                    .map(|t| What::Task { tid: t, group: false }),
                PerTask::Fd | PerTask::FdInfo => {
                    if matches!(what, PerTask::FdInfo) {
                        node.inspect(cx)?;
                    }
                    let fd = number(name).ok_or(Errno::ENOENT)?;
                    let files = source.descriptors(tid).ok_or(Errno::ENOENT)?;
                    files.get(fd).map_err(|_| Errno::ENOENT)?;
                    Some(match what {
                        PerTask::Fd => What::Descriptor { tid, fd },
                        _ => What::Info { tid, fd },
                    })
                }
                PerTask::MapFiles => {
                    node.inspect(cx)?;
                    let (start, end) = mapped::range(name).ok_or(Errno::ENOENT)?;
                    mapped::find(&**source, tid, start, end).map(|_| What::Mapped {
                        tid,
                        start,
                        end,
                    })
                }
                PerTask::Ns => LINKS
                    .iter()
                    .position(|(n, _)| n.as_bytes() == name)
                    .map(|index| What::Namespace { tid, index }),
                PerTask::Net => {
                    // That of one who has ended is no more.
                    source.namespace(tid, NamespaceKind::Net, false).ok_or(Errno::ENOENT)?;
                    find(NET, name).map(|table| What::Net { tid, table })
                }
                PerTask::Attr => (name == b"current").then_some(What::Label { tid }),
                _ => return Err(Errno::ENOTDIR),
            }
        }
        _ => return Err(Errno::ENOTDIR),
    };
    found.map(|w| node.child(w)).ok_or(Errno::ENOENT)
}

/// Opens a directory.
pub(super) fn open(node: Arc<Node>, cx: &PathCx<'_>) -> Result<Arc<dyn FileOps>, Errno> {
    match node.what {
        What::Per { what: PerTask::FdInfo, .. } => node.inspect(cx)?,
        What::Per { tid, what: PerTask::MapFiles } => {
            node.inspect(cx)?;
            return Ok(Arc::new(mapped::Dir { node, tid }));
        }
        _ => {}
    }
    Ok(Arc::new(Dir(node)))
}

pub(super) struct Dir(pub(super) Arc<Node>);

impl Dir {
    /// Names with positions that only grow, so that listing goes on where it was.
    fn names(&self) -> Result<Vec<(u64, String, What)>, Errno> {
        let (node, source) = (&self.0, &self.0.source);
        let mut out = Vec::new();
        match node.what {
            What::Root => {
                for (i, (name, f)) in ROOT.iter().enumerate() {
                    out.push((i as u64 + 3, (*name).into(), What::Fixed(f, 64 + i as u64)));
                }
                out.push((200, "self".into(), What::Own { thread: false }));
                out.push((201, "thread-self".into(), What::Own { thread: true }));
                for tid in source.processes() {
                    let pid = source.number(tid);
                    let at = 256 + pid as u64;
                    out.push((at, pid.to_string(), What::Task { tid, group: true }));
                }
            }
            What::Fixed(Fixed::Dir(entries), ino) => {
                for (i, (name, f)) in entries.iter().enumerate() {
                    let what = What::Fixed(f, ino * 64 + i as u64);
                    out.push((i as u64 + 3, (*name).into(), what));
                }
            }
            What::Task { tid, group } => {
                for (i, (name, w)) in TASK.iter().enumerate() {
                    if w.is_of(group) {
                        out.push((i as u64 + 3, (*name).into(), per(tid, w)));
                    }
                }
            }
            What::Per { tid, what } => match what {
                PerTask::Task => {
                    let tgid = source.process_of(tid).ok_or(Errno::ENOENT)?;
                    for tid in source.threads(tgid) {
                        let n = source.number(tid);
                        let what = What::Task { tid, group: false };
                        out.push((n as u64 + 2, n.to_string(), what));
                    }
                }
                PerTask::Fd | PerTask::FdInfo => {
                    let files = source.descriptors(tid);
                    for fd in files.map(|files| files.descriptors()).unwrap_or_default() {
                        let w = match what {
                            PerTask::Fd => What::Descriptor { tid, fd },
                            _ => What::Info { tid, fd },
                        };
                        out.push((fd as u64 + 3, fd.to_string(), w));
                    }
                }
                PerTask::Ns => {
                    for (index, (name, _)) in LINKS.iter().enumerate() {
                        let w = What::Namespace { tid, index };
                        out.push((index as u64 + 3, (*name).into(), w));
                    }
                }
                PerTask::Net => {
                    source.namespace(tid, NamespaceKind::Net, false).ok_or(Errno::EINVAL)?;
                    for (i, (name, table)) in NET.iter().enumerate() {
                        out.push((i as u64 + 3, (*name).into(), What::Net { tid, table }));
                    }
                }
                PerTask::Attr => out.push((3, "current".into(), What::Label { tid })),
                _ => return Err(Errno::ENOTDIR),
            },
            _ => return Err(Errno::ENOTDIR),
        }
        Ok(out)
    }
}

impl FileOps for Dir {
    fn seekable(&self) -> bool {
        true
    }

    /// A directory is as long as it says, and most say 0 (`generic_file_llseek`).
    fn seek(&self, offset: i64, whence: Whence) -> Result<u64, Errno> {
        let size = self.0.status().size;
        match whence {
            Whence::End => size.checked_add_signed(offset).ok_or(Errno::EINVAL),
            _ => Err(Errno::EINVAL),
        }
    }

    fn read_at(&self, _: &mut dyn IoDst, _: u64) -> Result<usize, Errno> {
        Err(Errno::EISDIR)
    }

    fn stat(&self) -> Result<Stat, Errno> {
        Ok(self.0.status())
    }

    fn read_dir(&self, from: u64, emit: &mut dyn FnMut(&DirEntry) -> bool) -> Result<(), Errno> {
        let is_net = matches!(self.0.what, What::Per { what: PerTask::Net, .. });
        self.0.alive().map_err(|_| if is_net { Errno::EINVAL } else { Errno::ENOENT })?;
        let kind = crate::mode::IFDIR;
        for (at, name) in [(1, "."), (2, "..")] {
            let e = DirEntry { ino: self.0.ino(), kind, name: name.into(), next: at };
            if from < at && !emit(&e) {
                return Ok(());
            }
        }
        for (at, name, what) in self.names()? {
            if from >= at {
                continue;
            }
            let child = Node { source: self.0.source.clone(), what };
            let e = DirEntry {
                ino: child.ino(),
                kind: child.kind(),
                name: name.into_bytes(),
                next: at,
            };
            if !emit(&e) {
                break;
            }
        }
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
