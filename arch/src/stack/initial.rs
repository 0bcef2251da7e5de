//! The stack that a program finds when it starts.
//!
//! Source: `create_elf_tables` in `fs/binfmt_elf.c`, `copy_strings` and `bprm_stack_limits` in
//! `fs/exec.c`.

use crate::auxv::{AT_EXECFN, AT_NULL, AT_PLATFORM, AT_RANDOM, AuxEntry};
use crate::fpu::put;
use crate::{Addr, AddrRange, Permissions, UserMemory};
use alloc::vec;
use alloc::vec::Vec;
use syserr::Errno;

/// Zero bytes at the very top.
const END: u64 = 8;
/// Alignment of the stack pointer, in bytes, on both architectures.
const ALIGN: u64 = 16;
/// Bytes of argument strings that are always allowed (`ARG_MAX`).
const ARG_MIN: u64 = 128 << 10;
/// Bytes of argument strings that are never exceeded (three quarters of `_STK_LIM`).
const ARG_MAX: u64 = (8 << 20) / 4 * 3;

/// What a program gets on its initial stack.
#[derive(Clone, Copy, Debug)]
pub struct InitialStack<'a> {
    /// The arguments, without NULs.
    pub argv: &'a [&'a [u8]],
    /// The environment, without NULs.
    pub envp: &'a [&'a [u8]],
    /// The program's file name, for `AT_EXECFN`.
    pub execfn: &'a [u8],
    /// The processor's name, for `AT_PLATFORM`.
    pub platform: Option<&'a [u8]>,
    /// For `AT_RANDOM`.
    pub random: [u8; 16],
    /// The auxiliary vector without its end. `AT_RANDOM`, `AT_EXECFN` and `AT_PLATFORM` get their
    /// values here where they are zero, and are added at the end where they are missing.
    pub auxv: &'a [AuxEntry],
    /// Bytes, below 8192, by which everything below the strings is lowered
    /// (`arch_align_stack`); zero without randomisation.
    pub jitter: u64,
}

/// Where everything of an initial stack is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackLayout {
    /// The stack pointer: the address of `argc`, a multiple of 16.
    pub sp: Addr,
    /// The argument strings; the environment follows at once, as setproctitle(3) relies on.
    pub argv: AddrRange,
    /// The environment strings.
    pub envv: AddrRange,
    /// The pairs of the auxiliary vector, its end included.
    pub auxv: AddrRange,
    /// The 16 random bytes.
    pub random: Addr,
    /// The program's file name.
    pub execfn: Addr,
    /// The processor's name.
    pub platform: Option<Addr>,
}

/// Sum of the lengths with their NULs.
fn strings_len(list: &[&[u8]]) -> Option<u64> {
    list.iter().try_fold(0u64, |n, s| n.checked_add(s.len() as u64 + 1))
}

impl InitialStack<'_> {
    /// Bytes that execve(2) counts against the limit on arguments: strings with their NULs and
    /// pointers (`bprm_stack_limits`, `valid_arg_len`). `None` when they don't even add up.
    pub fn argument_size(&self) -> Option<u64> {
        let strings = strings_len(self.argv)?.checked_add(strings_len(self.envp)?)?;
        // An empty argument vector is counted as one: execve(2) puts an empty string there.
        let pointers = self.argv.len().max(1).checked_add(self.envp.len())? as u64;
        strings.checked_add(self.execfn.len() as u64 + 1)?.checked_add(pointers.checked_mul(8)?)
    }

    /// Most bytes that [`InitialStack::argument_size`] may be with a `RLIMIT_STACK` of
    /// `stack_limit` bytes; more is `E2BIG`.
    pub const fn argument_limit(stack_limit: u64) -> u64 {
        let quarter = stack_limit / 4;
        let most = if quarter < ARG_MAX { quarter } else { ARG_MAX };
        if most > ARG_MIN { most } else { ARG_MIN }
    }

    /// Bytes from the stack pointer to the top, alignment at its worst.
    pub fn size(&self) -> Option<u64> {
        // Any aligned top shows the size; alignment below the strings costs 15 bytes at most.
        let top = Addr(1 << 62);
        Some(top.0 - self.place(top)?.sp.0 + ALIGN)
    }

    /// How many pairs the vector has, its end included.
    fn aux_len(&self) -> usize {
        let has = |key| self.auxv.iter().any(|a| a.key == key);
        let added = [(AT_RANDOM, true), (AT_EXECFN, true), (AT_PLATFORM, self.platform.is_some())];
        let added = added.iter().filter(|&&(key, wanted)| wanted && !has(key)).count();
        self.auxv.len() + added + 1
    }

    /// Where everything goes below `top`; `None` when the addresses wrap. From high to low: eight
    /// zero bytes, the file name, the environment, the arguments, the processor's name, random
    /// bytes, and from the stack pointer up the vectors.
    pub fn place(&self, top: Addr) -> Option<StackLayout> {
        let execfn = top.0.checked_sub(END)?.checked_sub(self.execfn.len() as u64 + 1)?;
        let env_start = execfn.checked_sub(strings_len(self.envp)?)?;
        let arg_start = env_start.checked_sub(strings_len(self.argv)?)?;
        let mut at = arg_start.checked_sub(self.jitter)? & !(ALIGN - 1);
        let mut platform = None;
        if let Some(name) = self.platform {
            at = at.checked_sub(name.len() as u64 + 1)?;
            platform = Some(Addr(at));
        }
        let random = at.checked_sub(16)?;
        let pointers = 1 + self.argv.len() as u64 + 1 + self.envp.len() as u64 + 1;
        let aux = 16 * self.aux_len() as u64;
        let sp = random.checked_sub(8 * pointers + aux)? & !(ALIGN - 1);
        let auxv = sp + 8 * pointers;
        Some(StackLayout {
            sp: Addr(sp),
            argv: AddrRange { start: Addr(arg_start), end: Addr(env_start) },
            envv: AddrRange { start: Addr(env_start), end: Addr(execfn) },
            auxv: AddrRange { start: Addr(auxv), end: Addr(auxv + aux) },
            random: Addr(random),
            execfn: Addr(execfn),
            platform,
        })
    }

    /// The bytes from the stack pointer of `at` to `top`.
    pub fn emit(&self, top: Addr, at: &StackLayout) -> Vec<u8> {
        let offset = |to: Addr| to.0.saturating_sub(at.sp.0) as usize;
        let mut out = vec![0; offset(top)];
        let (words, _) = out.as_chunks_mut::<8>();
        let mut words = words.iter_mut();
        let mut word = |v: u64| {
            if let Some(to) = words.next() {
                *to = v.to_le_bytes();
            }
        };
        word(self.argv.len() as u64);
        for (list, start) in [(self.argv, at.argv.start), (self.envp, at.envv.start)] {
            let mut next = start.0;
            for s in list {
                word(next);
                next = next.wrapping_add(s.len() as u64 + 1);
            }
            word(0);
        }
        let own = [
            Some((AT_RANDOM, at.random)),
            Some((AT_EXECFN, at.execfn)),
            at.platform.map(|p| (AT_PLATFORM, p)),
        ];
        let own = || own.into_iter().flatten();
        for a in self.auxv {
            word(a.key);
            let own = own().find(|o| o.0 == a.key && a.value == 0);
            word(own.map_or(a.value, |o| o.1.0));
        }
        for (key, value) in own().filter(|o| self.auxv.iter().all(|a| a.key != o.0)) {
            word(key);
            word(value.0);
        }
        word(AT_NULL);
        put(&mut out, offset(at.random), &self.random);
        if let (Some(name), Some(at)) = (self.platform, at.platform) {
            put(&mut out, offset(at), name);
        }
        // The NULs are there already.
        let mut to = offset(at.argv.start);
        for s in self.argv.iter().chain(self.envp).chain([&self.execfn]) {
            put(&mut out, to, s);
            to = to.saturating_add(s.len() + 1);
        }
        out
    }

    /// Writes the stack below `top` in one copy.
    ///
    /// # Errors
    /// `EFAULT` when the memory is not there, `E2BIG` when the addresses wrap.
    pub fn load(&self, mem: &dyn UserMemory, top: Addr) -> Result<StackLayout, Errno> {
        let layout = self.place(top).ok_or(Errno::E2BIG)?;
        mem.copy_out(layout.sp, &self.emit(top, &layout), Permissions::Obey)?;
        Ok(layout)
    }
}
