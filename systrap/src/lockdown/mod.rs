//! The sentry gives up what it does not need.
//!
//! Guests are kept from the host by the sentry, so the sentry is what an attacker is after. Once it
//! is set up it needs little: the descriptors that it has, the files beneath the directories that
//! it shows, its children, memory and time. [`lock_down`] has the host refuse the rest, so that
//! whoever gets to run code in the sentry, by a bug that nobody knows of, still has no program to
//! start, no socket, no privilege, and no file that the guests could not reach anyway.
//!
//! The template of the stubs is forked before and keeps what it has; it never runs guest code, and
//! each stub has a filter of its own.
//!
//! ```no_run
//! use systrap::lockdown::{Grants, lock_down};
//!
//! let done = lock_down(&Grants { root: "/srv/tree".as_ref(), writable: &[] })?;
//! println!("files confined to the grants: {}", done.files);
//! # Ok::<(), std::io::Error>(())
//! ```

mod filter;
mod landlock;
mod privileges;

use std::io;
use std::path::{Path, PathBuf};

/// What of the host's files stays within reach.
#[derive(Clone, Copy, Debug)]
pub struct Grants<'a> {
    /// Files beneath it can be read.
    pub root: &'a Path,
    /// Files beneath these can be changed.
    pub writable: &'a [PathBuf],
}

/// What was given up beyond what always is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Confinement {
    /// Whether the host confines opened files to the grants: it does if it has Landlock
    /// (landlock(7)) with rules for renames, from Linux 5.19.
    pub files: bool,
}

/// Gives up privileges, files and system calls, for good and in all threads that are started
/// later. Call it on the sandbox's only thread, after [`Host::new`](crate::Host::new) and after
/// everything is opened, and before a guest runs.
///
/// Calls that would be a way out (execve(2), ptrace(2), socket(2), mount(2), bpf(2) and the like)
/// end the process from here on; calls that merely nobody needs fail with `ENOSYS`, and needed ones
/// with arguments that nobody needs with `EPERM`. Without writable directories, no file can be
/// opened for writing.
///
/// # Errors
/// What the host refuses, in words. Some of it may be given up then.
pub fn lock_down(grants: &Grants<'_>) -> io::Result<Confinement> {
    let context =
        |what: &'static str| move |e: io::Error| io::Error::new(e.kind(), format!("{what}: {e}"));
    let writable = !grants.writable.is_empty();
    privileges::drop_all(writable).map_err(context("giving up privileges"))?;
    let files = landlock::confine(grants).map_err(context("confining files"))?;
    filter::install(writable).map_err(context("filtering system calls"))?;
    tracing::debug!(files, "locked down");
    Ok(Confinement { files })
}
