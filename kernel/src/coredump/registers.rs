//! The notes of a thread: `elf_prstatus` and its register sets.

use super::{Dump, elf};
use crate::syscalls::abi::Pair;
use crate::task::TaskCx;
use crate::{CpuTimes, Task};
use alloc::vec::Vec;
use arch::{Arch, RegSet};
use zerocopy::{Immutable, IntoBytes};

const NT_PRSTATUS: u32 = 1;

/// What a thread says of itself.
pub(super) struct ThreadNotes {
    /// Its ID.
    pub(super) tid: i32,
    /// `NT_PRSTATUS`, which comes before what is the process's.
    pub(super) status: Vec<u8>,
    /// All others.
    pub(super) others: Vec<u8>,
}

/// `struct elf_prstatus_common`, which the general registers follow.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct Status {
    signo: i32,
    code: i32,
    errno: i32,
    current: i16,
    pad: i16,
    pending: u64,
    blocked: u64,
    pid: i32,
    ppid: i32,
    pgrp: i32,
    sid: i32,
    user: Pair,
    system: Pair,
    children_user: Pair,
    children_system: Pair,
}

static_assertions::const_assert_eq!(size_of::<Status>(), 112);

/// The register sets beside the general ones: whose notes they are, and of which type
/// (`arch/x86/kernel/ptrace.c`, `arch/arm64/kernel/ptrace.c`).
const fn sets(arch: Arch) -> &'static [(&'static str, u32, RegSet)] {
    match arch {
        Arch::X86_64 => &[("CORE", 2, RegSet::Fpu), ("LINUX", 0x202, RegSet::XState)],
        Arch::Aarch64 => &[
            ("CORE", 2, RegSet::Fpu),
            ("LINUX", 0x401, RegSet::ArmTls),
            ("LINUX", 0x404, RegSet::ArmSystemCall),
            ("LINUX", 0x405, RegSet::ArmSve),
        ],
    }
}

/// The notes of the running thread.
pub(super) fn notes(cx: &mut TaskCx, dump: &Dump) -> ThreadNotes {
    cx.publish_times();
    if let Some(restart) = cx.restart {
        cx.image.arch.set_return((-i64::from(restart.number())) as u64);
    }
    cx.context.pull_fpu(&mut cx.image.arch);
    let regs = &cx.image.arch;
    let mut contents = status(&cx.task, dump).as_bytes().to_vec();
    contents.extend(regs.regset(RegSet::General).unwrap_or_default());
    // The floating-point registers are valid; the structure ends at a multiple of eight bytes.
    contents.extend(1u64.to_le_bytes());
    let mut notes = ThreadNotes { tid: cx.task.tid(), status: Vec::new(), others: Vec::new() };
    elf::note(&mut notes.status, "CORE", NT_PRSTATUS, &contents);
    for &(name, kind, set) in sets(regs.arch()) {
        if let Ok(bytes) = regs.regset(set) {
            elf::note(&mut notes.others, name, kind, &bytes);
        }
    }
    notes
}

/// `fill_prstatus` of `fs/binfmt_elf.c`.
fn status(task: &Task, dump: &Dump) -> Status {
    let group = task.group_ref();
    let times: CpuTimes = if task.is_leader() { group.cpu_times() } else { task.cpu_times() };
    let children = group.usage().children;
    let micros = |ns: u64| Pair::micros(ns as i64);
    Status {
        signo: dump.info.signo,
        code: 0,
        errno: 0,
        current: dump.info.signo as i16,
        pad: 0,
        pending: task.private_pending().0,
        blocked: task.blocked().0,
        pid: task.number(),
        ppid: task.number_of(group.ppid()),
        pgrp: task.number_of(group.pgid()),
        sid: task.number_of(group.sid()),
        user: micros(times.user),
        system: micros(times.system),
        children_user: micros(children.user),
        children_system: micros(children.system),
    }
}
