//! Reading an initial stack as a dynamic linker does.

use crate::auxv::{AT_NULL, AuxEntry};
use crate::{Addr, UserMemory, UserMemoryExt};
use alloc::vec::Vec;
use syserr::Errno;

/// An initial stack, read back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParsedStack {
    /// The argument count that the stack states.
    pub argc: u64,
    /// Addresses of the arguments.
    pub argv_pointers: Vec<Addr>,
    /// The arguments.
    pub argv: Vec<Vec<u8>>,
    /// Addresses of the environment's strings.
    pub envp_pointers: Vec<Addr>,
    /// The environment.
    pub envp: Vec<Vec<u8>>,
    /// The auxiliary vector without its end.
    pub auxv: Vec<AuxEntry>,
}

impl ParsedStack {
    /// The first value of `key` in the auxiliary vector.
    pub fn aux(&self, key: u64) -> Option<u64> {
        self.auxv.iter().find(|a| a.key == key).map(|a| a.value)
    }
}

/// What a stack may hold before it is taken for damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseLimits {
    /// Entries of each vector.
    pub entries: usize,
    /// Bytes of each string.
    pub string: usize,
}

impl Default for ParseLimits {
    /// More than Linux ever puts there: 1.5 Mi pointers and strings of 128 KiB.
    fn default() -> ParseLimits {
        ParseLimits { entries: 3 << 19, string: 128 << 10 }
    }
}

/// Reads the stack that a program whose stack pointer is `sp` starts with.
///
/// # Errors
/// `EFAULT` when it leads to memory that cannot be read, `EINVAL` when `sp` is no multiple of 16 or
/// the vectors contradict each other, `E2BIG` or `ENAMETOOLONG` when it exceeds the limits.
pub fn parse_initial_stack(
    mem: &dyn UserMemory,
    sp: Addr,
    limits: ParseLimits,
) -> Result<ParsedStack, Errno> {
    if !sp.0.is_multiple_of(16) {
        return Err(Errno::EINVAL);
    }
    let mut at = sp;
    let mut word = || -> Result<u64, Errno> {
        let v = mem.read_obj(at)?;
        at = at.checked_add(8).ok_or(Errno::EFAULT)?;
        Ok(v)
    };
    let mut out = ParsedStack { argc: word()?, ..ParsedStack::default() };
    for pointers in [&mut out.argv_pointers, &mut out.envp_pointers] {
        loop {
            match word()? {
                0 => break,
                _ if pointers.len() >= limits.entries => return Err(Errno::E2BIG),
                p => pointers.push(Addr(p)),
            }
        }
    }
    if out.argc != out.argv_pointers.len() as u64 {
        return Err(Errno::EINVAL);
    }
    loop {
        let entry = AuxEntry { key: word()?, value: word()? };
        if entry.key == AT_NULL {
            break;
        }
        if out.auxv.len() >= limits.entries {
            return Err(Errno::E2BIG);
        }
        out.auxv.push(entry);
    }
    let strings = |list: &[Addr]| {
        list.iter().map(|&p| mem.read_cstr(p, limits.string)).collect::<Result<Vec<_>, _>>()
    };
    out.argv = strings(&out.argv_pointers)?;
    out.envp = strings(&out.envp_pointers)?;
    Ok(out)
}
