//! What a tracer may read and write, judged by the host kernel on a stopped child.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use arch::fpu::xfeature;
use arch::x86_64::{Registers, eflags};
use arch::{Arch, Context, FpuLayout, RegSet};
use core::ffi::{c_int, c_long, c_void};
use syserr::Errno;
use zerocopy::{FromZeros, IntoBytes};

unsafe extern "C" {
    fn fork() -> c_int;
    fn ptrace(request: c_int, ...) -> c_long;
    fn raise(signo: c_int) -> c_int;
    fn kill(pid: c_int, signo: c_int) -> c_int;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    fn _exit(status: c_int) -> !;
}

const TRACEME: c_int = 0;
const PEEKUSER: c_int = 3;
const POKEUSER: c_int = 6;
const GETREGS: c_int = 12;
const SETFPREGS: c_int = 15;
const SIGKILL: c_int = 9;
const SIGSTOP: c_int = 19;

fn last_error() -> Errno {
    Errno::from_raw(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
}

/// A stopped child of this process, killed at the end.
struct Child(c_int);

impl Child {
    fn new() -> Child {
        // SAFETY: the child only asks to be traced and stops.
        unsafe {
            let pid = fork();
            if pid == 0 {
                ptrace(TRACEME, 0, 0usize, 0usize);
                raise(SIGSTOP);
                _exit(0);
            }
            let mut status = 0;
            assert_eq!(waitpid(pid, &mut status, 0), pid);
            assert_eq!(status & 0xff, 0x7f, "stopped");
            Child(pid)
        }
    }

    fn poke(&self, offset: u64, value: u64) -> Result<(), Errno> {
        // SAFETY: changes registers of the child, which never runs again.
        let r = unsafe { ptrace(POKEUSER, self.0, offset as usize, value as usize) };
        if r == 0 { Ok(()) } else { Err(last_error()) }
    }

    fn peek(&self, offset: u64) -> u64 {
        // SAFETY: reads a register of the child. Only used for offsets that are valid.
        unsafe { ptrace(PEEKUSER, self.0, offset as usize, 0usize) as u64 }
    }

    fn set_fpu(&self, image: &[u8; 512]) -> Result<(), Errno> {
        // SAFETY: the kernel reads 512 bytes.
        let r = unsafe { ptrace(SETFPREGS, self.0, 0usize, image.as_ptr().cast::<c_void>()) };
        if r == 0 { Ok(()) } else { Err(last_error()) }
    }

    /// A context with the child's registers.
    fn context(&self) -> Context {
        let layout = FpuLayout::intel(xfeature::FPSSE).unwrap();
        let mut ctx = Context::new(Arch::X86_64, &layout);
        let mut regs = Registers::new_zeroed();
        // SAFETY: the kernel writes as many bytes as `Registers` has.
        let r = unsafe { ptrace(GETREGS, self.0, 0usize, regs.as_mut_bytes().as_mut_ptr()) };
        assert_eq!(r, 0);
        if let Some(c) = ctx.as_x86_64_mut() {
            c.regs = regs;
        }
        ctx
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let mut status = 0;
        // SAFETY: the child is this process's.
        unsafe {
            kill(self.0, SIGKILL);
            waitpid(self.0, &mut status, 0);
        }
    }
}

/// Words of `struct user_regs_struct` that only have one value here.
const CS: u64 = 17;
const SS: u64 = 20;

#[test]
fn every_register_takes_what_linux_lets_it_take() {
    let child = Child::new();
    let mut ctx = child.context();
    let values = [
        0,
        1,
        2,
        3,
        0x10,
        0x23,
        0x2b,
        0x33,
        0xffff,
        0x1_0003,
        eflags::SIGRETURN,
        0x7fff_ffff_efff,
        0x7fff_ffff_f000,
        1 << 47,
        1 << 63,
        u64::MAX,
    ];
    for word in 0..27 {
        for value in values {
            let ours = ctx.poke_user(word * 8, value);
            assert_eq!(ours, child.poke(word * 8, value), "word {word}, value {value:#x}");
            if ![CS, SS].contains(&word) {
                let seen = ctx.peek_user(word * 8).unwrap();
                assert_eq!(seen, child.peek(word * 8), "word {word} after {value:#x}");
            }
        }
    }
}

#[test]
fn offsets_are_judged_as_by_linux() {
    let child = Child::new();
    let mut ctx = child.context();
    for offset in (0..960).chain([1 << 20, u64::MAX, u64::MAX - 7]) {
        // Registers were tried above; debug registers that are set are a known difference.
        if offset % 8 == 0 && offset < 216 {
            continue;
        }
        let theirs = child.poke(offset, 0);
        assert_eq!(ctx.poke_user(offset, 0), theirs, "offset {offset}");
        if theirs.is_ok() {
            assert_eq!(ctx.peek_user(offset), Ok(child.peek(offset)), "offset {offset}");
        }
    }
}

#[test]
fn fpu_registers_are_judged_as_by_linux() {
    let child = Child::new();
    let mut ctx = child.context();
    let mut image = [0u8; 512];
    for mxcsr in [0u32, 0x1f80, 0x9fff, 0xffff, 1 << 16, 1 << 31] {
        image[24..28].copy_from_slice(&mxcsr.to_le_bytes());
        let ours = ctx.set_regset(RegSet::Fpu, &image);
        // Processors of AMD have bit 17 as well, which is not tried.
        assert_eq!(ours, child.set_fpu(&image), "MXCSR {mxcsr:#x}");
    }
}
