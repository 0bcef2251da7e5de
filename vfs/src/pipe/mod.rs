//! Pipes and FIFOs; pipe(7).

mod account;
mod end;
mod ring;
#[cfg(test)]
mod tests;

pub use account::PipeUsers;
pub use end::PipeEnd;

use crate::{Nanos, OpenFlags, Stat, mode};
use account::Share;
use alloc::sync::Arc;
use arch::{IoDst, IoSrc};
use ring::{Ring, SLOT};
use sync::Mutex;
use sync::waitq::{Events, Queue};
use syserr::Errno;

/// Bytes that a new pipe holds.
pub const DEFAULT_CAPACITY: usize = 16 * SLOT;
/// The most bytes that an unprivileged user may let a pipe hold, unless somebody sets it otherwise
/// (`/proc/sys/fs/pipe-max-size`).
pub const MAX_CAPACITY: usize = 1 << 20;

/// What the two ends of a pipe share, and what the inode of a FIFO holds.
pub struct Pipe {
    state: Mutex<State>,
    /// Told of bytes: ends that read.
    reading: Queue,
    /// Told of room: ends that write.
    writing: Queue,
    /// Told of both: ends of a FIFO that do both.
    mixed: Queue,
    stat: Mutex<Stat>,
}

/// Who makes a pipe or changes one, and what is allowed.
#[derive(Clone, Copy)]
pub struct PipeMaker<'a> {
    /// What the pipes of all users have.
    pub users: &'a Arc<PipeUsers>,
    /// The user.
    pub uid: u32,
    /// The most bytes of a pipe ([`crate::Settings::pipe_max_size`]), `usize::MAX` with
    /// `CAP_SYS_RESOURCE`.
    pub most: usize,
    /// Has `CAP_SYS_RESOURCE` or `CAP_SYS_ADMIN`: what the user's pipes have together does not
    /// count.
    pub privileged: bool,
}

struct State {
    ring: Ring,
    /// What it counts for its maker; nothing of a FIFO.
    share: Option<Share>,
    readers: usize,
    writers: usize,
    /// Ends that are counted as readers and as writers.
    both: usize,
    /// How many readers ever came: an open that waits for one sees the number change, even when
    /// that one has gone again.
    readers_seen: u64,
    writers_seen: u64,
}

impl Pipe {
    /// A pipe without ends, whose file status is `stat`.
    pub fn new(stat: Stat) -> Arc<Pipe> {
        let ring = Ring::new(DEFAULT_CAPACITY / SLOT);
        let state = State {
            ring,
            share: None,
            readers: 0,
            writers: 0,
            both: 0,
            readers_seen: 0,
            writers_seen: 0,
        };
        Arc::new(Pipe {
            state: Mutex::new(state),
            reading: Queue::new(),
            writing: Queue::new(),
            mixed: Queue::new(),
            stat: Mutex::new(stat),
        })
    }

    /// Both ends of a new, nameless pipe; pipe(2). `ino` is its inode number.
    ///
    /// # Errors
    /// `ENFILE` when the user may have no more.
    pub fn pair(
        ino: u64,
        (uid, gid): (u32, u32),
        now: Nanos,
        flags: OpenFlags,
        maker: PipeMaker<'_>,
    ) -> Result<(PipeEnd, PipeEnd), Errno> {
        let wanted = DEFAULT_CAPACITY.min(maker.most) / SLOT;
        let share = Share::new(maker.users, maker.uid, wanted, maker.privileged);
        let share = share.map_err(|_| Errno::ENFILE)?;
        let pipe = Pipe::new(Stat {
            dev: crate::anon::PIPE_DEV,
            ino,
            mode: mode::IFIFO | 0o600,
            nlink: 1,
            uid,
            gid,
            blksize: SLOT as u32,
            atime: now,
            mtime: now,
            ctime: now,
            ..Stat::default()
        });
        let mut s = pipe.state.lock();
        (s.readers, s.readers_seen, s.writers, s.writers_seen) = (1, 1, 1, 1);
        s.ring.set_limit(share.pages())?;
        s.share = Some(share);
        drop(s);
        let packet = flags.contains(OpenFlags::DIRECT);
        Ok((
            PipeEnd::new(pipe.clone(), true, false, packet, 0),
            PipeEnd::new(pipe, false, true, packet, 0),
        ))
    }

    /// Opens a FIFO. [`PipeEnd::is_open`] says whether a blocking open may return; until then it
    /// waits on the end's queue.
    ///
    /// # Errors
    /// `ENXIO` for a non-blocking open to write when nobody reads.
    pub fn open(self: &Arc<Pipe>, flags: OpenFlags) -> Result<PipeEnd, Errno> {
        let (read, write) = (flags.readable(), flags.writable());
        let nonblock = flags.contains(OpenFlags::NONBLOCK);
        let s = self.state.lock();
        if write && !read && nonblock && s.readers == 0 {
            return Err(Errno::ENXIO);
        }
        // What the other side's count must pass before the open is complete or a reader may be
        // told of a hang-up. 0 is always passed.
        let partner = match (read, write) {
            (true, false) if s.writers == 0 => s.writers_seen + 1,
            (false, true) if s.readers == 0 => s.readers_seen + 1,
            _ => 0,
        };
        Ok(self.add_end(s, flags, partner))
    }

    /// Opens another end of a pipe without a name (`/proc/PID/fd/N`): unlike a FIFO, it waits for
    /// nobody (`is_pipe` in `fifo_open`, `fs/pipe.c`).
    pub(super) fn reopen(self: &Arc<Pipe>, flags: OpenFlags) -> PipeEnd {
        self.add_end(self.state.lock(), flags, 0)
    }

    fn add_end(
        self: &Arc<Pipe>,
        mut s: sync::MutexGuard<'_, State>,
        flags: OpenFlags,
        partner: u64,
    ) -> PipeEnd {
        let (read, write) = (flags.readable(), flags.writable());
        if read {
            s.readers += 1;
            s.readers_seen += 1;
        }
        if write {
            s.writers += 1;
            s.writers_seen += 1;
        }
        s.both += usize::from(read && write);
        drop(s);
        self.notify_all();
        PipeEnd::new(self.clone(), read, write, flags.contains(OpenFlags::DIRECT), partner)
    }

    fn read(&self, dst: &mut dyn IoDst) -> Result<usize, Errno> {
        if dst.remaining() == 0 {
            return Ok(0);
        }
        let mut s = self.state.lock();
        if s.ring.is_empty() {
            return if s.writers == 0 { Ok(0) } else { Err(Errno::EAGAIN) };
        }
        let was_full = s.ring.is_full();
        let r = s.ring.read(dst);
        let wake = was_full && !s.ring.is_full();
        let both = s.both > 0;
        drop(s);
        if wake {
            self.notify_room(both);
        }
        r
    }

    fn write(&self, src: &mut dyn IoSrc, packet: bool) -> Result<usize, Errno> {
        if src.remaining() == 0 {
            return Ok(0);
        }
        let mut s = self.state.lock();
        if s.readers == 0 {
            return Err(Errno::EPIPE);
        }
        let r = s.ring.write(src, packet);
        let both = s.both > 0;
        drop(s);
        // Linux wakes readers even where nothing fitted, which edge-triggered polls see.
        self.reading.notify(Events::IN | Events::RDNORM);
        if both {
            self.mixed.notify(Events::IN | Events::RDNORM);
        }
        r
    }

    fn set_capacity(&self, bytes: u32, maker: PipeMaker<'_>) -> Result<usize, Errno> {
        if bytes > 1 << 31 {
            return Err(Errno::EINVAL);
        }
        let slots = (bytes as usize).max(SLOT).next_power_of_two() / SLOT;
        let mut s = self.state.lock();
        let grows = slots > s.ring.limit();
        if grows && slots * SLOT > maker.most {
            return Err(Errno::EPERM);
        }
        // Nobody's pipe grows the kernel without bound, a privileged guest's neither.
        if slots * SLOT > 64 * MAX_CAPACITY {
            return Err(Errno::ENOMEM);
        }
        let before = s.ring.limit();
        if let Some(share) = &mut s.share {
            share.change(slots, grows, maker.privileged).map_err(|_| Errno::EPERM)?;
        }
        if let Err(e) = s.ring.set_limit(slots) {
            if let Some(share) = &mut s.share {
                // Who goes back to what was there before is not asked.
                let _ = share.change(before, false, true);
            }
            return Err(e);
        }
        let both = s.both > 0;
        drop(s);
        // Linux wakes writers whether or not there is more room, which edge-triggered polls see.
        self.writing.notify(Events::all());
        if both {
            self.mixed.notify(Events::all());
        }
        Ok(slots * SLOT)
    }

    fn notify_room(&self, both: bool) {
        self.writing.notify(Events::OUT | Events::WRNORM);
        if both {
            self.mixed.notify(Events::OUT | Events::WRNORM);
        }
    }

    fn notify_all(&self) {
        for q in [&self.reading, &self.writing, &self.mixed] {
            q.notify(Events::all());
        }
    }
}

impl core::fmt::Debug for Pipe {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Pipe").field("ino", &self.stat.lock().ino).finish_non_exhaustive()
    }
}
