//! One open end of a pipe.

use super::PipeMaker;
use super::{Pipe, ring::SLOT};
use crate::{Caller, FileOps, Inode, OpenFlags, SetAttr, Stat};
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{Addr, IoDst, IoSrc, UserMemoryExt};
use core::any::Any;
use sync::atomic::{AtomicBool, Ordering};
use sync::waitq::{Events, Queue};
use syserr::Errno;

/// `FIONREAD` of ioctl(2).
const FIONREAD: u32 = 0x541b;

/// An open file description of a pipe or FIFO.
pub struct PipeEnd {
    pipe: Arc<Pipe>,
    read: bool,
    write: bool,
    packet: AtomicBool,
    partner: u64,
    /// The FIFO's file; `None` for a pipe without a name, which keeps its status itself.
    file: Option<Arc<dyn Inode>>,
}

impl PipeEnd {
    /// An end that `pipe` has already counted.
    pub(super) fn new(
        pipe: Arc<Pipe>,
        read: bool,
        write: bool,
        packet: bool,
        partner: u64,
    ) -> PipeEnd {
        PipeEnd { pipe, read, write, packet: AtomicBool::new(packet), partner, file: None }
    }

    /// The same end, of the FIFO at a file.
    pub(crate) fn of(mut self, file: &Arc<dyn Inode>) -> PipeEnd {
        self.file = Some(file.clone());
        self
    }

    /// Whether the other side of a FIFO has been there since this one was opened.
    pub fn is_open(&self) -> bool {
        let s = self.pipe.state.lock();
        self.partner <= if self.read { s.writers_seen } else { s.readers_seen }
    }

    /// The pipe.
    pub fn pipe(&self) -> &Arc<Pipe> {
        &self.pipe
    }

    /// Whether it may be read.
    pub fn reads(&self) -> bool {
        self.read
    }

    /// Whether it may be written.
    pub fn writes(&self) -> bool {
        self.write
    }

    /// Bytes that the pipe can hold: `F_GETPIPE_SZ`.
    pub fn capacity(&self) -> usize {
        self.pipe.state.lock().ring.limit() * SLOT
    }

    /// Lets the pipe hold `bytes`, rounded up to a power of two of pages, and returns what it
    /// became: `F_SETPIPE_SZ`.
    ///
    /// # Errors
    /// `EINVAL` above 2 GiB, `EPERM` above what `maker` may, or its user's pipes together, `EBUSY`
    /// when it holds more than that now, `ENOMEM` at 64 times the maximum.
    pub fn set_capacity(&self, bytes: u32, maker: PipeMaker<'_>) -> Result<usize, Errno> {
        self.pipe.set_capacity(bytes, maker)
    }

    /// Copies up to `max` bytes that wait in the pipe, without taking them: tee(2), and the first
    /// half of splice(2). Empty at end of file.
    ///
    /// # Errors
    /// `EAGAIN` when there are none but there may be more.
    pub fn peek(&self, max: usize) -> Result<Vec<u8>, Errno> {
        let s = self.pipe.state.lock();
        if s.ring.is_empty() && s.writers > 0 {
            return Err(Errno::EAGAIN);
        }
        let mut bytes = alloc::vec![0; max.min(s.ring.len())];
        s.ring.peek(&mut bytes);
        Ok(bytes)
    }

    /// Drops `n` bytes that [`PipeEnd::peek`] gave.
    pub fn consume(&self, n: usize) {
        let mut s = self.pipe.state.lock();
        let was_full = s.ring.is_full();
        s.ring.consume(n);
        let wake = was_full && !s.ring.is_full();
        let both = s.both > 0;
        drop(s);
        if wake {
            self.pipe.notify_room(both);
        }
    }
}

impl Drop for PipeEnd {
    fn drop(&mut self) {
        let mut s = self.pipe.state.lock();
        s.readers -= usize::from(self.read);
        s.writers -= usize::from(self.write);
        s.both -= usize::from(self.read && self.write);
        if s.readers == 0 && s.writers == 0 {
            s.ring.clear();
        }
        drop(s);
        self.pipe.notify_all();
    }
}

impl FileOps for PipeEnd {
    fn read_at(&self, dst: &mut dyn IoDst, _: u64) -> Result<usize, Errno> {
        self.pipe.read(dst)
    }

    fn write_at(&self, src: &mut dyn IoSrc, _: u64) -> Result<usize, Errno> {
        self.pipe.write(src, self.packet.load(Ordering::Relaxed))
    }

    fn writes_all(&self) -> bool {
        true
    }

    fn readiness(&self) -> Events {
        let s = self.pipe.state.lock();
        let mut e = Events::empty();
        if self.read {
            e.set(Events::IN | Events::RDNORM, !s.ring.is_empty());
            e.set(Events::HUP, s.writers == 0 && self.partner <= s.writers_seen);
        }
        if self.write {
            e.set(Events::OUT | Events::WRNORM, !s.ring.is_full());
            e.set(Events::ERR, s.readers == 0);
        }
        e
    }

    fn queue(&self) -> Option<&Queue> {
        Some(match (self.read, self.write) {
            (true, false) => &self.pipe.reading,
            (false, true) => &self.pipe.writing,
            _ => &self.pipe.mixed,
        })
    }

    fn stat(&self) -> Result<Stat, Errno> {
        match &self.file {
            Some(f) => f.stat(),
            None => Ok(*self.pipe.stat.lock()),
        }
    }

    fn set_attr(&self, set: &SetAttr) -> Result<(), Errno> {
        match &self.file {
            Some(f) => f.set_attr(set),
            None => {
                set.apply(&mut self.pipe.stat.lock());
                Ok(())
            }
        }
    }

    fn reopen(&self, flags: OpenFlags) -> Result<Arc<dyn FileOps>, Errno> {
        Ok(Arc::new(self.pipe.reopen(flags)))
    }

    fn ioctl(&self, caller: &dyn Caller, cmd: u32, arg: Addr) -> Result<u64, Errno> {
        match cmd {
            FIONREAD => {
                let n = self.pipe.state.lock().ring.len() as i32;
                caller.memory().write_obj(arg, &n)?;
                Ok(0)
            }
            _ => Err(Errno::ENOTTY),
        }
    }

    fn flags_changed(&self, flags: OpenFlags) {
        self.packet.store(flags.contains(OpenFlags::DIRECT), Ordering::Relaxed);
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl core::fmt::Debug for PipeEnd {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let PipeEnd { pipe, read, write, .. } = self;
        f.debug_struct("PipeEnd")
            .field("pipe", pipe)
            .field("read", read)
            .field("write", write)
            .finish()
    }
}
