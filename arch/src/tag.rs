//! Address tags.

use crate::{Addr, Arch};

/// The address without the tag that the processor ignores: on arm64 the top byte is replaced by
/// copies of bit 55 (`untagged_addr` in `arch/arm64/include/asm/uaccess.h`,
/// `Documentation/arch/arm64/tagged-address-abi.rst`); on x86-64 there is none.
pub const fn untagged_addr(arch: Arch, addr: Addr) -> Addr {
    match arch {
        Arch::X86_64 => addr,
        Arch::Aarch64 => {
            let extended = ((addr.0 << 8) as i64 >> 8) as u64;
            // Kernel addresses stay as they are, so that they go on being refused.
            Addr(addr.0 & extended)
        }
    }
}
