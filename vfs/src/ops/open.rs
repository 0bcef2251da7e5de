//! open(2), openat2(2).

use alloc::string::ToString;
use alloc::sync::Arc;
use syserr::Errno;

use crate::fd::{Counted, PathOnly, Unfinished};
use crate::file_flags::{self, FileFlags};
use crate::landlock::{self, Access};
use crate::perm::{self, MAY_EXEC, MAY_READ, MAY_WRITE};
use crate::tree::{Dentry, Last, Walker};
use crate::tty::TtyFile;
use crate::{
    Creds, File, FileOps, Inode, LookupFlags, MountFlags, OpenFlags, Path, PathCx, Protected, Vfs,
    mode,
};

/// How to open; `struct open_how`.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenHow {
    /// `O_*` flags.
    pub flags: OpenFlags,
    /// Permission bits of a file that is made; the umask is applied to them.
    pub mode: u32,
    /// `RESOLVE_*` bits; others are ignored.
    pub resolve: LookupFlags,
}

impl OpenHow {
    /// Whether the flags go together, which open(2) looks at before it reads the path
    /// (`build_open_flags`).
    ///
    /// # Errors
    /// `EINVAL`.
    pub fn check(&self) -> Result<(), Errno> {
        let has = |f| self.flags.contains(f);
        let good = if has(OpenFlags::PATH) {
            true
        } else if has(OpenFlags::TMPFILE) {
            has(OpenFlags::DIRECTORY) && !has(OpenFlags::CREAT) && self.flags.writable()
        } else {
            !has(OpenFlags::CREAT | OpenFlags::DIRECTORY)
        };
        if good { Ok(()) } else { Err(Errno::EINVAL) }
    }
}

const RESOLVE: LookupFlags = LookupFlags::NO_XDEV
    .union(LookupFlags::NO_MAGICLINKS)
    .union(LookupFlags::NO_SYMLINKS)
    .union(LookupFlags::BENEATH)
    .union(LookupFlags::IN_ROOT)
    .union(LookupFlags::CACHED);

const PATH_FLAGS: OpenFlags = OpenFlags::DIRECTORY
    .union(OpenFlags::NOFOLLOW)
    .union(OpenFlags::PATH)
    .union(OpenFlags::CLOEXEC);

/// Where an open with `O_CREAT` ended.
struct Found {
    path: Path,
    created: bool,
}

impl Vfs {
    /// Opens a file, making it first if `O_CREAT` asks for that.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn open(
        &self,
        cx: &PathCx<'_>,
        dirfd: i32,
        path: &[u8],
        how: OpenHow,
    ) -> Result<Arc<File>, Errno> {
        how.check()?;
        let mut flags = how.flags;
        let tmpfile = flags.contains(OpenFlags::TMPFILE);
        if flags.contains(OpenFlags::PATH) {
            flags &= PATH_FLAGS;
        }
        let mut lookup = how.resolve & RESOLVE;
        // O_EXCL does not follow either: with O_CREAT a link is in the way, whatever it leads to.
        let exclusive = flags.contains(OpenFlags::CREAT | OpenFlags::EXCL);
        lookup.set(LookupFlags::NOFOLLOW, flags.contains(OpenFlags::NOFOLLOW) || exclusive);
        lookup.set(LookupFlags::DIRECTORY, flags.contains(OpenFlags::DIRECTORY));
        if tmpfile && !flags.contains(OpenFlags::PATH) {
            return self.open_unnamed(cx, dirfd, path, &how, lookup);
        }
        if !flags.contains(OpenFlags::CREAT) {
            let path = self.resolve(cx, dirfd, path, lookup)?;
            return self.open_path(cx, path, flags, true);
        }
        let found = self.open_or_create(cx, dirfd, path, flags, how.mode, lookup)?;
        if found.created {
            let access = landlock::opening(mode::IFREG, flags);
            let flags = flags - OpenFlags::TRUNC;
            let file = self.open_checked(cx, found.path, flags, true, access)?;
            file.set_created();
            return Ok(file);
        }
        if found.path.inode().kind() == mode::IFDIR {
            return Err(Errno::EISDIR);
        }
        self.open_path(cx, found.path, flags, true)
    }

    /// Opens a place that was resolved before; with `announce`, watches hear of it.
    ///
    /// # Errors
    /// Those of open(2).
    pub(super) fn open_path(
        &self,
        cx: &PathCx<'_>,
        path: Path,
        flags: OpenFlags,
        announce: bool,
    ) -> Result<Arc<File>, Errno> {
        let access = landlock::opening(path.inode().kind(), flags);
        self.open_path_for(cx, path, flags, announce, access)
    }

    /// As [`Vfs::open_path`], for what is to be allowed by landlock(7).
    pub(super) fn open_path_for(
        &self,
        cx: &PathCx<'_>,
        path: Path,
        flags: OpenFlags,
        announce: bool,
        access: Access,
    ) -> Result<Arc<File>, Errno> {
        let inode = path.inode();
        if flags.contains(OpenFlags::PATH) {
            let ops = Arc::new(PathOnly(inode.clone()));
            let file = File::new(ops, flags & PATH_FLAGS, path);
            file.set_opener(cx.creds);
            return Ok(file);
        }
        let kind = inode.kind();
        if kind == mode::IFLNK {
            return Err(Errno::ELOOP);
        }
        let truncate = flags.contains(OpenFlags::TRUNC);
        let writes = flags.writable() || truncate;
        match kind {
            mode::IFDIR if writes => return Err(Errno::EISDIR),
            mode::IFCHR | mode::IFBLK if !path.mount().has_devices() => return Err(Errno::EACCES),
            mode::IFREG if writes => path.mount().writable()?,
            _ => {}
        }
        let mut mask = 0;
        if flags.readable() {
            mask |= MAY_READ;
        }
        if writes {
            mask |= MAY_WRITE;
        }
        let p = inode.perm()?;
        perm::check_caller(&**inode, &p, cx, mask)?;
        let rewrites = flags.writable() && !flags.contains(OpenFlags::APPEND);
        if (rewrites || truncate) && file_flags::has(&**inode, FileFlags::APPEND) {
            return Err(Errno::EPERM);
        }
        if flags.contains(OpenFlags::NOATIME) {
            perm::owner(&p, cx.creds)?;
        }
        self.open_checked(cx, path, flags, announce, access)
    }

    /// Opens a program for execve(2): a regular file that may be executed and is read only.
    ///
    /// # Errors
    /// `EACCES` when it is not regular or not executable; those of open(2).
    pub fn open_exec(
        &self,
        cx: &PathCx<'_>,
        dirfd: i32,
        path: &[u8],
        flags: LookupFlags,
    ) -> Result<Arc<File>, Errno> {
        let path = self.resolve(cx, dirfd, path, flags)?;
        let inode = path.inode();
        match inode.kind() {
            mode::IFLNK => return Err(Errno::ELOOP),
            mode::IFREG => {}
            _ => return Err(Errno::EACCES),
        }
        perm::check(&**inode, cx.creds, MAY_EXEC)?;
        if path.mount().flags().contains(MountFlags::NOEXEC) {
            return Err(Errno::EACCES);
        }
        let access = Access::READ_FILE | Access::EXECUTE;
        self.open_checked(cx, path, OpenFlags::empty(), true, access)
    }

    fn open_checked(
        &self,
        cx: &PathCx<'_>,
        path: Path,
        flags: OpenFlags,
        announce: bool,
        access: Access,
    ) -> Result<Arc<File>, Errno> {
        // What the description may do later is settled now.
        let granted = landlock::granted(cx.creds, &path, access | Access::LATER);
        if !granted.contains(access) {
            return Err(Errno::EACCES);
        }
        let inode = path.inode();
        let regular = inode.kind() == mode::IFREG;
        let truncate = flags.contains(OpenFlags::TRUNC) && regular;
        if truncate && !granted.contains(Access::TRUNCATE) {
            return Err(Errno::EACCES);
        }
        let counted = match inode.state() {
            Some(state) if regular && (flags.writable() || truncate) => {
                path.mount().start_writing()?;
                state.start_writing().inspect_err(|_| path.mount().stop_writing())?;
                Counted::Writing
            }
            Some(state) if regular => {
                state.start_reading();
                Counted::Reading
            }
            _ => Counted::Not,
        };
        let ops = match self.open_ops(cx, &path, flags) {
            Ok(ops) => ops,
            Err(e) => {
                match (counted, inode.state()) {
                    (Counted::Writing, Some(state)) => {
                        state.stop_writing();
                        path.mount().stop_writing();
                    }
                    (Counted::Reading, Some(state)) => state.stop_reading(),
                    _ => {}
                }
                return Err(e);
            }
        };
        let file = File::new_counted(ops, flags, path, counted);
        file.set_opener(cx.creds);
        file.grant(granted);
        file.set_unfinished(Some(Unfinished { truncate, announce }));
        // Whoever does not want to wait gets nothing, and holders hear of it all the same.
        match self.finish_open(cx.creds, &file) {
            Err(_) if file.waits_for_leases() && !flags.contains(OpenFlags::NONBLOCK) => Ok(file),
            done => done.map(|()| file),
        }
    }

    /// Goes on with an open that waits for leases ([`File::waits_for_leases`]).
    ///
    /// # Errors
    /// `EAGAIN` while it has to wait: until [`Vfs::break_leases`] has broken them.
    pub fn finish_open(&self, creds: &Creds, file: &Arc<File>) -> Result<(), Errno> {
        self.break_leases(file, file.flags().writable()).map_err(|_| Errno::EAGAIN)?;
        let Some(rest) = file.set_unfinished(None) else { return Ok(()) };
        if rest.announce {
            file.announce();
        }
        if rest.truncate {
            file.empty(creds)?;
        }
        Ok(())
    }

    /// Breaks what leases there are on a file for one who opens it, to write or only to read.
    ///
    /// # Errors
    /// When to ask again at the latest ([`crate::locks::FileLocks::break_leases`]).
    pub fn break_leases(&self, file: &File, write: bool) -> Result<(), crate::Nanos> {
        match file.existing_locks().filter(|_| file.is_regular()) {
            None => Ok(()),
            Some(l) => l.break_leases(write, self.env.time().monotonic(), &self.leases),
        }
    }

    /// Opens the other side of a terminal, which nobody needs a name for (`ptm_open_peer`).
    ///
    /// # Errors
    /// `ENOTTY` when `master` is none; `EIO` when it is the wrong side, or locked; `ENODEV` when its
    /// devpts is no longer there.
    pub fn open_terminal_peer(
        &self,
        cx: &PathCx<'_>,
        master: &File,
        flags: OpenFlags,
    ) -> Result<Arc<File>, Errno> {
        let tty = master.downcast::<TtyFile>().ok_or(Errno::ENOTTY)?;
        if !tty.is_master() {
            return Err(Errno::EIO);
        }
        let (at, number) = (master.path(), tty.number().to_string());
        let found = if tty.is_in_instance() {
            self.beside(cx, at, number.as_bytes())
        } else {
            self.beside(cx, at, b"pts").and_then(|dir| self.entry(cx, dir, number.as_bytes()))
        };
        let found = found.filter(|p| tty.has_peer(&**p.inode())).ok_or(Errno::ENODEV)?;
        self.open_checked(cx, found, flags, false, landlock::opening(mode::IFCHR, flags))
    }

    /// What has the name `name` in the directory that `at` is in, on the same mount.
    fn beside(&self, cx: &PathCx<'_>, at: &Path, name: &[u8]) -> Option<Path> {
        self.entry(cx, Path { mount: at.mount.clone(), dentry: at.dentry.parent()? }, name)
    }

    fn entry(&self, cx: &PathCx<'_>, dir: Path, name: &[u8]) -> Option<Path> {
        let dentry = match dir.dentry.cached(name) {
            Some(known) => known,
            None => self.look_up(&dir, name, cx).ok()?,
        };
        dentry.inode()?;
        Some(self.covered(Path { mount: dir.mount, dentry }))
    }

    fn open_ops(
        &self,
        cx: &PathCx<'_>,
        path: &Path,
        flags: OpenFlags,
    ) -> Result<Arc<dyn FileOps>, Errno> {
        let inode = path.inode();
        if inode.opens_itself() {
            return inode.clone().open(flags, cx);
        }
        let special = self.special.read().clone().ok_or(Errno::ENXIO)?;
        match inode.kind() {
            mode::IFIFO => special.open_fifo(inode, flags),
            kind @ (mode::IFCHR | mode::IFBLK) => {
                let beside = |name: &[u8]| self.beside(cx, path, name);
                special.open_device(kind, inode.stat()?.rdev, inode, &beside, flags, cx)
            }
            _ => Err(Errno::ENXIO),
        }
    }

    /// Whether `O_CREAT` may open `file`, which is in `dir` already.
    fn check_sharing(
        &self,
        cx: &PathCx<'_>,
        dir: &Arc<dyn Inode>,
        file: Option<&Arc<dyn Inode>>,
    ) -> Result<(), Errno> {
        let Some(file) = file else { return Ok(()) };
        let protected = match file.kind() {
            mode::IFREG => self.settings.protected(Protected::Regular),
            mode::IFIFO => self.settings.protected(Protected::Fifos),
            mode::IFDIR => 0,
            // No setting is about others.
            _ => 1,
        };
        if protected == 0 {
            return Ok(());
        }
        perm::reopenable(&**dir, &**file, cx.creds, protected)
    }

    fn open_or_create(
        &self,
        cx: &PathCx<'_>,
        dirfd: i32,
        path: &[u8],
        flags: OpenFlags,
        wanted: u32,
        lookup: LookupFlags,
    ) -> Result<Found, Errno> {
        let exclusive = flags.contains(OpenFlags::EXCL);
        let mut w = Walker::new(self, cx, dirfd, path, lookup)?;
        loop {
            let name = match w.seek_last()? {
                Last::Name(n) => n,
                _ if exclusive => return Err(Errno::EEXIST),
                Last::DotDot => {
                    w.up()?;
                    return Ok(Found { path: w.at, created: false });
                }
                Last::Here | Last::Dot => return Ok(Found { path: w.at, created: false }),
            };
            if w.slash {
                return Err(Errno::EISDIR);
            }
            match w.child(&name) {
                Ok(_) if exclusive => return Err(Errno::EEXIST),
                Ok(child) => {
                    let link = child.inode().is_some_and(|i| i.kind() == mode::IFLNK);
                    if link && !lookup.contains(LookupFlags::NOFOLLOW) {
                        w.follow_last(child)?;
                        continue;
                    }
                    self.check_sharing(cx, w.at.inode(), child.inode())?;
                    w.enter(child)?;
                    return Ok(Found { path: w.at, created: false });
                }
                Err(Errno::ENOENT) => {}
                Err(e) => return Err(e),
            }
            let kind_and_mode = mode::IFREG | wanted & 0o7777;
            match self.make(cx, &w.at, &name, kind_and_mode, 0, &[]) {
                Ok(child) => {
                    w.enter(child)?;
                    return Ok(Found { path: w.at, created: true });
                }
                // Somebody else was faster.
                Err(Errno::EEXIST) if !exclusive => {
                    let child = w.child(&name)?;
                    if child.inode().is_some_and(|i| i.kind() == mode::IFLNK) {
                        w.follow(child)?;
                        continue;
                    }
                    w.enter(child)?;
                    return Ok(Found { path: w.at, created: false });
                }
                Err(e) => return Err(e),
            }
        }
    }

    fn open_unnamed(
        &self,
        cx: &PathCx<'_>,
        dirfd: i32,
        path: &[u8],
        how: &OpenHow,
        lookup: LookupFlags,
    ) -> Result<Arc<File>, Errno> {
        let dir = self.resolve(cx, dirfd, path, lookup | LookupFlags::DIRECTORY)?;
        dir.mount().writable()?;
        dir.mount().knows(cx.creds.fsuid, cx.creds.fsgid)?;
        let p = dir.inode().perm()?;
        perm::check_known(&**dir.inode(), &p, cx.creds, MAY_WRITE | MAY_EXEC)?;
        let what = self.to_create(cx, dir.inode(), &p, mode::IFREG | how.mode & 0o7777)?;
        let inode = dir.inode().create_unnamed(&what)?;
        if !how.flags.contains(OpenFlags::EXCL)
            && let Some(state) = inode.state()
        {
            state.set_linkable();
        }
        let name = alloc::format!("#{}", inode.stat()?.ino);
        let dentry = Dentry::new(Some(dir.dentry.clone()), name.as_bytes(), Some(inode));
        dentry.mark_deleted();
        let path = Path { mount: dir.mount.clone(), dentry };
        let access = landlock::opening(mode::IFREG, how.flags);
        self.open_checked(cx, path, how.flags - OpenFlags::TRUNC, true, access)
    }
}
