//! The bytes of a regular file.

use alloc::sync::Arc;
use alloc::vec;
use arch::{BufDst, BufSrc};
use mm::MemoryObject;
use syserr::Errno;

use super::MemFs;
use crate::FileOps;

/// How much is copied at a time, in bytes.
const CHUNK: usize = 256 << 10;

pub(super) enum Content {
    /// Pages of this file.
    Own(Arc<MemoryObject>),
    /// The lower's, opened when first asked for.
    Lower(Option<Arc<dyn FileOps>>),
}

impl Content {
    pub(super) fn empty(fs: &MemFs) -> Content {
        Content::Own(Arc::new(fs.empty_object()))
    }

    pub(super) fn is_own(&self) -> bool {
        matches!(self, Content::Own(_))
    }

    /// A copy of `from`; stretches of zeroes become holes.
    pub(super) fn copy(from: &dyn FileOps, fs: &MemFs) -> Result<Content, Errno> {
        let object = fs.empty_object();
        let mut buf = vec![0; CHUNK];
        let mut at = 0;
        loop {
            let n = from.read_at(&mut BufDst::new(&mut buf), at)?;
            let bytes = buf.get(..n).unwrap_or(&[]);
            if bytes.is_empty() {
                break;
            }
            if bytes.iter().any(|b| *b != 0) {
                let written = object.write_at(at, &mut BufSrc::new(bytes))?;
                if written < n {
                    return Err(Errno::ENOSPC);
                }
            }
            at += n as u64;
        }
        object.truncate(at)?;
        Ok(Content::Own(Arc::new(object)))
    }
}
