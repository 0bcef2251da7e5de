//! arch_prctl(2): what only x86-64 has.

use crate::{Args, Outcome, TaskCx};
use arch::{Addr, Context, UserMemoryExt};
use syserr::Errno;

const SET_GS: u64 = 0x1001;
const SET_FS: u64 = 0x1002;
const GET_FS: u64 = 0x1003;
const GET_GS: u64 = 0x1004;
const GET_CPUID: u64 = 0x1011;
const SET_CPUID: u64 = 0x1012;
const GET_XCOMP_SUPP: u64 = 0x1021;
const GET_XCOMP_PERM: u64 = 0x1022;
const REQ_XCOMP_PERM: u64 = 0x1023;
/// x87 and SSE, which every processor has.
const LEGACY: u64 = 3;
/// `XFEATURE_MAX`.
const COMPONENTS: u64 = 20;

/// arch_prctl(2).
pub fn sys_arch_prctl(cx: &mut TaskCx, a: &Args) -> Outcome {
    arch_prctl(cx, a[0], a[1]).into()
}

fn arch_prctl(cx: &mut TaskCx, code: u64, value: u64) -> Result<u64, Errno> {
    if cx.image.arch.as_x86_64().is_none() {
        return Err(Errno::ENOSYS);
    }
    let answer = match code {
        GET_CPUID => return Ok(1),
        // The instruction cannot be made to fault.
        SET_CPUID => return Err(Errno::ENODEV),
        GET_XCOMP_SUPP | GET_XCOMP_PERM => {
            let layout = cx.kernel().embedder().platform.fpu_layout();
            Some(layout.components().fold(LEGACY, |mask, c| mask | 1 << c.number))
        }
        // There is no component that has to be asked for.
        REQ_XCOMP_PERM if value < COMPONENTS => return Err(Errno::EOPNOTSUPP),
        _ => segment_base(&mut cx.image.arch, code, value)?,
    };
    if let Some(answer) = answer {
        cx.mm().write_obj(Addr(value), &answer)?;
    }
    Ok(0)
}

/// Sets the base of `fs` or `gs` to `value`, or returns it.
///
/// # Errors
/// `EPERM` for what is no user address, `EINVAL` for other codes, `EIO` on other architectures.
pub(crate) fn segment_base(
    context: &mut Context,
    code: u64,
    value: u64,
) -> Result<Option<u64>, Errno> {
    let x86 = context.as_x86_64_mut().ok_or(Errno::EIO)?;
    let set = match code {
        GET_FS => return Ok(Some(x86.regs.fs_base)),
        GET_GS => return Ok(Some(x86.regs.gs_base)),
        SET_GS => x86.set_gs_base(value),
        SET_FS => context.set_tls(value),
        _ => return Err(Errno::EINVAL),
    };
    if set { Ok(None) } else { Err(Errno::EPERM) }
}
