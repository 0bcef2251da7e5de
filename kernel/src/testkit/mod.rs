//! A platform without hardware, and a world to try a kernel in.
//!
//! Guests are scripts: a table of Rust closures, one for each instruction, two bytes apart from
//! [`TEXT`] on. So an instruction pointer means what it means on hardware: forks go on where their
//! parents are, a system call that is restarted runs again, execve(2) starts at the file's entry,
//! and a signal's frame returns to where it interrupted. Time is a number that goes on when
//! nobody can run.
//!
//! What the kernel relies on in an embedder's [`Platform`](crate::Platform), [`Clock`](crate::Clock),
//! [`Timers`](crate::Timers), [`Random`](crate::Random) and [`Spawn`](crate::Spawn) is written down as
//! checks (`check_*`), to be run on the double and on the real thing.

mod contract;
mod elf;
mod executor;
mod machine;
mod mapper;
mod script;
mod world;

pub use contract::{
    UserCode, check_clock, check_futex_memory, check_platform, check_random, check_spawn,
    check_timers,
};
pub use elf::{DATA, TEXT, elf};
pub use executor::{Executor, ManualClock};
pub use machine::{Counting, Machine, SeededRandom};
pub use script::{Guest, Next, Script, Step};
pub use world::World;
