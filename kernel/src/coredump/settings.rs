//! What `/proc/sys` says of core dumps.

use alloc::vec::Vec;
use sync::Mutex;
use sync::atomic::{AtomicI32, AtomicU32, Ordering};
use syserr::Errno;

/// The longest pattern, in bytes (`CORENAME_MAX_SIZE` without its NUL).
const PATTERN_MAX: usize = 127;

/// The settings of a kernel.
pub(crate) struct Settings {
    pattern: Mutex<Vec<u8>>,
    uses_pid: AtomicI32,
    suid_dumpable: AtomicU32,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            pattern: Mutex::new(b"core".to_vec()),
            uses_pid: AtomicI32::new(0),
            suid_dumpable: AtomicU32::new(0),
        }
    }
}

impl Settings {
    /// `kernel.core_pattern`.
    pub(crate) fn pattern(&self) -> Vec<u8> {
        self.pattern.lock().clone()
    }

    /// Changes it. What is too long is cut off, as by `proc_dostring`.
    ///
    /// # Errors
    /// `EINVAL` for programs and sockets that dumps are to be handed to.
    pub(crate) fn set_pattern(&self, text: &[u8]) -> Result<(), Errno> {
        let text = text.split(|b| matches!(b, 0 | b'\n')).next().unwrap_or_default();
        if matches!(text.first(), Some(b'|' | b'@')) {
            return Err(Errno::EINVAL);
        }
        *self.pattern.lock() = text.get(..PATTERN_MAX).unwrap_or(text).to_vec();
        Ok(())
    }

    /// `kernel.core_uses_pid`.
    pub(crate) fn uses_pid(&self) -> i32 {
        self.uses_pid.load(Ordering::Relaxed)
    }

    /// Changes it.
    pub(crate) fn set_uses_pid(&self, to: i32) {
        self.uses_pid.store(to, Ordering::Relaxed);
    }

    /// `fs.suid_dumpable`: what processes become when their identities change.
    pub(crate) fn suid_dumpable(&self) -> u32 {
        self.suid_dumpable.load(Ordering::Relaxed)
    }

    /// Changes it.
    ///
    /// # Errors
    /// `EINVAL` beyond 2.
    pub(crate) fn set_suid_dumpable(&self, to: u32) -> Result<(), Errno> {
        if to > 2 {
            return Err(Errno::EINVAL);
        }
        self.suid_dumpable.store(to, Ordering::Relaxed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_end_with_the_line_or_their_room() {
        let settings = Settings::default();
        assert_eq!(settings.set_pattern(b"/cores/%e\nmore"), Ok(()));
        assert_eq!(settings.pattern(), b"/cores/%e");
        assert_eq!(settings.set_pattern(&[b'x'; 200]), Ok(()));
        assert_eq!(settings.pattern(), [b'x'; PATTERN_MAX]);
        for refused in [&b"|/bin/sh"[..], b"@/socket"] {
            assert_eq!(settings.set_pattern(refused), Err(Errno::EINVAL));
        }
        assert_eq!(settings.pattern(), [b'x'; PATTERN_MAX]);
    }

    #[test]
    fn dumpability_has_three_values() {
        let settings = Settings::default();
        assert_eq!(settings.set_suid_dumpable(2), Ok(()));
        assert_eq!(settings.set_suid_dumpable(3), Err(Errno::EINVAL));
        assert_eq!(settings.suid_dumpable(), 2);
    }
}
