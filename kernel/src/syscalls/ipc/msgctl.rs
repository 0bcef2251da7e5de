//! msgctl(2).

use super::abi::{IpcPerm, MsgDs, MsgInfo};
use super::msg::{MSGMNB, MSGMNI, MsgQueue};
use super::table::{IPC_64, IPC_INFO, IPC_RMID, IPC_SET, IPC_STAT};
use super::{ipc, now};
use crate::{Args, Outcome, Task, TaskCx};
use arch::{Addr, UserMemoryExt};
use sync::waitq::Events;
use syserr::Errno;
use vfs::proc::IpcLimit;
use vfs::{UserNs, cap};

const MSG_STAT: u32 = 11;
const MSG_INFO: u32 = 12;
const MSG_STAT_ANY: u32 = 13;
/// The most bytes that even a privileged user may let a queue hold.
const LIMIT_MAX: u64 = 1 << 24;

/// msgctl(2).
pub(crate) fn sys_msgctl(cx: &mut TaskCx, a: &Args) -> Outcome {
    msgctl(cx, a[0] as i32, a[1] as u32 & !IPC_64, Addr(a[2])).into()
}

fn stat(q: &MsgQueue, ns: &UserNs, reader: &Task) -> MsgDs {
    let perm = *q.perm.lock();
    let s = q.state.lock();
    MsgDs {
        perm: IpcPerm::seen_by(ns, &perm),
        stime: s.stime,
        rtime: s.rtime,
        ctime: s.ctime,
        cbytes: s.bytes,
        qnum: s.messages.len() as u64,
        qbytes: s.limit,
        lspid: reader.number_of_past(s.lspid),
        lrpid: reader.number_of_past(s.lrpid),
        ..MsgDs::default()
    }
}

fn msgctl(cx: &TaskCx, id: i32, cmd: u32, at: Addr) -> Result<u64, Errno> {
    if id < 0 {
        return Err(Errno::EINVAL);
    }
    let ipc = ipc(cx);
    let table = &ipc.objects.msg;
    let creds = cx.task.creds();
    match cmd {
        IPC_INFO | MSG_INFO => {
            let get = |limit| ipc.objects.limits.get(limit) as i32;
            let (max, mnb) = (get(IpcLimit::MsgMax), get(IpcLimit::MsgMnb));
            let mni = get(IpcLimit::MsgMni);
            // The pool and the segments are of before 2.4, and constant.
            let (pool, size) = (MSGMNI as i32 * 16, MSGMNB as i32);
            let mut info: MsgInfo = [pool, size, max, mnb, mni, 16, size, -1];
            info[7] = 0xffff;
            if cmd == MSG_INFO {
                let all = table.all();
                info[0] = all.len() as i32;
                info[1] = all.iter().map(|q| q.state.lock().messages.len() as i32).sum();
                info[6] = all.iter().map(|q| q.state.lock().bytes as i32).sum();
            }
            cx.mm().write_obj(at, &info)?;
            Ok(table.highest())
        }
        IPC_STAT | MSG_STAT | MSG_STAT_ANY => {
            let (q, result) = match cmd {
                IPC_STAT => (table.find(id)?, 0),
                _ => table.at(id).map(|(q, id)| (q, id as u64))?,
            };
            if cmd != MSG_STAT_ANY {
                q.perm.lock().check(ipc.asker(&creds), 0o444)?;
            }
            cx.mm().write_obj(at, &stat(&q, &creds.user_ns, &cx.task))?;
            Ok(result)
        }
        IPC_SET => {
            let new: MsgDs = cx.mm().read_obj(at)?;
            let q = table.find(id)?;
            let mut p = q.perm.lock();
            p.check_owner(ipc.asker(&creds))?;
            if new.qbytes > ipc.objects.limits.get(IpcLimit::MsgMnb)
                && !creds.has(cap::SYS_RESOURCE)
            {
                return Err(Errno::EPERM);
            }
            p.set(&creds.user_ns, new.perm.uid, new.perm.gid, new.perm.mode)?;
            drop(p);
            let mut s = q.state.lock();
            s.limit = new.qbytes.min(LIMIT_MAX);
            s.ctime = now(cx.kernel());
            drop(s);
            q.queue.notify(Events::OUT);
            Ok(0)
        }
        IPC_RMID => {
            let q = table.find(id)?;
            q.perm.lock().check_owner(ipc.asker(&creds))?;
            table.remove(&q);
            q.state.lock().removed = true;
            q.queue.notify(Events::all());
            Ok(0)
        }
        _ => Err(Errno::EINVAL),
    }
}
