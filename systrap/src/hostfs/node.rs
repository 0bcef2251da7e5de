//! One file of the host.

use std::any::Any;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use rustix::fs::{AtFlags, Mode, OFlags, RawDir, SeekFrom, StatxFlags};
use sync::Mutex;
use syserr::Errno;
use vfs::{Create, DirEntry, HostNode, RenameFlags, SetAttr, Stat, StatFs, XattrSet, mode};

use super::convert::{errno, stat};
use super::fds::OpenFds;

/// What the nodes of one tree share.
pub(super) struct Tree {
    pub(super) fds: OpenFds,
    pub(super) writable: bool,
}

pub(super) struct Place {
    parent: Option<Arc<Node>>,
    name: Vec<u8>,
}

#[derive(Clone)]
struct Data {
    fd: Arc<OwnedFd>,
    writable: bool,
}

#[derive(Default)]
struct Open {
    /// Opened with `O_PATH`.
    path: Option<Arc<OwnedFd>>,
    data: Option<Data>,
    /// Nothing can be opened again: the name is gone.
    pinned: bool,
}

/// A file of the host, named by its directory.
pub(super) struct Node {
    this: Weak<Node>,
    pub(super) tree: Arc<Tree>,
    place: Mutex<Place>,
    open: Mutex<Open>,
    used: AtomicBool,
    key: (u64, u64),
    kind: u32,
}

/// Shows the directory at `path`; with `writable`, for changes too.
///
/// # Errors
/// The host's, such as `ENOENT` and `ENOTDIR`.
pub fn open_dir(path: &Path, writable: bool) -> Result<Arc<dyn HostNode>, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(errno)?;
    let tree = Arc::new(Tree { fds: OpenFds::default(), writable });
    let s = statx(&fd, b"")?;
    // The root has no name by which it could be opened again.
    let open = Open { path: Some(Arc::new(fd)), data: None, pinned: true };
    Ok(Node::build(&tree, Place { parent: None, name: Vec::new() }, open, &s))
}

pub(super) fn statx(dir: &OwnedFd, name: &[u8]) -> Result<Stat, Errno> {
    let mask = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH;
    let s = rustix::fs::statx(dir, name, flags, mask).map_err(errno)?;
    Ok(stat(&s))
}

impl Node {
    fn build(tree: &Arc<Tree>, place: Place, open: Open, s: &Stat) -> Arc<Node> {
        Arc::new_cyclic(|this| Node {
            this: this.clone(),
            tree: tree.clone(),
            place: Mutex::new(place),
            open: Mutex::new(open),
            used: AtomicBool::new(true),
            key: (s.dev, s.ino),
            kind: s.mode & mode::IFMT,
        })
    }

    pub(super) fn of(node: &dyn HostNode) -> Result<&Node, Errno> {
        node.as_any().downcast_ref().ok_or(Errno::EXDEV)
    }

    pub(super) fn take_used(&self) -> bool {
        self.used.swap(false, Relaxed)
    }

    pub(super) fn close(&self) {
        let mut open = self.open.lock();
        if !open.pinned {
            *open = Open::default();
        }
    }

    fn same(&self, s: &Stat) -> Result<(), Errno> {
        if (s.dev, s.ino) == self.key { Ok(()) } else { Err(Errno::ESTALE) }
    }

    fn parent(&self) -> (Option<Arc<Node>>, Vec<u8>) {
        let p = self.place.lock();
        (p.parent.clone(), p.name.clone())
    }

    pub(super) fn moved(&self, parent: Arc<Node>, name: &[u8]) {
        let new = Place { parent: Some(parent), name: name.to_vec() };
        let old = std::mem::replace(&mut *self.place.lock(), new);
        drop(old);
    }

    /// Keeps the file usable while its name goes away.
    pub(super) fn pin(&self) -> Result<(), Errno> {
        let path = self.path_fd()?;
        let data = match self.kind {
            mode::IFREG => self.data_fd(self.tree.writable).or_else(|_| self.data_fd(false)).ok(),
            _ => None,
        };
        let mut open = self.open.lock();
        open.pinned = true;
        open.path.get_or_insert(path);
        if let Some(d) = data {
            open.data.get_or_insert(d);
        }
        Ok(())
    }

    fn cached_path(&self) -> Option<Arc<OwnedFd>> {
        self.used.store(true, Relaxed);
        self.open.lock().path.clone()
    }

    /// A descriptor of the file itself, opened with `O_PATH`.
    pub(super) fn path_fd(&self) -> Result<Arc<OwnedFd>, Errno> {
        if let Some(fd) = self.cached_path() {
            return Ok(fd);
        }
        // Up to the first ancestor that is open, then down again; without recursion, since a guest
        // decides how deep the tree is.
        let mut chain = vec![self.this.upgrade().ok_or(Errno::EIO)?];
        let mut dir = loop {
            let up = match chain.last() {
                Some(n) => n.parent().0.ok_or(Errno::ESTALE)?,
                None => return Err(Errno::EIO),
            };
            match up.cached_path() {
                Some(fd) => break fd,
                None => chain.push(up),
            }
        };
        while let Some(n) = chain.pop() {
            let name = n.parent().1;
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let fd = rustix::fs::openat(&dir, &*name, flags, Mode::empty()).map_err(errno)?;
            n.same(&statx(&fd, b"")?)?;
            dir = Arc::new(fd);
            n.open.lock().path = Some(dir.clone());
            n.tree.fds.opened(n.this.clone());
        }
        Ok(dir)
    }

    /// The directory and the name in it; of the root itself, and of a file without a name, its own
    /// descriptor and an empty name.
    fn at(&self) -> Result<(Arc<OwnedFd>, Vec<u8>), Errno> {
        if let Some(fd) = self.cached_path() {
            return Ok((fd, Vec::new()));
        }
        let (parent, name) = self.parent();
        Ok((parent.ok_or(Errno::ESTALE)?.path_fd()?, name))
    }

    /// A descriptor to read, and with `write` to write.
    fn data_fd(&self, write: bool) -> Result<Data, Errno> {
        self.used.store(true, Relaxed);
        {
            let open = self.open.lock();
            if let Some(d) = &open.data
                && (d.writable || !write)
            {
                return Ok(d.clone());
            }
        }
        if write && !self.tree.writable {
            return Err(Errno::EROFS);
        }
        let access = if write { OFlags::RDWR } else { OFlags::RDONLY };
        let flags = access | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let (parent, name) = self.parent();
        let fd = match parent {
            Some(p) if !self.open.lock().pinned => {
                let fd = rustix::fs::openat(p.path_fd()?, &*name, flags, Mode::empty());
                // A file that may be written only, as the sandbox's user, is no use to a guest:
                // its pages have to be read.
                let fd = fd.map_err(errno)?;
                self.same(&statx(&fd, b"")?)?;
                fd
            }
            _ => {
                let link = self.proc_link()?;
                rustix::fs::open(&*link, flags - OFlags::NOFOLLOW, Mode::empty()).map_err(errno)?
            }
        };
        let data = Data { fd: Arc::new(fd), writable: write };
        self.open.lock().data = Some(data.clone());
        self.tree.fds.opened(self.this.clone());
        Ok(data)
    }

    /// A path that leads to this very file, for calls that take no descriptor.
    pub(super) fn proc_link(&self) -> Result<String, Errno> {
        use std::os::fd::AsRawFd;
        Ok(format!("/proc/self/fd/{}", self.path_fd()?.as_raw_fd()))
    }

    /// The node of a child whose attributes are known.
    pub(super) fn child_node(self: &Arc<Self>, name: &[u8], s: &Stat) -> Arc<Node> {
        let place = Place { parent: Some(self.clone()), name: name.to_vec() };
        Node::build(&self.tree, place, Open::default(), s)
    }

    pub(super) fn writable(&self) -> Result<(), Errno> {
        if self.tree.writable { Ok(()) } else { Err(Errno::EROFS) }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Ancestors in a loop: a guest decides how deep the tree is.
        let mut up = self.place.lock().parent.take();
        while let Some(n) = up {
            up = Arc::into_inner(n).and_then(|n| n.place.lock().parent.take());
        }
    }
}

impl HostNode for Node {
    fn stat(&self) -> Result<Stat, Errno> {
        let (dir, name) = self.at()?;
        let s = statx(&dir, &name)?;
        self.same(&s)?;
        Ok(s)
    }

    fn child(self: Arc<Self>, name: &[u8]) -> Result<(Arc<dyn HostNode>, Stat), Errno> {
        let s = self.child_stat(name)?;
        Ok((self.child_node(name, &s), s))
    }

    fn child_stat(&self, name: &[u8]) -> Result<Stat, Errno> {
        if name.is_empty() || name == b"." || name == b".." || name.contains(&b'/') {
            return Err(Errno::ENOENT);
        }
        statx(&*self.path_fd()?, name)
    }

    fn read_dir(&self, from: u64, emit: &mut dyn FnMut(&DirEntry) -> bool) -> Result<(), Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(self.path_fd()?, ".", flags, Mode::empty()).map_err(errno)?;
        if from > 0 {
            let at = i64::try_from(from).map_err(|_| Errno::EINVAL)?;
            rustix::fs::seek(&fd, SeekFrom::Start(at as u64)).map_err(errno)?;
        }
        let mut buf = vec![MaybeUninit::uninit(); 32 << 10];
        let mut entries = RawDir::new(&fd, &mut buf);
        while let Some(e) = entries.next() {
            let e = e.map_err(errno)?;
            let entry = DirEntry {
                ino: e.ino(),
                kind: e.file_type().as_raw_mode(),
                name: e.file_name().to_bytes().to_vec(),
                next: e.next_entry_cookie(),
            };
            if !emit(&entry) {
                break;
            }
        }
        Ok(())
    }

    fn read_link(&self) -> Result<Vec<u8>, Errno> {
        let (dir, name) = self.at()?;
        let text = rustix::fs::readlinkat(&dir, &*name, Vec::new()).map_err(errno)?;
        Ok(text.into_bytes())
    }

    fn open(&self, write: bool) -> Result<(), Errno> {
        self.data_fd(write).map(|_| ())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize, Errno> {
        let data = self.data_fd(false)?;
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|r| !r.is_empty()) {
            match rustix::io::pread(&*data.fd, rest, offset + done as u64) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(rustix::io::Errno::INTR) => {}
                Err(e) if done == 0 => return Err(errno(e)),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> Result<usize, Errno> {
        let data = self.data_fd(true)?;
        rustix::io::retry_on_intr(|| rustix::io::pwrite(&*data.fd, buf, offset)).map_err(errno)
    }

    fn truncate(&self, size: u64) -> Result<(), Errno> {
        let data = self.data_fd(true)?;
        rustix::fs::ftruncate(&*data.fd, size).map_err(errno)
    }

    fn allocate(&self, how: u32, offset: u64, len: u64) -> Result<(), Errno> {
        let data = self.data_fd(true)?;
        let how = rustix::fs::FallocateFlags::from_bits_retain(how);
        rustix::fs::fallocate(&*data.fd, how, offset, len).map_err(errno)
    }

    fn sync(&self, data_only: bool) -> Result<(), Errno> {
        let data = self.data_fd(false)?;
        let done =
            if data_only { rustix::fs::fdatasync(&*data.fd) } else { rustix::fs::fsync(&*data.fd) };
        done.map_err(errno)
    }

    fn seek(&self, offset: u64, hole: bool) -> Result<u64, Errno> {
        let data = self.data_fd(false)?;
        let to = if hole { SeekFrom::Hole(offset) } else { SeekFrom::Data(offset) };
        rustix::fs::seek(&*data.fd, to).map_err(errno)
    }

    fn create(
        self: Arc<Self>,
        name: &[u8],
        what: &Create<'_>,
    ) -> Result<(Arc<dyn HostNode>, Stat), Errno> {
        let (node, stat) = self.make(name, what)?;
        Ok((node, stat))
    }

    fn link(&self, name: &[u8], target: &dyn HostNode) -> Result<(), Errno> {
        self.make_link(name, Node::of(target)?)
    }

    fn remove(&self, name: &[u8], child: &dyn HostNode, directory: bool) -> Result<(), Errno> {
        self.writable()?;
        Node::of(child)?.pin()?;
        let flags = if directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        rustix::fs::unlinkat(self.path_fd()?, name, flags).map_err(errno)
    }

    fn rename(
        &self,
        name: &[u8],
        child: &dyn HostNode,
        to: Arc<dyn HostNode>,
        new_name: &[u8],
        other: Option<&dyn HostNode>,
        flags: RenameFlags,
    ) -> Result<(), Errno> {
        let other = other.map(Node::of).transpose()?;
        self.move_child(name, Node::of(child)?, Node::of(&*to)?, new_name, other, flags)
    }

    fn set_attr(&self, set: &SetAttr) -> Result<(), Errno> {
        self.change_attr(set)
    }

    fn statfs(&self) -> Result<StatFs, Errno> {
        let s = rustix::fs::fstatfs(self.path_fd()?).map_err(errno)?;
        Ok(StatFs {
            magic: s.f_type as u64,
            bsize: s.f_bsize as u64,
            blocks: s.f_blocks,
            bfree: s.f_bfree,
            bavail: s.f_bavail,
            files: s.f_files,
            ffree: s.f_ffree,
            namelen: s.f_namelen as u64,
            ..StatFs::default()
        })
    }

    fn get_xattr(&self, name: &[u8]) -> Result<Vec<u8>, Errno> {
        self.read_xattr(name)
    }

    fn set_xattr(&self, name: &[u8], value: Option<&[u8]>, how: XattrSet) -> Result<(), Errno> {
        self.write_xattr(name, value, how)
    }

    fn list_xattr(&self) -> Result<Vec<Box<[u8]>>, Errno> {
        self.xattr_names()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Node {
    pub(super) fn arc(&self) -> Result<Arc<Node>, Errno> {
        self.this.upgrade().ok_or(Errno::EIO)
    }

    pub(super) fn kind(&self) -> u32 {
        self.kind
    }
}
