//! The classic BPF machine: filters of sockets and of system calls (`net/core/filter.c`,
//! `kernel/seccomp.c`).

use alloc::vec::Vec;
use syserr::Errno;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `BPF_MAXINSNS`.
pub const MAX_INSTRUCTIONS: usize = 4096;
const MEMORY: usize = 16;
/// `SKF_AD_OFF` and `SKF_AD_MAX`: loads from here on ask for something beside a packet's bytes.
pub const EXTENSIONS: u32 = -0x1000i32 as u32;
const EXTENSION_MAX: u32 = 64;

/// `struct sock_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Offset when true.
    pub jt: u8,
    /// Offset when false.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

static_assertions::const_assert_eq!(size_of::<Instruction>(), 8);

/// What a filter looks at.
pub trait Data {
    /// Bytes that there are.
    fn size(&self) -> u32;
    /// `size` bytes at `at`, the first the highest; `None` outside, which ends the filter with 0.
    fn load(&self, at: u32, size: u32) -> Option<u32>;
    /// What there is beside the bytes, by its place after [`EXTENSIONS`].
    fn extension(&self, which: u32) -> u32 {
        let _ = which;
        0
    }
}

/// Which instructions there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// All, for packets.
    Socket,
    /// Those of filters of system calls: aligned words of data of so many bytes, and no modulo.
    Seccomp(u32),
}

const LD_ABS: u16 = 0x20;
const LD_ABS_HALF: u16 = 0x28;
const LD_ABS_BYTE: u16 = 0x30;
const LD_IND: u16 = 0x40;
const LD_IND_HALF: u16 = 0x48;
const LD_IND_BYTE: u16 = 0x50;
const LD_LEN: u16 = 0x80;
const LDX_LEN: u16 = 0x81;
const LDX_MSH: u16 = 0xb1;
const LD_IMM: u16 = 0x00;
const LDX_IMM: u16 = 0x01;
const LD_MEM: u16 = 0x60;
const LDX_MEM: u16 = 0x61;
const ST: u16 = 0x02;
const STX: u16 = 0x03;
const JA: u16 = 0x05;
const RET_K: u16 = 0x06;
const RET_A: u16 = 0x16;
const TAX: u16 = 0x07;
const TXA: u16 = 0x87;
const ALU: u16 = 0x04;
const JMP: u16 = 0x05;
const X: u16 = 0x08;
/// `SKF_AD_ALU_XOR_X`: the one extension that is no load.
const XOR_X: u32 = 40;

/// A checked filter: every jump goes forward to an instruction, every load is inside the data, the
/// last instruction returns. So every run ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program(Vec<Instruction>);

impl Program {
    /// Checks a filter.
    ///
    /// # Errors
    /// `EINVAL` for one that Linux refuses.
    pub fn new(code: Vec<Instruction>, dialect: Dialect) -> Result<Program, Errno> {
        let n = code.len();
        if n == 0 || n > MAX_INSTRUCTIONS {
            return Err(Errno::EINVAL);
        }
        let inside = |at: usize, off: u64| (at as u64 + 1).saturating_add(off) < n as u64;
        // A scratch word may be read only where every way there has written it
        // (`check_load_and_stores`): `masks[i]` is what is written on all ways to `i`.
        let mut masks = alloc::vec![u16::MAX; n];
        let mut written = 0u16;
        for (i, ins) in code.iter().enumerate() {
            written &= masks.get(i).copied().unwrap_or(0);
            let mut join = |to: u64| {
                if let Some(m) = masks.get_mut(i + 1 + to as usize) {
                    *m &= written;
                }
            };
            let ok = match ins.code {
                c if is_load(c) => match dialect {
                    Dialect::Seccomp(size) => {
                        c == LD_ABS && ins.k < size && ins.k.is_multiple_of(4)
                    }
                    Dialect::Socket => extension(c, ins.k) != Some(None),
                },
                LDX_MSH => dialect == Dialect::Socket,
                LD_LEN | LDX_LEN | LD_IMM | LDX_IMM | RET_K | RET_A | TAX | TXA => true,
                LD_MEM | LDX_MEM => (ins.k as usize) < MEMORY && written >> ins.k & 1 == 1,
                ST | STX if (ins.k as usize) < MEMORY => {
                    written |= 1 << ins.k;
                    true
                }
                JA => {
                    join(u64::from(ins.k));
                    written = u16::MAX;
                    inside(i, u64::from(ins.k))
                }
                c if is_jump(c) => {
                    join(u64::from(ins.jt));
                    join(u64::from(ins.jf));
                    written = u16::MAX;
                    inside(i, u64::from(ins.jt)) && inside(i, u64::from(ins.jf))
                }
                c if is_alu(c, dialect) => match c & 0xf0 {
                    // Division by a constant zero, shifts by more than a word.
                    0x30 | 0x90 => c & X != 0 || ins.k != 0,
                    0x60 | 0x70 => c & X != 0 || ins.k < 32,
                    _ => true,
                },
                _ => false,
            };
            if !ok {
                return Err(Errno::EINVAL);
            }
        }
        match code.last() {
            Some(i) if i.code == RET_K || i.code == RET_A => Ok(Program(code)),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Instructions.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Never: an empty filter is refused.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The instructions.
    pub fn code(&self) -> &[Instruction] {
        &self.0
    }

    /// What the filter says of `data`: 0 as soon as it looks where nothing is.
    pub fn run(&self, data: &impl Data) -> u32 {
        self.value(data).unwrap_or(0)
    }

    fn value(&self, data: &impl Data) -> Option<u32> {
        let (mut a, mut x) = (0u32, 0u32);
        let mut mem = [0u32; MEMORY];
        let mut at = 0;
        while let Some(ins) = self.0.get(at) {
            at += 1;
            let slot = ins.k as usize % MEMORY;
            match ins.code {
                LD_ABS | LD_ABS_HALF | LD_ABS_BYTE => match extension(ins.code, ins.k) {
                    Some(Some(XOR_X)) => a ^= x,
                    Some(which) => a = data.extension(which?),
                    None => a = data.load(ins.k, size(ins.code))?,
                },
                LD_IND | LD_IND_HALF | LD_IND_BYTE => {
                    a = data.load(x.wrapping_add(ins.k), size(ins.code))?;
                }
                LDX_MSH => x = (data.load(ins.k, 1)? & 15) * 4,
                LD_LEN => a = data.size(),
                LDX_LEN => x = data.size(),
                LD_IMM => a = ins.k,
                LDX_IMM => x = ins.k,
                LD_MEM => a = mem[slot],
                LDX_MEM => x = mem[slot],
                ST => mem[slot] = a,
                STX => mem[slot] = x,
                TAX => x = a,
                TXA => a = x,
                RET_K => return Some(ins.k),
                RET_A => return Some(a),
                JA => at = at.saturating_add(ins.k as usize),
                c if c & 7 == JMP => {
                    let b = if c & X != 0 { x } else { ins.k };
                    let yes = match c & 0xf0 {
                        0x10 => a == b,
                        0x20 => a > b,
                        0x30 => a >= b,
                        _ => a & b != 0,
                    };
                    at += usize::from(if yes { ins.jt } else { ins.jf });
                }
                // Division by a register that is zero ends the filter, too.
                c => a = alu(c & 0xf0, a, if c & X != 0 { x } else { ins.k })?,
            }
        }
        None
    }
}

/// Loads of a packet's bytes, at a fixed place or after `X`.
fn is_load(c: u16) -> bool {
    matches!(c, LD_ABS | LD_ABS_HALF | LD_ABS_BYTE | LD_IND | LD_IND_HALF | LD_IND_BYTE)
}

/// Bytes that an instruction loads.
fn size(c: u16) -> u32 {
    match c & 0x18 {
        0x08 => 2,
        0x10 => 1,
        _ => 4,
    }
}

/// Which extension a load at a fixed place asks for, if any: `Some(None)` for one that is not there.
fn extension(c: u16, k: u32) -> Option<Option<u32>> {
    let fixed = matches!(c, LD_ABS | LD_ABS_HALF | LD_ABS_BYTE);
    let which = k.checked_sub(EXTENSIONS).filter(|_| fixed)?;
    Some(Some(which).filter(|w| *w < EXTENSION_MAX && w.is_multiple_of(4)))
}

fn is_jump(c: u16) -> bool {
    c & 7 == JMP && matches!(c & 0xf0, 0x10..=0x40) && c & !0xff == 0
}

fn is_alu(c: u16, dialect: Dialect) -> bool {
    let known = match c & 0xf0 {
        0x90 => dialect == Dialect::Socket,
        op => op <= 0xa0,
    };
    c & 7 == ALU && known && c & !0xff == 0 && (c & 0xf0 != 0x80 || c & X == 0)
}

fn alu(op: u16, a: u32, b: u32) -> Option<u32> {
    Some(match op {
        0x00 => a.wrapping_add(b),
        0x10 => a.wrapping_sub(b),
        0x20 => a.wrapping_mul(b),
        0x30 => a.checked_div(b)?,
        0x40 => a | b,
        0x50 => a & b,
        0x60 => a.wrapping_shl(b),
        0x70 => a.wrapping_shr(b),
        0x80 => a.wrapping_neg(),
        0x90 => a.checked_rem(b)?,
        _ => a ^ b,
    })
}
