//! Linux's asynchronous I/O; io_setup(2), io_submit(2), io_getevents(2), io_cancel(2).
//!
//! Reads and writes are done when they are submitted, as Linux does for most file systems; what
//! waits is `IOCB_CMD_POLL`. Completions go through the ring in user memory that libaio reads.

mod abi;
mod context;
mod contexts;
mod events;
mod poll;
mod ring;
mod submit;

pub(crate) use contexts::{Contexts, sys_io_destroy, sys_io_setup};
pub(crate) use events::{sys_io_getevents, sys_io_pgetevents};
pub(crate) use submit::{sys_io_cancel, sys_io_submit};

/// Most requests that all contexts together may be set up for (`fs.aio-max-nr`).
pub(crate) const AIO_MAX_NR: u64 = 65_536;
