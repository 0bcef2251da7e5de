//! `/proc/PID/mounts`, `mountinfo` and `mountstats`.

use crate::{Kernel, Task};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use vfs::{Mount, MountFlags, Path, split_dev};

/// Blanks and backslashes as octal (`seq_path`, `mangle`).
fn escape(text: &[u8], out: &mut Vec<u8>) {
    for c in text {
        match c {
            b' ' | b'\t' | b'\n' | b'\\' | b'#' => {
                out.extend_from_slice(format!("\\{c:03o}").as_bytes());
            }
            _ => out.push(*c),
        }
    }
}

/// The mount's own options.
fn options(flags: MountFlags) -> String {
    let mut s = String::from(if flags.contains(MountFlags::RDONLY) { "ro" } else { "rw" });
    let names = [
        (MountFlags::NOSUID, ",nosuid"),
        (MountFlags::NODEV, ",nodev"),
        (MountFlags::NOEXEC, ",noexec"),
        (MountFlags::NOATIME, ",noatime"),
        (MountFlags::NODIRATIME, ",nodiratime"),
        (MountFlags::RELATIME, ",relatime"),
        (MountFlags::NOSYMFOLLOW, ",nosymfollow"),
    ];
    for (flag, name) in names {
        if flags.contains(flag) {
            s += name;
        }
    }
    s
}

/// The mount's own flags, and whether its file system can be written to.
fn shown_flags(m: &Mount) -> MountFlags {
    let mut flags = m.flags();
    flags.set(
        MountFlags::RDONLY,
        flags.contains(MountFlags::RDONLY) || m.super_block().state.is_read_only(),
    );
    flags
}

/// Where a mount shows in the task's tree; nothing when it lies outside of its root.
fn point(m: &Arc<Mount>, root: &Path) -> Option<Vec<u8>> {
    let path = Path::of_mount(m).display(Some(root));
    (!path.starts_with(b"(unreachable)")).then_some(path)
}

fn each(kernel: &Kernel, task: &Task, mut show: impl FnMut(&Arc<Mount>, &[u8])) {
    let root = task.fs().root();
    for m in kernel.vfs().mounts() {
        if let Some(at) = point(&m, &root) {
            show(&m, &at);
        }
    }
}

/// Options of the file system beside whether it can be written to; empty for none.
pub(crate) fn super_options(m: &Mount) -> &[u8] {
    &m.super_block().options
}

fn add_super_options(m: &Mount, out: &mut Vec<u8>) {
    let own = super_options(m);
    if !own.is_empty() {
        out.push(b',');
        out.extend_from_slice(own);
    }
}

/// `shared:N` and its like.
fn add_propagation(kernel: &Kernel, m: &Mount, root: &Path, out: &mut Vec<u8>) {
    let p = m.propagation();
    let mut add = |name: &str, id: u32| {
        if id != 0 {
            out.extend_from_slice(format!(" {name}:{id}").as_bytes());
        }
    };
    add("shared", p.peers);
    add("master", p.master);
    if p.master != 0 {
        let from = kernel.vfs().dominating_peers(m, root);
        add("propagate_from", if from == p.master { 0 } else { from });
    }
    if p.unbindable {
        out.extend_from_slice(b" unbindable");
    }
}

pub(super) fn mounts(kernel: &Kernel, task: &Task) -> Vec<u8> {
    let mut out = Vec::new();
    each(kernel, task, |m, at| {
        let sb = m.super_block();
        escape(if sb.source.is_empty() { b"none" } else { &sb.source }, &mut out);
        out.push(b' ');
        escape(at, &mut out);
        out.extend_from_slice(format!(" {} {}", sb.kind, options(shown_flags(m))).as_bytes());
        add_super_options(m, &mut out);
        out.extend_from_slice(b" 0 0\n");
    });
    out
}

pub(super) fn mountinfo(kernel: &Kernel, task: &Task) -> Vec<u8> {
    let mut out = Vec::new();
    let root = task.fs().root();
    each(kernel, task, |m, at| {
        let sb = m.super_block();
        let parent = m.point().map_or(0, |p| p.mount().id());
        let (major, minor) = split_dev(sb.dev);
        out.extend_from_slice(format!("{} {parent} {major}:{minor} ", m.id()).as_bytes());
        escape(&m.root_path(), &mut out);
        out.push(b' ');
        escape(at, &mut out);
        out.extend_from_slice(format!(" {}", options(m.flags())).as_bytes());
        add_propagation(kernel, m, &root, &mut out);
        out.extend_from_slice(format!(" - {} ", sb.kind).as_bytes());
        escape(if sb.source.is_empty() { b"none" } else { &sb.source }, &mut out);
        out.extend_from_slice(if sb.state.is_read_only() { b" ro" } else { b" rw" });
        add_super_options(m, &mut out);
        out.push(b'\n');
    });
    out
}

pub(super) fn mountstats(kernel: &Kernel, task: &Task) -> Vec<u8> {
    let mut out = Vec::new();
    each(kernel, task, |m, at| {
        let sb = m.super_block();
        out.extend_from_slice(b"device ");
        escape(if sb.source.is_empty() { b"none" } else { &sb.source }, &mut out);
        out.extend_from_slice(b" mounted on ");
        escape(at, &mut out);
        out.extend_from_slice(format!(" with fstype {}\n", sb.kind).as_bytes());
    });
    out
}
