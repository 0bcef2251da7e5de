//! setuid(2) and its relatives; `kernel/sys.c`, `security/commoncap.c`.

use crate::{Args, Outcome, TaskCx};
use syserr::Errno;
use vfs::{Creds, cap};

/// "Leave it as it is".
const KEEP: u32 = u32::MAX;
/// `SECBIT_NO_SETUID_FIXUP`.
const NO_SETUID_FIXUP: u32 = 1 << 2;

fn update(cx: &TaskCx, f: impl FnOnce(&mut Creds) -> Result<u64, Errno>) -> Outcome {
    let old = cx.task.creds();
    let mut new = (*old).clone();
    let result = f(&mut new);
    if result.is_ok() {
        fix_capabilities(cx, &old, &mut new);
        if new.euid != old.euid
            || new.egid != old.egid
            || new.fsuid != old.fsuid
            || new.fsgid != old.fsgid
        {
            cx.task.group_ref().lock().dumpable = 0;
            cx.task.policy.lock().parent_death_signal = 0;
        }
        cx.task.set_creds(new);
    }
    result.into()
}

/// Capabilities follow user IDs (`cap_task_fix_setuid`).
fn fix_capabilities(cx: &TaskCx, old: &Creds, new: &mut Creds) {
    if old.securebits & NO_SETUID_FIXUP != 0 {
        return;
    }
    let root = |c: &Creds| c.uid == 0 || c.euid == 0 || c.suid == 0;
    if root(old) && !root(new) {
        if !cx.task.policy.lock().keep_caps {
            new.permitted = 0;
            new.effective = 0;
        }
        new.ambient = 0;
    }
    if old.euid == 0 && new.euid != 0 {
        new.effective = 0;
    }
    if old.euid != 0 && new.euid == 0 {
        new.effective = new.permitted;
    }
    /// `CAP_FS_MASK`: what a file server drops with its `fsuid`.
    const FILE_CAPS: u64 = 0x1f | 1 << 9 | 1 << cap::MKNOD | 1 << 32;
    if old.fsuid == 0 && new.fsuid != 0 {
        new.effective &= !FILE_CAPS;
    }
    if old.fsuid != 0 && new.fsuid == 0 {
        new.effective |= new.permitted & FILE_CAPS;
    }
}

/// setuid(2).
pub fn sys_setuid(cx: &mut TaskCx, a: &Args) -> Outcome {
    let id = a[0] as u32;
    update(cx, |c| {
        if id == KEEP {
            return Err(Errno::EINVAL);
        }
        if c.has(cap::SETUID) {
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
    let id = a[0] as u32;
    update(cx, |c| {
        if id == KEEP {
            return Err(Errno::EINVAL);
        }
        if c.has(cap::SETGID) {
            (c.gid, c.sgid) = (id, id);
        } else if id != c.gid && id != c.sgid {
            return Err(Errno::EPERM);
        }
        (c.egid, c.fsgid) = (id, id);
        Ok(0)
    })
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
        let may = c.has(cap::SETUID);
        [c.uid, c.euid, c.suid] = set_two([c.uid, c.euid, c.suid], a[0] as u32, a[1] as u32, may)?;
        c.fsuid = c.euid;
        Ok(0)
    })
}

/// setregid(2).
pub fn sys_setregid(cx: &mut TaskCx, a: &Args) -> Outcome {
    update(cx, |c| {
        let may = c.has(cap::SETGID);
        [c.gid, c.egid, c.sgid] = set_two([c.gid, c.egid, c.sgid], a[0] as u32, a[1] as u32, may)?;
        c.fsgid = c.egid;
        Ok(0)
    })
}

/// setresuid(2).
pub fn sys_setresuid(cx: &mut TaskCx, a: &Args) -> Outcome {
    update(cx, |c| {
        let may = c.has(cap::SETUID);
        let new = [a[0] as u32, a[1] as u32, a[2] as u32];
        [c.uid, c.euid, c.suid] = set_three([c.uid, c.euid, c.suid], new, may)?;
        c.fsuid = c.euid;
        Ok(0)
    })
}

/// setresgid(2).
pub fn sys_setresgid(cx: &mut TaskCx, a: &Args) -> Outcome {
    update(cx, |c| {
        let may = c.has(cap::SETGID);
        let new = [a[0] as u32, a[1] as u32, a[2] as u32];
        [c.gid, c.egid, c.sgid] = set_three([c.gid, c.egid, c.sgid], new, may)?;
        c.fsgid = c.egid;
        Ok(0)
    })
}

/// setfsuid(2): returns the old ID whatever happens.
pub fn sys_setfsuid(cx: &mut TaskCx, a: &Args) -> Outcome {
    let id = a[0] as u32;
    update(cx, |c| {
        let old = c.fsuid;
        let may = c.has(cap::SETUID) || [c.uid, c.euid, c.suid, c.fsuid].contains(&id);
        if may && id != KEEP {
            c.fsuid = id;
        }
        Ok(old.into())
    })
}

/// setfsgid(2): returns the old ID whatever happens.
pub fn sys_setfsgid(cx: &mut TaskCx, a: &Args) -> Outcome {
    let id = a[0] as u32;
    update(cx, |c| {
        let old = c.fsgid;
        let may = c.has(cap::SETGID) || [c.gid, c.egid, c.sgid, c.fsgid].contains(&id);
        if may && id != KEEP {
            c.fsgid = id;
        }
        Ok(old.into())
    })
}
