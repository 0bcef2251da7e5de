//! `PR_SET_MM`: what `/proc` shows of an address space; `prctl_set_mm` in kernel/sys.c.

use super::prctl::AUXV_SIZE;
use crate::{Resource, TaskCx, VfsExecutable};
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{Addr, AddrRange, Permissions, UserMemory, UserMemoryExt};
use syserr::Errno;
use vfs::perm::{MAY_EXEC, check};
use vfs::{MountFlags, cap};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

const START_CODE: u64 = 1;
const ENV_END: u64 = 11;
const AUXV: u64 = 12;
const EXE_FILE: u64 = 13;
const MAP: u64 = 14;
const MAP_SIZE: u64 = 15;

/// `struct prctl_mm_map`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct MmMap {
    /// In the order of `PR_SET_MM_START_CODE` to `PR_SET_MM_ENV_END`, but that the start of the stack
    /// comes after the two of the heap.
    at: [u64; 11],
    auxv: u64,
    auxv_size: u32,
    exe_fd: u32,
}
static_assertions::assert_eq_size!(MmMap, [u8; 104]);

/// Places in [`MmMap::at`].
mod place {
    pub(super) const CODE: usize = 0;
    pub(super) const DATA: usize = 2;
    pub(super) const BRK: usize = 4;
    pub(super) const STACK: usize = 6;
    pub(super) const ARGS: usize = 7;
    pub(super) const ENV: usize = 9;
}

/// Where the value that an option sets is.
fn place_of(option: u64) -> usize {
    match option {
        // Start of the stack, start and end of the heap.
        5 => place::STACK,
        6 => place::BRK,
        7 => place::BRK + 1,
        other => (other - 1) as usize,
    }
}

/// prctl(2) with `PR_SET_MM`.
pub(super) fn set_mm(cx: &TaskCx, [option, at, size, rest]: [u64; 4]) -> Result<u64, Errno> {
    if rest != 0 || size != 0 && !matches!(option, AUXV | MAP | MAP_SIZE) {
        return Err(Errno::EINVAL);
    }
    match option {
        MAP_SIZE => {
            cx.mm().write_obj(Addr(at), &(size_of::<MmMap>() as u32))?;
            return Ok(0);
        }
        MAP if size != size_of::<MmMap>() as u64 => return Err(Errno::EINVAL),
        MAP => return set_all(cx, &cx.mm().read_obj(Addr(at))?),
        _ => {}
    }
    if !cx.task.creds().has(cap::SYS_RESOURCE) {
        return Err(Errno::EPERM);
    }
    match option {
        EXE_FILE => set_executable(cx, at as i32)?,
        AUXV if size > AUXV_SIZE as u64 => return Err(Errno::EINVAL),
        AUXV => {
            let auxv = read_auxv(cx, at, size as usize)?;
            cx.mm().update_meta(|m| m.auxv = auxv);
        }
        START_CODE..=ENV_END => {
            let mut map = current(cx);
            let place = place_of(option);
            if let Some(value) = map.at.get_mut(place) {
                *value = at;
            }
            validate(cx, &map)?;
            let beyond = cx.mm().vmas_from(Addr(at), 1, false).is_empty();
            if place >= place::STACK && beyond {
                return Err(Errno::EFAULT);
            }
            apply(cx, &map);
        }
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

fn set_all(cx: &TaskCx, map: &MmMap) -> Result<u64, Errno> {
    validate(cx, map)?;
    let size = map.auxv_size as usize;
    if size != 0 && (map.auxv == 0 || size > AUXV_SIZE) {
        return Err(Errno::EINVAL);
    }
    let auxv = if size == 0 { None } else { Some(read_auxv(cx, map.auxv, size)?) };
    if map.exe_fd != u32::MAX {
        let creds = cx.task.creds();
        if !creds.has_here(cap::SYS_ADMIN) && !creds.has_here(cap::CHECKPOINT_RESTORE) {
            return Err(Errno::EPERM);
        }
        set_executable(cx, map.exe_fd as i32)?;
    }
    apply(cx, map);
    if let Some(auxv) = auxv {
        cx.mm().update_meta(|m| m.auxv = auxv);
    }
    Ok(0)
}

/// What counts now.
fn current(cx: &TaskCx) -> MmMap {
    let (meta, brk) = (cx.mm().meta(), cx.mm().brk_range());
    let mut at = [0; 11];
    at[place::STACK] = meta.start_stack.0;
    for (place, range) in [
        (place::CODE, meta.code),
        (place::DATA, meta.data),
        (place::BRK, brk),
        (place::ARGS, meta.argv),
        (place::ENV, meta.envv),
    ] {
        (at[place], at[place + 1]) = (range.start.0, range.end.0);
    }
    MmMap { at, auxv: 0, auxv_size: 0, exe_fd: u32::MAX }
}

/// `validate_prctl_map_addr`.
fn validate(cx: &TaskCx, map: &MmMap) -> Result<(), Errno> {
    let least = crate::image::lowest_address(&*cx.kernel().embedder().platform).0;
    let most = cx.mm().layout().max.0;
    if map.at.iter().any(|at| !(least..most).contains(at)) {
        return Err(Errno::EINVAL);
    }
    let ordered = |p: usize| map.at[p] <= map.at[p + 1];
    let code = map.at[place::CODE] < map.at[place::CODE + 1];
    if !code || ![place::DATA, place::BRK, place::ARGS, place::ENV].into_iter().all(ordered) {
        return Err(Errno::EINVAL);
    }
    let len = |p: usize| map.at[p + 1] - map.at[p];
    let data = len(place::BRK).saturating_add(len(place::DATA));
    if data > cx.task.limit(Resource::Data).0 { Err(Errno::EINVAL) } else { Ok(()) }
}

fn apply(cx: &TaskCx, map: &MmMap) {
    let range = |p: usize| AddrRange { start: Addr(map.at[p]), end: Addr(map.at[p + 1]) };
    cx.mm().update_meta(|m| {
        m.code = range(place::CODE);
        m.data = range(place::DATA);
        m.start_stack = Addr(map.at[place::STACK]);
        m.argv = range(place::ARGS);
        m.envv = range(place::ENV);
    });
    cx.mm().set_brk_range(range(place::BRK));
}

/// An auxiliary vector up to its end.
fn read_auxv(cx: &TaskCx, at: u64, size: usize) -> Result<Vec<u8>, Errno> {
    const ENTRY: usize = 16;
    let mut bytes = alloc::vec![0; size];
    cx.mm().copy_in(Addr(at), &mut bytes, Permissions::Obey)?;
    bytes.resize(AUXV_SIZE, 0);
    let last = bytes.len() - ENTRY;
    bytes.iter_mut().skip(last).for_each(|b| *b = 0);
    let end = bytes.chunks_exact(ENTRY).position(|e| e.iter().take(8).all(|b| *b == 0));
    bytes.truncate((end.unwrap_or(0) + 1) * ENTRY);
    Ok(bytes)
}

/// Another program for `/proc/PID/exe`, once nothing of the one before is mapped
/// (`prctl_set_mm_exe_file`).
fn set_executable(cx: &TaskCx, fd: i32) -> Result<(), Errno> {
    let file = cx.task.files().get_open(fd)?;
    let noexec = file.path().mount().flags().contains(MountFlags::NOEXEC);
    if !file.is_regular() || noexec {
        return Err(Errno::EACCES);
    }
    check(&**file.inode(), &cx.task.creds(), MAY_EXEC)?;
    let mm = cx.mm();
    let old = mm.meta().executable.and_then(|e| VfsExecutable::file_of(&e));
    if let Some(old) = old {
        let mut at = Addr::NULL;
        loop {
            let vmas = mm.vmas_from(at, 64, false);
            let Some(last) = vmas.last() else { break };
            at = last.range.end;
            let files = vmas.iter().filter_map(|v| v.object.as_ref());
            let files = files.filter_map(|o| VfsExecutable::file_of(&o.identity));
            if files.into_iter().any(|f| Arc::ptr_eq(f.inode(), old.inode())) {
                return Err(Errno::EBUSY);
            }
        }
    }
    let program = VfsExecutable::new(file)?.into_identity();
    mm.update_meta(|m| m.executable = Some(program));
    Ok(())
}
