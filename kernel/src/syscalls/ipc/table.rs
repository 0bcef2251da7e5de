//! Identifiers, keys and permissions, common to all three kinds; `ipc/util.c`.

use super::Bounds;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicI32, Ordering::Relaxed};
use sync::{Mutex, RwLock};
use syserr::Errno;
use vfs::{Creds, UserNs, cap};

/// `IPC_CREAT`.
pub(super) const IPC_CREAT: u32 = 0o1000;
/// `IPC_EXCL`.
pub(super) const IPC_EXCL: u32 = 0o2000;
/// `IPC_NOWAIT`.
pub(super) const IPC_NOWAIT: u32 = 0o4000;
/// `IPC_RMID`.
pub(super) const IPC_RMID: u32 = 0;
/// `IPC_SET`.
pub(super) const IPC_SET: u32 = 1;
/// `IPC_STAT`.
pub(super) const IPC_STAT: u32 = 2;
/// `IPC_INFO`.
pub(super) const IPC_INFO: u32 = 3;
/// `IPC_64`, which 64-bit callers may set or not.
pub(super) const IPC_64: u32 = 0x100;
/// Bits of an identifier that are the slot (`IPCMNI_SHIFT`).
const SLOT_BITS: u32 = 15;
/// `CAP_IPC_OWNER`.
const CAP_IPC_OWNER: u32 = 15;

/// Owner and mode; `struct kern_ipc_perm`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Perm {
    pub(super) key: i32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) cuid: u32,
    pub(super) cgid: u32,
    pub(super) mode: u32,
    pub(super) seq: u16,
}

/// Who asks, and in which user namespace privileges over the objects count.
#[derive(Clone, Copy)]
pub(super) struct Asker<'a> {
    pub(super) creds: &'a Creds,
    pub(super) owner: &'a UserNs,
}

impl Asker<'_> {
    /// Whether they have a capability here.
    pub(super) fn has(&self, c: u32) -> bool {
        self.creds.has_in(self.owner, c)
    }
}

impl Perm {
    /// Permissions of a new object.
    pub(super) fn new(key: i32, creds: &Creds, flags: u32) -> Perm {
        let (uid, gid) = (creds.euid, creds.egid);
        Perm { key, uid, gid, cuid: uid, cgid: gid, mode: flags & 0o777, seq: 0 }
    }

    /// Whether the caller may do what the permission bits in `flags` say (`ipcperms`).
    pub(super) fn check(&self, who: Asker<'_>, flags: u32) -> Result<(), Errno> {
        let creds = who.creds;
        let asked = (flags >> 6) | (flags >> 3) | flags;
        let granted = if creds.euid == self.cuid || creds.euid == self.uid {
            self.mode >> 6
        } else if [self.gid, self.cgid].iter().any(|g| in_group(creds, *g)) {
            self.mode >> 3
        } else {
            self.mode
        };
        if asked & !granted & 7 != 0 && !who.has(CAP_IPC_OWNER) {
            return Err(Errno::EACCES);
        }
        Ok(())
    }

    /// Whether the caller may change or remove the object.
    pub(super) fn check_owner(&self, who: Asker<'_>) -> Result<(), Errno> {
        let owner = [self.cuid, self.uid].contains(&who.creds.euid);
        if owner || who.has(cap::SYS_ADMIN) { Ok(()) } else { Err(Errno::EPERM) }
    }

    /// What `IPC_SET` changes of it; `uid` and `gid` as `ns` calls them.
    pub(super) fn set(&mut self, ns: &UserNs, uid: u32, gid: u32, mode: u32) -> Result<(), Errno> {
        let known = ns.uid_in(uid).zip(ns.gid_in(gid));
        (self.uid, self.gid) = known.ok_or(Errno::EINVAL)?;
        self.mode = self.mode & !0o777 | mode & 0o777;
        Ok(())
    }
}

fn in_group(creds: &Creds, gid: u32) -> bool {
    creds.egid == gid || creds.groups.contains(&gid)
}

/// What a [`Table`] holds.
pub(super) trait Object {
    /// Its permissions.
    fn perm(&self) -> &Mutex<Perm>;
}

struct Slots<T> {
    slots: Vec<Option<Arc<T>>>,
    seq: u16,
    last: Option<usize>,
}

/// Objects of one kind.
pub(super) struct Table<T> {
    slots: RwLock<Slots<T>>,
    /// The identifier that the next object is to have, as far as its slot is free; -1 for any.
    pub(super) next_id: AtomicI32,
    bounds: Arc<Bounds>,
}

impl<T> Table<T> {
    pub(super) fn new(bounds: &Arc<Bounds>) -> Table<T> {
        let slots = RwLock::new(Slots { slots: Vec::new(), seq: 0, last: None });
        Table { slots, next_id: AtomicI32::new(-1), bounds: bounds.clone() }
    }
}

impl<T> Drop for Table<T> {
    fn drop(&mut self) {
        let left = self.slots.read().slots.iter().flatten().count();
        self.bounds.objects.give(left as u64);
    }
}

fn split(id: i32) -> Option<(usize, u16)> {
    let id = u32::try_from(id).ok()?;
    Some(((id & ((1 << SLOT_BITS) - 1)) as usize, (id >> SLOT_BITS) as u16))
}

impl<T: Object> Table<T> {
    /// The object with a key, or a new one (`ipcget`). `fits` checks an existing one before its
    /// permissions; `make` makes one with the identifier it gets.
    pub(super) fn get(
        &self,
        key: i32,
        flags: u32,
        who: Asker<'_>,
        most: usize,
        fits: impl FnOnce(&T) -> Result<(), Errno>,
        make: impl FnOnce(Perm, i32) -> Result<T, Errno>,
    ) -> Result<i32, Errno> {
        let mut t = self.slots.write();
        if key != 0 {
            let found = t.slots.iter().enumerate().find_map(|(i, o)| {
                let o = o.as_ref()?;
                let p = *o.perm().lock();
                (p.key == key).then(|| (i, o.clone(), p))
            });
            if let Some((i, o, p)) = found {
                if flags & (IPC_CREAT | IPC_EXCL) == IPC_CREAT | IPC_EXCL {
                    return Err(Errno::EEXIST);
                }
                fits(&o)?;
                p.check(who, flags)?;
                return Ok(id(i, p.seq));
            }
            if flags & IPC_CREAT == 0 {
                return Err(Errno::ENOENT);
            }
        }
        if t.slots.iter().flatten().count() >= most {
            return Err(Errno::ENOSPC);
        }
        let wanted = split(self.next_id.load(Relaxed));
        let from = wanted.map_or(0, |(slot, _)| slot);
        let free = t.slots.iter().skip(from).position(Option::is_none);
        let slot = free.map_or(t.slots.len().max(from), |at| from + at);
        if slot >= 1 << SLOT_BITS {
            return Err(Errno::ENOSPC);
        }
        let seq = match wanted {
            Some((_, seq)) => seq,
            // The sequence number and the slot together fit a positive identifier.
            None if t.last.is_some_and(|last| slot <= last) => {
                (t.seq + 1) % (1 << (31 - SLOT_BITS - 1))
            }
            None => t.seq,
        };
        let mut perm = Perm::new(key, who.creds, flags);
        perm.seq = seq;
        self.bounds.objects.exchange(0, 1)?;
        let made = make(perm, id(slot, seq)).inspect_err(|_| self.bounds.objects.give(1))?;
        let made = Arc::new(made);
        if wanted.is_some() {
            self.next_id.store(-1, Relaxed);
        } else {
            (t.seq, t.last) = (seq, Some(slot));
        }
        if t.slots.len() <= slot {
            t.slots.resize_with(slot + 1, || None);
        }
        if let Some(room) = t.slots.get_mut(slot) {
            *room = Some(made);
        }
        Ok(id(slot, seq))
    }

    /// The object with an identifier.
    pub(super) fn find(&self, id: i32) -> Result<Arc<T>, Errno> {
        let (slot, seq) = split(id).ok_or(Errno::EINVAL)?;
        let t = self.slots.read();
        let o = t.slots.get(slot).and_then(Option::as_ref).ok_or(Errno::EINVAL)?;
        if o.perm().lock().seq == seq { Ok(o.clone()) } else { Err(Errno::EINVAL) }
    }

    /// The object in a slot, with its identifier; `SHM_STAT` and the like. Of an identifier, only
    /// the slot counts (`ipcid_to_idx` in ipc/util.h).
    pub(super) fn at(&self, slot: i32) -> Result<(Arc<T>, i32), Errno> {
        let (i, _) = split(slot).ok_or(Errno::EINVAL)?;
        let t = self.slots.read();
        let o = t.slots.get(i).and_then(Option::as_ref).ok_or(Errno::EINVAL)?;
        let seq = o.perm().lock().seq;
        Ok((o.clone(), id(i, seq)))
    }

    /// Takes an object out. False when somebody else has.
    pub(super) fn remove(&self, object: &Arc<T>) -> bool {
        let mut t = self.slots.write();
        let slot = t.slots.iter_mut().find(|o| o.as_ref().is_some_and(|o| Arc::ptr_eq(o, object)));
        let gone = slot.and_then(Option::take);
        drop(t);
        self.bounds.objects.give(gone.is_some().into());
        gone.is_some()
    }

    /// Every object.
    pub(super) fn all(&self) -> Vec<Arc<T>> {
        self.slots.read().slots.iter().flatten().cloned().collect()
    }

    /// The highest slot in use, or 0: what the `INFO` commands return.
    pub(super) fn highest(&self) -> u64 {
        self.slots.read().slots.iter().rposition(Option::is_some).unwrap_or(0) as u64
    }
}

fn id(slot: usize, seq: u16) -> i32 {
    (i32::from(seq) << SLOT_BITS) | slot as i32
}
