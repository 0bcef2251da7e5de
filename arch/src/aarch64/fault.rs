//! Exception syndromes.

use crate::Access;

/// Instruction abort from a lower exception level.
const EC_IABT_LOW: u64 = 0x20;
/// Data abort from a lower exception level.
const EC_DABT_LOW: u64 = 0x24;
/// The abort was caused by a write.
const WNR: u64 = 1 << 6;
/// The abort was caused by cache maintenance, which sets [`WNR`] without writing.
const CM: u64 = 1 << 8;

/// What kind of access an exception syndrome (`ESR_EL1`) names; empty for exceptions that are no
/// memory aborts of user code (`arch/arm64/include/asm/esr.h`).
pub const fn access_of_esr(esr: u64) -> Access {
    match esr >> 26 & 0x3f {
        EC_IABT_LOW => Access::EXEC,
        EC_DABT_LOW if esr & WNR != 0 && esr & CM == 0 => Access::WRITE,
        EC_DABT_LOW => Access::READ,
        _ => Access::empty(),
    }
}
