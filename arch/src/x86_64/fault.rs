//! Page-fault error codes.

use crate::Access;

/// Write access (`X86_PF_WRITE`).
const WRITE: u64 = 1 << 1;
/// Instruction fetch (`X86_PF_INSTR`).
const INSTR: u64 = 1 << 4;

/// What kind of access a page fault's error code names (`arch/x86/include/asm/trap_pf.h`).
pub const fn access_of_error_code(code: u64) -> Access {
    if code & INSTR != 0 {
        Access::EXEC
    } else if code & WRITE != 0 {
        Access::WRITE
    } else {
        Access::READ
    }
}
