//! `/proc/PID/pagemap`: a word for each page of an address space; proc_pid_pagemap(5).

use super::node::Node;
use crate::{FileOps, PathCx, Stat, Whence, cap};
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::IoDst;
use core::any::Any;
use syserr::Errno;

/// Bytes of a word.
const WORD: u64 = 8;
/// Words that are made at once.
const BATCH: u64 = 512;

pub(super) fn open(node: Arc<Node>, tid: i32, cx: &PathCx<'_>) -> Result<Arc<dyn FileOps>, Errno> {
    Ok(Arc::new(PageMap { node, tid, frames: cx.creds.has(cap::SYS_ADMIN) }))
}

struct PageMap {
    node: Arc<Node>,
    tid: i32,
    /// Whether who opened it may know where memory lies.
    frames: bool,
}

impl FileOps for PageMap {
    /// Whole words only (`pagemap_read`).
    fn read_at(&self, dst: &mut dyn IoDst, offset: u64) -> Result<usize, Errno> {
        if !offset.is_multiple_of(WORD) || !dst.remaining().is_multiple_of(WORD) {
            return Err(Errno::EINVAL);
        }
        let mut done = 0;
        while dst.remaining() > 0 {
            let count = (dst.remaining() / WORD).min(BATCH);
            let first = (offset + done as u64) / WORD;
            let words = self.node.source.page_map(self.tid, first, count as usize, self.frames);
            let words = match words {
                Ok(words) if words.is_empty() => break,
                // The address space is gone.
                Err(_) => break,
                Ok(words) => words,
            };
            let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_ne_bytes()).collect();
            match dst.put(&bytes) {
                Ok(n) if n == bytes.len() => done += n,
                Ok(_) | Err(_) if done > 0 => break,
                Ok(_) => return Err(Errno::EFAULT),
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }

    fn seekable(&self) -> bool {
        true
    }

    fn seek(&self, _: i64, _: Whence) -> Result<u64, Errno> {
        Err(Errno::EINVAL)
    }

    fn stat(&self) -> Result<Stat, Errno> {
        Ok(self.node.status())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
