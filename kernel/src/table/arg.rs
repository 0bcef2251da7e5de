//! How the arguments of a system call are to be read by people.

/// The kind of one argument.
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
    /// A NULL-terminated array of strings.
    Strs,
    /// File mode, octal.
    Mode,
    /// Flags of open(2).
    OpenFlags,
    /// A signal number.
    Sig,
    /// `PROT_*` bits.
    Prot,
    /// `MAP_*` bits.
    MapFlags,
    /// Flags of clone(2).
    CloneFlags,
    /// A futex operation.
    FutexOp,
    /// A clock of clock_gettime(2).
    Clock,
    /// A `struct timespec` to read.
    Timespec,
    /// A process or thread ID.
    Pid,
    /// A resource of getrlimit(2).
    Resource,
}
