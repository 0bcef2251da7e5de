//! `struct rt_sigframe` of x86-64.
//!
//! Source: `arch/x86/kernel/signal.c`, `signal_64.c`, `fpu/signal.c`;
//! `arch/x86/include/uapi/asm/sigcontext.h`, `ucontext.h`.

use super::context::Context;
use super::regs::{Registers, USER_CS, USER_DS, eflags, is_canonical};
use crate::fpu::{EXTENDED, FpuKind, LEGACY, put};
use crate::signal::{
    AltStack, BadFrame, Popped, SIGINFO_SIZE, SaFlags, SignalDelivery, SignalSet, StackT,
};
use crate::{Addr, FpuLayout, UserMemory, UserMemoryExt};
use alloc::vec;
use core::mem::offset_of;
use syserr::Errno;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

/// The frame holds an extended FPU state.
pub const UC_FP_XSTATE: u64 = 1;
/// `ss` in the frame is valid.
pub const UC_SIGCONTEXT_SS: u64 = 2;
/// sigreturn takes `ss` as it is.
pub const UC_STRICT_RESTORE_SS: u64 = 4;
/// Bytes below the stack pointer that leaf functions use without moving it (psABI).
pub const RED_ZONE: u64 = 128;
/// Alignment of the frame, in bytes (`FRAME_ALIGNMENT`).
const FRAME_ALIGN: u64 = 16;
/// Alignment of the FPU state, in bytes.
const FPU_ALIGN: u64 = 64;
/// `AT_MINSIGSTKSZ` of a kernel that also runs 32-bit programs, as all distributions' do, counts
/// their larger frame (`struct sigframe_ia32`) and the x87 state in front of the FPU state (`struct
/// fregs_state`). Programs compare the number with what they know, so it is the same here.
const FRAME_IA32: u64 = 736;
const FSAVE: u64 = 112;

/// `struct sigcontext_64`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[expect(missing_docs, reason = "the fields are the registers of the same names")]
pub struct SigContext {
    pub r8: u64,
    pub r9: u64,
    pub r10: u64,
    pub r11: u64,
    pub r12: u64,
    pub r13: u64,
    pub r14: u64,
    pub r15: u64,
    pub di: u64,
    pub si: u64,
    pub bp: u64,
    pub bx: u64,
    pub dx: u64,
    pub ax: u64,
    pub cx: u64,
    pub sp: u64,
    pub ip: u64,
    pub flags: u64,
    pub cs: u16,
    pub gs: u16,
    pub fs: u16,
    pub ss: u16,
    pub err: u64,
    pub trapno: u64,
    /// The first word of the saved mask, once more.
    pub oldmask: u64,
    pub cr2: u64,
    /// Address of the FPU state, or null.
    pub fpstate: u64,
    pub reserved: [u64; 8],
}

/// `struct ucontext`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct UContext {
    /// `UC_*` flags.
    pub flags: u64,
    /// Always null.
    pub link: u64,
    /// The alternate stack.
    pub stack: StackT,
    /// The registers.
    pub mcontext: SigContext,
    /// The mask that sigreturn brings back.
    pub sigmask: SignalSet,
}

/// `struct rt_sigframe`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct RtSigFrame {
    /// The return address: the restorer.
    pub pretcode: u64,
    /// What the handler's third argument points to.
    pub uc: UContext,
    /// What the handler's second argument points to: `siginfo_t`.
    pub info: [u8; SIGINFO_SIZE],
}

static_assertions::const_assert_eq!(size_of::<SigContext>(), 256);
static_assertions::const_assert_eq!(offset_of!(SigContext, cs), 144);
static_assertions::const_assert_eq!(offset_of!(SigContext, fpstate), 184);
static_assertions::const_assert_eq!(size_of::<UContext>(), 304);
static_assertions::const_assert_eq!(offset_of!(UContext, mcontext), 40);
static_assertions::const_assert_eq!(offset_of!(UContext, sigmask), 296);
static_assertions::const_assert_eq!(size_of::<RtSigFrame>(), 440);
static_assertions::const_assert_eq!(offset_of!(RtSigFrame, info), 312);

const FRAME: u64 = size_of::<RtSigFrame>() as u64;

/// `AT_MINSIGSTKSZ` (`init_sigframe_size`).
pub(crate) fn max_size(fpu: &FpuLayout) -> u64 {
    let magic = if fpu.kind() == FpuKind::Xsave { 4 } else { 0 };
    let state = fpu.size() as u64 + magic + FSAVE;
    (FRAME_IA32 + FRAME_ALIGN - 1 + state + FPU_ALIGN - 1).next_multiple_of(FRAME_ALIGN)
}

/// Where frame and FPU state go.
fn place(f: &SignalDelivery, altstack: &AltStack, c: &Context) -> Result<(u64, u64), Errno> {
    let own = c.regs.rsp;
    let mut sp = own.wrapping_sub(RED_ZONE);
    let nested = altstack.is_active(own);
    let mut entering = false;
    if f.action.flags.contains(SaFlags::ONSTACK)
        && let Some(top) = altstack.entry(sp)
    {
        sp = top;
        entering = true;
    }
    let state = sp.wrapping_sub(c.fpu.signal_size() as u64) & !(FPU_ALIGN - 1);
    let frame = (state.wrapping_sub(FRAME) & !(FRAME_ALIGN - 1)).wrapping_sub(8);
    if (nested || entering) && !altstack.covers(frame) {
        return Err(Errno::EFAULT);
    }
    // Both come from one subtraction each, so only a wrap puts them in the wrong order.
    if frame > state || state > sp { Err(Errno::EFAULT) } else { Ok((frame, state)) }
}

pub(crate) fn push(
    f: &SignalDelivery,
    altstack: &AltStack,
    c: &mut Context,
    mem: &dyn UserMemory,
) -> Result<Addr, Errno> {
    // A handler that is nowhere faults on the way to user code, which is `SIGSEGV` as well.
    if !f.action.flags.contains(SaFlags::RESTORER) || !is_canonical(f.action.handler) {
        return Err(Errno::EFAULT);
    }
    let (frame, state) = place(f, altstack, c)?;
    let extended = c.fpu.layout().kind() == FpuKind::Xsave;
    let mut head = RtSigFrame::new_zeroed();
    head.pretcode = f.action.restorer;
    head.uc.flags = UC_SIGCONTEXT_SS
        | if extended { UC_FP_XSTATE } else { 0 }
        | if c.regs.cs == USER_CS { UC_STRICT_RESTORE_SS } else { 0 };
    head.uc.stack = (*altstack).into();
    head.uc.mcontext = save(&c.regs);
    head.uc.mcontext.err = f.fault.error_code;
    head.uc.mcontext.trapno = f.fault.trapno;
    head.uc.mcontext.cr2 = f.fault.address;
    head.uc.mcontext.oldmask = f.mask.0;
    head.uc.mcontext.fpstate = state;
    head.uc.sigmask = f.mask;
    if f.action.flags.contains(SaFlags::SIGINFO) {
        head.info = f.info.to_bytes();
    }
    // One buffer and one copy: the gap between frame and state is at most alignment.
    let gap = (state - frame) as usize;
    let mut bytes = vec![0u8; gap + c.fpu.signal_size()];
    put(&mut bytes, 0, head.as_bytes());
    c.fpu.write_signal(bytes.get_mut(gap..).unwrap_or_default());
    mem.copy_out(Addr(frame), &bytes, crate::Permissions::Obey)?;

    let base = Addr(frame);
    let r = &mut c.regs;
    r.rdi = f.info.signo as u64;
    r.rsi = base.wrapping_add(offset_of!(RtSigFrame, info) as u64).0;
    r.rdx = base.wrapping_add(offset_of!(RtSigFrame, uc) as u64).0;
    r.rax = 0;
    r.rip = f.action.handler;
    r.rsp = frame;
    r.cs = USER_CS;
    r.ss = USER_DS;
    r.eflags &= !(eflags::DF | eflags::RF | eflags::TF);
    c.fpu.reset();
    Ok(base)
}

pub(crate) fn pop(c: &mut Context, mem: &dyn UserMemory) -> Result<Popped, BadFrame> {
    let sp = c.regs.rsp;
    // The handler's `ret` has taken the return address.
    let at = sp.checked_sub(8).ok_or(Errno::EFAULT)?;
    let uc: UContext = mem.read_obj(Addr(at).wrapping_add(offset_of!(RtSigFrame, uc) as u64))?;
    let bad = BadFrame { mask: Some(uc.sigmask) };
    c.regs = restore(&c.regs, &uc).map_err(|_| bad)?;
    c.forced_tf = false;
    if restore_fpu(c, mem, Addr(uc.mcontext.fpstate)).is_err() {
        c.fpu.reset();
        return Err(bad);
    }
    Ok(Popped { mask: uc.sigmask, altstack: uc.stack.into(), sp })
}

/// Takes the FPU state at `state`; none is the initial one.
fn restore_fpu(c: &mut Context, mem: &dyn UserMemory, state: Addr) -> Result<(), Errno> {
    if state.0 == 0 {
        c.fpu.reset();
        return Ok(());
    }
    let mut area = vec![0u8; c.fpu.signal_size().max(EXTENDED + 4)];
    read_state(mem, state, &mut area, c.fpu.signal_size())?;
    c.fpu.restore_signal(state, &area)
}

/// Reads an FPU state of `size` bytes, or its legacy area where no more is there: a program may
/// have put only that on its stack.
fn read_state(mem: &dyn UserMemory, at: Addr, area: &mut [u8], size: usize) -> Result<(), Errno> {
    let area = area.get_mut(..size).unwrap_or_default();
    let Err(short) = mem.copy_in(at, area, crate::Permissions::Obey) else { return Ok(()) };
    let magic = crate::fpu::read(area, crate::fpu::SW_BYTES).map(u32::from_le_bytes);
    if short.done < LEGACY || magic == Some(crate::fpu::FP_XSTATE_MAGIC1) {
        return Err(short.errno);
    }
    Ok(())
}

fn save(r: &Registers) -> SigContext {
    SigContext {
        r8: r.r8,
        r9: r.r9,
        r10: r.r10,
        r11: r.r11,
        r12: r.r12,
        r13: r.r13,
        r14: r.r14,
        r15: r.r15,
        di: r.rdi,
        si: r.rsi,
        bp: r.rbp,
        bx: r.rbx,
        dx: r.rdx,
        ax: r.rax,
        cx: r.rcx,
        sp: r.rsp,
        ip: r.rip,
        flags: r.eflags,
        cs: r.cs as u16,
        gs: 0,
        fs: 0,
        ss: r.ss as u16,
        ..SigContext::new_zeroed()
    }
}

/// The registers that a frame asks for.
///
/// Selectors other than those of 64-bit user code and data would fault on the way back to user
/// code, or run it in a mode that does not exist here, so they are refused like any other damage;
/// and so is an instruction pointer that no processor loads.
fn restore(old: &Registers, uc: &UContext) -> Result<Registers, Errno> {
    let m = &uc.mcontext;
    let cs = u64::from(m.cs) | 3;
    let strict = uc.flags & UC_STRICT_RESTORE_SS != 0;
    let ss = if strict { u64::from(m.ss) | 3 } else { USER_DS };
    if cs != USER_CS || ss != USER_DS || !is_canonical(m.ip) {
        return Err(Errno::EFAULT);
    }
    Ok(Registers {
        r15: m.r15,
        r14: m.r14,
        r13: m.r13,
        r12: m.r12,
        rbp: m.bp,
        rbx: m.bx,
        r11: m.r11,
        r10: m.r10,
        r9: m.r9,
        r8: m.r8,
        rax: m.ax,
        rcx: m.cx,
        rdx: m.dx,
        rsi: m.si,
        rdi: m.di,
        orig_rax: u64::MAX,
        rip: m.ip,
        cs,
        eflags: old.eflags & !eflags::SIGRETURN | m.flags & eflags::SIGRETURN,
        rsp: m.sp,
        ss,
        ..*old
    })
}
