//! The few files of sysfs that programs read to learn about the machine.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use arch::BufSrc;
use syserr::Errno;

use crate::memfs::Node;
use crate::{Create, Env, FileOps, MemOptions, SuperBlock, mode, tmpfs};

/// A sysfs for a machine with `cpus` processors; mount it read-only.
///
/// # Errors
/// `ENOSPC` without memory.
pub fn sysfs(env: &Arc<Env>, cpus: usize) -> Result<Arc<SuperBlock>, Errno> {
    let options = MemOptions { mode: 0o555, ..MemOptions::default() };
    let made = tmpfs(env, options, b"sysfs")?;
    let root = Node::of(&made.root)?.arc()?;
    let range = match cpus {
        0 | 1 => String::from("0\n"),
        n => format!("0-{}\n", n - 1),
    };
    let cpu = directory(&root, &["devices", "system", "cpu"])?;
    for name in ["online", "possible", "present"] {
        file(&cpu, name, &range)?;
    }
    for i in 0..cpus.max(1) {
        let one = directory(&cpu, &[&format!("cpu{i}")])?;
        let topology = directory(&one, &["topology"])?;
        file(&topology, "core_id", &format!("{i}\n"))?;
        file(&topology, "physical_package_id", "0\n")?;
        file(&topology, "thread_siblings_list", &format!("{i}\n"))?;
    }
    let node = directory(&root, &["devices", "system", "node"])?;
    file(&node, "online", "0\n")?;
    let node0 = directory(&node, &["node0"])?;
    file(&node0, "cpulist", &range)?;
    let huge = directory(&root, &["kernel", "mm", "transparent_hugepage"])?;
    file(&huge, "enabled", "always [madvise] never\n")?;
    file(&huge, "hpage_pmd_size", "2097152\n")?;
    directory(&root, &["fs", "cgroup"])?;
    for name in ["block", "bus", "class", "dev", "firmware", "module", "power"] {
        directory(&root, &[name])?;
    }
    Ok(Arc::new(SuperBlock {
        kind: "sysfs",
        source: made.source.clone(),
        options: made.options.clone(),
        dev: made.dev,
        validity: made.validity,
        root: made.root.clone(),
    }))
}

fn create(mode: u32) -> Create<'static> {
    Create { mode, uid: 0, gid: 0, rdev: 0, target: &[] }
}

fn directory(at: &Arc<Node>, names: &[&str]) -> Result<Arc<Node>, Errno> {
    let mut at = at.clone();
    for name in names {
        at = match at.find(name.as_bytes()) {
            Ok(n) => n,
            Err(_) => at.make(name.as_bytes(), &create(mode::IFDIR | 0o755))?,
        };
    }
    Ok(at)
}

fn file(at: &Node, name: &str, text: &str) -> Result<(), Errno> {
    let n = at.make(name.as_bytes(), &create(mode::IFREG | 0o444))?;
    n.write_at(&mut BufSrc::new(text.as_bytes()), 0)?;
    Ok(())
}
