//! Addresses: the host kernel loads a program without randomisation, and the loader must put
//! everything at the same places.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod common;

use arch::Addr;
use arch::auxv::*;
use common::{HostFiles, args, load};
use loader::{Blob, LoadedImage};
use std::process::Command;
use std::sync::Arc;

/// What `cat FILE` prints on the host without address randomisation and with no environment.
fn cat(file: &str) -> Option<Vec<u8>> {
    let out = Command::new("setarch").args(["-R", "/bin/cat", file]).env_clear().output().ok()?;
    (out.status.success() && !out.stdout.is_empty()).then_some(out.stdout)
}

fn ours(file: &str) -> LoadedImage {
    let bytes = std::fs::read("/bin/cat").expect("cat");
    let mut args = args(b"/bin/cat", Arc::new(Blob::new(bytes)));
    args.argv = vec![b"/bin/cat", file.as_bytes()];
    args.platform.rseq_feature_size = 28;
    args.platform.rseq_align = 32;
    let vdso = loader::vdso::Vdso::builtin(arch::Arch::X86_64);
    args.vdso = vdso.as_ref();
    load(&args, &mut HostFiles).expect("loads").0
}

/// Key and value pairs, the last one included.
fn pairs(bytes: &[u8]) -> Vec<(u64, u64)> {
    let word = |b: &[u8]| u64::from_le_bytes(b.try_into().expect("8 bytes"));
    bytes.chunks_exact(16).map(|p| (word(&p[..8]), word(&p[8..]))).collect()
}

#[test]
fn auxiliary_vector_as_on_the_host() {
    let Some(host) = cat("/proc/self/auxv").map(|b| pairs(&b)) else { return };
    let image = ours("/proc/self/auxv");
    let ours: Vec<u64> = image.auxv.iter().map(|e| e.key).collect();
    let theirs: Vec<u64> = host.iter().map(|e| e.0).filter(|k| ours.contains(k)).collect();
    let known: Vec<u64> = ours.iter().copied().filter(|k| theirs.contains(k)).collect();
    assert_eq!(known, theirs, "the same order");
    // Newer kernels have more entries, which move what lies below the vector, but not these.
    let keys = [AT_PHDR, AT_PHENT, AT_PHNUM, AT_ENTRY, AT_PAGESZ, AT_CLKTCK, AT_FLAGS, AT_SECURE];
    for key in keys.into_iter().chain([AT_EXECFN, AT_PLATFORM, AT_RANDOM]) {
        let theirs = host.iter().find(|e| e.0 == key).map(|e| e.1);
        let ours = image.auxv.iter().find(|e| e.key == key).map(|e| e.value);
        assert_eq!(ours, theirs, "{}", name(key).unwrap_or("?"));
    }
}

#[test]
fn mappings_as_on_the_host() {
    let Some(maps) = cat("/proc/self/maps") else { return };
    let maps = String::from_utf8(maps).expect("ASCII");
    let range = |line: &str| {
        let (start, end) = line.split(' ').next().and_then(|r| r.split_once('-')).expect("range");
        let hex = |s| Addr(u64::from_str_radix(s, 16).expect("hex"));
        (hex(start), hex(end))
    };
    let real = std::fs::canonicalize("/bin/cat").expect("path");
    let of = |what: &str| maps.lines().filter(|l| l.ends_with(what)).map(range).collect::<Vec<_>>();
    let image = ours("/proc/self/maps");
    let program = of(real.to_str().expect("UTF-8"));
    assert_eq!(program.first().map(|r| r.0), Some(Addr(image.load_bias)));
    assert_eq!(of("[heap]").first().map(|r| r.0), Some(image.brk));
    assert_eq!(of("[stack]").first().map(|r| r.1), Some(image.stack.end));
    assert_eq!(of("[stack]").first().map(|r| r.0), Some(image.stack.start));
}
