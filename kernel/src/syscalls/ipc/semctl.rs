//! semctl(2).

use super::abi::{GenericSemDs, IpcPerm, SemDs, SemInfo};
use super::sem::{SEMMNS, SEMOPM, SEMVMX, Sem, Set};
use super::table::{IPC_64, IPC_INFO, IPC_RMID, IPC_SET, IPC_STAT};
use super::{ipc, now};
use crate::{Args, Outcome, TaskCx};
use alloc::vec::Vec;
use arch::{Addr, Arch, Permissions, UserMemory, UserMemoryExt};
use sync::waitq::Events;
use syserr::Errno;
use zerocopy::IntoBytes;

const GETPID: u32 = 11;
const GETVAL: u32 = 12;
const GETALL: u32 = 13;
const GETNCNT: u32 = 14;
const GETZCNT: u32 = 15;
const SETVAL: u32 = 16;
const SETALL: u32 = 17;
const SEM_STAT: u32 = 18;
const SEM_INFO: u32 = 19;
const SEM_STAT_ANY: u32 = 20;

/// semctl(2).
pub(crate) fn sys_semctl(cx: &mut TaskCx, a: &Args) -> Outcome {
    let (id, num, cmd) = (a[0] as i32, a[1] as i32, a[2] as u32 & !IPC_64);
    if id < 0 {
        return Errno::EINVAL.into();
    }
    let done = match cmd {
        IPC_INFO | SEM_INFO => info(cx, cmd, Addr(a[3])),
        IPC_STAT | SEM_STAT | SEM_STAT_ANY => stat(cx, id, cmd, Addr(a[3])),
        IPC_SET | IPC_RMID => change(cx, id, cmd, Addr(a[3])),
        GETALL | SETALL => all(cx, id, cmd, Addr(a[3])),
        GETPID | GETVAL | GETNCNT | GETZCNT => get(cx, id, num, cmd),
        SETVAL => set_value(cx, id, num, a[3] as i32),
        _ => Err(Errno::EINVAL),
    };
    done.into()
}

fn info(cx: &TaskCx, cmd: u32, at: Addr) -> Result<u64, Errno> {
    let ipc = ipc(cx);
    let table = &ipc.objects.sem;
    let [msl, mns, opm, mni] = ipc.objects.limits.sem().map(|n| n as i32);
    // What never existed is constant.
    let (map, ume) = (SEMMNS as i32, SEMOPM as i32);
    let mut info: SemInfo = [map, mni, mns, map, msl, opm, ume, 20, SEMVMX, SEMVMX];
    if cmd == SEM_INFO {
        let sets = table.all();
        info[7] = sets.len() as i32;
        info[9] = sets.iter().map(|s| s.state.lock().sems.len() as i32).sum();
    }
    cx.mm().write_obj(at, &info)?;
    Ok(table.highest())
}

fn stat(cx: &TaskCx, id: i32, cmd: u32, at: Addr) -> Result<u64, Errno> {
    let ipc = ipc(cx);
    let table = &ipc.objects.sem;
    let (set, result) = match cmd {
        IPC_STAT => (table.find(id)?, 0),
        _ => table.at(id).map(|(s, id)| (s, id as u64))?,
    };
    let (perm, creds) = (*set.perm.lock(), cx.task.creds());
    if cmd != SEM_STAT_ANY {
        perm.check(ipc.asker(&creds), 0o444)?;
    }
    let s = set.state.lock();
    let (otime, ctime, nsems) = (s.otime, s.ctime, s.sems.len() as u64);
    drop(s);
    let ds = SemDs {
        perm: IpcPerm::seen_by(&creds.user_ns, &perm),
        otime,
        ctime,
        nsems,
        ..SemDs::default()
    };
    if cx.kernel().embedder().platform.arch() == Arch::X86_64 {
        cx.mm().write_obj(at, &ds)?;
    } else {
        cx.mm().write_obj(at, &GenericSemDs::from(ds))?;
    }
    Ok(result)
}

fn change(cx: &TaskCx, id: i32, cmd: u32, at: Addr) -> Result<u64, Errno> {
    let (ipc, creds) = (ipc(cx), cx.task.creds());
    if cmd == IPC_SET {
        // The permissions are at the start of the structure on every machine.
        let new: IpcPerm = cx.mm().read_obj(at)?;
        let set = ipc.objects.sem.find(id)?;
        let mut p = set.perm.lock();
        p.check_owner(ipc.asker(&creds))?;
        p.set(&creds.user_ns, new.uid, new.gid, new.mode)?;
        drop(p);
        set.state.lock().ctime = now(cx.kernel());
        return Ok(0);
    }
    let set = ipc.objects.sem.find(id)?;
    set.perm.lock().check_owner(ipc.asker(&creds))?;
    ipc.objects.sem.remove(&set);
    set.state.lock().removed = true;
    set.queue.notify(Events::all());
    Ok(0)
}

fn readable(cx: &TaskCx, id: i32, mask: u32) -> Result<alloc::sync::Arc<Set>, Errno> {
    let ipc = ipc(cx);
    let set = ipc.objects.sem.find(id)?;
    set.perm.lock().check(ipc.asker(&cx.task.creds()), mask)?;
    Ok(set)
}

fn all(cx: &TaskCx, id: i32, cmd: u32, at: Addr) -> Result<u64, Errno> {
    if cmd == GETALL {
        let set = readable(cx, id, 0o444)?;
        let values: Vec<u16> = set.state.lock().sems.iter().map(|s| s.value as u16).collect();
        cx.mm().copy_out(at, values.as_bytes(), Permissions::Obey)?;
        return Ok(0);
    }
    let set = readable(cx, id, 0o222)?;
    let count = set.state.lock().sems.len();
    let values: Vec<u16> = cx.mm().read_vec(at, count)?;
    if values.iter().any(|v| i32::from(*v) > SEMVMX) {
        return Err(Errno::ERANGE);
    }
    let mut s = set.state.lock();
    if s.removed {
        return Err(Errno::EIDRM);
    }
    for (sem, v) in s.sems.iter_mut().zip(values) {
        (sem.value, sem.pid) = (i32::from(v), cx.task.tgid());
    }
    s.undo.clear();
    s.ctime = now(cx.kernel());
    drop(s);
    set.queue.notify(Events::all());
    Ok(0)
}

fn get(cx: &TaskCx, id: i32, num: i32, cmd: u32) -> Result<u64, Errno> {
    let set = readable(cx, id, 0o444)?;
    let num = usize::try_from(num).map_err(|_| Errno::EINVAL)?;
    let s: Sem = *set.state.lock().sems.get(num).ok_or(Errno::EINVAL)?;
    Ok(match cmd {
        GETPID => cx.task.number_of_past(s.pid) as u64,
        GETVAL => s.value as u64,
        GETNCNT => u64::from(s.growing),
        _ => u64::from(s.zero),
    })
}

fn set_value(cx: &TaskCx, id: i32, num: i32, value: i32) -> Result<u64, Errno> {
    if !(0..=SEMVMX).contains(&value) {
        return Err(Errno::ERANGE);
    }
    let ipc = ipc(cx);
    let set = ipc.objects.sem.find(id)?;
    let num = usize::try_from(num).map_err(|_| Errno::EINVAL)?;
    if num >= set.state.lock().sems.len() {
        return Err(Errno::EINVAL);
    }
    set.perm.lock().check(ipc.asker(&cx.task.creds()), 0o222)?;
    let mut s = set.state.lock();
    if let Some(sem) = s.sems.get_mut(num) {
        (sem.value, sem.pid) = (value, cx.task.tgid());
    }
    for adjust in s.undo.values_mut() {
        if let Some(a) = adjust.get_mut(num) {
            *a = 0;
        }
    }
    s.ctime = now(cx.kernel());
    drop(s);
    set.queue.notify(Events::all());
    Ok(0)
}
