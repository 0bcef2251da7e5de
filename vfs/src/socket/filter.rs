//! Filters that sockets have for what comes to them; socket(7), `SO_ATTACH_FILTER`.

use super::endpoint::Endpoint;
use super::link;
use crate::bpf::{self, Dialect, Instruction, Program};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use sync::Mutex;
use syserr::Errno;
use zerocopy::{FromBytes, IntoBytes};

/// `SKF_NET_OFF` and `SKF_LL_OFF`: places from the header of the network, and of the link.
const NET: u32 = -0x10_0000i32 as u32;
const LINK: u32 = -0x20_0000i32 as u32;
/// `SKF_AD_PROTOCOL`, `SKF_AD_PKTTYPE`, `SKF_AD_IFINDEX`, `SKF_AD_HATYPE`.
mod ad {
    pub(super) const PROTOCOL: u32 = 0;
    pub(super) const KIND: u32 = 4;
    pub(super) const INDEX: u32 = 8;
    pub(super) const HARDWARE: u32 = 28;
}

/// The filter of a socket.
#[derive(Default)]
pub(super) struct Filter {
    program: Mutex<Option<Arc<Program>>>,
    /// There is one.
    is: AtomicBool,
    /// It stays as it is (`SO_LOCK_FILTER`).
    pub(super) locked: AtomicBool,
}

/// What comes, as a filter looks at it.
pub(super) struct View<'a> {
    /// From the first header that there is.
    pub(super) bytes: &'a [u8],
    /// Where the filter's own places begin.
    pub(super) start: usize,
    /// Where the header of the network is.
    pub(super) network: usize,
    /// `sll_protocol` and `sll_pkttype`.
    pub(super) protocol: u16,
    pub(super) kind: u8,
}

impl<'a> View<'a> {
    /// Bytes without headers below.
    pub(super) fn plain(bytes: &'a [u8]) -> View<'a> {
        View { bytes, start: 0, network: 0, protocol: 0, kind: 0 }
    }
}

impl bpf::Data for View<'_> {
    fn size(&self) -> u32 {
        self.bytes.len().saturating_sub(self.start) as u32
    }

    fn load(&self, at: u32, size: u32) -> Option<u32> {
        let (base, at) = match at {
            NET.. => (self.network, at - NET),
            LINK.. => (0, at - LINK),
            _ if at > i32::MAX as u32 => return None,
            _ => (self.start, at),
        };
        let at = base.checked_add(at as usize)?;
        let bytes = self.bytes.get(at..at.checked_add(size as usize)?)?;
        Some(bytes.iter().fold(0, |v, b| v << 8 | u32::from(*b)))
    }

    fn extension(&self, which: u32) -> u32 {
        match which {
            ad::PROTOCOL => self.protocol.into(),
            ad::KIND => self.kind.into(),
            ad::INDEX => link::INDEX as u32,
            ad::HARDWARE => link::HARDWARE.into(),
            _ => 0,
        }
    }
}

impl Filter {
    /// Takes a filter, as an array of `struct sock_filter`.
    ///
    /// # Errors
    /// `EPERM` where it is locked; `EINVAL`.
    pub(super) fn attach(&self, code: &[u8]) -> Result<(), Errno> {
        if self.locked.load(Relaxed) {
            return Err(Errno::EPERM);
        }
        let (code, rest) = code.as_chunks::<{ size_of::<Instruction>() }>();
        if !rest.is_empty() {
            return Err(Errno::EINVAL);
        }
        let code = code.iter().map(|c| Instruction::read_from_bytes(c).map_err(|_| Errno::EINVAL));
        let program = Program::new(code.collect::<Result<_, _>>()?, Dialect::Socket)?;
        *self.program.lock() = Some(Arc::new(program));
        self.is.store(true, Relaxed);
        Ok(())
    }

    /// Gives the filter up.
    ///
    /// # Errors
    /// `EPERM` where it is locked; `ENOENT`.
    pub(super) fn detach(&self) -> Result<(), Errno> {
        if self.locked.load(Relaxed) {
            return Err(Errno::EPERM);
        }
        self.is.store(false, Relaxed);
        self.program.lock().take().map(drop).ok_or(Errno::ENOENT)
    }

    /// The instructions, as an array of `struct sock_filter`.
    pub(super) fn code(&self) -> Vec<u8> {
        self.program.lock().as_ref().map_or_else(Vec::new, |p| p.code().as_bytes().to_vec())
    }

    /// The filter of the listener that a connection came to.
    pub(super) fn inherit(&self, from: &Filter) {
        *self.program.lock() = from.program.lock().clone();
        self.is.store(from.is.load(Relaxed), Relaxed);
        self.locked.store(from.locked.load(Relaxed), Relaxed);
    }

    /// How many bytes of what comes are let through, from the filter's first place on; `None` for
    /// nothing at all.
    pub(super) fn keeps(&self, view: &View<'_>) -> Option<usize> {
        let most = view.bytes.len().saturating_sub(view.start);
        if !self.is.load(Relaxed) {
            return Some(most);
        }
        let program = self.program.lock().clone();
        let kept = program.map_or(u32::MAX, |p| p.run(view)) as usize;
        (kept > 0).then_some(kept.min(most))
    }
}

impl Endpoint {
    /// Cuts a message to what the filter lets through of it, which sees the header `head` before it;
    /// false for nothing at all.
    pub(super) fn filters(&self, head: &[u8], data: &mut Vec<u8>) -> bool {
        if !self.filter.is.load(Relaxed) {
            return true;
        }
        let bytes = [head, data].concat();
        let kept = self.filter.keeps(&View::plain(&bytes));
        kept.map(|n| data.truncate(n.saturating_sub(head.len()))).is_some()
    }
}
