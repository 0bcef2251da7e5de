//! The vector registers as a tracer sees them: `NT_ARM_SVE`.
//!
//! Source: `sve_get_common` and `sve_set_common` in `arch/arm64/kernel/ptrace.c`;
//! `arch/arm64/include/uapi/asm/ptrace.h`, `sve_context.h`.

use crate::FpuState;
use crate::fpu::{FPSIMD, FpuKind, put, sve_payload};
use alloc::vec;
use alloc::vec::Vec;
use syserr::Errno;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `struct user_sve_header`; sizes and lengths in bytes.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Header {
    size: u32,
    max_size: u32,
    vl: u16,
    max_vl: u16,
    flags: u16,
    reserved: u16,
}

const HEADER: usize = size_of::<Header>();
static_assertions::const_assert_eq!(HEADER, 16);

/// The registers behind the header are those of SVE; without, those of FPSIMD
/// (`SVE_PT_REGS_MASK`).
const REGS_SVE: u16 = 1;
/// Flags that only matter to later changes of the length: `SVE_PT_VL_INHERIT`,
/// `SVE_PT_VL_ONEXEC`.
const VL_FLAGS: u16 = 1 << 1 | 1 << 2;
/// The longest vectors of the architecture, in bytes (`SVE_VL_MAX`).
const VL_MAX: u16 = 8192;
/// Where FPSR and FPCR are in an FPSIMD image.
const CONTROL: core::ops::Range<usize> = 512..520;

fn vector_length(fpu: &FpuState) -> Option<u16> {
    match fpu.layout().kind() {
        FpuKind::Sve { vl } => Some(vl),
        _ => None,
    }
}

/// Where FPSR lies in the set (`SVE_PT_SVE_FPSR_OFFSET`).
const fn control_at(vl: u16) -> usize {
    (HEADER + sve_payload(vl) as usize).next_multiple_of(16)
}

/// The set; `None` for a processor without SVE.
pub(super) fn get(fpu: &FpuState) -> Option<Vec<u8>> {
    let vl = vector_length(fpu)?;
    let image = fpu.as_bytes();
    let mut out = vec![0; (control_at(vl) + CONTROL.len()).next_multiple_of(16)];
    let size = out.len() as u32;
    let header = Header { size, max_size: size, vl, max_vl: vl, flags: REGS_SVE, reserved: 0 };
    put(&mut out, 0, header.as_bytes());
    put(&mut out, HEADER, image.get(FPSIMD..).unwrap_or_default());
    put(&mut out, control_at(vl), image.get(CONTROL).unwrap_or_default());
    Some(out)
}

/// Takes over registers that a tracer supplies, or the first of them.
///
/// # Errors
/// `EINVAL` for less than a header, unknown flags and impossible lengths; `EIO` for registers of
/// another length than the processor's.
pub(super) fn set(fpu: &mut FpuState, bytes: &[u8]) -> Result<(), Errno> {
    let vl = vector_length(fpu).ok_or(Errno::ENODEV)?;
    let (header, rest) = Header::read_from_prefix(bytes).map_err(|_| Errno::EINVAL)?;
    let possible = header.vl != 0 && header.vl <= VL_MAX && header.vl.is_multiple_of(16);
    let whole = bytes.len().is_multiple_of(16);
    if header.flags & !(REGS_SVE | VL_FLAGS) != 0 || !possible || !whole {
        return Err(Errno::EINVAL);
    }
    if header.flags & REGS_SVE == 0 {
        let rest = rest.get(..CONTROL.end).unwrap_or(rest);
        put(fpu.as_mut_bytes(), 0, rest);
        narrow(fpu);
        return Ok(());
    }
    if !rest.is_empty() && header.vl != vl {
        return Err(Errno::EIO);
    }
    let mut all = get(fpu).ok_or(Errno::ENODEV)?;
    let given = bytes.len().min(all.len());
    put(&mut all, 0, bytes.get(..given).unwrap_or_default());
    let image = fpu.as_mut_bytes();
    let payload = all.get(HEADER..HEADER + sve_payload(vl) as usize).unwrap_or_default();
    put(image, FPSIMD, payload);
    put(
        image,
        CONTROL.start,
        all.get(control_at(vl)..).unwrap_or_default().get(..8).unwrap_or_default(),
    );
    // V0 to V31 are the low ends of Z0 to Z31.
    for (i, z) in payload.chunks_exact(vl.into()).take(32).enumerate() {
        put(image, 16 * i, z.get(..16).unwrap_or_default());
    }
    Ok(())
}

/// Makes the vector registers what they are once FPSIMD's were set: those, and zeroes behind them.
pub(super) fn narrow(fpu: &mut FpuState) {
    let Some(vl) = vector_length(fpu) else { return };
    let Some((low, payload)) = fpu.as_mut_bytes().split_at_mut_checked(FPSIMD) else { return };
    payload.fill(0);
    for (z, v) in payload.chunks_exact_mut(vl.into()).zip(low.chunks_exact(16).take(32)) {
        put(z, 0, v);
    }
}
