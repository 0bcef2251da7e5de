//! What a tracer may read and change. Source: `arch/arm64/kernel/ptrace.c`.

use super::context::Context;
use super::regs::{Registers, pstate};
use super::sve;
use crate::RegSet;
use crate::fpu::{FPSIMD, put};
use alloc::vec::Vec;
use syserr::Errno;
use zerocopy::IntoBytes;

impl Context {
    pub(crate) fn regset(&self, set: RegSet) -> Result<Vec<u8>, Errno> {
        match set {
            RegSet::General => Ok(self.regs.as_bytes().to_vec()),
            RegSet::Fpu => Ok(self.fpu.as_bytes().get(..FPSIMD).unwrap_or_default().to_vec()),
            RegSet::ArmTls => Ok(self.tls.to_le_bytes().to_vec()),
            RegSet::ArmSystemCall => Ok(self.syscall.to_le_bytes().to_vec()),
            RegSet::ArmSve => sve::get(&self.fpu).ok_or(Errno::ENODEV),
            RegSet::XState => Err(Errno::ENODEV),
        }
    }

    pub(crate) fn set_regset(&mut self, set: RegSet, bytes: &[u8]) -> Result<(), Errno> {
        let mut all = self.regset(set)?;
        if set == RegSet::ArmSve {
            return sve::set(&mut self.fpu, bytes);
        }
        let whole = bytes.len().is_multiple_of(set.unit(crate::Arch::Aarch64));
        let Some(to) = all.get_mut(..bytes.len()).filter(|_| whole) else {
            return Err(Errno::EINVAL);
        };
        to.copy_from_slice(bytes);
        match set {
            RegSet::General => self.put_regs(&all),
            RegSet::Fpu => {
                put(self.fpu.as_mut_bytes(), 0, &all);
                sve::narrow(&mut self.fpu);
                Ok(())
            }
            RegSet::ArmTls => {
                let tls = all.first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
                if self.set_tls(tls) { Ok(()) } else { Err(Errno::EIO) }
            }
            RegSet::ArmSystemCall => {
                self.set_syscall_no(all.first_chunk().map_or(-1, |b| i32::from_le_bytes(*b)));
                Ok(())
            }
            RegSet::ArmSve | RegSet::XState => Err(Errno::ENODEV),
        }
    }

    fn put_regs(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        let mut new = Registers::default();
        let to = new.as_mut_bytes();
        if bytes.len() != to.len() {
            return Err(Errno::EINVAL);
        }
        to.copy_from_slice(bytes);
        new.pstate &= !pstate::RES0;
        if !pstate::is_valid(new.pstate) {
            return Err(Errno::EINVAL);
        }
        new.pstate = new.pstate & !pstate::SS | if self.step { pstate::SS } else { 0 };
        self.regs = new;
        Ok(())
    }
}
