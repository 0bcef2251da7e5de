//! Compiles the stub to a flat image at its fixed address and checks what came out.

use std::path::{Path, PathBuf};
use std::process::Command;

/// `shared::TEXT_BASE` and `shared::TEXT_MAX`; the linker script and the sentry say the same.
const TEXT_BASE: u64 = 0x7fff_1000_0000;
const TEXT_MAX: u64 = 0x1_0000;

fn main() {
    let dir = PathBuf::from(var("CARGO_MANIFEST_DIR"));
    let out = PathBuf::from(var("OUT_DIR"));
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=stub");
    println!("cargo::rerun-if-changed=src/handshake.rs");
    println!("cargo::rerun-if-changed=src/shared.rs");
    if var("CARGO_CFG_TARGET_ARCH") != "x86_64" || var("CARGO_CFG_TARGET_OS") != "linux" {
        panic!("systrap runs on x86-64 Linux hosts only");
    }
    let elf = out.join("stub.elf");
    compile(&dir, &elf);
    let bytes = std::fs::read(&elf).expect("the stub was just written");
    let (image, symbols) = extract(&bytes).unwrap_or_else(|e| panic!("the stub is unfit: {e}"));
    std::fs::write(out.join("stub.bin"), image).expect("OUT_DIR is writable");
    std::fs::write(out.join("stub_symbols.rs"), symbols).expect("OUT_DIR is writable");
}

fn var(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}

fn compile(dir: &Path, elf: &Path) {
    let script = dir.join("stub/stub.ld");
    let linker = std::env::var("RUSTC_LINKER").ok();
    let mut c = Command::new(var("RUSTC"));
    c.args(["--edition=2024", "--crate-type=bin", "--crate-name=stub", "--target"])
        .arg(var("TARGET"))
        .args(["-Cpanic=abort", "-Copt-level=3", "-Crelocation-model=pic", "-Ctarget-cpu=x86-64"])
        .args(["-Cdebug-assertions=off", "-Coverflow-checks=off", "-Cforce-unwind-tables=no"])
        .args(["-Ccodegen-units=1", "-Cno-redzone=yes", "-Cstrip=none", "-Cdebuginfo=0"])
        .args(["-Clink-arg=-nostdlib", "-Clink-arg=-nostartfiles", "-Clink-arg=-static"])
        .args(["-Clink-arg=-no-pie", "-Clink-arg=-Wl,--build-id=none,-z,norelro,-z,noexecstack"])
        .arg(format!("-Clink-arg=-Wl,-T,{}", script.display()))
        .arg("-o")
        .arg(elf)
        .arg(dir.join("stub/main.rs"));
    if let Some(l) = linker {
        c.arg(format!("-Clinker={l}"));
    }
    // Flags of the outer build, instrumentation above all, have no place in the stub.
    c.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    let status = c.status().expect("rustc can be run");
    assert!(status.success(), "the stub did not compile");
}

/// The image and a Rust file with the addresses of its entry points.
fn extract(bytes: &[u8]) -> Result<(Vec<u8>, String), String> {
    use goblin::elf::{Elf, program_header::PT_LOAD};
    let elf = Elf::parse(bytes).map_err(|e| e.to_string())?;
    if !elf.dynrelas.is_empty() || !elf.dynrels.is_empty() || !elf.shdr_relocs.is_empty() {
        return Err("it has relocations".into());
    }
    let mut image = vec![];
    for s in &elf.section_headers {
        let name = elf.shdr_strtab.get_at(s.sh_name).unwrap_or("");
        let alloc = s.sh_flags & 2 != 0;
        match (alloc, name) {
            (true, ".text") => {
                if s.sh_addr != TEXT_BASE || s.sh_size > TEXT_MAX {
                    return Err(format!("code at {:#x}, {} bytes", s.sh_addr, s.sh_size));
                }
                let from = s.sh_offset as usize;
                image = bytes[from..from + s.sh_size as usize].to_vec();
            }
            (true, _) if s.sh_size != 0 => return Err(format!("it has a section {name}")),
            _ => {}
        }
    }
    let loads = elf.program_headers.iter().filter(|p| p.p_type == PT_LOAD && p.p_memsz != 0);
    if image.is_empty() || loads.count() != 1 {
        return Err("it is not one piece".into());
    }
    let offset = |name: &str| {
        let found = elf.syms.iter().find(|s| elf.strtab.get_at(s.st_name) == Some(name));
        found.map(|s| s.st_value - TEXT_BASE).ok_or(format!("{name} is missing"))
    };
    let symbols = format!(
        "/// Where the template starts, as offset in the image.\n\
         pub(crate) const ENTRY_OFFSET: u64 = {:#x};\n\
         /// Where rewritten calls of the first host thread go, as offset in the image.\n\
         pub(crate) const CALLS_OFFSET: u64 = {:#x};\n\
         /// From there to where those of the next thread go.\n\
         pub(crate) const CALLS_STRIDE: u64 = {:#x};\n\
         /// Where those of a thread without such a place go, as offset in the image.\n\
         pub(crate) const PLAIN_OFFSET: u64 = {:#x};\n",
        offset("stub_entry")?,
        offset("stub_call_0")?,
        offset("stub_call_1")? - offset("stub_call_0")?,
        offset("stub_call_plain")?
    );
    Ok((image, symbols))
}
