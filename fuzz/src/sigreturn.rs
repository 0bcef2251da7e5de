//! Bytes as what a handler leaves on its stack when it returns.

use arch::fpu::{FpuLayout, xfeature};
use arch::kit::Memory;
use arch::signal::code::SI_USER;
use arch::{
    AltStack, Arch, Context, FaultState, SaFlags, SigAction, SigInfo, SignalDelivery, SignalSet,
    pop_frame, push_frame,
};

const BASE: u64 = 0x7ffc_0000_0000;
const LEN: usize = 24 << 10;

/// Machines of both architectures, with few and with many registers.
fn machine(choice: u8) -> (Arch, FpuLayout) {
    let avx = xfeature::FPSSE | 1 << xfeature::AVX;
    let pku = 1 << xfeature::PKRU;
    let amx = 1 << xfeature::TILECFG | 1 << xfeature::TILEDATA;
    let intel = |features| FpuLayout::intel(features).expect("a layout");
    match choice % 7 {
        0 => (Arch::X86_64, FpuLayout::fxsave()),
        1 => (Arch::X86_64, intel(xfeature::FPSSE)),
        2 => (Arch::X86_64, intel(avx).with_mxcsr_mask(0xffbf)),
        3 => (Arch::X86_64, intel(avx | xfeature::AVX512 | pku | amx)),
        4 => (Arch::Aarch64, FpuLayout::fpsimd()),
        5 => (Arch::Aarch64, FpuLayout::sve(16).expect("a layout")),
        _ => (Arch::Aarch64, FpuLayout::sve(256).expect("a layout")),
    }
}

fn delivery() -> SignalDelivery {
    SignalDelivery {
        action: SigAction {
            handler: 0x40_1000,
            flags: SaFlags::SIGINFO | SaFlags::RESTORER,
            restorer: 0x40_2000,
            mask: SignalSet::EMPTY,
        },
        info: SigInfo::user(10, SI_USER, 1, 0),
        mask: SignalSet::of(&[3]),
        fault: FaultState { trapno: 14, error_code: 6, address: 0xdead_b000 },
        trampoline: None,
    }
}

/// The first byte chooses a machine. The second says whether what follows replaces the frame, or
/// changes bytes of a frame that is sound: places of two bytes, each with how many bytes go there
/// and the bytes. sigreturn(2) then either refuses the frame and changes nothing, or the thread has
/// a state that a processor loads, from which the next handler can be entered.
pub fn sigreturn(bytes: &[u8]) {
    let [choice, whole, rest @ ..] = bytes else { return };
    let (arch, layout) = machine(*choice);
    let mut ctx = Context::new(arch, &layout);
    ctx.set_ip(0x40_0000);
    ctx.set_sp(BASE + LEN as u64 - 256);
    let mem = Memory::new(BASE, LEN);
    push_frame(&mut ctx, &mem, &delivery(), &mut AltStack::DISABLED.clone()).expect("room");
    let frame = ctx.sp();
    let room = (BASE + LEN as u64 - frame) as usize;
    if whole & 1 != 0 {
        mem.put(frame, &rest[..rest.len().min(room)]);
    } else {
        edit(&mem, frame, room, rest);
    }
    if arch == Arch::X86_64 {
        ctx.set_sp(frame + 8);
    }
    assert!(ctx.is_loadable());
    let before = ctx.clone();
    match pop_frame(&mut ctx, &mem) {
        Err(e) => {
            assert!(
                same(&before, &ctx) || e.mask.is_some(),
                "a frame that cannot be read changes nothing"
            );
            assert!(ctx.is_loadable(), "{ctx:x?}");
        }
        Ok(popped) => {
            assert!(ctx.is_loadable(), "{ctx:x?}");
            assert_eq!(ctx.fpu().layout(), &layout);
            assert!(!ctx.in_syscall());
            // What was taken from the frame goes into the next one, wherever the stack is now.
            let mut altstack = popped.altstack;
            if push_frame(&mut ctx, &mem, &delivery(), &mut altstack).is_ok() {
                assert!(ctx.is_loadable(), "{ctx:x?}");
            }
        }
    }
}

fn edit(mem: &Memory, frame: u64, room: usize, mut edits: &[u8]) {
    while let [low, high, n, rest @ ..] = edits {
        let at = usize::from(u16::from_le_bytes([*low, *high])) % room;
        let n = usize::from(*n % 9).min(rest.len()).min(room - at);
        mem.put(frame + at as u64, &rest[..n]);
        edits = &rest[n..];
    }
}

fn same(a: &Context, b: &Context) -> bool {
    let regs = match (a, b) {
        (Context::X86_64(a), Context::X86_64(b)) => a.regs == b.regs,
        (Context::Aarch64(a), Context::Aarch64(b)) => a.regs == b.regs && a.tls == b.tls,
        _ => false,
    };
    regs && a.fpu() == b.fpu()
}
