//! Reading, writing and seeking through a description.

use alloc::sync::Arc;
use arch::{IoDst, IoSrc};
use syserr::Errno;

use super::File;
use crate::file_flags::{self, FileFlags};
use crate::landlock::Access;
use crate::notify::{self, Mask};
use crate::{Creds, DirEntry, MountFlags, OpenFlags, Whence, mode};

/// A source cut short at a size limit.
struct Limited<'a> {
    src: &'a mut dyn IoSrc,
    left: u64,
}

impl IoSrc for Limited<'_> {
    fn remaining(&self) -> u64 {
        self.src.remaining().min(self.left)
    }

    fn take(&mut self, buf: &mut [u8]) -> Result<usize, Errno> {
        let n = (buf.len() as u64).min(self.left) as usize;
        let Some(part) = buf.get_mut(..n) else { return Ok(0) };
        let n = self.src.take(part)?;
        self.left -= n as u64;
        Ok(n)
    }

    fn untake(&mut self, n: usize) {
        self.src.untake(n);
        self.left = self.left.saturating_add(n as u64);
    }
}

/// Takes the entries of a directory.
pub trait DirSink {
    /// One entry; false when there is no room for it.
    fn entry(&mut self, e: &DirEntry) -> bool;
    /// Hears that there will be no more.
    ///
    /// # Errors
    /// When the entries cannot be handed on.
    fn finish(&mut self) -> Result<(), Errno> {
        Ok(())
    }
}

impl<F: FnMut(&DirEntry) -> bool> DirSink for F {
    fn entry(&mut self, e: &DirEntry) -> bool {
        self(e)
    }
}

/// `pos + len` must stay a legal `loff_t`.
fn verify_area(pos: u64, len: u64) -> Result<(), Errno> {
    match pos.checked_add(len) {
        Some(end) if end <= i64::MAX as u64 => Ok(()),
        _ => Err(Errno::EINVAL),
    }
}

impl File {
    fn check_readable(&self) -> Result<(), Errno> {
        if self.flags().readable() { Ok(()) } else { Err(Errno::EBADF) }
    }

    fn check_writable(&self) -> Result<(), Errno> {
        if self.flags().writable() { Ok(()) } else { Err(Errno::EBADF) }
    }

    /// Reads at the description's position and advances it; read(2).
    ///
    /// # Errors
    /// `EBADF` when not open for reading; `EAGAIN` when it would block; what the file says.
    pub fn read(&self, dst: &mut dyn IoDst) -> Result<usize, Errno> {
        self.read_next(dst).inspect(|n| self.moved(*n, Mask::ACCESS))
    }

    /// Notes the time of access, unless the description or the mount keeps it (`atime_needs_update`).
    pub(super) fn note_access(&self) {
        let mount = self.path().mount().flags();
        let kept = MountFlags::NOATIME.bits()
            | if self.kind() == mode::IFDIR { MountFlags::NODIRATIME.bits() } else { 0 };
        let keeps = self.flags().contains(OpenFlags::NOATIME)
            || mount.intersects(MountFlags::from_bits_retain(kept | MountFlags::RDONLY.bits()));
        if !keeps {
            self.ops().accessed(mount.contains(MountFlags::RELATIME));
        }
    }

    /// Tells watches that bytes were read or written.
    fn moved(&self, n: usize, mask: Mask) {
        if n > 0 {
            notify::transferred(self.path(), mask);
        }
    }

    fn read_next(&self, dst: &mut dyn IoDst) -> Result<usize, Errno> {
        self.check_readable()?;
        if self.kind() == mode::IFDIR {
            return Err(Errno::EISDIR);
        }
        if !self.ops().seekable() {
            return self.ops().read_at(dst, 0);
        }
        if let Some(c) = self.ops().cursor() {
            return c.read(dst);
        }
        let mut pos = self.position.lock();
        verify_area(*pos, dst.remaining())?;
        let n = self.ops().read_at(dst, *pos)?;
        *pos += n as u64;
        drop(pos);
        self.note_access();
        Ok(n)
    }

    /// Reads at `offset`; pread(2).
    ///
    /// # Errors
    /// `EINVAL` for a negative offset, `ESPIPE` for a stream, else as [`File::read`].
    pub fn pread(&self, dst: &mut dyn IoDst, offset: i64) -> Result<usize, Errno> {
        let offset = u64::try_from(offset).map_err(|_| Errno::EINVAL)?;
        self.check_not_path()?;
        if !self.ops().seekable() {
            return Err(Errno::ESPIPE);
        }
        self.check_readable()?;
        verify_area(offset, dst.remaining())?;
        let n = self.ops().read_at(dst, offset)?;
        self.note_access();
        self.moved(n, Mask::ACCESS);
        Ok(n)
    }

    /// Writes at the description's position, or with `O_APPEND` at the end, and advances the
    /// position; write(2). A regular file does not grow past `limit` bytes (`RLIMIT_FSIZE`).
    ///
    /// # Errors
    /// `EBADF` when not open for writing; `EFBIG` when the limit allows no byte (the caller then
    /// sends `SIGXFSZ`); `EAGAIN` when it would block; what the file says.
    pub fn write(&self, src: &mut dyn IoSrc, limit: u64) -> Result<usize, Errno> {
        self.write_next(src, limit).inspect(|n| self.moved(*n, Mask::MODIFY))
    }

    fn write_next(&self, src: &mut dyn IoSrc, limit: u64) -> Result<usize, Errno> {
        self.check_writable()?;
        if !self.ops().seekable() {
            return self.ops().write_at(src, 0);
        }
        if self.flags().contains(OpenFlags::APPEND) {
            return self.write_at_end(src, limit, true);
        }
        if let Some(c) = self.ops().cursor() {
            return self.limited(src, limit, || c.seek(0, Whence::Current), |src| c.write(src));
        }
        let mut pos = self.position.lock();
        verify_area(*pos, src.remaining())?;
        let n = self.write_limited(src, *pos, limit)?;
        *pos += n as u64;
        Ok(n)
    }

    /// Writes at `offset`, with `O_APPEND` at the end all the same; pwrite(2).
    ///
    /// # Errors
    /// `EINVAL` for a negative offset, `ESPIPE` for a stream, else as [`File::write`].
    pub fn pwrite(&self, src: &mut dyn IoSrc, offset: i64, limit: u64) -> Result<usize, Errno> {
        let offset = u64::try_from(offset).map_err(|_| Errno::EINVAL)?;
        self.check_not_path()?;
        if !self.ops().seekable() {
            return Err(Errno::ESPIPE);
        }
        self.check_writable()?;
        let written = if self.flags().contains(OpenFlags::APPEND) {
            self.append(src, limit).map(|(n, _)| n)
        } else {
            verify_area(offset, src.remaining())?;
            self.write_limited(src, offset, limit)
        };
        written.inspect(|n| self.moved(*n, Mask::MODIFY))
    }

    /// Writes at `offset` even with `O_APPEND`; `RWF_NOAPPEND` of pwritev2(2).
    ///
    /// # Errors
    /// As [`File::pwrite`].
    pub fn pwrite_exactly(
        &self,
        src: &mut dyn IoSrc,
        offset: i64,
        limit: u64,
    ) -> Result<usize, Errno> {
        let offset = u64::try_from(offset).map_err(|_| Errno::EINVAL)?;
        self.check_writable()?;
        verify_area(offset, src.remaining())?;
        self.write_limited(src, offset, limit).inspect(|n| self.moved(*n, Mask::MODIFY))
    }

    /// Writes at the end, and with `moves` advances the position; `RWF_APPEND` of pwritev2(2).
    ///
    /// # Errors
    /// As [`File::write`].
    pub fn write_end(&self, src: &mut dyn IoSrc, limit: u64, moves: bool) -> Result<usize, Errno> {
        self.check_writable()?;
        if !self.ops().seekable() {
            return self.ops().write_at(src, 0).inspect(|n| self.moved(*n, Mask::MODIFY));
        }
        self.write_at_end(src, limit, moves).inspect(|n| self.moved(*n, Mask::MODIFY))
    }

    fn write_at_end(&self, src: &mut dyn IoSrc, limit: u64, moves: bool) -> Result<usize, Errno> {
        let mut pos = self.position.lock();
        let (n, end) = self.append(src, limit)?;
        match self.ops().cursor() {
            _ if !moves => {}
            // The bytes are written, wherever the position is.
            Some(c) => drop(c.seek(end as i64, Whence::Set)),
            None => *pos = end,
        }
        Ok(n)
    }

    fn append(&self, src: &mut dyn IoSrc, limit: u64) -> Result<(usize, u64), Errno> {
        self.limited(src, limit, || Ok(self.stat()?.size), |src| self.ops().append(src))
    }

    fn write_limited(&self, src: &mut dyn IoSrc, at: u64, limit: u64) -> Result<usize, Errno> {
        self.limited(src, limit, || Ok(at), |src| self.ops().write_at(src, at))
    }

    /// Calls `write` with as much of `src` as `limit` allows when writing starts at `at`.
    fn limited<T>(
        &self,
        src: &mut dyn IoSrc,
        limit: u64,
        at: impl FnOnce() -> Result<u64, Errno>,
        write: impl FnOnce(&mut dyn IoSrc) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        if limit == u64::MAX || self.kind() != mode::IFREG {
            return write(src);
        }
        let left = limit.saturating_sub(at()?);
        if left == 0 && src.remaining() > 0 {
            return Err(Errno::EFBIG);
        }
        write(&mut Limited { src, left })
    }

    /// Moves the position and returns the new one; lseek(2).
    ///
    /// # Errors
    /// `EBADF`, `ESPIPE` for a stream, `EINVAL` when the position would be negative or would
    /// not fit, `ENXIO` past the end for `Data` and `Hole`.
    pub fn seek(&self, offset: i64, whence: Whence) -> Result<u64, Errno> {
        self.check_not_path()?;
        if self.ops().ignores_seeks() {
            return Ok(0);
        }
        if !self.ops().seekable() {
            return Err(Errno::ESPIPE);
        }
        if self.ops().stays_at_start() {
            return Ok(0);
        }
        if let Some(c) = self.ops().cursor() {
            return c.seek(offset, whence);
        }
        let mut pos = self.position.lock();
        let new = match whence {
            Whence::Set => u64::try_from(offset).map_err(|_| Errno::EINVAL)?,
            Whence::Current => pos.checked_add_signed(offset).ok_or(Errno::EINVAL)?,
            Whence::End | Whence::Data | Whence::Hole => self.ops().seek(offset, whence)?,
        };
        if new > i64::MAX as u64 {
            return Err(Errno::EINVAL);
        }
        *pos = new;
        Ok(new)
    }

    /// The position.
    pub fn position(&self) -> u64 {
        match self.ops().cursor() {
            Some(c) => c.seek(0, Whence::Current).unwrap_or(0),
            None => *self.position.lock(),
        }
    }

    /// Reads entries of a directory from the position on; getdents(2). An entry that `sink` has no
    /// room for comes again next time; when [`DirSink::finish`] fails, all of them do.
    ///
    /// # Errors
    /// `EBADF`, `ENOTDIR`, `ENOENT` for a directory that was removed, and those of `sink`.
    pub fn read_dir(&self, sink: &mut dyn DirSink) -> Result<(), Errno> {
        if self.kind() != mode::IFDIR {
            return Err(Errno::ENOTDIR);
        }
        self.check_readable()?;
        let mut pos = self.position.lock();
        let mut at = *pos;
        self.ops().read_dir(*pos, &mut |e| {
            let taken = sink.entry(e);
            if taken {
                at = e.next;
            }
            taken
        })?;
        sink.finish()?;
        *pos = at;
        drop(pos);
        self.note_access();
        self.happened(Mask::ACCESS);
        Ok(())
    }

    /// Changes the size; ftruncate(2).
    ///
    /// # Errors
    /// `EINVAL` when not a regular file open for writing, or negative; `EACCES` where landlock(7)
    /// forbids it; `EFBIG` past `limit`.
    pub fn truncate(&self, size: i64, limit: u64, creds: &Creds) -> Result<(), Errno> {
        let size = u64::try_from(size).map_err(|_| Errno::EINVAL)?;
        self.check_not_path()?;
        if !self.is_regular() || !self.flags().writable() {
            return Err(Errno::EINVAL);
        }
        if file_flags::has(&**self.inode(), FileFlags::APPEND) {
            return Err(Errno::EPERM);
        }
        if !self.is_granted(Access::TRUNCATE) {
            return Err(Errno::EACCES);
        }
        if size > limit && size > self.stat()?.size {
            return Err(Errno::EFBIG);
        }
        self.cut(size, creds)
    }

    /// Drops the contents, as open(2) does with `O_TRUNC`.
    pub(crate) fn empty(&self, creds: &Creds) -> Result<(), Errno> {
        self.cut(0, creds)
    }

    /// Another size, which takes privileges away: one change (`do_truncate` in `fs/open.c`).
    fn cut(&self, size: u64, creds: &Creds) -> Result<(), Errno> {
        self.remove_capabilities()?;
        self.ops().truncate(size)?;
        let both = if self.remove_set_ids(creds)? { Mask::ATTRIB } else { Mask::empty() };
        self.happened(Mask::MODIFY | both);
        Ok(())
    }

    /// fallocate(2) with its `mode` bits, which takes privileges away.
    ///
    /// # Errors
    /// `EBADF`, `EINVAL` for a range that is empty or negative, `EFBIG`, `ESPIPE`, `ENODEV`,
    /// `EOPNOTSUPP`.
    pub fn allocate(
        &self,
        how: u32,
        offset: i64,
        len: i64,
        limit: u64,
        creds: &Creds,
    ) -> Result<(), Errno> {
        const KEEP_SIZE: u32 = 1;
        // What each mode may come with: PUNCH_HOLE must, ZERO_RANGE and UNSHARE_RANGE may keep the
        // size, COLLAPSE_RANGE and INSERT_RANGE may not.
        const MODES: [u32; 9] = [0, 1, 3, 8, 16, 17, 32, 64, 65];
        self.check_not_path()?;
        let (Ok(offset), Ok(len)) = (u64::try_from(offset), u64::try_from(len)) else {
            return Err(Errno::EINVAL);
        };
        if len == 0 {
            return Err(Errno::EINVAL);
        }
        if !MODES.contains(&how) {
            return Err(Errno::EOPNOTSUPP);
        }
        self.check_writable()?;
        let inode = &**self.inode();
        let rewrites = how & !KEEP_SIZE != 0 && file_flags::has(inode, FileFlags::APPEND);
        if rewrites || file_flags::has(inode, FileFlags::IMMUTABLE) {
            return Err(Errno::EPERM);
        }
        match self.kind() {
            mode::IFREG => {}
            mode::IFIFO => return Err(Errno::ESPIPE),
            mode::IFDIR => return Err(Errno::EISDIR),
            _ => return Err(Errno::ENODEV),
        }
        let end = offset.checked_add(len).filter(|e| *e <= i64::MAX as u64);
        let end = end.ok_or(Errno::EFBIG)?;
        if how & KEEP_SIZE == 0 && end > limit {
            return Err(Errno::EFBIG);
        }
        self.ops().allocate(how, offset, len)?;
        self.remove_privileges(creds)?;
        self.happened(Mask::MODIFY);
        Ok(())
    }

    /// fsync(2), or with `data_only` fdatasync(2).
    ///
    /// # Errors
    /// `EBADF`, `EINVAL`, `EIO`.
    pub fn sync(self: &Arc<Self>, data_only: bool) -> Result<(), Errno> {
        self.check_not_path()?;
        self.ops().sync(data_only)
    }
}
