//! A platform without hardware, and a world to try a kernel in.
//!
//! Guests are scripts: a table of Rust closures, one for each instruction, two bytes apart from
//! [`TEXT`] on. So an instruction pointer means what it means on hardware: forks go on where their
//! parents are, a system call that is restarted runs again, execve(2) starts at the file's entry,
//! and a signal's frame returns to where it interrupted. Time is a number that goes on when
//! nobody can run.

mod elf;
mod executor;
mod machine;
mod script;
mod world;

pub use elf::{DATA, TEXT, elf};
pub use executor::{Executor, ManualClock};
pub use machine::{Counting, Machine, ZeroRandom};
pub use script::{Guest, Next, Script, Step};
pub use world::World;
