//! Terminals: pseudo-terminal pairs with a line discipline and job control; pty(7), tty(4).
//!
//! The line discipline is plain state in one place; a pair is that state behind one lock with a
//! queue for each side. Who may read and write when, as a background process, is the caller's
//! check ([`TtyFile::is_background`]), since it ends in signals.

mod devpts;
mod file;
mod instance;
mod ioctl;
mod kind;
mod line;
mod options;
mod pair;
mod termios;
#[cfg(test)]
mod tests;

pub use devpts::devpts;
pub use file::{Patience, TtyFile};
pub use kind::DevptsType;
pub use termios::{Termios, WinSize};

use crate::{Creds, FileOps, Inode, OpenFlags, Path};
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use instance::Instance;
use pair::Pair;
use sync::Mutex;
use sync::atomic::{AtomicUsize, Ordering::Relaxed};
use syserr::Errno;

/// What terminals ask the kernel about processes.
pub trait JobControl: Send + Sync {
    /// Session ID of a process; 0 when it is gone.
    fn session_of(&self, tgid: i32) -> i32;
    /// Session ID of a process group, or of the process with that ID if it leads none; `None` when
    /// there is neither.
    fn session_of_group(&self, pgid: i32) -> Option<i32>;
    /// Whether it is the first program, which leads a session only because there is no other.
    fn is_first(&self, tgid: i32) -> bool;
    /// Sends a signal to a process group.
    fn signal_group(&self, pgid: i32, signo: u32);
    /// Sends a signal to a process.
    fn signal_process(&self, tgid: i32, signo: u32);
}

/// The most pairs of all instances; `kernel.pty.max`'s default.
const PTY_MAX: usize = 4096;
/// How many of them only the first instance may have; `kernel.pty.reserve`'s default.
const PTY_RESERVE: usize = 1024;

/// All pseudo-terminals of a kernel, and which is whose controlling terminal.
pub struct Ptys {
    job: Arc<dyn JobControl>,
    /// The instance that there is from the beginning.
    first: Arc<Instance>,
    /// How many pairs there are in all instances.
    count: AtomicUsize,
    sessions: Mutex<BTreeMap<i32, Weak<Pair>>>,
}

impl Ptys {
    /// None yet. Processes are looked up through `job`.
    pub fn new(job: Arc<dyn JobControl>) -> Arc<Ptys> {
        let (first, count) = (Instance::first(), AtomicUsize::new(0));
        Arc::new(Ptys { job, first, count, sessions: Mutex::default() })
    }

    /// Makes a pair and opens its master side: `ptmx` of an instance, or a node with the root of one
    /// `beside` it under the name `pts` (`devpts_mntget`).
    pub(crate) fn open_master(
        self: &Arc<Self>,
        inode: &Arc<dyn Inode>,
        beside: &dyn Fn(&[u8]) -> Option<Path>,
        creds: &Creds,
        flags: OpenFlags,
    ) -> Result<Arc<dyn FileOps>, Errno> {
        let instance = match devpts::instance_of(&**inode) {
            Some(instance) => instance.clone(),
            None => {
                let dir = beside(b"pts").ok_or(Errno::ENOENT)?;
                devpts::instance_at(dir.inode()).ok_or(Errno::ENODEV)?.clone()
            }
        };
        let most = if instance.is_first() { PTY_MAX } else { PTY_MAX - PTY_RESERVE };
        let more = |n| if n < most { Some(n + 1) } else { None };
        self.count.fetch_update(Relaxed, Relaxed, more).map_err(|_| Errno::ENOSPC)?;
        let made = instance.add(creds, |number, owner| {
            Pair::new(instance.clone(), number, owner, Arc::downgrade(self))
        });
        let pair = made.inspect_err(|_| {
            self.count.fetch_sub(1, Relaxed);
        })?;
        Ok(Arc::new(TtyFile::master(pair, inode.clone(), flags)))
    }

    /// Opens the other side of a pair: `/dev/pts/N`.
    ///
    /// # Errors
    /// `EIO` for a node that is in no devpts.
    pub(crate) fn open_slave(
        &self,
        inode: &Arc<dyn Inode>,
        (tgid, creds): (i32, &Creds),
        flags: OpenFlags,
    ) -> Result<Arc<dyn FileOps>, Errno> {
        let pair = devpts::pair_of(&**inode).ok_or(Errno::EIO)?;
        let file = TtyFile::slave(pair.clone(), creds, flags)?;
        let sid = self.job.session_of(tgid);
        // Outside, the first program would be in the session of a shell, and take no terminal that
        // it just opens.
        let leads = sid == tgid && sid != 0 && !self.job.is_first(tgid);
        if leads && flags.readable() && !flags.contains(OpenFlags::NOCTTY) {
            self.adopt(pair, sid, tgid, false);
        }
        Ok(Arc::new(file))
    }

    /// Opens the caller's controlling terminal: `/dev/tty`.
    pub(crate) fn open_controlling(
        &self,
        (tgid, creds): (i32, &Creds),
        flags: OpenFlags,
    ) -> Result<Arc<dyn FileOps>, Errno> {
        let pair = self.controlling(self.job.session_of(tgid)).ok_or(Errno::ENXIO)?;
        Ok(Arc::new(TtyFile::slave(pair, creds, flags)?))
    }

    /// Makes a terminal the controlling one of session `sid`, with `pgid` in front; false when it
    /// is another's already.
    pub fn give(&self, terminal: &TtyFile, sid: i32, pgid: i32) -> bool {
        self.adopt(&terminal.pair, sid, pgid, false)
    }

    /// Makes `pair` the controlling terminal of a session that has none, if it is nobody's, or
    /// `steals` it.
    fn adopt(&self, pair: &Arc<Pair>, sid: i32, pgid: i32, steals: bool) -> bool {
        let mut sessions = self.sessions.lock();
        if sessions.get(&sid).is_some_and(|p| p.strong_count() > 0) {
            return false;
        }
        let Some(robbed) = pair.take_session(sid, pgid, steals) else { return false };
        sessions.remove(&robbed);
        sessions.insert(sid, Arc::downgrade(pair));
        true
    }

    fn controlling(&self, sid: i32) -> Option<Arc<Pair>> {
        self.sessions.lock().get(&sid)?.upgrade()
    }

    /// Device number and foreground group of a session's controlling terminal, for
    /// `/proc/PID/stat`.
    pub fn terminal_of(&self, sid: i32) -> Option<(u64, i32)> {
        let pair = self.controlling(sid)?;
        Some((pair.rdev(), pair.foreground()))
    }

    /// The session gives its terminal up: its leader ended, or asked for it. The foreground group
    /// is told.
    pub fn session_ended(&self, sid: i32) {
        const SIGHUP: u32 = 1;
        const SIGCONT: u32 = 18;
        let pair = self.sessions.lock().remove(&sid).and_then(|p| p.upgrade());
        if let Some(pair) = pair {
            let group = pair.foreground();
            pair.leave_session();
            if group != 0 {
                self.job.signal_group(group, SIGHUP);
                self.job.signal_group(group, SIGCONT);
            }
        }
    }

    /// Takes its controlling terminal from a session and all others who have it: vhangup(2).
    pub fn hang_up(&self, sid: i32) {
        if let Some(pair) = self.controlling(sid) {
            pair.hang_up();
        }
    }

    /// The master side of a pair is closed.
    fn closed(&self) {
        self.count.fetch_sub(1, Relaxed);
    }
}

impl core::fmt::Debug for Ptys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Ptys").field("pairs", &self.count).finish_non_exhaustive()
    }
}
