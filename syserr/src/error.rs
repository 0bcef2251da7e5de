//! Errors with a message for people beside the number for guests.

use crate::Errno;

/// An error number with a static message that says more than the number does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    message: &'static str,
    errno: Errno,
}

impl Error {
    /// An error that guests see as `errno` and people as `message`.
    pub const fn new(message: &'static str, errno: Errno) -> Error {
        Error { message, errno }
    }

    /// The message.
    pub const fn message(&self) -> &'static str {
        self.message
    }

    /// The number.
    pub const fn errno(&self) -> Errno {
        self.errno
    }
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.message)
    }
}

impl core::error::Error for Error {}

impl From<Error> for Errno {
    fn from(e: Error) -> Errno {
        e.errno
    }
}

impl From<Errno> for Error {
    fn from(e: Errno) -> Error {
        Error::new(e.message(), e)
    }
}
