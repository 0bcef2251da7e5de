//! Nanoseconds per operation: `cargo xtask bench --crates --only kernel/`.

use arch::{Arch, Os};
use divan::{Bencher, black_box};
use kernel::{Entry, LINUX_X86_64, Registry};

fn main() {
    divan::main();
}

/// From a number to the entry of a table, numbers without a call among them.
#[divan::bench]
fn table_lookup(b: Bencher<'_, '_>) {
    let table = black_box(&LINUX_X86_64);
    b.bench(|| -> &Entry { table.lookup(black_box(39)) });
}

/// From operating system and architecture to a table.
#[divan::bench]
fn registry_lookup(b: Bencher<'_, '_>) {
    let tables = black_box(Registry::LINUX);
    b.bench(|| tables.lookup(black_box(Os::Linux), black_box(Arch::X86_64)).is_some());
}
