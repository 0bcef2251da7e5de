//! Nanoseconds per operation: `cargo bench -p loader`.
//!
//! Programs are loaded into a `mm::MemoryManager`, whose work is in the figures: every mapping, the
//! page faults of the stack and of the last page of `.data`, and the copies into both. Files are
//! in its memory already; page tables are nothing. Making the address space and dropping it is
//! outside of the timing.
#![allow(missing_docs)]

#[path = "../tests/common/elf.rs"]
#[allow(dead_code, unreachable_pub)]
mod elf;
mod space;

use arch::Arch;
use divan::{Bencher, black_box};
use elf::{ET_DYN, ET_EXEC, PT_GNU_STACK, PT_INTERP, PT_LOAD, Ph};
use loader::vdso::Vdso;
use loader::{
    Blob, Credentials, DryRun, Executable, Layout, LoadArgs, Loader, Platform, Random, Resolve,
    parse_script, resolve,
};
use space::{Cached, Space};
use std::sync::Arc;
use syserr::Errno;

fn main() {
    divan::main();
}

/// The segments that a linker makes today: headers, code, constants, data with `.bss`.
fn program(kind: u16, base: u64, interpreter: Option<&[u8]>) -> Vec<u8> {
    let mut headers = vec![
        Ph(PT_LOAD, 4, 0, base, 0x1000, 0x1000, 0x1000),
        Ph(PT_LOAD, 5, 0x1000, base + 0x1000, 0x15_0000, 0x15_0000, 0x1000),
        Ph(PT_LOAD, 4, 0x15_1000, base + 0x15_1000, 0x5_0000, 0x5_0000, 0x1000),
        Ph(PT_LOAD, 6, 0x1a_1e00, base + 0x1a_2e00, 0x6200, 0xf000, 0x1000),
        Ph(PT_GNU_STACK, 6, 0, 0, 0, 0, 16),
    ];
    if let Some(path) = interpreter {
        let len = path.len() as u64 + 1;
        headers.insert(0, Ph(PT_INTERP, 4, 0x400, base + 0x400, len, len, 1));
    }
    let mut bytes = elf::build(kind, 62, base + 0x1100, &headers, &[0xcc], 0x1a_8000);
    let path = interpreter.unwrap_or_default();
    bytes[0x400..0x400 + path.len()].copy_from_slice(path);
    bytes
}

/// The only file there is.
struct One(Arc<dyn Executable>);

impl Resolve for One {
    fn open(&mut self, _: &[u8]) -> Result<Arc<dyn Executable>, Errno> {
        Ok(self.0.clone())
    }
}

struct Dice;

impl Random for Dice {
    fn fill(&mut self, buf: &mut [u8]) {
        buf.fill(4);
    }
}

/// As a shell starts a program.
fn args<'a>(file: &Arc<dyn Executable>, vdso: Option<&'a Vdso>) -> LoadArgs<'a> {
    LoadArgs {
        argv: vec![b"/bin/program", b"-l", b"/some/file"],
        envp: vec![b"VARIABLE_OF_SOME_LENGTH=abcdef"; 20],
        arch: Some(Arch::X86_64),
        credentials: Credentials::default(),
        platform: Platform { name: Some(b"x86_64"), minsigstksz: 2048, ..Platform::default() },
        vdso,
        ..LoadArgs::new(b"/bin/program", file.clone(), Layout::fixed(Arch::X86_64))
    }
}

fn load(b: Bencher<'_, '_>, bytes: &[u8]) {
    let file: Arc<dyn Executable> = Arc::new(Cached::new(bytes));
    let interpreter: Arc<dyn Executable> = Arc::new(Cached::new(&program(ET_DYN, 0, None)));
    let vdso = Vdso::builtin(Arch::X86_64);
    let args = args(&file, vdso.as_ref());
    let mut files = One(interpreter);
    b.with_inputs(Space::new).bench_local_refs(|space| {
        let mut loader = Loader { resolve: &mut files, mapper: space, random: &mut Dice };
        loader.load(black_box(&args)).expect("loads").sp
    });
}

#[divan::bench]
fn load_static(b: Bencher<'_, '_>) {
    load(b, &program(ET_EXEC, 0x40_0000, None));
}

#[divan::bench]
fn load_dynamic(b: Bencher<'_, '_>) {
    load(b, &program(ET_DYN, 0, Some(b"/lib64/ld-linux-x86-64.so.2")));
}

/// The loader's own part: the same into a list of operations.
#[divan::bench]
fn load_dynamic_without_mm(b: Bencher<'_, '_>) {
    let path = b"/lib64/ld-linux-x86-64.so.2";
    let file: Arc<dyn Executable> = Arc::new(Blob::new(program(ET_DYN, 0, Some(path))));
    let interpreter: Arc<dyn Executable> = Arc::new(Blob::new(program(ET_DYN, 0, None)));
    let args = args(&file, None);
    let room = arch::AddrRange { start: arch::Addr(1 << 16), end: arch::Addr(0x7f00_0000_0000) };
    let mut files = One(interpreter);
    b.with_inputs(|| DryRun::new(room)).bench_local_refs(|space| {
        let mut loader = Loader { resolve: &mut files, mapper: space, random: &mut Dice };
        loader.load(black_box(&args)).expect("loads").sp
    });
}

/// Finding and parsing a program and its interpreter.
#[divan::bench]
fn parse_dynamic(b: Bencher<'_, '_>) {
    let path = b"/lib64/ld-linux-x86-64.so.2";
    let file: Arc<dyn Executable> = Arc::new(Blob::new(program(ET_DYN, 0, Some(path))));
    let interpreter: Arc<dyn Executable> = Arc::new(Blob::new(program(ET_DYN, 0, None)));
    let args = args(&file, None);
    let mut files = One(interpreter);
    b.bench_local(|| resolve(black_box(&args), &mut files).is_ok());
}

#[divan::bench]
fn parse_script_line(b: Bencher<'_, '_>) {
    let mut head = [0; loader::BINPRM_BUF_SIZE];
    head[..20].copy_from_slice(b"#!/usr/bin/env bash\n");
    b.bench_local(|| parse_script(black_box(&head)).is_ok());
}
