//! Signals as far as their frames go: sets, `siginfo_t`, actions, alternate stacks, frames.

mod action;
mod altstack;
pub mod code;
mod frame;
mod info;
mod set;

pub use action::{SaFlags, SigAction};
pub use altstack::{AltStack, StackT, minsigstksz, ss};
pub use frame::{
    FaultState, Popped, Pushed, SignalDelivery, min_signal_stack, pop_frame, push_frame,
};
pub use info::SigInfo;
pub use set::{SIGNAL_COUNT, SignalSet};
