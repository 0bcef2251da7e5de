//! `/proc/PID/mounts`, `mountinfo` and `mountstats`.

use crate::{Kernel, Task};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use vfs::proc::{Piece, TaskFile};
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

/// How many mounts one piece of a list looks at: whoever makes many waits for them itself.
const MOUNTS_MAX: usize = 256;
/// Bytes of a piece, about.
const SIZE: usize = 4096;

/// The lines of the mounts with the IDs from `from` on, a piece of them.
pub(super) fn piece(kernel: &Kernel, task: &Task, file: TaskFile, from: u64) -> Piece {
    let line = match file {
        TaskFile::Mounts => mounts,
        TaskFile::Mountinfo => mountinfo,
        _ => mountstats,
    };
    let fs = task.fs();
    let (root, ns) = (fs.root(), fs.namespace());
    let mut text = Vec::new();
    let found = ns.map(|ns| kernel.vfs().mounts_from(&ns, from, MOUNTS_MAX)).unwrap_or_default();
    let mut next = found.get(MOUNTS_MAX - 1).map(|m| m.id() + 1);
    for m in &found {
        // What lies outside of the task's root does not show.
        if let Some(at) = Path::of_mount(m).below(&root) {
            line(kernel, &root, m, &at, &mut text);
        }
        if text.len() >= SIZE {
            next = Some(m.id() + 1);
            break;
        }
    }
    Piece { text, next }
}

/// The whole list.
pub(super) fn all(kernel: &Kernel, task: &Task, file: TaskFile) -> Vec<u8> {
    let (mut text, mut from) = (Vec::new(), Some(0));
    while let Some(at) = from {
        let piece = piece(kernel, task, file, at);
        text.extend(piece.text);
        from = piece.next;
    }
    text
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

fn source(m: &Mount) -> &[u8] {
    let source = &m.super_block().source;
    if source.is_empty() { b"none" } else { source }
}

fn mounts(_: &Kernel, _: &Path, m: &Arc<Mount>, at: &[u8], out: &mut Vec<u8>) {
    escape(source(m), out);
    out.push(b' ');
    escape(at, out);
    let kind = m.super_block().kind;
    out.extend_from_slice(format!(" {kind} {}", options(shown_flags(m))).as_bytes());
    add_super_options(m, out);
    out.extend_from_slice(b" 0 0\n");
}

fn mountinfo(kernel: &Kernel, root: &Path, m: &Arc<Mount>, at: &[u8], out: &mut Vec<u8>) {
    let sb = m.super_block();
    let parent = m.point().map_or(0, |p| p.mount().id());
    let (major, minor) = split_dev(sb.dev);
    out.extend_from_slice(format!("{} {parent} {major}:{minor} ", m.id()).as_bytes());
    escape(&m.root_path(), out);
    out.push(b' ');
    escape(at, out);
    out.extend_from_slice(format!(" {}", options(m.flags())).as_bytes());
    add_propagation(kernel, m, root, out);
    out.extend_from_slice(format!(" - {} ", sb.kind).as_bytes());
    escape(source(m), out);
    out.extend_from_slice(if sb.state.is_read_only() { b" ro" } else { b" rw" });
    add_super_options(m, out);
    out.push(b'\n');
}

fn mountstats(_: &Kernel, _: &Path, m: &Arc<Mount>, at: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"device ");
    escape(source(m), out);
    out.extend_from_slice(b" mounted on ");
    escape(at, out);
    out.extend_from_slice(format!(" with fstype {}\n", m.super_block().kind).as_bytes());
}
