//! The names in `/proc`, as data.

use super::source::{
    IpcKind, IpcLimit, KeyLimit, MqueueLimit, NetTable, SchedSetting, SystemFile as S,
    TaskFile as T,
};
use crate::Protected;
use mm::OvercommitSetting;

/// A name with fixed contents of a kind.
pub(super) enum Fixed {
    Dir(&'static [(&'static str, Fixed)]),
    /// Mode and what it shows.
    File(u32, S),
    Link(&'static str),
    /// The kernel's log.
    Log,
}

use Fixed::{Dir, File, Link, Log};

const fn ro(s: S) -> Fixed {
    File(0o444, s)
}

const fn rw(s: S) -> Fixed {
    File(0o644, s)
}

pub(super) const fn text(s: &'static str) -> Fixed {
    File(0o644, S::Fixed(s))
}

/// A setting that nothing here depends on: it shows what was written last.
const fn kept(name: &'static str, at_first: &'static str) -> Fixed {
    File(0o644, S::Kept(name, at_first))
}

/// Pressure of a resource: nobody measures how long guests wait for the host's.
const CALM: Fixed = File(
    0o444,
    S::Fixed(
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
    ),
);

/// A list of slabs without any (`print_slabinfo_header` in mm/slab_common.c).
const SLABINFO: &str = "slabinfo - version: 2.1\n# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>\n";

/// What `/proc` has beside processes.
pub(super) static ROOT: &[(&str, Fixed)] = &[
    ("cgroups", File(0o444, S::Fixed("#subsys_name\thierarchy\tnum_cgroups\tenabled\n"))),
    ("cmdline", ro(S::Cmdline)),
    ("config.gz", ro(S::Config)),
    ("cpuinfo", ro(S::Cpuinfo)),
    ("devices", ro(S::Devices)),
    ("diskstats", File(0o444, S::Fixed(""))),
    ("filesystems", ro(S::Filesystems)),
    ("interrupts", ro(S::Interrupts)),
    ("key-users", ro(S::KeyUsers)),
    ("keys", ro(S::Keys)),
    ("kmsg", Log),
    ("loadavg", ro(S::Loadavg)),
    ("locks", ro(S::Locks)),
    ("meminfo", ro(S::Meminfo)),
    ("misc", ro(S::Misc)),
    ("modules", ro(S::Modules)),
    ("mounts", Link("self/mounts")),
    ("net", Link("self/net")),
    ("partitions", ro(S::Partitions)),
    ("pressure", Dir(&[("cpu", CALM), ("io", CALM), ("memory", CALM)])),
    // Nothing here is made in slabs.
    ("slabinfo", File(0o400, S::Fixed(SLABINFO))),
    ("stat", ro(S::Stat)),
    ("swaps", ro(S::Swaps)),
    ("sys", Dir(SYS)),
    ("sysvipc", Dir(&[("msg", ro(S::SysvMsg)), ("sem", ro(S::SysvSem)), ("shm", ro(S::SysvShm))])),
    ("uptime", ro(S::Uptime)),
    ("version", ro(S::Version)),
    ("vmstat", ro(S::Vmstat)),
];

static SYS: &[(&str, Fixed)] = &[
    ("fs", Dir(SYS_FS)),
    ("kernel", Dir(SYS_KERNEL)),
    ("net", Dir(super::sysctl_net::SYS_NET)),
    ("user", Dir(SYS_USER)),
    ("vm", Dir(SYS_VM)),
];

/// Whether it is `/proc/sys` or below that.
pub(super) fn is_setting(it: &Fixed) -> bool {
    fn is_in(f: &Fixed, it: &Fixed) -> bool {
        core::ptr::eq(f, it)
            || matches!(f, Dir(entries) if entries.iter().any(|(_, f)| is_in(f, it)))
    }
    ROOT.iter().any(|(name, f)| *name == "sys" && is_in(f, it))
}

/// Namespaces: [`crate::env::NAMESPACES_MAX`] of each kind that can be made.
static SYS_USER: &[(&str, Fixed)] = &[
    ("max_cgroup_namespaces", text("1024\n")),
    ("max_inotify_instances", text("1024\n")),
    ("max_inotify_watches", text("65536\n")),
    ("max_ipc_namespaces", text("1024\n")),
    ("max_mnt_namespaces", text("1024\n")),
    ("max_net_namespaces", text("1024\n")),
    ("max_pid_namespaces", text("1024\n")),
    ("max_time_namespaces", text("1024\n")),
    ("max_user_namespaces", File(0o644, S::MaxUserNamespaces)),
    ("max_uts_namespaces", text("1024\n")),
];

static SYS_FS: &[(&str, Fixed)] = &[
    ("aio-max-nr", rw(S::AioMaxNr)),
    ("aio-nr", ro(S::AioNr)),
    ("dentry-state", text("0\t0\t45\t0\t0\t0\n")),
    ("epoll", Dir(&[("max_user_watches", text("1000000\n"))])),
    ("file-max", ro(S::FileMax)),
    ("file-nr", ro(S::FileNr)),
    ("inode-nr", text("0\t0\n")),
    ("inode-state", text("0\t0\t0\t0\t0\t0\t0\n")),
    (
        "inotify",
        Dir(&[
            ("max_queued_events", text("16384\n")),
            ("max_user_instances", text("1024\n")),
            ("max_user_watches", text("65536\n")),
        ]),
    ),
    (
        "mqueue",
        Dir(&[
            ("msg_default", rw(S::Mqueue(MqueueLimit::MsgDefault))),
            ("msg_max", rw(S::Mqueue(MqueueLimit::MsgMax))),
            ("msgsize_default", rw(S::Mqueue(MqueueLimit::MsgSizeDefault))),
            ("msgsize_max", rw(S::Mqueue(MqueueLimit::MsgSizeMax))),
            ("queues_max", rw(S::Mqueue(MqueueLimit::QueuesMax))),
        ]),
    ),
    ("dir-notify-enable", text("1\n")),
    ("lease-break-time", rw(S::LeaseBreakTime)),
    ("leases-enable", text("1\n")),
    ("mount-max", rw(S::MountMax)),
    ("nr_open", rw(S::NrOpen)),
    ("overflowgid", text("65534\n")),
    ("overflowuid", text("65534\n")),
    ("pipe-max-size", rw(S::PipeMaxSize)),
    ("pipe-user-pages-hard", rw(S::PipeUserPages { hard: true })),
    ("pipe-user-pages-soft", rw(S::PipeUserPages { hard: false })),
    ("protected_fifos", rw(S::Protected(Protected::Fifos))),
    ("protected_hardlinks", rw(S::Protected(Protected::Hardlinks))),
    ("protected_regular", rw(S::Protected(Protected::Regular))),
    ("protected_symlinks", rw(S::Protected(Protected::Symlinks))),
    ("suid_dumpable", rw(S::SuidDumpable)),
];

static SYS_KERNEL: &[(&str, Fixed)] = &[
    ("cap_last_cap", ro(S::CapLastCap)),
    ("core_pattern", rw(S::CorePattern)),
    // Dumps are not handed to programs.
    ("core_pipe_limit", text("0\n")),
    ("core_uses_pid", rw(S::CoreUsesPid)),
    ("dmesg_restrict", kept("dmesg_restrict", "0\n")),
    ("domainname", rw(S::Domainname)),
    ("hostname", rw(S::Hostname)),
    ("io_uring_disabled", text("2\n")),
    (
        "keys",
        Dir(&[
            ("gc_delay", text("300\n")),
            ("maxbytes", rw(S::Key(KeyLimit::MaxBytes))),
            ("maxkeys", rw(S::Key(KeyLimit::MaxKeys))),
            ("root_maxbytes", rw(S::Key(KeyLimit::RootMaxBytes))),
            ("root_maxkeys", rw(S::Key(KeyLimit::RootMaxKeys))),
        ]),
    ),
    ("msgmax", rw(S::Ipc(IpcLimit::MsgMax))),
    ("msgmnb", rw(S::Ipc(IpcLimit::MsgMnb))),
    ("msgmni", rw(S::Ipc(IpcLimit::MsgMni))),
    ("msg_next_id", ro(S::IpcNextId(IpcKind::Msg))),
    ("ngroups_max", ro(S::NgroupsMax)),
    ("osrelease", ro(S::Osrelease)),
    ("ostype", ro(S::Ostype)),
    ("overflowgid", text("65534\n")),
    ("overflowuid", text("65534\n")),
    ("perf_event_paranoid", text("4\n")),
    ("ns_last_pid", File(0o666, S::NsLastPid)),
    ("pid_max", rw(S::PidMax)),
    ("pty", Dir(&[("max", text("4096\n")), ("nr", text("0\n"))])),
    (
        "random",
        Dir(&[
            ("boot_id", ro(S::BootId)),
            ("entropy_avail", ro(S::EntropyAvail)),
            ("poolsize", text("256\n")),
            ("uuid", ro(S::Uuid)),
        ]),
    ),
    ("randomize_va_space", kept("randomize_va_space", "2\n")),
    ("sched_rr_timeslice_ms", rw(S::Sched(SchedSetting::RrTimeslice))),
    ("sched_autogroup_enabled", ro(S::SchedAutogroup)),
    (
        "seccomp",
        Dir(&[(
            "actions_avail",
            File(0o444, S::Fixed("kill_process kill_thread trap errno trace log allow\n")),
        )]),
    ),
    ("sem", rw(S::Ipc(IpcLimit::Sem))),
    ("sem_next_id", ro(S::IpcNextId(IpcKind::Sem))),
    ("shmall", rw(S::Ipc(IpcLimit::ShmAll))),
    ("shmmax", rw(S::Ipc(IpcLimit::ShmMax))),
    ("shmmni", rw(S::Ipc(IpcLimit::ShmMni))),
    ("shm_next_id", ro(S::IpcNextId(IpcKind::Shm))),
    ("hung_task_timeout_secs", kept("hung_task_timeout_secs", "120\n")),
    ("print-fatal-signals", kept("print-fatal-signals", "0\n")),
    ("printk_ratelimit", kept("printk_ratelimit", "5\n")),
    ("printk_ratelimit_burst", kept("printk_ratelimit_burst", "10\n")),
    ("sysctl_writes_strict", kept("sysctl_writes_strict", "1\n")),
    ("watchdog", kept("watchdog", "0\n")),
    ("printk", kept("printk", "7\t4\t1\t7\n")),
    ("panic", kept("panic", "0\n")),
    ("panic_on_oops", kept("panic_on_oops", "0\n")),
    ("kptr_restrict", kept("kptr_restrict", "1\n")),
    ("sched_rt_period_us", rw(S::Sched(SchedSetting::RtPeriod))),
    ("sched_rt_runtime_us", rw(S::Sched(SchedSetting::RtRuntime))),
    ("tainted", text("0\n")),
    ("threads-max", ro(S::ThreadsMax)),
    ("version", ro(S::KernelVersion)),
];

static SYS_VM: &[(&str, Fixed)] = &[
    ("admin_reserve_kbytes", rw(S::Overcommit(OvercommitSetting::AdminReserve))),
    // Nothing is kept that could be dropped at once.
    ("drop_caches", kept("drop_caches", "0\n")),
    ("dirty_background_bytes", kept("dirty_background_bytes", "0\n")),
    ("dirty_background_ratio", kept("dirty_background_ratio", "10\n")),
    ("dirty_bytes", kept("dirty_bytes", "0\n")),
    ("dirty_expire_centisecs", kept("dirty_expire_centisecs", "3000\n")),
    ("dirty_ratio", kept("dirty_ratio", "20\n")),
    ("dirty_writeback_centisecs", kept("dirty_writeback_centisecs", "500\n")),
    ("max_map_count", rw(S::MaxMapCount)),
    ("laptop_mode", kept("laptop_mode", "0\n")),
    ("legacy_va_layout", kept("legacy_va_layout", "0\n")),
    ("min_free_kbytes", kept("min_free_kbytes", "0\n")),
    ("mmap_min_addr", ro(S::MmapMinAddr)),
    ("nr_hugepages", text("0\n")),
    ("overcommit_kbytes", rw(S::Overcommit(OvercommitSetting::Kbytes))),
    ("overcommit_memory", rw(S::OvercommitMemory)),
    ("overcommit_ratio", rw(S::Overcommit(OvercommitSetting::Ratio))),
    ("nr_overcommit_hugepages", text("0\n")),
    ("oom_dump_tasks", kept("oom_dump_tasks", "1\n")),
    ("oom_kill_allocating_task", kept("oom_kill_allocating_task", "0\n")),
    ("page-cluster", kept("page-cluster", "3\n")),
    ("panic_on_oom", kept("panic_on_oom", "0\n")),
    ("user_reserve_kbytes", rw(S::Overcommit(OvercommitSetting::UserReserve))),
    ("stat_interval", kept("stat_interval", "1\n")),
    ("watermark_scale_factor", kept("watermark_scale_factor", "10\n")),
    ("swappiness", kept("swappiness", "60\n")),
    ("vfs_cache_pressure", kept("vfs_cache_pressure", "100\n")),
];

/// One name in `/proc/PID`.
pub(super) enum PerTask {
    /// Mode, what it shows, and whether only who may inspect the task may open it.
    File(u32, T, bool),
    Fd,
    FdInfo,
    Task,
    Ns,
    Net,
    Attr,
    Exe,
    Cwd,
    Root,
    Mem,
    MapFiles,
    Pagemap,
}

impl PerTask {
    /// Whether it is a directory.
    pub(super) fn is_dir(&self) -> bool {
        matches!(self, P::Attr | P::Fd | P::FdInfo | P::MapFiles | P::Net | P::Ns | P::Task)
    }

    /// Whether the directory of a process has this, or that of a thread.
    pub(super) fn is_of(&self, process: bool) -> bool {
        match self {
            P::Task | P::MapFiles => process,
            P::File(_, T::Children, _) => !process,
            _ => true,
        }
    }
}

use PerTask as P;

const fn open(t: T) -> P {
    P::File(0o444, t, false)
}

const fn inspect(mode: u32, t: T) -> P {
    P::File(mode, t, true)
}

/// What each task has. `task` itself only processes have, `children` only threads.
pub(super) static TASK: &[(&str, P)] = &[
    ("attr", P::Attr),
    ("auxv", inspect(0o400, T::Auxv)),
    ("cgroup", open(T::Cgroup)),
    ("children", open(T::Children)),
    ("clear_refs", P::File(0o200, T::ClearRefs, false)),
    ("cmdline", open(T::Cmdline)),
    ("comm", P::File(0o644, T::Comm, false)),
    ("coredump_filter", P::File(0o644, T::CoredumpFilter, false)),
    ("cwd", P::Cwd),
    ("environ", inspect(0o400, T::Environ)),
    ("exe", P::Exe),
    ("fd", P::Fd),
    ("fdinfo", P::FdInfo),
    ("gid_map", P::File(0o644, T::GidMap, false)),
    ("io", P::File(0o400, T::Io, false)),
    ("limits", open(T::Limits)),
    ("loginuid", P::File(0o644, T::Loginuid, false)),
    ("map_files", P::MapFiles),
    ("maps", inspect(0o444, T::Maps)),
    ("mem", P::Mem),
    ("mountinfo", open(T::Mountinfo)),
    ("mounts", open(T::Mounts)),
    ("mountstats", P::File(0o400, T::Mountstats, false)),
    ("net", P::Net),
    ("ns", P::Ns),
    ("numa_maps", inspect(0o444, T::NumaMaps)),
    ("oom_adj", P::File(0o644, T::OomAdj, false)),
    ("oom_score", open(T::OomScore)),
    ("oom_score_adj", P::File(0o644, T::OomScoreAdj, false)),
    ("pagemap", P::Pagemap),
    ("personality", P::File(0o400, T::Personality, false)),
    ("projid_map", P::File(0o644, T::ProjidMap, false)),
    ("root", P::Root),
    ("sched", P::File(0o644, T::Sched, false)),
    ("schedstat", open(T::Schedstat)),
    ("sessionid", open(T::Sessionid)),
    ("setgroups", P::File(0o644, T::Setgroups, false)),
    ("smaps", inspect(0o444, T::Smaps)),
    ("smaps_rollup", inspect(0o444, T::SmapsRollup)),
    ("stack", P::File(0o400, T::Stack, false)),
    ("stat", open(T::Stat)),
    ("statm", open(T::Statm)),
    ("status", open(T::Status)),
    ("syscall", P::File(0o400, T::Syscall, false)),
    ("task", P::Task),
    ("timens_offsets", P::File(0o644, T::TimensOffsets, false)),
    ("timers", inspect(0o444, T::Timers)),
    ("timerslack_ns", P::File(0o666, T::TimerslackNs, false)),
    ("uid_map", P::File(0o644, T::UidMap, false)),
    ("wchan", open(T::Wchan)),
];

/// A table in `/proc/net`.
pub(super) struct NetFile {
    pub(super) head: &'static str,
    pub(super) rows: Option<NetTable>,
}

/// The tables in `/proc/net`.
pub(super) const NET: &[(&str, NetFile)] = &[
    (
        "dev",
        NetFile {
            head: "Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0\n",
            rows: None,
        },
    ),
    (
        "route",
        NetFile {
            head: "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT                                                       \n",
            rows: None,
        },
    ),
    (
        "tcp",
        NetFile {
            head: "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n",
            rows: Some(NetTable::Tcp),
        },
    ),
    (
        "tcp6",
        NetFile {
            head: "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n",
            rows: Some(NetTable::Tcp6),
        },
    ),
    (
        "udp",
        NetFile {
            head: "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n",
            rows: Some(NetTable::Udp),
        },
    ),
    (
        "udp6",
        NetFile {
            head: "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n",
            rows: Some(NetTable::Udp6),
        },
    ),
    (
        "raw",
        NetFile {
            head: "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n",
            rows: Some(NetTable::Raw),
        },
    ),
    (
        "raw6",
        NetFile {
            head: "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n",
            rows: Some(NetTable::Raw6),
        },
    ),
    (
        "icmp",
        NetFile {
            head: "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops             \n",
            rows: Some(NetTable::Icmp),
        },
    ),
    (
        "icmp6",
        NetFile {
            head: "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n",
            rows: Some(NetTable::Icmp6),
        },
    ),
    (
        "packet",
        NetFile {
            head: "sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n",
            rows: Some(NetTable::Packet),
        },
    ),
    ("snmp", NetFile { head: "", rows: Some(NetTable::Snmp) }),
    ("netstat", NetFile { head: "", rows: Some(NetTable::Netstat) }),
    ("sockstat", NetFile { head: "", rows: Some(NetTable::Sockstat) }),
    ("psched", NetFile { head: "000003e8 00000040 000f4240 3b9aca00\n", rows: None }),
    (
        "ptype",
        NetFile {
            head: "Type Device      Function\n0800          ip_rcv\n86dd          ipv6_rcv\n",
            rows: None,
        },
    ),
    (
        "netlink",
        NetFile {
            head: "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n",
            rows: Some(NetTable::Netlink),
        },
    ),
    ("sockstat6", NetFile { head: "", rows: Some(NetTable::Sockstat6) }),
    (
        "arp",
        NetFile {
            head: "IP address       HW type     Flags       HW address            Mask     Device\n",
            rows: None,
        },
    ),
    ("if_inet6", NetFile { head: "", rows: Some(NetTable::Inet6Addresses) }),
    (
        "unix",
        NetFile {
            head: "Num       RefCount Protocol Flags    Type St Inode Path\n",
            rows: Some(NetTable::Unix),
        },
    ),
];
