//! Builds a program's initial stack, reads it back and runs a signal through it, on both machines.

use arch::auxv::{AT_PAGESZ, AT_RANDOM, name};
use arch::signal::code::SEGV_MAPERR;
use arch::stack::ParseLimits;
use arch::{
    Addr, AltStack, Arch, AuxEntry, Context, FaultState, FpuLayout, InitialStack, Partial,
    Permissions, SaFlags, SigAction, SigInfo, SignalDelivery, SignalSet, UserMemory,
    parse_initial_stack, pop_frame, push_frame,
};
use std::sync::Mutex;
use syserr::Errno;

/// A guest's memory: one mapping at `BASE`.
struct Memory(Mutex<Vec<u8>>);

const BASE: u64 = 0x7fff_0000_0000;

impl Memory {
    fn with(&self, at: Addr, len: usize, copy: impl FnOnce(&mut [u8])) -> Result<(), Partial> {
        let fault = Partial { done: 0, errno: Errno::EFAULT };
        let start = usize::try_from(at.0.wrapping_sub(BASE)).map_err(|_| fault)?;
        let end = start.checked_add(len).ok_or(fault)?;
        copy(self.0.lock().unwrap().get_mut(start..end).ok_or(fault)?);
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

fn run(arch: Arch, fpu: FpuLayout) -> Result<(), Errno> {
    let mem = Memory(Mutex::new(vec![0; 64 << 10]));
    let stack = InitialStack {
        argv: &[b"echo", b"hello"],
        envp: &[b"LANG=C"],
        execfn: b"/bin/echo",
        platform: None,
        random: [7; 16],
        auxv: &[AuxEntry::new(AT_PAGESZ, 4096), AuxEntry::new(AT_RANDOM, 0)],
        jitter: 0,
    };
    let layout = stack.load(&mem, Addr(BASE + (64 << 10)))?;
    let parsed = parse_initial_stack(&mem, layout.sp, ParseLimits::default())?;
    println!("{arch:?}: sp {:#x}, {} arguments", layout.sp, parsed.argc);
    for a in &parsed.auxv {
        println!("  {} = {:#x}", name(a.key).unwrap_or("?"), a.value);
    }

    let mut thread = Context::new(arch, &fpu);
    thread.set_sp(layout.sp.0);
    thread.set_ip(0x40_1000);
    let delivery = SignalDelivery {
        action: SigAction {
            handler: 0x40_2000,
            flags: SaFlags::SIGINFO | SaFlags::RESTORER,
            restorer: 0x40_3000,
            mask: SignalSet::EMPTY,
        },
        info: SigInfo::fault(11, SEGV_MAPERR, Addr(0xdead)),
        mask: SignalSet::EMPTY,
        fault: FaultState { trapno: 14, error_code: 6, address: 0xdead },
        trampoline: None,
    };
    let pushed = push_frame(&mut thread, &mem, &delivery, &mut AltStack::default())?;
    println!("  handler at {:#x}, frame at {:#x}", thread.ip(), pushed.frame);
    if arch == Arch::X86_64 {
        // The handler's `ret` takes the restorer off the stack.
        thread.stack(&mem).pop_u64()?;
        thread.set_sp(thread.sp() + 8);
    }
    pop_frame(&mut thread, &mem)?;
    println!("  back at {:#x}, sp {:#x}", thread.ip(), thread.sp());
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    run(Arch::X86_64, FpuLayout::intel(0b111)?)?;
    run(Arch::Aarch64, FpuLayout::fpsimd())?;
    Ok(())
}
