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

fn options(flags: MountFlags) -> String {
    let mut s = String::from(if flags.contains(MountFlags::RDONLY) { "ro" } else { "rw" });
    let names = [
        (MountFlags::NOSUID, ",nosuid"),
        (MountFlags::NODEV, ",nodev"),
        (MountFlags::NOEXEC, ",noexec"),
        (MountFlags::NOATIME, ",noatime"),
        (MountFlags::NODIRATIME, ",nodiratime"),
        (MountFlags::RELATIME, ",relatime"),
    ];
    for (flag, name) in names {
        if flags.contains(flag) {
            s += name;
        }
    }
    s
}

/// Where a mount shows in the task's tree; nothing when it lies outside of its root.
fn point(m: &Arc<Mount>, root: &Path) -> Option<Vec<u8>> {
    let path = m.point().map_or_else(|| b"/".to_vec(), |p| p.display(Some(root)));
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

fn super_options(m: &Mount, out: &mut Vec<u8>) {
    let own = &m.super_block().options;
    if !own.is_empty() {
        out.push(b',');
        out.extend_from_slice(own);
    }
}

pub(super) fn mounts(kernel: &Kernel, task: &Task) -> Vec<u8> {
    let mut out = Vec::new();
    each(kernel, task, |m, at| {
        let sb = m.super_block();
        escape(if sb.source.is_empty() { b"none" } else { &sb.source }, &mut out);
        out.push(b' ');
        escape(at, &mut out);
        out.extend_from_slice(format!(" {} {}", sb.kind, options(m.flags())).as_bytes());
        super_options(m, &mut out);
        out.extend_from_slice(b" 0 0\n");
    });
    out
}

pub(super) fn mountinfo(kernel: &Kernel, task: &Task) -> Vec<u8> {
    let mut out = Vec::new();
    each(kernel, task, |m, at| {
        let sb = m.super_block();
        let parent = m.point().map_or(0, |p| p.mount().id());
        let (major, minor) = split_dev(sb.dev);
        out.extend_from_slice(format!("{} {parent} {major}:{minor} ", m.id()).as_bytes());
        escape(&m.root_path(), &mut out);
        out.push(b' ');
        escape(at, &mut out);
        out.extend_from_slice(format!(" {} - {} ", options(m.flags()), sb.kind).as_bytes());
        escape(if sb.source.is_empty() { b"none" } else { &sb.source }, &mut out);
        out.extend_from_slice(b" rw");
        super_options(m, &mut out);
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
