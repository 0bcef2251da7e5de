//! An open side of a pseudo-terminal.

use super::devpts;
use super::instance::Owner;
use super::pair::Pair;
use super::termios::{TOSTOP, Termios};
use crate::{Caller, Creds, FileOps, Inode, Nanos, OpenFlags, Stat, cap, mode};
use alloc::sync::Arc;
use arch::{Addr, IoDst, IoSrc};
use core::any::Any;
use sync::atomic::{AtomicBool, Ordering};
use sync::waitq::{Events, Queue};
use syserr::Errno;

/// How long a read of a terminal waits (`VMIN` and `VTIME`; termios(3)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Until there is enough.
    Endless,
    /// So long, for the first byte.
    First(Nanos),
    /// For the first byte until it comes, then for each further one so long.
    Each(Nanos),
}

/// An open file description of a terminal.
pub struct TtyFile {
    pub(super) pair: Arc<Pair>,
    /// `/dev/ptmx`, for the master side.
    pub(super) master: Option<Arc<dyn Inode>>,
    nonblock: AtomicBool,
    pub(super) readable: bool,
    /// How often the terminal had been hung up when this was opened.
    pub(super) hangups: u64,
}

impl TtyFile {
    pub(super) fn master(pair: Arc<Pair>, inode: Arc<dyn Inode>, flags: OpenFlags) -> TtyFile {
        let nonblock = AtomicBool::new(flags.contains(OpenFlags::NONBLOCK));
        TtyFile { pair, master: Some(inode), nonblock, readable: flags.readable(), hangups: 0 }
    }

    /// `EIO` while the master has not unlocked it or is gone; `EBUSY` for an exclusive terminal, where
    /// `creds` have no privilege.
    pub(super) fn slave(
        pair: Arc<Pair>,
        creds: &Creds,
        flags: OpenFlags,
    ) -> Result<TtyFile, Errno> {
        let mut s = pair.lock();
        if s.locked || s.master_gone {
            return Err(Errno::EIO);
        }
        if s.exclusive && !creds.has(cap::SYS_ADMIN) {
            return Err(Errno::EBUSY);
        }
        s.slaves += 1;
        s.slave_seen = true;
        let hangups = s.hangups;
        drop(s);
        let nonblock = AtomicBool::new(flags.contains(OpenFlags::NONBLOCK));
        Ok(TtyFile { pair, master: None, nonblock, readable: flags.readable(), hangups })
    }

    /// Whether this is the side of the terminal emulator.
    pub fn is_master(&self) -> bool {
        self.master.is_some()
    }

    /// N of `/dev/pts/N`.
    pub fn number(&self) -> u32 {
        self.pair.number
    }

    /// Whether the master was opened as the `ptmx` of its devpts.
    pub(crate) fn is_in_instance(&self) -> bool {
        self.master.as_ref().is_some_and(|inode| devpts::instance_of(&**inode).is_some())
    }

    /// Whether `inode` names the other side of this master.
    pub(crate) fn has_peer(&self, inode: &dyn Inode) -> bool {
        devpts::pair_of(inode).is_some_and(|p| Arc::ptr_eq(p, &self.pair))
    }

    /// Lets the other side be opened, as unlockpt(3) does.
    pub fn unlock(&self) {
        self.pair.lock().locked = false;
    }

    /// Changes the settings, as tcsetattr(3) does.
    pub fn set_termios(&self, new: Termios) {
        self.pair.lock().line.set_termios(new);
    }

    /// Whether a process of session `sid` and group `pgid` is in the background of this, its
    /// controlling terminal.
    pub fn is_background(&self, sid: i32, pgid: i32) -> bool {
        let s = self.pair.lock();
        !self.is_master() && s.session == sid && s.foreground != 0 && s.foreground != pgid
    }

    /// Whether background processes must not write either (`TOSTOP`).
    pub fn stops_writers(&self) -> bool {
        self.pair.lock().line.termios.l(TOSTOP)
    }

    /// How a read that finds too little goes on.
    pub fn patience(&self) -> Patience {
        const TENTH: Nanos = 100_000_000;
        if self.is_master() {
            return Patience::Endless;
        }
        match self.pair.lock().line.raw_minimum() {
            (_, 0) => Patience::Endless,
            (0, time) => Patience::First(Nanos::from(time) * TENTH),
            (_, time) => Patience::Each(Nanos::from(time) * TENTH),
        }
    }

    /// Bytes that have been typed and not read.
    pub fn typed(&self) -> usize {
        self.pair.lock().line.readable()
    }

    /// Reads what has been typed, be it fewer bytes than a read is to wait for.
    ///
    /// # Errors
    /// As a read without waiting.
    pub fn read_typed(&self, dst: &mut dyn IoDst) -> Result<usize, Errno> {
        self.pair.read_slave(dst, true, self.hangups)
    }
}

impl Drop for TtyFile {
    fn drop(&mut self) {
        if self.is_master() {
            self.pair.close_master()
        } else {
            self.pair.close_slave(self.hangups)
        }
    }
}

impl FileOps for TtyFile {
    fn read_at(&self, dst: &mut dyn IoDst, _: u64) -> Result<usize, Errno> {
        if self.is_master() {
            self.pair.read_master(dst)
        } else {
            self.pair.read_slave(dst, self.nonblock.load(Ordering::Relaxed), self.hangups)
        }
    }

    fn write_at(&self, src: &mut dyn IoSrc, _: u64) -> Result<usize, Errno> {
        if self.is_master() {
            self.pair.write_master(src)
        } else {
            self.pair.write_slave(src, self.hangups)
        }
    }

    fn writes_all(&self) -> bool {
        true
    }

    fn readiness(&self) -> Events {
        if self.is_master() {
            self.pair.master_readiness()
        } else {
            self.pair.slave_readiness(self.hangups)
        }
    }

    fn queue(&self) -> Option<&Queue> {
        Some(if self.is_master() { &self.pair.master_queue } else { &self.pair.slave_queue })
    }

    fn stat(&self) -> Result<Stat, Errno> {
        match &self.master {
            Some(inode) => inode.stat(),
            None => Ok(pts_stat(&self.pair)),
        }
    }

    fn ioctl(&self, caller: &dyn Caller, cmd: u32, arg: Addr) -> Result<u64, Errno> {
        self.control(caller, cmd, arg)
    }

    fn flags_changed(&self, flags: OpenFlags) {
        self.nonblock.store(flags.contains(OpenFlags::NONBLOCK), Ordering::Relaxed);
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// File status of `/dev/pts/N`.
pub(super) fn pts_stat(pair: &Pair) -> Stat {
    let Owner { uid, gid, mode } = *pair.owner.lock();
    Stat {
        dev: pair.instance.dev,
        ino: u64::from(pair.number) + 3,
        mode: mode::IFCHR | mode,
        nlink: 1,
        uid,
        gid,
        rdev: pair.rdev(),
        blksize: 1024,
        ..Stat::default()
    }
}

impl core::fmt::Debug for TtyFile {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let number = self.pair.number;
        f.debug_struct("TtyFile")
            .field("number", &number)
            .field("master", &self.is_master())
            .finish()
    }
}
