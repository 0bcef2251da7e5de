//! A node as an open file or directory.

use alloc::sync::Arc;
use arch::{IoDst, IoSrc};
use core::any::Any;
use core::ops::Range;
use mm::MemoryObject;
use syserr::Errno;

use super::Node;
use super::content::Content;
use super::memfd::{FilePages, SEAL_FUTURE_WRITE, SEAL_GROW, SEAL_SHRINK, SEAL_WRITE};
use super::node::Data;
use crate::{CacheStat, DirEntry, FileOps, Stat, Whence, mode};

const KEEP_SIZE: u32 = 1;
const PUNCH_HOLE: u32 = 2;

impl Node {
    fn own(&self) -> Result<Arc<MemoryObject>, Errno> {
        match &self.data {
            Data::File(c) => match &*c.read() {
                Content::Own(o) => Ok(o.clone()),
                Content::Lower(_) => Err(Errno::EBADF),
            },
            Data::Dir(_) => Err(Errno::EISDIR),
            _ => Err(Errno::EINVAL),
        }
    }

    fn lower_ops(&self) -> Option<Arc<dyn FileOps>> {
        match &self.data {
            Data::File(c) => match &*c.read() {
                Content::Lower(ops) => ops.clone(),
                Content::Own(_) => None,
            },
            _ => None,
        }
    }

    fn may_write(&self, object: &MemoryObject, end: u64) -> Result<(), Errno> {
        if self.sealed(SEAL_WRITE | SEAL_FUTURE_WRITE)
            || self.sealed(SEAL_GROW) && end > object.size()
        {
            return Err(Errno::EPERM);
        }
        Ok(())
    }
}

impl FileOps for Node {
    fn read_at(&self, dst: &mut dyn IoDst, offset: u64) -> Result<usize, Errno> {
        if let Some(lower) = self.lower_ops() {
            return lower.read_at(dst, offset);
        }
        self.own()?.read_at(offset, dst)
    }

    fn write_at(&self, src: &mut dyn IoSrc, offset: u64) -> Result<usize, Errno> {
        let object = self.own()?;
        if src.remaining() == 0 {
            return Ok(0);
        }
        self.may_write(&object, offset.saturating_add(src.remaining()))?;
        let n = object.write_at(offset, src)?;
        self.touch()?;
        Ok(n)
    }

    fn append(&self, src: &mut dyn IoSrc) -> Result<(usize, u64), Errno> {
        let _one = self.writing.lock();
        let end = self.own()?.size();
        let n = self.write_at(src, end)?;
        Ok((n, end + n as u64))
    }

    fn seekable(&self) -> bool {
        true
    }

    fn seek(&self, offset: i64, whence: Whence) -> Result<u64, Errno> {
        if self.kind == mode::IFDIR {
            // As `dcache_dir_lseek` has it, a directory has no end to seek from.
            return Err(Errno::EINVAL);
        }
        if let Some(lower) = self.lower_ops() {
            return lower.seek(offset, whence);
        }
        let object = self.own()?;
        match whence {
            Whence::Data | Whence::Hole => {
                let at = u64::try_from(offset).map_err(|_| Errno::ENXIO)?;
                object.seek(at, whence == Whence::Hole).ok_or(Errno::ENXIO)
            }
            _ => object.size().checked_add_signed(offset).ok_or(Errno::EINVAL),
        }
    }

    fn cached(&self, range: Range<u64>) -> CacheStat {
        if let Some(lower) = self.lower_ops() {
            return lower.cached(range);
        }
        let Ok(object) = self.own() else { return CacheStat::default() };
        let (mut at, mut cached) = (range.start, 0);
        while let Some(start) = object.seek(at, false).filter(|s| *s < range.end) {
            let end = object.seek(start, true).unwrap_or(range.end).min(range.end);
            cached += end.div_ceil(arch::PAGE_SIZE) - start / arch::PAGE_SIZE;
            at = end;
        }
        CacheStat { cached, dirty: 0 }
    }

    fn stat(&self) -> Result<Stat, Errno> {
        self.full_stat()
    }

    fn read_dir(&self, from: u64, emit: &mut dyn FnMut(&DirEntry) -> bool) -> Result<(), Errno> {
        self.list(from, emit)
    }

    fn mappable(&self) -> Result<Arc<dyn mm::Mappable>, Errno> {
        if let Some(lower) = self.lower_ops() {
            return lower.mappable();
        }
        let object = self.own().map_err(|_| Errno::ENODEV)?;
        Ok(Arc::new(FilePages { node: self.arc()?, object }))
    }

    fn truncate(&self, size: u64) -> Result<(), Errno> {
        let object = self.own()?;
        let old = object.size();
        if size < old && self.sealed(SEAL_SHRINK) || size > old && self.sealed(SEAL_GROW) {
            return Err(Errno::EPERM);
        }
        object.truncate(size)?;
        self.touch()
    }

    fn allocate(&self, how: u32, offset: u64, len: u64) -> Result<(), Errno> {
        let object = self.own()?;
        let end = offset.saturating_add(len);
        match how {
            0 | KEEP_SIZE => {
                if how == 0 && self.sealed(SEAL_GROW) && end > object.size() {
                    return Err(Errno::EPERM);
                }
                // What can't be had is not begun.
                let free = self.fs.statfs().bfree.saturating_add(object.resident_pages());
                if len.div_ceil(4096) > free {
                    return Err(Errno::ENOSPC);
                }
                object.allocate(offset..end).map_err(|_| Errno::ENOSPC)?;
                if how == 0 && end > object.size() {
                    object.truncate(end)?;
                }
            }
            h if h == PUNCH_HOLE | KEEP_SIZE => {
                if self.sealed(SEAL_WRITE | SEAL_FUTURE_WRITE) {
                    return Err(Errno::EPERM);
                }
                object.punch(offset..end);
            }
            _ => return Err(Errno::EOPNOTSUPP),
        }
        self.touch()
    }

    fn accessed(&self, relatime: bool) {
        self.note_access(relatime);
    }

    fn sync(&self, _: bool) -> Result<(), Errno> {
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
