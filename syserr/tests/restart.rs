//! What becomes of interrupted calls, as the table in signal(7) and `handle_signal` have it.

use syserr::{Errno, Error, Restart, RestartAction as A, Stopped};

#[test]
fn restart_codes_do_what_the_kernel_does() {
    let table = [
        (Restart::Sys, A::Interrupted, A::Again, A::Again),
        (Restart::NoIntr, A::Again, A::Again, A::Again),
        (Restart::NoHand, A::Interrupted, A::Interrupted, A::Again),
        (Restart::Block, A::Interrupted, A::Interrupted, A::AgainWithBlock),
    ];
    for (code, plain, sa_restart, none) in table {
        assert_eq!(code.with_handler(false), plain, "{code}");
        assert_eq!(code.with_handler(true), sa_restart, "{code}");
        assert_eq!(code.without_handler(), none, "{code}");
    }
}

#[test]
fn only_failures_and_would_block_have_numbers() {
    assert_eq!(Stopped::from(Errno::ENOENT).nonblocking(), Ok(Errno::ENOENT));
    assert_eq!(Stopped::WouldBlock.nonblocking(), Ok(Errno::EAGAIN));
    assert_eq!(Stopped::from(Restart::Block).nonblocking(), Err(Restart::Block));
}

#[test]
fn errors_are_static_values() {
    static NO_TABLE: Error = Error::new("no syscall table found", Errno::ENOEXEC);
    assert_eq!(NO_TABLE.to_string(), "no syscall table found");
    assert_eq!(Errno::from(NO_TABLE), Errno::ENOEXEC);
    assert_eq!(Error::from(Errno::EIO).message(), "I/O error");
}
