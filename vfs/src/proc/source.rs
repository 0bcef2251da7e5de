//! What the kernel tells `/proc`.

use crate::nsfs::{NamespaceKind, NamespaceRef};
use crate::{Caller, Changes, Creds, FdTable, FsContext, Path, Protected};
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::Addr;
use mm::{MemoryManager, OvercommitSetting};
use syserr::Errno;

/// A file with text about one task; proc(5), `/proc/PID/…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is named as the file")]
pub enum TaskFile {
    Auxv,
    Cgroup,
    Children,
    ClearRefs,
    Cmdline,
    Comm,
    CoredumpFilter,
    Environ,
    GidMap,
    Io,
    Limits,
    Loginuid,
    Maps,
    Mountinfo,
    Mounts,
    Mountstats,
    NumaMaps,
    OomAdj,
    OomScore,
    OomScoreAdj,
    Personality,
    ProjidMap,
    Sched,
    Schedstat,
    Sessionid,
    Setgroups,
    Smaps,
    SmapsRollup,
    Stack,
    Stat,
    Statm,
    Status,
    Syscall,
    TimensOffsets,
    Timers,
    TimerslackNs,
    UidMap,
    Wchan,
}

/// A file with text about the whole system; proc(5), `/proc/…` and `/proc/sys/…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is named as the file")]
pub enum SystemFile {
    Cmdline,
    Cpuinfo,
    Devices,
    Filesystems,
    Interrupts,
    Loadavg,
    Locks,
    Meminfo,
    Misc,
    Modules,
    Partitions,
    Stat,
    Swaps,
    Uptime,
    Version,
    Vmstat,
    CapLastCap,
    Domainname,
    Hostname,
    MaxUserNamespaces,
    NgroupsMax,
    NsLastPid,
    Osrelease,
    Ostype,
    PidMax,
    PingGroupRange,
    LocalPortRange,
    UnprivilegedPortStart,
    LoopbackTag,
    BootId,
    EntropyAvail,
    Uuid,
    SchedAutogroup,
    ThreadsMax,
    MmapMinAddr,
    KernelVersion,
    FileMax,
    FileNr,
    AioNr,
    AioMaxNr,
    Mqueue(MqueueLimit),
    SysvMsg,
    SysvSem,
    SysvShm,
    Keys,
    KeyUsers,
    Key(KeyLimit),
    /// Parameters of real-time scheduling.
    Sched(SchedSetting),
    NrOpen,
    /// What the pipes of one unprivileged user may hold.
    PipeUserPages {
        /// Whether no more pipes are made then.
        hard: bool,
    },
    LeaseBreakTime,
    CorePattern,
    CoreUsesPid,
    SuidDumpable,
    /// How the kernel is configured, compressed.
    Config,
    MountMax,
    PipeMaxSize,
    MaxMapCount,
    OvercommitMemory,
    Overcommit(OvercommitSetting),
    Protected(Protected),
    Ipc(IpcLimit),
    /// The identifier that the next object is to have.
    IpcNextId(IpcKind),
    /// Numbers that nothing here depends on: the setting's name, and what it is at first.
    Kept(&'static str, &'static str),
    /// The same of one network.
    NetKept(&'static str, &'static str),
    /// A text that never changes.
    Fixed(&'static str),
}

/// A limit of an IPC namespace; proc_sys_kernel(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is named as the file")]
pub enum IpcLimit {
    MsgMax,
    MsgMnb,
    MsgMni,
    Sem,
    ShmAll,
    ShmMax,
    ShmMni,
}

/// How many keys a user may have; proc_sys_kernel(5), `/proc/sys/kernel/keys`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is named as the file")]
pub enum KeyLimit {
    MaxKeys,
    MaxBytes,
    RootMaxKeys,
    RootMaxBytes,
}

/// A limit of POSIX message queues; mq_overview(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is named as the file")]
pub enum MqueueLimit {
    QueuesMax,
    MsgMax,
    MsgDefault,
    MsgSizeMax,
    MsgSizeDefault,
}

/// A parameter of real-time scheduling; sched(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is named as the file")]
pub enum SchedSetting {
    RtPeriod,
    RtRuntime,
    RrTimeslice,
}

/// A kind of IPC object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IpcKind {
    /// A message queue.
    Msg,
    /// A set of semaphores.
    Sem,
    /// A segment of shared memory.
    Shm,
}

/// A piece of a file's text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// The text.
    pub text: Vec<u8>,
    /// What to ask for to go on; `None` at the end.
    pub next: Option<u64>,
}

/// A table of sockets in `/proc/net`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is named as the file")]
pub enum NetTable {
    Tcp,
    Tcp6,
    Udp,
    Udp6,
    Raw,
    Raw6,
    Icmp,
    Icmp6,
    Packet,
    Netlink,
    Snmp,
    Netstat,
    Sockstat,
    Sockstat6,
    Unix,
    Inet6Addresses,
}

/// A mapping of a file.
#[derive(Clone, Debug)]
pub struct MappedFile {
    /// First byte.
    pub start: u64,
    /// First byte behind it.
    pub end: u64,
    /// Whether the file was opened to be read, and to be written.
    pub mode: (bool, bool),
    /// The file.
    pub place: Path,
}

/// Who opened a file that is read or written to.
#[derive(Clone, Debug)]
pub struct Opener {
    /// The task.
    pub tid: i32,
    /// Its credentials then.
    pub creds: Creds,
}

/// Processes and figures of one kernel. A task that is gone gives `ESRCH` and `None`.
pub trait ProcSource: Send + Sync {
    /// The device number of the file system.
    fn device(&self) -> u64 {
        super::DEV
    }
    /// What an ID of a task is called in the PID namespace whose processes are shown; 0 when it is
    /// outside.
    fn number(&self, id: i32) -> i32 {
        id
    }
    /// What an ID is called there, and in each namespace from there to the task's own.
    fn numbers(&self, id: i32) -> Vec<i32> {
        [id].to_vec()
    }
    /// The ID that a number means there.
    fn id(&self, number: i32) -> Option<i32> {
        Some(number)
    }
    /// IDs of all processes that are shown, in order of their numbers.
    fn processes(&self) -> Vec<i32>;
    /// The process that a thread belongs to.
    fn process_of(&self, tid: i32) -> Option<i32>;
    /// IDs of the threads of a process, in order.
    fn threads(&self, tgid: i32) -> Vec<i32>;
    /// User and group that own the files about a task, or with `open` its directories that everybody
    /// may list, which stay the task's own even when it is not dumpable (`task_dump_owner`).
    fn owner(&self, tid: i32, open: bool) -> (u32, u32);
    /// Whether `viewer` may look inside a task (`PTRACE_MODE_READ_FSCREDS`).
    fn may_inspect(&self, viewer: &Creds, viewer_tgid: i32, tid: i32) -> bool;
    /// Text about a task for `reader`.
    ///
    /// # Errors
    /// `ESRCH`; `EACCES`.
    fn task_text(&self, reader: &Opener, tid: i32, file: TaskFile) -> Result<Vec<u8>, Errno>;
    /// A piece of the text about a task: what begins at `from`, which is 0 or what the piece
    /// before said. Files that a task can make long are made piece by piece, so that whoever has
    /// them open keeps little.
    ///
    /// # Errors
    /// As [`ProcSource::task_text`].
    fn task_piece(
        &self,
        reader: &Opener,
        tid: i32,
        file: TaskFile,
        from: u64,
    ) -> Result<Piece, Errno> {
        let _ = from;
        Ok(Piece { text: self.task_text(reader, tid, file)?, next: None })
    }
    /// Answers `PROCMAP_QUERY` about a task's mappings: `arg` is a `struct procmap_query` in the
    /// caller's memory.
    ///
    /// # Errors
    /// Those of ioctl_procmap_query(2), and `ENOTTY` where nobody is asked.
    fn query_map(&self, caller: &dyn Caller, tid: i32, arg: Addr) -> Result<(), Errno> {
        let _ = (caller, tid, arg);
        Err(Errno::ENOTTY)
    }
    /// Words of `/proc/PID/pagemap` about `count` pages from the page with number `first`, with
    /// `frames` the numbers of frames in them; fewer where addresses end.
    ///
    /// # Errors
    /// `ESRCH`.
    fn page_map(
        &self,
        tid: i32,
        first: u64,
        count: usize,
        frames: bool,
    ) -> Result<Vec<u64>, Errno> {
        let _ = (tid, first, count, frames);
        Err(Errno::ESRCH)
    }
    /// At most `most` mappings of files of a task, in order, of those that end after `from`.
    fn mapped_files(&self, tid: i32, from: u64, most: usize) -> Vec<MappedFile> {
        let _ = (tid, from, most);
        Vec::new()
    }
    /// Somebody wrote to a file about a task.
    ///
    /// # Errors
    /// `EINVAL`, `EACCES`, `EPERM`, `ESRCH`.
    fn task_write(
        &self,
        writer: &Opener,
        tid: i32,
        file: TaskFile,
        text: &[u8],
    ) -> Result<(), Errno>;
    /// Who is told when the tree of mounts changes; `None` where nobody is.
    fn mount_changes(&self) -> Option<Arc<Changes>> {
        None
    }
    /// Who is told when a setting changes, as the task `reader` finds it; `None` where nobody is.
    fn setting_changes(&self, reader: i32, file: SystemFile) -> Option<Arc<Changes>> {
        let _ = (reader, file);
        None
    }
    /// Text about the system, as the task `reader` finds it in its namespaces.
    fn system_text(&self, reader: &Opener, file: SystemFile) -> Vec<u8>;
    /// The lines of a table of sockets in the network of a task, without its head.
    fn net_table(&self, reader: &Opener, tid: i32, table: NetTable) -> Vec<u8>;
    /// Somebody wrote to a file about the system.
    ///
    /// # Errors
    /// `EINVAL`, `EPERM`.
    fn system_write(&self, writer: &Opener, file: SystemFile, text: &[u8]) -> Result<(), Errno>;
    /// A namespace of a task, or the one that its children will be in.
    fn namespace(&self, tid: i32, kind: NamespaceKind, of_children: bool) -> Option<NamespaceRef>;
    /// The program that a task runs.
    fn executable(&self, tid: i32) -> Option<Path>;
    /// Root and working directory of a task.
    fn directories(&self, tid: i32) -> Option<Arc<FsContext>>;
    /// Descriptors of a task.
    fn descriptors(&self, tid: i32) -> Option<Arc<FdTable>>;
    /// Memory of a task.
    fn memory(&self, tid: i32) -> Option<Arc<MemoryManager>>;
}
