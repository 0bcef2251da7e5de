//! The records of an arm64 signal frame: each with a magic number and a size, the last empty.

use super::frame::{FRAME, RECORDS, RESERVED};
use crate::fpu::{FPSIMD, FpuKind, put, read, sve_payload};
use crate::{Addr, FpuLayout, FpuState, UserMemory, UserMemoryExt};
use syserr::Errno;

/// FPSIMD registers.
pub const FPSIMD_MAGIC: u32 = 0x4650_8001;
/// Exception syndrome of the last fault.
pub const ESR_MAGIC: u32 = 0x4553_5201;
/// SVE registers.
pub const SVE_MAGIC: u32 = 0x5356_4501;
/// More records follow the frame.
pub const EXTRA_MAGIC: u32 = 0x4558_5401;

/// Bytes of `struct fpsimd_context`: header, FPSR, FPCR, V0 to V31.
pub const FPSIMD_RECORD: usize = 528;
const ESR_RECORD: usize = 16;
const EXTRA_RECORD: usize = 32;
const SVE_HEADER: usize = 16;
/// The registers are those of streaming mode.
const SVE_FLAG_SM: u16 = 1;
/// An empty record, padded.
const TERMINATOR: usize = 16;
/// Most bytes of a frame (`SIGFRAME_MAXSZ`).
const FRAME_MAX: u64 = 256 << 10;
/// Alignment of records, in bytes.
const ALIGN: usize = 16;

/// Where the records of one frame go, as offsets from the frame's start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    esr: Option<usize>,
    sve: Option<(usize, u16)>,
    extra: Option<usize>,
    end: usize,
}

const fn sve_record(vl: u16) -> usize {
    (SVE_HEADER + sve_payload(vl) as usize).next_multiple_of(ALIGN)
}

impl Plan {
    pub(super) fn new(fpu: &FpuLayout, esr: bool) -> Plan {
        let mut at = RECORDS + FPSIMD_RECORD;
        let mut plan = Plan { esr: None, sve: None, extra: None, end: 0 };
        if esr {
            plan.esr = Some(at);
            at += ESR_RECORD;
        }
        if let FpuKind::Sve { vl } = fpu.kind() {
            let limit = RECORDS + RESERVED - TERMINATOR - EXTRA_RECORD;
            if sve_record(vl) > limit - at {
                plan.extra = Some(at);
                at += EXTRA_RECORD + TERMINATOR;
            }
            plan.sve = Some((at, vl));
            at += sve_record(vl);
        }
        plan.end = at;
        plan
    }

    /// Bytes of the whole frame.
    pub(super) fn frame_size(&self) -> usize {
        // The last terminator is eight bytes and a frame a multiple of sixteen.
        (self.end + 8).next_multiple_of(ALIGN).max(FRAME)
    }

    /// Writes the records into a frame that will lie at `base` and is zero otherwise.
    pub(super) fn write(&self, out: &mut [u8], base: Addr, fpu: &FpuState, esr: u64) {
        let mut put = |at, bytes: &[u8]| put(out, at, bytes);
        let head = |magic: u32, size: usize| (u64::from(magic) | (size as u64) << 32).to_le_bytes();
        let image = fpu.as_bytes();
        put(RECORDS, &head(FPSIMD_MAGIC, FPSIMD_RECORD));
        put(RECORDS + 8, image.get(512..520).unwrap_or_default());
        put(RECORDS + 16, image.get(..512).unwrap_or_default());
        if let Some(at) = self.esr {
            put(at, &head(ESR_MAGIC, ESR_RECORD));
            put(at + 8, &esr.to_le_bytes());
        }
        if let Some(at) = self.extra {
            let data = at + EXTRA_RECORD + TERMINATOR;
            let size = (self.frame_size() - data) as u32;
            put(at, &head(EXTRA_MAGIC, EXTRA_RECORD));
            put(at + 8, &base.wrapping_add(data as u64).0.to_le_bytes());
            put(at + 16, &size.to_le_bytes());
        }
        if let Some((at, vl)) = self.sve {
            put(at, &head(SVE_MAGIC, sve_record(vl)));
            put(at + 8, &vl.to_le_bytes());
            put(at + SVE_HEADER, image.get(FPSIMD..).unwrap_or_default());
        }
    }
}

/// The records of a frame that matter to sigreturn.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    /// The FPSIMD record.
    pub(super) fpsimd: Option<Addr>,
    /// The payload of the SVE record, if it has one.
    pub(super) sve: Option<Addr>,
}

/// Walks the records of a frame as `parse_user_sigframe` does.
///
/// # Errors
/// `EFAULT` for memory that cannot be read and for every record that a kernel with this FPU does
/// not write, in a place where it does not.
pub(super) fn parse(mem: &dyn UserMemory, frame: Addr, fpu: &FpuLayout) -> Result<Found, Errno> {
    let bad = Errno::EFAULT;
    let mut found = Found::default();
    let mut seen = (false, false);
    let mut base = frame.checked_add(RECORDS as u64).ok_or(bad)?;
    let (mut offset, mut limit) = (0u64, RESERVED as u64);
    let mut extended = false;
    // Every turn moves on by at least one record, and the limit is at most FRAME_MAX.
    loop {
        if limit.saturating_sub(offset) < 8 || !offset.is_multiple_of(ALIGN as u64) {
            return Err(bad);
        }
        let at = base.checked_add(offset).ok_or(bad)?;
        let [magic, size]: [u32; 2] = mem.read_obj(at)?;
        let size = u64::from(size);
        if size > limit - offset {
            return Err(bad);
        }
        match magic {
            0 if size == 0 => return Ok(found),
            FPSIMD_MAGIC if !seen.0 && size == FPSIMD_RECORD as u64 => {
                seen.0 = true;
                found.fpsimd = Some(at);
            }
            ESR_MAGIC => {}
            SVE_MAGIC if !seen.1 => {
                seen.1 = true;
                found.sve = sve(mem, at, size, fpu)?;
            }
            EXTRA_MAGIC
                if !extended
                    && size >= EXTRA_RECORD as u64
                    && limit - offset - size >= TERMINATOR as u64 =>
            {
                extended = true;
                (base, limit) = extra(mem, frame, at, size)?;
                offset = 0;
                continue;
            }
            _ => return Err(bad),
        }
        if size < 8 {
            return Err(bad);
        }
        offset += size;
    }
}

/// Where the registers of an SVE record are; `None` if it has only a header.
fn sve(mem: &dyn UserMemory, at: Addr, size: u64, fpu: &FpuLayout) -> Result<Option<Addr>, Errno> {
    let FpuKind::Sve { vl } = fpu.kind() else { return Err(Errno::EFAULT) };
    if size < SVE_HEADER as u64 {
        return Err(Errno::EFAULT);
    }
    let head: [u8; SVE_HEADER] = mem.read_obj(at)?;
    let given = read(&head, 8).map(u16::from_le_bytes);
    let flags = read(&head, 10).map(u16::from_le_bytes);
    // Streaming mode is SME's. Other flags mean nothing.
    let streaming = flags.is_none_or(|f| f & SVE_FLAG_SM != 0);
    if given != Some(vl) || streaming {
        return Err(Errno::EFAULT);
    }
    if size < 16 + SVE_HEADER as u64 {
        return Ok(None);
    }
    if size < (SVE_HEADER + sve_payload(vl) as usize) as u64 {
        return Err(Errno::EFAULT);
    }
    Ok(Some(at.wrapping_add(SVE_HEADER as u64)))
}

/// Where the extra records are, and how many bytes: right behind the terminator that follows the
/// record at `at`.
fn extra(mem: &dyn UserMemory, frame: Addr, at: Addr, size: u64) -> Result<(Addr, u64), Errno> {
    let bad = Errno::EFAULT;
    let [_, data, len]: [u64; 3] = mem.read_obj(at)?;
    let len = u64::from(len as u32);
    let end = at.checked_add(size).ok_or(bad)?;
    let terminator: [u32; 2] = mem.read_obj(end)?;
    let behind = end.checked_add(TERMINATOR as u64).ok_or(bad)?;
    let last = frame.checked_add(FRAME_MAX).ok_or(bad)?;
    let fits = last.0.checked_sub(behind.0).is_some_and(|room| len <= room);
    let aligned = data.is_multiple_of(ALIGN as u64) && len.is_multiple_of(ALIGN as u64);
    if terminator != [0, 0] || !aligned || Addr(data) != behind || !fits {
        return Err(bad);
    }
    Ok((behind, len))
}
