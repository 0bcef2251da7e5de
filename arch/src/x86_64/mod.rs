//! x86-64: registers, system-call convention, signal frames, ptrace sets, page-fault codes.

mod context;
mod fault;
pub mod frame;
mod ptrace;
mod regs;

pub use context::Context;
pub use fault::access_of_error_code;
pub use regs::{Registers, TASK_SIZE_MAX, USER_CS, USER_DS, eflags, is_canonical};
