//! What the seams promise, as checks that panic.

use crate::seam::{AddressSpace, FileRange, MemoryFile};
use alloc::sync::Arc;
use alloc::vec;
use arch::{Access, Addr, AddrRange, PAGE_SIZE};
use core::task::{Context, Poll, Waker};

const P: u64 = PAGE_SIZE;

/// Checks a [`MemoryFile`], made anew for each part.
///
/// # Panics
/// When a promise is broken.
pub fn check_memory_file(make: impl Fn() -> Arc<dyn MemoryFile>) {
    let m = make();
    let r = m.allocate(4 * P).expect("four pages");
    assert_eq!(r.len(), 4 * P);
    assert!(r.start.is_multiple_of(P));
    assert_eq!(m.used(), 4 * P, "what is referenced is used");
    assert!(m.is_sole(r));
    let mut page = vec![1; P as usize];
    m.read(r.start + P, &mut page);
    assert!(page.iter().all(|b| *b == 0), "fresh memory is zero");
    assert!(!m.is_exhausted(), "four pages of guests are not what a kernel keeps");
    bytes(&*m, r);
    words(&*m, r.start);
    counts(&*m, r);
    let again = m.allocate(4 * P).expect("four pages again");
    m.read(again.start, &mut page);
    assert!(page.iter().all(|b| *b == 0), "reused memory is zero");
    m.dec_ref(again);
    assert_eq!(m.used(), 0);
    // Whatever it says of memory that is nobody's: it says something.
    m.peek(again.start, &mut page);
    let _ = m.peek_u32(again.start);
    if m.limit() != u64::MAX {
        assert!(m.allocate(m.limit().next_multiple_of(P) + P).is_err(), "the limit holds");
        assert_eq!(m.used(), 0, "a refused allocation takes nothing");
    }
}

fn bytes(m: &dyn MemoryFile, r: FileRange) {
    let text = b"across a page boundary";
    m.write(r.start + P - 7, text);
    let mut back = [0; 22];
    m.read(r.start + P - 7, &mut back);
    assert_eq!(&back, text);
    m.copy(r.start, r.start + 2 * P, 2 * P);
    m.read(r.start + 3 * P - 7, &mut back);
    assert_eq!(&back, text);
    let mut peeked = [0; 22];
    if m.peek(r.start + 3 * P - 7, &mut peeked) {
        assert_eq!(peeked, back, "a peek at live memory is a read");
    }
    let copied = m.allocate_copy(r.start, 2 * P).expect("a copy");
    let mut both = vec![[1; P as usize]; 2];
    for (at, page) in both.iter_mut().enumerate() {
        m.read(copied.start + at as u64 * P, page);
        let mut original = [2; P as usize];
        m.read(r.start + at as u64 * P, &mut original);
        assert_eq!(*page, original, "a copy has what it is a copy of");
    }
    assert!(m.is_sole(copied) && m.is_sole(r), "a copy is memory of its own");
    m.dec_ref(copied);
    m.zero(r.start + P - 3, 6);
    m.read(r.start + P - 7, &mut back);
    assert_eq!(&back[..4], b"acro");
    assert_eq!(&back[4..10], &[0; 6]);
    assert_eq!(&back[10..], &text[10..]);
}

fn words(m: &dyn MemoryFile, at: u64) {
    m.write(at, &7u32.to_ne_bytes());
    assert_eq!(m.load_u32(at), 7);
    assert!(m.peek_u32(at).is_none_or(|v| v == 7));
    assert_eq!(m.swap_u32(at, 8), 7);
    assert_eq!(m.compare_exchange_u32(at, 7, 9), 8);
    assert_eq!(m.load_u32(at), 8);
    assert_eq!(m.compare_exchange_u32(at, 8, 9), 8);
    assert_eq!(m.load_u32(at), 9);
}

fn counts(m: &dyn MemoryFile, r: FileRange) {
    let middle = FileRange { start: r.start + P, end: r.start + 3 * P };
    m.inc_ref(middle).expect("a second reference");
    assert_eq!(m.ref_count(r.start), 1);
    assert_eq!(m.ref_count(r.start + P), 2);
    assert!(!m.is_sole(r));
    m.dec_ref(r);
    assert_eq!(m.used(), 2 * P, "each page lives by itself");
    assert!(m.is_sole(middle));
    m.dec_ref(middle);
    assert_eq!(m.used(), 0);
}

/// Checks an [`AddressSpace`]: the order of retiring, and that no operation panics. `make` gives
/// a new space over a new memory file.
///
/// # Panics
/// When a promise is broken.
pub fn check_address_space(make: impl Fn() -> (Arc<dyn MemoryFile>, Arc<dyn AddressSpace>)) {
    let (m, s) = make();
    let at = |from: u64, to: u64| AddrRange {
        start: Addr(0x10_0000 + from * P),
        end: Addr(0x10_0000 + to * P),
    };
    let r = m.allocate(8 * P).expect("eight pages");
    s.map(at(0, 8), r.start, Access::RW, false).expect("room in the tables");
    s.protect(at(2, 4), Access::READ);
    s.unmap(at(1, 2));
    s.map(at(1, 2), r.start, Access::READ, true).expect("room in the tables");
    s.protect(at(0, 100), Access::empty());
    s.unmap(at(4, 100));
    s.flush();
    s.unmap(at(0, 8));
    s.retire(&[r]);
    s.flush();
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..1_000_000 {
        if s.poll_flushed(&mut cx) == Poll::Ready(()) {
            assert_eq!(m.used(), 0, "what was retired is free after the flush");
            return;
        }
        core::hint::spin_loop();
    }
    panic!("the flush never ended");
}
