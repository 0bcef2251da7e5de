//! The name of a thread.

/// A thread's name: at most 15 bytes, never a NUL (`TASK_COMM_LEN`, `PR_SET_NAME`).
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Comm([u8; 16]);

impl Comm {
    /// The first 15 bytes of `name`, up to a NUL.
    pub fn new(name: &[u8]) -> Comm {
        let mut out = [0; 16];
        for (to, from) in out.iter_mut().take(15).zip(name.iter().take_while(|&&b| b != 0)) {
            *to = *from;
        }
        Comm(out)
    }

    /// The name that execve(2) gives: what follows the last slash of `path`.
    pub fn from_path(path: &[u8]) -> Comm {
        Comm::new(path.rsplit(|&b| b == b'/').next().unwrap_or(path))
    }

    /// The bytes without terminator.
    pub fn as_bytes(&self) -> &[u8] {
        let len = self.0.iter().position(|&b| b == 0).unwrap_or(15);
        self.0.get(..len).unwrap_or(&[])
    }

    /// All 16 bytes, padded with NULs, as `PR_GET_NAME` gives them.
    pub const fn padded(&self) -> [u8; 16] {
        self.0
    }
}

impl core::fmt::Debug for Comm {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:?}", alloc::string::String::from_utf8_lossy(self.as_bytes()))
    }
}
