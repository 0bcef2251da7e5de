//! Nanoseconds per operation: `cargo bench -p arch`.
//!
//! Memory is bytes behind a lock; what a row makes is dropped outside of the timing.
#![allow(missing_docs)]

use arch::auxv::{AT_EXECFN, AT_PLATFORM, AT_RANDOM};
use arch::fpu::xfeature;
use arch::signal::code::SI_USER;
use arch::stack::ParseLimits;
use arch::{
    Addr, AltStack, Arch, AuxEntry, Context, FaultState, FpuLayout, InitialStack, Partial,
    Permissions, SaFlags, SigAction, SigInfo, SignalDelivery, SignalSet, UserMemory,
    parse_initial_stack, pop_frame, push_frame,
};
use divan::{Bencher, black_box};
use std::sync::Mutex;
use syserr::Errno;

fn main() {
    divan::main();
}

const BASE: u64 = 0x7fff_0000_0000;
const LEN: usize = 128 << 10;
const END: Addr = Addr(BASE + LEN as u64);

/// A guest's memory: one mapping from [`BASE`] on.
struct Memory(Mutex<Vec<u8>>);

impl Memory {
    fn new() -> Memory {
        Memory(Mutex::new(vec![0; LEN]))
    }

    fn with(&self, at: Addr, len: usize, copy: impl FnOnce(&mut [u8])) -> Result<(), Partial> {
        let fault = Partial { done: 0, errno: Errno::EFAULT };
        let start = at.0.checked_sub(BASE).ok_or(fault)? as usize;
        let mut bytes = self.0.lock().unwrap();
        copy(bytes.get_mut(start..).and_then(|b| b.get_mut(..len)).ok_or(fault)?);
        Ok(())
    }
}

impl UserMemory for Memory {
    fn copy_in(&self, from: Addr, to: &mut [u8], _: Permissions) -> Result<(), Partial> {
        self.with(from, to.len(), |bytes| to.copy_from_slice(bytes))
    }
    fn copy_out(&self, to: Addr, from: &[u8], _: Permissions) -> Result<(), Partial> {
        self.with(to, from.len(), |bytes| bytes.copy_from_slice(from))
    }
    fn zero_out(&self, to: Addr, len: u64, _: Permissions) -> Result<(), Partial> {
        self.with(to, len as usize, |bytes| bytes.fill(0))
    }
    fn load_u32(&self, _: Addr) -> Result<u32, Errno> {
        Err(Errno::EFAULT)
    }
    fn swap_u32(&self, _: Addr, _: u32) -> Result<u32, Errno> {
        Err(Errno::EFAULT)
    }
    fn compare_exchange_u32(&self, _: Addr, _: u32, _: u32) -> Result<u32, Errno> {
        Err(Errno::EFAULT)
    }
}

/// A processor with AVX-512, as most servers have.
const AVX512: &str = "x86-64, AVX-512";
/// The same with tiles in use.
const AMX: &str = "x86-64, AMX";
const FPSIMD: &str = "arm64, FPSIMD";
const SVE: &str = "arm64, SVE of 256 bytes";

fn context(what: &str) -> Context {
    let avx512 = xfeature::FPSSE | 1 << xfeature::AVX | xfeature::AVX512 | 1 << xfeature::PKRU;
    let tiles = 1 << xfeature::TILECFG | 1 << xfeature::TILEDATA;
    let (arch, layout) = match what {
        AVX512 => (Arch::X86_64, FpuLayout::intel(avx512)),
        AMX => (Arch::X86_64, FpuLayout::intel(avx512 | tiles)),
        FPSIMD => (Arch::Aarch64, Ok(FpuLayout::fpsimd())),
        _ => (Arch::Aarch64, FpuLayout::sve(256)),
    };
    let layout = layout.expect("a layout");
    let mut ctx = Context::new(arch, &layout);
    ctx.fpu_mut().load(&vec![0x11; layout.size()]);
    ctx.set_sp(BASE + LEN as u64 - 4096);
    ctx.set_ip(0x40_1000);
    ctx
}

/// What fork(2) takes; the images stay shared.
#[divan::bench]
fn context_fork(b: Bencher<'_, '_>) {
    let ctx = context(AVX512);
    b.bench_local(|| black_box(&ctx).fork());
}

/// What fork(2) takes and what the first change to the FPU image takes later.
#[divan::bench(args = [AVX512, AMX, FPSIMD, SVE])]
fn context_fork_and_change(b: Bencher<'_, '_>, what: &str) {
    let ctx = context(what);
    b.bench_local(|| {
        let mut child = black_box(&ctx).fork();
        child.fpu_mut().as_mut_bytes()[160] = 1;
        child
    });
}

const VECTOR: [AuxEntry; 21] = {
    let mut all = [AuxEntry::new(3, 0x1234_5678); 21];
    all[16] = AuxEntry::new(AT_RANDOM, 0);
    all[18] = AuxEntry::new(AT_EXECFN, 0);
    all[19] = AuxEntry::new(AT_PLATFORM, 0);
    all
};

/// Arguments of 10 bytes, variables of 30.
fn with_stack(args: usize, vars: usize, f: impl FnOnce(&InitialStack<'_>)) {
    let argv = vec![&b"--argument"[..]; args];
    let envp = vec![&b"VARIABLE_OF_SOME_LENGTH=abcdef"[..]; vars];
    f(&InitialStack {
        argv: &argv,
        envp: &envp,
        execfn: b"/usr/bin/program",
        platform: Some(b"x86_64"),
        random: [7; 16],
        auxv: &VECTOR,
        jitter: 0,
    });
}

/// Placing, building and copying out the stack of a program with 10 arguments and 50 variables.
#[divan::bench]
fn initial_stack(b: Bencher<'_, '_>) {
    let mem = Memory::new();
    with_stack(10, 50, |s| b.bench_local(|| black_box(s).load(&mem, END)));
}

#[divan::bench(args = [10, 100, 1_000])]
fn initial_stack_of(b: Bencher<'_, '_>, strings: usize) {
    let mem = Memory::new();
    with_stack(strings, strings, |s| b.bench_local(|| black_box(s).load(&mem, END)));
}

#[divan::bench]
fn initial_stack_read_back(b: Bencher<'_, '_>) {
    let mem = Memory::new();
    with_stack(10, 50, |s| {
        let sp = s.load(&mem, END).expect("room").sp;
        b.bench_local(|| parse_initial_stack(&mem, black_box(sp), ParseLimits::default()));
    });
}

/// A handler entered and left: `push_frame` and `pop_frame`.
#[divan::bench(args = [AVX512, AMX, FPSIMD, SVE])]
fn signal_frame(b: Bencher<'_, '_>, what: &str) {
    let mem = Memory::new();
    let mut ctx = context(what);
    let delivery = SignalDelivery {
        action: SigAction {
            handler: 0x40_2000,
            flags: SaFlags::SIGINFO | SaFlags::RESTORER,
            restorer: 0x40_3000,
            mask: SignalSet::EMPTY,
        },
        info: SigInfo::user(10, SI_USER, 1, 0),
        mask: SignalSet::EMPTY,
        fault: FaultState::default(),
        trampoline: None,
    };
    b.bench_local(|| {
        let mut altstack = AltStack::DISABLED;
        push_frame(&mut ctx, &mem, &delivery, &mut altstack).expect("room");
        if ctx.arch() == Arch::X86_64 {
            ctx.set_sp(ctx.sp() + 8); // the handler's `ret`
        }
        pop_frame(&mut ctx, &mem).expect("its own frame")
    });
}
