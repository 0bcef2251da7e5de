//! Buffers that callers name: one range or an iovec array.

use crate::TaskCx;
use arch::{Addr, AddrRange, UserMemory, UserMemoryExt};
use smallvec::SmallVec;
use syserr::Errno;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The most bytes that one call moves (`MAX_RW_COUNT`).
pub(crate) const MAX_RW: u64 = 0x7fff_f000;
/// The most buffers in an array (`IOV_MAX`).
const IOV_MAX: u64 = 1024;

/// `struct iovec`; readv(2).
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Iovec {
    base: u64,
    len: u64,
}
static_assertions::assert_eq_size!(Iovec, [u8; 16]);

/// Buffers of one call, checked and cut to [`MAX_RW`].
pub(crate) type Ranges = SmallVec<[AddrRange; 2]>;

/// First address that no user memory can have.
pub(crate) fn end_of_memory(cx: &TaskCx) -> u64 {
    cx.kernel().embedder().platform.user_range().end.0
}

fn check(end: u64, at: u64, len: u64) -> Result<AddrRange, Errno> {
    match at.checked_add(len) {
        Some(e) if e <= end => Ok(AddrRange { start: Addr(at), end: Addr(e) }),
        _ => Err(Errno::EFAULT),
    }
}

/// The buffer of read(2) and write(2).
pub(crate) fn single(cx: &TaskCx, at: u64, len: u64) -> Result<Ranges, Errno> {
    check(end_of_memory(cx), at, len)?;
    let mut out = Ranges::new();
    out.push(AddrRange { start: Addr(at), end: Addr(at + len.min(MAX_RW)) });
    Ok(out)
}

/// The buffers of readv(2) and of `struct msghdr`; `import_iovec` of the kernel.
pub(crate) fn vector(cx: &TaskCx, at: u64, count: u64) -> Result<Ranges, Errno> {
    if count > IOV_MAX {
        return Err(Errno::EINVAL);
    }
    vector_in(&**cx.mm(), end_of_memory(cx), Addr(at), count)
}

fn vector_in(mem: &dyn UserMemory, end: u64, at: Addr, count: u64) -> Result<Ranges, Errno> {
    let mut out = Ranges::new();
    let mut room = MAX_RW;
    let mut next = at;
    for _ in 0..count {
        let v: Iovec = mem.read_obj(next)?;
        next = next.wrapping_add(size_of::<Iovec>() as u64);
        if v.len > i64::MAX as u64 {
            return Err(Errno::EINVAL);
        }
        let r = check(end, v.base, v.len)?;
        let len = v.len.min(room);
        room -= len;
        if len > 0 {
            out.push(AddrRange { start: r.start, end: r.start.wrapping_add(len) });
        }
    }
    Ok(out)
}
