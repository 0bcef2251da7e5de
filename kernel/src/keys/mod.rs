//! Keys and keyrings; keyrings(7), `security/keys/`.
//!
//! Keys are counted: keyrings and tasks hold them, and a key that nobody holds is gone. One
//! operation at a time changes which keyring holds what.

mod key;
mod listing;
mod lookup;
mod quota;
mod ring;

pub(crate) use key::{Key, KeyType, Payload, permission};
pub(crate) use lookup::{Access, Found, TaskKeyrings, Who};
pub(crate) use quota::KeyLimits;
pub(crate) use ring::SearchError;

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use quota::Account;
use sync::{Mutex, MutexGuard};
use syserr::Errno;
use vfs::{UserNs, WeakUserNs};

/// What one operation works on.
#[derive(Default)]
pub(crate) struct Table {
    by_serial: BTreeMap<i32, Weak<Key>>,
    users: BTreeMap<u32, User>,
    limits: Arc<KeyLimits>,
    /// Keys that were made since dead ones were last swept out.
    made: usize,
}

struct User {
    account: Arc<Account>,
    /// One for each user namespace that the user has asked for them in.
    rings: Vec<UserRings>,
}

/// `_uid.N` and `_uid_ses.N`.
struct UserRings {
    ns: WeakUserNs,
    keyring: Arc<Key>,
    session: Arc<Key>,
}

/// The most users with keys.
const USERS_MAX: usize = 1024;

impl User {
    /// Whether there is more of it than keyrings that nobody else holds.
    fn is_used(&self) -> bool {
        let own = 2 * self.rings.len() as u64;
        // The session keyring holds the other one.
        let held =
            |r: &UserRings| Arc::strong_count(&r.keyring) > 2 || Arc::strong_count(&r.session) > 1;
        self.account.used().0 > own || self.rings.iter().any(held)
    }

    /// Those of a namespace.
    fn rings(&self, ns: &UserNs) -> Option<&UserRings> {
        self.rings.iter().find(|r| r.ns.is(ns))
    }
}

/// The keys of a kernel.
#[derive(Default)]
pub(crate) struct Keys(Mutex<Table>);

/// What a new key is to be.
pub(crate) struct NewKey<'a> {
    pub(crate) kind: KeyType,
    pub(crate) description: &'a [u8],
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) perm: u32,
    pub(crate) payload: Payload,
}

impl Keys {
    /// Begins an operation.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock()
    }

    /// How many keys users may have.
    pub(crate) fn limits(&self) -> Arc<KeyLimits> {
        self.0.lock().limits.clone()
    }

    /// The text of `/proc/key-users` for somebody in `ns`, who sees only who is known there.
    pub(crate) fn list_users(&self, ns: &UserNs) -> Vec<u8> {
        let table = self.0.lock();
        let mut out = Vec::new();
        for (uid, user) in &table.users {
            let (keys, bytes) = user.account.used();
            let Some(shown) = ns.uid_out(*uid).filter(|_| keys != 0) else { continue };
            let (max_keys, max_bytes) = table.limits.of(*uid);
            let line = format!(
                "{shown:5}: {keys:5} {keys}/{keys} {keys}/{max_keys} {bytes}/{max_bytes}\n"
            );
            out.extend_from_slice(line.as_bytes());
        }
        out
    }
}

impl Table {
    /// What is known of a user. Of one without keys nothing needs to be.
    ///
    /// # Errors
    /// `EDQUOT` when there are too many.
    fn user(&mut self, uid: u32) -> Result<&mut User, Errno> {
        if self.users.len() >= USERS_MAX && !self.users.contains_key(&uid) {
            self.users.retain(|_, u| u.is_used());
            if self.users.len() >= USERS_MAX {
                return Err(Errno::EDQUOT);
            }
        }
        let limits = &self.limits;
        let new = || User { account: Arc::new(Account::new(limits)), rings: Vec::new() };
        Ok(self.users.entry(uid).or_insert_with(new))
    }

    fn account(&mut self, uid: u32) -> Result<Arc<Account>, Errno> {
        Ok(self.user(uid)?.account.clone())
    }

    /// A new key that nobody holds yet; `random` chooses its number.
    ///
    /// # Errors
    /// `EDQUOT`; `EINVAL` for a description that the type does not take.
    pub(crate) fn make(&mut self, new: NewKey<'_>, random: u32) -> Result<Arc<Key>, Errno> {
        if !new.kind.takes(new.description) {
            return Err(Errno::EINVAL);
        }
        let bytes = new.description.len() as u64 + 1 + new.payload.quota();
        let account = self.account(new.uid)?;
        account.take(new.uid, 1, bytes)?;
        let mut serial = (random >> 1).max(3) as i32;
        while self.by_serial.get(&serial).is_some_and(|k| k.strong_count() > 0) {
            serial = serial.checked_add(1).unwrap_or(3);
        }
        let key = Key::new(serial, new, account, bytes);
        self.by_serial.insert(serial, Arc::downgrade(&key));
        self.made += 1;
        if self.made > 64 && self.made > self.by_serial.len() / 2 {
            self.by_serial.retain(|_, k| k.strong_count() > 0);
            self.made = 0;
        }
        Ok(key)
    }

    /// The key of a number.
    fn find(&self, serial: i32) -> Option<Arc<Key>> {
        self.by_serial.get(&serial)?.upgrade().filter(|k| !k.is_invalid())
    }

    /// Every keyring.
    fn rings(&self) -> impl Iterator<Item = Arc<Key>> {
        self.by_serial.values().filter_map(Weak::upgrade).filter(|k| k.kind() == KeyType::Keyring)
    }

    /// Gives a key another owner, whose account it burdens from then on.
    ///
    /// # Errors
    /// `EDQUOT`.
    pub(crate) fn set_owner(
        &mut self,
        key: &Arc<Key>,
        uid: Option<u32>,
        gid: Option<u32>,
    ) -> Result<(), Errno> {
        if let Some(uid) = uid.filter(|u| *u != key.owner().0) {
            let account = self.account(uid)?;
            key.charge_to(uid, account)?;
        }
        if let Some(gid) = gid {
            key.set_group(gid);
        }
        Ok(())
    }

    /// Takes a key out of every keyring, and makes it impossible to find.
    pub(crate) fn invalidate(&mut self, key: &Arc<Key>) {
        key.set_invalid();
        let holding = |r: &Arc<Key>| {
            r.linked(key.kind(), key.description()).is_some_and(|k| Arc::ptr_eq(&k, key))
        };
        for ring in self.rings().filter(holding) {
            // It was there a moment ago, and nobody else changes keyrings.
            let _ = ring.remove_link(key);
        }
    }
}
