//! The classic BPF machine, with the restrictions of seccomp filters (`kernel/seccomp.c`,
//! `net/core/filter.c`).

use crate::Args;
use alloc::vec::Vec;
use syserr::Errno;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `BPF_MAXINSNS`.
pub const MAX_INSTRUCTIONS: usize = 4096;
const MEMORY: usize = 16;

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

/// `struct seccomp_data`, as the words a filter loads.
#[derive(Clone, Copy)]
pub(crate) struct Data([u32; 16]);

impl Data {
    pub(super) fn new(nr: u32, arch: u32, ip: u64, args: &Args) -> Data {
        let mut w = [0; 16];
        let head = [nr, arch, ip as u32, (ip >> 32) as u32];
        let tail = args.iter().flat_map(|a| [*a as u32, (a >> 32) as u32]);
        for (to, from) in w.iter_mut().zip(head.into_iter().chain(tail)) {
            *to = from;
        }
        Data(w)
    }

    pub(super) fn words(self) -> [u32; 16] {
        self.0
    }

    fn load(&self, at: u32) -> u32 {
        self.0.get((at / 4) as usize).copied().unwrap_or(0)
    }
}

/// Size of `struct seccomp_data`, in bytes.
pub(super) const DATA_SIZE: u32 = 64;

const LD_ABS: u16 = 0x20;
const LD_LEN: u16 = 0x80;
const LDX_LEN: u16 = 0x81;
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

/// A checked filter: every jump goes forward to an instruction, every load is inside the data, the
/// last instruction returns. So every run ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program(Vec<Instruction>);

impl Program {
    /// Checks a filter.
    ///
    /// # Errors
    /// `EINVAL` for one that Linux refuses.
    pub fn new(code: Vec<Instruction>) -> Result<Program, Errno> {
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
                LD_ABS => ins.k < DATA_SIZE && ins.k.is_multiple_of(4),
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
                c if is_alu(c) => match c & 0xf0 {
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

    /// The instructions.
    pub fn code(&self) -> &[Instruction] {
        &self.0
    }

    /// How many instructions there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Never: an empty filter is refused.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the filter says of a call.
    pub(super) fn run(&self, data: &Data) -> u32 {
        let (mut a, mut x) = (0u32, 0u32);
        let mut mem = [0u32; MEMORY];
        let mut at = 0;
        while let Some(ins) = self.0.get(at) {
            at += 1;
            let slot = ins.k as usize % MEMORY;
            match ins.code {
                LD_ABS => a = data.load(ins.k),
                LD_LEN => a = DATA_SIZE,
                LDX_LEN => x = DATA_SIZE,
                LD_IMM => a = ins.k,
                LDX_IMM => x = ins.k,
                LD_MEM => a = mem[slot],
                LDX_MEM => x = mem[slot],
                ST => mem[slot] = a,
                STX => mem[slot] = x,
                TAX => x = a,
                TXA => a = x,
                RET_K => return ins.k,
                RET_A => return a,
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
                c => match alu(c & 0xf0, a, if c & X != 0 { x } else { ins.k }) {
                    Some(v) => a = v,
                    // Division by a register that is zero ends the filter with 0: kill.
                    None => return 0,
                },
            }
        }
        0
    }
}

fn is_jump(c: u16) -> bool {
    c & 7 == JMP && matches!(c & 0xf0, 0x10..=0x40) && c & !0xff == 0
}

fn is_alu(c: u16) -> bool {
    // All but modulo, which seccomp does not take.
    let known = matches!(c & 0xf0, 0x00..=0x80 | 0xa0);
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
        _ => a ^ b,
    })
}
