//! What `inspect` says, word by word.

mod common;

use common::{Files, args, elf};
use loader::{Blob, inspect};
use std::sync::Arc;

fn files() -> Files {
    let mut files = Files::default();
    files.0.insert(b"interp".to_vec(), Arc::new(Blob::new(elf::program(elf::ET_DYN, 0, 1))));
    let program = elf::dynamic(elf::ET_EXEC, 0x40_0000, b"interp");
    files.0.insert(b"/bin/program".to_vec(), Arc::new(Blob::new(program)));
    files
}

fn report(name: &[u8], bytes: impl Into<Arc<[u8]>>) -> String {
    inspect(&args(name, Arc::new(Blob::new(bytes))), &mut files()).to_string()
}

#[test]
fn a_script_and_all_that_comes_of_it() {
    let text = report(b"./script", &b"#!/bin/program -x y\n"[..]);
    let expected = r#"./script: Linux script, for a program for x86-64
script interpreter: /bin/program
arguments: ["/bin/program", "-x y", "./script"]
ELF interpreter: interp
program: load bias 0x0, at its own addresses
  0000000000400000-0000000000401000 r-x file 0x0
  0000000000401000-0000000000402000 rw- file 0x1000
  0000000000401800-0000000000402000     zeroed
  0000000000402000-0000000000404000 rw- zero pages
interpreter: load bias 0x7ffff7ffb000, anywhere, aligned 0x1000
  00007ffff7ffb000-00007ffff7ffc000 r-x file 0x0
  00007ffff7ffc000-00007ffff7ffd000 rw- file 0x1000
  00007ffff7ffc800-00007ffff7ffd000     zeroed
  00007ffff7ffd000-00007ffff7fff000 rw- zero pages
layout:
"#;
    assert!(text.starts_with(expected), "{text}");
    for line in [
        "  AT_PAGESZ               4096",
        "  AT_PHDR                 0x400040",
        "  AT_BASE                 0x7ffff7ffb000",
        "  AT_ENTRY                0x400800",
        "  AT_MINSIGSTKSZ          2048",
        "starts at 0x7ffff7ffb800 with stack pointer 0x7ffff",
        "heap begins, empty",
        "\"./script\"",
        "\"x86_64\"",
    ] {
        assert!(text.contains(line), "{line:?} in\n{text}");
    }
    assert!(text.ends_with("  AT_NULL                 0x0\n"), "{text}");
}

#[test]
fn reasons() {
    let cut = |n: usize| elf::program(elf::ET_EXEC, 0x40_0000, 1)[..n].to_vec();
    let mut low = elf::program(elf::ET_EXEC, 0x40_0000, 1);
    low[64 + 16..64 + 24].copy_from_slice(&0u64.to_le_bytes());
    for (bytes, reason) in [
        (b"text".to_vec(), "neither an ELF file nor a script (ENOEXEC)"),
        (b"#!\n".to_vec(), "#! line names no interpreter (ENOEXEC)"),
        (
            b"#!/missing\n".to_vec(),
            "cannot open script interpreter /missing: No such file or directory (ENOENT)",
        ),
        (cut(100), "program: program headers lie outside the file (ENOEXEC)"),
        (
            low,
            "cannot map image at 0x0..0x1000: Operation not permitted (EPERM; found late, Linux \
             kills the process with SIGSEGV)",
        ),
    ] {
        let text = report(b"x", bytes);
        assert_eq!(text, format!("x: cannot be executed: {reason}\n"));
    }
}
