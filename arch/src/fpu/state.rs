//! One thread's FPU image.

use super::layout::{EXTENDED, FpuKind, FpuLayout, LEGACY, LayoutError, xfeature};
use alloc::sync::Arc;
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
/// boundary. A clone shares them until one of the two changes: what fork(2) and clone(2) copy is a
/// pointer, however many tiles and vectors a processor has.
///
/// The bytes can always be loaded without a fault: whatever brings foreign bytes in checks or
/// cleans them.
#[derive(Clone)]
pub struct FpuState {
    layout: FpuLayout,
    lines: Arc<[Line]>,
}

impl FpuState {
    /// The state after initialisation.
    pub fn new(layout: FpuLayout) -> FpuState {
        let mut state = FpuState { layout, lines: zeroes(&layout) };
        state.write_init();
        state
    }

    /// Goes back to the state after initialisation, as at execve(2) and, on x86-64, at the start
    /// of a signal handler.
    pub fn reset(&mut self) {
        match Arc::get_mut(&mut self.lines) {
            Some(lines) => lines.as_mut_bytes().zero(),
            // Nothing of what is shared is wanted.
            None => self.lines = zeroes(&self.layout),
        }
        self.write_init();
    }

    /// Writes what isn't zero in a fresh image.
    fn write_init(&mut self) {
        if !self.is_x86() {
            return;
        }
        let mask = self.layout.mxcsr_mask();
        let pkru = self.layout.component(xfeature::PKRU);
        let image = self.as_mut_bytes();
        put(image, 0, &FCW_INIT.to_le_bytes());
        put(image, MXCSR, &MXCSR_INIT.to_le_bytes());
        put(image, MXCSR_MASK, &mask.to_le_bytes());
        if let Some(pkru) = pkru {
            put(image, pkru.offset as usize, &PKRU_INIT.to_le_bytes());
            put(image, XSTATE_BV, &(1u64 << xfeature::PKRU).to_le_bytes());
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
        let all = Arc::make_mut(&mut self.lines).as_mut_bytes();
        let n = size.min(all.len());
        &mut all[..n]
    }

    /// Takes over an image that somebody untrusted could write: its components as far as there are
    /// bytes, the rest as initialised, all made loadable. Bytes between components do not count.
    pub fn load(&mut self, bytes: &[u8]) {
        self.reset();
        let whole = bytes.len().min(self.layout.size());
        let bytes = bytes.get(..whole).unwrap_or_default();
        let layout = self.layout;
        let image = self.as_mut_bytes();
        if !layout.is_x86() {
            put(image, 0, bytes);
            return;
        }
        put(image, 0, bytes.get(..whole.min(RESERVED)).unwrap_or_default());
        if layout.kind() == FpuKind::Xsave {
            let present = read(bytes, XSTATE_BV).map_or(0, u64::from_le_bytes);
            let mut used = 0;
            for c in layout.components().filter(|c| present & 1 << c.number != 0) {
                let at = c.offset as usize;
                if let Some(from) = bytes.get(at..at + c.size as usize) {
                    put(image, at, from);
                    used |= 1 << c.number;
                }
            }
            used |= present & xfeature::FPSSE;
            put(image, XSTATE_BV, &used.to_le_bytes());
        }
        self.sanitise();
    }

    /// Makes any bytes loadable: reserved MXCSR bits, components that the layout lacks, the
    /// compaction mask and the reserved part of the header are cleared.
    pub fn sanitise(&mut self) {
        if !self.is_x86() {
            return;
        }
        let layout = self.layout;
        let mxcsr = self.mxcsr() & layout.mxcsr_mask();
        let used = self.xstate_bv() & layout.xcr0();
        let image = self.as_mut_bytes();
        put(image, MXCSR, &mxcsr.to_le_bytes());
        put(image, MXCSR_MASK, &layout.mxcsr_mask().to_le_bytes());
        if layout.kind() == FpuKind::Xsave {
            clear(image, XSTATE_BV, EXTENDED);
            put(image, XSTATE_BV, &used.to_le_bytes());
            clear_unused(image, &layout, used);
        }
    }

    /// Whether the instruction that loads the image would take it: no reserved MXCSR bits, no
    /// component that the layout lacks, not compacted, the rest of the header zero. Always so on
    /// arm64, and after [`FpuState::sanitise`].
    pub fn is_loadable(&self) -> bool {
        let header = self.as_bytes().get(XCOMP_BV..EXTENDED).unwrap_or_default();
        !self.is_x86()
            || (self.mxcsr() & !self.layout.mxcsr_mask() == 0
                && self.xstate_bv() & !self.layout.xcr0() == 0
                && header.iter().all(|&b| b == 0))
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
        let own = if self.layout.kind() == FpuKind::Fxsave { new.xstate_bv() } else { 0 };
        let image = new.as_mut_bytes();
        put(image, 0, bytes.get(..RESERVED).unwrap_or_default());
        let used = self.xstate_bv();
        for c in self.layout.components().filter(|c| used & 1 << c.number != 0) {
            let to = layout.component(c.number).filter(|to| to.size == c.size);
            let to = to.ok_or(LayoutError::Missing(c.number))?;
            let at = c.offset as usize;
            put(image, to.offset as usize, bytes.get(at..at + c.size as usize).unwrap_or_default());
        }
        if layout.kind() == FpuKind::Xsave {
            put(image, XSTATE_BV, &(used | own).to_le_bytes());
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
        self.layout.is_x86()
    }

    pub(crate) fn u32_at(&self, at: usize) -> u32 {
        read(self.as_bytes(), at).map_or(0, u32::from_le_bytes)
    }

    pub(crate) fn u64_at(&self, at: usize) -> u64 {
        read(self.as_bytes(), at).map_or(0, u64::from_le_bytes)
    }
}

/// An image of zeroes.
fn zeroes(layout: &FpuLayout) -> Arc<[Line]> {
    core::iter::repeat_n(Line([0; 64]), layout.size().div_ceil(64)).collect()
}

/// Makes the bytes of components that are in their initial state the initial ones: XSAVE may
/// have left something old there, which nobody is to see in a signal frame.
fn clear_unused(image: &mut [u8], layout: &FpuLayout, used: u64) {
    if used & 1 << xfeature::X87 == 0 {
        clear(image, 0, MXCSR);
        clear(image, 32, XMM);
        put(image, 0, &FCW_INIT.to_le_bytes());
    }
    if used & 1 << xfeature::SSE == 0 {
        clear(image, XMM, RESERVED);
    }
    clear(image, RESERVED, LEGACY);
    for c in layout.components().filter(|c| used & 1 << c.number == 0) {
        clear(image, c.offset as usize, (c.offset + c.size) as usize);
    }
}

/// Zeroes `image[from..to]`, where there is so much.
pub(crate) fn clear(image: &mut [u8], from: usize, to: usize) {
    if let Some(bytes) = image.get_mut(from..to) {
        bytes.zero();
    }
}

/// Puts `bytes` at `at`, where there is room.
pub(crate) fn put(image: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(to) = image.get_mut(at..at.saturating_add(bytes.len())) {
        to.copy_from_slice(bytes);
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
