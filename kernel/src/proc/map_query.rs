//! `PROCMAP_QUERY`: one mapping in binary; ioctl_procmap_query(2), `do_procmap_query`.

use arch::{Access, Addr, PAGE_SIZE, Permissions, UserMemory, UserMemoryExt};
use mm::{MemoryManager, VmaFlags, VmaInfo};
use syserr::Errno;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

/// `struct procmap_query`.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Query {
    size: u64,
    flags: u64,
    addr: u64,
    start: u64,
    end: u64,
    perms: u64,
    page_size: u64,
    offset: u64,
    inode: u64,
    dev_major: u32,
    dev_minor: u32,
    name_size: u32,
    build_id_size: u32,
    name_addr: u64,
    build_id_addr: u64,
}
static_assertions::assert_eq_size!(Query, [u8; 104]);

/// The least that is asked with: up to the address.
const SIZE_MIN: u64 = 24;

bitflags::bitflags! {
    /// `PROCMAP_QUERY_*`; the first four also tell what a mapping is.
    #[derive(Clone, Copy, PartialEq, Eq)]
    struct Flags: u64 {
        const READABLE = 1;
        const WRITABLE = 2;
        const EXECUTABLE = 4;
        const SHARED = 8;
        const COVERING_OR_NEXT = 0x10;
        const FILE_BACKED = 0x20;
    }
}

/// Vmas that are looked at under one lock.
const BATCH: usize = 16;
/// The longest name; `PATH_MAX`.
const NAME_MAX: usize = 4096;

/// Answers the question at `arg` in `user`.
pub(super) fn answer(mm: &MemoryManager, user: &dyn UserMemory, arg: Addr) -> Result<(), Errno> {
    let size: u64 = user.read_obj(arg)?;
    if size > PAGE_SIZE {
        return Err(Errno::E2BIG);
    }
    if size < SIZE_MIN {
        return Err(Errno::EINVAL);
    }
    let mut bytes = alloc::vec![0; size as usize];
    user.copy_in(arg, &mut bytes, Permissions::Obey)?;
    let mut q = Query::new_zeroed();
    let known = bytes.len().min(size_of::<Query>());
    if bytes.iter().skip(known).any(|b| *b != 0) {
        return Err(Errno::E2BIG);
    }
    bytes.truncate(known);
    q.as_mut_bytes().iter_mut().zip(&bytes).for_each(|(to, from)| *to = *from);
    let wanted = Flags::from_bits(q.flags).ok_or(Errno::EINVAL)?;
    let half = |size: u32, addr: u64| (size == 0) != (addr == 0);
    if half(q.name_size, q.name_addr) || half(q.build_id_size, q.build_id_addr) {
        return Err(Errno::EINVAL);
    }
    let vma = find(mm, q.addr, wanted).ok_or(Errno::ENOENT)?;
    q.start = vma.range.start.0;
    q.end = vma.range.end.0;
    q.perms = perms(&vma).bits();
    q.page_size = PAGE_SIZE;
    let identity = vma.object.as_ref().filter(|_| is_of_file(&vma)).map(|o| &o.identity);
    let dev = identity.map_or(0, |i| i.device());
    (q.offset, q.inode) = identity.map_or((0, 0), |i| (vma.offset, i.inode()));
    (q.dev_major, q.dev_minor) = vfs::split_dev(dev);
    // Nobody here reads build IDs.
    q.build_id_size = 0;
    if q.name_size != 0 {
        let mut name = vma.name();
        if !name.is_empty() {
            name.push(0);
        }
        if name.len() > NAME_MAX.min(q.name_size as usize) {
            return Err(Errno::ENAMETOOLONG);
        }
        q.name_size = name.len() as u32;
        user.copy_out(Addr(q.name_addr), &name, Permissions::Obey)?;
    }
    bytes.iter_mut().zip(q.as_bytes()).for_each(|(to, from)| *to = *from);
    Ok(user.copy_out(arg, &bytes, Permissions::Obey)?)
}

fn perms(vma: &VmaInfo) -> Flags {
    let mut all = Flags::empty();
    all.set(Flags::READABLE, vma.perms.contains(Access::READ));
    all.set(Flags::WRITABLE, vma.perms.contains(Access::WRITE));
    all.set(Flags::EXECUTABLE, vma.perms.contains(Access::EXEC));
    all.set(Flags::SHARED, vma.flags.contains(VmaFlags::SHARED));
    all
}

/// Whether the mapping is of a file, as that of shared memory is, and not of what the kernel gave.
fn is_of_file(vma: &VmaInfo) -> bool {
    vma.object.as_ref().is_some_and(|o| o.identity.inode() != 0)
}

/// The mapping at `addr`, or the next one where that is wanted, that is as wanted
/// (`query_matching_vma`).
fn find(mm: &MemoryManager, addr: u64, wanted: Flags) -> Option<VmaInfo> {
    let kind = wanted & (Flags::READABLE | Flags::WRITABLE | Flags::EXECUTABLE | Flags::SHARED);
    let mut at = Addr(addr);
    loop {
        let batch = mm.vmas_from(at, BATCH, false);
        let whole = batch.len() == BATCH;
        for vma in batch {
            let covers = vma.range.start.0 <= addr;
            if !covers && !wanted.contains(Flags::COVERING_OR_NEXT) {
                return None;
            }
            let of_file = !wanted.contains(Flags::FILE_BACKED) || is_of_file(&vma);
            if of_file && perms(&vma).contains(kind) {
                return Some(vma);
            }
            at = vma.range.end;
        }
        if !whole {
            return None;
        }
    }
}
