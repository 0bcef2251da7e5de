//! The files in the directory of a group; Documentation/admin-guide/cgroup-v2.rst.

use super::table::sum;
use super::{Group, Hierarchy};
use crate::ns::CgroupNs;
use crate::{Kernel, PidNamespace};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;
use syserr::Errno;
use vfs::Creds;

/// A kind of file.
pub(super) struct FileKind {
    pub(super) name: &'static str,
    pub(super) what: What,
    pub(super) mode: u32,
    on_root: bool,
    /// Who was given the group as the root of a namespace may write it (`CFTYPE_NS_DELEGATABLE`).
    delegated: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Procs,
    Threads,
    Type,
    Controllers,
    SubtreeControl,
    Events,
    Stat,
    MaxDescendants,
    MaxDepth,
    Kill,
    CpuStat,
}

const fn file(name: &'static str, what: What, mode: u32, on_root: bool) -> FileKind {
    let delegated = matches!(what, What::Procs | What::Threads | What::SubtreeControl);
    FileKind { name, what, mode, on_root, delegated }
}

/// The place of `cgroup.procs` in [`FILES`].
pub(super) const PROCS: usize = 0;

pub(super) const FILES: &[FileKind] = &[
    file("cgroup.procs", What::Procs, 0o644, true),
    file("cgroup.threads", What::Threads, 0o644, true),
    file("cgroup.type", What::Type, 0o644, false),
    file("cgroup.controllers", What::Controllers, 0o444, true),
    file("cgroup.subtree_control", What::SubtreeControl, 0o644, true),
    file("cgroup.events", What::Events, 0o444, false),
    file("cgroup.stat", What::Stat, 0o444, true),
    file("cgroup.max.descendants", What::MaxDescendants, 0o644, true),
    file("cgroup.max.depth", What::MaxDepth, 0o644, true),
    file("cgroup.kill", What::Kill, 0o200, false),
    file("cpu.stat", What::CpuStat, 0o444, true),
];

/// The files of the root, or of another group, with their places in [`FILES`].
pub(super) fn files(root: bool) -> impl Iterator<Item = (usize, &'static FileKind)> {
    FILES.iter().enumerate().filter(move |(_, f)| f.on_root || !root)
}

pub(super) fn file_named(name: &[u8], root: bool) -> Option<usize> {
    files(root).find(|(_, f)| f.name.as_bytes() == name).map(|(at, _)| at)
}

/// Who has a file open, as it was when they opened it.
pub(super) struct Opener {
    pub(super) tid: i32,
    pub(super) creds: Creds,
    pub(super) pids: Arc<PidNamespace>,
    pub(super) ns: Arc<CgroupNs>,
}

fn limit(most: Option<u32>) -> String {
    most.map_or_else(|| "max\n".into(), |n| format!("{n}\n"))
}

fn lines(numbers: impl Iterator<Item = i32>) -> String {
    numbers.map(|n| format!("{n}\n")).collect()
}

impl Hierarchy {
    /// What reading a file gives.
    ///
    /// # Errors
    /// `ENODEV` when the group was removed; `EINVAL` for a file that is only written.
    pub(super) fn text(
        &self,
        kernel: &Kernel,
        group: &Group,
        what: What,
        pids: &PidNamespace,
    ) -> Result<Vec<u8>, Errno> {
        let text = match what {
            What::Procs => {
                let all = self.processes(kernel, group)?;
                lines(all.iter().map(|p| pids.number_of(p.tgid())))
            }
            What::Threads => {
                let all = self.processes(kernel, group)?;
                let threads = all.iter().flat_map(|p| p.threads());
                lines(threads.map(|t| pids.number_of(t.tid())))
            }
            What::Kill => return Err(Errno::EINVAL),
            What::CpuStat => self.cpu_stat(kernel, group)?,
            _ => {
                let table = self.table.lock();
                let node = table.get(group)?;
                match what {
                    What::Type => "domain\n".into(),
                    What::Events => {
                        format!("populated {}\nfrozen 0\n", u8::from(node.is_populated()))
                    }
                    What::Stat => {
                        format!("nr_descendants {}\nnr_dying_descendants 0\n", node.descendants)
                    }
                    What::MaxDescendants => limit(node.most_descendants),
                    What::MaxDepth => limit(node.most_levels),
                    // There are no controllers.
                    _ => String::new(),
                }
            }
        };
        Ok(text.into_bytes())
    }

    fn cpu_stat(&self, kernel: &Kernel, group: &Group) -> Result<String, Errno> {
        let (user, system) = if group.is_root() {
            let all = kernel.used();
            (all.user, all.system)
        } else {
            let (members, past) = {
                let table = self.table.lock();
                table.get(group)?;
                let all = table.subtree(group);
                let members = all.iter().flat_map(|n| n.members.values().cloned());
                let members: Vec<_> = members.collect();
                (members, all.iter().fold((0, 0), |s, n| sum(s, n.past)))
            };
            members.iter().fold(past, |s, m| sum(s, m.used()))
        };
        let (user, system) = (user / 1000, system / 1000);
        Ok(format!("usage_usec {}\nuser_usec {user}\nsystem_usec {system}\n", user + system))
    }

    /// Writes a file.
    ///
    /// # Errors
    /// `ENODEV`; `EINVAL` and `ERANGE` for what cannot be written; `EPERM` for the limits of a
    /// namespace's own root, with `nsdelegate`; those of moving processes; `EOPNOTSUPP` for a group
    /// that is to be threaded.
    pub(super) fn write(
        &self,
        kernel: &Kernel,
        group: &Arc<Group>,
        file: &FileKind,
        text: &[u8],
        by: &Opener,
    ) -> Result<(), Errno> {
        let text = core::str::from_utf8(text).map_err(|_| Errno::EINVAL)?.trim();
        let own_root = by.ns.root().is_some_and(|r| Arc::ptr_eq(r, group));
        if self.delegates.load(Relaxed) && own_root && !file.delegated {
            return Err(Errno::EPERM);
        }
        let live = || self.table.lock().get(group).map(|_| ());
        match file.what {
            What::Procs | What::Threads => {
                let number: i32 = text.parse().map_err(|_| Errno::EINVAL)?;
                let tid = match number {
                    0 => Some(by.tid),
                    n if n < 0 => return Err(Errno::EINVAL),
                    n => by.pids.id_of(n),
                };
                let thread = file.what == What::Threads;
                self.move_task(kernel, tid, group, (&by.creds, &by.ns), thread)
            }
            What::Type if text == "threaded" => live().and(Err(Errno::EOPNOTSUPP)),
            What::SubtreeControl if text.is_empty() => live(),
            What::MaxDescendants | What::MaxDepth => {
                let most = match text {
                    "max" => None,
                    n => {
                        let n: i32 = n.parse().map_err(|_| Errno::EINVAL)?;
                        Some(u32::try_from(n).map_err(|_| Errno::ERANGE)?)
                    }
                };
                self.set_limit(group, file.what == What::MaxDescendants, most)
            }
            What::Kill => {
                let n: i32 = text.parse().map_err(|_| Errno::EINVAL)?;
                if n != 1 {
                    return Err(Errno::ERANGE);
                }
                live()?;
                self.kill(kernel, group);
                Ok(())
            }
            _ => Err(Errno::EINVAL),
        }
    }
}
