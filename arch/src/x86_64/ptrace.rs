//! What a tracer may read and change. Source: `arch/x86/kernel/ptrace.c`.

use super::context::Context;
use super::regs::{Registers, TASK_SIZE_MAX, eflags};
use crate::RegSet;
use crate::fpu::{FpuKind, LEGACY};
use alloc::vec::Vec;
use core::mem::offset_of;
use syserr::Errno;
use zerocopy::IntoBytes;

/// Bytes of `struct user`.
const USER: u64 = 928;
/// Where the debug registers are in it, all eight.
const DEBUG: core::ops::Range<u64> = 848..912;
/// Of those, the fourth and fifth do not exist.
const RESERVED_DEBUG: core::ops::Range<u64> = 880..896;
/// Bytes of the registers at its start.
const REGS: u64 = size_of::<Registers>() as u64;

impl Context {
    /// The registers with the trap flag as the program sees it.
    fn visible(&self) -> Registers {
        let mut r = self.regs;
        if self.forced_tf {
            r.eflags &= !eflags::TF;
        }
        r
    }

    pub(crate) fn regset(&self, set: RegSet) -> Result<Vec<u8>, Errno> {
        match set {
            RegSet::General => Ok(self.visible().as_bytes().to_vec()),
            RegSet::Fpu => {
                let mut image = self.fpu.ptrace_image();
                image.truncate(LEGACY);
                Ok(image)
            }
            RegSet::XState if self.fpu.layout().kind() == FpuKind::Xsave => {
                Ok(self.fpu.ptrace_image())
            }
            _ => Err(Errno::ENODEV),
        }
    }

    pub(crate) fn set_regset(&mut self, set: RegSet, bytes: &[u8]) -> Result<(), Errno> {
        match set {
            RegSet::General => {
                if !bytes.len().is_multiple_of(8) || bytes.len() as u64 > REGS {
                    return Err(Errno::EINVAL);
                }
                let (words, _) = bytes.as_chunks::<8>();
                for (i, &word) in words.iter().enumerate() {
                    self.put_reg(i, u64::from_le_bytes(word))?;
                }
                Ok(())
            }
            RegSet::Fpu if bytes.len() != LEGACY => Err(Errno::EINVAL),
            RegSet::Fpu => self.fpu.restore_ptrace(bytes),
            RegSet::XState if self.fpu.layout().kind() == FpuKind::Xsave => {
                if bytes.len() != self.fpu.layout().size() {
                    return Err(Errno::EFAULT);
                }
                self.fpu.restore_ptrace(bytes)
            }
            _ => Err(Errno::ENODEV),
        }
    }

    pub(crate) fn peek_user(&self, offset: u64) -> Result<u64, Errno> {
        if !offset.is_multiple_of(8) || offset >= USER {
            return Err(Errno::EIO);
        }
        let regs = self.visible();
        let words: &[u64; 27] = zerocopy::transmute_ref!(&regs);
        // Debug registers are never set, and the rest of the structure is only in core dumps.
        Ok(words.get((offset / 8) as usize).copied().unwrap_or(0))
    }

    pub(crate) fn poke_user(&mut self, offset: u64, value: u64) -> Result<(), Errno> {
        if !offset.is_multiple_of(8) || offset >= USER {
            return Err(Errno::EIO);
        }
        if offset < REGS {
            return self.put_reg((offset / 8) as usize, value);
        }
        // Without hardware breakpoints a debugger has to be told, so that it single-steps.
        let writable = DEBUG.contains(&offset) && !RESERVED_DEBUG.contains(&offset);
        if writable && value == 0 { Ok(()) } else { Err(Errno::EIO) }
    }

    /// Changes the register at word `index` (`putreg`).
    fn put_reg(&mut self, index: usize, value: u64) -> Result<(), Errno> {
        const CS: usize = offset_of!(Registers, cs) / 8;
        const SS: usize = offset_of!(Registers, ss) / 8;
        const DS: usize = offset_of!(Registers, ds) / 8;
        const GS: usize = offset_of!(Registers, gs) / 8;
        const EFLAGS: usize = offset_of!(Registers, eflags) / 8;
        const FS_BASE: usize = offset_of!(Registers, fs_base) / 8;
        const GS_BASE: usize = offset_of!(Registers, gs_base) / 8;
        let words: &mut [u64; 27] = zerocopy::transmute_mut!(&mut self.regs);
        let word = words.get_mut(index).ok_or(Errno::EIO)?;
        // Selectors are 16 bits.
        let selector = value & 0xffff;
        match index {
            // Only one value of these works here, so a valid one changes nothing.
            CS | SS if selector & 3 != 3 => return Err(Errno::EIO),
            CS | SS => {}
            DS..=GS if selector != 0 && selector & 3 != 3 => return Err(Errno::EIO),
            DS..=GS => *word = selector,
            FS_BASE | GS_BASE if value >= TASK_SIZE_MAX => return Err(Errno::EIO),
            EFLAGS => {
                let mut value = value;
                if value & eflags::TF != 0 {
                    self.forced_tf = false;
                } else if self.forced_tf {
                    value |= eflags::TF;
                }
                *word = *word & !eflags::PTRACE | value & eflags::PTRACE;
            }
            _ => *word = value,
        }
        Ok(())
    }
}
