//! arm64 programs as a real linker makes them. Says so where no cross compiler is installed.

mod common;

use arch::auxv::{AT_BASE, AT_ENTRY, AT_PHDR, AT_PHNUM};
use arch::stack::ParseLimits;
use arch::{Access, Addr, Arch, parse_initial_stack};
use common::{Files, load};
use goblin::elf::Elf;
use goblin::elf::program_header::PT_LOAD;
use loader::{Blob, Layout, LoadArgs};
use std::process::Command;
use std::sync::Arc;

const LINKER: &str = "/lib/ld-linux-aarch64.so.1";
const SOURCE: &str = "int zeroes[10000]; int main(void) { return zeroes[5000] + 7; }";

/// Compiles with these flags; `None` without a compiler.
fn compile(name: &str, flags: &[&str]) -> Option<Vec<u8>> {
    let dir = std::env::temp_dir();
    let base = dir.join(format!("loader-arm64-{name}-{}", std::process::id()));
    let source = base.with_extension("c");
    std::fs::write(&source, SOURCE).expect("write");
    let done =
        Command::new("aarch64-linux-gnu-gcc").args(flags).arg("-o").args([&base, &source]).output();
    let bytes = done.ok().filter(|o| o.status.success()).and_then(|_| std::fs::read(&base).ok());
    let _ = std::fs::remove_file(&source);
    let _ = std::fs::remove_file(&base);
    bytes
}

#[test]
fn programs_of_a_cross_compiler_load() {
    let kinds: [(&str, &[&str], bool); 4] = [
        ("static", &["-static", "-no-pie"], false),
        ("static-pie", &["-static-pie"], false),
        ("dynamic", &["-no-pie"], true),
        ("pie", &["-pie", "-mbranch-protection=standard"], true),
    ];
    let linker = std::fs::read(format!("/usr/aarch64-linux-gnu{LINKER}")).ok();
    let mut files = Files::default();
    if let Some(bytes) = linker {
        files.0.insert(LINKER.as_bytes().to_vec(), Arc::new(Blob::new(bytes)));
    }
    for (name, flags, dynamic) in kinds {
        let Some(bytes) = compile(name, flags) else {
            println!("skipped: no aarch64-linux-gnu-gcc that links {name} programs");
            continue;
        };
        let elf = Elf::parse(&bytes).expect("an ELF file");
        let file = Arc::new(Blob::new(bytes.clone()));
        let mut args = LoadArgs::new(b"program", file, Layout::fixed(Arch::Aarch64));
        args.argv = vec![b"program", b"argument"];
        let (image, space) = load(&args, &mut files).expect(name);
        assert_eq!(image.arch, Arch::Aarch64);
        assert_eq!(image.interpreter.is_some(), dynamic, "{name}");
        assert_eq!(image.program_entry.0, elf.entry.wrapping_add(image.load_bias));
        assert_eq!(image.entry != image.program_entry, dynamic);

        for p in elf.program_headers.iter().filter(|p| p.p_type == PT_LOAD) {
            let at = Addr(p.p_vaddr.wrapping_add(image.load_bias));
            let from = &bytes[p.p_offset as usize..][..p.p_filesz as usize];
            assert_eq!(space.bytes(at, from.len()).as_deref(), Some(from), "{name}: file bytes");
            let rest = (p.p_memsz - p.p_filesz) as usize;
            let zeroes = space.bytes(at.wrapping_add(p.p_filesz), rest).expect("memory");
            assert!(zeroes.iter().all(|&b| b == 0), "{name}: .bss");
            let (_, vma) = space.find(at.0).expect("mapped");
            assert_eq!(vma.access.contains(Access::WRITE), p.is_write());
            assert_eq!(vma.access.contains(Access::EXEC), p.is_executable());
            assert!(image.brk.0 >= at.0 + p.p_memsz || elf.header.e_type == 3);
        }

        let stack = parse_initial_stack(&space.view(), image.sp, ParseLimits::default());
        let stack = stack.expect("a stack");
        assert_eq!(stack.argv, args.argv);
        assert_eq!(stack.aux(AT_PHNUM), Some(u64::from(elf.header.e_phnum)));
        assert_eq!(stack.aux(AT_ENTRY), Some(image.program_entry.0));
        assert_eq!(stack.aux(AT_BASE), Some(image.interpreter_base));
        let headers = &bytes[elf.header.e_phoff as usize..][..56 * usize::from(elf.header.e_phnum)];
        let at = Addr(stack.aux(AT_PHDR).expect("program headers"));
        assert_eq!(space.bytes(at, headers.len()).as_deref(), Some(headers), "{name}");
    }
}
