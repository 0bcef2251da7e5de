//! Files about the whole system.

use super::{config, line};
use crate::ns::{Namespaces, Offsets, OwnClock};
use crate::task::CpuTimes;
use crate::usage::{TICK, ticks};
use crate::{ClockId, Kernel, PidNamespace};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;
use vfs::proc::SystemFile;
use vfs::{FdTable, UserNs};

const SECOND: i64 = 1_000_000_000;

fn uuid(mut b: [u8; 16]) -> String {
    b[6] = b[6] & 0x0f | 0x40;
    b[8] = b[8] & 0x3f | 0x80;
    let mut out = String::new();
    for (i, byte) in b.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        out += &format!("{byte:02x}");
    }
    out
}

/// The PID namespace of a task, or when that has ended the initial one.
pub(super) fn pids_of(k: &Kernel, reader: i32) -> Arc<PidNamespace> {
    let reader = k.task(reader);
    reader.as_ref().map_or(k.pid_ns(), |t| t.pid_ns()).clone()
}

/// What was handed out last as an ID.
pub(super) fn last_pid(k: &Kernel, pids: &PidNamespace) -> i32 {
    if pids.is_initial() { k.tree().last_id() } else { pids.last() }
}

/// One more than the highest ID.
pub(super) fn pid_max(k: &Kernel, pids: &PidNamespace) -> i32 {
    if pids.is_initial() { k.tree().pids().max() } else { pids.max() }
}

pub(super) fn loadavg(k: &Kernel, pids: &PidNamespace) -> Vec<u8> {
    format!("0.00 0.00 0.00 1/{} {}\n", k.task_count(), last_pid(k, pids)).into_bytes()
}

pub(super) fn text(
    k: &Kernel,
    ns: &Namespaces,
    reader: &UserNs,
    file: SystemFile,
    boot_id: &[u8; 16],
) -> Vec<u8> {
    let uts = ns.uts.names();
    let shown = |b: &[u8]| {
        let mut v = b.to_vec();
        v.push(b'\n');
        v
    };
    match file {
        SystemFile::Cmdline => line("tessera"),
        SystemFile::Cpuinfo => super::cpuinfo::text(&*k.embedder().platform),
        SystemFile::Devices => {
            b"Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/ptmx\n136 pts\n\nBlock devices:\n"
                .to_vec()
        }
        SystemFile::Filesystems => filesystems(k),
        SystemFile::Interrupts | SystemFile::Misc | SystemFile::Modules => Vec::new(),
        // They depend on PID namespaces.
        SystemFile::Loadavg
        | SystemFile::NsLastPid
        | SystemFile::PidMax
        | SystemFile::Locks
        | SystemFile::Keys
        | SystemFile::SysvMsg
        | SystemFile::SysvShm => Vec::new(),
        SystemFile::Meminfo => meminfo(k),
        SystemFile::Partitions => b"major minor  #blocks  name\n\n".to_vec(),
        SystemFile::Stat => stat(k, ns.time.offsets()),
        SystemFile::Swaps => b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n".to_vec(),
        SystemFile::Uptime => uptime(k, ns.time.offsets()),
        SystemFile::Version => {
            let (release, version) =
                (String::from_utf8_lossy(&uts.release), String::from_utf8_lossy(&uts.version));
            line(format!("Linux version {release} (tessera) {version}"))
        }
        SystemFile::Vmstat => {
            let used = k.embedder().platform.memory().used() / 4096;
            let free = k.memory_total() / 4096 - used.min(k.memory_total() / 4096);
            format!("nr_free_pages {free}\npgpgin 0\npgpgout 0\npswpin 0\npswpout 0\npgfault 0\npgmajfault 0\n")
                .into_bytes()
        }
        SystemFile::CapLastCap => line(vfs::cap::LAST),
        SystemFile::Domainname => shown(&uts.domain),
        SystemFile::Hostname => shown(&uts.host),
        SystemFile::MaxUserNamespaces => {
            line(reader.counts().unwrap_or(k.vfs().env().user_namespaces()).most())
        }
        SystemFile::NgroupsMax => line(65536),
        SystemFile::Osrelease => shown(&uts.release),
        SystemFile::Ostype => line("Linux"),
        SystemFile::PingGroupRange => {
            let (first, last) = ns.net.ping_groups();
            let shown = |g| reader.show_gid(g);
            line(format!("{}\t{}", shown(first), shown(last)))
        }
        SystemFile::LocalPortRange => {
            let limits = ns.net.port_limits();
            line(format!("{}\t{}", limits.first, limits.last))
        }
        SystemFile::UnprivilegedPortStart => line(ns.net.port_limits().unprivileged),
        SystemFile::NetKept(name, at_first) => ns.net.settings().text(name, at_first),
        SystemFile::LoopbackTag => line(ns.net.tag.load(Relaxed)),
        SystemFile::NrOpen => line(k.vfs().settings().nr_open()),
        SystemFile::PipeUserPages { hard } => {
            let users = k.vfs().settings().pipe_users();
            line(if hard { &users.hard } else { &users.soft }.load(Relaxed))
        }
        SystemFile::BootId => line(uuid(*boot_id)),
        SystemFile::EntropyAvail => line(vfs::dev::POOL_BITS),
        SystemFile::Uuid => {
            let mut b = [0; 16];
            k.embedder().random.fill(&mut b);
            line(uuid(b))
        }
        SystemFile::SchedAutogroup => line(0),
        SystemFile::ThreadsMax => line(62000),
        SystemFile::MmapMinAddr => line(crate::image::lowest_address(&*k.embedder().platform).0),
        SystemFile::KernelVersion => shown(&uts.version),
        SystemFile::CorePattern => shown(&k.core_settings().pattern()),
        SystemFile::CoreUsesPid => line(k.core_settings().uses_pid()),
        SystemFile::SuidDumpable => line(k.core_settings().suid_dumpable()),
        SystemFile::LeaseBreakTime => line(k.vfs().lease_rules().break_time()),
        SystemFile::FileMax => line(i64::MAX),
        SystemFile::FileNr => line(format!("{}\t0\t{}", open_files(k), i64::MAX)),
        SystemFile::SysvSem => ns.ipc.objects.list_sem(reader).into_bytes(),
        SystemFile::KeyUsers => k.keys().list_users(reader),
        SystemFile::Key(limit) => line(k.keys().limits().get(limit)),
        SystemFile::AioNr => line(k.aio().requests()),
        SystemFile::AioMaxNr => line(k.aio().most()),
        SystemFile::Mqueue(limit) => line(ns.ipc.queues.limits.get(limit)),
        SystemFile::Sched(which) => line(k.sched_settings().get(which)),
        SystemFile::Config => config::compressed(),
        SystemFile::MountMax => line(k.vfs().mount_max()),
        SystemFile::PipeMaxSize => line(k.vfs().settings().pipe_max_size()),
        SystemFile::MaxMapCount => line(k.max_map_count().get()),
        SystemFile::OvercommitMemory => line(k.overcommit().mode() as u8),
        SystemFile::Overcommit(which) => line(k.overcommit().setting(which)),
        SystemFile::Protected(what) => line(k.vfs().settings().protected(what)),
        SystemFile::Ipc(limit) => line(ns.ipc.objects.limits.text(limit)),
        SystemFile::IpcNextId(kind) => line(ns.ipc.objects.next_id(kind)),
        SystemFile::Kept(name, at_first) => k.kept_settings().text(name, at_first),
        SystemFile::Fixed(text) => text.as_bytes().to_vec(),
    }
}

/// Descriptors that are open in all tables.
fn open_files(k: &Kernel) -> usize {
    let tables: BTreeMap<usize, Arc<FdTable>> = k
        .tasks()
        .into_iter()
        .filter_map(|t| t.resources.lock().files.clone())
        .map(|files| (Arc::as_ptr(&files) as usize, files))
        .collect();
    tables.values().map(|files| files.count()).sum()
}

/// Nanoseconds since the kernel was made.
fn since_boot(k: &Kernel) -> i64 {
    k.now(ClockId::Monotonic).saturating_sub(k.boot_time().0).max(0)
}

fn idle(k: &Kernel, used: CpuTimes) -> u64 {
    let all = (since_boot(k) as u64).saturating_mul(k.embedder().platform.cpus() as u64);
    all.saturating_sub(used.total())
}

fn uptime(k: &Kernel, clocks: Offsets) -> Vec<u8> {
    let hundredths = |ns: u64| (ns / SECOND as u64, ns % SECOND as u64 / TICK as u64);
    let (up, rest) = hundredths(clocks.shown(OwnClock::Boottime, since_boot(k)).max(0) as u64);
    let (idle, idle_rest) = hundredths(idle(k, k.used()));
    format!("{up}.{rest:02} {idle}.{idle_rest:02}\n").into_bytes()
}

fn stat(k: &Kernel, clocks: Offsets) -> Vec<u8> {
    let cpus = k.embedder().platform.cpus() as u64;
    let used = k.used();
    let idle = idle(k, used);
    let row = |name: &str, share: u64| {
        format!(
            "{name} {} 0 {} {} 0 0 0 0 0 0\n",
            ticks(used.user / share),
            ticks(used.system / share),
            ticks(idle / share)
        )
    };
    let mut out = row("cpu ", 1);
    for i in 0..cpus {
        out += &row(&format!("cpu{i}"), cpus);
    }
    out += &format!(
        "intr 0\nctxt {}\nbtime {}\nprocesses {}\nprocs_running 1\nprocs_blocked 0\n\
         softirq 0 0 0 0 0 0 0 0 0 0 0\n",
        used.waits.saturating_add(used.interruptions),
        clocks.boot(k.boot_time().1) / SECOND,
        k.forks()
    );
    out.into_bytes()
}

fn meminfo(k: &Kernel) -> Vec<u8> {
    let total = k.memory_total() / 1024;
    let memory = k.embedder().platform.memory();
    let used = (memory.used() / 1024).min(total);
    let kernel = (memory.overhead() / 1024).min(total - used);
    let free = total - used - kernel;
    let rows = [
        ("MemTotal", total),
        ("MemFree", free),
        ("MemAvailable", free),
        ("Buffers", 0),
        ("Cached", 0),
        ("SwapCached", 0),
        ("Active", used),
        ("Inactive", 0),
        ("Active(anon)", used),
        ("Inactive(anon)", 0),
        ("Active(file)", 0),
        ("Inactive(file)", 0),
        ("Unevictable", 0),
        ("Mlocked", 0),
        ("SwapTotal", 0),
        ("SwapFree", 0),
        ("Dirty", 0),
        ("Writeback", 0),
        ("AnonPages", used),
        ("Mapped", 0),
        ("Shmem", 0),
        ("KReclaimable", 0),
        ("Slab", kernel),
        ("SReclaimable", 0),
        ("SUnreclaim", kernel),
        ("KernelStack", 0),
        ("PageTables", 0),
        ("SecPageTables", 0),
        ("NFS_Unstable", 0),
        ("Bounce", 0),
        ("WritebackTmp", 0),
        ("CommitLimit", k.overcommit().limit() / 1024),
        ("Committed_AS", k.overcommit().committed() / 1024),
        ("VmallocTotal", 34_359_738_367),
        ("VmallocUsed", 0),
        ("VmallocChunk", 0),
        ("Percpu", 0),
        ("AnonHugePages", 0),
        ("ShmemHugePages", 0),
        ("ShmemPmdMapped", 0),
        ("FileHugePages", 0),
        ("FilePmdMapped", 0),
    ];
    let mut out = String::new();
    for (name, kb) in rows {
        out += &format!("{:<16}{kb:8} kB\n", format!("{name}:"));
    }
    out += "HugePages_Total:       0\nHugePages_Free:        0\nHugePages_Rsvd:        0\n\
            HugePages_Surp:        0\nHugepagesize:       2048 kB\nHugetlb:               0 kB\n";
    out.into_bytes()
}

/// Types of file systems, in the order of `/proc/filesystems`.
pub(crate) fn file_system_names(k: &Kernel) -> Vec<&'static str> {
    let mut names = alloc::vec!["pipefs", "sockfs", "overlay"];
    names.extend(k.vfs().types());
    names
}

fn filesystems(k: &Kernel) -> Vec<u8> {
    let mut out = String::new();
    for n in file_system_names(k) {
        out += &format!("nodev\t{n}\n");
    }
    out.into_bytes()
}
