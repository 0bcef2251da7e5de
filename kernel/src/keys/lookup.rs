//! The keyrings of a task, and keys by number; `security/keys/process_keys.c`.

use super::key::{Key, KeyType, Payload, permission};
use super::ring::{SearchError, Wanted};
use super::{NewKey, Table, UserRings};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use syserr::Errno;
use vfs::Creds;

/// The keyrings of a task.
#[derive(Clone, Default)]
pub(crate) struct TaskKeyrings {
    pub(crate) thread: Option<Arc<Key>>,
    pub(crate) process: Option<Arc<Key>>,
    pub(crate) session: Option<Arc<Key>>,
    /// A thread keyring is to be made: the thread that made this one has one.
    wants_thread: bool,
    /// Where keys go that request_key(2) has made (`KEY_REQKEY_DEFL_*`): none is, so it is only kept.
    pub(crate) default: i32,
}

impl TaskKeyrings {
    /// Those of a child; threads of one process have more in common.
    pub(crate) fn inherited(&self, thread: bool) -> TaskKeyrings {
        let process = self.process.clone().filter(|_| thread);
        let wants_thread = thread && (self.wants_thread || self.thread.is_some());
        TaskKeyrings { thread: None, process, wants_thread, ..self.clone() }
    }

    /// Where a search for the keys of somebody with these begins.
    pub(super) fn own(&self, t: &Table, creds: &Creds) -> Vec<Arc<Key>> {
        let shared = || {
            let rings = t.users.get(&creds.uid)?.rings(&creds.user_ns)?;
            Some(rings.session.clone())
        };
        let session = self.session.clone().or_else(shared);
        [self.thread.clone(), self.process.clone(), session].into_iter().flatten().collect()
    }
}

/// A number that stands for a keyring of the caller; `KEY_SPEC_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Special {
    Thread,
    Process,
    Session,
    User,
    UserSession,
}

/// How a key is to be found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access {
    /// Make a special keyring that is not there.
    pub(crate) create: bool,
    /// Permissions that it takes.
    pub(crate) need: u32,
    /// Take one that cannot be used any more too.
    pub(crate) any: bool,
}

/// A key, and whether the caller possesses it.
#[derive(Clone)]
pub(crate) struct Found {
    pub(crate) key: Arc<Key>,
    pub(crate) possessed: bool,
}

/// On whose behalf keys are looked for.
pub(crate) struct Who<'a> {
    pub(crate) creds: &'a Creds,
    pub(crate) rings: &'a mut TaskKeyrings,
    /// Realtime nanoseconds.
    pub(crate) now: i64,
    pub(crate) random: &'a dyn Fn() -> u32,
}

impl Who<'_> {
    fn make_ring(&self, t: &mut Table, name: &[u8], perm: u32) -> Result<Arc<Key>, Errno> {
        let new = NewKey {
            kind: KeyType::Keyring,
            description: name,
            uid: self.creds.fsuid,
            gid: self.creds.fsgid,
            perm,
            payload: Payload::Links(Vec::new()),
        };
        t.make(new, (self.random)())
    }

    /// `_uid.N` and `_uid_ses.N` of the caller (`look_up_user_keyrings`).
    fn user_rings(&self, t: &mut Table) -> Result<(Arc<Key>, Arc<Key>), Errno> {
        use permission::{ALL, POSSESSOR, SETATTR, USER};
        let uid = self.creds.uid;
        let perm = (ALL & !SETATTR) << POSSESSOR | ALL << USER;
        let ns = &self.creds.user_ns;
        let user = t.user(uid)?;
        if let Some(r) = user.rings(ns) {
            return Ok((r.keyring.clone(), r.session.clone()));
        }
        // Those of namespaces that have gone are nobody's any more.
        let (gone, rings) = user.rings.drain(..).partition(|r| r.ns.is_gone());
        user.rings = rings;
        drop::<Vec<_>>(gone);
        let make = |t: &mut Table, name: &str| {
            let new = NewKey {
                kind: KeyType::Keyring,
                description: name.as_bytes(),
                uid,
                gid: u32::MAX,
                perm,
                payload: Payload::Links(Vec::new()),
            };
            t.make(new, (self.random)())
        };
        let name = ns.uid_out(uid).unwrap_or(u32::MAX);
        let keyring = make(t, &format!("_uid.{name}"))?;
        let session = make(t, &format!("_uid_ses.{name}"))?;
        session.add_link(&keyring)?;
        let made =
            UserRings { ns: ns.downgrade(), keyring: keyring.clone(), session: session.clone() };
        t.user(uid)?.rings.push(made);
        Ok((keyring, session))
    }

    /// A session of the caller's own: a new one, or one that has that name (`join_session_keyring`).
    pub(crate) fn join_session(
        &mut self,
        t: &mut Table,
        name: Option<&[u8]>,
    ) -> Result<i32, Errno> {
        use permission::{ALL, LINK, POSSESSOR, READ, SEARCH, USER, VIEW};
        let own = ALL << POSSESSOR | (VIEW | READ) << USER;
        let ring = match name {
            None => self.make_ring(t, b"_ses", own)?,
            Some(name) => {
                let named = |k: &Arc<Key>| {
                    k.description() == name
                        && k.validate(self.now).is_ok()
                        && k.allows(self.creds, false, SEARCH).is_ok()
                };
                let known = t.rings().find(named);
                match known {
                    Some(k) => k,
                    None => self.make_ring(t, name, own | LINK << USER)?,
                }
            }
        };
        let serial = ring.serial();
        self.rings.session = Some(ring);
        Ok(serial)
    }

    fn special(&mut self, t: &mut Table, which: Special, create: bool) -> Result<Arc<Key>, Errno> {
        let perm = KeyType::Keyring.default_permissions();
        match which {
            Special::Thread | Special::Process => {
                let thread = which == Special::Thread;
                let known = if thread { &self.rings.thread } else { &self.rings.process };
                if let Some(k) = known {
                    return Ok(k.clone());
                }
                if !(create || thread && self.rings.wants_thread) {
                    return Err(Errno::ENOKEY);
                }
                let ring = self.make_ring(t, if thread { b"_tid" } else { b"_pid" }, perm)?;
                let slot = if thread { &mut self.rings.thread } else { &mut self.rings.process };
                *slot = Some(ring.clone());
                Ok(ring)
            }
            Special::User => self.user_rings(t).map(|(ring, _)| ring),
            Special::UserSession => self.user_rings(t).map(|(_, session)| session),
            Special::Session => {
                let (_, shared) = self.user_rings(t)?;
                let own = self.rings.session.get_or_insert_with(|| shared.clone());
                // What all of a user's processes have is not for one to fill.
                if create && Arc::ptr_eq(own, &shared) {
                    self.join_session(t, None)?;
                }
                self.rings.session.clone().ok_or(Errno::ENOKEY)
            }
        }
    }

    fn possesses(&self, t: &Table, key: &Arc<Key>) -> bool {
        self.rings.own(t, self.creds).iter().any(|ring| ring.holds(key, self.creds))
    }

    /// The key that a number stands for (`lookup_user_key`).
    ///
    /// # Errors
    /// `EINVAL`, `ENOKEY`, `EKEYREVOKED`, `EKEYEXPIRED`, `EACCES`, `EDQUOT`.
    pub(crate) fn find(&mut self, t: &mut Table, id: i32, how: Access) -> Result<Found, Errno> {
        let special = match id {
            -1 => Some(Special::Thread),
            -2 => Some(Special::Process),
            -3 => Some(Special::Session),
            -4 => Some(Special::User),
            -5 => Some(Special::UserSession),
            // Nobody is authorised to make the keys of others.
            -7 | -8 => return Err(Errno::ENOKEY),
            1.. => None,
            _ => return Err(Errno::EINVAL),
        };
        let found = match special {
            Some(s) => Found { key: self.special(t, s, how.create)?, possessed: true },
            None => {
                let key = t.find(id).ok_or(Errno::ENOKEY)?;
                let possessed = self.possesses(t, &key);
                Found { key, possessed }
            }
        };
        if !how.any {
            found.key.validate(self.now)?;
        }
        found.key.allows(self.creds, found.possessed, how.need)?;
        Ok(found)
    }

    /// The caller's key of a type and description (`search_process_keyrings_rcu`).
    ///
    /// # Errors
    /// [`SearchError`]: `EAGAIN` for none.
    pub(crate) fn search_own(
        &self,
        t: &Table,
        kind: KeyType,
        description: &[u8],
    ) -> Result<Arc<Key>, SearchError> {
        let (mut none, mut worse) = (None, Errno::EAGAIN);
        for ring in self.rings.own(t, self.creds) {
            match ring.search(true, &self.wanted(kind, description)) {
                Ok(k) => return Ok(k),
                Err(SearchError(Errno::EAGAIN)) => none = Some(Errno::EAGAIN),
                Err(SearchError(e)) => worse = e,
            }
        }
        Err(SearchError(none.unwrap_or(worse)))
    }

    pub(crate) fn wanted<'b>(&'b self, kind: KeyType, description: &'b [u8]) -> Wanted<'b> {
        Wanted { kind, description, creds: self.creds, now: self.now }
    }
}
