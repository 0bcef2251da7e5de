//! A host file as an open file, and as something to map.

use alloc::sync::Arc;
use alloc::vec;
use arch::{Access, IoDst, IoSrc, PAGE_SIZE};
use core::any::Any;
use core::ops::Range;
use mm::{FileRange, Mappable, ObjectMapping, TranslateError, Translation};
use syserr::Errno;

use super::HostInode;
use crate::{CacheStat, DirEntry, FileOps, Stat, Whence, mode};

/// How much is written to the host at a time, in bytes.
const CHUNK: u64 = 256 << 10;

impl FileOps for HostInode {
    fn read_at(&self, dst: &mut dyn IoDst, offset: u64) -> Result<usize, Errno> {
        let size = self.host_stat()?.size;
        self.read_through(dst, offset, size)
    }

    fn write_at(&self, src: &mut dyn IoSrc, offset: u64) -> Result<usize, Errno> {
        let mut buf = vec![0; src.remaining().min(CHUNK) as usize];
        let mut done = 0;
        while src.remaining() > 0 {
            let taken = match src.take(&mut buf) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if done == 0 => return Err(e),
                Err(_) => break,
            };
            let at = offset.saturating_add(done as u64);
            let bytes = buf.get(..taken).unwrap_or(&[]);
            let written = match self.node.write_at(bytes, at) {
                Ok(n) => n.min(taken),
                Err(e) if done == 0 => {
                    src.untake(taken);
                    return Err(e);
                }
                Err(_) => 0,
            };
            self.store(at, bytes.get(..written).unwrap_or(&[]));
            done += written;
            if written < taken {
                src.untake(taken - written);
                break;
            }
        }
        self.changed()?;
        Ok(done)
    }

    fn append(&self, src: &mut dyn IoSrc) -> Result<(usize, u64), Errno> {
        let _one = self.writing.lock();
        let end = self.node.stat()?.size;
        let n = self.write_at(src, end)?;
        Ok((n, end + n as u64))
    }

    fn seekable(&self) -> bool {
        true
    }

    fn seek(&self, offset: i64, whence: Whence) -> Result<u64, Errno> {
        match whence {
            Whence::Data | Whence::Hole => {
                let at = u64::try_from(offset).map_err(|_| Errno::ENXIO)?;
                self.node.seek(at, whence == Whence::Hole)
            }
            _ => self.host_stat()?.size.checked_add_signed(offset).ok_or(Errno::EINVAL),
        }
    }

    fn cached(&self, range: Range<u64>) -> CacheStat {
        self.count_cached(range)
    }

    fn stat(&self) -> Result<Stat, Errno> {
        self.guest_stat()
    }

    fn read_dir(&self, from: u64, emit: &mut dyn FnMut(&DirEntry) -> bool) -> Result<(), Errno> {
        self.list(from, emit)
    }

    fn mappable(&self) -> Result<Arc<dyn Mappable>, Errno> {
        let this = self.this.upgrade().ok_or(Errno::EIO)?;
        match self.host_stat()?.mode & mode::IFMT {
            mode::IFREG => Ok(this),
            _ => Err(Errno::ENODEV),
        }
    }

    fn truncate(&self, size: u64) -> Result<(), Errno> {
        let before = self.size();
        self.node.truncate(size)?;
        // Nothing is written behind the new end from here on.
        self.changed()?;
        self.lose_pages(size.min(before)..u64::MAX, true);
        Ok(())
    }

    fn allocate(&self, how: u32, offset: u64, len: u64) -> Result<(), Errno> {
        const PUNCH_HOLE: u32 = 0x02;
        const COLLAPSE_RANGE: u32 = 0x08;
        const ZERO_RANGE: u32 = 0x10;
        const INSERT_RANGE: u32 = 0x20;
        let lost = if how & (COLLAPSE_RANGE | INSERT_RANGE) != 0 {
            // What was written through mappings moves with the rest.
            self.write_back(offset..u64::MAX)?;
            offset..u64::MAX
        } else if how & (PUNCH_HOLE | ZERO_RANGE) != 0 {
            offset..offset.saturating_add(len)
        } else {
            0..0
        };
        self.node.allocate(how, offset, len)?;
        self.changed()?;
        self.lose_pages(lost, false);
        Ok(())
    }

    fn sync(&self, data_only: bool) -> Result<(), Errno> {
        if self.fs().options.writable {
            self.write_back(0..u64::MAX)?;
            self.node.sync(data_only)?;
        }
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Mappable for HostInode {
    fn object_id(&self) -> u64 {
        core::ptr::from_ref(self).addr() as u64
    }

    fn translate(
        &self,
        required: Range<u64>,
        optional: Range<u64>,
        access: Access,
    ) -> Result<Translation, TranslateError> {
        let at = required.start & !(PAGE_SIZE - 1);
        for _ in 0..3 {
            let mut inner = self.pages.inner.lock();
            if let Some((start, r)) = inner.around(at) {
                let lo = optional.start.min(at).max(start);
                let hi = optional.end.max(required.end).min(start + r.len());
                let (lo, hi) = (lo & !(PAGE_SIZE - 1), hi & !(PAGE_SIZE - 1));
                if hi <= at {
                    return Err(TranslateError::Bus);
                }
                let file = FileRange { start: r.start + (lo - start), end: r.start + (hi - start) };
                let memory = self.fs().env.memory();
                memory.inc_ref(file).map_err(|_| TranslateError::NoMemory)?;
                let writable = self.fs().options.writable;
                let mut granted = Access::READ | Access::EXEC;
                if access.contains(Access::WRITE) && writable {
                    granted |= Access::WRITE;
                    inner.dirty.extend((lo..hi).step_by(PAGE_SIZE as usize));
                }
                return Ok(Translation { offset: lo, file, access: granted });
            }
            drop(inner);
            // The size as last known: asking the host could find a change and call back into the
            // memory manager, which calls this under its lock.
            if at >= self.size() {
                return Err(TranslateError::Bus);
            }
            self.fill_mapped(at).map_err(|e| match e {
                Errno::ENOMEM => TranslateError::NoMemory,
                _ => TranslateError::Bus,
            })?;
        }
        Err(TranslateError::NoMemory)
    }

    fn resident(&self, range: Range<u64>) -> Option<Translation> {
        let (offset, file) = self.cached(range)?;
        Some(Translation { offset, file, access: Access::READ | Access::EXEC })
    }

    fn is_constant(&self) -> bool {
        !self.fs().options.writable
    }

    fn add_mapping(&self, mapping: &ObjectMapping) -> Result<(), Errno> {
        if mapping.writable && !self.fs().options.writable {
            return Err(Errno::EACCES);
        }
        self.pages.mappings.add(mapping);
        Ok(())
    }

    fn remove_mapping(&self, mapping: &ObjectMapping) {
        self.pages.mappings.remove(mapping);
        if mapping.writable {
            // Nobody hears of an error here, as in Linux when pages are written back late.
            let end = mapping.offset.saturating_add(mapping.range.len());
            let _ = self.write_back(mapping.offset..end);
        }
    }

    fn sync(&self, range: Range<u64>) -> Result<(), Errno> {
        self.write_back(range)?;
        if self.fs().options.writable { self.node.sync(true) } else { Ok(()) }
    }

    fn punch_hole(&self, range: Range<u64>) -> Result<(), Errno> {
        const PUNCH_HOLE_KEEP_SIZE: u32 = 3;
        let len = range.end.saturating_sub(range.start);
        FileOps::allocate(self, PUNCH_HOLE_KEEP_SIZE, range.start, len)
    }
}
