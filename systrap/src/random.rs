//! Randomness from the host.

use rustix::rand::{GetRandomFlags, getrandom};

/// Fills `buf` from getrandom(2).
pub(crate) fn fill(mut buf: &mut [u8]) -> std::io::Result<()> {
    while !buf.is_empty() {
        match getrandom(&mut *buf, GetRandomFlags::empty()) {
            Ok(n) => buf = &mut buf[n..],
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}
