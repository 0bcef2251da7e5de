//! How the arguments of a system call are to be read by people.

/// The kind of one argument.
///
/// Sizes of buffers are the argument behind them, or the call's result where the call wrote them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arg {
    /// A signed 32-bit number.
    Int,
    /// A signed 64-bit number.
    Long,
    /// A size or count.
    Size,
    /// Bits without names here.
    Hex,
    /// An address.
    Ptr,
    /// A file descriptor.
    Fd,
    /// A directory descriptor or `AT_FDCWD`.
    Dir,
    /// A path to read.
    Path,
    /// Bytes to read, as many as the next argument says.
    In,
    /// Bytes that the call wrote, as many as it returned.
    Out,
    /// A path that the call wrote, with its NUL.
    PathOut,
    /// A NULL-terminated array of strings.
    Strs,
    /// A NULL-terminated array of strings of which only the number matters.
    Env,
    /// File mode, octal.
    Mode,
    /// `F_OK`, `R_OK`, `W_OK`, `X_OK`.
    AccessMode,
    /// Flags of open(2).
    OpenFlags,
    /// `O_CLOEXEC` and others, for calls that make descriptors.
    FdFlags,
    /// `AT_*` flags.
    AtFlags,
    /// `SEEK_*`.
    Whence,
    /// A command of fcntl(2).
    Fcntl,
    /// A request of ioctl(2).
    Ioctl,
    /// A signal number.
    Sig,
    /// `SIG_BLOCK`, `SIG_UNBLOCK`, `SIG_SETMASK`.
    SigHow,
    /// A set of signals to read.
    SigSet,
    /// A set of signals that the call wrote.
    SigSetOut,
    /// A `struct sigaction` to read.
    SigAction,
    /// A `struct sigaction` that the call wrote.
    SigActionOut,
    /// `PROT_*` bits.
    Prot,
    /// `MAP_*` bits.
    MapFlags,
    /// `MADV_*`.
    Advice,
    /// Flags of clone(2).
    CloneFlags,
    /// A futex operation.
    FutexOp,
    /// A code of arch_prctl(2).
    ArchPrctl,
    /// A request of ptrace(2).
    Ptrace,
    /// An operation of prctl(2).
    Prctl,
    /// A clock of clock_gettime(2).
    Clock,
    /// A `struct timespec` to read.
    Timespec,
    /// A `struct timespec` that the call wrote.
    TimespecOut,
    /// A process or thread ID.
    Pid,
    /// Options of wait4(2).
    WaitOptions,
    /// A wait status that the call wrote.
    WaitStatus,
    /// A resource of getrlimit(2).
    Resource,
    /// A `struct rlimit` to read.
    Rlimit,
    /// A `struct rlimit` that the call wrote.
    RlimitOut,
    /// A `struct stat` that the call wrote.
    StatOut,
    /// A `struct utsname` that the call wrote.
    UtsOut,
    /// Directory entries that the call wrote.
    Dirents,
    /// Two descriptors that the call wrote.
    FdPair,
    /// An array of `struct iovec` to read, as many as the next argument says.
    Iovec,
    /// The same, filled by the call.
    IovecOut,
    /// An array of `struct pollfd`, as many as the next argument says.
    PollFds,
    /// A socket address to read, as long as the next argument says.
    SockAddr,
    /// A socket address that the call wrote; the next argument points to its length.
    SockAddrOut,
    /// `AF_*`.
    Domain,
    /// `SOCK_*`.
    SockType,
    /// `GRND_*` bits.
    RandomFlags,
}

impl Arg {
    /// Whether what it points to can be read only after the call.
    pub const fn is_output(self) -> bool {
        matches!(
            self,
            Arg::Out
                | Arg::PathOut
                | Arg::SigSetOut
                | Arg::SigActionOut
                | Arg::TimespecOut
                | Arg::WaitStatus
                | Arg::RlimitOut
                | Arg::StatOut
                | Arg::UtsOut
                | Arg::Dirents
                | Arg::FdPair
                | Arg::IovecOut
                | Arg::SockAddrOut
        )
    }
}
