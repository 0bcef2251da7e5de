//! Keyrings: links and searches; `security/keys/keyring.c`.

use super::key::{Key, KeyType, Payload, permission};
use alloc::sync::Arc;
use alloc::vec::Vec;
use syserr::Errno;
use vfs::Creds;

/// How deep keyrings in keyrings are looked into; `KEYRING_SEARCH_MAX_DEPTH`.
const DEPTH_MAX: usize = 6;

/// Why a search has found nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SearchError(pub(crate) Errno);

/// What is looked for.
pub(crate) struct Wanted<'a> {
    pub(super) kind: KeyType,
    pub(super) description: &'a [u8],
    pub(super) creds: &'a Creds,
    /// Realtime nanoseconds.
    pub(super) now: i64,
}

impl Key {
    /// What it links to.
    ///
    /// # Errors
    /// `ENOTDIR` for a key that is no keyring.
    pub(crate) fn links(&self) -> Result<Vec<Arc<Key>>, Errno> {
        match &self.inner.lock().payload {
            Payload::Links(l) => Ok(l.clone()),
            Payload::Bytes(_) => Err(Errno::ENOTDIR),
        }
    }

    /// The key of a type and description that it links to.
    pub(crate) fn linked(&self, kind: KeyType, description: &[u8]) -> Option<Arc<Key>> {
        let same = |k: &Arc<Key>| k.kind() == kind && k.description() == description;
        self.links().ok()?.into_iter().find(same)
    }

    /// Lets nothing be linked to it any more.
    ///
    /// # Errors
    /// `ENOTDIR`, `EEXIST`.
    pub(crate) fn close(&self) -> Result<(), Errno> {
        self.links()?;
        let was = core::mem::replace(&mut self.inner.lock().closed, true);
        if was { Err(Errno::EEXIST) } else { Ok(()) }
    }

    /// Links a key, in place of one of the same type and description.
    ///
    /// # Errors
    /// `ENOTDIR`; `EPERM` where nothing may be linked; `EDEADLK` for a circle, `ELOOP` where it
    /// would be too deep to tell; `EDQUOT`.
    pub(crate) fn add_link(self: &Arc<Self>, key: &Arc<Key>) -> Result<(), Errno> {
        let old = self.linked(key.kind(), key.description());
        let mut links = self.links()?;
        if self.inner.lock().closed {
            return Err(Errno::EPERM);
        }
        if key.kind() == KeyType::Keyring {
            key.check_circle(self)?;
        }
        if old.is_none() {
            self.recharge(4 * (links.len() as u64 + 1))?;
        }
        links.retain(|k| old.as_ref().is_none_or(|o| !Arc::ptr_eq(k, o)));
        links.push(key.clone());
        let before = core::mem::replace(&mut self.inner.lock().payload, Payload::Links(links));
        drop(before);
        Ok(())
    }

    /// Whether `top` lies in this keyring (`keyring_detect_cycle`).
    fn check_circle(self: &Arc<Self>, top: &Arc<Key>) -> Result<(), Errno> {
        let mut level = alloc::vec![self.clone()];
        for _ in 0..=DEPTH_MAX {
            if level.iter().any(|k| Arc::ptr_eq(k, top)) {
                return Err(Errno::EDEADLK);
            }
            level = next_level(level.iter());
            level.retain(|k| k.kind() == KeyType::Keyring);
            if level.is_empty() {
                return Ok(());
            }
        }
        Err(Errno::ELOOP)
    }

    /// Takes the link to a key away, or to the one that is in its place: of its type and description.
    ///
    /// # Errors
    /// `ENOTDIR`; `ENOENT` where there is none.
    pub(crate) fn remove_link(&self, key: &Key) -> Result<(), Errno> {
        let mut links = self.links()?;
        let same = |k: &Arc<Key>| k.kind() == key.kind() && k.description() == key.description();
        let at = links.iter().position(same).ok_or(Errno::ENOENT)?;
        links.remove(at);
        self.recharge(4 * links.len() as u64)?;
        let before = core::mem::replace(&mut self.inner.lock().payload, Payload::Links(links));
        drop(before);
        Ok(())
    }

    /// Takes all links away.
    ///
    /// # Errors
    /// `ENOTDIR`.
    pub(crate) fn clear(&self) -> Result<(), Errno> {
        self.links()?;
        self.recharge(0)?;
        let empty = Payload::Links(Vec::new());
        let before = core::mem::replace(&mut self.inner.lock().payload, empty);
        drop(before);
        Ok(())
    }

    /// Whether `key` is here or below, where a possessor may search (`is_key_possessed`).
    pub(super) fn holds(self: &Arc<Self>, key: &Arc<Key>, creds: &Creds) -> bool {
        let may = || key.allows(creds, true, permission::SEARCH);
        may().is_ok() && self.walk(creds, |k| Arc::ptr_eq(k, key).then_some(Ok(()))).is_ok()
    }

    /// Shows `see` what is here or below, where a possessor may search.
    pub(super) fn each_possessed(self: &Arc<Self>, creds: &Creds, mut see: impl FnMut(&Arc<Key>)) {
        // Nothing that is seen ends the walk.
        let _ = self.walk(creds, |k| {
            let may = k.allows(creds, true, permission::SEARCH);
            may.ok().and_then(|()| {
                see(k);
                None::<Result<(), Errno>>
            })
        });
    }

    /// The key of a type and description, here or below (`keyring_search_rcu`).
    ///
    /// # Errors
    /// `EACCES` where the keyring cannot be searched; `EKEYREVOKED`, `EKEYEXPIRED`, `EACCES` where
    /// only such keys are found; `EAGAIN` for none.
    pub(crate) fn search(
        self: &Arc<Self>,
        possessed: bool,
        w: &Wanted<'_>,
    ) -> Result<Arc<Key>, SearchError> {
        self.allows(w.creds, possessed, permission::SEARCH).map_err(SearchError)?;
        self.walk(w.creds, |k| {
            if k.kind() != w.kind || k.description() != w.description {
                return None;
            }
            let usable = k.validate(w.now);
            let usable = usable.and_then(|()| k.allows(w.creds, possessed, permission::SEARCH));
            Some(usable.map(|()| k.clone()))
        })
        .map_err(SearchError)
    }

    /// Gives this keyring and what lies in it to `visit`, until that has what it wants. What `visit`
    /// refuses is remembered.
    fn walk<T>(
        self: &Arc<Self>,
        creds: &Creds,
        mut visit: impl FnMut(&Arc<Key>) -> Option<Result<T, Errno>>,
    ) -> Result<T, Errno> {
        let mut refused = Errno::EAGAIN;
        let mut level = alloc::vec![self.clone()];
        // The deepest that are looked into hold keys too.
        for _ in 0..=DEPTH_MAX + 1 {
            for k in &level {
                match visit(k) {
                    Some(Ok(found)) => return Ok(found),
                    Some(Err(e)) => refused = e,
                    None => {}
                }
            }
            let searched = |k: &&Arc<Key>| k.allows(creds, true, permission::SEARCH).is_ok();
            level = next_level(level.iter().filter(searched));
        }
        Err(refused)
    }
}

/// What keyrings link to, each once: the same key may be reached on many ways, and the ways are as
/// many as the links of all levels multiplied.
fn next_level<'a>(rings: impl Iterator<Item = &'a Arc<Key>>) -> Vec<Arc<Key>> {
    let mut next: Vec<Arc<Key>> = rings.filter_map(|k| k.links().ok()).flatten().collect();
    next.sort_by_key(|k| k.serial());
    next.dedup_by_key(|k| k.serial());
    next
}
