//! What Linux and its programs say to each other about signals: numbers, sets, `siginfo_t`,
//! actions, alternate stacks, frames. What a kernel does with them is not here.

mod action;
mod altstack;
pub mod code;
mod frame;
mod info;
pub mod number;
mod set;

pub use action::{SIG_DFL, SIG_IGN, SaFlags, SigAction};
pub use altstack::{AltStack, StackT, minsigstksz, ss};
pub use frame::{
    BadFrame, FaultState, Popped, Pushed, SignalDelivery, min_signal_stack, pop_frame, push_frame,
};
pub use info::{SIGINFO_SIZE, SigInfo};
pub use number::SIGNAL_COUNT;
pub use set::SignalSet;
