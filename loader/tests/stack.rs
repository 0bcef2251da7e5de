//! The initial stack, read back as a C library's start code reads it.

mod common;

use arch::auxv::*;
use arch::stack::ParseLimits;
use arch::{Access, Addr, Arch, ParsedStack, UserMemoryExt, parse_initial_stack};
use common::{Files, args, elf, load};
use loader::kit::Space;
use loader::vdso::Vdso;
use loader::{AuxEntry, Blob, Credentials, Layout, LoadArgs, LoadError, LoadedImage};
use std::borrow::Cow;
use std::sync::Arc;

fn read_back(image: &LoadedImage, space: &Space) -> ParsedStack {
    parse_initial_stack(&space.view(), image.sp, ParseLimits::default()).expect("a stack")
}

fn cstr(space: &Space, at: u64) -> Vec<u8> {
    space.view().read_cstr(Addr(at), 4096).expect("a string")
}

fn plain() -> Arc<Blob> {
    Arc::new(Blob::new(elf::program(elf::ET_DYN, 0, 0)))
}

#[test]
fn arguments_environment_and_vector() {
    let vdso = Vdso::builtin(Arch::X86_64);
    let mut args = args(b"/bin/program-with-a-long-name", plain());
    args.argv = vec![b"zero", b"", b"two words"];
    args.envp = vec![b"A=1", b"B="];
    args.credentials = Credentials { uid: 1, euid: 2, gid: 3, egid: 4, secure: true };
    args.execfd = Some(9);
    args.vdso = vdso.as_ref();
    args.platform.rseq_feature_size = 28;
    args.platform.rseq_align = 32;
    let (image, space) = load(&args, &mut Files::default()).expect("loads");
    let stack = read_back(&image, &space);
    assert_eq!(stack.argv, args.argv);
    assert_eq!(stack.envp, args.envp);
    assert_eq!(Some((&AuxEntry::new(AT_NULL, 0), &stack.auxv[..])), image.auxv.split_last());
    assert_eq!(image.sp.0 % 16, 0);
    assert_eq!(image.comm, b"program-with-a-");
    assert!(image.secure && !image.exec_stack && !image.read_implies_exec);
    let get = |key| stack.aux(key).expect("present");
    assert_eq!([get(AT_UID), get(AT_EUID), get(AT_GID), get(AT_EGID)], [1, 2, 3, 4]);
    assert_eq!([get(AT_SECURE), get(AT_EXECFD), get(AT_PAGESZ)], [1, 9, 4096]);
    assert_eq!([get(AT_RSEQ_FEATURE_SIZE), get(AT_RSEQ_ALIGN)], [28, 32]);
    assert_eq!(cstr(&space, get(AT_EXECFN)), b"/bin/program-with-a-long-name");
    assert_eq!(cstr(&space, get(AT_PLATFORM)), b"x86_64");
    let random: Vec<u8> = (0xa0..0xb0).collect();
    assert_eq!(space.bytes(Addr(get(AT_RANDOM)), 16), Some(random));
    // The program headers are where the vector says.
    assert_eq!(space.bytes(Addr(get(AT_PHDR)), 4), Some(vec![1, 0, 0, 0]));
    assert_eq!(space.bytes(Addr(get(AT_SYSINFO_EHDR)), 4), Some(b"\x7fELF".to_vec()));
    let sigreturn = image.sigreturn.expect("in the vDSO");
    assert_eq!(space.bytes(sigreturn, 3), Some(vec![0x48, 0xc7, 0xc0]));
    // setproctitle(3) writes over the strings as one piece.
    assert_eq!(image.argv.end, image.envp.start);
    let text = space.bytes(image.argv.start, (image.envp.end.0 - image.argv.start.0) as usize);
    assert_eq!(text, Some(b"zero\0\0two words\0A=1\0B=\0".to_vec()));
}

#[test]
fn no_arguments_become_an_empty_one() {
    let mut args = args(b"name", plain());
    args.argv = vec![];
    args.comm = Some(b"other");
    let (image, space) = load(&args, &mut Files::default()).expect("loads");
    assert_eq!(read_back(&image, &space).argv, [b""]);
    assert_eq!(image.comm, b"other");
}

#[test]
fn extra_entries_are_added_and_replace() {
    let mut args = args(b"name", plain());
    let extra = [(AT_HWCAP2, 7), (0x1234, 5), (AT_NULL, 9)];
    let extra = extra.map(|(key, value)| AuxEntry { key, value });
    args.extra_auxv = &extra;
    let (image, space) = load(&args, &mut Files::default()).expect("loads");
    let stack = read_back(&image, &space);
    assert_eq!(stack.auxv.iter().filter(|e| e.key == AT_HWCAP2).count(), 1);
    assert_eq!(stack.aux(AT_HWCAP2), Some(7));
    assert_eq!(stack.aux(0x1234), Some(5));
    assert_eq!(stack.aux(AT_NULL), None, "one end only");
}

#[test]
fn the_stack_covers_its_contents_and_room_to_run() {
    let big = vec![b'x'; 100_000];
    let mut args = args(b"name", plain());
    args.argv = vec![&big; 10];
    args.layout.stack_jitter = 8191;
    let (image, space) = load(&args, &mut Files::default()).expect("loads");
    assert_eq!(read_back(&image, &space).argv, args.argv);
    assert!(image.sp.0 - image.stack.start.0 >= 128 << 10);
    assert_eq!(image.stack.end, args.layout.stack_top);
}

#[test]
fn an_executable_stack_is_what_the_header_asks_for() {
    let mut bytes = elf::program(elf::ET_DYN, 0, 0);
    bytes[64 + 2 * 56 + 4] = 7;
    let (image, space) =
        load(&args(b"name", Arc::new(Blob::new(bytes))), &mut Files::default()).expect("loads");
    assert!(image.exec_stack);
    let (_, stack) = space.find(image.sp.0).expect("stack");
    assert_eq!(stack.access, Access::ALL);
}

#[test]
fn arm64_programs_load_anywhere() {
    let headers = [elf::Ph(elf::PT_LOAD, 5, 0, 0, 0x1000, 0x1000, 0x1_0000)];
    let bytes = elf::build(elf::ET_DYN, 183, 0x800, &headers, b"\xc0\x03\x5f\xd6", 0x1000);
    let file = Arc::new(Blob::new(bytes));
    let layout = Layout::fixed(Arch::Aarch64);
    let args = LoadArgs::new(b"name", file.clone(), layout);
    let (image, space) = load(&args, &mut Files::default()).expect("loads");
    assert_eq!(image.arch, Arch::Aarch64);
    assert_eq!(image.load_bias % 0x1_0000, 0, "p_align is honoured");
    assert_eq!(space.bytes(image.entry, 4), Some(b"\xc0\x03\x5f\xd6".to_vec()));
    let vdso = Vdso::builtin(Arch::X86_64);
    let wrong = LoadArgs { vdso: vdso.as_ref(), ..LoadArgs::new(b"name", file.clone(), layout) };
    if vdso.is_some() {
        assert_eq!(load(&wrong, &mut Files::default()).err(), Some(LoadError::VdsoArch));
    }
    let other = LoadArgs { arch: Some(Arch::X86_64), ..LoadArgs::new(b"name", file, layout) };
    let errno = load(&other, &mut Files::default()).err().map(|e| e.errno());
    assert_eq!(errno, Some(syserr::Errno::ENOEXEC));
}

/// A `.note.gnu.property` with one property.
fn note(kind: u32, bits: u32) -> Vec<u8> {
    let words = [4, 16, 5, u32::from_le_bytes(*b"GNU\0"), kind, 4, bits, 0];
    words.iter().flat_map(|w: &u32| w.to_le_bytes()).collect()
}

fn with_property(machine: u16, note: &[u8]) -> Arc<Blob> {
    let headers = [
        elf::Ph(elf::PT_LOAD, 5, 0, 0, 0x1000, 0x1000, 0x1000),
        elf::Ph(elf::PT_GNU_PROPERTY, 4, 0x400, 0x400, note.len() as u64, note.len() as u64, 8),
    ];
    let mut bytes = elf::build(elf::ET_DYN, machine, 0x800, &headers, &[], 0x1000);
    bytes[0x400..0x400 + note.len()].copy_from_slice(note);
    Arc::new(Blob::new(bytes))
}

#[test]
fn properties_are_reported_and_arm64_checks_them() {
    let read = |arch, machine, note: &[u8]| {
        let args = LoadArgs::new(b"name", with_property(machine, note), Layout::fixed(arch));
        load(&args, &mut Files::default()).map(|(image, _)| image.properties)
    };
    let x86 = read(Arch::X86_64, 62, &note(0xc000_0002, 3)).expect("loads");
    assert!(x86.branch_tracking && x86.return_protection);
    let arm = read(Arch::Aarch64, 183, &note(0xc000_0000, 1)).expect("loads");
    assert!(arm.branch_tracking && !arm.return_protection);
    let mut bad = note(0xc000_0000, 1);
    bad[12] = b'X';
    let errno = |r: Result<_, LoadError>| r.err().map(|e| e.errno());
    assert_eq!(errno(read(Arch::Aarch64, 183, &bad)), Some(syserr::Errno::ENOEXEC));
    assert_eq!(errno(read(Arch::Aarch64, 183, &bad[..12])), Some(syserr::Errno::EIO));
    assert!(read(Arch::X86_64, 62, &bad).is_ok(), "x86-64 does not look");
}

#[test]
fn a_descriptor_that_closes_hides_scripts_only() {
    let script = Arc::new(Blob::new(b"#!/bin/sh\n".to_vec()));
    let mut hidden = args(b"/dev/fd/3", script);
    hidden.inaccessible = true;
    let failed = load(&hidden, &mut Files::default()).err();
    assert_eq!(failed, Some(LoadError::ScriptInaccessible));
    let mut program = args(b"/dev/fd/3", plain());
    program.inaccessible = true;
    assert!(load(&program, &mut Files::default()).is_ok());
}

#[test]
fn heap_placement() {
    let exec = Arc::new(Blob::new(elf::program(elf::ET_EXEC, 0x40_0000, 0)));
    let brk = |file: &Arc<Blob>, offset| {
        let mut args = args(b"name", file.clone());
        args.layout.brk_offset = offset;
        let (image, space) = load(&args, &mut Files::default()).expect("loads");
        assert_eq!(space.brk(), image.brk);
        image.brk.0
    };
    // Behind .bss at 0x404000; with randomisation behind a guard page.
    assert_eq!(brk(&exec, None), 0x40_4000);
    assert_eq!(brk(&exec, Some(0)), 0x40_5000);
    assert_eq!(brk(&exec, Some(0x7000)), 0x40_c000);
    // A static PIE lies among the mappings, its heap does not.
    let base = Layout::fixed(Arch::X86_64).static_pie_brk.0;
    assert_eq!(brk(&plain(), None), base);
    assert_eq!(brk(&plain(), Some(0x7000)), base + 0x7000);
}

#[test]
fn an_own_vdso_replaces_the_built_in() {
    let Some(ours) = Vdso::builtin(Arch::X86_64) else { return };
    let own = Vdso::new(Cow::Owned(ours.image().to_vec())).expect("the same bytes");
    assert_eq!(own, ours);
    let mut args = args(b"name", plain());
    args.vdso = Some(&own);
    args.layout.vdso = Some(Addr(0x7000_0000_0000));
    let (image, space) = load(&args, &mut Files::default()).expect("loads");
    assert_eq!(image.vdso, Some(Addr(0x7000_0000_1000)), "behind its parameters");
    let (_, params) = space.find(0x7000_0000_0000).expect("parameters");
    assert_eq!(params.access, Access::READ);
}

#[test]
fn an_entry_that_overflows_is_an_error() {
    for entry in [1 << 63, (1u64 << 47) - 1, u64::MAX >> 1] {
        let mut bytes = elf::program(elf::ET_DYN, 0, 0);
        bytes[24..32].copy_from_slice(&entry.to_le_bytes());
        let failed = load(&args(b"name", Arc::new(Blob::new(bytes))), &mut Files::default()).err();
        assert!(matches!(failed, Some(LoadError::Entry { .. })), "{entry:#x}: {failed:?}");
    }
}
