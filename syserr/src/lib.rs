//! Linux error numbers as const data, errors with messages, restart codes that cannot leak.
//!
//! A kernel in Rust has three things that C keeps in one `int`: the number that a guest sees, the
//! sentence that a person reads, and the instruction to the signal code that a call be run again.
//! Here they are three types. [`Errno`] is a non-zero 16-bit integer, so that `Result<u64, Errno>`
//! travels in two registers and a number nobody has named is still a value. [`Error`] is a static
//! message beside a number. [`Restart`] has no number at all: the only ways from it to a guest are
//! [`Restart::with_handler`] and [`Restart::without_handler`], which say what is to be done. A
//! restart code in a guest's register, a bug that every kernel with one `int` has had, does not
//! compile.
//!
//! Every conversion is total. Nothing here allocates, panics or looks anything up at run time but
//! by index.
//!
//! ```
//! use syserr::{Errno, Restart, RestartAction, decode_return, encode_return};
//!
//! let register = encode_return(Err(Errno::ENOENT));
//! assert_eq!(register, -2i64 as u64);
//! assert_eq!(decode_return(register), Err(Errno::ENOENT));
//! assert_eq!(Errno::ENOENT.name(), Some("ENOENT"));
//! assert_eq!(Errno::ENOENT.to_string(), "No such file or directory");
//!
//! // A read(2) that a signal broke off, with a handler without SA_RESTART:
//! assert_eq!(Restart::Sys.with_handler(false), RestartAction::Interrupted);
//! ```
//!
//! # Features
//! `std`: conversions with `std::io::Error`. Off by default.
#![no_std]
#![forbid(unsafe_code)]
#[cfg(feature = "std")]
extern crate std;

mod errno;
mod error;
#[cfg(feature = "std")]
mod io;
mod restart;

pub use errno::{Errno, TABLE, decode_return, encode_return};
pub use error::Error;
pub use restart::{Restart, RestartAction, Stopped};
