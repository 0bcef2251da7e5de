//! The initial stack of a program.
//!
//! Source: `create_elf_tables` in `fs/binfmt_elf.c`, `copy_strings` in `fs/exec.c`.

use crate::auxv::AuxEntry;
use alloc::vec::Vec;
use arch::{Addr, AddrRange};

/// Strings and vectors of a stack that is not placed yet.
pub(crate) struct StackInput<'a> {
    pub(crate) argv: &'a [&'a [u8]],
    pub(crate) envp: &'a [&'a [u8]],
    pub(crate) filename: &'a [u8],
    pub(crate) platform: Option<&'a [u8]>,
    pub(crate) random: [u8; 16],
    /// Bytes by which everything below the strings is lowered.
    pub(crate) jitter: u64,
}

/// Where everything of an initial stack lies.
pub(crate) struct StackPlan {
    pub(crate) sp: Addr,
    pub(crate) argv: AddrRange,
    pub(crate) envp: AddrRange,
    pub(crate) filename: Addr,
    pub(crate) platform: Option<Addr>,
    pub(crate) random: Addr,
}

fn strings_len(list: &[&[u8]]) -> u64 {
    list.iter().map(|s| s.len() as u64 + 1).sum()
}

impl StackInput<'_> {
    /// Places a stack below `top` whose auxiliary vector has `aux_len` entries, its end included.
    /// From high to low: eight zero bytes, the program's name, variables, arguments, the
    /// platform's name, random bytes, and from the stack pointer up the vectors.
    pub(crate) fn place(&self, top: Addr, aux_len: usize) -> Option<StackPlan> {
        let down = |at: u64, n: u64| at.checked_sub(n);
        let filename = down(top.0, 8 + self.filename.len() as u64 + 1)?;
        let env_start = down(filename, strings_len(self.envp))?;
        let arg_start = down(env_start, strings_len(self.argv))?;
        let mut at = down(arg_start, self.jitter)? & !15;
        let platform = match self.platform {
            Some(name) => {
                at = down(at, name.len() as u64 + 1)?;
                Some(Addr(at))
            }
            None => None,
        };
        let random = down(at, 16)?;
        let words = 1 + self.argv.len() + 1 + self.envp.len() + 1 + 2 * aux_len;
        let sp = down(random, words as u64 * 8)? & !15;
        Some(StackPlan {
            sp: Addr(sp),
            argv: AddrRange::new(Addr(arg_start), Addr(env_start))?,
            envp: AddrRange::new(Addr(env_start), Addr(filename))?,
            filename: Addr(filename),
            platform,
            random: Addr(random),
        })
    }

    /// The bytes from the stack pointer to `top`.
    pub(crate) fn emit(&self, top: Addr, plan: &StackPlan, auxv: &[AuxEntry]) -> Vec<u8> {
        let len = (top.0 - plan.sp.0) as usize;
        let mut out = Vec::with_capacity(len);
        let mut word = |v: u64| out.extend_from_slice(&v.to_le_bytes());
        word(self.argv.len() as u64);
        for (list, start) in [(self.argv, plan.argv.start), (self.envp, plan.envp.start)] {
            let mut at = start.0;
            for s in list {
                word(at);
                at += s.len() as u64 + 1;
            }
            word(0);
        }
        for a in auxv {
            word(a.key);
            word(a.value);
        }
        let fill = |out: &mut Vec<u8>, at: Addr| out.resize((at.0 - plan.sp.0) as usize, 0);
        fill(&mut out, plan.random);
        out.extend_from_slice(&self.random);
        if let (Some(name), Some(at)) = (self.platform, plan.platform) {
            fill(&mut out, at);
            out.extend_from_slice(name);
        }
        fill(&mut out, plan.argv.start);
        for s in self.argv.iter().chain(self.envp).chain([&self.filename]) {
            out.extend_from_slice(s);
            out.push(0);
        }
        out.resize(len, 0);
        out
    }
}
