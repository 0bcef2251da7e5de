//! The walk from a path to a place; path_resolution(7).

use alloc::sync::Arc;
use smallvec::SmallVec;
use syserr::Errno;

use super::{AT_FDCWD, Dentry, MountFlags, Path, PathCx};
use crate::{Link, Nanos, Protected, Validity, Vfs, mode, perm};

bitflags::bitflags! {
    /// How a walk treats links and mounts: the `RESOLVE_*` bits of openat2(2), and ours above.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct LookupFlags: u32 {
        /// `RESOLVE_NO_XDEV`: stay in one mount.
        const NO_XDEV = 0x01;
        /// `RESOLVE_NO_MAGICLINKS`.
        const NO_MAGICLINKS = 0x02;
        /// `RESOLVE_NO_SYMLINKS`.
        const NO_SYMLINKS = 0x04;
        /// `RESOLVE_BENEATH`: never above the start.
        const BENEATH = 0x08;
        /// `RESOLVE_IN_ROOT`: the start is the root.
        const IN_ROOT = 0x10;
        /// `RESOLVE_CACHED`.
        const CACHED = 0x20;
        /// Do not follow a symbolic link at the end (`AT_SYMLINK_NOFOLLOW`, `O_NOFOLLOW`).
        const NOFOLLOW = 0x1_0000;
        /// An empty path means the start (`AT_EMPTY_PATH`).
        const EMPTY_PATH = 0x2_0000;
        /// The end must be a directory.
        const DIRECTORY = 0x4_0000;
    }
}

/// Longest path in bytes with its NUL; `PATH_MAX`.
const PATH_MAX: usize = 4096;
/// Longest name in bytes; `NAME_MAX`.
const NAME_MAX: usize = 255;
/// The most links that one walk follows; Linux's `MAXSYMLINKS`.
const LINKS_MAX: u32 = 40;

/// The last component of a path, not yet looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Last {
    /// A name in the directory where the walk stands.
    Name(SmallVec<[u8; 48]>),
    /// The place where the walk stands: `/`, a magic link's target, or an empty path.
    Here,
    /// `.`.
    Dot,
    /// `..`; the walk stands where it leads from.
    DotDot,
}

/// One text that is being walked, and how far.
struct Text {
    bytes: Arc<[u8]>,
    at: usize,
}

pub(crate) struct Walker<'a> {
    vfs: &'a Vfs,
    cx: &'a PathCx<'a>,
    pub(crate) at: Path,
    root: Path,
    /// The path itself.
    path: &'a [u8],
    /// Links that are being followed; the last one is innermost.
    links: SmallVec<[Text; 2]>,
    followed: u32,
    flags: LookupFlags,
    /// A slash followed the last component.
    pub(crate) slash: bool,
    now: Option<Nanos>,
}

impl<'a> Walker<'a> {
    pub(crate) fn new(
        vfs: &'a Vfs,
        cx: &'a PathCx<'a>,
        dirfd: i32,
        path: &'a [u8],
        flags: LookupFlags,
    ) -> Result<Walker<'a>, Errno> {
        if path.len() >= PATH_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        if path.is_empty() && !flags.contains(LookupFlags::EMPTY_PATH) {
            return Err(Errno::ENOENT);
        }
        let scoped = flags.intersects(LookupFlags::BENEATH | LookupFlags::IN_ROOT);
        let absolute = path.first() == Some(&b'/');
        if absolute && flags.contains(LookupFlags::BENEATH) {
            return Err(Errno::EXDEV);
        }
        let (mut root, mut at) = cx.fs.root_and_start(absolute && !scoped);
        if (!absolute || scoped) && dirfd != AT_FDCWD {
            at = cx.files.get(dirfd)?.path().clone();
            if !path.is_empty() && at.inode().kind() != mode::IFDIR {
                return Err(Errno::ENOTDIR);
            }
        }
        if scoped {
            root = at.clone();
        }
        let links = SmallVec::new();
        Ok(Walker { vfs, cx, at, root, path, links, followed: 0, flags, slash: false, now: None })
    }

    fn top(&self) -> &[u8] {
        match self.links.last() {
            Some(t) => t.bytes.get(t.at..).unwrap_or(&[]),
            None => self.path,
        }
    }

    fn advance(&mut self, n: usize) {
        match self.links.last_mut() {
            Some(t) => t.at += n,
            None => self.path = self.path.get(n..).unwrap_or(&[]),
        }
    }

    /// Goes through all but the last component.
    pub(crate) fn seek_last(&mut self) -> Result<Last, Errno> {
        let mut any = self.path.first() == Some(&b'/') || !self.links.is_empty();
        loop {
            let slashes = self.top().iter().take_while(|b| **b == b'/').count();
            self.advance(slashes);
            let rest = self.top();
            if rest.is_empty() {
                if self.links.pop().is_some() {
                    continue;
                }
                if any {
                    self.slash = true;
                }
                return Ok(Last::Here);
            }
            any = true;
            self.search()?;
            let rest = self.top();
            let len = rest.iter().position(|b| *b == b'/').unwrap_or(rest.len());
            let name: SmallVec<[u8; 48]> = rest.get(..len).unwrap_or(&[]).into();
            let more = rest.get(len..).unwrap_or(&[]);
            let slash = !more.is_empty();
            let empty_rest = more.iter().all(|b| *b == b'/');
            self.advance(len);
            if empty_rest {
                // The end of this text; the outer ones may go on.
                let outer_done = self.pop_finished(slash);
                if outer_done {
                    return match &*name {
                        b"." => Ok(Last::Dot),
                        b".." => Ok(Last::DotDot),
                        _ => Ok(Last::Name(name)),
                    };
                }
            }
            self.step(&name)?;
        }
    }

    /// Drops texts that have nothing left; whether that were all.
    fn pop_finished(&mut self, slash: bool) -> bool {
        let mut slash = slash;
        loop {
            let rest = self.top();
            if rest.iter().any(|b| *b != b'/') {
                return false;
            }
            slash |= !rest.is_empty();
            if self.links.pop().is_none() {
                let n = self.path.len();
                self.advance(n);
                self.slash |= slash;
                return true;
            }
        }
    }

    /// Checks that the directory where the walk stands may be searched.
    fn search(&self) -> Result<(), Errno> {
        let inode = self.at.inode();
        if inode.kind() != mode::IFDIR {
            return Err(Errno::ENOTDIR);
        }
        perm::search(&**inode, self.cx)
    }

    /// Goes through a component that others follow.
    fn step(&mut self, name: &[u8]) -> Result<(), Errno> {
        match name {
            b"." => Ok(()),
            b".." => self.up(),
            _ => {
                let child = self.child(name)?;
                if child.positive().kind() == mode::IFLNK {
                    return self.follow(child);
                }
                if child.positive().kind() != mode::IFDIR {
                    return Err(Errno::ENOTDIR);
                }
                self.enter(child)
            }
        }
    }

    /// Goes to the parent.
    pub(crate) fn up(&mut self) -> Result<(), Errno> {
        if self.at == self.root {
            if self.flags.contains(LookupFlags::BENEATH) {
                return Err(Errno::EXDEV);
            }
            return Ok(());
        }
        let parent = self.at.parent();
        if !parent.is_connected() {
            return Err(Errno::ENOENT);
        }
        if self.flags.contains(LookupFlags::NO_XDEV) && !Arc::ptr_eq(&parent.mount, &self.at.mount)
        {
            return Err(Errno::EXDEV);
        }
        self.at = parent;
        self.cover()
    }

    /// Goes to a child, and on to what is mounted over it.
    pub(crate) fn enter(&mut self, child: Arc<Dentry>) -> Result<(), Errno> {
        self.at.dentry = child;
        self.cover()
    }

    fn cover(&mut self) -> Result<(), Errno> {
        while self.at.dentry.is_mountpoint()
            && let Some(m) = self.vfs.mounts.covers(&self.at.mount, &self.at.dentry)
        {
            if self.flags.contains(LookupFlags::NO_XDEV) {
                return Err(Errno::EXDEV);
            }
            self.at = Path { dentry: m.root().clone(), mount: m };
        }
        Ok(())
    }

    /// The child `name` of the directory where the walk stands.
    ///
    /// # Errors
    /// `ENOENT` when there is none.
    pub(crate) fn child(&mut self, name: &[u8]) -> Result<Arc<Dentry>, Errno> {
        let d = self.child_or_negative(name)?;
        if d.inode().is_some() { Ok(d) } else { Err(Errno::ENOENT) }
    }

    fn child_or_negative(&mut self, name: &[u8]) -> Result<Arc<Dentry>, Errno> {
        if name.len() > NAME_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        let validity = self.at.mount.super_block().validity;
        let known = self.at.dentry.cached(name);
        // What only mounts keep there is asked for every time.
        if let Some(d) = known.filter(|d| validity != Validity::Never || d.is_mountpoint()) {
            let Validity::For(span) = validity else { return Ok(d) };
            let vfs = self.vfs;
            let now = *self.now.get_or_insert_with(|| vfs.env.time().monotonic());
            if d.is_mountpoint() || now.saturating_sub(d.checked_at()) < span {
                return Ok(d);
            }
            if self.at.inode().revalidate(name, d.inode()) {
                d.set_checked(now);
                return Ok(d);
            }
            self.vfs.invalidate(&self.at.dentry, name, &d);
        }
        if self.flags.contains(LookupFlags::CACHED) {
            return Err(Errno::EAGAIN);
        }
        self.vfs.look_up(&self.at, name, self.cx)
    }

    /// Follows a link that the directory where the walk stands has.
    pub(crate) fn follow(&mut self, link: Arc<Dentry>) -> Result<(), Errno> {
        self.followed += 1;
        let inode = link.positive();
        if self.followed > LINKS_MAX
            || self.flags.contains(LookupFlags::NO_SYMLINKS)
            || self.at.mount.flags().contains(MountFlags::NOSYMFOLLOW)
            || self.flags.contains(LookupFlags::NO_MAGICLINKS) && inode.is_magic_link()
        {
            return Err(Errno::ELOOP);
        }
        match inode.follow(self.cx)? {
            Link::Text(bytes) => {
                if bytes.is_empty() {
                    return Err(Errno::ENOENT);
                }
                if bytes.first() == Some(&b'/') {
                    if self.flags.contains(LookupFlags::BENEATH) {
                        return Err(Errno::EXDEV);
                    }
                    if self.flags.contains(LookupFlags::NO_XDEV)
                        && !Arc::ptr_eq(&self.at.mount, &self.root.mount)
                    {
                        return Err(Errno::EXDEV);
                    }
                    self.at = self.root.clone();
                }
                self.links.push(Text { bytes, at: 0 });
            }
            Link::Magic(path) => {
                if self.flags.contains(LookupFlags::NO_MAGICLINKS) {
                    return Err(Errno::ELOOP);
                }
                if self.flags.intersects(LookupFlags::BENEATH | LookupFlags::IN_ROOT) {
                    return Err(Errno::EXDEV);
                }
                if self.flags.contains(LookupFlags::NO_XDEV)
                    && !Arc::ptr_eq(&self.at.mount, &path.mount)
                {
                    return Err(Errno::EXDEV);
                }
                self.at = path;
            }
        }
        Ok(())
    }

    /// Follows one that is the last component, of which there is more to ask.
    pub(crate) fn follow_last(&mut self, link: Arc<Dentry>) -> Result<(), Errno> {
        if self.vfs.settings.protected(Protected::Symlinks) != 0 {
            perm::followable(&**self.at.inode(), &**link.positive(), self.cx.creds)?;
        }
        self.follow(link)
    }

    /// Goes to the end.
    pub(crate) fn finish(mut self) -> Result<Path, Errno> {
        loop {
            match self.seek_last()? {
                Last::Here | Last::Dot => break,
                Last::DotDot => {
                    self.up()?;
                    break;
                }
                Last::Name(name) => {
                    let child = self.child(&name)?;
                    let kind = child.positive().kind();
                    if kind == mode::IFLNK
                        && (self.slash || !self.flags.contains(LookupFlags::NOFOLLOW))
                    {
                        self.follow_last(child)?;
                        continue;
                    }
                    self.enter(child)?;
                    break;
                }
            }
        }
        let must_be_dir = self.slash || self.flags.contains(LookupFlags::DIRECTORY);
        if must_be_dir && self.at.inode().kind() != mode::IFDIR {
            return Err(Errno::ENOTDIR);
        }
        Ok(self.at)
    }
}

impl Vfs {
    /// The place that `path` names, from the descriptor `dirfd` (or [`AT_FDCWD`]) if relative.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `EACCES`, `ELOOP`, `ENAMETOOLONG`, `EBADF`; `EXDEV` and `EAGAIN` where
    /// `flags` ask for them.
    pub fn resolve(
        &self,
        cx: &PathCx<'_>,
        dirfd: i32,
        path: &[u8],
        flags: LookupFlags,
    ) -> Result<Path, Errno> {
        let found = self.resolve_unused(cx, dirfd, path, flags)?;
        found.mount.used();
        Ok(found)
    }

    /// The same, without the mount counting as used.
    pub(crate) fn resolve_unused(
        &self,
        cx: &PathCx<'_>,
        dirfd: i32,
        path: &[u8],
        flags: LookupFlags,
    ) -> Result<Path, Errno> {
        Walker::new(self, cx, dirfd, path, flags)?.finish()
    }

    /// Asks the file system for a name that is not cached.
    pub(crate) fn look_up(
        &self,
        dir: &Path,
        name: &[u8],
        cx: &PathCx<'_>,
    ) -> Result<Arc<Dentry>, Errno> {
        let parent = &dir.dentry;
        let cache = dir.mount.super_block().validity != Validity::Never;
        let _changing = parent.change();
        if cache && let Some(d) = parent.cached(name) {
            return Ok(d);
        }
        let inode = match parent.positive().lookup(name, cx) {
            Ok(i) => Some(i),
            Err(Errno::ENOENT) => None,
            Err(e) => return Err(e),
        };
        if !cache {
            // Where something is mounted on it or below, it is one for all.
            let pinned = if inode.is_some() { parent.cached(name) } else { None };
            return Ok(pinned.unwrap_or_else(|| Dentry::new(Some(parent.clone()), name, inode)));
        }
        Ok(self.remember(parent, name, inode))
    }

    /// Caches a name. Under [`Dentry::change`] of `parent`.
    pub(crate) fn remember(
        &self,
        parent: &Arc<Dentry>,
        name: &[u8],
        inode: Option<Arc<dyn crate::Inode>>,
    ) -> Arc<Dentry> {
        // What was known before, mostly that there is nothing, would keep the directory alive.
        if let Some(old) = parent.cached(name) {
            self.dcache.forget(&old);
        }
        let d = parent.add(name, inode, self.env.time().monotonic());
        self.dcache.keep(&d);
        d
    }

    /// Forgets a name that changed behind the kernel's back.
    fn invalidate(&self, parent: &Arc<Dentry>, name: &[u8], d: &Arc<Dentry>) {
        let _changing = parent.change();
        parent.forget(name, d);
        self.dcache.forget(d);
        if d.inode().is_some() {
            d.mark_deleted();
        }
    }

    /// What mountpoints cover a place.
    pub(crate) fn covered(&self, at: Path) -> Path {
        if at.dentry.is_mountpoint() { self.mounts.topmost(at) } else { at }
    }
}
