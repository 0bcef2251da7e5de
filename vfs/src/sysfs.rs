//! The few files of sysfs that programs read to learn about the machine.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use arch::BufSrc;
use syserr::Errno;

use crate::memfs::{Node, for_sysfs};
use crate::{Create, Env, FileOps, SuperBlock, mode};

/// A sysfs for a machine with `cpus` processors. Nothing in it changes.
///
/// # Errors
/// `ENOSPC` without memory.
pub fn sysfs(env: &Arc<Env>, cpus: usize) -> Result<Arc<SuperBlock>, Errno> {
    let made = for_sysfs(env)?;
    let root = Node::of(&made.root)?.arc()?;
    let range = match cpus {
        0 | 1 => String::from("0\n"),
        n => format!("0-{}\n", n - 1),
    };
    let cpu = directory(&root, &["devices", "system", "cpu"])?;
    for name in ["online", "possible", "present"] {
        file(&cpu, name, &range)?;
    }
    // The highest number that the kernel has room for; readers size their sets by it.
    file(&cpu, "kernel_max", &format!("{}\n", cpus.max(256) - 1))?;
    file(&cpu, "offline", "\n")?;
    file(&cpu, "isolated", "\n")?;
    let all = mask(cpus.max(1), |_| true);
    for i in 0..cpus.max(1) {
        let one = directory(&cpu, &[&format!("cpu{i}")])?;
        let topology = directory(&one, &["topology"])?;
        file(&topology, "core_id", &format!("{i}\n"))?;
        let own = mask(cpus.max(1), |c| c == i);
        for name in ["physical_package_id", "die_id", "cluster_id"] {
            file(&topology, name, "0\n")?;
        }
        for name in ["thread_siblings", "core_cpus"] {
            file(&topology, name, &own)?;
            file(&topology, &format!("{name}_list"), &format!("{i}\n"))?;
        }
        for name in ["core_siblings", "package_cpus", "die_cpus"] {
            file(&topology, name, &all)?;
            file(&topology, &format!("{name}_list"), &range)?;
        }
    }
    let node = directory(&root, &["devices", "system", "node"])?;
    for name in ["online", "possible", "has_cpu", "has_memory", "has_normal_memory"] {
        file(&node, name, "0\n")?;
    }
    let node0 = directory(&node, &["node0"])?;
    file(&node0, "cpulist", &range)?;
    file(&node0, "cpumap", &all)?;
    file(&node0, "distance", "10\n")?;
    let huge = directory(&root, &["kernel", "mm", "transparent_hugepage"])?;
    file(&huge, "enabled", "always [madvise] never\n")?;
    file(&huge, "hpage_pmd_size", "2097152\n")?;
    directory(&root, &["fs", "cgroup"])?;
    for name in ["block", "bus", "firmware", "module", "power"] {
        directory(&root, &[name])?;
    }
    for name in ["block", "char"] {
        directory(&root, &["dev", name])?;
    }
    loopback(&root)?;
    for d in DEVICES {
        d.show(&root)?;
    }
    Ok(made)
}

/// The processors below `cpus` that `has` picks, as sysfs writes sets: hexadecimal words of 32
/// bits, the highest first, all but the first in full width (`bitmap_string`, lib/vsprintf.c).
fn mask(cpus: usize, has: impl Fn(usize) -> bool) -> String {
    let mut out = String::new();
    for word in (0..cpus.div_ceil(32)).rev() {
        let range = word * 32..cpus.min((word + 1) * 32);
        let bits = range.clone().filter(|c| has(*c)).fold(0u32, |b, c| b | 1 << (c % 32));
        let width = range.len().div_ceil(4);
        out += &format!("{bits:0width$x}{}", if word == 0 { "\n" } else { "," });
    }
    out
}

/// The one network interface.
fn loopback(root: &Arc<Node>) -> Result<(), Errno> {
    let lo = directory(root, &["devices", "virtual", "net", "lo"])?;
    let texts = [
        ("address", "00:00:00:00:00:00\n"),
        ("broadcast", "00:00:00:00:00:00\n"),
        ("addr_len", "6\n"),
        ("carrier", "1\n"),
        ("dormant", "0\n"),
        ("flags", "0x9\n"),
        ("ifindex", "1\n"),
        ("iflink", "1\n"),
        ("link_mode", "0\n"),
        ("mtu", "65536\n"),
        ("operstate", "unknown\n"),
        ("tx_queue_len", "1000\n"),
        ("type", "772\n"),
        ("uevent", "INTERFACE=lo\nIFINDEX=1\n"),
    ];
    for (name, text) in texts {
        file(&lo, name, text)?;
    }
    link(&lo, "subsystem", "../../../../class/net")?;
    link(&directory(root, &["class", "net"])?, "lo", "../../devices/virtual/net/lo")
}

/// A character device that is in `/dev`.
struct Device {
    subsystem: &'static str,
    name: &'static str,
    number: (u32, u32),
}

const DEVICES: &[Device] = &[
    Device { subsystem: "mem", name: "null", number: (1, 3) },
    Device { subsystem: "mem", name: "zero", number: (1, 5) },
    Device { subsystem: "mem", name: "full", number: (1, 7) },
    Device { subsystem: "mem", name: "random", number: (1, 8) },
    Device { subsystem: "mem", name: "urandom", number: (1, 9) },
    Device { subsystem: "tty", name: "tty", number: (5, 0) },
    Device { subsystem: "tty", name: "ptmx", number: (5, 2) },
];

impl Device {
    /// By its place, its class and its number.
    fn show(&self, root: &Arc<Node>) -> Result<(), Errno> {
        let Device { subsystem, name, number: (major, minor) } = self;
        let device = directory(root, &["devices", "virtual", subsystem, name])?;
        file(&device, "dev", &format!("{major}:{minor}\n"))?;
        let event = format!("MAJOR={major}\nMINOR={minor}\nDEVNAME={name}\nDEVMODE=0666\n");
        file(&device, "uevent", &event)?;
        link(&device, "subsystem", &format!("../../../../class/{subsystem}"))?;
        let place = format!("../../devices/virtual/{subsystem}/{name}");
        link(&directory(root, &["class", subsystem])?, name, &place)?;
        link(&directory(root, &["dev", "char"])?, &format!("{major}:{minor}"), &place)
    }
}

fn create(mode: u32) -> Create<'static> {
    Create { mode, ..Create::default() }
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

fn link(at: &Arc<Node>, name: &str, target: &str) -> Result<(), Errno> {
    let target = target.as_bytes();
    at.make(name.as_bytes(), &Create { target, ..create(mode::IFLNK | 0o777) })?;
    Ok(())
}

fn file(at: &Node, name: &str, text: &str) -> Result<(), Errno> {
    let n = at.make(name.as_bytes(), &create(mode::IFREG | 0o444))?;
    n.write_at(&mut BufSrc::new(text.as_bytes()), 0)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn sets_of_processors() {
        assert_eq!(mask(2, |_| true), "3\n");
        assert_eq!(mask(5, |c| c == 0), "01\n");
        assert_eq!(mask(40, |c| c == 32), "01,00000000\n");
        assert_eq!(mask(64, |c| c != 31), "ffffffff,7fffffff\n");
    }
}
