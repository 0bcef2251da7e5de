//! What gVisor's packages need for an operation, and what is aimed at.

/// The crates that are measured, each by `CRATE/benches/operations.rs`.
pub(super) const CRATES: &[&str] = &["arch", "mm", "futex", "loader", "kernel"];

/// What an operation should cost at most.
#[derive(Clone, Copy)]
pub(super) enum Aim {
    /// Nanoseconds.
    Ns(f64),
    /// As much as another row, which measures the least that it can cost.
    Row(&'static str),
}

/// One operation.
pub(super) struct Operation {
    /// What it is called in the table.
    pub(super) label: &'static str,
    /// `CRATE/FUNCTION` or `CRATE/FUNCTION/ARGUMENT`, as the crate's benchmark names it.
    pub(super) row: &'static str,
    /// gVisor's packages, in nanoseconds: the least of ten runs on a machine of this kind, Go 1.26.
    pub(super) gvisor: f64,
    /// The aim.
    pub(super) aim: Aim,
}

const fn op(label: &'static str, row: &'static str, gvisor: f64, aim: f64) -> Operation {
    Operation { label, row, gvisor, aim: Aim::Ns(aim) }
}

const fn copy(label: &'static str, row: &'static str, gvisor: f64) -> Operation {
    Operation { label, row, gvisor, aim: Aim::Row("mm/memcpy/1048576") }
}

/// The table, in its order.
#[rustfmt::skip]
pub(super) const OPERATIONS: &[Operation] = &[
    op("mmap + munmap of one page, bookkeeping only", "mm/mmap_munmap", 909.0, 250.0),
    op("the same among 100,000 mappings", "mm/mmap_munmap_among/100000", 1_354.0, 350.0),
    op("fixed replace among 100,000", "mm/fixed_replace_among/100000", 5_617.0, 500.0),
    op("mprotect that splits and merges back", "mm/mprotect_split_merge_among/1", 528.0, 200.0),
    op("mremap grow + shrink", "mm/mremap_grow_shrink_among/1", 225.0, 100.0),
    op("brk grow + shrink", "mm/brk_grow_shrink_among/1", 189.0, 80.0),
    op("fault on one page (mmap + fault + munmap)", "mm/mmap_fault_munmap_among/1", 1_284.0, 450.0),
    op("fork, 1 vma", "mm/fork_vmas/1", 1_632.0, 800.0),
    op("fork, 100 vmas", "mm/fork_vmas/100", 69_592.0, 5_000.0),
    op("fork, 10,000 vmas", "mm/fork_vmas/10000", 9_531_618.0, 50_000.0),
    op("fork, 16,384 separate resident extents", "mm/fork_extents/16384", 16_312_270.0, 100_000.0),
    op("copy-on-write break of one page", "mm/cow_break/1", 2_684.0, 700.0),
    op("copy in, 64 B", "mm/copy_in/64", 31.0, 15.0),
    op("copy in, 4 KiB", "mm/copy_in/4096", 51.0, 40.0),
    copy("copy in, 1 MiB", "mm/copy_in/1048576", 15_443.0),
    op("copy out, 64 B", "mm/copy_out/64", 31.0, 15.0),
    op("copy out, 4 KiB", "mm/copy_out/4096", 51.0, 40.0),
    copy("copy out, 1 MiB", "mm/copy_out/1048576", 15_443.0),
    op("user u32 load", "mm/load_u32", 26.0, 10.0),
    op("user u32 compare-and-swap", "mm/compare_exchange_u32", 32.0, 12.0),
    op("new + drop of a memory manager", "mm/new_drop", 2_704.0, 500.0),
    op("user inc + dec", "mm/users_inc_dec", 12.0, 10.0),
    op("wake nobody", "futex/wake_nobody", 26.0, 10.0),
    op("wait set-up and undo", "futex/wait_set_up_and_undo", 52.0, 25.0),
    op("wake 1,000", "futex/wake_all/1000", 25_340.0, 10_000.0),
    op("requeue 1,000", "futex/requeue_all/1000", 11_170.0, 6_000.0),
    op("PI lock + unlock", "futex/pi_lock_and_unlock", 64.0, 30.0),
    op("new manager", "futex/new_manager", 3_353.0, 300.0),
    op("context fork", "arch/context_fork", 1_167.0, 200.0),
    op("initial stack, 10 arguments + 50 variables", "arch/initial_stack", 8_306.0, 1_500.0),
    op("load static ELF (file cached)", "loader/load_static", 47_938.0, 8_000.0),
    op("load dynamic ELF with interpreter (cached)", "loader/load_dynamic", 69_896.0, 15_000.0),
    op("syscall-table look-up", "kernel/table_lookup", 0.8, 0.8),
];
