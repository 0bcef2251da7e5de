//! The stub: all the code that a stub process holds besides its guest's.
//!
//! It has no data, no heap and no thread-local storage; its state is the shared region. It runs
//! as a signal handler: every way out of guest code is a signal, and the way back is its return.
#![no_std]
#![no_main]

/// What [`handshake`] is made of, here.
mod atomic {
    pub use core::sync::atomic::*;
}
mod boot;
mod entry;
mod handler;
#[path = "../src/handshake.rs"]
#[allow(dead_code, reason = "the sentry uses the rest")]
mod handshake;
mod mapper;
mod ops;
#[path = "../src/shared.rs"]
#[allow(dead_code, reason = "the sentry uses the rest")]
mod shared;
mod sys;
mod wait;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    sys::die()
}
