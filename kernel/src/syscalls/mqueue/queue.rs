//! One queue, as a file.

use super::names::Accounts;
use super::notify::Notice;
use crate::{ClockId, Kernel, Task};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use arch::IoDst;
use core::any::Any;
use sync::Mutex;
use sync::waitq::{Events, Queue};
use syserr::Errno;
use vfs::locks::LockOwner;
use vfs::{
    FileOps, Inode, InodeState, Nanos, OpenFlags, PathCx, Perm, SetAttr, Stat, StatFs, anon, mode,
};

/// The size of a new one (`FILENT_SIZE`).
const TEXT_SIZE: u64 = 80;

/// A new queue.
pub(super) struct Shape {
    pub(super) maxmsg: u64,
    pub(super) msgsize: u64,
    pub(super) perm: Perm,
    /// Who is charged, and how many bytes.
    pub(super) charged: (u32, u64),
    pub(super) now: Nanos,
    pub(super) ino: u64,
}

/// A message and its priority.
pub(super) type Message = (u32, Vec<u8>);

struct State {
    /// By priority, the oldest first.
    messages: BTreeMap<u32, VecDeque<Vec<u8>>>,
    count: u64,
    bytes: u64,
    /// Receivers that wait: they get messages before anybody is notified.
    receivers: u64,
    notice: Option<Notice>,
    /// What stat(2) says. Of the size, which truncate(2) changes, nothing follows.
    stat: Stat,
}

/// A message queue.
pub(super) struct MessageQueue {
    pub(super) shape: Shape,
    accounts: Arc<Accounts>,
    kernel: Weak<Kernel>,
    state: Mutex<State>,
    pub(super) waiters: Queue,
    this: Weak<MessageQueue>,
    inode: InodeState,
}

impl MessageQueue {
    pub(super) fn new(shape: Shape, accounts: Arc<Accounts>, kernel: &Arc<Kernel>) -> Arc<Self> {
        let (Perm { mode, uid, gid }, now) = (shape.perm, shape.now);
        let stat = Stat {
            dev: anon::MQUEUE_DEV,
            ino: shape.ino,
            mode,
            nlink: 1,
            uid,
            gid,
            size: TEXT_SIZE,
            blksize: 4096,
            atime: now,
            mtime: now,
            ctime: now,
            ..Stat::default()
        };
        let state = State {
            messages: BTreeMap::new(),
            count: 0,
            bytes: 0,
            receivers: 0,
            notice: None,
            stat,
        };
        Arc::new_cyclic(|this| MessageQueue {
            shape,
            accounts,
            kernel: Arc::downgrade(kernel),
            state: Mutex::new(state),
            waiters: Queue::new(),
            this: this.clone(),
            inode: InodeState::default(),
        })
    }

    pub(super) fn this(&self) -> Option<Arc<MessageQueue>> {
        self.this.upgrade()
    }

    pub(super) fn perm(&self) -> Perm {
        let Stat { mode, uid, gid, .. } = self.state.lock().stat;
        Perm { mode, uid, gid }
    }

    /// How many messages there are.
    pub(super) fn count(&self) -> u64 {
        self.state.lock().count
    }

    /// Its name was removed.
    pub(super) fn unlinked(&self) {
        let now = self.now();
        let stat = &mut self.state.lock().stat;
        (stat.nlink, stat.ctime) = (0, now);
    }

    pub(super) fn now(&self) -> Nanos {
        self.kernel.upgrade().map_or(0, |k| k.now(ClockId::Realtime))
    }

    /// Adds a message, and tells who asked to be notified of the first one.
    ///
    /// # Errors
    /// `EAGAIN` when it is full; the message is the caller's then.
    pub(super) fn put(&self, sender: &Task, m: &mut Message) -> Result<(), Errno> {
        let now = self.now();
        let mut s = self.state.lock();
        if s.count >= self.shape.maxmsg {
            return Err(Errno::EAGAIN);
        }
        let text = core::mem::take(&mut m.1);
        s.count += 1;
        s.bytes += text.len() as u64;
        s.messages.entry(m.0).or_default().push_back(text);
        (s.stat.mtime, s.stat.ctime) = (now, now);
        let first = s.count.checked_sub(s.receivers) == Some(1);
        let notice = if first { s.notice.take() } else { None };
        drop(s);
        self.waiters.notify(Events::IN | Events::RDNORM);
        if let Some(n) = notice {
            n.deliver(sender);
        }
        Ok(())
    }

    /// Takes the oldest message of the highest priority.
    pub(super) fn take(&self, waiting: Option<&mut Waiting>) -> Option<Message> {
        let now = self.now();
        let mut s = self.state.lock();
        let mut highest = s.messages.last_entry()?;
        let priority = *highest.key();
        let text = highest.get_mut().pop_front()?;
        if highest.get().is_empty() {
            highest.remove();
        }
        s.count -= 1;
        s.bytes -= text.len() as u64;
        s.stat.atime = now;
        if let Some(w) = waiting.filter(|w| w.counted) {
            w.counted = false;
            s.receivers -= 1;
        }
        drop(s);
        self.waiters.notify(Events::OUT | Events::WRNORM);
        Some((priority, text))
    }

    /// Registers who is told of the first message.
    ///
    /// # Errors
    /// `EBUSY` when somebody is registered.
    pub(super) fn register(&self, notice: Notice) -> Result<(), Errno> {
        let mut s = self.state.lock();
        if s.notice.is_some() {
            return Err(Errno::EBUSY);
        }
        s.notice = Some(notice);
        Ok(())
    }

    /// Takes a registration back.
    pub(super) fn unregister(&self, whose: impl Fn(&Notice) -> bool) {
        let gone = self.state.lock().notice.take_if(|n| whose(n));
        if let Some(n) = gone {
            n.removed();
        }
    }
}

/// A receiver that waits, counted as long as it does.
pub(super) struct Waiting {
    queue: Arc<MessageQueue>,
    counted: bool,
}

impl Waiting {
    pub(super) fn new(queue: Arc<MessageQueue>) -> Waiting {
        queue.state.lock().receivers += 1;
        Waiting { queue, counted: true }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.counted {
            self.queue.state.lock().receivers -= 1;
        }
    }
}

impl Drop for MessageQueue {
    fn drop(&mut self) {
        let (uid, bytes) = self.shape.charged;
        self.accounts.give_back(uid, bytes);
    }
}

impl FileOps for MessageQueue {
    fn read_at(&self, dst: &mut dyn IoDst, offset: u64) -> Result<usize, Errno> {
        let text = {
            let s = self.state.lock();
            let (how, signo, pid) = s.notice.as_ref().map_or((0, 0, 0), Notice::shown);
            format!("QSIZE:{:<10} NOTIFY:{how:<5} SIGNO:{signo:<5} NOTIFY_PID:{pid:<6}\n", s.bytes)
        };
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        dst.put(text.as_bytes().get(from..).unwrap_or_default())
    }

    fn seekable(&self) -> bool {
        true
    }

    fn readiness(&self) -> Events {
        let count = self.count();
        let mut e = Events::empty();
        e.set(Events::IN | Events::RDNORM, count > 0);
        e.set(Events::OUT | Events::WRNORM, count < self.shape.maxmsg);
        e
    }

    fn queue(&self) -> Option<&Queue> {
        Some(&self.waiters)
    }

    fn stat(&self) -> Result<Stat, Errno> {
        Ok(self.state.lock().stat)
    }

    fn set_attr(&self, set: &SetAttr) -> Result<(), Errno> {
        Inode::set_attr(self, set)
    }

    fn truncate(&self, size: u64) -> Result<(), Errno> {
        self.state.lock().stat.size = size;
        Ok(())
    }

    fn flush(&self, owner: LockOwner) {
        self.unregister(|n| n.owner == owner);
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Inode for MessageQueue {
    fn stat(&self) -> Result<Stat, Errno> {
        Ok(self.state.lock().stat)
    }

    fn kind(&self) -> u32 {
        mode::IFREG
    }

    fn state(&self) -> Option<&InodeState> {
        Some(&self.inode)
    }

    fn set_attr(&self, set: &SetAttr) -> Result<(), Errno> {
        let now = self.now();
        let stat = &mut self.state.lock().stat;
        set.apply(stat);
        stat.ctime = now;
        Ok(())
    }

    fn open(self: Arc<Self>, _: OpenFlags, _: &PathCx<'_>) -> Result<Arc<dyn FileOps>, Errno> {
        Ok(self)
    }

    fn statfs(&self) -> Result<StatFs, Errno> {
        Ok(super::fs::STATFS)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
