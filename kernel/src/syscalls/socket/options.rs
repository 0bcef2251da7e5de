//! getsockopt(2) and setsockopt(2).

use super::SocketFile;
use crate::{Args, Outcome, TaskCx};
use alloc::vec::Vec;
use arch::{Addr, Permissions, UserMemory, UserMemoryExt};
use syserr::Errno;
use vfs::UserNs;
use vfs::bpf::{Instruction, MAX_INSTRUCTIONS};

/// The most bytes of a value that are read.
const VALUE_MAX: usize = 4096;

/// Level and name of `SO_PEERPIDFD`, and of `SO_PEERCRED`.
const SO_PEERPIDFD: (i32, i32) = (1, 77);
const SO_PEERCRED: (i32, i32) = (1, 17);

/// Level and name of `SO_ATTACH_FILTER`, which is `SO_GET_FILTER` for who asks, and of
/// `PACKET_HDRLEN`.
const SO_ATTACH_FILTER: (i32, i32) = (1, 26);
const SO_GET_FILTER: (i32, i32) = SO_ATTACH_FILTER;
const PACKET_HDRLEN: (i32, i32) = (263, 11);
/// Size of a `struct sock_fprog`.
const FILTER_HEAD: usize = 16;

/// A new pidfd for the process that made the connection; unix(7).
fn peer_pidfd(cx: &TaskCx, f: &SocketFile) -> Result<i32, Errno> {
    let peer = f.socket()?.option(&UserNs::INITIAL, SO_PEERCRED.0, SO_PEERCRED.1, usize::MAX)?;
    let pid = peer.first_chunk().map_or(0, |b| i32::from_ne_bytes(*b));
    if pid == 0 {
        return Err(Errno::ENODATA);
    }
    let task = cx.kernel().task(pid).ok_or(Errno::ESRCH)?;
    crate::pidfd::install(&cx.task, task.group_ref(), false)
}

/// The instructions that a `struct sock_fprog` names (`copy_bpf_fprog_from_user`).
fn read_filter(cx: &TaskCx, at: u64, len: usize) -> Result<Vec<u8>, Errno> {
    if len != FILTER_HEAD {
        return Err(Errno::EINVAL);
    }
    let mem = &**cx.mm();
    let count: u16 = mem.read_obj(Addr(at))?;
    let code: u64 = mem.read_obj(Addr(at.wrapping_add(8)))?;
    let count = usize::from(count);
    if code == 0 || count == 0 || count > MAX_INSTRUCTIONS {
        return Err(Errno::EINVAL);
    }
    mem.read_vec(Addr(code), count * size_of::<Instruction>())
}

/// `SO_GET_FILTER`, whose length is one of instructions (`sk_get_filter`).
fn get_filter(cx: &TaskCx, f: &SocketFile, a: &Args, room: usize) -> Result<u64, Errno> {
    let mem = &**cx.mm();
    let code = f.socket()?.filter();
    let count = code.len() / size_of::<Instruction>();
    if count > 0 && room > 0 {
        if room < count {
            return Err(Errno::EINVAL);
        }
        mem.copy_out(Addr(a[3]), &code, Permissions::Obey)?;
    }
    mem.write_obj(Addr(a[4]), &(count as i32))?;
    Ok(0)
}

/// getsockopt(2).
pub(crate) fn sys_getsockopt(cx: &mut TaskCx, a: &Args) -> Outcome {
    let get = || {
        let f = SocketFile::get(cx, a[0])?;
        f.socket()?.check_option_level(a[1] as i32, false)?;
        let mem = &**cx.mm();
        let room: i32 = mem.read_obj(Addr(a[4]))?;
        let room = usize::try_from(room).map_err(|_| Errno::EINVAL)?;
        if (a[1] as i32, a[2] as i32) == SO_PEERPIDFD {
            let fd = peer_pidfd(cx, &f)?;
            let part = fd.to_ne_bytes();
            let part = part.get(..room).unwrap_or(&part);
            mem.copy_out(Addr(a[3]), part, Permissions::Obey)?;
            mem.write_obj(Addr(a[4]), &(part.len() as i32))?;
            return Ok(0);
        }
        if (a[1] as i32, a[2] as i32) == SO_GET_FILTER {
            return get_filter(cx, &f, a, room);
        }
        if (a[1] as i32, a[2] as i32) == PACKET_HDRLEN {
            let version: i32 = mem.read_obj(Addr(a[3]))?;
            let size = f.socket()?.frame_header_size(version)?;
            mem.write_obj(Addr(a[3]), &size)?;
            return Ok(0);
        }
        let creds = cx.task.creds();
        let mut value = f.socket()?.option(&creds.user_ns, a[1] as i32, a[2] as i32, room)?;
        if (a[1] as i32, a[2] as i32) == SO_PEERCRED
            && let Some(pid) = value.first_chunk_mut()
        {
            *pid = cx.task.number_of_past(i32::from_ne_bytes(*pid)).to_ne_bytes();
        }
        /// `SOL_SOCKET` and `SO_PEERGROUPS`, `SO_PEERNAME`: those are never cut.
        const WHOLE: [(i32, i32); 2] = [(1, 59), (1, 28)];
        if WHOLE.contains(&(a[1] as i32, a[2] as i32)) && room < value.len() {
            if a[2] as i32 == 59 {
                mem.write_obj(Addr(a[4]), &(value.len() as i32))?;
                return Err(Errno::ERANGE);
            }
            return Err(Errno::EINVAL);
        }
        /// `SOL_NETLINK` and `NETLINK_LIST_MEMBERSHIPS`: whole words, of how many there are.
        const WORDS: (i32, i32) = (270, 9);
        if (a[1] as i32, a[2] as i32) == WORDS {
            let part = value.get(..room / 4 * 4).unwrap_or(&value);
            mem.copy_out(Addr(a[3]), part, Permissions::Obey)?;
            mem.write_obj(Addr(a[4]), &(value.len() as i32))?;
            return Ok(0);
        }
        let part = value.get(..room).unwrap_or(&value);
        mem.copy_out(Addr(a[3]), part, Permissions::Obey)?;
        mem.write_obj(Addr(a[4]), &(part.len() as i32))?;
        Ok(0)
    };
    get().into()
}

/// setsockopt(2).
pub(crate) fn sys_setsockopt(cx: &mut TaskCx, a: &Args) -> Outcome {
    let set = || {
        let len = usize::try_from(a[4] as i32).map_err(|_| Errno::EINVAL)?;
        let f = SocketFile::get(cx, a[0])?;
        f.socket()?.check_option_level(a[1] as i32, true)?;
        let value = if (a[1] as i32, a[2] as i32) == SO_ATTACH_FILTER {
            read_filter(cx, a[3], len)?
        } else {
            cx.mm().read_vec::<u8>(Addr(a[3]), len.min(VALUE_MAX))?
        };
        f.socket()?.set_option(&cx.task.creds(), a[1] as i32, a[2] as i32, &value)?;
        Ok(0)
    };
    set().into()
}
