//! prctl(2), personality(2).

use crate::signal::SIGNAL_COUNT;
use crate::task::{DEFAULT_TIMER_SLACK, MCE_KILL_DEFAULT};
use crate::{Args, Comm, Outcome, Task, TaskCx};
use arch::{Addr, UserMemory, UserMemoryExt};
use syserr::Errno;
use vfs::{Creds, cap, securebits};

/// Bytes of `mm_struct.saved_auxv` on x86-64.
pub(super) const AUXV_SIZE: usize = 448;

/// prctl(2).
pub fn sys_prctl(cx: &mut TaskCx, a: &Args) -> Outcome {
    prctl(cx, a).into()
}

fn flag(on: bool) -> Result<u64, Errno> {
    Ok(on.into())
}

fn prctl(cx: &mut TaskCx, a: &Args) -> Result<u64, Errno> {
    let task = cx.task.clone();
    let mm = cx.mm().clone();
    let arg = a[1];
    match a[0] as i32 {
        // PR_SET_PDEATHSIG, PR_GET_PDEATHSIG
        1 => {
            let signo =
                u32::try_from(arg).ok().filter(|&s| s <= SIGNAL_COUNT).ok_or(Errno::EINVAL)?;
            task.policy.lock().parent_death_signal = signo;
        }
        2 => mm.write_obj(Addr(arg), &task.policy.lock().parent_death_signal)?,
        // PR_GET_DUMPABLE, PR_SET_DUMPABLE
        3 => return Ok(task.group_ref().dumpable().into()),
        4 if arg <= 1 => task.group_ref().lock().dumpable = arg as u32,
        // PR_GET_KEEPCAPS, PR_SET_KEEPCAPS
        7 => return flag(task.creds().securebits & securebits::KEEP_CAPS != 0),
        8 if arg <= 1 => keep_caps(&task, arg == 1)?,
        // PR_SET_NAME, PR_GET_NAME
        15 => {
            let mut name = [0u8; 15];
            read_name(&*mm, arg, &mut name)?;
            cx.image.name = Comm::new(&name);
            task.set_comm(cx.image.name);
        }
        16 => cx.put(arg, &task.comm().padded())?,
        // PR_GET_TIMING, PR_SET_TIMING: statistical.
        13 => {}
        14 if arg == 0 => {}
        // PR_GET_SECCOMP, PR_SET_SECCOMP
        21 => return Ok(task.seccomp.lock().mode()),
        22 => match arg {
            1 => task.set_strict()?,
            2 => return super::seccomp::install(cx, 0, a[2]),
            _ => return Err(Errno::EINVAL),
        },
        // PR_CAPBSET_READ, PR_CAPBSET_DROP
        23 if arg <= cap::LAST.into() => return flag(task.creds().bounding >> arg & 1 == 1),
        24 => {
            if !task.creds().has_here(cap::SETPCAP) {
                return Err(Errno::EPERM);
            }
            if arg > cap::LAST.into() {
                return Err(Errno::EINVAL);
            }
            change_creds(cx, cap::SETPCAP, |c| c.bounding &= !(1 << arg))?;
        }
        // PR_TASK_PERF_EVENTS_DISABLE, PR_TASK_PERF_EVENTS_ENABLE: nobody has any.
        31 | 32 => {}
        // PR_MCE_KILL, PR_MCE_KILL_GET
        33 if a[3] | a[4] == 0 => match (arg, a[2]) {
            (0, 0) => task.policy.lock().mce_kill = MCE_KILL_DEFAULT,
            (1, how @ 0..=2) => task.policy.lock().mce_kill = how as u8,
            _ => return Err(Errno::EINVAL),
        },
        34 if arg | a[2] | a[3] | a[4] == 0 => return Ok(task.policy.lock().mce_kill.into()),
        // PR_GET_TSC
        25 => mm.write_obj(Addr(arg), &1u32)?,
        26 if arg == 1 => {}
        // PR_GET_SECUREBITS, PR_SET_SECUREBITS
        27 => return Ok(task.creds().securebits.into()),
        28 => set_securebits(cx, arg)?,
        // PR_SET_TIMERSLACK, PR_GET_TIMERSLACK
        29 => {
            let slack = if (arg as i64) <= 0 { DEFAULT_TIMER_SLACK } else { arg };
            task.policy.lock().timer_slack = slack;
        }
        30 => return Ok(task.policy.lock().timer_slack),
        // PR_SET_MM
        35 => return super::set_mm::set_mm(cx, [arg, a[2], a[3], a[4]]),
        // PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER
        36 => task.group_ref().lock().subreaper = arg != 0,
        37 => mm.write_obj(Addr(arg), &u32::from(task.group_ref().lock().subreaper))?,
        // PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS
        38 if arg == 1 && a[2] | a[3] | a[4] == 0 => {
            task.give_up_new_privileges();
        }
        39 if arg | a[2] | a[3] | a[4] == 0 => return flag(task.creds().no_new_privs),
        // PR_GET_TID_ADDRESS
        40 => {
            let at = task.clear_tid.load(sync::atomic::Ordering::Relaxed);
            mm.write_obj(Addr(arg), &at)?;
        }
        // PR_SET_THP_DISABLE, PR_GET_THP_DISABLE
        41 if a[2] | a[3] | a[4] == 0 => task.policy.lock().thp_disable = arg != 0,
        42 if arg | a[2] | a[3] | a[4] == 0 => return flag(task.policy.lock().thp_disable),
        // PR_CAP_AMBIENT
        47 if a[3] | a[4] == 0 => return ambient(cx, arg, a[2]),
        // PR_SET_IO_FLUSHER, PR_GET_IO_FLUSHER
        57 | 58 if !task.creds().has(cap::SYS_RESOURCE) => return Err(Errno::EPERM),
        57 if arg <= 1 && a[2] | a[3] | a[4] == 0 => task.policy.lock().io_flusher = arg == 1,
        58 if arg | a[2] | a[3] | a[4] == 0 => return flag(task.policy.lock().io_flusher),
        // PR_GET_AUXV
        0x4155_5856 if a[3] | a[4] == 0 => {
            let auxv = mm.meta().auxv;
            // Linux's room for it is of one size (`AT_VECTOR_SIZE`).
            let mut out = alloc::vec![0; AUXV_SIZE.max(auxv.len())];
            out.splice(..auxv.len(), auxv);
            let len = usize::try_from(a[2]).unwrap_or(usize::MAX).min(out.len());
            cx.put(arg, out.get(..len).unwrap_or(&[]))?;
            return Ok(out.len() as u64);
        }
        // PR_SET_VMA, PR_SET_VMA_ANON_NAME
        0x5356_4d41 if arg == 0 => {
            let name = match a[4] {
                0 => None,
                at => Some(mm.read_cstr(Addr(at), mm::ANON_VMA_NAME_MAX).map_err(too_long)?),
            };
            mm.set_vma_anon_name(Addr(a[2]), a[3], name.as_deref())?;
        }
        // PR_SET_SYSCALL_USER_DISPATCH
        59 => task.set_dispatch(arg, (a[2], a[3]), a[4], mm.layout().max)?,
        // PR_SET_MDWE, PR_GET_MDWE
        65 if a[2] | a[3] | a[4] == 0 => {
            let bits = u32::try_from(arg).ok().and_then(mm::Mdwe::from_bits);
            mm.set_mdwe(bits.ok_or(Errno::EINVAL)?)?;
        }
        66 if arg | a[2] | a[3] | a[4] == 0 => return Ok(mm.mdwe().bits().into()),
        // PR_SET_PTRACER: nobody traces.
        0x5961_6d61 => {}
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

fn too_long(e: Errno) -> Errno {
    if e == Errno::ENAMETOOLONG { Errno::EINVAL } else { e }
}

/// Reads a name up to its NUL; what is behind need not be readable.
fn read_name(mm: &dyn UserMemory, at: u64, out: &mut [u8; 15]) -> Result<(), Errno> {
    match mm.read_cstr(Addr(at), out.len()) {
        Ok(s) => {
            for (to, from) in out.iter_mut().zip(s) {
                *to = from;
            }
            Ok(())
        }
        Err(Errno::ENAMETOOLONG) => {
            *out = mm.read_obj(Addr(at))?;
            Ok(())
        }
        Err(e) => Err(e),
    }
}

fn change_creds(cx: &TaskCx, need: u32, f: impl FnOnce(&mut Creds)) -> Result<(), Errno> {
    let old = cx.task.creds();
    if !old.has_here(need) {
        return Err(Errno::EPERM);
    }
    let mut new = (*old).clone();
    f(&mut new);
    cx.task.set_creds(new);
    Ok(())
}

fn set_securebits(cx: &TaskCx, bits: u64) -> Result<(), Errno> {
    let old = cx.task.creds();
    let new = u32::try_from(bits).map_err(|_| Errno::EPERM)?;
    let (locks, changed) = (old.securebits & securebits::LOCKS, old.securebits ^ new);
    if (locks | locks >> 1) & changed != 0 || new & !securebits::ALL != 0 {
        return Err(Errno::EPERM);
    }
    let may = changed != 0 && changed & !securebits::UNPRIVILEGED == 0;
    if !may && !old.has_here(cap::SETPCAP) {
        return Err(Errno::EPERM);
    }
    cx.task.set_creds(Creds { securebits: new, ..(*old).clone() });
    Ok(())
}

/// `PR_SET_KEEPCAPS`: one of the secure bits, which takes no right unless it is locked.
fn keep_caps(task: &Task, keep: bool) -> Result<(), Errno> {
    let mut new = (*task.creds()).clone();
    if new.securebits & securebits::KEEP_CAPS << 1 != 0 {
        return Err(Errno::EPERM);
    }
    new.securebits &= !securebits::KEEP_CAPS;
    if keep {
        new.securebits |= securebits::KEEP_CAPS;
    }
    task.set_creds(new);
    Ok(())
}

/// `PR_CAP_AMBIENT_*`.
fn ambient(cx: &TaskCx, what: u64, which: u64) -> Result<u64, Errno> {
    let mut new = (*cx.task.creds()).clone();
    match (what, which) {
        // CLEAR_ALL
        (4, 0) => new.ambient = 0,
        (1..=3, c) if c <= cap::LAST.into() => {
            let bit = 1 << c;
            match what {
                1 => return flag(new.ambient & bit != 0),
                2 if new.permitted & new.inheritable & bit == 0
                    || new.securebits & securebits::NO_CAP_AMBIENT_RAISE != 0 =>
                {
                    return Err(Errno::EPERM);
                }
                2 => new.ambient |= bit,
                _ => new.ambient &= !bit,
            }
        }
        _ => return Err(Errno::EINVAL),
    }
    cx.task.set_creds(new);
    Ok(0)
}

/// personality(2).
pub fn sys_personality(cx: &mut TaskCx, a: &Args) -> Outcome {
    let mut p = cx.task.policy.lock();
    let old = p.personality;
    if a[0] as u32 != u32::MAX {
        p.personality = a[0] as u32;
    }
    Outcome::Done(Ok(old.into()))
}
