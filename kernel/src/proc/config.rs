//! `/proc/config.gz`: what a Linux kernel that does what this one does would be configured with.
//! Programs and test suites look there for what they may expect.

use alloc::string::String;
use alloc::vec::Vec;

/// What there is.
const PRESENT: &[&str] = &[
    "64BIT",
    "ADVISE_SYSCALLS",
    "AIO",
    "BINFMT_ELF",
    "BINFMT_SCRIPT",
    "CGROUPS",
    "CHECKPOINT_RESTORE",
    "COREDUMP",
    "CROSS_MEMORY_ATTACH",
    "DEVTMPFS",
    "DNOTIFY",
    "ELF_CORE",
    "EPOLL",
    "EVENTFD",
    "FHANDLE",
    "FILE_LOCKING",
    "FUTEX",
    "FUTEX_PI",
    "HIGH_RES_TIMERS",
    "IKCONFIG",
    "IKCONFIG_PROC",
    "INET",
    "INOTIFY_USER",
    "IPC_NS",
    "IPV6",
    "KCMP",
    "KEYS",
    "MEMBARRIER",
    "MEMFD_CREATE",
    "MMU",
    "MULTIUSER",
    "NAMESPACES",
    "NET",
    "NET_NS",
    "OVERLAY_FS",
    "PACKET",
    "PID_NS",
    "POSIX_MQUEUE",
    "POSIX_TIMERS",
    "PROC_CHILDREN",
    "PROC_FS",
    "PROC_PAGE_MONITOR",
    "PROC_SYSCTL",
    "SECCOMP",
    "SECCOMP_FILTER",
    "SECURITY_LANDLOCK",
    "SHMEM",
    "SIGNALFD",
    "SMP",
    "SYSCTL",
    "SYSFS",
    "SYSFS_SYSCALL",
    "SYSVIPC",
    "TIMERFD",
    "TIME_NS",
    "TMPFS",
    "TMPFS_POSIX_ACL",
    "TMPFS_XATTR",
    "TTY",
    "UNIX",
    "UNIX98_PTYS",
    "USER_NS",
    "UTS_NS",
    "X86",
    "X86_64",
];

/// What there is not, and is asked about.
const ABSENT: &[&str] = &[
    "BLK_DEV_LOOP",
    "BPF_SYSCALL",
    "BSD_PROCESS_ACCT",
    "FANOTIFY",
    "HUGETLBFS",
    "IO_URING",
    "KSM",
    "MEMCG",
    "MEM_SOFT_DIRTY",
    "MODULES",
    "NUMA",
    "PERF_EVENTS",
    "QUOTA",
    "RSEQ",
    "SECRETMEM",
    "SWAP",
    "TRANSPARENT_HUGEPAGE",
    "USERFAULTFD",
];

fn text() -> String {
    let mut out = String::from("#\n# Linux/x86 Kernel Configuration\n#\n");
    for name in PRESENT {
        out += "CONFIG_";
        out += name;
        out += "=y\n";
    }
    for name in ABSENT {
        out += "# CONFIG_";
        out += name;
        out += " is not set\n";
    }
    out
}

/// The text in a gzip file (RFC 1952), of blocks that are stored (RFC 1951).
pub(super) fn compressed() -> Vec<u8> {
    const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    let text = text();
    let mut out = HEAD.to_vec();
    let mut blocks = text.as_bytes().chunks(usize::from(u16::MAX)).peekable();
    while let Some(block) = blocks.next() {
        let len = block.len() as u16;
        out.push(u8::from(blocks.peek().is_none()));
        out.extend(len.to_le_bytes());
        out.extend((!len).to_le_bytes());
        out.extend(block);
    }
    out.extend(crc32(text.as_bytes()).to_le_bytes());
    out.extend((text.len() as u32).to_le_bytes());
    out
}

/// The sum of RFC 1952, section 8.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            sum >> 1 ^ if sum & 1 == 1 { 0xedb8_8320 } else { 0 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_that_of_the_rfc() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn what_is_compressed_is_the_text() {
        let (file, text) = (compressed(), text());
        assert_eq!(file.get(15..15 + text.len()), Some(text.as_bytes()));
        assert_eq!(file.len(), 10 + 5 + text.len() + 8);
    }
}
