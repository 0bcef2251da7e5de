//! The handlers of the system calls, by area.

pub(crate) mod abi;

pub mod aio;
pub mod cred;
pub mod fd;
pub mod fs;
pub mod futex;
pub mod ipc;
pub(crate) mod keys;
pub mod limits;
pub mod mem;
pub mod misc;
pub mod mqueue;
pub mod numa;
pub mod poll;
pub mod process;
pub mod sched;
pub mod signal;
pub mod socket;
pub mod time;
