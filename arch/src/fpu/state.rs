//! One thread's FPU image.

use super::layout::{EXTENDED, FpuKind, FpuLayout, LEGACY, LayoutError, xfeature};
use alloc::boxed::Box;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

/// XSAVE wants its image on a 64-byte boundary.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// x87 control word after `FNINIT`.
const FCW_INIT: u16 = 0x37f;
/// MXCSR after reset.
const MXCSR_INIT: u32 = 0x1f80;
/// What Linux gives new threads and signal handlers: every key but 0 without access
/// (`init_pkru_value` in `arch/x86/mm/pkeys.c`).
const PKRU_INIT: u32 = 0x5555_5554;
pub(crate) const MXCSR: usize = 24;
pub(crate) const MXCSR_MASK: usize = 28;
/// Where XMM0 begins; x87's registers end.
pub(crate) const XMM: usize = 160;
/// Where XMM15 ends.
pub(crate) const RESERVED: usize = 416;
pub(crate) const XSTATE_BV: usize = 512;
pub(crate) const XCOMP_BV: usize = 520;

/// The FPU registers of one thread as bytes, in the form of its [`FpuLayout`], on a 64-byte
/// boundary.
///
/// The bytes can always be loaded without a fault: whatever brings foreign bytes in checks or
/// cleans them.
#[derive(Clone)]
pub struct FpuState {
    layout: FpuLayout,
    lines: Box<[Line]>,
}

impl FpuState {
    /// The state after initialisation.
    pub fn new(layout: FpuLayout) -> FpuState {
        let lines = alloc::vec![Line([0; 64]); layout.size().div_ceil(64)].into_boxed_slice();
        let mut state = FpuState { layout, lines };
        state.write_init();
        state
    }

    /// Goes back to the state after initialisation, as at execve(2) and, on x86-64, at the start
    /// of a signal handler.
    pub fn reset(&mut self) {
        self.lines.as_mut_bytes().zero();
        self.write_init();
    }

    /// Writes what isn't zero in a fresh image.
    fn write_init(&mut self) {
        if !self.is_x86() {
            return;
        }
        let mask = self.layout.mxcsr_mask();
        self.put(0, &FCW_INIT.to_le_bytes());
        self.put(MXCSR, &MXCSR_INIT.to_le_bytes());
        self.put(MXCSR_MASK, &mask.to_le_bytes());
        if let Some(pkru) = self.layout.component(xfeature::PKRU) {
            self.put(pkru.offset as usize, &PKRU_INIT.to_le_bytes());
            self.put(XSTATE_BV, &(1u64 << xfeature::PKRU).to_le_bytes());
        }
    }

    /// The layout.
    pub const fn layout(&self) -> &FpuLayout {
        &self.layout
    }

    /// The image.
    pub fn as_bytes(&self) -> &[u8] {
        let all = self.lines.as_bytes();
        all.get(..self.layout.size()).unwrap_or(all)
    }

    /// The image, for code that fills it with what a processor stored. Call
    /// [`FpuState::sanitise`] afterwards if anybody else could write the bytes.
    pub fn as_mut_bytes(&mut self) -> &mut [u8] {
        let size = self.layout.size();
        let all = self.lines.as_mut_bytes();
        let n = size.min(all.len());
        &mut all[..n]
    }

    /// Takes over an image that somebody untrusted could write: its components as far as there are
    /// bytes, the rest as initialised, all made loadable. Bytes between components do not count.
    pub fn load(&mut self, bytes: &[u8]) {
        self.reset();
        let whole = bytes.len().min(self.layout.size());
        let bytes = bytes.get(..whole).unwrap_or_default();
        if !self.is_x86() {
            self.put(0, bytes);
            return;
        }
        self.put(0, bytes.get(..whole.min(RESERVED)).unwrap_or_default());
        if self.layout.kind() == FpuKind::Xsave {
            let present = read(bytes, XSTATE_BV).map_or(0, u64::from_le_bytes);
            let mut used = 0;
            let layout = self.layout;
            for c in layout.components().filter(|c| present & 1 << c.number != 0) {
                let at = c.offset as usize;
                if let Some(from) = bytes.get(at..at + c.size as usize) {
                    self.put(at, from);
                    used |= 1 << c.number;
                }
            }
            used |= present & xfeature::FPSSE;
            self.put(XSTATE_BV, &used.to_le_bytes());
        }
        self.sanitise();
    }

    /// Makes any bytes loadable: reserved MXCSR bits, components that the layout lacks, the
    /// compaction mask and the reserved part of the header are cleared.
    pub fn sanitise(&mut self) {
        if !self.is_x86() {
            return;
        }
        let mask = self.layout.mxcsr_mask();
        let mxcsr = self.u32_at(MXCSR) & mask;
        self.put(MXCSR, &mxcsr.to_le_bytes());
        self.put(MXCSR_MASK, &mask.to_le_bytes());
        if self.layout.kind() == FpuKind::Xsave {
            let bv = self.xstate_bv() & self.layout.xcr0();
            if let Some(header) = self.as_mut_bytes().get_mut(XSTATE_BV..EXTENDED) {
                header.zero();
            }
            self.put(XSTATE_BV, &bv.to_le_bytes());
            self.clear_unused(bv);
        }
    }

    /// Makes the bytes of components that are in their initial state the initial ones: XSAVE may
    /// have left something old there, which nobody is to see in a signal frame.
    fn clear_unused(&mut self, used: u64) {
        let mut clear = |from: usize, to: usize| {
            if let Some(bytes) = self.as_mut_bytes().get_mut(from..to) {
                bytes.zero();
            }
        };
        if used & 1 << xfeature::X87 == 0 {
            clear(0, MXCSR);
            clear(32, XMM);
        }
        if used & 1 << xfeature::SSE == 0 {
            clear(XMM, RESERVED);
        }
        clear(RESERVED, LEGACY);
        let layout = self.layout;
        for c in layout.components().filter(|c| used & 1 << c.number == 0) {
            let at = c.offset as usize;
            if let Some(bytes) = self.as_mut_bytes().get_mut(at..at + c.size as usize) {
                bytes.zero();
            }
        }
        if used & 1 << xfeature::X87 == 0 {
            self.put(0, &FCW_INIT.to_le_bytes());
        }
    }

    /// The state in another layout: components that both have are kept, others start as
    /// initialised. For images saved on another machine and for tiles that become permitted.
    ///
    /// # Errors
    /// [`LayoutError::Missing`] for a component in use that `layout` lacks or has in another size,
    /// [`LayoutError::Features`] when the architectures differ, [`LayoutError::VectorLength`] when
    /// the vector lengths of arm64 do.
    pub fn convert(&self, layout: &FpuLayout) -> Result<FpuState, LayoutError> {
        if self.layout == *layout {
            return Ok(self.clone());
        }
        let mut new = FpuState::new(*layout);
        if self.is_x86() != new.is_x86() {
            return Err(LayoutError::Features);
        }
        if !self.is_x86() {
            return Err(LayoutError::VectorLength);
        }
        let bytes = self.as_bytes();
        new.put(0, bytes.get(..RESERVED).unwrap_or_default());
        let used = self.xstate_bv();
        for c in self.layout.components().filter(|c| used & 1 << c.number != 0) {
            let to = layout.component(c.number).filter(|to| to.size == c.size);
            let to = to.ok_or(LayoutError::Missing(c.number))?;
            let at = c.offset as usize;
            new.put(to.offset as usize, bytes.get(at..at + c.size as usize).unwrap_or_default());
        }
        if layout.kind() == FpuKind::Xsave {
            let own = if self.layout.kind() == FpuKind::Fxsave { new.xstate_bv() } else { 0 };
            new.put(XSTATE_BV, &(used | own).to_le_bytes());
        }
        new.sanitise();
        Ok(new)
    }

    /// The components that are not in their initial state, as XSAVE's mask; x87 and SSE for
    /// `FXSAVE` images, zero on arm64.
    pub fn xstate_bv(&self) -> u64 {
        match self.layout.kind() {
            FpuKind::Xsave => self.u64_at(XSTATE_BV),
            FpuKind::Fxsave => xfeature::FPSSE,
            _ => 0,
        }
    }

    /// The MXCSR register; zero on arm64.
    pub fn mxcsr(&self) -> u32 {
        if self.is_x86() { self.u32_at(MXCSR) } else { 0 }
    }

    /// Whether this is an x86-64 image.
    pub(crate) const fn is_x86(&self) -> bool {
        matches!(self.layout.kind(), FpuKind::Fxsave | FpuKind::Xsave)
    }

    pub(crate) fn put(&mut self, at: usize, bytes: &[u8]) {
        if let Some(to) = self.as_mut_bytes().get_mut(at..at.saturating_add(bytes.len())) {
            to.copy_from_slice(bytes);
        }
    }

    pub(crate) fn u32_at(&self, at: usize) -> u32 {
        read(self.as_bytes(), at).map_or(0, u32::from_le_bytes)
    }

    pub(crate) fn u64_at(&self, at: usize) -> u64 {
        read(self.as_bytes(), at).map_or(0, u64::from_le_bytes)
    }
}

/// The `N` bytes at `at`, if there are so many.
pub(crate) fn read<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

impl PartialEq for FpuState {
    fn eq(&self, other: &FpuState) -> bool {
        self.layout == other.layout && self.as_bytes() == other.as_bytes()
    }
}

impl Eq for FpuState {}

impl core::fmt::Debug for FpuState {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("FpuState")
            .field("kind", &self.layout.kind())
            .field("size", &self.layout.size())
            .field("xstate_bv", &self.xstate_bv())
            .finish_non_exhaustive()
    }
}
