//! Tables of descriptors.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use sync::RwLock;
use syserr::Errno;

use super::File;
use crate::locks::LockOwner;

/// The most that `RLIMIT_NOFILE` can be at first: `fs.nr_open`'s default.
pub const NR_OPEN: u64 = 1 << 20;
/// The most descriptors that `fs.nr_open` can be set to, which bounds what a table takes.
pub(crate) const NR_OPEN_MAX: u64 = 1 << 22;

const CHUNK: usize = 64;

#[derive(Clone)]
struct Chunk {
    files: [Option<Arc<File>>; CHUNK],
    used: u64,
    cloexec: u64,
}

impl Chunk {
    fn empty() -> Box<Chunk> {
        Box::new(Chunk { files: [const { None }; CHUNK], used: 0, cloexec: 0 })
    }
}

#[derive(Default, Clone)]
struct Slots {
    chunks: Vec<Option<Box<Chunk>>>,
    /// Every descriptor below is in use.
    full_below: usize,
}

fn split(fd: i32) -> Option<(usize, usize)> {
    let fd = usize::try_from(fd).ok()?;
    Some((fd / CHUNK, fd % CHUNK))
}

impl Slots {
    fn get(&self, fd: i32) -> Option<&Arc<File>> {
        let (c, i) = split(fd)?;
        self.chunks.get(c)?.as_ref()?.files.get(i)?.as_ref()
    }

    fn chunk_mut(&mut self, fd: i32) -> Option<(&mut Chunk, usize)> {
        let (c, i) = split(fd)?;
        Some((self.chunks.get_mut(c)?.as_deref_mut()?, i))
    }

    fn lowest_free(&self, from: usize) -> usize {
        let from = from.max(self.full_below);
        let mut c = from / CHUNK;
        let mut below = (1u64 << (from % CHUNK)) - 1;
        loop {
            let Some(Some(chunk)) = self.chunks.get(c) else {
                return (c * CHUNK).max(from);
            };
            let free = !(chunk.used | below);
            if free != 0 {
                return c * CHUNK + free.trailing_zeros() as usize;
            }
            below = 0;
            c += 1;
        }
    }

    fn put(&mut self, fd: usize, file: Arc<File>, cloexec: bool) -> Option<Arc<File>> {
        let (c, i) = (fd / CHUNK, fd % CHUNK);
        if self.chunks.len() <= c {
            self.chunks.resize_with(c + 1, || None);
        }
        let chunk = self.chunks.get_mut(c)?.get_or_insert_with(Chunk::empty);
        let bit = 1u64 << i;
        chunk.used |= bit;
        if cloexec {
            chunk.cloexec |= bit;
        } else {
            chunk.cloexec &= !bit;
        }
        chunk.files.get_mut(i)?.replace(file)
    }

    fn take(&mut self, fd: i32) -> Option<Arc<File>> {
        let (chunk, i) = self.chunk_mut(fd)?;
        let file = chunk.files.get_mut(i)?.take()?;
        chunk.used &= !(1 << i);
        chunk.cloexec &= !(1 << i);
        self.full_below = self.full_below.min(fd as usize);
        Some(file)
    }

    fn iter(&self) -> impl Iterator<Item = (i32, &Arc<File>, bool)> {
        self.chunks.iter().enumerate().flat_map(|(c, chunk)| {
            chunk.iter().flat_map(move |chunk| {
                chunk.files.iter().enumerate().filter_map(move |(i, f)| {
                    let fd = (c * CHUNK + i) as i32;
                    f.as_ref().map(|f| (fd, f, chunk.cloexec >> i & 1 == 1))
                })
            })
        })
    }
}

/// A table of descriptors, shared by tasks under `CLONE_FILES`.
#[derive(Default)]
pub struct FdTable {
    slots: RwLock<Slots>,
}

impl FdTable {
    /// An empty table.
    pub fn new() -> Arc<FdTable> {
        Arc::default()
    }

    /// The description behind `fd`.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn get(&self, fd: i32) -> Result<Arc<File>, Errno> {
        self.slots.read().get(fd).cloned().ok_or(Errno::EBADF)
    }

    /// As [`FdTable::get`], but not for an `O_PATH` descriptor.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn get_open(&self, fd: i32) -> Result<Arc<File>, Errno> {
        let f = self.get(fd)?;
        f.check_not_path()?;
        Ok(f)
    }

    /// Puts `file` at the lowest free descriptor that is at least `from`, below `limit`
    /// (`RLIMIT_NOFILE`).
    ///
    /// # Errors
    /// `EMFILE`; `EINVAL` when `from` is negative or not below the limit (`F_DUPFD`).
    pub fn install(
        &self,
        file: Arc<File>,
        from: i32,
        limit: u64,
        cloexec: bool,
    ) -> Result<i32, Errno> {
        let limit = limit.min(NR_OPEN_MAX);
        let from = usize::try_from(from).map_err(|_| Errno::EINVAL)?;
        if from as u64 >= limit && from != 0 {
            return Err(Errno::EINVAL);
        }
        let mut slots = self.slots.write();
        let fd = slots.lowest_free(from);
        if fd as u64 >= limit {
            return Err(Errno::EMFILE);
        }
        slots.put(fd, file, cloexec);
        if from <= slots.full_below {
            slots.full_below = fd + 1;
        }
        Ok(fd as i32)
    }

    /// Whether there is a free descriptor below `limit`, for calls that do nothing without one.
    ///
    /// # Errors
    /// `EMFILE`.
    pub fn check_room(&self, limit: u64) -> Result<(), Errno> {
        let fd = self.slots.read().lowest_free(0) as u64;
        if fd < limit.min(NR_OPEN_MAX) { Ok(()) } else { Err(Errno::EMFILE) }
    }

    /// Puts `file` at `fd`, closing what was there; dup2(2) and dup3(2).
    ///
    /// # Errors
    /// `EBADF` when `fd` is negative or not below `limit`.
    pub fn replace(
        &self,
        fd: i32,
        file: Arc<File>,
        limit: u64,
        cloexec: bool,
    ) -> Result<(), Errno> {
        let at = usize::try_from(fd).map_err(|_| Errno::EBADF)?;
        if at as u64 >= limit.min(NR_OPEN_MAX) {
            return Err(Errno::EBADF);
        }
        let old = self.slots.write().put(at, file, cloexec);
        if let Some(old) = old {
            old.descriptor_closed(self.lock_owner());
        }
        Ok(())
    }

    /// Makes `new` another name of `old`; dup2(2) when `same_ok`, else dup3(2).
    ///
    /// # Errors
    /// `EBADF`; `EINVAL` when both are the same and that is not `same_ok`.
    pub fn dup_to(
        &self,
        old: i32,
        new: i32,
        limit: u64,
        cloexec: bool,
        same_ok: bool,
    ) -> Result<i32, Errno> {
        if old == new && !same_ok {
            return Err(Errno::EINVAL);
        }
        if !same_ok && (new < 0 || new as u64 >= limit.min(NR_OPEN_MAX)) {
            return Err(Errno::EBADF);
        }
        let file = self.get(old)?;
        if old != new {
            self.replace(new, file, limit, cloexec)?;
        }
        Ok(new)
    }

    /// Whether `fd` is closed by execve(2).
    ///
    /// # Errors
    /// `EBADF`.
    pub fn cloexec(&self, fd: i32) -> Result<bool, Errno> {
        let slots = self.slots.read();
        slots.get(fd).ok_or(Errno::EBADF)?;
        let (c, i) = split(fd).ok_or(Errno::EBADF)?;
        Ok(slots.chunks.get(c).and_then(|c| c.as_ref()).is_some_and(|c| c.cloexec >> i & 1 == 1))
    }

    /// Sets whether `fd` is closed by execve(2).
    ///
    /// # Errors
    /// `EBADF`.
    pub fn set_cloexec(&self, fd: i32, cloexec: bool) -> Result<(), Errno> {
        let mut slots = self.slots.write();
        slots.get(fd).ok_or(Errno::EBADF)?;
        let (chunk, i) = slots.chunk_mut(fd).ok_or(Errno::EBADF)?;
        chunk.cloexec = chunk.cloexec & !(1 << i) | u64::from(cloexec) << i;
        Ok(())
    }

    /// Closes `fd` and releases the table's record locks on its file.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn close(&self, fd: i32) -> Result<(), Errno> {
        let file = self.slots.write().take(fd).ok_or(Errno::EBADF)?;
        file.descriptor_closed(self.lock_owner());
        Ok(())
    }

    fn close_where(&self, which: impl Fn(i32, bool) -> bool) {
        let gone: Vec<Arc<File>> = {
            let mut slots = self.slots.write();
            let fds: Vec<i32> =
                slots.iter().filter(|(fd, _, c)| which(*fd, *c)).map(|(fd, ..)| fd).collect();
            fds.into_iter().filter_map(|fd| slots.take(fd)).collect()
        };
        for f in gone {
            f.descriptor_closed(self.lock_owner());
        }
    }

    /// Closes every descriptor from `first` to `last`, or marks it to be closed by execve(2);
    /// close_range(2).
    ///
    /// # Errors
    /// `EINVAL` when `first` is greater than `last`.
    pub fn close_range(&self, first: u32, last: u32, only_mark: bool) -> Result<(), Errno> {
        if first > last {
            return Err(Errno::EINVAL);
        }
        let inside = |fd: i32| (first..=last).contains(&(fd as u32));
        if !only_mark {
            self.close_where(|fd, _| inside(fd));
            return Ok(());
        }
        let mut slots = self.slots.write();
        let fds: Vec<i32> = slots.iter().map(|(fd, ..)| fd).filter(|fd| inside(*fd)).collect();
        for fd in fds {
            if let Some((chunk, i)) = slots.chunk_mut(fd) {
                chunk.cloexec |= 1 << i;
            }
        }
        Ok(())
    }

    /// A copy with the same descriptions: fork(2) without `CLONE_FILES`.
    pub fn fork(&self) -> Arc<FdTable> {
        let slots = self.slots.read().clone();
        Arc::new(FdTable { slots: RwLock::new(slots) })
    }

    /// Closes what execve(2) closes.
    pub fn exec(&self) {
        self.close_where(|_, cloexec| cloexec);
    }

    /// Closes everything: the last task of a process is gone.
    pub fn clear(&self) {
        self.close_where(|_, _| true);
    }

    /// One more than the highest descriptor that is open; 0 for none.
    pub fn room_taken(&self) -> u64 {
        let slots = self.slots.read();
        let used = |c: &Option<Box<Chunk>>| c.as_ref().map_or(0, |c| c.used);
        let highest = slots.chunks.iter().enumerate().rev().find(|(_, c)| used(c) != 0);
        highest.map_or(0, |(at, c)| (at * CHUNK) as u64 + u64::from(64 - used(c).leading_zeros()))
    }

    /// Every open descriptor, for `/proc/PID/fd`.
    pub fn descriptors(&self) -> Vec<i32> {
        self.slots.read().iter().map(|(fd, ..)| fd).collect()
    }

    /// How many descriptors are open. Looks at all there is room for.
    pub fn count(&self) -> usize {
        self.slots.read().iter().count()
    }

    /// The lowest descriptor after `fd` that is open, for reading `/proc/PID/fd` piece by piece.
    pub fn next_open(&self, from: i32) -> Option<i32> {
        self.slots.read().iter().map(|(fd, ..)| fd).find(|fd| *fd >= from)
    }

    /// How many descriptors the table has room for now, as `FDSize` in `/proc/PID/status`.
    pub fn capacity(&self) -> usize {
        self.slots.read().chunks.len() * CHUNK
    }

    /// The owner of this table's record locks.
    pub fn lock_owner(&self) -> LockOwner {
        LockOwner::Table(core::ptr::from_ref(self).addr() as u64)
    }
}

impl Drop for FdTable {
    fn drop(&mut self) {
        self.clear();
    }
}
