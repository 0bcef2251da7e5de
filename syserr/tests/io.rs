//! Conversions with `std::io::Error` are total and lose nothing that Linux knows.
#![cfg(feature = "std")]

use std::io;
use syserr::{Errno, Error, TABLE};

#[test]
fn numbers_go_through_io_errors() {
    for &(e, ..) in TABLE {
        assert_eq!(Errno::from(io::Error::from(e)), e);
    }
}

#[test]
fn kinds_become_the_numbers_they_come_from() {
    for &(e, name, _) in TABLE {
        let kind = io::Error::from(e).kind();
        let back = Errno::from(io::Error::from(kind));
        // Several numbers share a kind, and most have none.
        assert!(io::Error::from(back).kind() == kind || back == Errno::EIO, "{name}: {kind:?}");
    }
}

#[test]
fn unknown_errors_are_eio() {
    assert_eq!(Errno::from(io::Error::other("x")), Errno::EIO);
    assert_eq!(Errno::from(io::Error::from_raw_os_error(i32::MIN)), Errno::EIO);
    assert_eq!(Errno::from(io::Error::from_raw_os_error(0)), Errno::EIO);
}

#[test]
fn messages_survive() {
    let e = io::Error::from(Error::new("the interpreter is missing", Errno::ENOENT));
    assert_eq!(e.kind(), io::ErrorKind::NotFound);
    assert_eq!(e.to_string(), "the interpreter is missing");
}
