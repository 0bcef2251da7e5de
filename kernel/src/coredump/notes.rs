//! The notes of a process: `elf_prpsinfo`, the signal, the auxiliary vector, what files are mapped.

use super::registers::ThreadNotes;
use super::{Dump, elf};
use crate::task::TaskCx;
use alloc::vec::Vec;
use arch::{Addr, Permissions, UserMemory};
use mm::MemoryManager;
use zerocopy::{Immutable, IntoBytes};

const NT_PRPSINFO: u32 = 3;
const NT_AUXV: u32 = 6;
const NT_SIGINFO: u32 = 0x5349_4749;
const NT_FILE: u32 = 0x4649_4c45;
const NT_X86_XSAVE_LAYOUT: u32 = 0x205;
/// Arguments that the note has room for, without the NUL at the end (`ELF_PRARGSZ`).
const ARGUMENTS: usize = 79;
/// The longest list of files, in bytes (`kernel.core_file_note_size_limit`).
const FILES_MAX: usize = 4 << 20;
/// `PF_DUMPCORE`, `PF_SIGNALED` and `PF_RANDOMIZE` of `include/linux/sched.h`.
const FLAGS: u64 = 0x0040_0600;

/// `struct elf_prpsinfo`.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct ProcessInfo {
    state: u8,
    letter: u8,
    zombie: u8,
    nice: i8,
    pad: u32,
    flags: u64,
    uid: u32,
    gid: u32,
    pid: i32,
    ppid: i32,
    pgrp: i32,
    sid: i32,
    name: [u8; 16],
    arguments: [u8; 80],
}

static_assertions::const_assert_eq!(size_of::<ProcessInfo>(), 136);

/// The notes that are not a thread's.
pub(super) struct ProcessNotes {
    /// After the first thread's status.
    main: Vec<u8>,
    /// After all others.
    last: Vec<u8>,
}

impl ProcessNotes {
    pub(super) fn new(cx: &TaskCx, dump: &Dump) -> ProcessNotes {
        let (mut main, mut last) = (Vec::new(), Vec::new());
        elf::note(&mut main, "CORE", NT_PRPSINFO, process(cx).as_bytes());
        elf::note(&mut main, "CORE", NT_SIGINFO, &dump.info.to_bytes());
        elf::note(&mut main, "CORE", NT_AUXV, &cx.mm().meta().auxv);
        if let Some(files) = files(cx.mm()) {
            elf::note(&mut main, "CORE", NT_FILE, &files);
        }
        let layout = cx.image.arch.fpu().layout();
        if layout.components().next().is_some() {
            let words = layout.components().flat_map(|c| [c.number, c.size, c.offset, 0]);
            let bytes: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
            elf::note(&mut last, "LINUX", NT_X86_XSAVE_LAYOUT, &bytes);
        }
        ProcessNotes { main, last }
    }

    /// These and those of the threads, in the kernel's order.
    pub(super) fn with<'a>(
        &'a self,
        threads: &'a [ThreadNotes],
    ) -> impl Iterator<Item = &'a [u8]> + Clone {
        let of_thread = |(i, t): (usize, &'a ThreadNotes)| {
            let main = if i == 0 { &*self.main } else { &[] };
            [&*t.status, main, &*t.others]
        };
        threads.iter().enumerate().flat_map(of_thread).chain([&*self.last])
    }
}

/// `fill_psinfo` of `fs/binfmt_elf.c`.
fn process(cx: &TaskCx) -> ProcessInfo {
    let task = &cx.task;
    let group = task.group_ref();
    let creds = task.creds();
    let mut arguments = [0; ARGUMENTS + 1];
    let argv = cx.mm().meta().argv;
    let len = (argv.len() as usize).min(ARGUMENTS);
    if let Some(part) = arguments.get_mut(..len)
        && cx.mm().copy_in(argv.start, part, Permissions::Ignore).is_ok()
    {
        part.iter_mut().filter(|b| **b == 0).for_each(|b| *b = b' ');
    }
    ProcessInfo {
        state: 0,
        letter: b'R',
        zombie: 0,
        nice: task.policy.lock().nice as i8,
        pad: 0,
        flags: FLAGS,
        uid: creds.user_ns.show_uid(creds.uid),
        gid: creds.user_ns.show_gid(creds.gid),
        pid: group.number(),
        ppid: task.number_of(group.ppid()),
        pgrp: task.number_of(group.pgid()),
        sid: task.number_of(group.sid()),
        name: task.comm().padded(),
        arguments,
    }
}

/// `NT_FILE`: what is mapped where (`fill_files_note`). Nothing when that is too much.
fn files(mm: &MemoryManager) -> Option<Vec<u8>> {
    let (mut places, mut names) = (Vec::new(), Vec::new());
    let mut count = 0u64;
    let mut from = Addr::NULL;
    loop {
        let vmas = mm.vmas_from(from, 64, false);
        let Some(last) = vmas.last() else { break };
        from = last.range.end;
        for v in &vmas {
            let Some(o) = &v.object else { continue };
            let name = o.identity.path();
            // The kernel's own pages are no files.
            if !name.starts_with(b"/") {
                continue;
            }
            let page = v.offset / arch::PAGE_SIZE;
            let words = [v.range.start.0, v.range.end.0, page];
            places.extend(words.iter().flat_map(|w| w.to_le_bytes()));
            names.extend_from_slice(&name);
            names.push(0);
            count += 1;
        }
        if places.len() + names.len() > FILES_MAX {
            return None;
        }
    }
    let mut out: Vec<u8> = [count, arch::PAGE_SIZE].iter().flat_map(|w| w.to_le_bytes()).collect();
    out.append(&mut places);
    out.append(&mut names);
    Some(out)
}
