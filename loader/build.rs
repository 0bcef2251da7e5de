//! Builds the x86-64 vDSO: a small shared object from `vdso/x86_64.rs`, by the compiler and the
//! system's linker, and checks that it can be mapped anywhere as it is.
//!
//! The image depends on the host that builds, not on the target: a guest's architecture is data.
//! Where it cannot be built, an empty file takes its place, and `Vdso::builtin` is `None`.

use goblin::elf::Elf;
use goblin::elf::program_header::PT_LOAD;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The largest image that is still small: it is mapped into every program.
const MAX_LEN: usize = 16 * 1024;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=vdso");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let host = env::var("HOST").unwrap_or_default();
    let result = if host.starts_with("x86_64-") && host.contains("-linux") {
        build(&out)
    } else {
        Err(format!("not on a host like {host}"))
    };
    let image = result.unwrap_or_else(|reason| {
        println!("cargo::warning=no built-in vDSO: {reason}");
        Vec::new()
    });
    std::fs::write(out.join("vdso-x86_64.so"), image).expect("OUT_DIR is writable");
}

fn build(out: &Path) -> Result<Vec<u8>, String> {
    let source =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("no manifest")?).join("vdso");
    let (object, linked) = (out.join("vdso-x86_64.o"), out.join("vdso-x86_64.linked.so"));
    let rustc = env::var_os("RUSTC").ok_or("no RUSTC")?;
    // The flags of the surrounding build (coverage, sanitizers) would put calls into the image, so
    // none of them is passed on.
    run(Command::new(rustc)
        .args(["--edition=2024", "--crate-type=lib", "--crate-name=vdso", "--emit=obj"])
        .args(["-Copt-level=2", "-Cpanic=abort", "-Ccodegen-units=1", "-Crelocation-model=pic"])
        .args(["-Cdebuginfo=0", "-Cforce-unwind-tables=yes", "-Coverflow-checks=no"])
        .arg("-o")
        .arg(&object)
        .arg(source.join("x86_64.rs")))?;
    let with = |flag: &str, name: &str| format!("-Wl,{flag}{}", source.join(name).display());
    run(Command::new("cc")
        .args(["-nostdlib", "-shared", "-fPIC", "-Wl,-soname=linux-vdso.so.1", "-Wl,-Bsymbolic"])
        .args(["-Wl,--hash-style=both", "-Wl,--build-id=none", "-Wl,--no-undefined", "-Wl,-s"])
        .args(["-Wl,-z,max-page-size=4096", "-Wl,-z,noexecstack", "-Wl,--eh-frame-hdr"])
        .arg(with("--version-script=", "x86_64.map"))
        .arg(with("-T,", "x86_64.lds"))
        .arg("-o")
        .arg(&linked)
        .arg(&object))?;
    let image = std::fs::read(&linked).map_err(|e| e.to_string())?;
    check(&image)?;
    Ok(image)
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let done = command.output().map_err(|e| format!("{name}: {e}"))?;
    let text = String::from_utf8_lossy(&done.stderr).replace('\n', " ");
    if done.status.success() { Ok(()) } else { Err(format!("{name} failed: {text}")) }
}

/// What every reader of a vDSO relies on.
fn check(image: &[u8]) -> Result<(), String> {
    let elf = Elf::parse(image).map_err(|e| e.to_string())?;
    let relocations = elf.dynrelas.len() + elf.dynrels.len() + elf.pltrelocs.len();
    let loads: Vec<_> = elf.program_headers.iter().filter(|p| p.p_type == PT_LOAD).collect();
    let defect = match loads[..] {
        _ if image.len() > MAX_LEN => Some("image too large"),
        _ if relocations != 0 => Some("relocations left"),
        _ if !elf.libraries.is_empty() => Some("needs libraries"),
        _ if elf.soname != Some("linux-vdso.so.1") => Some("wrong name"),
        [one] if one.p_vaddr == 0 && one.p_offset == 0 && one.p_filesz == one.p_memsz => None,
        _ => Some("not one segment"),
    };
    defect.map_or(Ok(()), |d| Err(d.into()))
}
