//! add_key(2), request_key(2), keyctl(2).

mod keyctl;
mod manage;
mod read;

pub(crate) use keyctl::sys_keyctl;

use crate::keys::{Access, KeyType, NewKey, SearchError, TaskKeyrings, Who, permission};
use crate::syscalls::fs::walk::string;
use crate::{Args, ClockId, Outcome, TaskCx};
use alloc::vec::Vec;
use arch::{Addr, Permissions, UserMemory};
use syserr::Errno;

/// Longest name of a type, with its NUL.
const TYPE_MAX: usize = 32;
/// Longest description, with its NUL; `KEY_MAX_DESC_SIZE`.
const DESCRIPTION_MAX: usize = 4096;
/// The most bytes that are read as a payload.
const PAYLOAD_MAX: u64 = (1 << 20) - 1;

/// Runs `f` with the caller's view of the keys.
fn with<R>(
    cx: &TaskCx,
    f: impl FnOnce(&mut Who<'_>, &mut crate::keys::Table) -> Result<R, Errno>,
) -> Result<R, Errno> {
    let creds = cx.task.creds();
    let kernel = cx.kernel();
    let random = || {
        let mut b = [0; 4];
        kernel.embedder().random.fill(&mut b);
        u32::from_le_bytes(b)
    };
    let mut table = kernel.keys().lock();
    let mut rings: TaskKeyrings = cx.task.keyrings();
    let now = kernel.now(ClockId::Realtime);
    let mut who = Who { creds: &creds, rings: &mut rings, now, random: &random };
    let done = f(&mut who, &mut table);
    cx.task.set_keyrings(rings);
    done
}

/// The name of a type; those of the kernel's own begin with a dot.
fn type_name(cx: &TaskCx, at: u64) -> Result<Vec<u8>, Errno> {
    let name = string(cx, at, TYPE_MAX)?;
    match name.first() {
        None => Err(Errno::EINVAL),
        Some(b'.') => Err(Errno::EPERM),
        Some(_) => Ok(name),
    }
}

fn payload(cx: &TaskCx, at: u64, len: u64) -> Result<Vec<u8>, Errno> {
    let mut bytes = alloc::vec![0; len as usize];
    cx.mm().copy_in(Addr(at), &mut bytes, Permissions::Obey)?;
    Ok(bytes)
}

fn need(need: u32) -> Access {
    Access { create: false, any: false, need }
}

fn need_or_make(need: u32) -> Access {
    Access { create: true, any: false, need }
}

/// add_key(2).
pub(crate) fn sys_add_key(cx: &mut TaskCx, a: &Args) -> Outcome {
    add(cx, a).into()
}

fn add(cx: &TaskCx, a: &Args) -> Result<u64, Errno> {
    if a[3] > PAYLOAD_MAX {
        return Err(Errno::EINVAL);
    }
    let name = type_name(cx, a[0])?;
    let description = if a[1] == 0 { Vec::new() } else { string(cx, a[1], DESCRIPTION_MAX)? };
    if description.first() == Some(&b'.') && name.starts_with(b"keyring") {
        return Err(Errno::EPERM);
    }
    let bytes = payload(cx, a[2], a[3])?;
    with(cx, |who, t| {
        let ring = who.find(t, a[4] as i32, need_or_make(permission::WRITE))?.key;
        let kind = KeyType::of(&name).ok_or(Errno::ENODEV)?;
        ring.links()?;
        let payload = kind.payload(bytes)?;
        if description.is_empty() {
            return Err(Errno::EINVAL);
        }
        if kind != KeyType::Keyring
            && let Some(old) = ring.linked(kind, &description)
            && !matches!(old.validate(who.now), Err(Errno::EKEYREVOKED | Errno::ENOKEY))
        {
            old.allows(who.creds, true, permission::WRITE)?;
            if let crate::keys::Payload::Bytes(b) = payload {
                old.update(b)?;
            }
            return Ok(old.serial() as u64);
        }
        let new = NewKey {
            kind,
            description: &description,
            uid: who.creds.fsuid,
            gid: who.creds.fsgid,
            perm: kind.default_permissions(),
            payload,
        };
        let key = t.make(new, (who.random)())?;
        ring.add_link(&key)?;
        Ok(key.serial() as u64)
    })
}

/// request_key(2): nobody makes keys that are not there.
pub(crate) fn sys_request_key(cx: &mut TaskCx, a: &Args) -> Outcome {
    request(cx, a).into()
}

fn request(cx: &TaskCx, a: &Args) -> Result<u64, Errno> {
    let name = type_name(cx, a[0])?;
    let description = string(cx, a[1], DESCRIPTION_MAX)?;
    if a[2] != 0 {
        string(cx, a[2], arch::PAGE_SIZE as usize)?;
    }
    with(cx, |who, t| {
        let to = match a[3] as i32 {
            0 => None,
            id => Some(who.find(t, id, need_or_make(permission::WRITE))?.key),
        };
        let kind = KeyType::of(&name).ok_or(Errno::ENOKEY)?;
        match who.search_own(t, kind, &description) {
            Ok(key) => {
                if let Some(to) = to {
                    key.allows(who.creds, true, permission::LINK)?;
                    to.add_link(&key)?;
                }
                Ok(key.serial() as u64)
            }
            Err(SearchError(Errno::EAGAIN)) => Err(Errno::ENOKEY),
            Err(SearchError(e)) => Err(e),
        }
    })
}
