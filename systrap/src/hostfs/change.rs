//! Changes to the host, for views that guests may write.

use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Timestamps, Uid, XattrFlags};
use syserr::Errno;
use vfs::{Create, RenameFlags, SetAttr, Stat, XattrSet, mode};

use super::convert::{errno, timespec};
use super::node::{Node, statx};

/// Longest value of an extended attribute, and of a list of names.
const XATTR_MAX: usize = 64 << 10;

impl Node {
    pub(super) fn make(
        self: &Arc<Self>,
        name: &[u8],
        what: &Create<'_>,
    ) -> Result<(Arc<Node>, Stat), Errno> {
        self.writable()?;
        let dir = self.path_fd()?;
        let bits = Mode::from_raw_mode(what.mode & 0o7777);
        match what.mode & mode::IFMT {
            mode::IFDIR => rustix::fs::mkdirat(&dir, name, bits),
            mode::IFLNK => rustix::fs::symlinkat(what.target, &dir, name),
            mode::IFREG => {
                let flags = OFlags::WRONLY
                    | OFlags::CREATE
                    | OFlags::EXCL
                    | OFlags::NOFOLLOW
                    | OFlags::CLOEXEC;
                rustix::fs::openat(&dir, name, flags, bits).map(drop)
            }
            kind => rustix::fs::mknodat(&dir, name, FileType::from_raw_mode(kind), bits, what.rdev),
        }
        .map_err(errno)?;
        let node = self.child_node(name, &statx(&dir, name)?);
        let made = statx(&dir, name)?;
        // Owner, group and the bits that the sandbox's own umask took, as far as its user may.
        let other_owner = (made.uid, made.gid) != (what.uid, what.gid);
        let other_mode = made.mode != what.mode && what.mode & mode::IFMT != mode::IFLNK;
        if other_owner {
            let set = SetAttr { uid: Some(what.uid), gid: Some(what.gid), ..SetAttr::default() };
            let _ = node.change_attr(&set);
        }
        if other_mode {
            let _ = node.change_attr(&SetAttr { mode: Some(what.mode), ..SetAttr::default() });
        }
        let stat = if other_owner || other_mode { statx(&dir, name)? } else { made };
        Ok((node, stat))
    }

    pub(super) fn make_link(&self, name: &[u8], target: &Node) -> Result<(), Errno> {
        self.writable()?;
        let link = target.proc_link()?;
        rustix::fs::linkat(CWD, &*link, self.path_fd()?, name, AtFlags::SYMLINK_FOLLOW)
            .map_err(errno)
    }

    pub(super) fn move_child(
        &self,
        name: &[u8],
        child: &Node,
        to: &Node,
        new_name: &[u8],
        other: Option<&Node>,
        flags: RenameFlags,
    ) -> Result<(), Errno> {
        self.writable()?;
        let exchange = flags.contains(RenameFlags::EXCHANGE);
        // Open before, so that nothing is opened by a name that means another file meanwhile.
        child.path_fd()?;
        if let Some(o) = other {
            if exchange {
                o.path_fd()?;
            } else {
                o.pin()?;
            }
        }
        let host = rustix::fs::RenameFlags::from_bits_retain(flags.bits());
        rustix::fs::renameat_with(self.path_fd()?, name, to.path_fd()?, new_name, host)
            .map_err(errno)?;
        child.moved(to.arc()?, new_name);
        if let Some(o) = other
            && exchange
        {
            o.moved(self.arc()?, name);
        }
        Ok(())
    }

    pub(super) fn change_attr(&self, set: &SetAttr) -> Result<(), Errno> {
        self.writable()?;
        let fd = self.path_fd()?;
        if set.uid.is_some() || set.gid.is_some() {
            let (uid, gid) = (set.uid.map(Uid::from_raw), set.gid.map(Gid::from_raw));
            rustix::fs::chownat(&fd, "", uid, gid, AtFlags::EMPTY_PATH).map_err(errno)?;
        }
        // After the owner: changing that takes set-ID bits away.
        if let Some(m) = set.mode
            && self.kind() != mode::IFLNK
        {
            let bits = Mode::from_raw_mode(m & 0o7777);
            rustix::fs::chmod(&*self.proc_link()?, bits).map_err(errno)?;
        }
        if set.atime.is_some() || set.mtime.is_some() {
            let times = Timestamps {
                last_access: timespec(set.atime),
                last_modification: timespec(set.mtime),
            };
            rustix::fs::utimensat(&fd, "", &times, AtFlags::EMPTY_PATH).map_err(errno)?;
        }
        Ok(())
    }

    pub(super) fn read_xattr(&self, name: &[u8]) -> Result<Vec<u8>, Errno> {
        if self.kind() == mode::IFLNK {
            return Err(Errno::ENODATA);
        }
        let link = self.proc_link()?;
        // Most are short, and most files have none.
        let mut short = [0u8; 256];
        match rustix::fs::getxattr(&*link, name, &mut short[..]).map_err(errno) {
            Err(Errno::ERANGE) => {}
            n => return Ok(short.get(..n?).unwrap_or_default().to_vec()),
        }
        let mut buf = vec![0u8; XATTR_MAX];
        let n = rustix::fs::getxattr(&*link, name, &mut buf[..]).map_err(errno)?;
        buf.truncate(n);
        Ok(buf)
    }

    pub(super) fn write_xattr(
        &self,
        name: &[u8],
        value: Option<&[u8]>,
        how: XattrSet,
    ) -> Result<(), Errno> {
        self.writable()?;
        if self.kind() == mode::IFLNK {
            return Err(Errno::EOPNOTSUPP);
        }
        let link = self.proc_link()?;
        let flags = XattrFlags::from_bits_retain(how.bits());
        match value {
            Some(v) => rustix::fs::setxattr(&*link, name, v, flags),
            None => rustix::fs::removexattr(&*link, name),
        }
        .map_err(errno)
    }

    pub(super) fn xattr_names(&self) -> Result<Vec<Box<[u8]>>, Errno> {
        if self.kind() == mode::IFLNK {
            return Ok(Vec::new());
        }
        let mut buf = vec![0u8; XATTR_MAX];
        let n = rustix::fs::listxattr(&*self.proc_link()?, &mut buf[..]).map_err(errno)?;
        let names = buf.get(..n).unwrap_or(&[]).split(|b| *b == 0);
        Ok(names.filter(|n| !n.is_empty()).map(Into::into).collect())
    }
}
