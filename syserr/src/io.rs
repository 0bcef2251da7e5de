//! Conversions with `std::io::Error`.

use crate::{Errno, Error};
use std::io;

impl From<io::Error> for Errno {
    /// The operating system's number if the error has one, else the number that its kind stands
    /// for, else [`Errno::EIO`].
    fn from(e: io::Error) -> Errno {
        match e.raw_os_error() {
            Some(raw) => Errno::from_raw(raw),
            None => from_kind(e.kind()),
        }
    }
}

impl From<Errno> for io::Error {
    fn from(e: Errno) -> io::Error {
        io::Error::from_raw_os_error(e.to_raw())
    }
}

impl From<Error> for io::Error {
    /// Keeps the message; the number decides the kind.
    fn from(e: Error) -> io::Error {
        let kind = io::Error::from(e.errno()).kind();
        io::Error::new(kind, e)
    }
}

/// The number that `std` makes the kind from.
fn from_kind(kind: io::ErrorKind) -> Errno {
    use io::ErrorKind as K;
    match kind {
        K::NotFound => Errno::ENOENT,
        K::PermissionDenied => Errno::EACCES,
        K::ConnectionRefused => Errno::ECONNREFUSED,
        K::ConnectionReset => Errno::ECONNRESET,
        K::HostUnreachable => Errno::EHOSTUNREACH,
        K::NetworkUnreachable => Errno::ENETUNREACH,
        K::ConnectionAborted => Errno::ECONNABORTED,
        K::NotConnected => Errno::ENOTCONN,
        K::AddrInUse => Errno::EADDRINUSE,
        K::AddrNotAvailable => Errno::EADDRNOTAVAIL,
        K::NetworkDown => Errno::ENETDOWN,
        K::BrokenPipe => Errno::EPIPE,
        K::AlreadyExists => Errno::EEXIST,
        K::WouldBlock => Errno::EAGAIN,
        K::NotADirectory => Errno::ENOTDIR,
        K::IsADirectory => Errno::EISDIR,
        K::DirectoryNotEmpty => Errno::ENOTEMPTY,
        K::ReadOnlyFilesystem => Errno::EROFS,
        K::StaleNetworkFileHandle => Errno::ESTALE,
        K::InvalidInput | K::InvalidData => Errno::EINVAL,
        K::TimedOut => Errno::ETIMEDOUT,
        K::StorageFull => Errno::ENOSPC,
        K::NotSeekable => Errno::ESPIPE,
        K::QuotaExceeded => Errno::EDQUOT,
        K::FileTooLarge => Errno::EFBIG,
        K::ResourceBusy => Errno::EBUSY,
        K::ExecutableFileBusy => Errno::ETXTBSY,
        K::Deadlock => Errno::EDEADLK,
        K::CrossesDevices => Errno::EXDEV,
        K::TooManyLinks => Errno::EMLINK,
        K::ArgumentListTooLong => Errno::E2BIG,
        K::Interrupted => Errno::EINTR,
        K::Unsupported => Errno::ENOSYS,
        K::OutOfMemory => Errno::ENOMEM,
        _ => Errno::EIO,
    }
}
