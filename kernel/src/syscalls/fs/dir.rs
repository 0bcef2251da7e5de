//! getdents(2) and directories of a process.

use super::rw::{file, flat};
use super::walk::{CWD, Walk, path, vfs};
use crate::{Args, Outcome, TaskCx};
use alloc::vec::Vec;
use arch::{Addr, Permissions, UserMemory};
use syserr::Errno;
use vfs::{DirEntry, DirSink};

/// The most bytes that one call fills; a caller with a larger buffer calls again.
const CHUNK: u64 = 64 << 10;

/// One record layout of getdents(2).
type Pack = fn(&DirEntry, &mut Vec<u8>);

/// `d_type` of `S_IFMT` bits.
const fn dirent_type(kind: u32) -> u8 {
    (kind >> 12) as u8
}

const fn align8(n: usize) -> usize {
    n.next_multiple_of(8)
}

/// `struct linux_dirent64`: inode, offset, length, type, name.
pub(super) fn pack64(e: &DirEntry, out: &mut Vec<u8>) {
    let len = align8(19 + e.name.len() + 1);
    let end = out.len() + len;
    out.extend_from_slice(&e.ino.to_ne_bytes());
    out.extend_from_slice(&e.next.to_ne_bytes());
    out.extend_from_slice(&(len as u16).to_ne_bytes());
    out.push(dirent_type(e.kind));
    out.extend_from_slice(&e.name);
    out.resize(end, 0);
}

/// `struct linux_dirent`: inode, offset, length, name, and the type in the last byte.
pub(super) fn pack_old(e: &DirEntry, out: &mut Vec<u8>) {
    let len = align8(18 + e.name.len() + 2);
    let end = out.len() + len;
    out.extend_from_slice(&e.ino.to_ne_bytes());
    out.extend_from_slice(&e.next.to_ne_bytes());
    out.extend_from_slice(&(len as u16).to_ne_bytes());
    out.extend_from_slice(&e.name);
    out.resize(end, 0);
    if let Some(last) = out.last_mut() {
        *last = dirent_type(e.kind);
    }
}

/// The caller's buffer.
struct Records<'a> {
    cx: &'a TaskCx,
    at: Addr,
    room: usize,
    pack: Pack,
    out: Vec<u8>,
    too_small: bool,
}

impl DirSink for Records<'_> {
    fn entry(&mut self, e: &DirEntry) -> bool {
        let before = self.out.len();
        (self.pack)(e, &mut self.out);
        if self.out.len() <= self.room {
            return true;
        }
        self.out.truncate(before);
        self.too_small = before == 0;
        false
    }

    fn finish(&mut self) -> Result<(), Errno> {
        if self.too_small {
            return Err(Errno::EINVAL);
        }
        Ok(self.cx.mm().copy_out(self.at, &self.out, Permissions::Obey)?)
    }
}

fn getdents(cx: &TaskCx, a: &Args, pack: Pack) -> Result<Outcome, Errno> {
    let f = file(cx, a[0])?;
    let room = u64::from(a[2] as u32).min(CHUNK) as usize;
    let out = Vec::with_capacity(room.min(4096));
    let mut records = Records { cx, at: Addr(a[1]), room, pack, out, too_small: false };
    f.read_dir(&mut records)?;
    Ok(Ok(records.out.len() as u64).into())
}

/// getdents(2).
pub(crate) fn sys_getdents(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat(getdents(cx, a, pack_old))
}

/// getdents64(2).
pub(crate) fn sys_getdents64(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat(getdents(cx, a, pack64))
}

/// getcwd(2).
pub(crate) fn sys_getcwd(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat((|| {
        let mut path = vfs(cx).getcwd(&Walk::new(cx).cx())?;
        path.push(0);
        if path.len() as u64 > a[1] {
            return Err(Errno::ERANGE);
        }
        cx.mm().copy_out(Addr(a[0]), &path, Permissions::Obey)?;
        Ok(Ok(path.len() as u64).into())
    })())
}

/// chdir(2).
pub(crate) fn sys_chdir(cx: &mut TaskCx, a: &Args) -> Outcome {
    let path = path(cx, a[0]);
    path.and_then(|p| vfs(cx).chdir(&Walk::new(cx).cx(), CWD as i32, &p)).map(|()| 0).into()
}

/// fchdir(2).
pub(crate) fn sys_fchdir(cx: &mut TaskCx, a: &Args) -> Outcome {
    let file = cx.task.files().get(a[0] as i32);
    let r = file.and_then(|f| vfs(cx).enter(&Walk::new(cx).cx(), f.path().clone()));
    r.map(|()| 0).into()
}

/// chroot(2).
pub(crate) fn sys_chroot(cx: &mut TaskCx, a: &Args) -> Outcome {
    let path = path(cx, a[0]);
    path.and_then(|p| vfs(cx).chroot(&Walk::new(cx).cx(), CWD as i32, &p)).map(|()| 0).into()
}

/// umask(2).
pub(crate) fn sys_umask(cx: &mut TaskCx, a: &Args) -> Outcome {
    Ok(cx.task.fs().set_umask(a[0] as u32).into()).into()
}
