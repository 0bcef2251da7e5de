//! User namespaces: user_namespaces(7), `kernel/user_namespace.c`.
//!
//! IDs inside of the kernel are those of the initial namespace. They are translated where they come
//! in and go out, by the namespace of who asks; in the initial one that costs a test of a pointer.

mod count;
mod map;
mod write;

use count::CountGuard;
pub use count::Counts;
pub use map::{EXTENTS_MAX, Extent, IdMap};

use crate::nsfs::{Namespace, NamespaceKind, NsHead};
use crate::{Creds, Env};
use alloc::format;
use alloc::string::String;
use alloc::sync::{Arc, Weak};
use sync::Mutex;
use syserr::Errno;

/// What an ID is shown as that the namespace of who asks does not have; `overflowuid`.
pub const OVERFLOW_ID: u32 = 65534;
/// How deep namespaces may lie in each other: this many below the initial one.
const LEVEL_MAX: u32 = 33;

/// Which IDs a map is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdKind {
    /// Users.
    User,
    /// Groups.
    Group,
    /// Projects, of quotas.
    Project,
}

/// A user namespace. The initial one is known by itself: kernels have nothing to set up for it.
#[derive(Clone, Default)]
pub struct UserNs(Option<Arc<Inner>>);

struct Inner {
    /// With the namespace that it lies in.
    head: NsHead,
    level: u32,
    owner: u32,
    group: u32,
    /// Whether its maker had `CAP_SETFCAP` outside: it may then make a user of its own that is the
    /// root of outside.
    could_set_file_caps: bool,
    state: Mutex<State>,
    /// Namespaces that were made inside of this one.
    counts: Arc<Counts>,
    _counted: CountGuard,
}

struct State {
    uids: IdMap,
    gids: IdMap,
    projects: IdMap,
    /// Whether setgroups(2) is allowed, once there is a map of groups.
    setgroups: bool,
}

impl State {
    fn map(&self, kind: IdKind) -> &IdMap {
        match kind {
            IdKind::User => &self.uids,
            IdKind::Group => &self.gids,
            IdKind::Project => &self.projects,
        }
    }
}

impl UserNs {
    /// The one that a kernel begins with.
    pub const INITIAL: UserNs = UserNs(None);

    /// A namespace below that of `maker`, as yet without maps (`create_user_ns`).
    ///
    /// # Errors
    /// `ENOSPC` for the 34th level or one too many; `EPERM` for a maker whose own IDs its
    /// namespace does not have.
    pub fn create(maker: &Creds, env: &Arc<Env>) -> Result<UserNs, Errno> {
        let parent = &maker.user_ns;
        let level = parent.level() + 1;
        if level > LEVEL_MAX {
            return Err(Errno::ENOSPC);
        }
        let counted = parent.count(env.user_namespaces(), maker.euid)?;
        if parent.uid_out(maker.euid).is_none() || parent.gid_out(maker.egid).is_none() {
            return Err(Errno::EPERM);
        }
        let state = State {
            uids: IdMap::default(),
            gids: IdMap::default(),
            projects: IdMap::default(),
            setgroups: parent.0.as_ref().is_none_or(|p| p.state.lock().setgroups),
        };
        Ok(UserNs(Some(Arc::new(Inner {
            head: NsHead::new(NamespaceKind::User, parent, env)?,
            level,
            owner: maker.euid,
            group: maker.egid,
            could_set_file_caps: maker.effective >> crate::cap::SETFCAP & 1 == 1,
            state: Mutex::new(state),
            counts: Counts::inside(),
            _counted: counted,
        }))))
    }

    /// Whether it is the one that the kernel began with.
    pub const fn is_initial(&self) -> bool {
        self.0.is_none()
    }

    /// The one that it lies in.
    pub fn parent_ns(&self) -> Option<&UserNs> {
        self.0.as_ref().map(|n| n.head.owner())
    }

    /// How many it lies below.
    pub fn level(&self) -> u32 {
        self.0.as_ref().map_or(0, |n| n.level)
    }

    /// The user who made it; root, of the initial one.
    pub fn owner_uid(&self) -> u32 {
        self.0.as_ref().map_or(0, |n| n.owner)
    }

    /// The group of who made it.
    pub fn owner_gid(&self) -> u32 {
        self.0.as_ref().map_or(0, |n| n.group)
    }

    /// The one right inside of `outer` that this is or lies in.
    pub fn below(&self, outer: &UserNs) -> Option<&UserNs> {
        let mut at = self;
        while at.level() > outer.level() {
            let parent = at.parent_ns()?;
            if parent == outer {
                return Some(at);
            }
            at = parent;
        }
        None
    }

    /// Whether it is `other` or lies below it.
    pub fn is_within(&self, other: &UserNs) -> bool {
        self == other || self.below(other).is_some()
    }

    fn down(&self, kind: IdKind, id: u32) -> Option<u32> {
        match &self.0 {
            None => (id != u32::MAX).then_some(id),
            Some(n) => n.state.lock().map(kind).down(id),
        }
    }

    fn up(&self, kind: IdKind, id: u32) -> Option<u32> {
        match &self.0 {
            None => (id != u32::MAX).then_some(id),
            Some(n) => n.state.lock().map(kind).up(id),
        }
    }

    /// The user that is called `uid` here (`make_kuid`).
    pub fn uid_in(&self, uid: u32) -> Option<u32> {
        self.down(IdKind::User, uid)
    }

    /// The group that is called `gid` here (`make_kgid`).
    pub fn gid_in(&self, gid: u32) -> Option<u32> {
        self.down(IdKind::Group, gid)
    }

    /// What a user is called here (`from_kuid`).
    pub fn uid_out(&self, uid: u32) -> Option<u32> {
        self.up(IdKind::User, uid)
    }

    /// What a group is called here (`from_kgid`).
    pub fn gid_out(&self, gid: u32) -> Option<u32> {
        self.up(IdKind::Group, gid)
    }

    /// What a user is shown as here (`from_kuid_munged`).
    pub fn show_uid(&self, uid: u32) -> u32 {
        // What has no user at all shows as that in the initial namespace too.
        self.uid_out(uid).unwrap_or(OVERFLOW_ID)
    }

    /// What a group is shown as here (`from_kgid_munged`).
    pub fn show_gid(&self, gid: u32) -> u32 {
        self.gid_out(gid).unwrap_or(OVERFLOW_ID)
    }

    /// Whether both are known here (`kuid_has_mapping`, `kgid_has_mapping`).
    pub fn knows(&self, uid: u32, gid: u32) -> bool {
        self.is_initial() || self.uid_out(uid).is_some() && self.gid_out(gid).is_some()
    }

    /// The first one, of this and those that it lies in, that knows both.
    pub fn outward_to(&self, uid: u32, gid: u32) -> &UserNs {
        let mut at = self;
        while let Some(parent) = at.parent_ns().filter(|_| !at.knows(uid, gid)) {
            at = parent;
        }
        at
    }

    /// Whether setgroups(2) may be called at all (`userns_may_setgroups`).
    pub fn may_set_groups(&self) -> bool {
        self.0.as_ref().is_none_or(|n| {
            let state = n.state.lock();
            state.setgroups && !state.gids.extents().is_empty()
        })
    }

    /// The text of `/proc/PID/setgroups`.
    pub fn setgroups_text(&self) -> &'static [u8] {
        let allowed = self.0.as_ref().is_none_or(|n| n.state.lock().setgroups);
        if allowed { b"allow\n" } else { b"deny\n" }
    }

    /// The text of `/proc/PID/uid_map` and its like for who opened it in `reader`: what is outside is
    /// told as it is known there, and one level further out for those inside (`uid_m_show`).
    pub fn map_text(&self, kind: IdKind, reader: &UserNs) -> String {
        let outside = if self == reader { self.parent_ns().unwrap_or(self) } else { reader };
        let line = |e: &Extent| {
            let lower = outside.up(kind, e.lower).unwrap_or(u32::MAX);
            format!("{:10} {lower:10} {:10}\n", e.first, e.count)
        };
        match &self.0 {
            None => line(&Extent { first: 0, lower: 0, count: u32::MAX }),
            Some(n) => {
                // Not under the lock: `outside` may be this one, as somebody further in sees it.
                let map = n.state.lock().map(kind).clone();
                map.extents().iter().map(line).collect()
            }
        }
    }
}

/// A user namespace that may have gone meanwhile.
#[derive(Clone, Default)]
pub struct WeakUserNs(Option<Weak<Inner>>);

impl WeakUserNs {
    /// Whether nobody and nothing is in it any more.
    pub fn is_gone(&self) -> bool {
        self.0.as_ref().is_some_and(|n| n.strong_count() == 0)
    }

    /// Whether it is that one.
    pub fn is(&self, ns: &UserNs) -> bool {
        match (&self.0, &ns.0) {
            (None, None) => true,
            (Some(a), Some(b)) => core::ptr::eq(a.as_ptr(), Arc::as_ptr(b)),
            _ => false,
        }
    }
}

impl UserNs {
    /// The same without keeping it.
    pub fn downgrade(&self) -> WeakUserNs {
        WeakUserNs(self.0.as_ref().map(Arc::downgrade))
    }
}

impl PartialEq for UserNs {
    fn eq(&self, other: &UserNs) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

impl Eq for UserNs {}

impl core::fmt::Debug for UserNs {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("UserNs").field("level", &self.level()).field("ino", &self.ino()).finish()
    }
}

impl Namespace for UserNs {
    fn head(&self) -> Option<&NsHead> {
        self.0.as_ref().map(|n| &n.head)
    }
}
