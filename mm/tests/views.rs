//! `/proc/PID/maps` and `smaps` in pieces.
#![allow(missing_docs)]

use arch::{Access, Addr, PAGE_SIZE};
use mm::testkit::{RecordingSpace, VecMemoryFile};
use mm::*;
use std::sync::Arc;

const P: u64 = PAGE_SIZE;
const AT: u64 = 0x10_0000_0000;
const LIMITS: Limits = Limits::DEFAULT;

/// Every second of `2 n` pages is a vma.
fn many(n: u64) -> Arc<MemoryManager> {
    let memory = VecMemoryFile::new(64 << 20);
    let space = RecordingSpace::new(memory.clone());
    let mm = MemoryManager::new(MmConfig::new(memory, space));
    for i in 0..n {
        let a = MmapArgs::anonymous(Addr(AT + i * 2 * P), P, Access::RW, &LIMITS);
        mm.mmap(MmapArgs { flags: a.flags | MapFlags::FIXED, ..a }).unwrap();
    }
    mm
}

#[test]
fn pieces_are_the_whole_and_stay_small() {
    let mm = many(1000);
    for (file, line) in [(MapsFile::Maps, 60), (MapsFile::Smaps, 900)] {
        for size in [1, 100, 4096] {
            let (mut text, mut from) = (Vec::new(), Some(Addr::NULL));
            while let Some(at) = from {
                let c = mm.maps_chunk(file, at, size);
                assert!(c.text.len() < size + line, "{} bytes", c.text.len());
                text.extend(c.text);
                from = c.next;
            }
            let whole = if file == MapsFile::Maps { mm.maps_text() } else { mm.smaps_text() };
            assert!(whole.len() > 40_000);
            assert_eq!(text, whole, "{file:?} in pieces of {size}");
        }
    }
}

/// Whoever reads while mappings come and go sees each that stays exactly once.
#[test]
fn pieces_while_mappings_change() {
    let mm = many(200);
    let (mut text, mut from, mut round) = (Vec::new(), Some(Addr::NULL), 0);
    while let Some(at) = from {
        let c = mm.maps_chunk(MapsFile::Maps, at, 500);
        text.extend(c.text);
        from = c.next;
        // A mapping before, at, and behind the place.
        for page in [0, (at.0.max(AT) - AT) / P + 1, 390] {
            if round % 2 == 0 {
                mm.munmap(Addr(AT + page / 4 * 4 * P), P).unwrap();
            } else {
                let a = Addr(AT + page / 4 * 4 * P);
                let a = MmapArgs::anonymous(a, P, Access::RW, &LIMITS);
                mm.mmap(MmapArgs { flags: a.flags | MapFlags::FIXED, ..a }).unwrap();
            }
        }
        round += 1;
    }
    let text = String::from_utf8(text).unwrap();
    for i in (1..200u64).step_by(2) {
        let start = format!("{:x}-", AT + i * 2 * P);
        assert_eq!(text.lines().filter(|l| l.starts_with(&start)).count(), 1, "{start}");
    }
}

/// Nothing is mapped: nothing to show.
#[test]
fn nothing_has_no_pieces() {
    let c = many(0).maps_chunk(MapsFile::Maps, Addr::NULL, 4096);
    assert_eq!(c, MapsChunk { text: Vec::new(), next: None });
}
