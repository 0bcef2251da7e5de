//! Signals as far as their frames go: sets, `siginfo_t`, actions, alternate stacks, frames.

mod action;
mod altstack;
pub mod code;
mod frame;
mod info;
mod set;

pub use action::{SigAction, sa};
pub use altstack::{SigAltStack, minsigstksz, ss};
pub use frame::{FaultInfo, Popped, Pushed, SignalFrame, signal_frame_size};
pub use info::SigInfo;
pub use set::{SIGNAL_COUNT, SignalSet};
