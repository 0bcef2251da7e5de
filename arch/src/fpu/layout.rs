//! Which components an FPU image has, and where.

/// Numbers of the components that XSAVE manages (Intel SDM volume 1, chapter 13; `enum xfeature`
/// in `arch/x86/include/asm/fpu/types.h`), and masks of them.
pub mod xfeature {
    /// x87 registers, in the legacy area.
    pub const X87: u32 = 0;
    /// XMM registers and MXCSR, in the legacy area.
    pub const SSE: u32 = 1;
    /// Upper halves of the YMM registers.
    pub const AVX: u32 = 2;
    /// MPX bound registers.
    pub const BNDREGS: u32 = 3;
    /// MPX configuration.
    pub const BNDCSR: u32 = 4;
    /// AVX-512 mask registers.
    pub const OPMASK: u32 = 5;
    /// Upper halves of ZMM0 to ZMM15.
    pub const ZMM_HI256: u32 = 6;
    /// ZMM16 to ZMM31.
    pub const HI16_ZMM: u32 = 7;
    /// Rights of the protection keys.
    pub const PKRU: u32 = 9;
    /// AMX tile configuration.
    pub const TILECFG: u32 = 17;
    /// AMX tiles.
    pub const TILEDATA: u32 = 18;
    /// APX general-purpose registers.
    pub const APX: u32 = 19;
    /// x87 and SSE, which every image has.
    pub const FPSSE: u64 = 1 << X87 | 1 << SSE;
    /// The three components of AVX-512.
    pub const AVX512: u64 = 1 << OPMASK | 1 << ZMM_HI256 | 1 << HI16_ZMM;
}

/// Component numbers that a table has room for.
const NUMBERS: usize = 20;
/// Bytes of the legacy area (`FXSAVE`).
pub(crate) const LEGACY: usize = 512;
/// Bytes of the legacy area and the XSAVE header.
pub(crate) const EXTENDED: usize = 576;
/// An image may not be larger, so that a frame cannot be: the tiles' 8 KiB and room to spare.
const MAX_IMAGE: u32 = 16384;
/// Bytes of `struct user_fpsimd_state`.
pub(crate) const FPSIMD: usize = 528;

/// One component of an XSAVE image in standard format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Component {
    /// Its number, one of [`xfeature`].
    pub number: u32,
    /// Where it lies in the image, in bytes (`CPUID.(0DH, number).EBX`).
    pub offset: u32,
    /// Its size in bytes (`CPUID.(0DH, number).EAX`).
    pub size: u32,
}

/// Why a table of components is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LayoutError {
    /// `xcr0` lacks x87 or SSE, or has a number that is too large.
    Features,
    /// A component of `xcr0` is not in the table.
    Missing(u32),
    /// A component overlaps the legacy area, the header or another component, or ends past the
    /// image.
    Placement(u32),
    /// The image is smaller than 576 or larger than 16,384 bytes.
    Size,
    /// A vector length is no multiple of 16 bytes from 16 to 256.
    VectorLength,
}

impl core::fmt::Display for LayoutError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            LayoutError::Features => f.write_str("XCR0 lacks x87 or SSE, or is not understood"),
            LayoutError::Missing(n) => write!(f, "component {n} has no place in the image"),
            LayoutError::Placement(n) => write!(f, "component {n} has an impossible place"),
            LayoutError::Size => f.write_str("the image has an impossible size"),
            LayoutError::VectorLength => f.write_str("impossible vector length"),
        }
    }
}

impl core::error::Error for LayoutError {}

/// How an FPU image is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FpuKind {
    /// 512 bytes of `FXSAVE`: x87 and SSE.
    Fxsave,
    /// An XSAVE image in standard (not compacted) format.
    Xsave,
    /// `struct user_fpsimd_state`: V0 to V31, FPSR, FPCR.
    Fpsimd,
    /// FPSIMD followed by the registers of SVE in the order of a signal frame: Z0 to Z31, P0 to
    /// P15, FFR.
    Sve {
        /// Vector length in bytes.
        vl: u16,
    },
}

/// Kind, size and components of FPU images: what the embedder has found out about the processor
/// that runs the guests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FpuLayout {
    kind: FpuKind,
    size: u32,
    mxcsr_mask: u32,
    xcr0: u64,
    /// Offset and size by component number; size zero where there is none.
    table: [(u32, u32); NUMBERS],
}

/// MXCSR bits of every processor that has DAZ.
const MXCSR_MASK: u32 = 0xffff;

impl FpuLayout {
    /// x87 and SSE alone, for processors without XSAVE.
    pub const fn fxsave() -> FpuLayout {
        FpuLayout {
            kind: FpuKind::Fxsave,
            size: LEGACY as u32,
            mxcsr_mask: MXCSR_MASK,
            xcr0: xfeature::FPSSE,
            table: [(0, 0); NUMBERS],
        }
    }

    /// XSAVE images in standard format with the components of `xcr0`. `size` is that of the whole
    /// image in bytes; `components` says where number 2 and above lie, and may hold more than
    /// `xcr0` has.
    ///
    /// # Errors
    /// [`LayoutError`] when the numbers contradict each other.
    pub fn xsave(xcr0: u64, size: u32, components: &[Component]) -> Result<FpuLayout, LayoutError> {
        if xcr0 & xfeature::FPSSE != xfeature::FPSSE || xcr0 >> NUMBERS != 0 {
            return Err(LayoutError::Features);
        }
        if size < EXTENDED as u32 || size > MAX_IMAGE {
            return Err(LayoutError::Size);
        }
        let mut table = [(0, 0); NUMBERS];
        for n in 2..NUMBERS as u32 {
            if xcr0 & 1 << n == 0 {
                continue;
            }
            let c = components.iter().find(|c| c.number == n).ok_or(LayoutError::Missing(n))?;
            let end = c.offset.checked_add(c.size).ok_or(LayoutError::Placement(n))?;
            let overlaps = |&(o, s): &(u32, u32)| s != 0 && c.offset < o + s && o < end;
            let inside = c.offset >= EXTENDED as u32 && end <= size && c.size != 0;
            if !inside || table.iter().any(overlaps) {
                return Err(LayoutError::Placement(n));
            }
            if let Some(entry) = table.get_mut(n as usize) {
                *entry = (c.offset, c.size);
            }
        }
        Ok(FpuLayout { kind: FpuKind::Xsave, size, mxcsr_mask: MXCSR_MASK, xcr0, table })
    }

    /// XSAVE images with the components of `xcr0` where Intel's processors put them. For tests,
    /// and for embedders that know their machines.
    ///
    /// # Errors
    /// As [`FpuLayout::xsave`].
    pub fn intel(xcr0: u64) -> Result<FpuLayout, LayoutError> {
        const PLACES: [(u32, u32, u32); 10] = [
            (xfeature::AVX, 576, 256),
            (xfeature::BNDREGS, 960, 64),
            (xfeature::BNDCSR, 1024, 64),
            (xfeature::OPMASK, 1088, 64),
            (xfeature::ZMM_HI256, 1152, 512),
            (xfeature::HI16_ZMM, 1664, 1024),
            (xfeature::PKRU, 2688, 8),
            (xfeature::TILECFG, 2752, 64),
            (xfeature::TILEDATA, 2816, 8192),
            (xfeature::APX, 960, 128),
        ];
        let components = PLACES.map(|(number, offset, size)| Component { number, offset, size });
        let used = components.iter().filter(|c| xcr0 & 1 << c.number != 0);
        let size = used.map(|c| c.offset + c.size).max().unwrap_or(EXTENDED as u32);
        FpuLayout::xsave(xcr0, size, &components)
    }

    /// FPSIMD, which every arm64 processor of Linux has.
    pub const fn fpsimd() -> FpuLayout {
        FpuLayout {
            kind: FpuKind::Fpsimd,
            size: FPSIMD as u32,
            mxcsr_mask: 0,
            xcr0: 0,
            table: [(0, 0); NUMBERS],
        }
    }

    /// SVE with vectors of `vl` bytes.
    ///
    /// # Errors
    /// [`LayoutError::VectorLength`] unless `vl` is a multiple of 16 from 16 to 256.
    pub const fn sve(vl: u16) -> Result<FpuLayout, LayoutError> {
        if vl == 0 || vl > 256 || !vl.is_multiple_of(16) {
            return Err(LayoutError::VectorLength);
        }
        let size = FPSIMD as u32 + sve_payload(vl);
        Ok(FpuLayout { kind: FpuKind::Sve { vl }, size, ..FpuLayout::fpsimd() })
    }

    /// The same with another set of valid MXCSR bits (`mxcsr_mask` of an `FXSAVE` image; 0xffff
    /// where nothing else is said).
    #[must_use]
    pub const fn with_mxcsr_mask(self, mask: u32) -> FpuLayout {
        FpuLayout { mxcsr_mask: mask, ..self }
    }

    /// The same without a component, such as tiles that a process has not asked for; images end
    /// with the last component that is left.
    #[must_use]
    pub fn without(self, number: u32) -> FpuLayout {
        let mut out = self;
        let Some(entry) = out.table.get_mut(number as usize) else { return self };
        if self.kind != FpuKind::Xsave || number < 2 {
            return self;
        }
        *entry = (0, 0);
        out.xcr0 &= !(1 << number);
        let end = out.table.iter().map(|&(o, s)| o + s).max().unwrap_or(0);
        out.size = end.max(EXTENDED as u32);
        out
    }

    /// Whether images are those of x86-64.
    pub(crate) const fn is_x86(&self) -> bool {
        matches!(self.kind, FpuKind::Fxsave | FpuKind::Xsave)
    }

    /// The kind of image.
    pub const fn kind(&self) -> FpuKind {
        self.kind
    }

    /// Bytes of an image.
    pub const fn size(&self) -> usize {
        self.size as usize
    }

    /// The components as XSAVE's mask; zero on arm64.
    pub const fn xcr0(&self) -> u64 {
        self.xcr0
    }

    /// The MXCSR bits that exist.
    pub const fn mxcsr_mask(&self) -> u32 {
        self.mxcsr_mask
    }

    /// Where component `number` lies, for those outside the legacy area.
    pub fn component(&self, number: u32) -> Option<Component> {
        let &(offset, size) = self.table.get(number as usize)?;
        (size != 0).then_some(Component { number, offset, size })
    }

    /// The components outside the legacy area, in order of their numbers.
    pub fn components(&self) -> impl Iterator<Item = Component> + '_ {
        (2..NUMBERS as u32).filter_map(|n| self.component(n))
    }
}

/// Bytes of `SVE_SIG_REGS`: Z, P and FFR registers for vectors of `vl` bytes.
pub(crate) const fn sve_payload(vl: u16) -> u32 {
    let vl = vl as u32;
    32 * vl + 16 * (vl / 8) + vl / 8
}
