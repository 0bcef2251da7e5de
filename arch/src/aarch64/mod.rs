//! arm64: registers, system-call convention, signal frames, ptrace sets, exception syndromes.

mod context;
mod fault;
pub mod frame;
mod ptrace;
pub mod records;
mod regs;
mod sve;

pub use context::Context;
pub use fault::access_of_esr;
pub use regs::{Registers, TASK_SIZE_MAX, pstate};
