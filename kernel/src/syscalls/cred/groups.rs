//! Supplementary groups.

use crate::{Args, Outcome, TaskCx};
use alloc::vec::Vec;
use arch::{Addr, UserMemoryExt};
use syserr::Errno;
use vfs::cap;

const NGROUPS_MAX: i32 = 65536;

/// getgroups(2).
pub fn sys_getgroups(cx: &mut TaskCx, a: &Args) -> Outcome {
    let creds = cx.task.creds();
    let groups = &creds.groups;
    let size = a[0] as i32;
    if size < 0 || (size != 0 && (size as usize) < groups.len()) {
        return Errno::EINVAL.into();
    }
    if size != 0 {
        for (i, g) in groups.iter().enumerate() {
            let at = Addr(a[1]).wrapping_add(i as u64 * 4);
            if let Err(e) = cx.mm().write_obj(at, &creds.user_ns.show_gid(*g)) {
                return e.into();
            }
        }
    }
    Outcome::Done(Ok(groups.len() as u64))
}

/// setgroups(2).
pub fn sys_setgroups(cx: &mut TaskCx, a: &Args) -> Outcome {
    let creds = cx.task.creds();
    if !creds.has_here(cap::SETGID) || !creds.user_ns.may_set_groups() {
        return Errno::EPERM.into();
    }
    let size = a[0] as i32;
    if !(0..=NGROUPS_MAX).contains(&size) {
        return Errno::EINVAL.into();
    }
    let groups = cx.mm().read_vec::<u32>(Addr(a[1]), size as usize);
    let known = |g: u32| creds.user_ns.gid_in(g).ok_or(Errno::EINVAL);
    match groups.and_then(|all| all.into_iter().map(known).collect::<Result<Vec<u32>, _>>()) {
        Ok(mut groups) => {
            // In the order of IDs, as they are given back too (`groups_sort`).
            groups.sort_unstable();
            cx.task.set_creds(vfs::Creds { groups: groups.into(), ..(*creds).clone() });
            Outcome::Done(Ok(0))
        }
        Err(e) => e.into(),
    }
}
