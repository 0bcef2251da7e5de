//! Device nodes: memory devices, random numbers, terminals, and what a fresh `/dev` holds.

mod mem;
mod random;

use crate::env::{makedev, split_dev};
use crate::pipe::Pipe;
use crate::tty::{Ptys, TtyFile};
use crate::{Create, FileOps, Inode, OpenFlags, Path, PathCx, SpecialFiles, mode};
use alloc::sync::Arc;
use mem::{MemDev, MemKind};
pub use random::POOL_BITS;
use syserr::Errno;

/// Fills a buffer with random bytes that are fit for keys.
pub type FillRandom = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// The devices of one kernel.
pub struct Devices {
    random: FillRandom,
    ptys: Arc<Ptys>,
}

impl Devices {
    /// Devices whose random numbers come from `random`, with the terminals `ptys`.
    pub fn new(random: FillRandom, ptys: Arc<Ptys>) -> Arc<Devices> {
        Arc::new(Devices { random, ptys })
    }

    /// The pseudo-terminals.
    pub fn ptys(&self) -> &Arc<Ptys> {
        &self.ptys
    }
}

/// `/dev/null`.
pub const NULL: u64 = makedev(1, 3);
/// `/dev/zero`.
pub const ZERO: u64 = makedev(1, 5);
/// `/dev/full`.
pub const FULL: u64 = makedev(1, 7);
/// `/dev/random`.
pub const RANDOM: u64 = makedev(1, 8);
/// `/dev/urandom`.
pub const URANDOM: u64 = makedev(1, 9);
/// `/dev/tty`.
pub const TTY: u64 = makedev(5, 0);
/// `/dev/ptmx`.
pub const PTMX: u64 = makedev(5, 2);
/// Major number of the terminals in `/dev/pts`.
pub const PTS_MAJOR: u32 = 136;

impl SpecialFiles for Devices {
    fn open_fifo(
        &self,
        inode: &Arc<dyn Inode>,
        flags: OpenFlags,
    ) -> Result<Arc<dyn FileOps>, Errno> {
        let state = inode.state().ok_or(Errno::ENXIO)?;
        let stat = inode.stat()?;
        let pipe = state.attached_or(|| Pipe::new(stat));
        let pipe = pipe.downcast::<Pipe>().map_err(|_| Errno::ENXIO)?;
        Ok(Arc::new(pipe.open(flags)?.of(inode)))
    }

    fn open_device(
        &self,
        kind: u32,
        rdev: u64,
        inode: &Arc<dyn Inode>,
        beside: &dyn Fn(&[u8]) -> Option<Path>,
        flags: OpenFlags,
        cx: &PathCx<'_>,
    ) -> Result<Arc<dyn FileOps>, Errno> {
        if kind != mode::IFCHR {
            return Err(Errno::ENXIO);
        }
        let kind = match rdev {
            NULL => MemKind::Null,
            ZERO => MemKind::Zero,
            FULL => MemKind::Full,
            RANDOM | URANDOM => MemKind::Random(self.random.clone()),
            TTY => return self.ptys.open_controlling((cx.tgid, cx.creds), flags),
            PTMX => return self.ptys.open_master(inode, beside, cx.creds, flags),
            _ if split_dev(rdev).0 == PTS_MAJOR => {
                return self.ptys.open_slave(inode, (cx.tgid, cx.creds), flags);
            }
            _ => return Err(Errno::ENXIO),
        };
        Ok(Arc::new(MemDev::new(kind, inode.clone())))
    }
}

/// Makes the nodes and links of a fresh `/dev` in the directory `root`.
///
/// # Errors
/// What [`Inode::create`] fails with.
pub fn populate(root: &Arc<dyn Inode>) -> Result<(), Errno> {
    let what = |mode, rdev, target| Create { mode, rdev, target, ..Create::default() };
    let nodes: [(&[u8], u64); 7] = [
        (b"null", NULL),
        (b"zero", ZERO),
        (b"full", FULL),
        (b"random", RANDOM),
        (b"urandom", URANDOM),
        (b"tty", TTY),
        (b"ptmx", PTMX),
    ];
    for (name, rdev) in nodes {
        root.create(name, &what(mode::IFCHR | 0o666, rdev, b""))?;
    }
    let links: [(&[u8], &[u8]); 4] = [
        (b"fd", b"/proc/self/fd"),
        (b"stdin", b"/proc/self/fd/0"),
        (b"stdout", b"/proc/self/fd/1"),
        (b"stderr", b"/proc/self/fd/2"),
    ];
    for (name, target) in links {
        root.create(name, &what(mode::IFLNK | 0o777, 0, target))?;
    }
    for name in [&b"pts"[..], b"shm"] {
        root.create(name, &what(mode::IFDIR | 0o755, 0, b""))?;
    }
    Ok(())
}

impl core::fmt::Debug for Devices {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Devices").finish_non_exhaustive()
    }
}

/// The terminal behind an open file, if it is one.
pub fn terminal(ops: &dyn FileOps) -> Option<&TtyFile> {
    ops.as_any().downcast_ref()
}
