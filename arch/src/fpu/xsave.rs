//! x86-64 images as user memory holds them: in signal frames and ptrace sets.

use super::layout::{EXTENDED, FpuKind, LEGACY, xfeature};
use super::state::{FpuState, MXCSR, RESERVED, XCOMP_BV, XMM, XSTATE_BV, clear, put, read};
use crate::Addr;
use alloc::vec::Vec;
use syserr::Errno;

/// Where the bytes for software use start in the legacy area.
pub(crate) const SW_BYTES: usize = 464;
/// Marks an extended image in a signal frame (`FP_XSTATE_MAGIC1`).
pub const FP_XSTATE_MAGIC1: u32 = 0x4650_5853;
/// Follows an extended image in a signal frame (`FP_XSTATE_MAGIC2`).
pub const FP_XSTATE_MAGIC2: u32 = 0x4650_5845;
/// What the instructions that load an image want of its address, in bytes.
const XRSTOR_ALIGN: u64 = 64;
const FXRSTOR_ALIGN: u64 = 16;
/// Bytes of [`FP_XSTATE_MAGIC2`].
const MAGIC2_LEN: usize = 4;

impl FpuState {
    /// Bytes that the state takes in an x86-64 signal frame (`xstate_sigframe_size` in
    /// `arch/x86/kernel/fpu/signal.c`).
    pub(crate) fn signal_size(&self) -> usize {
        let extended = self.layout().kind() == FpuKind::Xsave;
        self.layout().size() + if extended { MAGIC2_LEN } else { 0 }
    }

    /// Writes the state as a signal frame holds it, into exactly [`FpuState::signal_size`] bytes.
    pub(crate) fn write_signal(&self, out: &mut [u8]) {
        let size = self.layout().size();
        put(out, 0, self.as_bytes());
        put(out, SW_BYTES, &[0; LEGACY - SW_BYTES]);
        put(out, SW_BYTES, &FP_XSTATE_MAGIC1.to_le_bytes());
        put(out, SW_BYTES + 4, &(self.signal_size() as u32).to_le_bytes());
        put(out, SW_BYTES + 8, &self.layout().xcr0().to_le_bytes());
        put(out, SW_BYTES + 16, &(size as u32).to_le_bytes());
        if self.layout().kind() == FpuKind::Xsave {
            // Programs that know nothing of the header find x87 and SSE in use.
            put(out, XSTATE_BV, &(self.xstate_bv() | xfeature::FPSSE).to_le_bytes());
            put(out, size, &FP_XSTATE_MAGIC2.to_le_bytes());
        }
    }

    /// Replaces the state by one that a program has left in a signal frame at `at`. `area` is as
    /// long as [`FpuState::signal_size`].
    ///
    /// Without both magic numbers only the legacy area counts, as Linux has it
    /// (`check_xstate_in_sigframe`). Components that the area marks as initial, or leaves out of
    /// its mask, become initial.
    ///
    /// # Errors
    /// `EFAULT` where `XRSTOR` or `FXRSTOR` would fault: reserved MXCSR bits, components that do
    /// not exist, a compacted image, an address that is not aligned, a header that is not zero where it must be. The state is
    /// unchanged then.
    pub(crate) fn restore_signal(&mut self, at: Addr, area: &[u8]) -> Result<(), Errno> {
        let word = |at| read(area, at).map_or(0, u32::from_le_bytes);
        let long = |at| read(area, at).map_or(0, u64::from_le_bytes);
        let magic =
            word(SW_BYTES) == FP_XSTATE_MAGIC1 && word(self.layout().size()) == FP_XSTATE_MAGIC2;
        let extended = self.layout().kind() == FpuKind::Xsave && magic;
        let (wanted, present) = if extended {
            (long(SW_BYTES + 8) & self.layout().xcr0(), long(XSTATE_BV))
        } else {
            (xfeature::FPSSE, xfeature::FPSSE)
        };
        let bad_header = extended
            && (present & !self.layout().xcr0() != 0
                || long(XCOMP_BV) != 0
                || long(XCOMP_BV + 8) != 0);
        let loads_mxcsr = wanted & (1 << xfeature::SSE | 1 << xfeature::AVX) != 0;
        let bad_mxcsr = loads_mxcsr && word(MXCSR) & !self.layout().mxcsr_mask() != 0;
        let align = if extended { XRSTOR_ALIGN } else { FXRSTOR_ALIGN };
        if bad_header || bad_mxcsr || !at.0.is_multiple_of(align) {
            return Err(Errno::EFAULT);
        }
        self.take_components(area, wanted, present & wanted, loads_mxcsr);
        Ok(())
    }

    /// Takes the components of `used` from `area`; others of `wanted` become initial, and so does
    /// all else. `area` is known to be loadable.
    fn take_components(&mut self, area: &[u8], wanted: u64, used: u64, mxcsr: bool) {
        let part = |from: usize, to: usize| area.get(from..to).unwrap_or_default();
        self.reset();
        let layout = *self.layout();
        let kept = self.xstate_bv() & !wanted;
        let image = self.as_mut_bytes();
        if used & 1 << xfeature::X87 != 0 {
            put(image, 0, part(0, MXCSR));
            put(image, 32, part(32, XMM));
        }
        if mxcsr {
            put(image, MXCSR, part(MXCSR, MXCSR + 4));
        }
        if used & 1 << xfeature::SSE != 0 {
            put(image, XMM, part(XMM, RESERVED));
        }
        if layout.kind() != FpuKind::Xsave {
            return;
        }
        for c in layout.components().filter(|c| wanted & 1 << c.number != 0) {
            let (start, end) = (c.offset as usize, (c.offset + c.size) as usize);
            if used & 1 << c.number != 0 {
                put(image, start, part(start, end));
            } else {
                clear(image, start, end);
            }
        }
        put(image, XSTATE_BV, &(used | kept).to_le_bytes());
    }

    /// The state as a tracer sees it: the image with XCR0 among the bytes for software.
    pub(crate) fn ptrace_image(&self) -> Vec<u8> {
        let mut image = self.as_bytes().to_vec();
        clear(&mut image, SW_BYTES, LEGACY);
        if self.layout().kind() == FpuKind::Xsave {
            put(&mut image, SW_BYTES, &self.layout().xcr0().to_le_bytes());
        }
        image
    }

    /// Replaces the state by the image that a tracer supplies: a whole XSAVE image in standard
    /// format, or only its legacy area.
    ///
    /// # Errors
    /// `EINVAL` for reserved MXCSR bits, components that do not exist, a compacted image or a
    /// header that is not zero where it must be (`copy_uabi_to_xstate` in
    /// `arch/x86/kernel/fpu/xstate.c`). The state is unchanged then.
    pub(crate) fn restore_ptrace(&mut self, area: &[u8]) -> Result<(), Errno> {
        let extended = self.layout().kind() == FpuKind::Xsave && area.len() >= EXTENDED;
        let mxcsr = read(area, MXCSR).map_or(0, u32::from_le_bytes);
        let present = read(area, XSTATE_BV).map_or(0, u64::from_le_bytes);
        if extended {
            let reserved = area.get(XCOMP_BV..EXTENDED).unwrap_or_default();
            let xcr0 = self.layout().xcr0();
            if present & !xcr0 != 0 || reserved.iter().any(|&b| b != 0) {
                return Err(Errno::EINVAL);
            }
            let uses = xfeature::FPSSE | 1 << xfeature::AVX;
            let loads_mxcsr = present & uses != 0;
            if loads_mxcsr && mxcsr & !self.layout().mxcsr_mask() != 0 {
                return Err(Errno::EINVAL);
            }
            let old = self.mxcsr();
            self.take_components(area, xcr0, present, loads_mxcsr);
            if !loads_mxcsr {
                put(self.as_mut_bytes(), MXCSR, &old.to_le_bytes());
            }
            return Ok(());
        }
        if mxcsr & !self.layout().mxcsr_mask() != 0 {
            return Err(Errno::EINVAL);
        }
        let (kind, bv) = (self.layout().kind(), self.xstate_bv() | xfeature::FPSSE);
        let image = self.as_mut_bytes();
        put(image, 0, area.get(..MXCSR + 4).unwrap_or_default());
        put(image, 32, area.get(32..RESERVED).unwrap_or_default());
        if kind == FpuKind::Xsave {
            put(image, XSTATE_BV, &bv.to_le_bytes());
        }
        Ok(())
    }
}
