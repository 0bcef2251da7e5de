//! Shared memory segments; shmget(2), shmat(2), shmdt(2).

use super::table::{Object, Perm};
use super::{ipc, now};
use crate::{Args, Kernel, Outcome, TaskCx};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{Access, Addr, AddrRange, PAGE_SIZE};
use core::ops::Range;
use mm::{
    Asker, MapFlags, Mappable, MappedObject, MappingIdentity, MemoryManager, MemoryObject,
    MmapArgs, ObjectMapping, Overcommit, Reservation, TranslateError, Translation,
};
use sync::Mutex;
use syserr::Errno;
use vfs::cap;
use vfs::proc::IpcLimit;

/// Largest segment (`SHMMAX`).
pub(super) const SHMMAX: u64 = u64::MAX - (1 << 24);
/// Most segments (`SHMMNI`).
pub(super) const SHMMNI: usize = 4096;
/// `SHM_DEST`: removed once nobody has it attached.
pub(super) const SHM_DEST: u32 = 0o1000;
/// `SHM_LOCKED`.
pub(super) const SHM_LOCKED: u32 = 0o2000;
/// `SHM_HUGETLB` of shmget(2), and what shmat(2) takes.
const SHM_HUGETLB: u32 = 0o4000;
/// `SHM_NORESERVE` of shmget(2).
const SHM_NORESERVE: u32 = 0o10000;
const SHM_RDONLY: u32 = 0o10000;
const SHM_RND: u32 = 0o20000;
const SHM_REMAP: u32 = 0o40000;
const SHM_EXEC: u32 = 0o100_000;

/// A piece of a segment in an address space.
#[derive(Clone, Copy)]
struct Piece {
    /// Address of the [`MemoryManager`].
    space: usize,
    range: AddrRange,
    offset: u64,
}

impl Piece {
    /// Where the segment's first byte is, or would be.
    fn base(&self) -> (usize, u64) {
        (self.space, self.range.start.0.wrapping_sub(self.offset))
    }
}

/// Times and processes, for `IPC_STAT`.
#[derive(Clone, Copy, Default)]
pub(super) struct History {
    pub(super) atime: i64,
    pub(super) dtime: i64,
    pub(super) ctime: i64,
    pub(super) cpid: i32,
    pub(super) lpid: i32,
}

/// A shared memory segment.
pub(super) struct Segment {
    pub(super) perm: Mutex<Perm>,
    id: i32,
    pub(super) size: u64,
    pub(super) history: Mutex<History>,
    memory: MemoryObject,
    /// Held for its sake.
    _reserved: Option<Reservation>,
    pieces: Mutex<Vec<Piece>>,
}

impl Object for Segment {
    fn perm(&self) -> &Mutex<Perm> {
        &self.perm
    }
}

fn space_of(m: &ObjectMapping) -> usize {
    m.space.as_ptr().cast::<()>().addr()
}

impl Segment {
    pub(super) fn new(
        kernel: &Kernel,
        perm: Perm,
        id: i32,
        size: u64,
        pid: i32,
        reserved: Option<Reservation>,
    ) -> Segment {
        let memory = kernel.embedder().platform.memory();
        let length = size.next_multiple_of(PAGE_SIZE);
        Segment {
            perm: Mutex::new(perm),
            id,
            size,
            history: Mutex::new(History { ctime: now(kernel), cpid: pid, ..History::default() }),
            memory: MemoryObject::new(memory, length),
            _reserved: reserved,
            pieces: Mutex::default(),
        }
    }

    /// How often it is attached.
    pub(super) fn attached(&self) -> u64 {
        let pieces = self.pieces.lock();
        let mut bases: Vec<_> = pieces.iter().map(Piece::base).collect();
        bases.sort_unstable();
        bases.dedup();
        bases.len() as u64
    }

    /// Pages of it that lie in memory.
    pub(super) fn resident_pages(&self) -> u64 {
        self.memory.resident_pages()
    }

    /// What of it is attached at `at` in an address space.
    fn attached_at(&self, space: usize, at: Addr) -> Vec<AddrRange> {
        let pieces = self.pieces.lock();
        pieces.iter().filter(|p| p.base() == (space, at.0)).map(|p| p.range).collect()
    }

    pub(super) fn is_destroyed(&self) -> bool {
        self.perm.lock().mode & SHM_DEST != 0
    }
}

impl MappingIdentity for Segment {
    fn device(&self) -> u64 {
        1
    }

    fn inode(&self) -> u64 {
        self.id as u64
    }

    fn path(&self) -> Vec<u8> {
        let key = self.perm.lock().key;
        format!("/SYSV{key:08x} (deleted)").into_bytes()
    }
}

impl Mappable for Segment {
    fn object_id(&self) -> u64 {
        self.memory.object_id()
    }

    fn translate(
        &self,
        required: Range<u64>,
        optional: Range<u64>,
        access: Access,
    ) -> Result<Translation, TranslateError> {
        self.memory.translate(required, optional, access)
    }

    fn resident(&self, range: Range<u64>) -> Option<Translation> {
        self.memory.resident(range)
    }

    fn add_mapping(&self, mapping: &ObjectMapping) -> Result<(), Errno> {
        self.memory.add_mapping(mapping)?;
        let (space, range, offset) = (space_of(mapping), mapping.range, mapping.offset);
        self.pieces.lock().push(Piece { space, range, offset });
        Ok(())
    }

    fn remove_mapping(&self, mapping: &ObjectMapping) {
        self.memory.remove_mapping(mapping);
        let gone = Piece { space: space_of(mapping), range: mapping.range, offset: mapping.offset };
        cut(&mut self.pieces.lock(), &gone);
    }

    fn sync(&self, range: Range<u64>) -> Result<(), Errno> {
        self.memory.sync(range)
    }

    fn punch_hole(&self, range: Range<u64>) -> Result<(), Errno> {
        self.memory.punch_hole(range)
    }
}

/// Takes a range out of the pieces, once: where the segment was attached again in its own place,
/// the new mapping is there before the old one goes.
fn cut(pieces: &mut Vec<Piece>, gone: &Piece) {
    let mut at = gone.range.start;
    while at < gone.range.end {
        let holds = |p: &Piece| p.base() == gone.base() && p.range.start <= at && at < p.range.end;
        let Some(i) = pieces.iter().position(holds) else { return };
        let p = pieces.remove(i);
        let end = p.range.end.min(gone.range.end);
        for (start, end) in [(p.range.start, at), (end, p.range.end)] {
            if start < end {
                let offset = p.offset + (start.0 - p.range.start.0);
                pieces.push(Piece { range: AddrRange { start, end }, offset, ..p });
            }
        }
        at = end;
    }
}

/// Forgets segments that are to go and that nobody has attached any more.
pub(super) fn sweep(cx: &TaskCx) {
    let ipc = ipc(cx);
    let table = &ipc.objects.shm;
    for s in table.all() {
        if s.is_destroyed() && s.attached() == 0 {
            table.remove(&s);
        }
    }
}

/// Reserves memory for a segment, unless that is not wanted and may be so.
fn reserve(cx: &TaskCx, size: u64, flags: u32) -> Result<Option<Reservation>, Errno> {
    let policy = cx.kernel().overcommit();
    if flags & SHM_NORESERVE != 0 && !policy.counts_all() {
        return Ok(None);
    }
    let bytes = size.checked_next_multiple_of(PAGE_SIZE).ok_or(Errno::ENOMEM)?;
    let mapped = cx.task.mm().map_or(0, |mm| mm.stats().size);
    let by = Asker { mapped, is_admin: cx.task.creds().has(cap::SYS_ADMIN) };
    Reservation::new(policy.clone(), bytes, by).map(Some)
}

/// shmget(2).
pub(crate) fn sys_shmget(cx: &mut TaskCx, a: &Args) -> Outcome {
    let (key, size, flags) = (a[0] as i32, a[1], a[2] as u32);
    sweep(cx);
    let (ipc, creds) = (ipc(cx), cx.task.creds());
    let limits = &ipc.objects.limits;
    let most = limits.get(IpcLimit::ShmMni) as usize;
    let fits = |s: &Segment| if s.size < size { Err(Errno::EINVAL) } else { Ok(()) };
    let make = |perm: Perm, id| {
        if flags & SHM_HUGETLB != 0 {
            // As with no huge page set aside (`hugetlb_file_setup`).
            let may = creds.has(cap::IPC_LOCK);
            return Err(if may { Errno::ENOMEM } else { Errno::EPERM });
        }
        if size == 0 || size > limits.get(IpcLimit::ShmMax) {
            return Err(Errno::EINVAL);
        }
        let reserved = reserve(cx, size, flags)?;
        Ok(Segment::new(cx.kernel(), perm, id, size, cx.task.tgid(), reserved))
    };
    let id = ipc.objects.shm.get(key, flags, ipc.asker(&creds), most, fits, make);
    id.map(|id| id as u64).into()
}

/// shmat(2).
pub(crate) fn sys_shmat(cx: &mut TaskCx, a: &Args) -> Outcome {
    shmat(cx, a[0] as i32, a[1], a[2] as u32).into()
}

fn shmat(cx: &TaskCx, id: i32, mut at: u64, flags: u32) -> Result<u64, Errno> {
    sweep(cx);
    if id < 0 {
        return Err(Errno::EINVAL);
    }
    // Also where rounding leaves nothing of the address.
    let fixed = at != 0;
    if !at.is_multiple_of(PAGE_SIZE) {
        if flags & SHM_RND == 0 {
            return Err(Errno::EINVAL);
        }
        at -= at % PAGE_SIZE;
    }
    if at == 0 && flags & SHM_REMAP != 0 {
        return Err(Errno::EINVAL);
    }
    let (mut prot, mut asked) = (Access::READ, 0o444);
    if flags & SHM_RDONLY == 0 {
        prot |= Access::WRITE;
        asked |= 0o222;
    }
    if flags & SHM_EXEC != 0 {
        prot |= Access::EXEC;
        asked |= 0o111;
    }
    let ipc = ipc(cx);
    let segment = ipc.objects.shm.find(id)?;
    let perm = *segment.perm.lock();
    perm.check(ipc.asker(&cx.task.creds()), asked)?;
    let place = match (fixed, flags & SHM_REMAP) {
        (false, _) => MapFlags::empty(),
        (_, 0) => MapFlags::FIXED_NOREPLACE,
        _ => MapFlags::FIXED,
    };
    let readonly = flags & SHM_RDONLY != 0;
    let mapped = cx.mm().mmap(MmapArgs {
        addr: Addr(at),
        len: segment.size,
        prot,
        flags: MapFlags::SHARED | place,
        max_prot: if readonly { Access::READ | Access::EXEC } else { Access::ALL },
        object: Some(MappedObject { object: segment.clone(), identity: segment.clone() }),
        offset: 0,
        limits: &cx.task.memory_limits(),
    });
    let at = match mapped {
        Err(Errno::EEXIST) => return Err(Errno::EINVAL),
        r => r?,
    };
    let mut h = segment.history.lock();
    (h.atime, h.lpid) = (now(cx.kernel()), cx.task.tgid());
    Ok(at.0)
}

/// shmdt(2).
pub(crate) fn sys_shmdt(cx: &mut TaskCx, a: &Args) -> Outcome {
    shmdt(cx, a[0]).into()
}

fn shmdt(cx: &TaskCx, at: u64) -> Result<u64, Errno> {
    if !at.is_multiple_of(PAGE_SIZE) {
        return Err(Errno::EINVAL);
    }
    let space = Arc::as_ptr(cx.mm()).cast::<()>().addr();
    let found = ipc(cx).objects.shm.all().into_iter().find_map(|s| {
        let pieces = s.attached_at(space, Addr(at));
        (!pieces.is_empty()).then_some((s, pieces))
    });
    let (segment, pieces) = found.ok_or(Errno::EINVAL)?;
    for r in pieces {
        MemoryManager::munmap(cx.mm(), r.start, r.len())?;
    }
    {
        let mut h = segment.history.lock();
        (h.dtime, h.lpid) = (now(cx.kernel()), cx.task.tgid());
    }
    sweep(cx);
    Ok(0)
}
