//! Event counters; eventfd(2).

use crate::{FileOps, Stat, anon};
use alloc::format;
use alloc::vec::Vec;
use arch::{IoDst, IoSrc};
use core::any::Any;
use sync::Mutex;
use sync::waitq::{Events, Queue};
use syserr::Errno;

/// The highest count that a write may reach.
const MAX: u64 = u64::MAX - 1;

/// The file that eventfd(2) makes.
pub struct EventFd {
    count: Mutex<u64>,
    semaphore: bool,
    queue: Queue,
}

impl EventFd {
    /// A counter that starts at `count`. As a `semaphore`, a read takes one.
    pub fn new(count: u32, semaphore: bool) -> EventFd {
        EventFd { count: Mutex::new(count.into()), semaphore, queue: Queue::new() }
    }

    /// Adds from inside of the kernel (`eventfd_signal`): the count stays at its most.
    pub fn add(&self, n: u64) {
        let mut count = self.count.lock();
        *count = count.saturating_add(n);
        drop(count);
        self.queue.notify(Events::IN);
    }
}

impl FileOps for EventFd {
    fn read_at(&self, dst: &mut dyn IoDst, _: u64) -> Result<usize, Errno> {
        if dst.remaining() < 8 {
            return Err(Errno::EINVAL);
        }
        let mut count = self.count.lock();
        if *count == 0 {
            return Err(Errno::EAGAIN);
        }
        let taken = if self.semaphore { 1 } else { *count };
        *count -= taken;
        drop(count);
        self.queue.notify(Events::OUT);
        // The count is gone even when the buffer is bad, as in Linux.
        match dst.put(&taken.to_ne_bytes())? {
            8 => Ok(8),
            _ => Err(Errno::EFAULT),
        }
    }

    fn write_at(&self, src: &mut dyn IoSrc, _: u64) -> Result<usize, Errno> {
        if src.remaining() != 8 {
            return Err(Errno::EINVAL);
        }
        let mut bytes = [0; 8];
        if src.take(&mut bytes)? < 8 {
            return Err(Errno::EFAULT);
        }
        let add = u64::from_ne_bytes(bytes);
        if add == u64::MAX {
            return Err(Errno::EINVAL);
        }
        let mut count = self.count.lock();
        match count.checked_add(add) {
            Some(sum) if sum <= MAX => *count = sum,
            _ => {
                drop(count);
                src.untake(8);
                return Err(Errno::EAGAIN);
            }
        }
        drop(count);
        self.queue.notify(Events::IN);
        Ok(8)
    }

    fn ignores_seeks(&self) -> bool {
        true
    }

    fn readiness(&self) -> Events {
        let count = *self.count.lock();
        let mut e = Events::empty();
        e.set(Events::IN, count > 0);
        e.set(Events::OUT, count < MAX);
        e
    }

    fn queue(&self) -> Option<&Queue> {
        Some(&self.queue)
    }

    fn stat(&self) -> Result<Stat, Errno> {
        Ok(anon::anon_stat())
    }

    fn fdinfo(&self, _: &dyn crate::proc::ProcSource, out: &mut Vec<u8>) {
        let count = *self.count.lock();
        let line = format!(
            "eventfd-count: {count:16x}\neventfd-id: 0\neventfd-semaphore: {}\n",
            u8::from(self.semaphore)
        );
        out.extend_from_slice(line.as_bytes());
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl core::fmt::Debug for EventFd {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("EventFd").field("count", &*self.count.lock()).finish_non_exhaustive()
    }
}
