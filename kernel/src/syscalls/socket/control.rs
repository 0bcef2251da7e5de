//! Ancillary data in the memory of programs; cmsg(3).

use crate::{Resource, Task, TaskCx};
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{Addr, Permissions, UserMemory, UserMemoryExt};
use syserr::Errno;
use vfs::socket::{Ancillary, Domain, PacketOptions, Received, Socket, Ucred};
use vfs::{File, cap};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

const SOL_SOCKET: i32 = 1;
const SCM_RIGHTS: i32 = 1;
const SCM_CREDENTIALS: i32 = 2;
const SCM_PIDFD: i32 = 4;
/// The most descriptions of one message (`SCM_MAX_FD`).
const RIGHTS_MAX: usize = 253;
/// The most bytes of ancillary data (`net.core.optmem_max`).
const CONTROL_MAX: u64 = 131_072;
/// `MSG_CTRUNC`.
pub(super) const MSG_CTRUNC: u32 = 8;

/// `struct cmsghdr`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct CmsgHdr {
    len: u64,
    level: i32,
    kind: i32,
}
const HEADER: usize = size_of::<CmsgHdr>();
static_assertions::assert_eq_size!(CmsgHdr, [u8; 16]);

/// What a sender attached.
#[derive(Default)]
pub(super) struct Sent {
    pub(super) files: Vec<Arc<File>>,
    pub(super) creds: Option<Ucred>,
    pub(super) packet: PacketOptions,
}

/// Reads what a sender attaches.
pub(super) fn read(cx: &TaskCx, socket: &Socket, at: u64, len: u64) -> Result<Sent, Errno> {
    let domain = socket.domain();
    let mut sent = Sent::default();
    if len > CONTROL_MAX {
        return Err(Errno::ENOBUFS);
    }
    if len == 0 {
        return Ok(sent);
    }
    let bytes: Vec<u8> = cx.mm().read_vec(Addr(at), len as usize)?;
    let mut rest = bytes.as_slice();
    // What is shorter than a header is no message.
    while let Ok((h, _)) = CmsgHdr::read_from_prefix(rest) {
        let len = usize::try_from(h.len).unwrap_or(usize::MAX);
        let data = rest.get(HEADER..len).ok_or(Errno::EINVAL)?;
        if h.level == SOL_SOCKET && domain == Domain::Unix {
            match h.kind {
                SCM_RIGHTS => rights(cx, data, &mut sent.files)?,
                SCM_CREDENTIALS => sent.creds = Some(credentials(cx, data)?),
                _ => return Err(Errno::EINVAL),
            }
        }
        if matches!(domain, Domain::Inet | Domain::Inet6) && socket.has_messages() {
            sent.packet.add(domain, h.level, h.kind, data)?;
        }
        rest = rest.get(len.next_multiple_of(8)..).unwrap_or_default();
    }
    Ok(sent)
}

fn rights(cx: &TaskCx, data: &[u8], to: &mut Vec<Arc<File>>) -> Result<(), Errno> {
    let (fds, _) = data.as_chunks::<4>();
    if to.len() + fds.len() > RIGHTS_MAX {
        return Err(Errno::EINVAL);
    }
    let files = cx.task.files();
    for fd in fds {
        to.push(files.get(i32::from_ne_bytes(*fd))?);
    }
    Ok(())
}

/// Credentials that the sender may claim: its own, or with privilege anybody's
/// (`scm_check_creds`).
fn credentials(cx: &TaskCx, data: &[u8]) -> Result<Ucred, Errno> {
    let id = Ucred::read_from_bytes(data).map_err(|_| Errno::EINVAL)?;
    let c = cx.task.creds();
    let known = c.user_ns.uid_in(id.uid).zip(c.user_ns.gid_in(id.gid));
    let (uid, gid) = known.ok_or(Errno::EINVAL)?;
    let pid = id.pid == cx.task.group_ref().number();
    let pid = pid || c.has_in(cx.task.pid_ns().owner(), cap::SYS_ADMIN);
    let named = cx.task.pid_ns().id_of(id.pid);
    let id = Ucred { pid: named.unwrap_or(0), uid, gid };
    let uid = [c.uid, c.euid, c.suid].contains(&id.uid) || c.has_here(cap::SETUID);
    let gid = [c.gid, c.egid, c.sgid].contains(&id.gid) || c.has_here(cap::SETGID);
    if !pid || !uid || !gid {
        return Err(Errno::EPERM);
    }
    if id.pid != cx.task.tgid() && cx.kernel().process(id.pid).is_none() {
        return Err(Errno::ESRCH);
    }
    Ok(id)
}

/// Room for ancillary data in the receiver's memory.
pub(super) struct Room<'a> {
    pub(super) mem: &'a dyn UserMemory,
    pub(super) at: u64,
    pub(super) left: u64,
    /// `MSG_CTRUNC`, once something did not fit.
    pub(super) flags: u32,
}

impl Room<'_> {
    /// Delivers what came.
    pub(super) fn put(
        &mut self,
        task: &Arc<Task>,
        got: &mut Received,
        cloexec: bool,
    ) -> Result<(), Errno> {
        let files = core::mem::take(&mut got.files);
        if self.at == 0 {
            if got.creds.is_some()
                || got.pidfd.is_some()
                || !files.is_empty()
                || !got.ancillary.is_empty()
            {
                self.flags |= MSG_CTRUNC;
            }
            return Ok(());
        }
        for Ancillary { level, kind, data } in &got.ancillary {
            self.put_one(*level, *kind, data)?;
        }
        if let Some(id) = got.creds {
            let id = id.seen_by(&task.creds().user_ns);
            let id = Ucred { pid: task.number_of_past(id.pid), ..id };
            self.put_one(SOL_SOCKET, SCM_CREDENTIALS, id.as_bytes())?;
        }
        self.put_rights(task, files, cloexec)?;
        match got.pidfd {
            Some(pid) => self.put_pidfd(task, pid),
            None => Ok(()),
        }
    }

    /// A descriptor of the process that sent (`scm_pidfd_recv`).
    fn put_pidfd(&mut self, task: &Arc<Task>, pid: i32) -> Result<(), Errno> {
        if self.left < HEADER as u64 + 4 {
            self.flags |= MSG_CTRUNC;
            return Ok(());
        }
        let group = task.kernel().process(pid).ok_or(Errno::ESRCH);
        match group.and_then(|g| crate::pidfd::install(task, &g, false)) {
            Ok(fd) => {
                let put = self.put_one(SOL_SOCKET, SCM_PIDFD, &fd.to_ne_bytes());
                if put.is_err() {
                    let _ = task.files().close(fd);
                }
                put
            }
            // Instead of a descriptor, why there is none.
            Err(e) if pid != 0 => self.put_one(SOL_SOCKET, SCM_PIDFD, &(-e.to_raw()).to_ne_bytes()),
            Err(_) => Ok(()),
        }
    }

    fn advance(&mut self, len: usize) {
        let n = (len as u64).next_multiple_of(8).min(self.left);
        self.at = self.at.wrapping_add(n);
        self.left -= n;
    }

    /// One message, cut to the room there is (`put_cmsg`).
    fn put_one(&mut self, level: i32, kind: i32, data: &[u8]) -> Result<(), Errno> {
        if self.left < HEADER as u64 {
            self.flags |= MSG_CTRUNC;
            return Ok(());
        }
        let mut len = HEADER + data.len();
        if self.left < len as u64 {
            self.flags |= MSG_CTRUNC;
            len = self.left as usize;
        }
        let h = CmsgHdr { len: len as u64, level, kind };
        self.mem.write_obj(Addr(self.at), &h)?;
        let part = data.get(..len - HEADER).unwrap_or_default();
        let to = Addr(self.at).wrapping_add(HEADER as u64);
        self.mem.copy_out(to, part, Permissions::Obey)?;
        self.advance(HEADER + data.len());
        Ok(())
    }

    /// Descriptors, as many as fit (`scm_detach_fds`).
    fn put_rights(
        &mut self,
        task: &Arc<Task>,
        files: Vec<Arc<File>>,
        cloexec: bool,
    ) -> Result<(), Errno> {
        let count = files.len();
        if count == 0 {
            return Ok(());
        }
        let fit = (self.left.saturating_sub(HEADER as u64) / 4).min(count as u64) as usize;
        let limit = task.limit(Resource::Nofile).0;
        let table = task.files();
        let mut at = Addr(self.at).wrapping_add(HEADER as u64);
        let mut done = 0;
        for f in files.into_iter().take(fit) {
            let Ok(fd) = table.install(f, 0, limit, cloexec) else { break };
            if self.mem.write_obj(at, &fd).is_err() {
                let _ = table.close(fd);
                break;
            }
            at = at.wrapping_add(4);
            done += 1;
        }
        if done > 0 {
            let len = HEADER + done * 4;
            let h = CmsgHdr { len: len as u64, level: SOL_SOCKET, kind: SCM_RIGHTS };
            self.mem.write_obj(Addr(self.at), &h)?;
            self.advance(len);
        }
        if done < count {
            self.flags |= MSG_CTRUNC;
        }
        Ok(())
    }
}
