//! System calls that make descriptors of special files, and ioctl(2).

mod event;
mod inotify;
mod ioctl;
mod memfd;
mod pipe;
mod remap;
mod signal_file;
mod signalfd;
mod timer_file;
mod timerfd;

pub(crate) use event::*;
pub(crate) use inotify::*;
pub(crate) use ioctl::*;
pub(crate) use memfd::*;
pub(crate) use pipe::{maker as pipe_maker, sys_pipe, sys_pipe2};
pub(crate) use signalfd::*;
pub(crate) use timerfd::*;
