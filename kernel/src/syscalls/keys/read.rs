//! Operations of keyctl(2) that look.

use super::{DESCRIPTION_MAX, need, need_or_make, type_name, with};
use crate::TaskCx;
use crate::keys::{Access, KeyType, SearchError, permission};
use crate::syscalls::fs::walk::string;
use alloc::format;
use alloc::vec::Vec;
use arch::{Addr, Permissions, UserMemory};
use syserr::Errno;

/// Delivers bytes that fit in whole, and says how many there are.
fn deliver(cx: &TaskCx, bytes: &[u8], to: u64, room: u64) -> Result<u64, Errno> {
    if to != 0 && bytes.len() as u64 <= room {
        cx.mm().copy_out(Addr(to), bytes, Permissions::Obey)?;
    }
    Ok(bytes.len() as u64)
}

/// `KEYCTL_GET_KEYRING_ID`.
pub(super) fn id(cx: &TaskCx, id: i32, create: bool) -> Result<u64, Errno> {
    let how = Access { create, any: false, need: permission::SEARCH };
    with(cx, |who, t| who.find(t, id, how).map(|f| f.key.serial() as u64))
}

/// `KEYCTL_DESCRIBE`.
pub(super) fn describe(cx: &TaskCx, id: i32, to: u64, room: u64) -> Result<u64, Errno> {
    let text = with(cx, |who, t| {
        let key = who.find(t, id, need(permission::VIEW))?.key;
        let (uid, gid) = key.owner();
        let ns = &who.creds.user_ns;
        let (uid, gid) = (ns.show_uid(uid) as i32, ns.show_gid(gid) as i32);
        let perm = key.permissions();
        let mut text = format!("{};{uid};{gid};{perm:08x};", key.kind().name()).into_bytes();
        text.extend_from_slice(key.description());
        text.push(0);
        Ok(text)
    })?;
    deliver(cx, &text, to, room)
}

/// `KEYCTL_READ`: who may read, or possesses what can be found.
pub(super) fn read(cx: &TaskCx, id: i32, to: u64, room: u64) -> Result<u64, Errno> {
    let bytes = with(cx, |who, t| {
        let found = who.find(t, id, need(0))?;
        match found.key.allows(who.creds, found.possessed, permission::READ) {
            Err(_) if found.possessed => {}
            other => other?,
        }
        if found.key.kind() == KeyType::Logon {
            return Err(Errno::EOPNOTSUPP);
        }
        match found.key.bytes() {
            Some(bytes) => Ok(bytes),
            None => {
                let links = found.key.links()?;
                Ok(links.iter().flat_map(|k| k.serial().to_le_bytes()).collect::<Vec<u8>>())
            }
        }
    })?;
    deliver(cx, &bytes, to, room)
}

/// `KEYCTL_SEARCH`.
pub(super) fn search(
    cx: &TaskCx,
    ring: i32,
    kind: u64,
    description: u64,
    to: i32,
) -> Result<u64, Errno> {
    let name = type_name(cx, kind)?;
    let description = string(cx, description, DESCRIPTION_MAX)?;
    with(cx, |who, t| {
        let ring = who.find(t, ring, need(permission::SEARCH))?;
        let to = match to {
            0 => None,
            id => Some(who.find(t, id, need_or_make(permission::WRITE))?.key),
        };
        let kind = KeyType::of(&name).ok_or(Errno::ENOKEY)?;
        ring.key.links()?;
        let key = match ring.key.search(ring.possessed, &who.wanted(kind, &description)) {
            Err(SearchError(Errno::EAGAIN)) => return Err(Errno::ENOKEY),
            other => other.map_err(|SearchError(e)| e)?,
        };
        if let Some(to) = to {
            key.allows(who.creds, ring.possessed, permission::LINK)?;
            to.add_link(&key)?;
        }
        Ok(key.serial() as u64)
    })
}

/// `KEYCTL_GET_SECURITY`: no key has a label.
pub(super) fn security(cx: &TaskCx, id: i32, to: u64, room: u64) -> Result<u64, Errno> {
    with(cx, |who, t| who.find(t, id, need(permission::VIEW)).map(|_| ()))?;
    deliver(cx, &[0], to, room)
}

/// `KEYCTL_CAPABILITIES`.
pub(super) fn capabilities(cx: &TaskCx, to: u64, room: u64) -> Result<u64, Errno> {
    /// Asking for capabilities, invalidating, restricting, moving.
    const OURS: [u8; 2] = [0x01 | 0x20 | 0x40 | 0x80, 0];
    let mut rest = room;
    let mut at = to;
    let mut part = OURS.to_vec();
    while rest > 0 && to != 0 {
        let n = rest.min(256);
        part.resize(n as usize, 0);
        cx.mm().copy_out(Addr(at), &part, Permissions::Obey)?;
        part.clear();
        (rest, at) = (rest - n, at.wrapping_add(n));
    }
    Ok(OURS.len() as u64)
}
