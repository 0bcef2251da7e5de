//! What the host's processor has.

use core::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
use std::fs::File;
use std::io::{self, BufRead, BufReader};

/// Tile data is enabled in XCR0 but not permitted to a process that has not asked for it, so the
/// kernel leaves it out of signal frames.
const XTILEDATA: u64 = 1 << 18;

/// The FPU image that the host's kernel puts into signal frames.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Xsave {
    /// Enabled components.
    pub(crate) features: u64,
    /// Bytes, legacy area and header included.
    pub(crate) size: u32,
}

impl Xsave {
    /// Asks the processor.
    pub(crate) fn detect() -> io::Result<Xsave> {
        let osxsave = __cpuid(1).ecx & 1 << 27 != 0;
        if !osxsave {
            return Err(io::Error::other("the processor or the host's kernel lacks XSAVE"));
        }
        if hwcap2() & 2 == 0 {
            return Err(io::Error::other("the processor or the host's kernel lacks FSGSBASE"));
        }
        if __cpuid(0x8000_0001).edx & 1 << 27 == 0 {
            return Err(io::Error::other("the processor lacks RDTSCP"));
        }
        // SAFETY: XGETBV is there, as CPUID has just said.
        let features = unsafe { xcr0() } & !XTILEDATA;
        let mut xsave = Xsave { features, size: 576 };
        xsave.size = xsave.components().map(|(_, at, len)| at + len).fold(576, u32::max);
        Ok(xsave)
    }

    /// Number, offset and size of the components outside the legacy area.
    pub(crate) fn components(&self) -> impl Iterator<Item = (u32, u32, u32)> {
        let features = self.features;
        (2..63).filter(move |i| features & 1 << i != 0).map(|i| {
            let leaf = __cpuid_count(0xd, i);
            (i, leaf.ebx, leaf.eax)
        })
    }
}

/// # Safety
/// The processor has XSAVE and the kernel has enabled it.
#[target_feature(enable = "xsave")]
unsafe fn xcr0() -> u64 {
    // SAFETY: the caller's.
    unsafe { _xgetbv(0) }
}

/// The host's first processor in its own words. They are nothing that CPUID would not tell guests.
pub(crate) fn description() -> Option<String> {
    let file = BufReader::new(File::open("/proc/cpuinfo").ok()?);
    let lines = file.lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    let block: String = lines.flat_map(|line| [line, "\n".into()]).collect();
    block.contains(':').then_some(block)
}

/// `AT_HWCAP`.
pub(crate) fn hwcap() -> u64 {
    rustix::param::linux_hwcap().0 as u64
}

/// `AT_HWCAP2`.
pub(crate) fn hwcap2() -> u64 {
    rustix::param::linux_hwcap().1 as u64
}

/// Time-stamp cycles in a microsecond: from CPUID if it tells, else measured roughly.
pub(crate) fn cycles_per_us() -> u64 {
    let max = __cpuid(0).eax;
    if max >= 0x16 {
        let leaf = __cpuid(0x16);
        if leaf.eax & 0xffff != 0 {
            return u64::from(leaf.eax & 0xffff);
        }
    }
    let clock = crate::clock::host_monotonic;
    let (t0, c0) = (clock(), crate::sys::tsc());
    let mut t1 = t0;
    while t1 - t0 < 100_000 {
        t1 = clock();
    }
    let cycles = crate::sys::tsc().wrapping_sub(c0);
    (cycles * 1000 / (t1 - t0) as u64).max(1)
}
