//! The vDSO: functions of the kernel that run in the program.

mod image;
mod params;

pub use image::{Vdso, VdsoDefect};
pub use params::{ClockParams, VdsoParams};
