//! The kit's check, on the double that these tests use.
#![cfg(not(loom))]

mod common;

use arch::Addr;
use common::{Memory, TOP};
use futex::kit::{Mapped, check_target};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

const MAPPED: Mapped = Mapped {
    private: Addr(0x1000),
    shared: [Addr(0x2000), Addr(0x3000)],
    read_only: Addr(0x4000),
    nothing: Addr(0x5000),
    beyond: Addr(TOP),
};

/// Two address spaces that share two words; `offset` is where the second mapping has them.
fn spaces(offset: u64) -> [Arc<Memory>; 2] {
    let spaces = [Memory::new(), Memory::new()];
    for i in [0, 4] {
        let word = Arc::new(AtomicU32::new(0));
        for space in &spaces {
            space.map(MAPPED.private.wrapping_add(i), 0);
            space.map_shared(MAPPED.shared[0].wrapping_add(i), &word, 9, 64 + i);
        }
        spaces[0].map_shared(MAPPED.shared[1].wrapping_add(i), &word, 9, offset + i);
    }
    spaces[0].map_read_only(MAPPED.read_only);
    spaces
}

#[test]
fn the_double_keeps_its_promises() {
    let [here, there] = spaces(64);
    for addr in [MAPPED.private, MAPPED.shared[0], MAPPED.read_only] {
        here.evict(addr);
    }
    check_target(&here, &there, MAPPED);
}

/// The mistakes that other kernels have made are found.
#[test]
fn broken_promises_are_found() {
    let refuses = |here: Arc<Memory>, there: Arc<Memory>, at: Mapped| {
        catch_unwind(AssertUnwindSafe(|| check_target(&here, &there, at))).expect_err("refused")
    };
    // The key is the offset in the mapping.
    let [here, there] = spaces(0);
    refuses(here, there, MAPPED);
    // Another space's memory looks the same and is not.
    let [here, _] = spaces(64);
    let [_, there] = spaces(64);
    refuses(here, there, MAPPED);
    // Kernel addresses are taken.
    let [here, there] = spaces(64);
    refuses(here, there, Mapped { beyond: Addr(TOP - 4096), ..MAPPED });
    // What may only be read is written.
    let [here, there] = spaces(64);
    here.map(MAPPED.read_only, 0);
    refuses(here, there, MAPPED);
}
