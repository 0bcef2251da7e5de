//! `/dev/null`, `/dev/zero`, `/dev/full`, `/dev/random`; null(4), full(4), random(4).

use super::{FillRandom, random};
use crate::{Caller, FileOps, Inode, Stat};
use alloc::sync::Arc;
use arch::{Addr, IoDst, IoSrc};
use core::any::Any;
use syserr::Errno;

pub(super) enum MemKind {
    Null,
    Zero,
    Full,
    Random(FillRandom),
}

pub(super) struct MemDev {
    kind: MemKind,
    inode: Arc<dyn Inode>,
}

static ZEROES: [u8; 4096] = [0; 4096];

impl MemDev {
    pub(super) fn new(kind: MemKind, inode: Arc<dyn Inode>) -> MemDev {
        MemDev { kind, inode }
    }
}

/// Delivers what `fill` makes, a piece at a time, until `dst` is full.
fn deliver(
    dst: &mut dyn IoDst,
    mut next: impl FnMut(&mut dyn IoDst, usize) -> Result<usize, Errno>,
    piece: usize,
) -> Result<usize, Errno> {
    let mut done = 0;
    while dst.remaining() > 0 {
        let want = dst.remaining().min(piece as u64) as usize;
        match next(dst, want) {
            Ok(n) => {
                done += n;
                if n < want {
                    break;
                }
            }
            Err(e) if done == 0 => return Err(e),
            Err(_) => break,
        }
    }
    Ok(done)
}

impl FileOps for MemDev {
    fn read_at(&self, dst: &mut dyn IoDst, _: u64) -> Result<usize, Errno> {
        match &self.kind {
            MemKind::Null => Ok(0),
            MemKind::Zero | MemKind::Full => deliver(dst, |d, n| d.put(&ZEROES[..n]), ZEROES.len()),
            MemKind::Random(fill) => {
                let mut buf = [0; 256];
                deliver(
                    dst,
                    |d, n| {
                        fill(&mut buf[..n]);
                        d.put(&buf[..n])
                    },
                    256,
                )
            }
        }
    }

    fn write_at(&self, src: &mut dyn IoSrc, _: u64) -> Result<usize, Errno> {
        match self.kind {
            MemKind::Full if src.remaining() > 0 => Err(Errno::ENOSPC),
            _ => Ok(src.remaining() as usize),
        }
    }

    fn seekable(&self) -> bool {
        true
    }

    fn stays_at_start(&self) -> bool {
        true
    }

    fn stat(&self) -> Result<Stat, Errno> {
        self.inode.stat()
    }

    fn ioctl(&self, caller: &dyn Caller, cmd: u32, arg: Addr) -> Result<u64, Errno> {
        match self.kind {
            MemKind::Random(_) => random::ioctl(caller, cmd, arg),
            _ => Err(Errno::ENOTTY),
        }
    }

    fn maps_anonymous(&self) -> bool {
        matches!(self.kind, MemKind::Zero)
    }

    fn mappable(&self) -> Result<Arc<dyn mm::Mappable>, Errno> {
        Err(Errno::ENODEV)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
