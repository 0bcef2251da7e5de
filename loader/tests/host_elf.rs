//! Damaged ELF files: the host kernel executes each, and must agree with the loader.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod common;

use arch::{Access, Addr};
use common::elf::{
    self, CODE_AT, ET_DYN, ET_EXEC, PT_GNU_PROPERTY, PT_GNU_STACK, PT_INTERP, PT_LOAD, Ph,
};
use common::oracle::Oracle;
use common::{HostFiles, args, load};
use loader::kit::Space;
use loader::{Blob, LoadError, LoadedImage};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A folder that goes away with its owner.
pub struct Dir(pub PathBuf);

impl Dir {
    fn new(name: &str) -> Dir {
        let path = std::env::temp_dir().join(format!("loader-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("temporary folder");
        Dir(path)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        let _ = std::fs::remove_file(&path);
        std::fs::write(&path, bytes).expect("write");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("chmod");
        path
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What became of an execve(2) on the host.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Fate {
    /// It returned an error number.
    Errno(i32),
    /// The program ended by itself.
    Exit(i32),
    /// A signal killed it, in execve(2) or behind it.
    Killed(i32),
}

fn on_host(path: &Path) -> Fate {
    loop {
        match std::process::Command::new(path).env_clear().spawn() {
            Ok(mut child) => {
                let status = child.wait().expect("wait");
                return match status.code() {
                    Some(code) => Fate::Exit(code),
                    None => Fate::Killed(status.signal().unwrap_or(0)),
                };
            }
            // A child that another test forks holds the file open for writing for a moment.
            Err(e) if e.raw_os_error() == Some(26) => std::thread::yield_now(),
            Err(e) => return Fate::Errno(e.raw_os_error().expect("errno")),
        }
    }
}

/// The exit status of the code at the entry, if it is the known code and can run.
fn predicted(image: &LoadedImage, space: &Space) -> Option<i32> {
    let code = space.bytes(image.entry, 13)?;
    let end = Addr(image.entry.0 + 12);
    let runs = |a: Addr| space.find(a.0).is_some_and(|(_, v)| v.access.contains(Access::EXEC));
    let status = *code.get(1)?;
    (code == elf::exit_code(status) && runs(image.entry) && runs(end)).then_some(status.into())
}

fn ours(path: &Path) -> Result<(LoadedImage, Space), LoadError> {
    let bytes = std::fs::read(path).expect("read");
    let name = path.as_os_str().as_bytes();
    let mut args = args(name, Arc::new(Blob::new(bytes)));
    if std::fs::metadata("/proc/self").expect("proc").uid() == 0 {
        // The superuser may map address 0.
        args.layout.min_addr = Addr(0);
    }
    load(&args, &mut HostFiles)
}

fn compare(what: &str, path: &Path, differences: &mut Vec<String>) {
    let host = on_host(path);
    let ours = ours(path);
    let agree = match (&ours, host) {
        (Err(e), Fate::Errno(n)) => !e.is_late() && i32::from(e.errno().number()) == n,
        (Err(e), Fate::Killed(_)) => e.is_late(),
        (Ok((image, space)), fate) => match (predicted(image, space), fate) {
            (Some(status), Fate::Exit(code)) => status == code,
            (None, Fate::Killed(_)) => true,
            _ => false,
        },
        _ => false,
    };
    if !agree {
        let text = match &ours {
            Ok((i, s)) => format!("loads, entry {:?}, exit {:?}", i.entry, predicted(i, s)),
            Err(e) => format!("{:?}: {e}", e.errno()),
        };
        differences.push(format!("{what}: host {host:?}, ours {text}"));
    }
}

fn finish(differences: &[String]) {
    assert!(
        differences.is_empty(),
        "{} differences:\n{}",
        differences.len(),
        differences.join("\n")
    );
}

/// Values that sit at the edges of every check.
const EDGES: [u64; 30] = [
    0,
    1,
    2,
    3,
    4,
    7,
    55,
    56,
    57,
    62,
    64,
    0x7ff,
    0x800,
    0x801,
    0xfff,
    0x1000,
    0x1001,
    0x1900,
    0x2000,
    0x10000,
    0x20_0000,
    0x40_0000,
    0x40_1000,
    0x7fff_ffff,
    0xffff_ffff,
    0x7fff_ffff_f000,
    0x8000_0000_0000,
    0x7fff_ffff_ffff_f000,
    0x8000_0000_0000_0000,
    u64::MAX,
];

/// Every field of the ELF header and of each program header: offset and size.
fn fields(headers: usize) -> Vec<(usize, usize)> {
    let mut out = vec![(0, 4), (4, 1), (5, 1), (6, 1), (7, 1), (16, 2), (18, 2), (20, 4)];
    out.extend([(24, 8), (32, 8), (40, 8), (48, 4), (52, 2), (54, 2), (56, 2), (58, 2), (60, 2)]);
    for i in 0..headers {
        let at = 64 + 56 * i;
        out.extend([(at, 4), (at + 4, 4), (at + 8, 8), (at + 16, 8), (at + 24, 8)]);
        out.extend([(at + 32, 8), (at + 40, 8), (at + 48, 8)]);
    }
    out
}

fn with_field(good: &[u8], (at, size): (usize, usize), value: u64) -> Vec<u8> {
    let mut bytes = good.to_vec();
    bytes[at..at + size].copy_from_slice(&value.to_le_bytes()[..size]);
    bytes
}

#[test]
fn sound_files_run() {
    let dir = Dir::new("sound");
    let exec = dir.put("exec", &elf::program(ET_EXEC, 0x40_0000, 42));
    assert_eq!(on_host(&exec), Fate::Exit(42));
    let pie = dir.put("pie", &elf::program(ET_DYN, 0, 43));
    assert_eq!(on_host(&pie), Fate::Exit(43));
    let interp = dir.put("interp", &elf::program(ET_DYN, 0, 44));
    let dynamic = dir.put("dynamic", &elf::dynamic(ET_DYN, 0, interp.as_os_str().as_bytes()));
    assert_eq!(on_host(&dynamic), Fate::Exit(44));
    let mut differences = Vec::new();
    for path in [exec, pie, interp, dynamic] {
        compare("sound", &path, &mut differences);
    }
    finish(&differences);
}

#[test]
fn each_field_at_each_edge() {
    let dir = Dir::new("fields");
    let mut differences = Vec::new();
    for (name, good, headers) in
        [("exec", elf::program(ET_EXEC, 0x40_0000, 42), 3), ("pie", elf::program(ET_DYN, 0, 42), 3)]
    {
        for field in fields(headers) {
            for value in EDGES {
                let path = dir.put("victim", &with_field(&good, field, value));
                compare(&format!("{name} {field:?} = {value:#x}"), &path, &mut differences);
            }
        }
    }
    finish(&differences);
}

#[test]
fn each_field_of_dynamic_programs_and_interpreters() {
    let dir = Dir::new("interp");
    let mut differences = Vec::new();
    let good = elf::program(ET_DYN, 0, 44);
    let interp = dir.put("interp", &good);
    let victim = dir.0.join("victim");
    for (name, program) in [
        ("exec", elf::dynamic(ET_EXEC, 0x40_0000, interp.as_os_str().as_bytes())),
        ("pie", elf::dynamic(ET_DYN, 0, interp.as_os_str().as_bytes())),
    ] {
        for field in fields(2) {
            for value in EDGES {
                let path = dir.put("program", &with_field(&program, field, value));
                compare(&format!("{name} {field:?} = {value:#x}"), &path, &mut differences);
            }
        }
    }
    let program = dir.put("program", &elf::dynamic(ET_DYN, 0, victim.as_os_str().as_bytes()));
    for field in fields(2) {
        for value in EDGES {
            dir.put("victim", &with_field(&good, field, value));
            compare(&format!("interpreter {field:?} = {value:#x}"), &program, &mut differences);
        }
    }
    finish(&differences);
}

/// Random damage in several places at once.
#[test]
fn several_fields_at_random() {
    let dir = Dir::new("random");
    let interp = dir.put("interp", &elf::program(ET_DYN, 0, 44));
    let path = interp.as_os_str().as_bytes();
    let programs = [
        elf::program(ET_EXEC, 0x40_0000, 42),
        elf::program(ET_DYN, 0, 42),
        elf::dynamic(ET_DYN, 0, path),
        elf::dynamic(ET_EXEC, 0x40_0000, path),
        // Damaged as interpreter of a sound program.
        elf::program(ET_DYN, 0, 44),
        elf::program(ET_EXEC, 0x80_0000, 44),
    ];
    let victim = dir.0.join("victim");
    let sound = dir.put("sound", &elf::dynamic(ET_DYN, 0, victim.as_os_str().as_bytes()));
    let fields = fields(3);
    let edit = (0..fields.len(), 0..EDGES.len(), -1i64..2, 0..4u32);
    let plan = (0..programs.len(), proptest::collection::vec(edit, 1..5));
    let mut oracle = Oracle::new("damaged ELF files", 256);
    oracle.run(&plan, |(which, edits)| {
        let mut bytes = programs[which].clone();
        for &(field, edge, more, small) in &edits {
            // Small page numbers are the interesting addresses and lengths.
            let value = if small == 0 { EDGES[edge] } else { (edge as u64) << 12 };
            bytes = with_field(&bytes, fields[field], value.wrapping_add_signed(more));
        }
        let what: Vec<_> = edits.iter().map(|e| (fields[e.0], e)).collect();
        let damaged = dir.put("victim", &bytes);
        let path = if which < 4 { &damaged } else { &sound };
        let mut differences = Vec::new();
        compare(&format!("program {which} {what:?}"), path, &mut differences);
        differences.pop()
    });
    oracle.finish();
}

#[test]
fn truncated_at_each_length() {
    let dir = Dir::new("short");
    let mut differences = Vec::new();
    let interp = dir.put("interp", &elf::program(ET_DYN, 0, 44));
    let path = interp.as_os_str().as_bytes();
    let cuts = (0..130).step_by(5).chain([63, 64, 65, 120, 175, 176, 231, 232, 233]);
    let cuts: Vec<usize> =
        cuts.chain([0x400, 0x401, 0x440, 0x800, 0x80d, 0xfff, 0x1000, 0x1001, 0x1800]).collect();
    for good in [elf::program(ET_EXEC, 0x40_0000, 42), elf::dynamic(ET_DYN, 0, path)] {
        for &len in &cuts {
            let path = dir.put("victim", &good[..len]);
            compare(&format!("cut at {len}"), &path, &mut differences);
        }
    }
    let victim = dir.0.join("victim");
    let program = dir.put("program", &elf::dynamic(ET_DYN, 0, victim.as_os_str().as_bytes()));
    for &len in &cuts {
        dir.put("victim", &elf::program(ET_DYN, 0, 44)[..len]);
        compare(&format!("interpreter cut at {len}"), &program, &mut differences);
    }
    finish(&differences);
}

#[test]
fn interpreter_paths() {
    let dir = Dir::new("paths");
    let mut differences = Vec::new();
    dir.put("data", b"no program");
    std::fs::set_permissions(dir.0.join("data"), PermissionsExt::from_mode(0o644)).expect("chmod");
    dir.put("text", b"no program");
    dir.put("empty", b"");
    dir.put("script", b"#!/bin/sh\n");
    let long = "x".repeat(300);
    for name in ["missing", "data", "text", "empty", "script", ".", "data/below", &long, ""] {
        let interp = dir.0.join(name);
        for kind in [ET_EXEC, ET_DYN] {
            let base = if kind == ET_EXEC { 0x40_0000 } else { 0 };
            let path = dir.put("victim", &elf::dynamic(kind, base, interp.as_os_str().as_bytes()));
            compare(&format!("interpreter {name}"), &path, &mut differences);
        }
    }
    // A path that is empty, and one that is not terminated.
    let path = dir.put("victim", &elf::dynamic(ET_DYN, 0, b"\0\0"));
    compare("empty path", &path, &mut differences);
    let mut bytes = elf::dynamic(ET_DYN, 0, b"/bin/true");
    bytes[0x400 + 9] = b'x';
    compare("no NUL", &dir.put("victim", &bytes), &mut differences);
    finish(&differences);
}

#[test]
fn segments_in_odd_orders() {
    let dir = Dir::new("order");
    let mut differences = Vec::new();
    let code = elf::exit_code(42);
    let entry = |base: u64| base + CODE_AT as u64;
    let a = |base| Ph(PT_LOAD, 5, 0, base, 0x1000, 0x1000, 0x1000);
    let b = |base| Ph(PT_LOAD, 6, 0x1000, base, 0x800, 0x1800, 0x1000);
    let base = 0x40_0000;
    let cases: Vec<(&str, u16, u64, Vec<Ph>)> = vec![
        ("unordered", ET_EXEC, entry(base), vec![b(base + 0x4000), a(base)]),
        ("unordered pie", ET_DYN, entry(0), vec![b(0x4000), a(0)]),
        ("same place", ET_EXEC, entry(base), vec![b(base), a(base)]),
        ("same place, data last", ET_EXEC, entry(base), vec![a(base), b(base)]),
        ("bss over text", ET_EXEC, entry(base), vec![a(base), b(base - 0x1000)]),
        ("twice", ET_EXEC, entry(base), vec![a(base), a(base)]),
        ("far apart", ET_EXEC, entry(base), vec![a(base), b(base + 0x1000_0000)]),
        ("far apart pie", ET_DYN, entry(0), vec![a(0), b(0x1000_0000)]),
        ("pie from high", ET_DYN, entry(0x7000), vec![a(0x7000), b(0x9000)]),
        ("bss only", ET_EXEC, entry(base), vec![Ph(PT_LOAD, 6, 0, base, 0, 0x1000, 0x1000)]),
        ("no segment", ET_EXEC, entry(base), vec![Ph(PT_GNU_STACK, 6, 0, 0, 0, 0, 16)]),
        ("no segment pie", ET_DYN, entry(0), vec![Ph(PT_GNU_STACK, 6, 0, 0, 0, 0, 16)]),
        (
            "bss first",
            ET_EXEC,
            entry(base),
            vec![Ph(PT_LOAD, 6, 0, base - 0x2000, 0, 0x1000, 0x1000), a(base)],
        ),
        (
            "bss first pie",
            ET_DYN,
            entry(0x2000),
            vec![Ph(PT_LOAD, 6, 0, 0, 0, 0x1000, 0x1000), a(0x2000)],
        ),
        (
            "read-only with tail",
            ET_EXEC,
            entry(base),
            vec![a(base), Ph(PT_LOAD, 4, 0x1000, base + 0x2000, 0x10, 0x20, 0x1000)],
        ),
        (
            "code in the tail of a read-only segment",
            ET_EXEC,
            entry(base),
            vec![Ph(PT_LOAD, 5, 0, base, 0x7f0, 0x1000, 0x1000)],
        ),
        (
            "code in the tail of a writable segment",
            ET_EXEC,
            entry(base),
            vec![Ph(PT_LOAD, 7, 0, base, 0x7f0, 0x1000, 0x1000)],
        ),
        (
            "tail past the end of the file",
            ET_EXEC,
            entry(base),
            vec![a(base), Ph(PT_LOAD, 6, 0x4000, base + 0x4000, 0x10, 0x20, 0x1000)],
        ),
        (
            "read-only tail past the end of the file",
            ET_EXEC,
            entry(base),
            vec![a(base), Ph(PT_LOAD, 4, 0x4000, base + 0x4000, 0x10, 0x20, 0x1000)],
        ),
        (
            "empty segments",
            ET_EXEC,
            entry(base),
            vec![a(base), Ph(PT_LOAD, 6, 0, base + 0x4000, 0, 0, 0x1000)],
        ),
        (
            "unaligned start",
            ET_EXEC,
            entry(base),
            vec![Ph(PT_LOAD, 5, 0x700, base + 0x700, 0x200, 0x200, 0x1000)],
        ),
        (
            "unaligned start pie",
            ET_DYN,
            entry(0),
            vec![Ph(PT_LOAD, 5, 0x700, 0x700, 0x200, 0x200, 0x1000)],
        ),
        ("no access", ET_EXEC, entry(base), vec![Ph(PT_LOAD, 0, 0, base, 0x1000, 0x1000, 0x1000)]),
        (
            "execute only",
            ET_EXEC,
            entry(base),
            vec![Ph(PT_LOAD, 1, 0, base, 0x1000, 0x1000, 0x1000)],
        ),
        (
            "malformed property",
            ET_DYN,
            entry(0),
            vec![Ph(PT_GNU_PROPERTY, 4, 0x400, 0, 4, 4, 8), a(0)],
        ),
        (
            "large property",
            ET_DYN,
            entry(0),
            vec![Ph(PT_GNU_PROPERTY, 4, 0x4000, 0, 2000, 2000, 8), a(0)],
        ),
        (
            "two interpreters",
            ET_DYN,
            entry(0),
            vec![Ph(PT_INTERP, 4, 0x400, 0, 2, 2, 1), Ph(PT_INTERP, 4, 0x402, 0, 1, 1, 1), a(0)],
        ),
    ];
    for (name, kind, entry, headers) in cases {
        let bytes = elf::build(kind, 62, entry, &headers, &code, 0x1900);
        compare(name, &dir.put("victim", &bytes), &mut differences);
    }
    for align in [0, 1, 3, 0x800, 0x1000, 0x3000, 0x20_0000, 0x4000_0000, 1 << 46, 1 << 47, 1 << 63]
    {
        for first in [0u64, 0x1000, 0x20_0000] {
            let headers = [
                Ph(PT_LOAD, 5, 0, first, 0x1000, 0x1000, align),
                Ph(PT_LOAD, 6, 0x1000, first + 0x1000, 0x800, 0x3000, align),
            ];
            let bytes = elf::build(ET_DYN, 62, entry(first), &headers, &code, 0x1900);
            let path = dir.put("victim", &bytes);
            compare(&format!("align {align:#x} first {first:#x}"), &path, &mut differences);
        }
    }
    finish(&differences);
}

#[test]
fn number_of_program_headers() {
    let dir = Dir::new("count");
    let mut differences = Vec::new();
    for count in [1, 72, 73, 74, 585, 1169, 1170, 1171, 2000, 65535] {
        let mut bytes = elf::program(ET_EXEC, 0x40_0000, 42);
        bytes.resize(0x2000 + 56 * count, 0);
        let table: Vec<u8> = bytes[64..64 + 56].to_vec();
        bytes[0x2000..0x2000 + 56].copy_from_slice(&table);
        bytes[32..40].copy_from_slice(&0x2000u64.to_le_bytes());
        bytes[56..58].copy_from_slice(&(count as u16).to_le_bytes());
        compare(&format!("{count} headers"), &dir.put("victim", &bytes), &mut differences);
    }
    finish(&differences);
}

#[test]
fn other_formats() {
    let dir = Dir::new("formats");
    let mut differences = Vec::new();
    for bytes in [&b""[..], b"\n", b"\x7f", b"\x7fEL", b"\x7fELF", b"#", b"text", b"MZ\x90\0"] {
        compare(&format!("{bytes:?}"), &dir.put("victim", bytes), &mut differences);
    }
    finish(&differences);
}
