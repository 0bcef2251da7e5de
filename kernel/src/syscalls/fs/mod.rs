//! System calls on files and names.

mod attr;
pub(crate) mod buffers;
mod copy;
pub(crate) mod descriptors;
mod dir;
pub(crate) mod fcntl;
mod locks;
mod mount;
mod names;
mod open;
mod open_flags;
mod pump;
pub(crate) mod rw;
pub(crate) mod sigio;
mod stat;
pub(crate) mod terminal;
#[cfg(test)]
mod tests;
mod times;
pub(crate) mod transfer;
pub(crate) mod walk;
mod xattr;

pub(crate) use attr::*;
pub(crate) use copy::*;
pub(crate) use descriptors::*;
pub(crate) use dir::*;
pub(crate) use fcntl::*;
pub(crate) use locks::*;
pub(crate) use mount::*;
pub(crate) use names::*;
pub(crate) use open::*;
pub(crate) use open_flags::translate;
pub(crate) use rw::*;
pub(crate) use stat::*;
pub(crate) use times::*;
pub(crate) use xattr::*;
