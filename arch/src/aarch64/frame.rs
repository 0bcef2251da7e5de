//! `struct rt_sigframe` of arm64.
//!
//! Source: `arch/arm64/kernel/signal.c`, `arch/arm64/include/uapi/asm/sigcontext.h`,
//! `ucontext.h`.

use super::context::Context;
use super::records::{self, FPSIMD_RECORD, Found};
use super::regs::{Registers, pstate};
use crate::fpu::{FPSIMD, FpuKind, put};
use crate::signal::{
    AltStack, BadFrame, Popped, SIGINFO_SIZE, SaFlags, SignalDelivery, SignalSet, StackT,
};
use crate::{Addr, FpuLayout, Permissions, UserMemory, UserMemoryExt};
use alloc::vec;
use core::mem::offset_of;
use syserr::Errno;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

/// `struct ucontext` and `struct sigcontext` up to the records.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct UContext {
    /// Always zero.
    pub flags: u64,
    /// Always null.
    pub link: u64,
    /// The alternate stack.
    pub stack: StackT,
    /// The mask that sigreturn brings back.
    pub sigmask: SignalSet,
    unused: [u8; 120],
    pad: u64,
    /// The address of the last fault.
    pub fault_address: u64,
    /// The registers.
    pub regs: Registers,
    pad_to_records: u64,
}

/// `struct rt_sigframe` up to the records.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct RtSigFrame {
    /// What the handler's second argument points to: `siginfo_t`.
    pub info: [u8; SIGINFO_SIZE],
    /// What the handler's third argument points to.
    pub uc: UContext,
}

/// Bytes of `sigcontext.__reserved`, which holds the records.
pub const RESERVED: usize = 4096;
/// Where the records begin in the frame.
pub(super) const RECORDS: usize = size_of::<RtSigFrame>();
/// Bytes of a frame without extra records.
pub(super) const FRAME: usize = RECORDS + RESERVED;

static_assertions::const_assert_eq!(offset_of!(UContext, sigmask), 40);
static_assertions::const_assert_eq!(offset_of!(UContext, fault_address), 176);
static_assertions::const_assert_eq!(offset_of!(UContext, regs), 184);
static_assertions::const_assert_eq!(size_of::<UContext>(), 464);
static_assertions::const_assert_eq!(offset_of!(RtSigFrame, uc), 128);
static_assertions::const_assert_eq!(RECORDS, 592);
static_assertions::const_assert_eq!(FRAME, 4688);

/// Frame pointer and link register above the frame, for unwinders.
const FRAME_RECORD: u64 = 16;
/// Alignment of everything on the stack, in bytes.
const ALIGN: u64 = 16;

/// `AT_MINSIGSTKSZ` (`minsigstksz_setup`).
pub(crate) fn max_size(fpu: &FpuLayout) -> u64 {
    let size = records::Plan::new(fpu, true).frame_size();
    size as u64 + FRAME_RECORD + ALIGN
}

pub(crate) fn push(
    f: &SignalDelivery,
    altstack: &AltStack,
    c: &mut Context,
    mem: &dyn UserMemory,
) -> Result<Addr, Errno> {
    let own = c.regs.sp;
    let restorer = if f.action.flags.contains(SaFlags::RESTORER) {
        f.action.restorer
    } else {
        f.trampoline.ok_or(Errno::EFAULT)?
    };
    let top = if f.action.flags.contains(SaFlags::ONSTACK) { altstack.entry(own) } else { None };
    let top = top.unwrap_or(own);
    let plan = records::Plan::new(c.fpu.layout(), f.fault.error_code != 0);
    let size = plan.frame_size();
    let link = top.checked_sub(FRAME_RECORD).ok_or(Errno::EFAULT)? & !(ALIGN - 1);
    let frame = link.checked_sub(size as u64).ok_or(Errno::EFAULT)?;

    let mut head = RtSigFrame::new_zeroed();
    if f.action.flags.contains(SaFlags::SIGINFO) {
        head.info = f.info.to_bytes();
    }
    head.uc.stack = (*altstack).into();
    head.uc.sigmask = f.mask;
    head.uc.fault_address = f.fault.address;
    head.uc.regs = c.regs;
    let mut bytes = vec![0u8; size + FRAME_RECORD as usize];
    put(&mut bytes, 0, head.as_bytes());
    plan.write(&mut bytes, Addr(frame), &c.fpu, f.fault.error_code);
    put(&mut bytes, size, [c.regs.x[29], c.regs.x[30]].as_bytes());
    mem.copy_out(Addr(frame), &bytes, Permissions::Obey)?;

    let r = &mut c.regs;
    r.x[0] = f.info.signo as u64;
    if f.action.flags.contains(SaFlags::SIGINFO) {
        r.x[1] = frame;
        r.x[2] = frame + offset_of!(RtSigFrame, uc) as u64;
    }
    r.x[29] = link;
    r.x[30] = restorer;
    r.sp = frame;
    r.pc = f.action.handler;
    // A handler is called, so it may start with a landing pad, and it starts with tag checks on.
    r.pstate = r.pstate & !(pstate::BTYPE_MASK | pstate::TCO) | pstate::BTYPE_C;
    Ok(Addr(frame))
}

pub(crate) fn pop(c: &mut Context, mem: &dyn UserMemory) -> Result<Popped, BadFrame> {
    let frame = Addr(c.regs.sp);
    if frame.0 & (ALIGN - 1) != 0 {
        return Err(Errno::EFAULT.into());
    }
    let at = frame.checked_add(offset_of!(RtSigFrame, uc) as u64).ok_or(Errno::EFAULT)?;
    let uc: UContext = mem.read_obj(at)?;
    let bad = BadFrame { mask: Some(uc.sigmask) };
    let mut regs = uc.regs;
    regs.pstate &= !pstate::RES0;
    if !pstate::is_valid(regs.pstate) {
        return Err(bad);
    }
    regs.pstate = regs.pstate & !pstate::SS | if c.step { pstate::SS } else { 0 };
    c.regs = regs;
    c.syscall = -1;
    let found = records::parse(mem, frame, c.fpu.layout()).map_err(|_| bad)?;
    let image = read_fpu(mem, &found, c.fpu.layout()).map_err(|_| bad)?;
    put(c.fpu.as_mut_bytes(), 0, &image);
    Ok(Popped { mask: uc.sigmask, altstack: uc.stack.into(), sp: regs.sp })
}

/// The FPU image that the records hold.
fn read_fpu(
    mem: &dyn UserMemory,
    found: &Found,
    layout: &FpuLayout,
) -> Result<vec::Vec<u8>, Errno> {
    let fpsimd = found.fpsimd.ok_or(Errno::EFAULT)?;
    let record: [u8; FPSIMD_RECORD] = mem.read_obj(fpsimd)?;
    let mut image = vec![0u8; layout.size()];
    let (registers, control) = (&record[16..], &record[8..16]);
    image[..512].copy_from_slice(registers);
    image[512..520].copy_from_slice(control);
    let FpuKind::Sve { vl } = layout.kind() else { return Ok(image) };
    let (low, payload) = image.split_at_mut(FPSIMD);
    if let Some(at) = found.sve {
        mem.copy_in(at, payload, Permissions::Obey)?;
    }
    // The FPSIMD record is what programs edit, so it wins where the two overlap.
    for (z, v) in payload.chunks_exact_mut(usize::from(vl)).zip(low[..512].chunks_exact(16)) {
        z[..16].copy_from_slice(v);
    }
    Ok(image)
}
