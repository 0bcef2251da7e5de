//! fork(2), vfork(2), clone(2), clone3(2), unshare(2), setns(2).

use crate::clone::{CloneArgs, CloneFlags};
use crate::ns::pid::MAX_LEVEL;
use crate::signal::SIGCHLD;
use crate::{Args, Outcome, TaskCx};
use alloc::vec::Vec;
use arch::{Addr, Arch, Permissions, UserMemory, UserMemoryExt};
use syserr::Errno;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

const FORK: CloneArgs<'static> = CloneArgs {
    flags: CloneFlags::empty(),
    exit_signal: SIGCHLD,
    stack_top: 0,
    parent_tid: 0,
    child_tid: 0,
    pidfd: 0,
    tls: 0,
    set_tid: &[],
    cgroup: None,
    is_clone3: false,
};

/// fork(2).
pub fn sys_fork(cx: &mut TaskCx, _: &Args) -> Outcome {
    crate::clone::sys(cx, &FORK)
}

/// vfork(2).
pub fn sys_vfork(cx: &mut TaskCx, _: &Args) -> Outcome {
    let flags = CloneFlags::VM | CloneFlags::VFORK;
    crate::clone::sys(cx, &CloneArgs { flags, ..FORK })
}

/// clone(2). x86-64 and arm64 give the last two arguments in different order.
pub fn sys_clone(cx: &mut TaskCx, a: &Args) -> Outcome {
    let (child_tid, tls) = match cx.image.arch.arch() {
        Arch::X86_64 => (a[3], a[4]),
        Arch::Aarch64 => (a[4], a[3]),
    };
    // 32 bits of flags; the lowest 8 are the exit signal.
    let flags = CloneFlags::from_bits_truncate(a[0] & 0xffff_ff00);
    let args = CloneArgs {
        flags: flags - CloneFlags::NEWTIME,
        exit_signal: (a[0] & 0xff) as u32,
        stack_top: a[1],
        parent_tid: a[2],
        child_tid,
        pidfd: a[2],
        tls,
        set_tid: &[],
        cgroup: None,
        is_clone3: false,
    };
    crate::clone::sys(cx, &args)
}

/// `struct clone_args`, `CLONE_ARGS_SIZE_VER2`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Clone3 {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

static_assertions::const_assert_eq!(size_of::<Clone3>(), 88);
const CLONE3_MIN: u64 = 64;

/// clone3(2).
pub fn sys_clone3(cx: &mut TaskCx, a: &Args) -> Outcome {
    let mut set_tid = Vec::new();
    match read_clone3(cx, a[0], a[1], &mut set_tid) {
        Ok(args) => crate::clone::sys(cx, &args),
        Err(e) => e.into(),
    }
}

fn read_clone3<'a>(
    cx: &TaskCx,
    at: u64,
    size: u64,
    set_tid: &'a mut Vec<i32>,
) -> Result<CloneArgs<'a>, Errno> {
    if size > arch::PAGE_SIZE {
        return Err(Errno::E2BIG);
    }
    if size < CLONE3_MIN {
        return Err(Errno::EINVAL);
    }
    let mut c = Clone3::new_zeroed();
    let known = (size as usize).min(size_of::<Clone3>());
    let (head, _) = c.as_mut_bytes().split_at_mut(known);
    cx.mm().copy_in(Addr(at), head, Permissions::Obey)?;
    super::super::misc::check_zeros(cx, at, known as u64, size)?;
    if (c.set_tid == 0) != (c.set_tid_size == 0) || c.set_tid_size > MAX_LEVEL.into() {
        return Err(Errno::EINVAL);
    }
    *set_tid = cx.mm().read_vec(Addr(c.set_tid), c.set_tid_size as usize)?;
    if c.exit_signal & !0xff != 0 || (c.stack == 0) != (c.stack_size == 0) {
        return Err(Errno::EINVAL);
    }
    let flags = CloneFlags::from_bits(c.flags).ok_or(Errno::EINVAL)?;
    let cgroup = match flags.contains(CloneFlags::INTO_CGROUP) {
        // Of who knows that there is a field (`copy_clone_args_from_user`).
        true if size < size_of::<Clone3>() as u64 => return Err(Errno::EINVAL),
        true => Some(i32::try_from(c.cgroup).map_err(|_| Errno::EINVAL)?),
        false => None,
    };
    let stack_top = c.stack.checked_add(c.stack_size).ok_or(Errno::EINVAL)?;
    Ok(CloneArgs {
        flags,
        exit_signal: c.exit_signal as u32,
        stack_top,
        parent_tid: c.parent_tid,
        child_tid: c.child_tid,
        pidfd: c.pidfd,
        tls: c.tls,
        set_tid,
        cgroup,
        is_clone3: true,
    })
}

/// unshare(2).
pub fn sys_unshare(cx: &mut TaskCx, a: &Args) -> Outcome {
    crate::exec::unshare(&cx.task, a[0]).map(|()| 0).into()
}
