//! Nanoseconds per operation: `cargo bench -p mm --features std,testkit`.
//!
//! Rows take the manager's own time: page tables are nothing, memory is counters and bytes. What a
//! row makes is dropped outside of the timing, unless its name says otherwise.
#![allow(missing_docs)]

mod doubles;

use arch::{Access, Addr, Permissions, UserMemory};
use divan::{Bencher, black_box};
use doubles::{AT, LAZY, LIMITS, P, fork, manager, many, map, touched, whole_pages};
use mm::{MremapArgs, MremapFlags, Tuning};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Runs between two looks at the clock, so that short rows are not about the clock.
const MANY: u32 = 100;

fn main() {
    divan::main();
}

#[divan::bench(sample_size = MANY)]
fn mmap_munmap(b: Bencher<'_, '_>) {
    let mm = manager(LAZY);
    b.bench_local(|| mm.munmap(map(&mm, 0, 1), P));
}

#[divan::bench(args = [10, 1_000, 100_000], sample_size = MANY)]
fn mmap_munmap_among(b: Bencher<'_, '_>, n: u64) {
    let mm = many(n);
    b.bench_local(|| mm.munmap(map(&mm, 0, 1), P));
}

#[divan::bench(args = [10, 1_000, 100_000], sample_size = MANY)]
fn fixed_replace_among(b: Bencher<'_, '_>, n: u64) {
    let mm = many(n);
    b.bench_local(|| map(&mm, AT + n / 2 * 2 * P, 1));
}

/// Two calls: one splits a vma in three, one makes it whole again.
#[divan::bench(args = [1, 1_000, 100_000], sample_size = MANY)]
fn mprotect_split_merge_among(b: Bencher<'_, '_>, n: u64) {
    let mm = many(n);
    map(&mm, AT - 16 * P, 16);
    let protect = |to| mm.mprotect(Addr(AT - 8 * P), P, to, false, &LIMITS).unwrap();
    b.bench_local(|| {
        protect(Access::READ);
        protect(Access::RW);
    });
}

#[divan::bench(args = [1, 1_000, 100_000], sample_size = MANY)]
fn mremap_grow_shrink_among(b: Bencher<'_, '_>, n: u64) {
    let mm = many(n);
    let at = map(&mm, AT - 64 * P, 16);
    let remap = |old: u64, new: u64| {
        let flags = MremapFlags::empty();
        let (old_len, new_len) = (old * P, new * P);
        mm.mremap(MremapArgs { old: at, old_len, new_len, flags, new: Addr(0), limits: &LIMITS })
    };
    b.bench_local(|| (remap(16, 17), remap(17, 16)));
}

#[divan::bench(args = [1, 1_000, 100_000], sample_size = MANY)]
fn brk_grow_shrink_among(b: Bencher<'_, '_>, n: u64) {
    let mm = many(n);
    // A heap in use, as malloc(3) leaves it.
    let (start, end) = (Addr(0x5555_0000_0000), Addr(0x5555_0002_1000));
    mm.set_brk(start);
    mm.brk(end, &LIMITS);
    b.bench_local(|| (mm.brk(Addr(end.0 + P), &LIMITS), mm.brk(end, &LIMITS)));
}

#[divan::bench(args = [1, 1_000, 100_000], sample_size = MANY)]
fn mmap_fault_munmap_among(b: Bencher<'_, '_>, n: u64) {
    let mm = many(n);
    b.bench_local(|| {
        let at = map(&mm, 0, 1);
        mm.handle_fault(at, Access::WRITE).unwrap();
        mm.munmap(at, P)
    });
}

#[divan::bench(args = [1, 100, 10_000, 100_000])]
fn fork_vmas(b: Bencher<'_, '_>, n: u64) {
    let mm = many(n);
    b.bench_local(|| fork(&mm));
}

#[divan::bench(args = [1, 100, 10_000, 100_000])]
fn fork_vmas_and_exit(b: Bencher<'_, '_>, n: u64) {
    let mm = many(n);
    b.bench_local(|| fork(&mm).dec_users());
}

/// All extents were written, and are mapped writable, since the last fork.
#[divan::bench(args = [16, 1_024, 16_384], sample_count = 20, sample_size = 1)]
fn fork_extents(b: Bencher<'_, '_>, n: u64) {
    b.with_inputs(|| touched(n)).bench_local_refs(|mm| fork(mm));
}

#[divan::bench(args = [16, 1_024, 16_384])]
fn fork_extents_again_and_exit(b: Bencher<'_, '_>, n: u64) {
    let mm = touched(n);
    b.bench_local(|| fork(&mm).dec_users());
}

/// The child's first write to a page that both have.
#[divan::bench(args = [1, 1_024, 16_384], sample_size = 1, sample_count = 500)]
fn cow_break(b: Bencher<'_, '_>, n: u64) {
    let mm = touched(n);
    b.with_inputs(|| fork(&mm))
        .bench_local_refs(|child| child.handle_fault(Addr(AT + n / 2 * 2 * P), Access::WRITE));
}

/// The next page of a child that has broken one in its neighbourhood already.
#[divan::bench(sample_size = 1, sample_count = 500)]
fn cow_break_next(b: Bencher<'_, '_>) {
    let mm = touched(1_024);
    b.with_inputs(|| {
        let child = fork(&mm);
        child.handle_fault(Addr(AT), Access::WRITE).unwrap();
        child
    })
    .bench_local_refs(|child| child.handle_fault(Addr(AT + 2 * P), Access::WRITE));
}

fn populated() -> Arc<mm::MemoryManager> {
    let mm = manager(Tuning::DEFAULT);
    map(&mm, AT, 512);
    mm.populate(Addr(AT), 512 * P).unwrap();
    mm
}

#[divan::bench(args = [64, 4 << 10, 1 << 20], sample_size = MANY)]
fn copy_in(b: Bencher<'_, '_>, n: usize) {
    let (mm, buf) = (populated(), whole_pages(n));
    b.bench_local(|| mm.copy_in(black_box(Addr(AT)), buf, Permissions::Obey));
}

#[divan::bench(args = [64, 4 << 10, 1 << 20], sample_size = MANY)]
fn copy_out(b: Bencher<'_, '_>, n: usize) {
    let (mm, buf) = (populated(), whole_pages(n));
    b.bench_local(|| mm.copy_out(black_box(Addr(AT)), buf, Permissions::Obey));
}

/// What the copies are measured against.
#[divan::bench(args = [64, 4 << 10, 1 << 20], sample_size = MANY)]
fn memcpy(b: Bencher<'_, '_>, n: usize) {
    let (to, from) = (whole_pages(n), whole_pages(n));
    b.bench_local(|| black_box(&mut *to).copy_from_slice(black_box(from)));
}

#[divan::bench(sample_size = MANY)]
fn load_u32(b: Bencher<'_, '_>) {
    let mm = populated();
    b.bench_local(|| mm.load_u32(black_box(Addr(AT + 8))));
}

#[divan::bench(sample_size = MANY)]
fn compare_exchange_u32(b: Bencher<'_, '_>) {
    let mm = populated();
    b.bench_local(|| mm.compare_exchange_u32(black_box(Addr(AT + 8)), 0, 0));
}

/// What changing a word without a lock, or counting a user, cannot cost less than.
#[divan::bench(sample_size = MANY)]
fn two_atomic_additions(b: Bencher<'_, '_>) {
    let word = AtomicU32::new(0);
    b.bench_local(|| {
        black_box(&word).fetch_add(1, Relaxed);
        black_box(&word).fetch_sub(1, Relaxed)
    });
}

#[divan::bench(sample_size = MANY)]
fn new_drop(b: Bencher<'_, '_>) {
    b.bench_local(|| drop(manager(LAZY)));
}

#[divan::bench(sample_size = MANY)]
fn users_inc_dec(b: Bencher<'_, '_>) {
    let mm = manager(LAZY);
    b.bench_local(|| {
        assert!(mm.inc_users());
        mm.dec_users();
    });
}
