//! Who may write which maps; `map_write` and `new_idmap_permitted` in `kernel/user_namespace.c`.

use super::{Extent, IdKind, IdMap, Inner, UserNs};
use crate::{Creds, cap};
use syserr::Errno;

impl UserNs {
    /// Writes a map. What counts is who opened the file, whoever was given it: Linux also looks at
    /// who writes, and refuses more.
    ///
    /// # Errors
    /// `EPERM` for who may not, for a map that was written already, and for IDs that are none
    /// outside; `EINVAL` for a text that is no map.
    pub fn write_map(&self, kind: IdKind, text: &[u8], opener: &Creds) -> Result<(), Errno> {
        let Some(inner) = &self.0 else { return Err(Errno::EPERM) };
        if opener.user_ns != *self && opener.user_ns != *inner.head.owner() {
            return Err(Errno::EPERM);
        }
        // Only one at a time, with what is looked at before.
        let mut state = inner.state.lock();
        if !state.map(kind).extents().is_empty() {
            return Err(Errno::EPERM);
        }
        if kind != IdKind::Project && !opener.has_in(self, cap::SYS_ADMIN) {
            return Err(Errno::EPERM);
        }
        // Less than a page.
        if text.len() >= 4096 {
            return Err(Errno::EINVAL);
        }
        let map = IdMap::parse(text)?;
        if !permitted(self, inner, kind, &map, state.setgroups, opener) {
            return Err(Errno::EPERM);
        }
        let map = map.over(|first, count| inner.head.owner().range_down(kind, first, count))?;
        match kind {
            IdKind::User => state.uids = map,
            IdKind::Group => state.gids = map,
            IdKind::Project => state.projects = map,
        }
        Ok(())
    }

    fn range_down(&self, kind: IdKind, first: u32, count: u32) -> Option<u32> {
        match &self.0 {
            // All but the one that is none.
            None => first.checked_add(count).map(|_| first),
            Some(n) => n.state.lock().map(kind).range_down(first, count),
        }
    }

    /// Allows or forbids setgroups(2), as `text` says; `proc_setgroups_write`. Who opened the file
    /// for that has `CAP_SYS_ADMIN` here.
    ///
    /// # Errors
    /// `EPERM` to allow it again, or to forbid it with a map of groups written; `EINVAL` for other
    /// text.
    pub fn write_setgroups(&self, text: &[u8]) -> Result<(), Errno> {
        let text = text.split(|c| *c == 0).next().unwrap_or_default();
        let (allow, rest) = match (text.strip_prefix(b"allow"), text.strip_prefix(b"deny")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => return Err(Errno::EINVAL),
        };
        if text.len() >= 8 || !rest.trim_ascii().is_empty() {
            return Err(Errno::EINVAL);
        }
        let Some(inner) = &self.0 else {
            // The initial one has its map from the start.
            return if allow { Ok(()) } else { Err(Errno::EPERM) };
        };
        let mut state = inner.state.lock();
        if allow {
            return if state.setgroups { Ok(()) } else { Err(Errno::EPERM) };
        }
        if !state.gids.extents().is_empty() {
            return Err(Errno::EPERM);
        }
        state.setgroups = false;
        Ok(())
    }
}

fn permitted(
    ns: &UserNs,
    inner: &Inner,
    kind: IdKind,
    map: &IdMap,
    setgroups: bool,
    opener: &Creds,
) -> bool {
    let parent = inner.head.owner();
    let capability = match kind {
        IdKind::User => cap::SETUID,
        IdKind::Group => cap::SETGID,
        IdKind::Project => return true,
    };
    // Who is root outside too could give files capabilities that count there.
    if kind == IdKind::User && map.extents().iter().any(|e| e.lower == 0) {
        let may = if opener.user_ns == *ns {
            inner.could_set_file_caps
        } else {
            opener.has_in(parent, cap::SETFCAP)
        };
        if !may {
            return false;
        }
    }
    // A map of oneself alone gives nothing that one did not have.
    if let [Extent { lower, count: 1, .. }] = *map.extents()
        && inner.owner == opener.euid
    {
        let own = match kind {
            IdKind::Group => !setgroups && parent.gid_in(lower) == Some(opener.egid),
            _ => parent.uid_in(lower) == Some(opener.euid),
        };
        if own {
            return true;
        }
    }
    opener.has_in(parent, capability)
}
