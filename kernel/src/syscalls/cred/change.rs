//! setuid(2) and its relatives; `kernel/sys.c`, `security/commoncap.c`.

use crate::{Args, Outcome, TaskCx};
use syserr::Errno;
use vfs::{Creds, cap, securebits};

/// "Leave it as it is".
const KEEP: u32 = u32::MAX;

fn update(cx: &TaskCx, f: impl FnOnce(&mut Creds) -> Result<u64, Errno>) -> Outcome {
    let old = cx.task.creds();
    let mut new = (*old).clone();
    let result = f(&mut new);
    if result.is_ok() {
        fix_capabilities(&old, &mut new);
        if new.euid != old.euid
            || new.egid != old.egid
            || new.fsuid != old.fsuid
            || new.fsgid != old.fsgid
        {
            cx.task.hide_memory();
            cx.task.policy.lock().parent_death_signal = 0;
        }
        cx.task.set_creds(new);
    }
    result.into()
}

/// Capabilities follow user IDs (`cap_task_fix_setuid`).
fn fix_capabilities(old: &Creds, new: &mut Creds) {
    if old.securebits & securebits::NO_SETUID_FIXUP != 0 {
        return;
    }
    // Root of the namespace; nobody is where it has none.
    let zero = old.user_ns.uid_in(0);
    let is_root = |id: u32| zero == Some(id);
    let root = |c: &Creds| [c.uid, c.euid, c.suid].into_iter().any(is_root);
    if root(old) && !root(new) {
        if old.securebits & securebits::KEEP_CAPS == 0 {
            new.permitted = 0;
            new.effective = 0;
        }
        new.ambient = 0;
    }
    if is_root(old.euid) && !is_root(new.euid) {
        new.effective = 0;
    }
    if !is_root(old.euid) && is_root(new.euid) {
        new.effective = new.permitted;
    }
    /// `CAP_FS_MASK`: what a file server drops with its `fsuid`.
    const FILE_CAPS: u64 = 0x1f | 1 << 9 | 1 << cap::MKNOD | 1 << 32;
    if is_root(old.fsuid) && !is_root(new.fsuid) {
        new.effective &= !FILE_CAPS;
    }
    if !is_root(old.fsuid) && is_root(new.fsuid) {
        new.effective |= new.permitted & FILE_CAPS;
    }
}

/// setuid(2).
pub fn sys_setuid(cx: &mut TaskCx, a: &Args) -> Outcome {
    update(cx, |c| {
        let id = c.user_ns.uid_in(a[0] as u32).ok_or(Errno::EINVAL)?;
        if c.has_here(cap::SETUID) {
            (c.uid, c.suid) = (id, id);
        } else if id != c.uid && id != c.suid {
            return Err(Errno::EPERM);
        }
        (c.euid, c.fsuid) = (id, id);
        Ok(0)
    })
}

/// setgid(2).
pub fn sys_setgid(cx: &mut TaskCx, a: &Args) -> Outcome {
    update(cx, |c| {
        let id = c.user_ns.gid_in(a[0] as u32).ok_or(Errno::EINVAL)?;
        if c.has_here(cap::SETGID) {
            (c.gid, c.sgid) = (id, id);
        } else if id != c.gid && id != c.sgid {
            return Err(Errno::EPERM);
        }
        (c.egid, c.fsgid) = (id, id);
        Ok(0)
    })
}

/// IDs as the kernel knows them; [`KEEP`] stays.
fn known<const N: usize>(
    ids: [u64; N],
    known: impl Fn(u32) -> Option<u32>,
) -> Result<[u32; N], Errno> {
    let mut out = [KEEP; N];
    for (to, id) in out.iter_mut().zip(ids.map(|id| id as u32)) {
        if id != KEEP {
            *to = known(id).ok_or(Errno::EINVAL)?;
        }
    }
    Ok(out)
}

/// The rules that setreuid(2) and setregid(2) share: real, effective and saved ID after the call.
fn set_two(old: [u32; 3], real: u32, effective: u32, may: bool) -> Result<[u32; 3], Errno> {
    let [r, e, s] = old;
    if real != KEEP && !may && real != r && real != e {
        return Err(Errno::EPERM);
    }
    if effective != KEEP && !may && effective != r && effective != e && effective != s {
        return Err(Errno::EPERM);
    }
    let nr = if real == KEEP { r } else { real };
    let ne = if effective == KEEP { e } else { effective };
    let saved = real != KEEP || (effective != KEEP && effective != r);
    Ok([nr, ne, if saved { ne } else { s }])
}

/// The rules that setresuid(2) and setresgid(2) share.
fn set_three(old: [u32; 3], new: [u32; 3], may: bool) -> Result<[u32; 3], Errno> {
    let mut out = old;
    for (to, id) in out.iter_mut().zip(new) {
        if id == KEEP {
            continue;
        }
        if !may && !old.contains(&id) {
            return Err(Errno::EPERM);
        }
        *to = id;
    }
    Ok(out)
}

/// setreuid(2).
pub fn sys_setreuid(cx: &mut TaskCx, a: &Args) -> Outcome {
    update(cx, |c| {
        let may = c.has_here(cap::SETUID);
        let [real, effective] = known([a[0], a[1]], |id| c.user_ns.uid_in(id))?;
        [c.uid, c.euid, c.suid] = set_two([c.uid, c.euid, c.suid], real, effective, may)?;
        c.fsuid = c.euid;
        Ok(0)
    })
}

/// setregid(2).
pub fn sys_setregid(cx: &mut TaskCx, a: &Args) -> Outcome {
    update(cx, |c| {
        let may = c.has_here(cap::SETGID);
        let [real, effective] = known([a[0], a[1]], |id| c.user_ns.gid_in(id))?;
        [c.gid, c.egid, c.sgid] = set_two([c.gid, c.egid, c.sgid], real, effective, may)?;
        c.fsgid = c.egid;
        Ok(0)
    })
}

/// setresuid(2).
pub fn sys_setresuid(cx: &mut TaskCx, a: &Args) -> Outcome {
    update(cx, |c| {
        let may = c.has_here(cap::SETUID);
        let new = known([a[0], a[1], a[2]], |id| c.user_ns.uid_in(id))?;
        [c.uid, c.euid, c.suid] = set_three([c.uid, c.euid, c.suid], new, may)?;
        c.fsuid = c.euid;
        Ok(0)
    })
}

/// setresgid(2).
pub fn sys_setresgid(cx: &mut TaskCx, a: &Args) -> Outcome {
    update(cx, |c| {
        let may = c.has_here(cap::SETGID);
        let new = known([a[0], a[1], a[2]], |id| c.user_ns.gid_in(id))?;
        [c.gid, c.egid, c.sgid] = set_three([c.gid, c.egid, c.sgid], new, may)?;
        c.fsgid = c.egid;
        Ok(0)
    })
}

/// setfsuid(2): returns the old ID whatever happens.
pub fn sys_setfsuid(cx: &mut TaskCx, a: &Args) -> Outcome {
    update(cx, |c| {
        let old = c.user_ns.show_uid(c.fsuid);
        if let Some(id) = c.user_ns.uid_in(a[0] as u32)
            && (c.has_here(cap::SETUID) || [c.uid, c.euid, c.suid, c.fsuid].contains(&id))
        {
            c.fsuid = id;
        }
        Ok(old.into())
    })
}

/// setfsgid(2): returns the old ID whatever happens.
pub fn sys_setfsgid(cx: &mut TaskCx, a: &Args) -> Outcome {
    update(cx, |c| {
        let old = c.user_ns.show_gid(c.fsgid);
        if let Some(id) = c.user_ns.gid_in(a[0] as u32)
            && (c.has_here(cap::SETGID) || [c.gid, c.egid, c.sgid, c.fsgid].contains(&id))
        {
            c.fsgid = id;
        }
        Ok(old.into())
    })
}
