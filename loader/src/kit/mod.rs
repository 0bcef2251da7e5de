//! For tests: an address space in kernel memory, and what the loader relies on in every [`Mapper`],
//! as checks to run on an implementation of one's own.

mod space;

pub use space::{Space, View, Vma};

use crate::seam::{Executable, Mapper, Place};
use alloc::vec::Vec;
use arch::{Access, Addr, AddrRange, PAGE_SIZE};
use syserr::Errno;

/// A mapper whose memory can be read back, whatever its permissions.
pub trait Probe: Mapper {
    /// Reads `to.len()` bytes at `at`.
    ///
    /// # Errors
    /// `EFAULT` when nothing is mapped there.
    fn read(&mut self, at: Addr, to: &mut [u8]) -> Result<(), Errno>;
}

fn bytes(space: &mut dyn Probe, at: Addr, len: u64) -> Vec<u8> {
    let mut out = alloc::vec![0xee; len as usize];
    assert_eq!(space.read(at, &mut out), Ok(()), "{at:?} can be read");
    out
}

/// Checks a mapper. `space` is empty; `file` is what it can map, holds `content`, and is longer
/// than a page but not a multiple of it.
///
/// # Panics
/// When the mapper does something else than [`Mapper`] says.
pub fn check_mapper(space: &mut dyn Probe, file: &dyn Executable, content: &[u8]) {
    let len = content.len() as u64;
    assert!(len > PAGE_SIZE && !len.is_multiple_of(PAGE_SIZE), "the kit needs such a file");
    let whole = len.next_multiple_of(PAGE_SIZE);
    let all = 16 * PAGE_SIZE;

    // A reserved range is free, and stays so until it is filled.
    let base = space.reserve(Place::Any, all).expect("room");
    assert!(base.is_page_aligned() && base.checked_add(all).is_some());
    assert_eq!(space.reserve(Place::Exact(base), all), Ok(base));
    assert_eq!(space.reserve(Place::Hint(base), all), Ok(base));

    // A file's bytes, then zeroes to the end of the page.
    let access = Access::READ | Access::EXEC;
    assert_eq!(space.map_file(file, base, whole, 0, access), Ok(()));
    let seen = bytes(space, base, whole);
    assert!(seen.starts_with(content), "the file's bytes");
    assert!(seen.iter().skip(content.len()).all(|&b| b == 0), "zeroes behind them");

    // What is there is in the way of some, and replaced by others.
    assert_eq!(space.reserve(Place::Exact(base), PAGE_SIZE), Err(Errno::EEXIST));
    let other = space.reserve(Place::Hint(base), PAGE_SIZE).expect("room elsewhere");
    let taken = AddrRange { start: base, end: base.wrapping_add(whole) };
    let found = AddrRange { start: other, end: other.wrapping_add(PAGE_SIZE) };
    assert!(!taken.overlaps(found), "a hint that is taken is no place");
    assert_eq!(space.map_anon(base, PAGE_SIZE, Access::RW), Ok(()));
    assert!(bytes(space, base, PAGE_SIZE).iter().all(|&b| b == 0), "replaced by zeroes");
    let second = base.wrapping_add(PAGE_SIZE);
    let rest = content.get(PAGE_SIZE as usize..).unwrap_or_default();
    assert!(bytes(space, second, whole - PAGE_SIZE).starts_with(rest), "the rest is untouched");

    // Offsets, and private writes: the file and its other mappings do not change.
    let third = base.wrapping_add(8 * PAGE_SIZE);
    assert_eq!(space.map_file(file, third, PAGE_SIZE, PAGE_SIZE, Access::RW), Ok(()));
    let part: Vec<u8> = rest.iter().copied().take(PAGE_SIZE as usize).collect();
    assert!(bytes(space, third, PAGE_SIZE).starts_with(&part), "mapped from its offset");
    assert_eq!(space.zero(third.wrapping_add(1), 3), Ok(()));
    assert_eq!(bytes(space, third.wrapping_add(1), 3), [0, 0, 0]);
    assert!(bytes(space, second, PAGE_SIZE).starts_with(&part), "a private write stays private");
    let mut first = [0u8; 4];
    assert!(file.read_at(PAGE_SIZE, &mut first).is_ok());
    assert!(content.get(PAGE_SIZE as usize..).is_some_and(|c| c.starts_with(&first)));

    // Writing ignores permissions and crosses mappings; zeroing obeys them.
    let edge = base.wrapping_add(PAGE_SIZE - 2);
    assert_eq!(space.write(edge, b"wxyz"), Ok(()));
    assert_eq!(bytes(space, edge, 4), b"wxyz");
    let hole = base.wrapping_add(12 * PAGE_SIZE);
    assert!(space.write(hole, b"x").is_err(), "nothing is mapped there");
    assert!(space.zero(hole, 1).is_err(), "nothing is mapped there");

    // A whole page past the file's end is mapped, and faults.
    let past = base.wrapping_add(10 * PAGE_SIZE);
    assert_eq!(space.map_file(file, past, PAGE_SIZE, whole, Access::RW), Ok(()));
    assert_eq!(space.zero(past, 1), Err(Errno::EFAULT));

    // A stack is memory like other memory.
    let at = space.reserve(Place::Any, 4 * PAGE_SIZE).expect("room");
    let range = AddrRange { start: at, end: at.wrapping_add(4 * PAGE_SIZE) };
    assert_eq!(space.map_stack(range, Access::RW), Ok(()));
    assert_eq!(space.write(range.end.wrapping_add(8u64.wrapping_neg()), b"12345678"), Ok(()));
    assert!(bytes(space, at, PAGE_SIZE).iter().all(|&b| b == 0));
    space.set_brk(base.wrapping_add(all));
}
