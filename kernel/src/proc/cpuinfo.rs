//! `/proc/cpuinfo`.

use crate::Platform;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use arch::Arch;

/// Names of the bits in `AT_HWCAP`, which on x86-64 is EDX of CPUID leaf 1.
const X86_FLAGS: [&str; 32] = [
    "fpu", "vme", "de", "pse", "tsc", "msr", "pae", "mce", "cx8", "apic", "", "sep", "mtrr", "pge",
    "mca", "cmov", "pat", "pse36", "pn", "clflush", "", "dts", "acpi", "mmx", "fxsr", "sse",
    "sse2", "ss", "ht", "tm", "ia64", "pbe",
];

/// Names of the first bits in `AT_HWCAP` on arm64.
const ARM_FLAGS: [&str; 32] = [
    "fp", "asimd", "evtstrm", "aes", "pmull", "sha1", "sha2", "crc32", "atomics", "fphp",
    "asimdhp", "cpuid", "asimdrdm", "jscvt", "fcma", "lrcpc", "dcpop", "sha3", "sm3", "sm4",
    "asimddp", "sha512", "sve", "asimdfhm", "dit", "uscat", "ilrcpc", "flagm", "ssbs", "sb",
    "paca", "pacg",
];

fn flags(names: &[&str; 32], bits: u64) -> String {
    let mut out = String::new();
    for (i, n) in names.iter().enumerate() {
        if bits >> i & 1 == 1 && !n.is_empty() {
            if !out.is_empty() {
                out.push(' ');
            }
            out += n;
        }
    }
    out
}

/// A processor of which nothing is known but what programs are told at their start (`AT_HWCAP`).
fn unknown(platform: &dyn Platform) -> String {
    let (hwcap, _) = platform.hwcap();
    match platform.arch() {
        Arch::X86_64 => format!(
            "processor\t: 0\nvendor_id\t: unknown\ncpu family\t: 6\nmodel\t\t: 0\n\
             model name\t: Tessera virtual processor\nstepping\t: 0\ncpu MHz\t\t: 1000.000\n\
             physical id\t: 0\nsiblings\t: 1\ncore id\t\t: 0\ncpu cores\t: 1\n\
             apicid\t\t: 0\ninitial apicid\t: 0\nfpu\t\t: yes\nfpu_exception\t: yes\n\
             cpuid level\t: 13\nwp\t\t: yes\nflags\t\t: {} syscall nx lm\nbogomips\t: 2000.00\n\
             clflush size\t: 64\ncache_alignment\t: 64\n\
             address sizes\t: 46 bits physical, 48 bits virtual\npower management:\n",
            flags(&X86_FLAGS, hwcap)
        ),
        Arch::Aarch64 => format!(
            "processor\t: 0\nBogoMIPS\t: 100.00\nFeatures\t: {}\nCPU implementer\t: 0x00\n\
             CPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0x000\nCPU revision\t: 0\n",
            flags(&ARM_FLAGS, hwcap)
        ),
    }
}

/// One block for each processor: what all have in common, and the numbers of its own.
pub(super) fn text(platform: &dyn Platform) -> Vec<u8> {
    let (cpus, model) = (platform.cpus(), platform.processor());
    let model = model.unwrap_or_else(|| unknown(platform));
    let mut out = String::new();
    for i in 0..cpus {
        for line in model.lines() {
            let (name, _) = line.split_once(':').unwrap_or((line, ""));
            let own = match name.trim_end() {
                "processor" | "core id" | "apicid" | "initial apicid" => i,
                "siblings" | "cpu cores" => cpus,
                "physical id" => 0,
                _ => {
                    out += line;
                    out.push('\n');
                    continue;
                }
            };
            out += &format!("{name}: {own}\n");
        }
        out.push('\n');
    }
    out.into_bytes()
}
