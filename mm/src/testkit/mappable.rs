//! What [`Mappable`] promises, as checks that panic.

use crate::seam::{Mappable, MappingSpace, MemoryFile, ObjectMapping, Translation};
use alloc::sync::{Arc, Weak};
use alloc::vec;
use alloc::vec::Vec;
use arch::{Access, Addr, AddrRange, PAGE_SIZE};
use core::ops::Range;
use sync::Mutex;

const P: u64 = PAGE_SIZE;

/// An object to check, with four pages in it, of which the last is half: byte `i` is
/// [`MappableSubject::byte`] of `i`.
pub struct MappableSubject {
    /// The object.
    pub object: Arc<dyn Mappable>,
    /// Where its memory comes from.
    pub memory: Arc<dyn MemoryFile>,
    /// Whether it may be mapped shared and written.
    pub writable: bool,
}

impl MappableSubject {
    /// Bytes of the contents.
    pub const LEN: u64 = 3 * P + P / 2;

    /// What the byte at an offset of the contents is.
    pub fn byte(at: u64) -> u8 {
        (at % 251) as u8 | 1
    }

    /// The contents.
    pub fn bytes() -> Vec<u8> {
        (0..Self::LEN).map(Self::byte).collect()
    }
}

/// A space that notes what it must forget.
#[derive(Default)]
struct Forgets(Mutex<Vec<(AddrRange, bool)>>);

impl MappingSpace for Forgets {
    fn invalidate(&self, at: AddrRange, private_copies: bool) {
        self.0.lock().push((at, private_copies));
    }
}

/// Checks a [`Mappable`], made anew for each part.
///
/// # Panics
/// When a promise is broken.
pub fn check_mappable(make: impl Fn() -> MappableSubject) {
    let (one, other) = (make(), make());
    assert_eq!(one.object.object_id(), one.object.object_id());
    assert_ne!(one.object.object_id(), other.object.object_id(), "two objects, two names");
    translations(&make());
    writes(&make());
    residency(&make());
    holes(&make());
    refuses_writers(&make());
}

/// Translates; checks what every answer must be.
fn translate(
    s: &MappableSubject,
    required: Range<u64>,
    optional: Range<u64>,
    access: Access,
) -> Translation {
    let t = s.object.translate(required.clone(), optional.clone(), access).expect("a translation");
    well_formed(s, &t, optional.start.min(required.start)..optional.end.max(required.end));
    assert!(t.offset <= required.start, "covers the start of what is required");
    assert!(t.offset + t.file.len() >= required.start + P, "and a page from there at least");
    assert!(t.access.contains(access), "permits what was asked for");
    t
}

fn well_formed(s: &MappableSubject, t: &Translation, within: Range<u64>) {
    assert!(t.offset.is_multiple_of(P) && t.file.start.is_multiple_of(P));
    assert!(!t.file.is_empty() && t.file.len().is_multiple_of(P));
    assert!(
        t.offset >= within.start && t.offset + t.file.len() <= within.end,
        "no more than asked"
    );
    for page in (t.file.start..t.file.end).step_by(P as usize) {
        assert!(s.memory.ref_count(page) >= 1, "a reference on each page is the receiver's");
    }
}

/// Reads through a translation, and gives its references back.
fn bytes_of(s: &MappableSubject, t: &Translation) -> Vec<u8> {
    let mut out = vec![0; t.file.len() as usize];
    s.memory.read(t.file.start, &mut out);
    s.memory.dec_ref(t.file);
    out
}

fn expect_contents(t: &Translation, bytes: &[u8]) {
    for (i, byte) in bytes.iter().enumerate() {
        let at = t.offset + i as u64;
        let want = if at < MappableSubject::LEN { MappableSubject::byte(at) } else { 0 };
        assert_eq!(*byte, want, "byte {at:#x}: the contents, and zeroes after their end");
    }
}

fn translations(s: &MappableSubject) {
    for at in [0, P, 3 * P] {
        for optional in [at..at + P, 0..4 * P, at..1 << 30] {
            let within = optional.start..optional.end.min(4 * P);
            let t = translate(s, at..at + P, optional, Access::READ);
            assert!(t.offset + t.file.len() <= within.end.max(at + P), "nothing past the end");
            expect_contents(&t, &bytes_of(s, &t));
        }
    }
    for past in [4 * P, 1 << 40] {
        let r = s.object.translate(past..past + P, past..past + P, Access::READ);
        assert_eq!(r, Err(crate::TranslateError::Bus), "past the end");
    }
    // All the pages of one offset are one page, whoever asks.
    let (a, b) = (
        translate(s, P..2 * P, P..2 * P, Access::READ),
        translate(s, P..2 * P, P..2 * P, Access::READ),
    );
    assert_eq!(a.file, b.file, "the same memory for the same offset");
    s.memory.dec_ref(a.file);
    s.memory.dec_ref(b.file);
    assert!(s.object.sync(0..4 * P).is_ok());
}

fn writes(s: &MappableSubject) {
    let shared = s.object.translate(P..2 * P, P..2 * P, Access::RW);
    let Ok(t) = shared else {
        assert!(!s.writable, "a writable object is written through its mappings");
        return;
    };
    if !s.writable {
        assert!(!t.access.contains(Access::WRITE), "what cannot be written is not given out so");
        return s.memory.dec_ref(t.file);
    }
    assert!(t.access.contains(Access::RW));
    s.memory.write(t.file.start + 7, b"through a mapping");
    s.memory.dec_ref(t.file);
    assert!(s.object.sync(P..2 * P).is_ok());
    let t = translate(s, P..2 * P, P..2 * P, Access::READ);
    assert_eq!(&bytes_of(s, &t)[7..24], b"through a mapping");
}

fn residency(s: &MappableSubject) {
    let t = translate(s, 0..P, 0..P, Access::READ);
    s.memory.dec_ref(t.file);
    for range in [0..P, 0..4 * P, 2 * P..4 * P, P..1 << 30, 8 * P..9 * P] {
        let Some(t) = s.object.resident(range.clone()) else { continue };
        well_formed(s, &t, range);
        expect_contents(&t, &bytes_of(s, &t));
    }
}

/// Whoever maps a hole that is punched forgets what was there.
fn holes(s: &MappableSubject) {
    let space = Arc::new(Forgets::default());
    let weak: Weak<dyn MappingSpace> = Arc::downgrade(&(space.clone() as Arc<dyn MappingSpace>));
    let at = |page: u64| Addr(0x10_0000 + page * P);
    let mapping = ObjectMapping {
        space: weak,
        range: AddrRange { start: at(0), end: at(4) },
        offset: 0,
        writable: s.writable,
    };
    s.object.add_mapping(&mapping).expect("a mapping");
    // Written through the mapping, if that is possible, and still held when the hole is made.
    let access = if s.writable { Access::RW } else { Access::READ };
    let held = translate(s, P..2 * P, P..2 * P, access);
    if s.writable {
        s.memory.write(held.file.start + 7, b"soon gone");
    }
    match s.object.punch_hole(P..2 * P) {
        Err(_) => assert!(space.0.lock().is_empty(), "a refusal takes nothing away"),
        Ok(()) => {
            let heard = |page| space.0.lock().iter().any(|(r, _)| r.contains(at(page)));
            assert!(heard(1), "the space forgets the hole");
            let t = translate(s, P..2 * P, P..2 * P, Access::READ);
            assert!(bytes_of(s, &t).iter().all(|b| *b == 0), "a hole is zeroes");
            let t = translate(s, 0..P, 0..P, Access::READ);
            expect_contents(&t, &bytes_of(s, &t));
        }
    }
    s.memory.dec_ref(held.file);
    s.object.remove_mapping(&mapping);
    space.0.lock().clear();
    let _ = s.object.punch_hole(2 * P..3 * P);
    assert!(space.0.lock().is_empty(), "who has gone hears nothing");
}

fn refuses_writers(s: &MappableSubject) {
    let space: Arc<dyn MappingSpace> = Arc::new(Forgets::default());
    let range = AddrRange { start: Addr(0x10_0000), end: Addr(0x10_0000 + P) };
    let mapping = ObjectMapping { space: Arc::downgrade(&space), range, offset: 0, writable: true };
    let added = s.object.add_mapping(&mapping);
    assert_eq!(added.is_ok(), s.writable, "a shared mapping that may be written");
    if added.is_ok() {
        s.object.remove_mapping(&mapping);
    }
}
