//! Signal frames of both architectures: what a handler finds, and that sigreturn brings back what
//! was there, whatever it was, and survives whatever it finds.

use arch::aarch64::records::{ESR_MAGIC, FPSIMD_MAGIC};
use arch::fpu::xfeature;
use arch::kit::Memory;
use arch::signal::{code, ss};
use arch::x86_64::{USER_CS, eflags};
use arch::{
    AltStack, Arch, BadFrame, Context, FaultState, FpuLayout, FpuState, SaFlags, SigAction,
    SigInfo, SignalDelivery, SignalSet, min_signal_stack, pop_frame, push_frame,
};
use proptest::prelude::*;
use syserr::Errno;

const BASE: u64 = 0x7000_0000_0000;
const LEN: usize = 64 << 10;

fn delivery(flags: SaFlags) -> SignalDelivery {
    SignalDelivery {
        action: SigAction {
            handler: 0x40_1000,
            flags: flags | SaFlags::RESTORER,
            restorer: 0x40_2000,
            mask: SignalSet::of(&[3]),
        },
        info: SigInfo::user(10, code::SI_USER, 42, 1000),
        mask: SignalSet(0x1_0000_0002),
        fault: FaultState { trapno: 14, error_code: 6, address: 0xdead_b000 },
        trampoline: None,
    }
}

fn layouts() -> Vec<(Arch, FpuLayout)> {
    let avx = xfeature::FPSSE | 1 << xfeature::AVX;
    let amx = 1 << xfeature::TILECFG | 1 << xfeature::TILEDATA | 1 << xfeature::PKRU;
    vec![
        (Arch::X86_64, FpuLayout::fxsave()),
        (Arch::X86_64, FpuLayout::intel(xfeature::FPSSE).unwrap()),
        (Arch::X86_64, FpuLayout::intel(avx).unwrap()),
        (Arch::X86_64, FpuLayout::intel(avx | xfeature::AVX512 | amx).unwrap()),
        (Arch::Aarch64, FpuLayout::fpsimd()),
        (Arch::Aarch64, FpuLayout::sve(16).unwrap()),
        (Arch::Aarch64, FpuLayout::sve(256).unwrap()),
    ]
}

/// A context with registers and FPU state from random bytes, as a processor could hold them.
fn context(arch: Arch, layout: &FpuLayout, seed: &[u64]) -> Context {
    let mut ctx = Context::new(arch, layout);
    let mut seeds = seed.iter().copied().cycle();
    let mut next = || seeds.next().unwrap();
    let image: Vec<u8> = (0..layout.size()).map(|_| next() as u8).collect();
    ctx.fpu_mut().load(&image);
    match &mut ctx {
        Context::X86_64(c) => {
            let words: &mut [u64; 27] = zerocopy::transmute_mut!(&mut c.regs);
            words.fill_with(&mut next);
            c.regs.cs = USER_CS;
            c.regs.ss = 0x2b;
            c.regs.eflags = c.regs.eflags & eflags::SIGRETURN | eflags::IF | eflags::FIXED;
            for address in [&mut c.regs.rip, &mut c.regs.fs_base, &mut c.regs.gs_base] {
                *address = (*address as i64 >> 17) as u64;
            }
            let r = &mut c.regs;
            for selector in [&mut r.ds, &mut r.es, &mut r.fs, &mut r.gs] {
                *selector = *selector & 0xffff | 3;
            }
        }
        Context::Aarch64(c) => {
            c.regs.x.fill_with(&mut next);
            c.regs.pc = next();
            c.regs.pstate = next() & (0xf << 28);
            if layout.size() > 528 {
                // The vectors of FPSIMD are the low ends of those of SVE.
                let vl = (layout.size() - 528) * 8 / 273;
                let image = c_fpu(&mut ctx);
                let (low, high) = image.split_at_mut(528);
                for (v, z) in low[..512].chunks_mut(16).zip(high.chunks_mut(vl)) {
                    v.copy_from_slice(&z[..16]);
                }
            }
        }
    }
    ctx.set_sp(BASE + 48 * 1024 + seed[0] % 4096);
    loadable(&ctx);
    ctx
}

fn c_fpu(ctx: &mut Context) -> &mut [u8] {
    ctx.fpu_mut().as_mut_bytes()
}

/// The state that user code can see.
fn visible(ctx: &Context) -> (Vec<u64>, Vec<u8>) {
    match ctx {
        Context::X86_64(c) => {
            let mut r = c.regs;
            // Not in the frame, and the same before and after.
            r.orig_rax = 0;
            let words: [u64; 27] = zerocopy::transmute!(r);
            (words.to_vec(), ctx.fpu().as_bytes().to_vec())
        }
        Context::Aarch64(c) => {
            let words: [u64; 34] = zerocopy::transmute!(c.regs);
            let mut image = ctx.fpu().as_bytes().to_vec();
            // The reserved words of `struct user_fpsimd_state` are in no record.
            image[520..528].fill(0);
            (words.to_vec(), image)
        }
    }
}

#[test]
fn an_x86_64_handler_finds_what_linux_gives_it() {
    let mem = Memory::new(BASE, LEN);
    let layout = FpuLayout::intel(xfeature::FPSSE | 1 << xfeature::AVX).unwrap();
    let mut ctx = context(Arch::X86_64, &layout, &[0x0123_4567_89ab_cdef, 77]);
    let before = ctx.clone();
    if let Some(c) = ctx.as_x86_64_mut() {
        c.regs.eflags |= eflags::DF | eflags::TF | eflags::RF;
    }
    let d = delivery(SaFlags::SIGINFO);
    let pushed = push_frame(&mut ctx, &mem, &d, &mut AltStack::DISABLED.clone()).unwrap();
    let frame = pushed.frame.0;
    let fpu = mem.word(frame + 232);
    let r = ctx.as_x86_64().unwrap().regs;
    assert_eq!((r.rsp, r.rip, r.rdi, r.rax), (frame, 0x40_1000, 10, 0));
    assert_eq!((r.rsi, r.rdx), (frame + 312, frame + 8));
    assert_eq!(r.eflags & (eflags::DF | eflags::TF | eflags::RF), 0);
    assert_eq!((frame + 8) % 16, 0);
    assert_eq!(fpu % 64, 0);
    assert!(fpu + layout.size() as u64 + 4 <= before.sp() - 128, "the red zone is left alone");
    assert_eq!(mem.word(frame), 0x40_2000);
    assert_eq!(mem.word(frame + 8), 7, "FP_XSTATE | SIGCONTEXT_SS | STRICT_RESTORE_SS");
    assert_eq!(mem.word(frame + 16), 0);
    assert_eq!(mem.word(frame + 32), 2, "SS_DISABLE");
    assert_eq!(mem.word(frame + 48 + 152), 6);
    assert_eq!(mem.word(frame + 48 + 160), 14);
    assert_eq!(mem.word(frame + 48 + 168), d.mask.0);
    assert_eq!(mem.word(frame + 48 + 176), 0xdead_b000);
    assert_eq!(mem.word(frame + 304), d.mask.0);
    assert_eq!(mem.word32(fpu + 464), 0x4650_5853);
    assert_eq!(mem.word32(fpu + 468), layout.size() as u32 + 4);
    assert_eq!(mem.word(fpu + 472), layout.xcr0());
    assert_eq!(mem.word32(fpu + 480), layout.size() as u32);
    assert_eq!(mem.word(fpu + 512) & 3, 3);
    assert_eq!(mem.word32(fpu + layout.size() as u64), 0x4650_5845);
    assert_eq!(*ctx.fpu(), Context::new(Arch::X86_64, &layout).fpu().clone());
}

#[test]
fn an_arm64_handler_finds_what_linux_gives_it() {
    let mem = Memory::new(BASE, LEN);
    let layout = FpuLayout::fpsimd();
    let mut ctx = context(Arch::Aarch64, &layout, &[0x0123_4567_89ab_cdef, 77]);
    let before = ctx.clone();
    let d = SignalDelivery { trampoline: Some(0x50_0000), ..delivery(SaFlags::SIGINFO) };
    push_frame(&mut ctx, &mem, &d, &mut AltStack::DISABLED.clone()).unwrap();
    let r = ctx.as_aarch64().unwrap().regs;
    let old = before.as_aarch64().unwrap().regs;
    assert_eq!(r.sp % 16, 0);
    assert_eq!((r.x[0], r.x[1], r.x[2]), (10, r.sp, r.sp + 128));
    assert_eq!((r.x[30], r.pc), (0x40_2000, 0x40_1000));
    assert_eq!(r.x[29], r.sp + 4688);
    assert_eq!((mem.word(r.x[29]), mem.word(r.x[29] + 8)), (old.x[29], old.x[30]));
    assert_eq!(mem.word32(r.sp), 10, "si_signo");
    assert_eq!(mem.word(r.sp + 128 + 40), d.mask.0);
    assert_eq!(mem.word(r.sp + 304), 0xdead_b000, "fault_address");
    assert_eq!(mem.word(r.sp + 312), old.x[0]);
    assert_eq!(mem.word(r.sp + 312 + 31 * 8), old.sp);
    assert_eq!((mem.word32(r.sp + 592), mem.word32(r.sp + 596)), (FPSIMD_MAGIC, 528));
    assert_eq!((mem.word32(r.sp + 592 + 528), mem.word32(r.sp + 596 + 528)), (ESR_MAGIC, 16));
    assert_eq!(mem.word(r.sp + 600 + 528), 6);
    assert_eq!(mem.word(r.sp + 592 + 544), 0, "the end");
    assert_eq!(ctx.fpu(), before.fpu(), "a handler keeps the FPU registers");

    // Without SA_RESTORER the vDSO is where it returns to, and there must be one.
    let mut plain = SignalDelivery { trampoline: Some(0x50_0000), ..delivery(SaFlags::empty()) };
    plain.action.flags = SaFlags::empty();
    let mut ctx = before.clone();
    push_frame(&mut ctx, &mem, &plain, &mut AltStack::DISABLED.clone()).unwrap();
    let r = ctx.as_aarch64().unwrap().regs;
    assert_eq!((r.x[30], r.x[1]), (0x50_0000, old.x[1]));
    plain.trampoline = None;
    let refused = push_frame(&mut before.clone(), &mem, &plain, &mut AltStack::DISABLED.clone());
    assert_eq!(refused, Err(Errno::EFAULT));
}

#[test]
fn x86_64_insists_on_a_restorer() {
    let mem = Memory::new(BASE, LEN);
    let mut ctx = context(Arch::X86_64, &FpuLayout::fxsave(), &[1]);
    let mut d = delivery(SaFlags::SIGINFO);
    d.action.flags = SaFlags::SIGINFO;
    let refused = push_frame(&mut ctx, &mem, &d, &mut AltStack::DISABLED.clone());
    assert_eq!(refused, Err(Errno::EFAULT));
}

#[test]
fn alternate_stacks_are_entered_kept_left_and_disarmed() {
    for (arch, layout) in layouts() {
        let need = min_signal_stack(arch, &layout);
        let mem = Memory::new(BASE, 256 << 10);
        let stack = AltStack { sp: BASE + 4096, flags: 0, size: need + 64 };
        let mut d = delivery(SaFlags::ONSTACK);
        let mut ctx = Context::new(arch, &layout);
        ctx.set_sp(BASE + (200 << 10));
        let mut alt = stack;
        push_frame(&mut ctx, &mem, &d, &mut alt).unwrap();
        assert!(stack.covers(ctx.sp()), "{arch:?}: the frame is on the alternate stack");
        assert_eq!(alt, stack);

        // A second handler goes on below the first; there is room for one only.
        let nested = push_frame(&mut ctx.clone(), &mem, &d, &mut alt);
        match arch {
            Arch::X86_64 => assert_eq!(nested, Err(Errno::EFAULT), "overflow"),
            Arch::Aarch64 => assert!(nested.is_err() || nested.is_ok_and(|p| p.frame.0 < stack.sp)),
        }

        // Without SA_ONSTACK it stays where it is.
        d.action.flags = SaFlags::RESTORER;
        let mut plain = Context::new(arch, &layout);
        plain.set_sp(BASE + (200 << 10));
        push_frame(&mut plain, &mem, &d, &mut alt).unwrap();
        assert!(!stack.covers(plain.sp()));

        // Autodisarm: disabled while the handler runs, and in the frame for sigreturn.
        d.action.flags = SaFlags::RESTORER | SaFlags::ONSTACK;
        let mut alt = AltStack { flags: ss::AUTODISARM, ..stack };
        let mut ctx = Context::new(arch, &layout);
        ctx.set_sp(BASE + (200 << 10));
        push_frame(&mut ctx, &mem, &d, &mut alt).unwrap();
        assert_eq!(alt, AltStack::DISABLED);
        if arch == Arch::X86_64 {
            ctx.set_sp(ctx.sp() + 8);
        }
        let popped = pop_frame(&mut ctx, &mem).unwrap();
        assert_eq!(popped.altstack, AltStack { flags: ss::AUTODISARM, ..stack });
        assert_eq!(alt.replaced(popped.altstack, popped.sp, 1024), Ok(popped.altstack));
    }
}

#[test]
fn altstack_changes_are_judged_as_by_sigaltstack() {
    let old = AltStack { sp: 0x1000, flags: 0, size: 0x4000 };
    let new = AltStack { sp: 0x9000, flags: 0, size: 0x4000 };
    assert_eq!(old.replaced(new, 0x2000, 2048), Err(Errno::EPERM));
    assert_eq!(old.replaced(new, 0x1000, 2048), Ok(new), "the lowest address is not on it");
    assert_eq!(old.replaced(new, 0x5000, 2048), Err(Errno::EPERM), "the end is");
    assert_eq!(old.replaced(AltStack { size: 2047, ..new }, 0, 2048), Err(Errno::ENOMEM));
    assert_eq!(old.replaced(AltStack { flags: 4, ..new }, 0, 2048), Err(Errno::EINVAL));
    assert_eq!(old.replaced(AltStack { flags: 2, ..new }, 0, 2048), Ok(AltStack::DISABLED));
    assert_eq!(old.reported(0x2000).flags, ss::ONSTACK);
    assert_eq!(AltStack::DISABLED.reported(0x2000).flags, ss::DISABLE);
}

#[test]
fn a_tracers_step_is_not_in_the_frame() {
    for (arch, layout) in layouts() {
        let mem = Memory::new(BASE, LEN);
        let mut ctx = context(arch, &layout, &[99]);
        if let Some(c) = ctx.as_x86_64_mut() {
            c.regs.eflags &= !eflags::TF;
        }
        let before = visible(&ctx);
        ctx.set_single_step(true);
        let d = delivery(SaFlags::SIGINFO);
        let pushed = push_frame(&mut ctx, &mem, &d, &mut AltStack::DISABLED.clone()).unwrap();
        assert!(pushed.was_stepping && !ctx.single_step());
        if arch == Arch::X86_64 {
            ctx.set_sp(ctx.sp() + 8);
        }
        pop_frame(&mut ctx, &mem).unwrap();
        assert_eq!(visible(&ctx).0, before.0);
    }
}

#[test]
fn registers_are_back_when_only_the_fpu_state_is_bad() {
    for (arch, layout) in layouts() {
        let mem = Memory::new(BASE, LEN);
        let mut ctx = context(arch, &layout, &[7]);
        let before = visible(&ctx);
        let d = delivery(SaFlags::SIGINFO);
        push_frame(&mut ctx, &mem, &d, &mut AltStack::DISABLED.clone()).unwrap();
        let frame = ctx.sp();
        match arch {
            Arch::X86_64 => {
                // All bits of MXCSR, reserved ones too.
                let state = mem.get(frame + 232, 8);
                let state = u64::from_le_bytes(state[..].try_into().unwrap());
                mem.put(state + 24, &[0xff; 4]);
                ctx.set_sp(frame + 8);
            }
            // The first record's size.
            Arch::Aarch64 => mem.put(frame + 128 + 176 + 288 + 4, &[0xff; 4]),
        }
        assert_eq!(pop_frame(&mut ctx, &mem), Err(BadFrame { mask: Some(d.mask) }), "{arch:?}");
        assert_eq!(visible(&ctx).0, before.0, "{arch:?}");
    }
}

proptest! {
    #[test]
    fn sigreturn_brings_everything_back(
        which in 0..layouts().len(),
        seed in prop::collection::vec(any::<u64>(), 1..80),
        info: bool,
    ) {
        let (arch, layout) = layouts()[which];
        let mem = Memory::new(BASE, LEN);
        let mut ctx = context(arch, &layout, &seed);
        let before = visible(&ctx);
        let flags = if info { SaFlags::SIGINFO } else { SaFlags::empty() };
        let d = delivery(flags);
        let mut alt = AltStack { sp: 0x1000, flags: 0, size: 8192 };
        push_frame(&mut ctx, &mem, &d, &mut alt).unwrap();
        prop_assert!(ctx.sp() + min_signal_stack(arch, &layout) + 128 >= before_sp(&before, arch));
        if arch == Arch::X86_64 {
            ctx.set_sp(ctx.sp() + 8);
        }
        // What the handler does to the FPU is forgotten.
        ctx.fpu_mut().load(&[0x5a; 600]);
        let popped = pop_frame(&mut ctx, &mem).unwrap();
        prop_assert_eq!(popped.mask, d.mask);
        prop_assert_eq!(popped.altstack, alt);
        let after = visible(&ctx);
        prop_assert_eq!(after.0, before.0);
        let mut image = before.1;
        if arch == Arch::X86_64 && layout.size() > 512 {
            // Linux marks x87 and SSE as in use in every frame.
            image[512] |= 3;
        }
        let differs = after.1.iter().zip(&image).position(|(a, b)| a != b);
        prop_assert_eq!(differs, None);
        prop_assert!(!ctx.in_syscall());
    }

    #[test]
    fn damaged_frames_never_panic_and_never_give_more(
        which in 0..layouts().len(),
        seed in prop::collection::vec(any::<u64>(), 1..8),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..24),
        cut in prop::option::of(0usize..8192),
    ) {
        let (arch, layout) = layouts()[which];
        let mem = Memory::new(BASE, LEN);
        let mut ctx = context(arch, &layout, &seed);
        push_frame(&mut ctx, &mem, &delivery(SaFlags::SIGINFO), &mut AltStack::DISABLED.clone())
            .unwrap();
        let frame = (ctx.sp() - BASE) as usize;
        for (at, byte) in &damage {
            let at = BASE + (frame + at.index(LEN.min(frame + 4800) - frame)) as u64;
            let old = mem.get(at, 1)[0];
            mem.put(at, &[old ^ byte]);
        }
        let whole = mem;
        let mem = Memory::new(BASE, cut.map_or(LEN, |n| LEN.min(frame + n)));
        mem.put(BASE, &whole.get(BASE, mem.range().len() as usize));
        if arch == Arch::X86_64 {
            ctx.set_sp(ctx.sp() + 8);
        }
        let before = visible(&ctx);
        match pop_frame(&mut ctx, &mem) {
            Err(e) => {
                let fpu = match arch {
                    Arch::X86_64 => FpuState::new(layout).as_bytes().to_vec(),
                    Arch::Aarch64 => before.1.clone(),
                };
                let after = visible(&ctx);
                prop_assert!(
                    after == before || e.mask.is_some() && after.1 == fpu,
                    "a refused frame changes nothing, but for registers that were good"
                );
                loadable(&ctx);
            }
            Ok(_) => loadable(&ctx),
        }
    }

    #[test]
    fn any_bytes_as_a_frame_are_survived(
        which in 0..layouts().len(),
        bytes in prop::collection::vec(any::<u8>(), 0..6000),
        sp in 0u64..6000,
    ) {
        let (arch, layout) = layouts()[which];
        let mem = Memory::new(BASE, 6000);
        mem.put(BASE, &bytes);
        for sp in [BASE + sp, BASE + (sp & !15), sp, u64::MAX - sp] {
            let mut ctx = Context::new(arch, &layout);
            ctx.set_sp(sp);
            if pop_frame(&mut ctx, &mem).is_ok() {
                loadable(&ctx);
            }
            let d = delivery(SaFlags::SIGINFO | SaFlags::ONSTACK);
            let mut alt = AltStack { sp: u64::MAX - sp, flags: 0, size: sp };
            let _ = push_frame(&mut ctx, &mem, &d, &mut alt);
        }
    }
}

fn before_sp(before: &(Vec<u64>, Vec<u8>), arch: Arch) -> u64 {
    before.0[if arch == Arch::X86_64 { 19 } else { 31 }]
}

/// Whatever came in, user mode can have it.
fn loadable(ctx: &Context) {
    assert!(ctx.is_loadable(), "{ctx:x?}");
}
