//! One key.

use super::NewKey;
use super::quota::Account;
use alloc::sync::Arc;
use alloc::vec::Vec;
use sync::Mutex;
use syserr::Errno;
use vfs::Creds;

/// Permission bits: of who possesses the key; `>> 8` of its user, `>> 16` of its group, `>> 24` of
/// others.
pub(crate) mod permission {
    pub(crate) const VIEW: u32 = 1;
    pub(crate) const READ: u32 = 2;
    pub(crate) const WRITE: u32 = 4;
    pub(crate) const SEARCH: u32 = 8;
    pub(crate) const LINK: u32 = 0x10;
    pub(crate) const SETATTR: u32 = 0x20;
    pub(crate) const ALL: u32 = 0x3f;
    /// The place of the possessor's bits.
    pub(crate) const POSSESSOR: u32 = 24;
    /// The place of the user's bits.
    pub(crate) const USER: u32 = 16;
}

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyType {
    User,
    Logon,
    Keyring,
}

impl KeyType {
    pub(crate) fn of(name: &[u8]) -> Option<KeyType> {
        match name {
            b"user" => Some(KeyType::User),
            b"logon" => Some(KeyType::Logon),
            b"keyring" => Some(KeyType::Keyring),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            KeyType::User => "user",
            KeyType::Logon => "logon",
            KeyType::Keyring => "keyring",
        }
    }

    /// Whether a description is one for this type (`logon_vet_description`).
    pub(super) fn takes(self, description: &[u8]) -> bool {
        self != KeyType::Logon || description.iter().position(|b| *b == b':') > Some(0)
    }

    /// The payload of a new key.
    ///
    /// # Errors
    /// `EINVAL`.
    pub(crate) fn payload(self, bytes: Vec<u8>) -> Result<Payload, Errno> {
        const LONGEST: usize = 32767;
        match (self, bytes.len()) {
            (KeyType::Keyring, 0) => Ok(Payload::Links(Vec::new())),
            (KeyType::User | KeyType::Logon, 1..=LONGEST) => Ok(Payload::Bytes(bytes)),
            _ => Err(Errno::EINVAL),
        }
    }

    /// What who adds a key may do with it.
    pub(crate) fn default_permissions(self) -> u32 {
        use permission::{ALL, POSSESSOR, READ, USER, VIEW};
        let own = if self == KeyType::Logon { ALL & !READ } else { ALL };
        own << POSSESSOR | VIEW << USER
    }
}

/// The contents.
pub(crate) enum Payload {
    Bytes(Vec<u8>),
    Links(Vec<Arc<Key>>),
}

impl Payload {
    /// What it counts in its user's account; links count four bytes each.
    pub(super) fn quota(&self) -> u64 {
        match self {
            Payload::Bytes(b) => b.len() as u64,
            Payload::Links(l) => 4 * l.len() as u64,
        }
    }
}

pub(super) struct Inner {
    uid: u32,
    gid: u32,
    perm: u32,
    pub(super) payload: Payload,
    /// Realtime nanoseconds.
    expiry: Option<i64>,
    revoked: bool,
    invalid: bool,
    /// Nothing may be linked to it any more.
    pub(super) closed: bool,
    account: Arc<Account>,
    bytes: u64,
}

/// A key or keyring.
pub(crate) struct Key {
    serial: i32,
    kind: KeyType,
    description: Vec<u8>,
    pub(super) inner: Mutex<Inner>,
}

impl Key {
    pub(super) fn new(serial: i32, n: NewKey<'_>, account: Arc<Account>, bytes: u64) -> Arc<Key> {
        let inner = Inner {
            uid: n.uid,
            gid: n.gid,
            perm: n.perm,
            payload: n.payload,
            expiry: None,
            revoked: false,
            invalid: false,
            closed: false,
            account,
            bytes,
        };
        let description = n.description.to_vec();
        Arc::new(Key { serial, kind: n.kind, description, inner: Mutex::new(inner) })
    }

    pub(crate) fn serial(&self) -> i32 {
        self.serial
    }

    pub(crate) fn kind(&self) -> KeyType {
        self.kind
    }

    pub(crate) fn description(&self) -> &[u8] {
        &self.description
    }

    /// User and group.
    pub(crate) fn owner(&self) -> (u32, u32) {
        let i = self.inner.lock();
        (i.uid, i.gid)
    }

    pub(crate) fn permissions(&self) -> u32 {
        self.inner.lock().perm
    }

    pub(crate) fn set_permissions(&self, perm: u32) {
        self.inner.lock().perm = perm;
    }

    pub(super) fn set_group(&self, gid: u32) {
        self.inner.lock().gid = gid;
    }

    pub(super) fn charge_to(&self, uid: u32, account: Arc<Account>) -> Result<(), Errno> {
        let mut i = self.inner.lock();
        account.take(uid, 1, i.bytes)?;
        i.account.give(1, i.bytes);
        (i.uid, i.account) = (uid, account);
        Ok(())
    }

    /// When it expires, in nanoseconds of real time.
    pub(crate) fn set_expiry(&self, at: Option<i64>) {
        self.inner.lock().expiry = at;
    }

    /// Whether it can be used (`key_validate`).
    ///
    /// # Errors
    /// `ENOKEY`, `EKEYREVOKED`, `EKEYEXPIRED`.
    pub(crate) fn validate(&self, now: i64) -> Result<(), Errno> {
        let i = self.inner.lock();
        match () {
            () if i.invalid => Err(Errno::ENOKEY),
            () if i.revoked => Err(Errno::EKEYREVOKED),
            () if i.expiry.is_some_and(|t| now >= t) => Err(Errno::EKEYEXPIRED),
            () => Ok(()),
        }
    }

    pub(super) fn expiry(&self) -> Option<i64> {
        self.inner.lock().expiry
    }

    pub(super) fn is_revoked(&self) -> bool {
        self.inner.lock().revoked
    }

    pub(super) fn is_invalid(&self) -> bool {
        self.inner.lock().invalid
    }

    pub(super) fn set_invalid(&self) {
        self.inner.lock().invalid = true;
    }

    /// Makes it useless, from `now` on.
    pub(crate) fn revoke(&self, now: i64) {
        let empty = match self.kind {
            KeyType::Keyring => Payload::Links(Vec::new()),
            KeyType::User | KeyType::Logon => Payload::Bytes(Vec::new()),
        };
        let mut i = self.inner.lock();
        i.revoked = true;
        i.expiry = Some(now);
        let quota = i.payload.quota();
        i.account.give(0, quota);
        i.bytes = i.bytes.saturating_sub(quota);
        let before = core::mem::replace(&mut i.payload, empty);
        drop(i);
        drop(before);
    }

    /// Whether `creds` may do what `wanted` says (`key_task_permission`).
    ///
    /// # Errors
    /// `EACCES`.
    pub(crate) fn allows(&self, creds: &Creds, possessed: bool, wanted: u32) -> Result<(), Errno> {
        let i = self.inner.lock();
        let group = i.gid != u32::MAX && i.perm >> 8 & permission::ALL != 0;
        let mut granted = if i.uid == creds.fsuid {
            i.perm >> permission::USER
        } else if group && creds.in_group(i.gid) {
            i.perm >> 8
        } else {
            i.perm
        };
        if possessed {
            granted |= i.perm >> permission::POSSESSOR;
        }
        if wanted & !granted & permission::ALL == 0 { Ok(()) } else { Err(Errno::EACCES) }
    }

    /// The bytes of a key that has some.
    pub(crate) fn bytes(&self) -> Option<Vec<u8>> {
        match &self.inner.lock().payload {
            Payload::Bytes(b) => Some(b.clone()),
            Payload::Links(_) => None,
        }
    }

    /// Puts other contents in; it does not expire any more.
    ///
    /// # Errors
    /// `EDQUOT`.
    pub(crate) fn update(&self, bytes: Vec<u8>) -> Result<(), Errno> {
        self.recharge(bytes.len() as u64)?;
        let mut i = self.inner.lock();
        i.payload = Payload::Bytes(bytes);
        i.expiry = None;
        Ok(())
    }

    /// Counts a payload of `quota` bytes from now on.
    pub(super) fn recharge(&self, quota: u64) -> Result<(), Errno> {
        let mut i = self.inner.lock();
        let old = i.payload.quota();
        match quota.checked_sub(old) {
            Some(more) => i.account.take(i.uid, 0, more)?,
            None => i.account.give(0, old - quota),
        }
        i.bytes = i.bytes - old + quota;
        Ok(())
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        let (account, bytes, mut links) = {
            let mut i = self.inner.lock();
            (i.account.clone(), i.bytes, i.take_links())
        };
        account.give(1, bytes);
        // Keyrings may hold each other deeper than the stack is.
        while let Some(key) = links.pop() {
            if let Some(key) = Arc::into_inner(key) {
                let more = key.inner.lock().take_links();
                links.extend(more);
            }
        }
    }
}

impl Inner {
    fn take_links(&mut self) -> Vec<Arc<Key>> {
        match &mut self.payload {
            Payload::Links(l) => core::mem::take(l),
            Payload::Bytes(_) => Vec::new(),
        }
    }
}
