//! Floating-point and vector state, as one image with a table of its components.

use alloc::vec::Vec;

/// One component of the extended state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FpuComponent {
    /// Bit number in XCR0 and in `xstate_bv`; Intel SDM volume 1, chapter 13.
    pub feature: u32,
    /// Offset in the image, in bytes.
    pub offset: u32,
    /// Length in bytes.
    pub size: u32,
}

/// Which components the image has and where; the platform reads it from CPUID leaf 0xD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FpuLayout {
    /// Components after the legacy area and header, in ascending order of their bits.
    pub components: Vec<FpuComponent>,
    /// The features that user code may use: x87 (bit 0) and SSE (bit 1) always.
    pub features: u64,
    /// Image size in bytes: 512 for FXSAVE only, else at least 576.
    pub size: u32,
}

/// Length of the legacy area (FXSAVE).
pub const LEGACY_SIZE: usize = 512;
/// Length of the XSAVE header, which follows it.
pub const HEADER_SIZE: usize = 64;
/// Where the kernel's own words begin in the legacy area (`struct _fpx_sw_bytes`).
pub const SW_BYTES_OFFSET: usize = 464;
/// Offset of `MXCSR`.
pub const MXCSR_OFFSET: usize = 24;
/// `MXCSR` bits that exist on every x86-64 processor with SSE2.
pub const MXCSR_MASK: u32 = 0xffff;
/// `MXCSR` after a reset: all exceptions masked.
pub const MXCSR_INIT: u32 = 0x1f80;
/// The x87 control word after `FNINIT`.
pub const FCW_INIT: u16 = 0x37f;

impl FpuLayout {
    /// x87 and SSE only, without the XSAVE header.
    pub const fn fxsave() -> FpuLayout {
        FpuLayout { components: Vec::new(), features: 3, size: 512 }
    }

    /// arm64's FPSIMD registers: 32 of 128 bits, FPSR and FPCR.
    pub const fn fpsimd() -> FpuLayout {
        FpuLayout { components: Vec::new(), features: 0, size: 520 }
    }

    /// Whether the image has an XSAVE header.
    pub const fn has_header(&self) -> bool {
        self.size as usize >= LEGACY_SIZE + HEADER_SIZE
    }
}

/// Why an image that came from outside is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FpuError {
    /// Shorter than the layout asks, or than its own features need.
    Size,
    /// Names a feature that the layout lacks.
    Feature,
    /// A reserved bit of the header, or compaction, is set.
    Header,
    /// A reserved `MXCSR` bit is set.
    Mxcsr,
}

/// One thread's floating-point and vector registers: an XSAVE image in standard form on x86-64,
/// V0..V31, FPSR and FPCR on arm64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FpuState {
    image: Vec<u8>,
    features: u64,
    x86: bool,
}

impl FpuState {
    /// The state of a new x86-64 program.
    pub fn x86(layout: &FpuLayout) -> FpuState {
        let mut state = FpuState {
            image: alloc::vec![0; (layout.size as usize).max(LEGACY_SIZE)],
            features: layout.features,
            x86: true,
        };
        state.reset();
        state
    }

    /// The state of a new arm64 program.
    pub fn arm(layout: &FpuLayout) -> FpuState {
        FpuState { image: alloc::vec![0; layout.size as usize], features: 0, x86: false }
    }

    /// Back to what a new program has.
    pub fn reset(&mut self) {
        self.image.fill(0);
        if self.x86 {
            self.image[..2].copy_from_slice(&FCW_INIT.to_le_bytes());
            self.image[MXCSR_OFFSET..MXCSR_OFFSET + 4].copy_from_slice(&MXCSR_INIT.to_le_bytes());
        }
    }

    /// The image.
    pub fn bytes(&self) -> &[u8] {
        &self.image
    }

    /// The features that the image may name.
    pub fn features(&self) -> u64 {
        self.features
    }

    /// Takes an image that the hardware wrote through hands that are not trusted: what would fault
    /// when it is loaded is cleared. A shorter image leaves the rest as it was.
    pub fn set_sanitised(&mut self, image: &[u8]) {
        let n = image.len().min(self.image.len());
        self.image[..n].copy_from_slice(&image[..n]);
        if self.x86 {
            self.sanitise();
        }
    }

    /// Takes an image from a guest.
    ///
    /// # Errors
    /// [`FpuError`] for an image that the hardware would refuse to load; the state is unchanged.
    pub fn set_checked(&mut self, image: &[u8]) -> Result<(), FpuError> {
        if self.x86 {
            self.check(image)?;
        } else if image.len() != self.image.len() {
            return Err(FpuError::Size);
        }
        let n = image.len().min(self.image.len());
        self.image[..n].copy_from_slice(&image[..n]);
        if self.x86 {
            self.image[n..].fill(0);
        }
        Ok(())
    }

    fn check(&self, image: &[u8]) -> Result<(), FpuError> {
        if image.len() < LEGACY_SIZE {
            return Err(FpuError::Size);
        }
        if read_u32(image, MXCSR_OFFSET) & !MXCSR_MASK != 0 {
            return Err(FpuError::Mxcsr);
        }
        if image.len() < LEGACY_SIZE + HEADER_SIZE {
            return Ok(());
        }
        let header = &image[LEGACY_SIZE..LEGACY_SIZE + HEADER_SIZE];
        if read_u64(header, 0) & !self.features != 0 {
            return Err(FpuError::Feature);
        }
        if header[8..].iter().any(|b| *b != 0) {
            return Err(FpuError::Header);
        }
        Ok(())
    }

    fn sanitise(&mut self) {
        let mxcsr = read_u32(&self.image, MXCSR_OFFSET) & MXCSR_MASK;
        self.image[MXCSR_OFFSET..MXCSR_OFFSET + 4].copy_from_slice(&mxcsr.to_le_bytes());
        if self.image.len() >= LEGACY_SIZE + HEADER_SIZE {
            let bv = read_u64(&self.image, LEGACY_SIZE) & self.features;
            self.image[LEGACY_SIZE..LEGACY_SIZE + 8].copy_from_slice(&bv.to_le_bytes());
            self.image[LEGACY_SIZE + 8..LEGACY_SIZE + HEADER_SIZE].fill(0);
        }
    }
}

fn read_u32(bytes: &[u8], at: usize) -> u32 {
    let mut b = [0; 4];
    b.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(b)
}

fn read_u64(bytes: &[u8], at: usize) -> u64 {
    let mut b = [0; 8];
    b.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(b)
}
