//! Linux on x86-64.

use super::{SyscallTable, rows};
use arch::{Arch, Os};

/// Linux on x86-64 (`arch/x86/entry/syscalls/syscall_64.tbl`), complete to number 469.
pub static LINUX_X86_64: SyscallTable = SyscallTable::new(Os::Linux, Arch::X86_64, rows::X86_64);
