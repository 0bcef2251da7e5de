//! getsockopt(2) and setsockopt(2).

use super::SocketFile;
use crate::{Args, Outcome, TaskCx};
use arch::{Addr, Permissions, UserMemory, UserMemoryExt};
use syserr::Errno;
use vfs::UserNs;

/// The most bytes of a value that are read.
const VALUE_MAX: usize = 4096;

/// Level and name of `SO_PEERPIDFD`, and of `SO_PEERCRED`.
const SO_PEERPIDFD: (i32, i32) = (1, 77);
const SO_PEERCRED: (i32, i32) = (1, 17);

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
        let value = cx.mm().read_vec::<u8>(Addr(a[3]), len.min(VALUE_MAX))?;
        f.socket()?.set_option(&cx.task.creds(), a[1] as i32, a[2] as i32, &value)?;
        Ok(0)
    };
    set().into()
}
