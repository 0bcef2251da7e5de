//! Registers: system calls, restarts, forks, thread pointers, ptrace.

use arch::fpu::{Component, LayoutError, xfeature};
use arch::x86_64::eflags;
use arch::{Access, Addr, Arch, Context, FpuLayout, RegSet, untagged_addr};
use proptest::prelude::*;
use syserr::Errno;

fn avx() -> FpuLayout {
    FpuLayout::intel(xfeature::FPSSE | 1 << xfeature::AVX).unwrap()
}

fn both() -> [Context; 2] {
    [Context::new(Arch::X86_64, &avx()), Context::new(Arch::Aarch64, &FpuLayout::fpsimd())]
}

#[test]
fn a_program_starts_with_almost_nothing() {
    let [x86, arm] = both();
    let r = x86.as_x86_64().unwrap().regs;
    assert_eq!((r.eflags, r.cs, r.ss), (0x202, 0x33, 0x2b));
    assert_eq!((r.rax, r.rdi, r.fs_base, r.ds), (0, 0, 0, 0));
    assert!(!x86.in_syscall() && !arm.in_syscall());
    assert_eq!(arm.as_aarch64().unwrap().regs, arch::aarch64::Registers::default());
    let fpu = x86.fpu().as_bytes();
    assert_eq!((fpu[0], fpu[1]), (0x7f, 3));
    assert_eq!((x86.fpu().mxcsr(), x86.fpu().xstate_bv()), (0x1f80, 0));
    assert_eq!(fpu.as_ptr() as usize % 64, 0);
    assert_eq!(size_of::<arch::x86_64::Registers>(), 216);
}

#[test]
fn system_calls_are_read_and_answered() {
    let [mut x86, mut arm] = both();
    if let Some(c) = x86.as_x86_64_mut() {
        let r = &mut c.regs;
        (r.rax, r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9) = (39, 1, 2, 3, 4, 5, 6);
        (r.rip, r.rcx) = (0x40_1002, 99);
        c.enter_syscall();
        assert_eq!((c.regs.rcx, c.regs.r11), (0x40_1002, 0x202));
        assert_eq!(c.regs.rax, Errno::ENOSYS.to_return());
    }
    if let Some(c) = arm.as_aarch64_mut() {
        c.regs.x[..6].copy_from_slice(&[1, 2, 3, 4, 5, 6]);
        c.regs.x[8] = 39;
        c.regs.pc = 0x40_1004;
    }
    for (mut ctx, block, start) in [(x86, 219, 0x40_1000), (arm, 128, 0x40_1000)] {
        ctx.save_orig();
        assert!(ctx.in_syscall());
        assert_eq!(ctx.syscall_no(), 39);
        assert_eq!(ctx.syscall_args(), [1, 2, 3, 4, 5, 6]);
        ctx.set_return(Errno::EINTR.to_return());
        assert_eq!(ctx.return_value(), -4i64 as u64);
        assert_eq!(ctx.syscall_args(), [1, 2, 3, 4, 5, 6], "the answer leaves the arguments");
        let mut again = ctx.fork();
        again.restart_syscall();
        assert_eq!(again.ip(), start);
        if let Some(c) = again.as_x86_64_mut() {
            c.enter_syscall();
        }
        again.save_orig();
        assert_eq!((again.syscall_no(), again.syscall_args()[0]), (39, 1));
        ctx.restart_with_block();
        if let Some(c) = ctx.as_x86_64_mut() {
            c.enter_syscall();
        }
        ctx.save_orig();
        assert_eq!((ctx.syscall_no(), ctx.ip()), (block, start));
        ctx.clear_syscall();
        assert!(!ctx.in_syscall());
    }
}

#[test]
fn thread_pointers_are_user_addresses() {
    for mut ctx in both() {
        assert!(ctx.set_tls(0x7000_0000_0000));
        assert!(!ctx.set_tls(1 << 63) && !ctx.set_tls(u64::MAX) && !ctx.set_tls(1 << 48));
        assert_eq!(ctx.tls(), 0x7000_0000_0000);
    }
    let [mut x86, _] = both();
    assert!(!x86.set_tls(0x7fff_ffff_f000));
    let c = x86.as_x86_64_mut().unwrap();
    assert!(c.set_gs_base(0x1000) && !c.set_gs_base(0x7fff_ffff_f000));
}

#[test]
fn forks_share_nothing() {
    for ctx in both() {
        let mut child = ctx.fork();
        child.fpu_mut().as_mut_bytes()[200] = 7;
        child.set_sp(4);
        assert_eq!((ctx.sp(), ctx.fpu().as_bytes()[200]), (0, 0));
    }
}

#[test]
fn stepping_is_the_tracers_business() {
    for mut ctx in both() {
        ctx.set_single_step(true);
        assert!(ctx.single_step() && !ctx.fork().single_step());
        let seen = ctx.regset(RegSet::General).unwrap();
        if ctx.arch() == Arch::X86_64 {
            assert_eq!(seen[144..152], 0x202u64.to_le_bytes(), "TF is not shown");
            ctx.set_regset(RegSet::General, &seen).unwrap();
            assert_eq!(ctx.as_x86_64().unwrap().regs.eflags & eflags::TF, eflags::TF);
        }
        ctx.set_single_step(false);
        assert!(!ctx.single_step());
    }
    // A trap flag of the program's own survives the tracer's steps.
    let [mut x86, _] = both();
    x86.as_x86_64_mut().unwrap().regs.eflags |= eflags::TF;
    x86.set_single_step(true);
    x86.set_single_step(false);
    assert_eq!(x86.as_x86_64().unwrap().regs.eflags & eflags::TF, eflags::TF);
}

#[test]
fn tracers_cannot_give_what_user_code_cannot_have() {
    let [mut x86, mut arm] = both();
    let at = |field: usize| (field * 8) as u64;
    assert_eq!(x86.poke_user(at(21), 0x7fff_ffff_f000), Err(Errno::EIO), "fs_base");
    assert_eq!(x86.poke_user(at(17), 0x10), Err(Errno::EIO), "cs");
    assert_eq!(x86.poke_user(at(20), 0), Err(Errno::EIO), "ss");
    assert_eq!(x86.poke_user(at(23), 0), Ok(()), "ds");
    assert_eq!(x86.poke_user(at(24), 0x10), Err(Errno::EIO), "es");
    assert_eq!(x86.poke_user(at(18), u64::MAX), Ok(()));
    assert_eq!(x86.peek_user(at(18)), Ok(eflags::PTRACE | 0x202));
    for bad in [4, 928, 936, u64::MAX, !7] {
        assert_eq!(x86.peek_user(bad), Err(Errno::EIO));
        assert_eq!(x86.poke_user(bad, 0), Err(Errno::EIO));
    }
    assert_eq!(x86.peek_user(848), Ok(0), "u_debugreg");
    assert_eq!((x86.poke_user(848, 0), x86.poke_user(904, 1)), (Ok(()), Err(Errno::EIO)));
    assert_eq!(arm.peek_user(0), Err(Errno::EIO));

    let mut regs = arm.regset(RegSet::General).unwrap();
    regs[264] = 5;
    assert_eq!(arm.set_regset(RegSet::General, &regs), Err(Errno::EINVAL), "EL1h");
    regs[264] = 0x10;
    assert_eq!(arm.set_regset(RegSet::General, &regs), Err(Errno::EINVAL), "32-bit");
    regs[264] = 0;
    regs[268] = 1;
    assert_eq!(arm.set_regset(RegSet::General, &regs), Ok(()));
    assert_eq!(arm.as_aarch64().unwrap().regs.pstate, 0, "reserved bits are dropped");
    assert_eq!(arm.set_regset(RegSet::ArmTls, &u64::MAX.to_le_bytes()), Err(Errno::EIO));
}

#[test]
fn fpu_sets_are_checked_as_by_linux() {
    let [mut x86, _] = both();
    let good = x86.regset(RegSet::XState).unwrap();
    assert_eq!(good[464..472], 7u64.to_le_bytes(), "XCR0");
    let with = |at: usize, byte: u8| {
        let mut image = good.clone();
        image[at] = byte;
        image
    };
    assert_eq!(x86.set_regset(RegSet::XState, &good[8..]), Err(Errno::EFAULT));
    assert_eq!(x86.set_regset(RegSet::XState, &with(512, 8)), Err(Errno::EINVAL));
    assert_eq!(x86.set_regset(RegSet::XState, &with(527, 0x80)), Err(Errno::EINVAL));
    assert_eq!(x86.set_regset(RegSet::XState, &with(575, 1)), Err(Errno::EINVAL));
    let mut image = with(512, 2);
    image[27] = 1;
    assert_eq!(x86.set_regset(RegSet::XState, &image), Err(Errno::EINVAL), "MXCSR");
    let mut image = with(512, 6);
    (image[160], image[576]) = (1, 2);
    assert_eq!(x86.set_regset(RegSet::XState, &image), Ok(()));
    assert_eq!((x86.fpu().as_bytes()[160], x86.fpu().as_bytes()[576]), (1, 2));
    let legacy = x86.regset(RegSet::Fpu).unwrap();
    assert_eq!(legacy.len(), 512);
    assert_eq!(x86.set_regset(RegSet::Fpu, &legacy[1..]), Err(Errno::EINVAL));
    assert_eq!(x86.set_regset(RegSet::Fpu, &legacy), Ok(()));
    assert_eq!(x86.fpu().xstate_bv(), 7);
    assert_eq!(x86.regset(RegSet::ArmTls), Err(Errno::ENODEV));
    assert_eq!(RegSet::from_note(Arch::X86_64, 0x202), Some(RegSet::XState));
    assert_eq!(RegSet::from_note(Arch::Aarch64, 0x202), None);
}

#[test]
fn layouts_must_make_sense() {
    let c = |number, offset, size| Component { number, offset, size };
    let new = |xcr0, size, list: &[Component]| FpuLayout::xsave(xcr0, size, list).map(|_| ());
    assert_eq!(new(7, 832, &[c(2, 576, 256)]), Ok(()));
    assert_eq!(new(6, 832, &[c(2, 576, 256)]), Err(LayoutError::Features));
    assert_eq!(new(7 | 1 << 40, 832, &[]), Err(LayoutError::Features));
    assert_eq!(new(7, 832, &[]), Err(LayoutError::Missing(2)));
    assert_eq!(new(7, 832, &[c(2, 570, 256)]), Err(LayoutError::Placement(2)));
    assert_eq!(new(7, 832, &[c(2, 577, 256)]), Err(LayoutError::Placement(2)));
    assert_eq!(new(7, 832, &[c(2, u32::MAX, 2)]), Err(LayoutError::Placement(2)));
    let twice = [c(2, 576, 256), c(5, 800, 64)];
    assert_eq!(new(7 | 1 << 5, 1024, &twice), Err(LayoutError::Placement(5)));
    assert_eq!(new(3, 575, &[]), Err(LayoutError::Size));
    assert_eq!(new(3, 1 << 20, &[]), Err(LayoutError::Size));
    assert_eq!(FpuLayout::sve(24).map(|_| ()), Err(LayoutError::VectorLength));
    let amx = xfeature::FPSSE | 1 << xfeature::TILECFG | 1 << xfeature::TILEDATA;
    let amx = FpuLayout::intel(amx).unwrap();
    assert_eq!((amx.size(), amx.without(xfeature::TILEDATA).size()), (11008, 2816));
}

#[test]
fn states_move_between_machines_unless_something_is_lost() {
    let small = Context::new(Arch::X86_64, &FpuLayout::fxsave());
    let big = avx();
    let state = small.fpu().convert(&big).unwrap();
    assert_eq!((state.layout().size(), state.mxcsr()), (832, 0x1f80));
    let mut used = state.clone();
    let mut image = vec![0; 832];
    (image[512], image[600]) = (7, 9);
    used.load(&image);
    let wide = FpuLayout::intel(xfeature::FPSSE | 1 << xfeature::AVX | xfeature::AVX512).unwrap();
    let moved = used.convert(&wide).unwrap();
    assert_eq!((moved.as_bytes()[600], moved.xstate_bv()), (9, 7));
    assert_eq!(moved.convert(&big), Ok(used.clone()));
    let narrow = FpuLayout::intel(xfeature::FPSSE).unwrap();
    assert_eq!(used.convert(&narrow), Err(LayoutError::Missing(2)));
    assert_eq!(used.convert(&FpuLayout::fpsimd()), Err(LayoutError::Features));
    let arm = Context::new(Arch::Aarch64, &FpuLayout::fpsimd());
    let sve = FpuLayout::sve(32).unwrap();
    assert_eq!(arm.fpu().convert(&sve), Err(LayoutError::VectorLength));
}

#[test]
fn faults_and_tags() {
    use arch::{aarch64::access_of_esr, x86_64::access_of_error_code};
    assert_eq!(access_of_error_code(0b00100), Access::READ);
    assert_eq!(access_of_error_code(0b00111), Access::WRITE);
    assert_eq!(access_of_error_code(0b10101), Access::EXEC);
    assert_eq!(access_of_esr(0x20 << 26), Access::EXEC);
    assert_eq!(access_of_esr(0x24 << 26), Access::READ);
    assert_eq!(access_of_esr(0x24 << 26 | 1 << 6), Access::WRITE);
    assert_eq!(access_of_esr(0x24 << 26 | 1 << 6 | 1 << 8), Access::READ);
    assert_eq!(access_of_esr(0x15 << 26), Access::empty());
    let tagged = Addr(0xab00_1234_5678_9000);
    assert_eq!(untagged_addr(Arch::X86_64, tagged), tagged);
    assert_eq!(untagged_addr(Arch::Aarch64, tagged), Addr(0x1234_5678_9000));
    let kernel = Addr(0xffff_8000_0000_0000);
    assert_eq!(untagged_addr(Arch::Aarch64, kernel), kernel);
}

proptest! {
    #[test]
    fn loaded_images_can_be_loaded_by_a_processor(
        bytes in prop::collection::vec(any::<u8>(), 0..3000),
        wide: bool,
    ) {
        let xcr0 = xfeature::FPSSE | 1 << xfeature::AVX | if wide { xfeature::AVX512 } else { 0 };
        let mut ctx = Context::new(Arch::X86_64, &FpuLayout::intel(xcr0).unwrap());
        ctx.fpu_mut().load(&bytes);
        let once = ctx.fpu().clone();
        prop_assert_eq!(once.mxcsr() & !0xffff, 0);
        prop_assert_eq!(once.xstate_bv() & !xcr0, 0);
        prop_assert!(once.as_bytes()[520..576].iter().all(|&b| b == 0));
        let image = once.as_bytes().to_vec();
        ctx.fpu_mut().load(&image);
        prop_assert!(*ctx.fpu() == once, "loading again changes nothing");
        // What a tracer reads it can write back.
        let seen = ctx.regset(RegSet::XState).unwrap();
        ctx.set_regset(RegSet::XState, &seen).unwrap();
        prop_assert!(ctx.regset(RegSet::XState).unwrap() == seen);
    }

    #[test]
    fn register_sets_of_any_bytes_are_survived(
        bytes in prop::collection::vec(any::<u8>(), 0..900),
        which in 0usize..5,
    ) {
        let sets = [RegSet::General, RegSet::Fpu, RegSet::XState, RegSet::ArmTls, RegSet::ArmSystemCall];
        for mut ctx in both() {
            let _ = ctx.set_regset(sets[which], &bytes);
            if let Some(c) = ctx.as_x86_64() {
                prop_assert_eq!((c.regs.cs, c.regs.ss), (0x33, 0x2b));
                prop_assert!(c.regs.fs_base < 0x7fff_ffff_f000);
                prop_assert_eq!(c.regs.eflags & !eflags::PTRACE, 0x202);
            }
        }
    }
}

#[test]
fn vector_registers_are_a_set() {
    let vl = 64u16;
    let layout = FpuLayout::sve(vl).unwrap();
    let mut ctx = Context::new(Arch::Aarch64, &layout);
    assert_eq!(RegSet::from_note(Arch::Aarch64, 0x405), Some(RegSet::ArmSve));
    let mut set = ctx.regset(RegSet::ArmSve).unwrap();
    // Header, Z, P and FFR, FPSR and FPCR, each part on a boundary of 16 bytes.
    let payload: usize = 32 * 64 + 16 * 8 + 8;
    let control = (16 + payload).next_multiple_of(16);
    assert_eq!(set.len(), control + 16);
    assert_eq!(set[..4], (set.len() as u32).to_le_bytes());
    assert_eq!((set[8], set[12]), (64, 1), "vector length, registers of SVE");

    // Everything comes back, and V0 to V31 are the low ends.
    for (i, b) in set.iter_mut().enumerate().skip(16) {
        *b = (i % 251) as u8;
    }
    ctx.set_regset(RegSet::ArmSve, &set).unwrap();
    let back = ctx.regset(RegSet::ArmSve).unwrap();
    assert_eq!(back[..16 + payload], set[..16 + payload]);
    assert_eq!(back[control..control + 8], set[control..control + 8]);
    let simd = ctx.regset(RegSet::Fpu).unwrap();
    assert_eq!(simd[16..32], set[16 + 64..32 + 64], "V1 is the low end of Z1");
    assert_eq!(simd[512..520], set[control..control + 8]);

    // Registers of FPSIMD end what was behind them.
    let mut narrow = set[..16].to_vec();
    narrow[12] = 0;
    narrow.extend([7; 16]);
    ctx.set_regset(RegSet::ArmSve, &narrow).unwrap();
    let z = ctx.regset(RegSet::ArmSve).unwrap();
    assert_eq!((z[16], z[31], z[32], z[16 + 63]), (7, 7, 0, 0));
    assert_eq!(z[16 + 64..32 + 64], set[16 + 64..32 + 64], "Z1 keeps its low end");
    ctx.set_regset(RegSet::ArmSve, &set).unwrap();
    ctx.set_regset(RegSet::Fpu, &[9; 16]).unwrap();
    let z = ctx.regset(RegSet::ArmSve).unwrap();
    assert_eq!((z[16], z[32]), (9, 0));

    let mut set_with = |at: usize, value: u16, len: usize| {
        let mut bytes = set[..len].to_vec();
        bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
        ctx.set_regset(RegSet::ArmSve, &bytes)
    };
    assert_eq!(set_with(8, 32, 64), Err(Errno::EIO), "another length");
    assert_eq!(set_with(8, 32, 16), Ok(()), "is taken for the nearest without registers");
    assert_eq!(set_with(8, 0, 16), Err(Errno::EINVAL));
    assert_eq!(set_with(8, 17, 16), Err(Errno::EINVAL));
    assert_eq!(set_with(12, 8, 16), Err(Errno::EINVAL), "an unknown flag");
    let mut plain = Context::new(Arch::Aarch64, &FpuLayout::fpsimd());
    assert_eq!(plain.regset(RegSet::ArmSve), Err(Errno::ENODEV));
    assert_eq!(plain.set_regset(RegSet::ArmSve, &set), Err(Errno::ENODEV));
}
