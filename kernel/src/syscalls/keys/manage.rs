//! Operations of keyctl(2) that change something.

use super::{DESCRIPTION_MAX, need, need_or_make, payload, type_name, with};
use crate::TaskCx;
use crate::keys::{Access, Found, Key, KeyType, Payload, Table, Who, permission};
use crate::syscalls::fs::walk::string;
use alloc::sync::Arc;
use syserr::Errno;
use vfs::{Creds, cap};

/// `KEY_SPEC_SESSION_KEYRING`.
const KEY_SPEC_SESSION: i32 = -3;

/// `KEYCTL_JOIN_SESSION_KEYRING`.
pub(super) fn join(cx: &TaskCx, name: u64) -> Result<u64, Errno> {
    let name = if name == 0 { None } else { Some(string(cx, name, DESCRIPTION_MAX)?) };
    if name.as_ref().is_some_and(|n| n.first() == Some(&b'.')) {
        return Err(Errno::EPERM);
    }
    with(cx, |who, t| who.join_session(t, name.as_deref())).map(|id| id as u64)
}

/// `KEYCTL_SESSION_TO_PARENT`: for a parent of one thread, with the same users and groups
/// (`keyctl_session_to_parent`).
pub(super) fn session_to_parent(cx: &TaskCx) -> Result<u64, Errno> {
    let kernel = cx.kernel();
    let ids = |c: &Creds| (c.uid, c.euid, c.suid, c.gid, c.egid, c.sgid);
    with(cx, |who, t| {
        let session = who.find(t, KEY_SPEC_SESSION, need(permission::LINK))?.key;
        let ppid = cx.task.group_ref().ppid();
        let threads = kernel.process(ppid).map(|p| p.threads()).unwrap_or_default();
        let parent = match threads.as_slice() {
            [only] if ppid > 1 && only.mm().is_some() => only,
            _ => return Err(Errno::EPERM),
        };
        let (own, theirs) = (who.creds, parent.creds());
        let mut rings = parent.keyrings();
        let mine = |k: &Key| k.owner().0 == own.euid;
        let old = rings.session.as_ref();
        if old.is_some_and(|old| Arc::ptr_eq(old, &session)) {
            return Ok(0);
        }
        if ids(own) != ids(&theirs) || old.is_some_and(|old| !mine(old)) || !mine(&session) {
            return Err(Errno::EPERM);
        }
        rings.session = Some(session);
        parent.set_keyrings(rings);
        Ok(0)
    })
}

/// `KEYCTL_UPDATE`.
pub(super) fn update(cx: &TaskCx, id: i32, at: u64, len: u64) -> Result<u64, Errno> {
    if len > arch::PAGE_SIZE {
        return Err(Errno::EINVAL);
    }
    let bytes = payload(cx, at, len)?;
    with(cx, |who, t| {
        let key = who.find(t, id, need(permission::WRITE))?.key;
        if key.kind() == KeyType::Keyring {
            return Err(Errno::EOPNOTSUPP);
        }
        match key.kind().payload(bytes)? {
            Payload::Bytes(b) => key.update(b).map(|()| 0),
            Payload::Links(_) => Err(Errno::EOPNOTSUPP),
        }
    })
}

/// `KEYCTL_REVOKE`.
pub(super) fn revoke(cx: &TaskCx, id: i32) -> Result<u64, Errno> {
    with(cx, |who, t| {
        let found = match who.find(t, id, need(permission::WRITE)) {
            Err(Errno::EACCES) => who.find(t, id, need(permission::SETATTR)),
            other => other,
        };
        found?.key.revoke(who.now);
        Ok(0)
    })
}

/// `KEYCTL_CHOWN`.
pub(super) fn chown(cx: &TaskCx, id: i32, uid: u32, gid: u32) -> Result<u64, Errno> {
    let ns = &cx.task.creds().user_ns;
    let uid = match uid {
        u32::MAX => None,
        uid => Some(ns.uid_in(uid).ok_or(Errno::EINVAL)?),
    };
    let gid = match gid {
        u32::MAX => None,
        gid => Some(ns.gid_in(gid).ok_or(Errno::EINVAL)?),
    };
    if uid.is_none() && gid.is_none() {
        return Ok(0);
    }
    with(cx, |who, t| {
        let key = who.find(t, id, need_or_make(permission::SETATTR))?.key;
        if !who.creds.has(cap::SYS_ADMIN) {
            let (own, group) = key.owner();
            let foreign = gid.is_some_and(|g| g != group && !who.creds.in_group(g));
            if uid.is_some_and(|u| u != own) || foreign {
                return Err(Errno::EACCES);
            }
        }
        t.set_owner(&key, uid, gid).map(|()| 0)
    })
}

/// `KEYCTL_SETPERM`.
pub(super) fn set_permissions(cx: &TaskCx, id: i32, perm: u32) -> Result<u64, Errno> {
    if perm & !0x3f3f_3f3f != 0 {
        return Err(Errno::EINVAL);
    }
    with(cx, |who, t| {
        let key = who.find(t, id, need_or_make(permission::SETATTR))?.key;
        if key.owner().0 != who.creds.fsuid && !who.creds.has(cap::SYS_ADMIN) {
            return Err(Errno::EACCES);
        }
        key.set_permissions(perm);
        Ok(0)
    })
}

/// `KEYCTL_CLEAR`.
pub(super) fn clear(cx: &TaskCx, id: i32) -> Result<u64, Errno> {
    with(cx, |who, t| who.find(t, id, need_or_make(permission::WRITE))?.key.clear().map(|()| 0))
}

/// `KEYCTL_LINK`.
pub(super) fn link(cx: &TaskCx, id: i32, ring: i32) -> Result<u64, Errno> {
    with(cx, |who, t| {
        let ring = who.find(t, ring, need_or_make(permission::WRITE))?.key;
        let key = who.find(t, id, need_or_make(permission::LINK))?.key;
        ring.add_link(&key).map(|()| 0)
    })
}

/// `KEYCTL_UNLINK`.
pub(super) fn unlink(cx: &TaskCx, id: i32, ring: i32) -> Result<u64, Errno> {
    with(cx, |who, t| {
        let ring = who.find(t, ring, need(permission::WRITE))?.key;
        let key = who.find(t, id, Access { create: false, any: true, need: 0 })?.key;
        ring.remove_link(&key).map(|()| 0)
    })
}

/// `KEYCTL_MOVE`.
pub(super) fn relink(cx: &TaskCx, id: i32, from: i32, to: i32, flags: u32) -> Result<u64, Errno> {
    const EXCL: u32 = 1;
    if flags & !EXCL != 0 {
        return Err(Errno::EINVAL);
    }
    with(cx, |who, t| {
        let key = who.find(t, id, need_or_make(permission::LINK))?.key;
        let from = who.find(t, from, need(permission::WRITE))?.key;
        let to = who.find(t, to, need_or_make(permission::WRITE))?.key;
        if from.serial() == to.serial() {
            return Ok(0);
        }
        to.links()?;
        if !from.links()?.iter().any(|k| k.serial() == key.serial()) {
            return Err(Errno::ENOENT);
        }
        if flags & EXCL != 0 && to.linked(key.kind(), key.description()).is_some() {
            return Err(Errno::EEXIST);
        }
        to.add_link(&key)?;
        from.remove_link(&key).map(|()| 0)
    })
}

/// `KEYCTL_SET_REQKEY_KEYRING`.
pub(super) fn set_default(cx: &TaskCx, to: i32) -> Result<u64, Errno> {
    const NO_CHANGE: i32 = -1;
    with(cx, |who, t| {
        let old = who.rings.default;
        match to {
            NO_CHANGE => return Ok(old as u64),
            1 | 2 => drop(who.find(t, -to, need_or_make(0))?),
            0 | 3 | 4 | 5 | 7 => {}
            _ => return Err(Errno::EINVAL),
        }
        who.rings.default = to;
        Ok(old as u64)
    })
}

/// `KEYCTL_SET_TIMEOUT`; 0 for none.
pub(super) fn set_timeout(cx: &TaskCx, id: i32, seconds: u32) -> Result<u64, Errno> {
    with(cx, |who, t| {
        let Found { key, .. } = who.find(t, id, need_or_make(permission::SETATTR))?;
        let at = who.now.saturating_add(i64::from(seconds) * 1_000_000_000);
        key.set_expiry((seconds != 0).then_some(at));
        Ok(0)
    })
}

/// `KEYCTL_INVALIDATE`.
pub(super) fn invalidate(cx: &TaskCx, id: i32) -> Result<u64, Errno> {
    with(cx, |who: &mut Who<'_>, t: &mut Table| {
        let key = who.find(t, id, need(permission::SEARCH))?.key;
        t.invalidate(&key);
        Ok(0)
    })
}

/// `KEYCTL_RESTRICT_KEYRING`: only against everything; no type here has another restriction.
pub(super) fn restrict(cx: &TaskCx, id: i32, kind: u64, restriction: u64) -> Result<u64, Errno> {
    let name = if kind == 0 { None } else { Some(type_name(cx, kind)?) };
    with(cx, |who, t| {
        let key = who.find(t, id, need(permission::SETATTR))?.key;
        match (&name, restriction) {
            (None, 0) => key.close().map(|()| 0),
            (None, _) | (Some(_), 0) => Err(Errno::EINVAL),
            (Some(n), _) if KeyType::of(n).is_none() => Err(Errno::ENOKEY),
            _ => Err(Errno::ENOENT),
        }
    })
}
