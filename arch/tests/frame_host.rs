//! x86-64 signal frames against those of the host kernel, byte for byte, and damaged frames judged
//! by it.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod common;
#[path = "frame_host/random.rs"]
mod random;

use arch::fpu::{Component, FP_XSTATE_MAGIC1, FpuLayout, xfeature};
use arch::kit::Memory;
use arch::x86_64::frame::RtSigFrame;
use arch::{
    AltStack, Arch, Context, FaultState, SaFlags, SigAction, SigInfo, SignalDelivery, SignalSet,
    min_signal_stack, pop_frame, push_frame,
};
use core::arch::x86_64::__cpuid_count;
use core::ffi::{c_int, c_void};
use core::mem::offset_of;
use proptest::prelude::*;
use std::sync::{Mutex, PoisonError};

/// glibc's `struct sigaction`.
#[repr(C)]
struct LibcAction {
    handler: usize,
    mask: [u64; 16],
    flags: c_int,
    restorer: usize,
}

unsafe extern "C" {
    fn sigaction(signo: c_int, new: *const LibcAction, old: *mut LibcAction) -> c_int;
    fn sigaltstack(new: *const AltStackT, old: *mut AltStackT) -> c_int;
    fn raise(signo: c_int) -> c_int;
    fn mmap(
        at: *mut c_void,
        len: usize,
        prot: c_int,
        flags: c_int,
        fd: c_int,
        off: i64,
    ) -> *mut c_void;
    fn mprotect(at: *mut c_void, len: usize, prot: c_int) -> c_int;
    fn fork() -> c_int;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    fn _exit(status: c_int) -> !;
    fn getauxval(key: u64) -> u64;
    fn arch_prctl(code: c_int, out: *mut u64) -> c_int;
}

#[repr(C)]
#[derive(Clone, Copy)]
struct AltStackT {
    sp: u64,
    flags: c_int,
    size: u64,
}

const SIGUSR1: c_int = 10;
const SIGFPE: c_int = 8;
const SIGSEGV: c_int = 11;
const SA_SIGINFO: c_int = 4;
const SA_ONSTACK: c_int = 0x0800_0000;

/// A frame of the kernel's: where it was, and its bytes from there to the end of the FPU state.
struct Captured {
    at: u64,
    bytes: Vec<u8>,
}

static CAPTURED: Mutex<Option<Captured>> = Mutex::new(None);
/// A page that the `SIGSEGV` handler makes writable.
static PAGE: Mutex<usize> = Mutex::new(0);
/// One test at a time: handlers are the process's.
static TURN: Mutex<()> = Mutex::new(());

fn capture(context: *const c_void) {
    let at = context as u64 - offset_of!(RtSigFrame, uc) as u64;
    let word = |at: u64| {
        // SAFETY: `at` is inside the frame that the kernel has just written.
        unsafe { (at as *const u64).read_unaligned() }
    };
    let fpstate = word(at + 8 + 40 + 184);
    let extended = (word(fpstate + 464) >> 32) as usize;
    let len = (fpstate - at) as usize + extended;
    // SAFETY: from the frame to the end of the FPU state is all the kernel's.
    let bytes = unsafe { core::slice::from_raw_parts(at as *const u8, len) }.to_vec();
    *CAPTURED.lock().unwrap() = Some(Captured { at, bytes });
}

extern "C" fn on_signal(signo: c_int, _info: *const c_void, context: *const c_void) {
    capture(context);
    if signo == SIGSEGV {
        let page = *PAGE.lock().unwrap();
        // SAFETY: the page is this test's own mapping.
        unsafe { mprotect(page as *mut c_void, 4096, 3) };
    }
}

fn install(signo: c_int, handler: usize, flags: c_int) -> LibcAction {
    let new = LibcAction { handler, mask: [0; 16], flags, restorer: 0 };
    let mut old = LibcAction { handler: 0, mask: [0; 16], flags: 0, restorer: 0 };
    // SAFETY: both structures are glibc's, and the handlers are what the flags say.
    assert_eq!(unsafe { sigaction(signo, &new, &mut old) }, 0);
    old
}

/// The layout of this machine: the components from the frame, their places from CPUID.
fn host_layout(frame: &Captured) -> FpuLayout {
    let word = |at: usize| u64::from_le_bytes(frame.bytes[at..at + 8].try_into().unwrap());
    let fpu = (word(8 + 40 + 184) - frame.at) as usize;
    let (xcr0, size) = (word(fpu + 472), word(fpu + 480) as u32);
    let mask = u32::from_le_bytes(frame.bytes[fpu + 28..fpu + 32].try_into().unwrap());
    FpuLayout::xsave(xcr0, size, &components(xcr0)).unwrap().with_mxcsr_mask(mask)
}

/// The extended components among `features`, as the processor places them.
fn components(features: u64) -> Vec<Component> {
    let placed = |number| {
        let leaf = __cpuid_count(0xd, number);
        Component { number, offset: leaf.ebx, size: leaf.eax }
    };
    (2..20).filter(|n| features & 1 << n != 0).map(placed).collect()
}

/// The frame in guest memory at the address that it had, with room around it.
fn memory(frame: &Captured) -> Memory {
    let base = frame.at - 8192;
    let mem = Memory::new(base, 8192 + frame.bytes.len() + 512);
    mem.put(frame.at, &frame.bytes);
    mem
}

/// What the kernel does not save of who does not use it, and what does not take any bytes.
const TILES: u64 = 1 << xfeature::TILECFG | 1 << xfeature::TILEDATA;

/// Bytes that the kernel writes, as ranges of the frame; the others keep what was there.
fn written(frame: &Captured, layout: &FpuLayout) -> Vec<core::ops::Range<usize>> {
    let fpu = u64::from_le_bytes(frame.bytes[232..240].try_into().unwrap()) - frame.at;
    let fpu = fpu as usize;
    // All but `reserved1` of `struct sigcontext_64`, and `stack_t`'s padding.
    let mut ranges = vec![0..36, 40..48 + 192, 304..440];
    // x87 registers have six bytes of padding each, which XSAVE leaves zero.
    ranges.extend([fpu..fpu + 416, fpu + 464..fpu + 576]);
    // Initial tiles are left out.
    let components = layout.components().filter(|c| TILES & 1 << c.number == 0);
    ranges.extend(components.map(|c| {
        let start = fpu + c.offset as usize;
        // The processor leaves the second half of PKRU's eight bytes alone.
        let size = if c.number == xfeature::PKRU { 4 } else { c.size };
        start..start + size as usize
    }));
    ranges.push(fpu + layout.size()..fpu + layout.size() + 4);
    ranges
}

/// Takes the kernel's frame off and puts it on again: it must come out the same.
fn compare(flags: SaFlags, altstack: AltStack) {
    let frame = CAPTURED.lock().unwrap().take().expect("the handler ran");
    let layout = host_layout(&frame);
    let mem = memory(&frame);
    let mut ctx = Context::new(Arch::X86_64, &layout);
    // Where the handler's `ret` leaves the stack pointer.
    ctx.set_sp(frame.at + 8);
    let popped = pop_frame(&mut ctx, &mem).unwrap();
    assert_eq!(popped.altstack, altstack);

    let word = |at: usize| u64::from_le_bytes(frame.bytes[at..at + 8].try_into().unwrap());
    let delivery = SignalDelivery {
        action: SigAction { handler: 0x1234, flags, restorer: word(0), mask: SignalSet::EMPTY },
        info: SigInfo::from_prefix(&frame.bytes[312..440]),
        mask: popped.mask,
        fault: FaultState {
            error_code: word(48 + 152),
            trapno: word(48 + 160),
            address: word(48 + 176),
        },
        trampoline: None,
    };
    mem.fill(0xa5);
    let mut after = altstack;
    let pushed = push_frame(&mut ctx, &mem, &delivery, &mut after).unwrap();
    assert_eq!(pushed.frame.0, frame.at, "the frame's place");
    assert_eq!(ctx.sp(), frame.at);
    let ours = mem.get(frame.at, frame.bytes.len());
    for range in written(&frame, &layout) {
        assert_eq!(ours[range.clone()], frame.bytes[range.clone()], "bytes {range:?}");
    }
}

#[test]
fn a_frame_on_the_stack() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let old = install(SIGUSR1, on_signal as *const () as usize, SA_SIGINFO);
    // SAFETY: the handler is installed.
    unsafe { raise(SIGUSR1) };
    let flags = SaFlags::SIGINFO | SaFlags::RESTORER;
    let mut altstack = AltStackT { sp: 0, flags: 0, size: 0 };
    // SAFETY: asks only.
    unsafe { sigaltstack(core::ptr::null(), &mut altstack) };
    compare(flags, AltStack { sp: altstack.sp, flags: 0, size: altstack.size });
    install(SIGUSR1, old.handler, old.flags);
}

#[test]
fn a_frame_of_a_fault_on_the_alternate_stack() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: fresh anonymous memory.
    let page = unsafe { mmap(core::ptr::null_mut(), 4096, 0, 0x22, -1, 0) };
    *PAGE.lock().unwrap() = page as usize;
    let mut stack = vec![0u8; 65536];
    let new = AltStackT { sp: stack.as_mut_ptr() as u64, flags: 0, size: 65536 };
    let mut before = new;
    // SAFETY: the buffer outlives its use.
    assert_eq!(unsafe { sigaltstack(&new, &mut before) }, 0);
    let old = install(SIGSEGV, on_signal as *const () as usize, SA_SIGINFO | SA_ONSTACK);
    // SAFETY: the handler makes the page writable, and the store is done again.
    unsafe { page.cast::<u8>().add(5).write_volatile(1) };
    install(SIGSEGV, old.handler, old.flags);
    // SAFETY: puts back what was there.
    assert_eq!(unsafe { sigaltstack(&before, core::ptr::null_mut()) }, 0);
    {
        let frame = CAPTURED.lock().unwrap();
        let bytes = &frame.as_ref().unwrap().bytes;
        let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        assert_eq!((word(200), word(208), word(224)), (6, 14, page as u64 + 5));
    }
    let flags = SaFlags::SIGINFO | SaFlags::RESTORER | SaFlags::ONSTACK;
    compare(flags, AltStack { sp: new.sp, flags: 0, size: new.size });
}

/// The size counts what a process may ask for (AMX) although no frame has it before.
#[test]
fn at_minsigstksz_is_the_kernels() {
    const ARCH_GET_XCOMP_SUPP: c_int = 0x1021;
    let mut features = 0;
    // SAFETY: stores a word.
    assert_eq!(unsafe { arch_prctl(ARCH_GET_XCOMP_SUPP, &raw mut features) }, 0);
    let components = components(features);
    let size = components.iter().map(|c| c.offset + c.size).max().unwrap_or(576);
    let layout = FpuLayout::xsave(features, size, &components).unwrap();
    // SAFETY: reads the auxiliary vector.
    let theirs = unsafe { getauxval(arch::auxv::AT_MINSIGSTKSZ) };
    assert_eq!(min_signal_stack(Arch::X86_64, &layout), theirs);
}

/// A change to a frame: where it is measured from, offset, and the bytes put there.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Frame(usize, u64, usize),
    Fpu(usize, u64, usize),
    /// The FPU state is said to be so many bytes further.
    Shift(u64),
    /// Relative to the end of the FPU image, where the second magic number is.
    End(u64),
}

static DAMAGE: Mutex<Option<(Damage, usize)>> = Mutex::new(None);

extern "C" fn on_damage(_: c_int, _info: *const c_void, context: *const c_void) {
    let Some((damage, size)) = *DAMAGE.lock().unwrap() else { return };
    let frame = context as usize - 8;
    // SAFETY: the frame is the kernel's, complete and writable; what comes of it is the point.
    unsafe {
        let fpu = ((frame + 232) as *const usize).read();
        let (at, value, len) = match damage {
            Damage::Frame(at, value, len) => (frame + at, value, len),
            Damage::Fpu(at, value, len) => (fpu + at, value, len),
            Damage::Shift(n) => (frame + 232, fpu as u64 + n, 8),
            Damage::End(value) => (fpu + size, value, 4),
        };
        let bytes = value.to_le_bytes();
        core::ptr::copy_nonoverlapping(bytes.as_ptr(), at as *mut u8, len);
    }
}

/// Whether the host's sigreturn takes the damaged frame.
fn host_takes(damage: Damage, size: usize) -> bool {
    *DAMAGE.lock().unwrap() = Some((damage, size));
    // SAFETY: the child only raises a signal and leaves.
    unsafe {
        let pid = fork();
        if pid == 0 {
            install(SIGSEGV, 0, 0);
            raise(SIGUSR1);
            _exit(0);
        }
        let mut status = 0;
        assert_eq!(waitpid(pid, &mut status, 0), pid);
        // A frame may unmask floating-point exceptions, and is taken then as well.
        let signal = status & 0x7f;
        let known = status == 0 || [SIGSEGV, SIGFPE].contains(&signal);
        assert!(known, "{damage:?}: status {status:#x}");
        signal != SIGSEGV
    }
}

#[test]
fn damaged_frames_are_refused_as_by_the_kernel() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let old = install(SIGUSR1, on_signal as *const () as usize, SA_SIGINFO);
    // SAFETY: the handler is installed.
    unsafe { raise(SIGUSR1) };
    install(SIGUSR1, on_damage as *const () as usize, SA_SIGINFO);
    let frame = CAPTURED.lock().unwrap().take().unwrap();
    let layout = host_layout(&frame);
    let cases = [
        Damage::Fpu(464, 0, 4),
        Damage::Fpu(464, u64::MAX, 4),
        Damage::Fpu(468, 0, 4),
        Damage::Fpu(472, 0, 8),
        Damage::Fpu(472, u64::MAX, 8),
        Damage::Fpu(472, 1, 8),
        Damage::Fpu(480, 0, 4),
        Damage::Fpu(480, u64::MAX, 4),
        Damage::End(0),
        Damage::Fpu(24, u64::MAX, 4),
        Damage::Fpu(24, 1 << 16, 4),
        Damage::Fpu(24, 0x1f80 | 0x40, 4),
        Damage::Fpu(28, 0, 4),
        Damage::Fpu(512, 0, 8),
        Damage::Fpu(512, u64::MAX, 8),
        Damage::Fpu(512, 1 << 63, 8),
        Damage::Fpu(512, 1 << 19, 8),
        Damage::Fpu(512, 1, 8),
        Damage::Fpu(520, 1, 8),
        Damage::Fpu(520, 1 << 63, 8),
        Damage::Fpu(528, 1, 8),
        Damage::Fpu(536, 1, 8),
        Damage::Fpu(568, u64::MAX, 8),
        Damage::Fpu(0, 0, 2),
        Damage::Frame(232, 0, 8),
        Damage::Frame(232, 8, 8),
        Damage::Frame(232, u64::MAX, 8),
        Damage::Shift(1),
        Damage::Shift(8),
        Damage::Shift(16),
        Damage::Shift(32),
        Damage::Shift(64),
        Damage::Frame(8, 0, 8),
        Damage::Frame(8, u64::MAX, 8),
        Damage::Frame(16, u64::MAX, 8),
        Damage::Frame(48 + 144, 0x30, 2),
        Damage::Frame(48 + 144, 0, 2),
        Damage::Frame(48 + 144, 0x10, 2),
        Damage::Frame(48 + 150, 0x28, 2),
        Damage::Frame(48 + 150, 0, 2),
        Damage::Frame(48 + 150, 0x33, 2),
        Damage::Frame(48 + 146, 0x1234, 2),
        Damage::Frame(48 + 152, u64::MAX, 8),
        Damage::Frame(48 + 168, u64::MAX, 8),
        // Bits of eflags that do no harm to the program: AC, NT, ID, IOPL, IF.
        Damage::Frame(48 + 136, 0x4_0246, 8),
        Damage::Frame(48 + 136, 0x4246, 8),
        Damage::Frame(48 + 136, 0x20_0246, 8),
        Damage::Frame(48 + 136, 0x3246, 8),
        Damage::Frame(48 + 136, 0x46, 8),
        Damage::Frame(24, u64::MAX, 8),
        Damage::Frame(32, u64::MAX, 8),
    ];
    for damage in cases {
        assert_eq!(judge(&frame, &layout, damage), None);
    }
    install(SIGUSR1, old.handler, old.flags);
}

/// Damages the captured frame here and in a child alike, and says how the verdicts differ.
fn judge(frame: &Captured, layout: &FpuLayout, damage: Damage) -> Option<String> {
    let fpu = u64::from_le_bytes(frame.bytes[232..240].try_into().unwrap());
    let mem = memory(frame);
    let (at, value, len) = match damage {
        Damage::Frame(at, value, len) => (frame.at + at as u64, value, len),
        Damage::Fpu(at, value, len) => (fpu + at as u64, value, len),
        Damage::Shift(n) => (frame.at + 232, fpu + n, 8),
        Damage::End(value) => (fpu + layout.size() as u64, value, 4),
    };
    mem.put(at, &value.to_le_bytes()[..len]);
    let mut ctx = Context::new(Arch::X86_64, layout);
    ctx.set_sp(frame.at + 8);
    let ours = pop_frame(&mut ctx, &mem).is_ok();
    // Intel's processors fault on bit 63 of XSTATE_BV like on every bit that XCR0 lacks, AMD's
    // ignore it.
    if mem.word(fpu + 512) >> 63 != 0 && mem.word32(fpu + 464) == FP_XSTATE_MAGIC1 {
        return ours.then(|| format!("{damage:?} is taken here"));
    }
    let theirs = host_takes(damage, layout.size());
    (ours != theirs).then(|| format!("{damage:?}: taken {ours}, by the host {theirs}"))
}
