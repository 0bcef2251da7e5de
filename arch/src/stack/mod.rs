//! User stacks: pushing onto them, and the one that a program starts with.

mod initial;
mod parse;
mod push;

pub use initial::{InitialStack, StackLayout};
pub use parse::{ParseLimits, ParsedStack, parse_initial_stack};
pub use push::Stack;
