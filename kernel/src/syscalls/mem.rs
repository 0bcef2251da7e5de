//! Memory.

use crate::{Args, Outcome, TaskCx, VfsExecutable};
use alloc::boxed::Box;
use alloc::vec;
use arch::{Access, Addr, PAGE_SIZE, Permissions, UserMemory};
use mm::{
    Advice, MapFlags, MappedObject, MlockFlags, MlockallFlags, MmapArgs, MremapArgs, MremapFlags,
    MsyncFlags,
};
use syserr::Errno;
use vfs::perm::{MAY_WRITE, check};
use vfs::{FileFlags, MountFlags, cap};

const PROT_GROWSDOWN: u64 = 0x0100_0000;
const PROT_GROWSUP: u64 = 0x0200_0000;
const F_SEAL_WRITE: u32 = 8;
const F_SEAL_FUTURE_WRITE: u32 = 16;
/// `READ_IMPLIES_EXEC` of personality(2).
const READ_IMPLIES_EXEC: u32 = 0x0040_0000;

/// Permissions of `PROT_*` bits; Linux ignores unknown ones in mmap(2).
fn access(prot: u64) -> Access {
    Access::from_bits_truncate(prot as u8)
}

/// mmap(2).
pub fn sys_mmap(cx: &mut TaskCx, a: &Args) -> Outcome {
    map(cx, a).map(|at| at.0).into()
}

fn map(cx: &TaskCx, a: &Args) -> Result<Addr, Errno> {
    let limits = cx.task.memory_limits();
    let mut args = MmapArgs {
        addr: Addr(a[0]),
        len: a[1],
        prot: access(a[2]),
        flags: MapFlags::from_bits_retain(a[3] as u32),
        max_prot: Access::ALL,
        object: None,
        offset: a[5],
        limits: &limits,
    };
    let read_implies_exec = cx.task.policy.lock().personality & READ_IMPLIES_EXEC != 0;
    if read_implies_exec && args.prot.contains(Access::READ) {
        args.prot |= Access::EXEC;
    }
    if !args.flags.contains(MapFlags::ANONYMOUS) {
        if !a[5].is_multiple_of(PAGE_SIZE) {
            return Err(Errno::EINVAL);
        }
        map_file(cx, a[4] as i32, &mut args)?;
    }
    cx.mm().mmap(args)
}

/// What a descriptor allows to be mapped (`do_mmap` in `mm/mmap.c`).
fn map_file(cx: &TaskCx, fd: i32, args: &mut MmapArgs<'_>) -> Result<(), Errno> {
    let file = cx.task.files().get(fd)?;
    file.check_not_path()?;
    if args.len == 0 {
        return Err(Errno::EINVAL);
    }
    const MAP_TYPE: u32 = 0xf;
    if !matches!(args.flags.bits() & MAP_TYPE, 1..=3) {
        return Err(Errno::EINVAL);
    }
    let flags = file.flags();
    let shared = args.flags.contains(MapFlags::SHARED);
    if shared && args.prot.contains(Access::WRITE) && !flags.writable() {
        return Err(Errno::EACCES);
    }
    if !flags.readable() {
        return Err(Errno::EACCES);
    }
    let appends = file.path().inode().flags().is_some_and(|f| f.contains(FileFlags::APPEND));
    if shared && appends && flags.writable() {
        return Err(Errno::EACCES);
    }
    // A sealed file cannot be written through a mapping made now, whatever mprotect(2) asks.
    let sealed = file.seals().is_ok_and(|s| s & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE) != 0);
    if shared && (!flags.writable() || sealed) && !args.prot.contains(Access::WRITE) {
        args.max_prot.remove(Access::WRITE);
    }
    if file.path().mount().flags().contains(MountFlags::NOEXEC) {
        if args.prot.contains(Access::EXEC) {
            return Err(Errno::EPERM);
        }
        args.max_prot.remove(Access::EXEC);
    }
    if file.ops().maps_anonymous() {
        args.flags.insert(MapFlags::ANONYMOUS);
    } else {
        args.object = Some(file.mapped()?);
    }
    Ok(())
}

/// munmap(2).
pub fn sys_munmap(cx: &mut TaskCx, a: &Args) -> Outcome {
    cx.mm().munmap(Addr(a[0]), a[1]).map(|()| 0).into()
}

/// mprotect(2).
pub fn sys_mprotect(cx: &mut TaskCx, a: &Args) -> Outcome {
    protect(cx, a).map(|()| 0).into()
}

fn protect(cx: &TaskCx, a: &Args) -> Result<(), Errno> {
    let grows = a[2] & (PROT_GROWSDOWN | PROT_GROWSUP);
    // PROT_SEM (8) means nothing; other bits are errors here, unlike in mmap(2).
    if grows == PROT_GROWSDOWN | PROT_GROWSUP || a[2] & !(grows | 0xf) != 0 {
        return Err(Errno::EINVAL);
    }
    if grows == PROT_GROWSUP {
        return Err(Errno::EINVAL);
    }
    let limits = cx.task.memory_limits();
    cx.mm().mprotect(Addr(a[0]), a[1], access(a[2]), grows == PROT_GROWSDOWN, &limits)
}

/// mremap(2).
pub fn sys_mremap(cx: &mut TaskCx, a: &Args) -> Outcome {
    let Some(flags) = MremapFlags::from_bits(a[3] as u32) else { return Errno::EINVAL.into() };
    let limits = cx.task.memory_limits();
    let args = MremapArgs {
        old: Addr(a[0]),
        old_len: a[1],
        new_len: a[2],
        flags,
        new: Addr(a[4]),
        limits: &limits,
    };
    cx.mm().mremap(args).map(|at| at.0).into()
}

/// remap_file_pages(2).
pub fn sys_remap_file_pages(cx: &mut TaskCx, a: &Args) -> Outcome {
    if a[2] != 0 {
        return Errno::EINVAL.into();
    }
    let limits = cx.task.memory_limits();
    let now = a[4] as u32 & MapFlags::NONBLOCK.bits() == 0;
    cx.mm().remap_file_pages(Addr(a[0]), a[1], a[3], now, &limits).map(|()| 0).into()
}

/// brk(2): the new end of the heap, or the old one on failure.
pub fn sys_brk(cx: &mut TaskCx, a: &Args) -> Outcome {
    let limits = cx.task.memory_limits();
    Outcome::Done(Ok(cx.mm().brk(Addr(a[0]), &limits).0))
}

/// madvise(2).
pub fn sys_madvise(cx: &mut TaskCx, a: &Args) -> Outcome {
    match Advice::from_raw(a[2] as i32) {
        Some(advice) => cx.mm().madvise(Addr(a[0]), a[1], advice).map(|()| 0).into(),
        None => Errno::EINVAL.into(),
    }
}

/// msync(2).
pub fn sys_msync(cx: &mut TaskCx, a: &Args) -> Outcome {
    match MsyncFlags::from_bits(a[2] as u32) {
        Some(flags) => cx.mm().msync(Addr(a[0]), a[1], flags).map(|()| 0).into(),
        None => Errno::EINVAL.into(),
    }
}

/// mincore(2).
pub fn sys_mincore(cx: &mut TaskCx, a: &Args) -> Outcome {
    mincore(cx, a).map(|()| 0).into()
}

fn mincore(cx: &TaskCx, a: &Args) -> Result<(), Errno> {
    if !a[0].is_multiple_of(PAGE_SIZE) {
        return Err(Errno::EINVAL);
    }
    let max = cx.mm().layout().max.0;
    if a[1] > max || a[0] > max - a[1] {
        return Err(Errno::ENOMEM);
    }
    // What of a file is in memory tells what others read: only who may change it learns that
    // (`can_do_mincore` in mm/mincore.c).
    let creds = cx.task.creds();
    let may_ask = |o: &MappedObject| {
        let Some(file) = VfsExecutable::file_of(&o.identity) else { return true };
        let Ok(perm) = file.inode().perm() else { return false };
        perm.uid == creds.fsuid
            || creds.has_over(perm.uid, perm.gid, cap::FOWNER)
            || check(&**file.inode(), &creds, MAY_WRITE).is_ok()
    };
    let mut left = a[1].div_ceil(PAGE_SIZE);
    let (mut at, mut out) = (Addr(a[0]), Addr(a[2]));
    let mut buf = vec![0; left.min(PAGE_SIZE) as usize];
    // A page of answers at a time, so that a huge range costs no memory here.
    while left > 0 {
        let n = left.min(PAGE_SIZE);
        let part = buf.get_mut(..n as usize).unwrap_or(&mut []);
        cx.mm().mincore(at, part, &may_ask)?;
        cx.mm().copy_out(out, part, Permissions::Obey)?;
        at = at.wrapping_add(n * PAGE_SIZE);
        out = out.wrapping_add(n);
        left -= n;
    }
    Ok(())
}

/// mlock(2).
pub fn sys_mlock(cx: &mut TaskCx, a: &Args) -> Outcome {
    let limits = cx.task.memory_limits();
    cx.mm().mlock(Addr(a[0]), a[1], MlockFlags::empty(), &limits).map(|()| 0).into()
}

/// mlock2(2).
pub fn sys_mlock2(cx: &mut TaskCx, a: &Args) -> Outcome {
    let Some(flags) = MlockFlags::from_bits(a[2] as u32) else { return Errno::EINVAL.into() };
    let limits = cx.task.memory_limits();
    cx.mm().mlock(Addr(a[0]), a[1], flags, &limits).map(|()| 0).into()
}

/// munlock(2).
pub fn sys_munlock(cx: &mut TaskCx, a: &Args) -> Outcome {
    cx.mm().munlock(Addr(a[0]), a[1]).map(|()| 0).into()
}

/// mlockall(2).
pub fn sys_mlockall(cx: &mut TaskCx, a: &Args) -> Outcome {
    let flags = MlockallFlags::from_bits(a[0] as u32).filter(|f| {
        // MCL_ONFAULT alone says nothing.
        f.intersects(MlockallFlags::CURRENT | MlockallFlags::FUTURE)
    });
    let Some(flags) = flags else { return Errno::EINVAL.into() };
    let limits = cx.task.memory_limits();
    cx.mm().mlockall(flags, &limits).map(|()| 0).into()
}

/// munlockall(2).
pub fn sys_munlockall(cx: &mut TaskCx, _: &Args) -> Outcome {
    cx.mm().munlockall();
    Outcome::Done(Ok(0))
}

/// mseal(2).
pub fn sys_mseal(cx: &mut TaskCx, a: &Args) -> Outcome {
    if a[2] != 0 {
        return Errno::EINVAL.into();
    }
    cx.mm().mseal(Addr(a[0]), a[1]).map(|()| 0).into()
}

/// pkey_mprotect(2): without protection keys, key -1 only.
pub fn sys_pkey_mprotect(cx: &mut TaskCx, a: &Args) -> Outcome {
    if a[3] as i32 != -1 { Errno::EINVAL.into() } else { sys_mprotect(cx, a) }
}

/// pkey_alloc(2): there are no keys, as on a processor without them.
pub fn sys_pkey_alloc(_: &mut TaskCx, a: &Args) -> Outcome {
    if a[0] != 0 || a[1] & !3 != 0 { Errno::EINVAL.into() } else { Errno::ENOSPC.into() }
}

/// pkey_free(2).
pub fn sys_pkey_free(_: &mut TaskCx, _: &Args) -> Outcome {
    Errno::EINVAL.into()
}

/// membarrier(2): a task that runs on another processor has to pass through the kernel.
pub fn sys_membarrier(cx: &mut TaskCx, a: &Args) -> Outcome {
    const QUERY: u32 = 0;
    const GLOBAL: u32 = 1;
    const GLOBAL_EXPEDITED: u32 = 2;
    const REGISTER_GLOBAL: u32 = 4;
    const PRIVATE: u32 = 8;
    const REGISTER_PRIVATE: u32 = 16;
    const GET_REGISTRATIONS: u32 = 512;
    let (cmd, flags) = (a[0] as u32, a[1] as u32);
    if flags != 0 {
        return Errno::EINVAL.into();
    }
    let mm = cx.mm().clone();
    let known = GLOBAL
        | GLOBAL_EXPEDITED
        | REGISTER_GLOBAL
        | PRIVATE
        | REGISTER_PRIVATE
        | GET_REGISTRATIONS;
    match cmd {
        QUERY => Outcome::Done(Ok(known.into())),
        GET_REGISTRATIONS => Outcome::Done(Ok(mm.membarrier_registrations().into())),
        REGISTER_GLOBAL | REGISTER_PRIVATE => {
            mm.register_membarrier(cmd);
            Outcome::Done(Ok(0))
        }
        PRIVATE if mm.membarrier_registrations() & REGISTER_PRIVATE == 0 => Errno::EPERM.into(),
        GLOBAL | GLOBAL_EXPEDITED | PRIVATE => {
            let only = (cmd == PRIVATE).then(|| mm.id());
            let me = cx.task.clone();
            barrier(&me, only);
            let space = mm.address_space().clone();
            // What was queued for running contexts took effect: each of them was interrupted.
            Outcome::Block(Box::pin(async move {
                core::future::poll_fn(|c| space.poll_flushed(c)).await;
                Outcome::Done(Ok(0))
            }))
        }
        _ => Errno::EINVAL.into(),
    }
}

/// Interrupts every other running task (of the address space `only`).
fn barrier(me: &crate::Task, only: Option<u64>) {
    let tasks: vec::Vec<_> = me.kernel().tree().tasks.values().cloned().collect();
    for t in tasks {
        let wanted = only.is_none_or(|id| t.mm().is_some_and(|m| m.id() == id));
        if wanted && t.tid() != me.tid() {
            t.wake();
        }
    }
}
