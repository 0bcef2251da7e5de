//! Names, permissions and limits; mq_open(2), mq_unlink(2).

use super::attr::MqAttr;
use super::fs::Root;
use super::limits::Limits;
use super::queue::{MessageQueue, Shape};
use crate::ns::IpcNs;
use crate::syscalls::fs::{install, walk};
use crate::{Args, ClockId, Outcome, Resource, Task, TaskCx};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{Addr, UserMemoryExt};
use sync::Mutex;
use syserr::Errno;
use vfs::perm::{MAY_EXEC, MAY_READ, MAY_WRITE, check_bits, check_sticky};
use vfs::{Create, Creds, File, OpenFlags, Perm, cap, mode};

/// The most that all queues together may hold, whatever the limits of their makers: what guests
/// can make the kernel store is bounded.
const BYTES_MAX: u64 = 64 << 20;
/// What Linux counts for each message (`struct msg_msg`), and for each priority.
const PER_MESSAGE: i64 = 48;
const PER_PRIORITY: i64 = 48;
/// Priorities are below this (`MQ_PRIO_MAX`).
pub(super) const PRIO_MAX: u32 = 32_768;

/// Bytes that the queues of each user may hold.
#[derive(Default)]
pub(crate) struct Accounts(Mutex<BTreeMap<u32, u64>>);

impl Accounts {
    fn charge(&self, uid: u32, bytes: u64, limit: u64) -> Result<(), Errno> {
        let mut all = self.0.lock();
        let total: u64 = all.values().sum();
        let own = all.get(&uid).copied().unwrap_or(0).saturating_add(bytes);
        if own > limit || total.saturating_add(bytes) > BYTES_MAX {
            return Err(Errno::EMFILE);
        }
        all.insert(uid, own);
        Ok(())
    }

    pub(super) fn give_back(&self, uid: u32, bytes: u64) {
        let mut all = self.0.lock();
        if let Some(own) = all.get_mut(&uid) {
            *own = own.saturating_sub(bytes);
            if *own == 0 {
                all.remove(&uid);
            }
        }
    }
}

/// The message queues of an IPC namespace: what the directory of its mqueue file system holds.
pub(crate) struct Queues {
    pub(super) names: Mutex<BTreeMap<Vec<u8>, Arc<MessageQueue>>>,
    accounts: Arc<Accounts>,
    pub(crate) limits: Limits,
    /// The directory itself.
    pub(super) root: Arc<Root>,
}

impl Queues {
    /// Without queues, in a directory that belongs to `owner`. Users are charged where those of
    /// other namespaces are.
    pub(crate) fn new(accounts: &Arc<Accounts>, owner: (u32, u32)) -> Arc<Queues> {
        Arc::new_cyclic(|me| Queues {
            names: Mutex::default(),
            accounts: accounts.clone(),
            limits: Limits::default(),
            root: Root::new(me.clone(), owner),
        })
    }

    /// The queue of a name.
    pub(super) fn get(&self, name: &[u8]) -> Result<Arc<MessageQueue>, Errno> {
        self.names.lock().get(name).cloned().ok_or(Errno::ENOENT)
    }

    /// Makes a queue for `task`, which has permission (`mqueue_create_attr`).
    ///
    /// # Errors
    /// `EEXIST`; `ENOSPC` for too many; `EINVAL`; `EMFILE` when the user or all hold too much.
    pub(super) fn make(
        &self,
        task: &Task,
        name: Vec<u8>,
        attr: Option<MqAttr>,
        what: &Create<'_>,
    ) -> Result<Arc<MessageQueue>, Errno> {
        let (creds, kernel) = (task.creds(), task.kernel());
        let mut names = self.names.lock();
        if names.contains_key(&name) {
            return Err(Errno::EEXIST);
        }
        if names.len() as u64 >= self.limits.queues() && !creds.has(cap::SYS_RESOURCE) {
            return Err(Errno::ENOSPC);
        }
        let (maxmsg, msgsize, bytes) = shape(attr, &creds, &self.limits)?;
        self.accounts.charge(creds.uid, bytes, task.limit(Resource::Msgqueue).0)?;
        let shape = Shape {
            maxmsg: maxmsg as u64,
            msgsize: msgsize as u64,
            perm: Perm { mode: what.mode, uid: what.uid, gid: what.gid },
            charged: (creds.uid, bytes),
            now: kernel.now(ClockId::Realtime),
            ino: kernel.vfs().env().new_inode_number(),
        };
        let made = MessageQueue::new(shape, self.accounts.clone(), kernel);
        names.insert(name, made.clone());
        self.root.changed(kernel.now(ClockId::Realtime));
        Ok(made)
    }

    /// Takes a name away from `queue`, which lives on as long as it is open.
    ///
    /// # Errors
    /// `ENOENT` when the name is not its any more.
    pub(super) fn remove(&self, name: &[u8], queue: &Arc<MessageQueue>) -> Result<(), Errno> {
        let gone = {
            let mut names = self.names.lock();
            if !names.get(name).is_some_and(|q| Arc::ptr_eq(q, queue)) {
                return Err(Errno::ENOENT);
            }
            names.remove(name)
        };
        queue.unlinked();
        self.root.changed(queue.now());
        drop(gone);
        Ok(())
    }
}

/// The namespace of the caller.
fn ipc(cx: &TaskCx) -> Arc<IpcNs> {
    cx.namespaces().ipc.clone()
}

/// Checks a name as the kernel gets it, without the slash in front (`lookup_noperm_common`).
fn checked(name: Vec<u8>) -> Result<Vec<u8>, Errno> {
    match &*name {
        b"" => Err(Errno::ENOENT),
        b"." | b".." => Err(Errno::EACCES),
        n if n.contains(&b'/') => Err(Errno::EACCES),
        n if n.len() > 255 => Err(Errno::ENAMETOOLONG),
        _ => Ok(name),
    }
}

/// Messages, bytes of each, and bytes of all (`mqueue_get_inode`).
fn shape(attr: Option<MqAttr>, creds: &Creds, limits: &Limits) -> Result<(i64, i64, u64), Errno> {
    let (maxmsg, msgsize) = attr.map_or_else(|| limits.usual(), |a| (a.maxmsg, a.msgsize));
    let (most, largest) = limits.most(creds.has(cap::SYS_RESOURCE));
    if !(1..=most).contains(&maxmsg) || !(1..=largest).contains(&msgsize) {
        return Err(Errno::EINVAL);
    }
    let tree = maxmsg * PER_MESSAGE + maxmsg.min(i64::from(PRIO_MAX)) * PER_PRIORITY;
    Ok((maxmsg, msgsize, (maxmsg * msgsize + tree) as u64))
}

/// mq_open(2).
pub(crate) fn sys_mq_open(cx: &mut TaskCx, a: &Args) -> Outcome {
    open(cx, a).into()
}

fn open(cx: &TaskCx, a: &Args) -> Result<u64, Errno> {
    let attr: Option<MqAttr> = match a[3] {
        0 => None,
        at => Some(cx.mm().read_obj(Addr(at))?),
    };
    let name = checked(walk::path(cx, a[0])?)?;
    let flags = OpenFlags::from_bits_retain(a[1] as u32);
    let queues = ipc(cx).queues.clone();
    let creds = cx.task.creds();
    let (queue, made) = loop {
        match queues.get(&name) {
            Ok(_) if flags.contains(OpenFlags::CREAT | OpenFlags::EXCL) => {
                return Err(Errno::EEXIST);
            }
            Ok(q) => {
                let wanted = match flags.bits() & 3 {
                    0 => MAY_READ,
                    1 => MAY_WRITE,
                    2 => MAY_READ | MAY_WRITE,
                    _ => return Err(Errno::EINVAL),
                };
                check_bits(&q.perm(), &creds, wanted)?;
                break (q, false);
            }
            Err(e) if !flags.contains(OpenFlags::CREAT) => return Err(e),
            Err(_) => {}
        }
        check_bits(&queues.root.perm(), &creds, MAY_WRITE | MAY_EXEC)?;
        let mode = mode::IFREG | (a[2] as u32 & 0o7777 & !cx.task.fs().umask());
        let what = Create { mode, uid: creds.fsuid, gid: creds.fsgid, ..Create::default() };
        match queues.make(&cx.task, name.clone(), attr, &what) {
            // Somebody else was faster.
            Err(Errno::EEXIST) => {}
            made => break (made?, true),
        }
    };
    let mut shown = String::from("/");
    shown.push_str(&String::from_utf8_lossy(&name));
    let fd = install(cx, File::anonymous(queue.clone(), flags, &shown), true);
    if fd.is_err() && made {
        // Linux takes the descriptor first, and then makes nothing. Another may have removed it.
        let _ = queues.remove(&name, &queue);
    }
    fd
}

/// mq_unlink(2).
pub(crate) fn sys_mq_unlink(cx: &mut TaskCx, a: &Args) -> Outcome {
    unlink(cx, a[0]).map(|()| 0).into()
}

fn unlink(cx: &TaskCx, at: u64) -> Result<(), Errno> {
    let name = checked(walk::path(cx, at)?)?;
    let queues = ipc(cx).queues.clone();
    let queue = queues.get(&name)?;
    let (creds, dir) = (cx.task.creds(), queues.root.perm());
    check_bits(&dir, &creds, MAY_WRITE | MAY_EXEC)?;
    check_sticky(&dir, &queue.perm(), &creds)?;
    queues.remove(&name, &queue)
}
