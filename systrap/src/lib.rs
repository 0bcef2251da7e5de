//! The hosted platform: stub processes, shared contexts, a memory file and an executor on an ordinary Linux host.

mod bpf;
mod clock;
mod cpu;
mod executor;
mod host;
pub mod hostfs;
mod memfile;
mod platform;
mod random;
mod raw;
mod regions;
pub mod shared;
mod space;
mod sys;
mod zygote;

pub use executor::Registration;
pub use host::{Host, HostConfig};
pub use memfile::MemFile;

#[cfg(test)]
mod tests;
