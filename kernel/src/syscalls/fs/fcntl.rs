//! fcntl(2), except for locks.

use super::open_flags::translate;
use super::rw::flat;
use super::sigio::{MessageTeller, owned, set_async};
use super::{lease, locks};
use crate::{Args, Outcome, Resource, TaskCx};
use alloc::sync::Arc;
use arch::{Addr, UserMemoryExt};
use syserr::Errno;
use vfs::notify::DirEvents;
use vfs::pipe::PipeEnd;
use vfs::{File, FileOwner, OpenFlags, OwnerKind, mode};
use zerocopy::{FromBytes, Immutable, IntoBytes};

const F_DUPFD: u32 = 0;
const F_GETFD: u32 = 1;
const F_SETFD: u32 = 2;
const F_GETFL: u32 = 3;
const F_SETFL: u32 = 4;
const F_GETLK: u32 = 5;
const F_SETLK: u32 = 6;
const F_SETLKW: u32 = 7;
const F_SETOWN: u32 = 8;
const F_GETOWN: u32 = 9;
const F_SETSIG: u32 = 10;
const F_GETSIG: u32 = 11;
const F_SETOWN_EX: u32 = 15;
const F_GETOWN_EX: u32 = 16;
const F_GETOWNER_UIDS: u32 = 17;
const F_OFD_GETLK: u32 = 36;
const F_OFD_SETLK: u32 = 37;
const F_OFD_SETLKW: u32 = 38;
const F_SETLEASE: u32 = 1024;
const F_GETLEASE: u32 = 1025;
const F_NOTIFY: u32 = 1026;
const F_DUPFD_QUERY: u32 = 1027;
const F_CREATED_QUERY: u32 = 1028;
const F_DUPFD_CLOEXEC: u32 = 1030;
const F_SETPIPE_SZ: u32 = 1031;
const F_GETPIPE_SZ: u32 = 1032;
const F_ADD_SEALS: u32 = 1033;
const F_GET_SEALS: u32 = 1034;
const F_GET_RW_HINT: u32 = 1035;
const F_SET_RW_HINT: u32 = 1036;
const RWH_WRITE_LIFE_EXTREME: u64 = 5;

/// `struct f_owner_ex`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct OwnerEx {
    kind: i32,
    id: i32,
}
static_assertions::assert_eq_size!(OwnerEx, [u8; 8]);

/// fcntl(2).
pub(crate) fn sys_fcntl(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat(fcntl(cx, a))
}

fn fcntl(cx: &TaskCx, a: &Args) -> Result<Outcome, Errno> {
    let (fd, cmd, arg) = (a[0] as i32, a[1] as u32, a[2]);
    let files = cx.task.files();
    let file = files.get(fd)?;
    let legal_for_path = matches!(
        cmd,
        F_CREATED_QUERY | F_DUPFD | F_DUPFD_CLOEXEC | F_DUPFD_QUERY | F_GETFD | F_SETFD | F_GETFL
    );
    if !legal_for_path {
        file.check_not_path()?;
    }
    let value = match cmd {
        F_DUPFD | F_DUPFD_CLOEXEC => {
            let limit = cx.task.limit(Resource::Nofile).0;
            if i32::try_from(arg as u32).is_err() || arg as u32 as u64 >= limit {
                return Err(Errno::EINVAL);
            }
            files.install(file, arg as i32, limit, cmd == F_DUPFD_CLOEXEC)? as u64
        }
        F_DUPFD_QUERY => u64::from(Arc::ptr_eq(&file, &files.get_open(arg as i32)?)),
        F_CREATED_QUERY => u64::from(file.was_created()),
        F_GETFD => u64::from(files.cloexec(fd)?),
        F_SETFD => {
            files.set_cloexec(fd, arg & 1 != 0)?;
            0
        }
        F_GETFL => translate(cx.image.arch.arch(), file.flags().bits()).into(),
        F_SETFL => set_flags(cx, &file, fd, arg as u32)?,
        F_GETLK | F_OFD_GETLK => return locks::get(cx, &file, cmd == F_OFD_GETLK, Addr(arg)),
        F_SETLK | F_SETLKW => {
            return locks::set(cx, &file, fd, false, cmd == F_SETLKW, Addr(arg));
        }
        F_OFD_SETLK | F_OFD_SETLKW => {
            return locks::set(cx, &file, fd, true, cmd == F_OFD_SETLKW, Addr(arg));
        }
        F_SETOWN => set_owner(cx, &file, arg as i32)?,
        F_GETOWN => i64::from(owner(cx, &file)) as u64,
        F_SETOWN_EX => set_owner_ex(cx, &file, Addr(arg))?,
        F_GETOWN_EX => {
            let FileOwner { kind, id, .. } = file.owner();
            let id = cx.task.number_of(id);
            cx.mm().write_obj(Addr(arg), &OwnerEx { kind: kind as i32, id })?;
            0
        }
        F_GETOWNER_UIDS => {
            let (uid, euid) = file.owner().by;
            let shown = [uid, euid].map(|u| cx.task.creds().user_ns.show_uid(u));
            cx.mm().write_obj(Addr(arg), &shown)?;
            0
        }
        F_SETSIG => {
            if arg > 64 {
                return Err(Errno::EINVAL);
            }
            file.set_owner(FileOwner { signal: arg as u32, ..file.owner() });
            0
        }
        F_GETSIG => file.owner().signal.into(),
        F_SETLEASE => lease::set(cx, &file, fd, arg as i32)?,
        F_GETLEASE => lease::get(cx, &file),
        F_NOTIFY => notify(cx, &file, fd, arg as u32)?,
        F_SETPIPE_SZ => {
            let maker = crate::syscalls::fd::pipe_maker(cx.kernel(), &cx.task.creds());
            pipe(&file)?.set_capacity(arg as u32, maker)? as u64
        }
        F_GETPIPE_SZ => pipe(&file)?.capacity() as u64,
        F_GET_RW_HINT => {
            let state = file.inode().state().ok_or(Errno::EINVAL)?;
            cx.mm().write_obj(Addr(arg), &u64::from(state.write_hint()))?;
            0
        }
        F_SET_RW_HINT => {
            let hint: u64 = cx.mm().read_obj(Addr(arg))?;
            if hint > RWH_WRITE_LIFE_EXTREME {
                return Err(Errno::EINVAL);
            }
            file.inode().state().ok_or(Errno::EINVAL)?.set_write_hint(hint as u8);
            0
        }
        F_ADD_SEALS => {
            file.add_seals(arg as u32)?;
            0
        }
        F_GET_SEALS => file.seals()?.into(),
        _ => return Err(Errno::EINVAL),
    };
    Ok(Ok(value).into())
}

/// `F_NOTIFY`: signals go to the caller, unless it says otherwise after that (`fcntl_dirnotify`).
fn notify(cx: &TaskCx, file: &Arc<File>, fd: i32, events: u32) -> Result<u64, Errno> {
    let teller = Arc::new(MessageTeller::new(cx, file, fd));
    let owner = cx.task.files().lock_owner();
    let events = DirEvents::from_bits_retain(events);
    cx.kernel().vfs().watch_directory(file, owner, events, teller)?;
    if !(events - DirEvents::MULTISHOT).is_empty() {
        let creds = cx.task.creds();
        let by = (creds.uid, creds.euid);
        let (kind, id) = (OwnerKind::Process, cx.task.tgid());
        file.set_owner(FileOwner { kind, id, by, ..file.owner() });
    }
    Ok(0)
}

fn pipe(file: &File) -> Result<&PipeEnd, Errno> {
    file.downcast().ok_or(Errno::EBADF)
}

fn set_flags(cx: &TaskCx, file: &Arc<File>, fd: i32, arg: u32) -> Result<u64, Errno> {
    let new = OpenFlags::from_bits_retain(translate(cx.image.arch.arch(), arg));
    let changed = new ^ file.flags();
    if changed.contains(OpenFlags::NOATIME)
        && new.contains(OpenFlags::NOATIME)
        && !cx.task.creds().owns(file.stat()?.uid)
    {
        return Err(Errno::EPERM);
    }
    // O_DIRECT of a pipe means packets; of anything else, file systems that can (setfl()).
    if changed.contains(OpenFlags::DIRECT)
        && new.contains(OpenFlags::DIRECT)
        && !matches!(file.kind(), mode::IFIFO | mode::IFREG)
    {
        return Err(Errno::EINVAL);
    }
    file.set_flags(new)?;
    if changed.contains(OpenFlags::ASYNC) && file.can_signal() {
        set_async(cx, file, fd, new.contains(OpenFlags::ASYNC));
    }
    Ok(0)
}

/// Who gets the signals of a file: a process, or a group by its negative number.
pub(crate) fn owner(cx: &TaskCx, file: &File) -> i32 {
    let o = file.owner();
    let number = cx.task.number_of(o.id);
    if o.kind == OwnerKind::Group { -number } else { number }
}

pub(crate) fn set_owner(cx: &TaskCx, file: &Arc<File>, arg: i32) -> Result<u64, Errno> {
    let (kind, id) = if arg < 0 {
        (OwnerKind::Group, arg.checked_neg().ok_or(Errno::EINVAL)?)
    } else {
        (OwnerKind::Process, arg)
    };
    store_owner(cx, file, kind, id)
}

fn set_owner_ex(cx: &TaskCx, file: &Arc<File>, at: Addr) -> Result<u64, Errno> {
    let owner: OwnerEx = cx.mm().read_obj(at)?;
    let kind = match owner.kind {
        0 => OwnerKind::Thread,
        1 => OwnerKind::Process,
        2 => OwnerKind::Group,
        _ => return Err(Errno::EINVAL),
    };
    store_owner(cx, file, kind, owner.id)
}

fn store_owner(cx: &TaskCx, file: &Arc<File>, kind: OwnerKind, number: i32) -> Result<u64, Errno> {
    let kernel = cx.kernel();
    let id = match number {
        0 => 0,
        n => cx.task.pid_ns().id_of(n).ok_or(Errno::ESRCH)?,
    };
    let there = match kind {
        _ if id == 0 => true,
        OwnerKind::Thread | OwnerKind::Process => kernel.task(id).is_some(),
        // Whatever has the ID.
        OwnerKind::Group => {
            let tree = kernel.tree();
            tree.tasks.contains_key(&id) || tree.members(id).next().is_some()
        }
    };
    if !there {
        return Err(Errno::ESRCH);
    }
    let creds = cx.task.creds();
    file.set_owner(FileOwner { kind, id, by: (creds.uid, creds.euid), ..file.owner() });
    owned(cx, file);
    Ok(0)
}
