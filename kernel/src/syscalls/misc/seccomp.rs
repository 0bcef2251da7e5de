//! seccomp(2).

use crate::seccomp::{Instruction, MAX_INSTRUCTIONS, Program, is_available};
use crate::{Args, Outcome, TaskCx};
use alloc::vec::Vec;
use arch::{Addr, UserMemoryExt};
use syserr::Errno;
use vfs::cap;

const TSYNC: u64 = 1;
/// `SECCOMP_FILTER_FLAG_LOG`, `_SPEC_ALLOW`: accepted; nothing follows from them.
const QUIET: u64 = 2 | 4;
/// A synchronisation that fails does not say because of which thread.
const TSYNC_ESRCH: u64 = 16;

/// seccomp(2).
pub fn sys_seccomp(cx: &mut TaskCx, a: &Args) -> Outcome {
    run(cx, a).into()
}

fn run(cx: &TaskCx, a: &Args) -> Result<u64, Errno> {
    match a[0] as u32 {
        // SECCOMP_SET_MODE_STRICT
        0 if a[1] == 0 && a[2] == 0 => cx.task.set_strict().map(|()| 0),
        // SECCOMP_SET_MODE_FILTER
        1 => install(cx, a[1] & 0xffff_ffff, a[2]),
        // SECCOMP_GET_ACTION_AVAIL
        2 if a[1] as u32 == 0 => {
            let action: u32 = cx.mm().read_obj(Addr(a[2]))?;
            if is_available(action) { Ok(0) } else { Err(Errno::EOPNOTSUPP) }
        }
        // SECCOMP_GET_NOTIF_SIZES: nobody is notified.
        _ => Err(Errno::EINVAL),
    }
}

/// Reads and adds a filter; also prctl(2) `PR_SET_SECCOMP`. Gives the ID of a thread that has filters
/// of its own, where it stood in the way.
pub(super) fn install(cx: &TaskCx, flags: u64, at: u64) -> Result<u64, Errno> {
    if flags & !(TSYNC | TSYNC_ESRCH | QUIET) != 0 {
        return Err(Errno::EINVAL);
    }
    let creds = cx.task.creds();
    let [len, filter]: [u64; 2] = cx.mm().read_obj(Addr(at))?;
    let len = (len & 0xffff) as usize;
    if len == 0 || len > MAX_INSTRUCTIONS {
        return Err(Errno::EINVAL);
    }
    if !creds.no_new_privs && !creds.has_here(cap::SYS_ADMIN) {
        return Err(Errno::EACCES);
    }
    let code: Vec<Instruction> = cx.mm().read_vec(Addr(filter), len)?;
    match cx.task.add_filter(Program::new(code)?, flags & TSYNC != 0)? {
        None => Ok(0),
        Some(_) if flags & TSYNC_ESRCH != 0 => Err(Errno::ESRCH),
        Some(diverged) => Ok(cx.task.number_of(diverged.tid()) as u64),
    }
}
