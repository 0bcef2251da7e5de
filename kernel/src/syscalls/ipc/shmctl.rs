//! shmctl(2).

use super::abi::{IpcPerm, ShmDs, ShmInfo, ShmUse};
use super::ipc;
use super::now;
use super::shm::{SHM_DEST, SHM_LOCKED, Segment, sweep};
use super::table::{IPC_64, IPC_INFO, IPC_RMID, IPC_SET, IPC_STAT};
use crate::{Args, Outcome, Resource, Task, TaskCx};
use alloc::sync::Arc;
use arch::{Addr, PAGE_SIZE, UserMemoryExt};
use syserr::Errno;
use vfs::proc::IpcLimit;
use vfs::{UserNs, cap};

const SHM_LOCK: u32 = 11;
const SHM_UNLOCK: u32 = 12;
const SHM_STAT: u32 = 13;
const SHM_INFO: u32 = 14;
const SHM_STAT_ANY: u32 = 15;

/// shmctl(2).
pub(crate) fn sys_shmctl(cx: &mut TaskCx, a: &Args) -> Outcome {
    shmctl(cx, a[0] as i32, a[1] as u32 & !IPC_64, Addr(a[2])).into()
}

fn stat(s: &Segment, ns: &UserNs, reader: &Task) -> ShmDs {
    let (perm, h) = (*s.perm.lock(), *s.history.lock());
    ShmDs {
        perm: IpcPerm::seen_by(ns, &perm),
        size: s.size,
        atime: h.atime,
        dtime: h.dtime,
        ctime: h.ctime,
        cpid: reader.number_of_past(h.cpid),
        lpid: reader.number_of_past(h.lpid),
        nattch: s.attached(),
        ..ShmDs::default()
    }
}

fn shmctl(cx: &TaskCx, id: i32, cmd: u32, at: Addr) -> Result<u64, Errno> {
    if id < 0 {
        return Err(Errno::EINVAL);
    }
    sweep(cx);
    let ipc = ipc(cx);
    let table = &ipc.objects.shm;
    let creds = cx.task.creds();
    let mem = cx.mm();
    match cmd {
        IPC_INFO => {
            let get = |limit| ipc.objects.limits.get(limit);
            let (max, all) = (get(IpcLimit::ShmMax), get(IpcLimit::ShmAll));
            let mni = get(IpcLimit::ShmMni);
            let info = ShmInfo { max, min: 1, mni, seg: mni, all, unused: [0; 4] };
            mem.write_obj(at, &info)?;
            Ok(table.highest())
        }
        SHM_INFO => {
            let all = table.all();
            let pages = |s: &Arc<Segment>| s.size.div_ceil(PAGE_SIZE);
            let info = ShmUse {
                used_ids: all.len() as i32,
                total: all.iter().map(pages).sum(),
                resident: all.iter().map(|s| s.resident_pages()).sum(),
                ..ShmUse::default()
            };
            mem.write_obj(at, &info)?;
            Ok(table.highest())
        }
        IPC_STAT => {
            let s = table.find(id)?;
            s.perm.lock().check(ipc.asker(&creds), 0o444)?;
            mem.write_obj(at, &stat(&s, &creds.user_ns, &cx.task))?;
            Ok(0)
        }
        SHM_STAT | SHM_STAT_ANY => {
            let (s, id) = table.at(id)?;
            if cmd == SHM_STAT {
                s.perm.lock().check(ipc.asker(&creds), 0o444)?;
            }
            mem.write_obj(at, &stat(&s, &creds.user_ns, &cx.task))?;
            Ok(id as u64)
        }
        IPC_SET => {
            let new: ShmDs = mem.read_obj(at)?;
            let s = table.find(id)?;
            let mut p = s.perm.lock();
            p.check_owner(ipc.asker(&creds))?;
            p.set(&creds.user_ns, new.perm.uid, new.perm.gid, new.perm.mode)?;
            drop(p);
            s.history.lock().ctime = now(cx.kernel());
            Ok(0)
        }
        IPC_RMID => {
            let s = table.find(id)?;
            s.perm.lock().check_owner(ipc.asker(&creds))?;
            if s.attached() == 0 {
                table.remove(&s);
                return Ok(0);
            }
            let mut p = s.perm.lock();
            p.mode |= SHM_DEST;
            // Nobody finds it by its key any more.
            p.key = 0;
            Ok(0)
        }
        SHM_LOCK | SHM_UNLOCK => {
            let s = table.find(id)?;
            let owner = s.perm.lock().check_owner(ipc.asker(&creds));
            if !ipc.asker(&creds).has(cap::IPC_LOCK) {
                owner?;
                if cmd == SHM_LOCK && cx.task.limit(Resource::Memlock).0 == 0 {
                    return Err(Errno::EPERM);
                }
            }
            let mut p = s.perm.lock();
            p.mode = if cmd == SHM_LOCK { p.mode | SHM_LOCKED } else { p.mode & !SHM_LOCKED };
            Ok(0)
        }
        _ => Err(Errno::EINVAL),
    }
}
