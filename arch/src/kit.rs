//! For tests: a guest's memory in kernel memory, and what every [`UserMemory`] must do as checks to
//! run on an implementation of one's own.

use crate::{Addr, AddrRange, Partial, Permissions, UserMemory, UserMemoryExt};
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};
use syserr::Errno;

const WORD: u64 = size_of::<u32>() as u64;

/// One mapping that may be read and written; every access outside of it faults.
pub struct Memory {
    range: AddrRange,
    words: Box<[AtomicU32]>,
}

impl Memory {
    /// Zeroes from `base` on, `len` bytes of them.
    ///
    /// # Panics
    /// When `base` is no multiple of 4, or the range wraps.
    pub fn new(base: u64, len: usize) -> Memory {
        assert!(base.is_multiple_of(WORD), "words are aligned");
        let range = Addr(base).to_range(len as u64).expect("a range");
        let words = (0..len.div_ceil(WORD as usize)).map(|_| AtomicU32::new(0)).collect();
        Memory { range, words }
    }

    /// Where it is mapped.
    pub fn range(&self) -> AddrRange {
        self.range
    }

    /// Sets every byte.
    pub fn fill(&self, byte: u8) {
        for word in &self.words {
            word.store(u32::from_le_bytes([byte; 4]), Ordering::Relaxed);
        }
    }

    /// The `len` bytes at `at`.
    ///
    /// # Panics
    /// When they are not all mapped.
    pub fn get(&self, at: u64, len: usize) -> Vec<u8> {
        let mut out = vec![0; len];
        self.copy_in(Addr(at), &mut out, Permissions::Obey).expect("mapped");
        out
    }

    /// Stores bytes at `at`.
    ///
    /// # Panics
    /// When there is not room for all.
    pub fn put(&self, at: u64, bytes: &[u8]) {
        self.copy_out(Addr(at), bytes, Permissions::Obey).expect("mapped");
    }

    /// The 64-bit word at `at`.
    ///
    /// # Panics
    /// As [`Memory::get`].
    pub fn word(&self, at: u64) -> u64 {
        self.read_obj(Addr(at)).expect("mapped")
    }

    /// The 32-bit word at `at`.
    ///
    /// # Panics
    /// As [`Memory::get`].
    pub fn word32(&self, at: u64) -> u32 {
        self.read_obj(Addr(at)).expect("mapped")
    }

    /// Where `len` bytes at `at` are: the byte offset of the first, and how many of them are mapped.
    fn part(&self, at: Addr, len: usize) -> (usize, usize) {
        match at.0.checked_sub(self.range.start.0).filter(|&o| o < self.range.len()) {
            Some(o) => (o as usize, (self.range.len() - o).min(len as u64) as usize),
            None => (0, 0),
        }
    }

    /// Changes the bytes of the word at byte offset `at` that `from` holds, from the first on.
    fn store_part(&self, at: usize, from: &[u8]) {
        let Some(word) = self.words.get(at / WORD as usize) else { return };
        let first = at % WORD as usize;
        let put = |old: u32| {
            let mut bytes = old.to_le_bytes();
            bytes[first..first + from.len()].copy_from_slice(from);
            Some(u32::from_le_bytes(bytes))
        };
        // The closure always gives a value, so this always succeeds.
        let _ = word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, put);
    }

    fn aligned(&self, at: Addr) -> Result<&AtomicU32, Errno> {
        if !at.0.is_multiple_of(WORD) {
            return Err(Errno::EINVAL);
        }
        let inside = at.to_range(WORD).filter(|&r| self.range.is_superset_of(r));
        let at = inside.ok_or(Errno::EFAULT)?.start.0 - self.range.start.0;
        self.words.get((at / WORD) as usize).ok_or(Errno::EFAULT)
    }
}

impl UserMemory for Memory {
    fn copy_in(&self, from: Addr, to: &mut [u8], _: Permissions) -> Result<(), Partial> {
        let (offset, done) = self.part(from, to.len());
        let first = offset % WORD as usize;
        let words = self.words.get(offset / WORD as usize..).unwrap_or_default();
        // The bytes of the first word that are wanted, whole words, and what is left of one.
        let (head, rest) =
            to[..done].split_at_mut(done.min((WORD as usize - first) % WORD as usize));
        let skip = usize::from(first != 0);
        if let Some(word) = words.first().filter(|_| skip == 1) {
            let bytes = word.load(Ordering::Relaxed).to_le_bytes();
            head.copy_from_slice(&bytes[first..first + head.len()]);
        }
        for (to, word) in rest.chunks_mut(WORD as usize).zip(words.iter().skip(skip)) {
            let bytes = word.load(Ordering::Relaxed).to_le_bytes();
            match <&mut [u8; WORD as usize]>::try_from(&mut *to) {
                Ok(to) => *to = bytes,
                Err(_) => to.copy_from_slice(&bytes[..to.len()]),
            }
        }
        if done == to.len() { Ok(()) } else { Err(Partial { done, errno: Errno::EFAULT }) }
    }

    fn copy_out(&self, to: Addr, from: &[u8], _: Permissions) -> Result<(), Partial> {
        let (offset, done) = self.part(to, from.len());
        let first = offset % WORD as usize;
        let words = self.words.get(offset / WORD as usize..).unwrap_or_default();
        let (head, rest) = from[..done].split_at(done.min((WORD as usize - first) % WORD as usize));
        let skip = usize::from(first != 0);
        if !head.is_empty() {
            self.store_part(offset, head);
        }
        let (whole, tail) = rest.as_chunks::<{ WORD as usize }>();
        for (word, bytes) in words.iter().skip(skip).zip(whole) {
            word.store(u32::from_le_bytes(*bytes), Ordering::Relaxed);
        }
        if !tail.is_empty() {
            self.store_part(offset + done - tail.len(), tail);
        }
        if done == from.len() { Ok(()) } else { Err(Partial { done, errno: Errno::EFAULT }) }
    }

    fn zero_out(&self, to: Addr, len: u64, perms: Permissions) -> Result<(), Partial> {
        let len = len.min(self.range.len().saturating_add(1)) as usize;
        self.copy_out(to, &vec![0; len], perms)
    }

    fn load_u32(&self, at: Addr) -> Result<u32, Errno> {
        Ok(self.aligned(at)?.load(Ordering::SeqCst))
    }

    fn swap_u32(&self, at: Addr, new: u32) -> Result<u32, Errno> {
        Ok(self.aligned(at)?.swap(new, Ordering::SeqCst))
    }

    fn compare_exchange_u32(&self, at: Addr, old: u32, new: u32) -> Result<u32, Errno> {
        let word = self.aligned(at)?;
        let (Ok(was) | Err(was)) =
            word.compare_exchange(old, new, Ordering::SeqCst, Ordering::SeqCst);
        Ok(was)
    }
}

/// Checks a [`UserMemory`]. `mapped` is at least two pages that can be read and written; nothing
/// is mapped in the page behind it, and its bytes are overwritten.
///
/// # Panics
/// When the memory does something else than [`UserMemory`] says.
pub fn check_user_memory(mem: &dyn UserMemory, mapped: AddrRange) {
    let obey = Permissions::Obey;
    let (start, end) = (mapped.start, mapped.end);
    assert!(mapped.len() >= 2 * crate::PAGE_SIZE, "the kit needs two pages");
    let fault = |done| Err(Partial { done, errno: Errno::EFAULT });

    // What is written is read, across a page boundary and at odd addresses.
    let edge = Addr(start.0 + crate::PAGE_SIZE - 3);
    let text: Vec<u8> = (1..=9).collect();
    let mut back = [0; 9];
    assert_eq!(mem.copy_out(edge, &text, obey), Ok(()));
    assert_eq!(mem.copy_in(edge, &mut back, obey), Ok(()));
    assert_eq!(back[..], text[..], "what was written");
    assert_eq!(mem.zero_out(edge.wrapping_add(2), 5, obey), Ok(()));
    assert_eq!(mem.copy_in(edge, &mut back, obey), Ok(()));
    assert_eq!(back, [1, 2, 0, 0, 0, 0, 0, 8, 9], "zeroes and what is beside them");

    // At the end of the mapping a prefix is copied, and its length comes back.
    let last = Addr(end.0 - 4);
    assert_eq!(mem.copy_out(last, &text, obey), fault(4));
    assert_eq!(mem.copy_in(last, &mut back, obey), fault(4));
    assert_eq!(back[..4], text[..4], "the prefix");
    assert_eq!(mem.zero_out(last, 9, obey), fault(4));
    assert_eq!(mem.copy_in(end, &mut back, obey), fault(0));
    // Nothing to copy is no access, wherever that is.
    assert_eq!(mem.copy_in(end, &mut [], obey), Ok(()));
    assert_eq!(mem.copy_out(Addr(u64::MAX), &[], obey), Ok(()));
    assert_eq!(mem.copy_in(Addr(u64::MAX - 3), &mut back, obey), fault(0), "wraps");

    // Words: aligned, atomic, and with what was there.
    assert_eq!(mem.swap_u32(start, 7).map(|_| ()), Ok(()));
    assert_eq!(mem.swap_u32(start, 8), Ok(7));
    assert_eq!(mem.compare_exchange_u32(start, 7, 9), Ok(8), "no match changes nothing");
    assert_eq!(mem.compare_exchange_u32(start, 8, 9), Ok(8));
    assert_eq!(mem.load_u32(start), Ok(9));
    assert_eq!(mem.copy_in(start, &mut back[..4], obey), Ok(()));
    assert_eq!(back[..4], [9, 0, 0, 0], "words are little-endian");
    for at in [start.wrapping_add(1), start.wrapping_add(2), start.wrapping_add(3)] {
        assert_eq!(mem.load_u32(at), Err(Errno::EINVAL), "not aligned");
        assert_eq!(mem.swap_u32(at, 0), Err(Errno::EINVAL), "not aligned");
        assert_eq!(mem.compare_exchange_u32(at, 0, 0), Err(Errno::EINVAL), "not aligned");
    }
    assert_eq!(mem.load_u32(end), Err(Errno::EFAULT));
    assert_eq!(mem.swap_u32(end, 0), Err(Errno::EFAULT));
    assert_eq!(mem.compare_exchange_u32(end, 0, 0), Err(Errno::EFAULT));

    // What is built on it.
    assert_eq!(mem.copy_out(last, b"ab\0\x01", obey), Ok(()));
    assert_eq!(mem.read_cstr(last, 2), Ok(b"ab".to_vec()));
    assert_eq!(mem.read_cstr(last, 1), Err(Errno::ENAMETOOLONG));
    assert_eq!(mem.read_cstr(Addr(end.0 - 1), 9), Err(Errno::EFAULT), "no NUL before the end");
    assert_eq!(mem.read_obj::<u64>(last), Err(Errno::EFAULT));
    assert_eq!(mem.write_obj(start, &0x1122_3344_5566_7788u64), Ok(()));
    assert_eq!(mem.read_vec::<u16>(start, 4), Ok(vec![0x7788, 0x5566, 0x3344, 0x1122]));
}
