//! User-memory I/O: the kernel's own accesses.

use crate::MemoryManager;
use crate::config::{FaultError, FutexKey};
use crate::hot::Place;
use crate::pma::{Kind, Pma};
use crate::range_map::Entry;
use crate::seam::MemoryFile;
use crate::state::State;
use crate::vma::Vma;
use arch::{Access, Addr, AddrRange, PAGE_SIZE, Partial, Permissions, UserMemory};
use syserr::Errno;

/// The longest write for which others may have to wait without sleeping, in bytes.
const SHORT: u64 = PAGE_SIZE;

/// Whether the kernel may access memory of this vma on the guest's behalf.
fn allowed(v: &Vma, write: bool, perms: Permissions) -> bool {
    let need = if write { Access::WRITE } else { Access::READ };
    match perms {
        Permissions::Obey => v.perms.effective().contains(need),
        // A write that the guest itself may not make must not reach an object (FOLL_FORCE).
        Permissions::Ignore if write => {
            v.perms.contains(Access::WRITE) || (!v.is_shared() && v.max.contains(Access::WRITE))
        }
        Permissions::Ignore => v.max.contains(Access::READ),
    }
}

fn ready(st: &State, p: &Pma, write: bool) -> bool {
    match p.kind {
        Kind::Guard => false,
        _ if !write => true,
        Kind::Shared => p.access.contains(Access::WRITE),
        Kind::Owned | Kind::Borrowed => st.is_own(p),
    }
}

impl State {
    /// The part of a pma that lies in a vma, which the guest may read.
    fn hot_place(&self, vma: &AddrRange, p: &Entry<Pma>, v: &Vma) -> Place {
        let lo = p.start.max(vma.start.0);
        Place {
            lo,
            hi: p.end.min(vma.end.0),
            file: p.value.file + (lo - p.start),
            write: v.perms.effective().contains(Access::WRITE) && ready(self, &p.value, true),
        }
    }
}

impl MemoryManager {
    /// Calls `f` with the file offset, the distance from `at` and the length of each contiguous
    /// part of `at..at + len`, in order, under the lock that keeps it there.
    fn access(
        &self,
        at: Addr,
        len: u64,
        write: bool,
        perms: Permissions,
        mut f: impl FnMut(&dyn MemoryFile, u64, u64, u64),
    ) -> Result<(), Partial> {
        let mut done = 0;
        if len == 0 {
            return Ok(());
        }
        let fault = |done: u64| Partial { done: done as usize, errno: Errno::EFAULT };
        let end = at.checked_add(len).ok_or(fault(0))?.0;
        {
            let st = self.read();
            if write && len <= SHORT {
                self.hot.open();
            }
            // What is hot may be accessed by the guest itself, so that permissions are settled.
            if let Some(p) = self.hot.find(at.0, write)
                && end <= p.hi
            {
                f(&*self.memory, p.file + (at.0 - p.lo), 0, len);
                return Ok(());
            }
            'vmas: while let Some(v) = st.vma(at.0 + done) {
                if !allowed(&v.value, write, perms) {
                    break;
                }
                let vma_end = v.end.min(end);
                while at.0 + done < vma_end {
                    let now = at.0 + done;
                    let Some(p) = st.pmas.find(now).filter(|p| ready(&st, &p.value, write)) else {
                        break 'vmas;
                    };
                    let n = p.end.min(vma_end) - now;
                    if perms == Permissions::Obey {
                        self.hot.put(now, st.hot_place(&v.range(), p, &v.value));
                    }
                    f(&*self.memory, p.value.file + (now - p.start), done, n);
                    done += n;
                }
                if done == len {
                    return Ok(());
                }
            }
        }
        while done < len {
            done += self
                .with_backed(Addr(at.0 + done), end, write, perms, |m, file, n| {
                    f(m, file, done, n);
                    n
                })
                .map_err(|_| fault(done))?;
        }
        Ok(())
    }

    /// Backs the memory at `now` and calls `f` with its file offset and how much is contiguous.
    fn with_backed<R>(
        &self,
        now: Addr,
        end: u64,
        write: bool,
        perms: Permissions,
        f: impl FnOnce(&dyn MemoryFile, u64, u64) -> R,
    ) -> Result<R, FaultError> {
        let page = now.round_down().0;
        let mut tx = self.lock();
        let limits = tx.st.limits;
        let vma = tx.find_or_grow(page, &limits).ok_or(FaultError::NotMapped)?;
        if !allowed(&vma.value, write, perms) {
            return Err(FaultError::Denied);
        }
        let want = end.checked_next_multiple_of(PAGE_SIZE).unwrap_or(end);
        let backed = tx.back(page, want, write, &vma)?;
        let p = tx.st.pmas.find(now.0).ok_or(FaultError::NotMapped)?;
        let n = backed.min(p.end).min(vma.end).min(end) - now.0;
        Ok(f(&*self.memory, p.value.file + (now.0 - p.start), n))
    }

    fn word<R>(
        &self,
        at: Addr,
        write: bool,
        f: impl Fn(&dyn MemoryFile, u64) -> R,
    ) -> Result<R, Errno> {
        if !at.0.is_multiple_of(4) {
            return Err(Errno::EINVAL);
        }
        // An aligned word that begins in a place ends in it.
        if write && let Some(r) = self.hot.write(at.0, at.0, |file| f(&*self.memory, file)) {
            return Ok(r);
        }
        {
            let st = self.read();
            if write {
                self.hot.open();
            }
            if let Some(p) = self.hot.find(at.0, write) {
                return Ok(f(&*self.memory, p.file + (at.0 - p.lo)));
            }
            if let Some(v) = st.vma(at.0)
                && allowed(&v.value, write, Permissions::Obey)
                && let Some(p) = st.pmas.find(at.0)
                && ready(&st, &p.value, write)
            {
                self.hot.put(at.0, st.hot_place(&v.range(), p, &v.value));
                return Ok(f(&*self.memory, p.value.file + (at.0 - p.start)));
            }
        }
        let end = at.checked_add(4).ok_or(Errno::EFAULT)?.0;
        self.with_backed(at, end, write, Permissions::Obey, |m, file, _| f(m, file))
            .map_err(|_| Errno::EFAULT)
    }

    /// The key of the futex word at `addr`. `shared` is the absence of `FUTEX_PRIVATE_FLAG`.
    ///
    /// # Errors
    /// `EINVAL` for an unaligned address; `EFAULT` when the word cannot be read.
    pub fn futex_key(&self, addr: Addr, shared: bool) -> Result<FutexKey, Errno> {
        if !addr.0.is_multiple_of(4) {
            return Err(Errno::EINVAL);
        }
        let private = FutexKey::Private { mm: self.id(), addr };
        if !shared {
            let max = self.read().layout.max;
            return if addr < max { Ok(private) } else { Err(Errno::EFAULT) };
        }
        // The page must be there: a word that cannot be read has no key.
        self.load_u32(addr)?;
        let st = self.read();
        let e = st.vma(addr.0).ok_or(Errno::EFAULT)?;
        match &e.value.object {
            // A private page that can be written becomes this address space's own.
            Some(o) if e.value.is_shared() || !e.value.perms.contains(Access::WRITE) => {
                let offset = e.value.offset.wrapping_add(addr.0 - e.start);
                Ok(FutexKey::Shared { object: o.object.object_id(), offset })
            }
            _ => Ok(private),
        }
    }
}

impl UserMemory for MemoryManager {
    fn copy_in(&self, from: Addr, to: &mut [u8], perms: Permissions) -> Result<(), Partial> {
        let len = to.len() as u64;
        if let Some(end) = from.checked_add(len) {
            let mut peeked = false;
            let valid = self.hot.read(from.0, end.0, |file| {
                peeked = self.memory.peek(file, to);
                peeked.then_some(())
            });
            if valid.is_some() {
                return Ok(());
            }
            if peeked {
                // What was read may be somebody else's.
                to.fill(0);
            }
        }
        self.access(from, len, false, perms, |m, file, done, n| {
            if let Some(part) = to.get_mut(done as usize..(done + n) as usize) {
                m.read(file, part);
            }
        })
    }

    fn copy_out(&self, to: Addr, from: &[u8], perms: Permissions) -> Result<(), Partial> {
        let len = from.len() as u64;
        // What is hot may be accessed by the guest itself, so that permissions are settled.
        if (1..=SHORT).contains(&len)
            && let Some(end) = to.checked_add(len)
            && self.hot.write(to.0, end.0, |file| self.memory.write(file, from)).is_some()
        {
            return Ok(());
        }
        self.access(to, len, true, perms, |m, file, done, n| {
            if let Some(part) = from.get(done as usize..(done + n) as usize) {
                m.write(file, part);
            }
        })
    }

    fn zero_out(&self, to: Addr, len: u64, perms: Permissions) -> Result<(), Partial> {
        self.access(to, len, true, perms, |m, file, _, n| m.zero(file, n))
    }

    fn load_u32(&self, at: Addr) -> Result<u32, Errno> {
        // An aligned word that begins in a place ends in it.
        if at.0.is_multiple_of(4)
            && let Some(v) = self.hot.read(at.0, at.0, |file| self.memory.peek_u32(file))
        {
            return Ok(v);
        }
        self.word(at, false, |m, file| m.load_u32(file))
    }

    fn swap_u32(&self, at: Addr, new: u32) -> Result<u32, Errno> {
        self.word(at, true, |m, file| m.swap_u32(file, new))
    }

    fn compare_exchange_u32(&self, at: Addr, old: u32, new: u32) -> Result<u32, Errno> {
        self.word(at, true, |m, file| m.compare_exchange_u32(file, old, new))
    }
}
