//! Message queues; msgget(2), msgsnd(2), msgrcv(2).

use super::table::{IPC_NOWAIT, Object, Perm};
use super::{Bounds, ipc, now};
use crate::block::{Blocked, wait_on};
use crate::{Args, Outcome, Task, TaskCx};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{Addr, Permissions, UserMemory, UserMemoryExt};
use mm::MemoryManager;
use sync::Mutex;
use sync::waitq::{Events, Queue};
use syserr::{Errno, Restart};
use vfs::proc::IpcLimit;

/// Most queues (`MSGMNI`): fewer than Linux's 32000, which bounds what guests can store.
pub(super) const MSGMNI: usize = 4096;
/// Largest message in bytes (`MSGMAX`).
pub(super) const MSGMAX: u64 = 8192;
/// Bytes that a new queue holds (`MSGMNB`).
pub(super) const MSGMNB: u64 = 16_384;
const MSG_NOERROR: u32 = 0o10000;
const MSG_EXCEPT: u32 = 0o20000;
const MSG_COPY: u32 = 0o40000;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Msg {
    pub(super) kind: i64,
    pub(super) text: Vec<u8>,
}

impl Msg {
    /// What the kernel keeps for it.
    fn cost(&self) -> u64 {
        (self.text.len() + size_of::<Msg>()) as u64
    }
}

/// What changes of a queue.
pub(super) struct State {
    pub(super) messages: VecDeque<Msg>,
    pub(super) bytes: u64,
    pub(super) limit: u64,
    pub(super) stime: i64,
    pub(super) rtime: i64,
    pub(super) ctime: i64,
    pub(super) lspid: i32,
    pub(super) lrpid: i32,
    pub(super) removed: bool,
}

/// A message queue.
pub(super) struct MsgQueue {
    pub(super) perm: Mutex<Perm>,
    pub(super) state: Mutex<State>,
    pub(super) queue: Queue,
    pub(super) bounds: Arc<Bounds>,
}

impl Drop for MsgQueue {
    fn drop(&mut self) {
        let left: u64 = self.state.lock().messages.iter().map(Msg::cost).sum();
        self.bounds.message_bytes.give(left);
    }
}

impl Object for MsgQueue {
    fn perm(&self) -> &Mutex<Perm> {
        &self.perm
    }
}

/// Which message msgrcv(2) wants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) kind: i64,
    pub(super) size: u64,
    pub(super) flags: u32,
}

impl State {
    pub(super) fn new(ctime: i64, limit: u64) -> State {
        State {
            messages: VecDeque::new(),
            bytes: 0,
            limit,
            stime: 0,
            rtime: 0,
            ctime,
            lspid: 0,
            lrpid: 0,
            removed: false,
        }
    }

    /// Appends a message.
    ///
    /// # Errors
    /// `EAGAIN` when it does not fit now, `EIDRM`.
    pub(super) fn put(&mut self, m: Msg) -> Result<(), Errno> {
        if self.removed {
            return Err(Errno::EIDRM);
        }
        let len = m.text.len() as u64;
        if self.bytes + len > self.limit || self.messages.len() as u64 + 1 > self.limit {
            return Err(Errno::EAGAIN);
        }
        self.bytes += len;
        self.messages.push_back(m);
        Ok(())
    }

    fn position(&self, w: Wanted) -> Option<usize> {
        let mut kinds = self.messages.iter().map(|m| m.kind);
        match w.kind {
            n if w.flags & MSG_COPY != 0 => {
                usize::try_from(n).ok().filter(|n| *n < self.messages.len())
            }
            0 => kinds.next().map(|_| 0),
            k if k > 0 && w.flags & MSG_EXCEPT != 0 => kinds.position(|m| m != k),
            k if k > 0 => kinds.position(|m| m == k),
            k => {
                let most = k.checked_neg().unwrap_or(i64::MAX);
                let fitting = kinds.enumerate().filter(|(_, m)| *m <= most);
                fitting.min_by_key(|(i, m)| (*m, *i)).map(|(i, _)| i)
            }
        }
    }

    /// Takes the message that is wanted.
    ///
    /// # Errors
    /// `ENOMSG` when there is none, `E2BIG` when it is too long, `EIDRM`.
    pub(super) fn take(&mut self, w: Wanted) -> Result<Msg, Errno> {
        if self.removed {
            return Err(Errno::EIDRM);
        }
        let at = self.position(w).ok_or(Errno::ENOMSG)?;
        let m = self.messages.get(at).ok_or(Errno::ENOMSG)?;
        if m.text.len() as u64 > w.size && w.flags & MSG_NOERROR == 0 {
            return Err(Errno::E2BIG);
        }
        if w.flags & MSG_COPY != 0 {
            return Ok(m.clone());
        }
        let m = self.messages.remove(at).ok_or(Errno::ENOMSG)?;
        self.bytes -= m.text.len() as u64;
        Ok(m)
    }
}

impl MsgQueue {
    fn send(&self, task: &Task, m: Msg) -> Result<(), Errno> {
        let (cost, room) = (m.cost(), &self.bounds.message_bytes);
        room.exchange(0, cost).map_err(|_| Errno::ENOMEM)?;
        let mut s = self.state.lock();
        s.put(m).inspect_err(|_| room.give(cost))?;
        (s.stime, s.lspid) = (now(task.kernel()), task.tgid());
        drop(s);
        self.queue.notify(Events::IN);
        Ok(())
    }

    fn receive(&self, task: &Task, w: Wanted) -> Result<Msg, Errno> {
        let mut s = self.state.lock();
        let m = s.take(w)?;
        if w.flags & MSG_COPY == 0 {
            (s.rtime, s.lrpid) = (now(task.kernel()), task.tgid());
        }
        drop(s);
        if w.flags & MSG_COPY == 0 {
            self.bounds.message_bytes.give(m.cost());
        }
        self.queue.notify(Events::OUT);
        Ok(m)
    }
}

/// msgget(2).
pub(crate) fn sys_msgget(cx: &mut TaskCx, a: &Args) -> Outcome {
    let ipc = ipc(cx);
    let make = |perm, _| {
        let limit = ipc.objects.limits.get(IpcLimit::MsgMnb);
        let state = Mutex::new(State::new(now(cx.kernel()), limit));
        let bounds = ipc.objects.bounds.clone();
        Ok(MsgQueue { perm: Mutex::new(perm), state, queue: Queue::new(), bounds })
    };
    let (key, flags, creds) = (a[0] as i32, a[1] as u32, cx.task.creds());
    let most = ipc.objects.limits.get(IpcLimit::MsgMni);
    let id = ipc.objects.msg.get(key, flags, ipc.asker(&creds), most as usize, |_| Ok(()), make);
    id.map(|id| id as u64).into()
}

fn ended(e: Blocked) -> Outcome {
    match e {
        Blocked::Interrupted => Outcome::Restart(Restart::NoHand),
        Blocked::TimedOut => Errno::EAGAIN.into(),
    }
}

/// msgsnd(2).
pub(crate) fn sys_msgsnd(cx: &mut TaskCx, a: &Args) -> Outcome {
    msgsnd(cx, a[0] as i32, a[1], a[2], a[3] as u32).unwrap_or_else(Outcome::from)
}

fn msgsnd(cx: &TaskCx, id: i32, at: u64, size: u64, flags: u32) -> Result<Outcome, Errno> {
    let kind: i64 = cx.mm().read_obj(Addr(at))?;
    let ipc = ipc(cx);
    if size > ipc.objects.limits.get(IpcLimit::MsgMax) || id < 0 || kind < 1 {
        return Err(Errno::EINVAL);
    }
    let text = cx.mm().read_vec(Addr(at).wrapping_add(8), size as usize)?;
    let queue = ipc.objects.msg.find(id)?;
    queue.perm.lock().check(ipc.asker(&cx.task.creds()), 0o222)?;
    let m = Msg { kind, text };
    match queue.send(&cx.task, m.clone()) {
        Err(Errno::EAGAIN) if flags & IPC_NOWAIT == 0 => {}
        r => return Ok(r.map(|()| 0).into()),
    }
    let task = cx.task.clone();
    Ok(Outcome::Block(Box::pin(async move {
        let attempt = || match queue.send(&task, m.clone()) {
            Err(Errno::EAGAIN) => None,
            r => Some(r.map(|()| 0)),
        };
        match task.block(None, wait_on(&queue.queue, Events::OUT, attempt)).await {
            Ok(r) => r.into(),
            Err(e) => ended(e),
        }
    })))
}

/// msgrcv(2).
pub(crate) fn sys_msgrcv(cx: &mut TaskCx, a: &Args) -> Outcome {
    let w = Wanted { kind: a[3] as i64, size: a[2], flags: a[4] as u32 };
    msgrcv(cx, a[0] as i32, a[1], w).unwrap_or_else(Outcome::from)
}

fn deliver(mm: &MemoryManager, at: u64, w: Wanted, m: &Msg) -> Result<u64, Errno> {
    let len = (m.text.len() as u64).min(w.size);
    mm.write_obj(Addr(at), &m.kind)?;
    let text = m.text.get(..len as usize).unwrap_or_default();
    mm.copy_out(Addr(at).wrapping_add(8), text, Permissions::Obey)?;
    Ok(len)
}

fn msgrcv(cx: &TaskCx, id: i32, at: u64, w: Wanted) -> Result<Outcome, Errno> {
    if id < 0 || w.size > i64::MAX as u64 {
        return Err(Errno::EINVAL);
    }
    let nowait = w.flags & IPC_NOWAIT != 0;
    if w.flags & MSG_COPY != 0 && (w.flags & MSG_EXCEPT != 0 || !nowait) {
        return Err(Errno::EINVAL);
    }
    let ipc = ipc(cx);
    let queue = ipc.objects.msg.find(id)?;
    queue.perm.lock().check(ipc.asker(&cx.task.creds()), 0o444)?;
    match queue.receive(&cx.task, w) {
        Ok(m) => return Ok(deliver(cx.mm(), at, w, &m).into()),
        Err(Errno::ENOMSG) if !nowait => {}
        Err(e) => return Err(e),
    }
    let (task, mm): (Arc<Task>, Arc<MemoryManager>) = (cx.task.clone(), cx.mm().clone());
    Ok(Outcome::Block(Box::pin(async move {
        let attempt = || match queue.receive(&task, w) {
            Err(Errno::ENOMSG) => None,
            r => Some(r),
        };
        match task.block(None, wait_on(&queue.queue, Events::IN, attempt)).await {
            Ok(r) => r.and_then(|m| deliver(&mm, at, w, &m)).into(),
            Err(e) => ended(e),
        }
    })))
}
