//! What lies in a socket's queue: bytes, and what travels with them.

use super::addr::Name;
use super::ancillary::Headers;
use super::endpoint::Endpoint;
use super::inflight::Rights;
use crate::Nanos;
use crate::UserNs;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `struct ucred`; unix(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Ucred {
    /// Process ID.
    pub pid: i32,
    /// User ID; of what is not for a program yet, the initial namespace's.
    pub uid: u32,
    /// Group ID, likewise.
    pub gid: u32,
}
static_assertions::assert_eq_size!(Ucred, [u8; 12]);

impl Ucred {
    /// A sender that did not say who it is.
    pub(super) const UNKNOWN: Ucred = Ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };

    /// The same user and group, as `ns` shows them.
    #[must_use]
    pub fn seen_by(self, ns: &UserNs) -> Ucred {
        Ucred { pid: self.pid, uid: ns.show_uid(self.uid), gid: ns.show_gid(self.gid) }
    }
}

/// One `sk_buff`.
pub(super) struct Message {
    pub(super) data: Vec<u8>,
    /// Bytes at the front of `data` that were read already.
    pub(super) start: usize,
    /// When it came, where somebody asked before.
    pub(super) stamp: Option<Nanos>,
    /// What its headers said, where somebody asked before.
    pub(super) headers: Option<Headers>,
    /// Bytes that a frame had of which this is what a filter let through.
    pub(super) whole: Option<usize>,
    /// The sender's name when it was sent.
    pub(super) from: Option<Name>,
    pub(super) creds: Option<Ucred>,
    pub(super) rights: Option<Rights>,
    /// Memory that it counts for at the receiver.
    pub(super) size: usize,
    pub(super) charge: Option<Charge>,
}

impl Message {
    /// Bytes that nobody sent in particular.
    pub(super) fn new(data: Vec<u8>, size: usize) -> Message {
        Message {
            data,
            start: 0,
            stamp: None,
            headers: None,
            whole: None,
            from: None,
            creds: None,
            rights: None,
            size,
            charge: None,
        }
    }

    /// What was not read yet.
    pub(super) fn unread(&self) -> &[u8] {
        self.data.get(self.start..).unwrap_or_default()
    }
}

/// Memory that counts against its sender's buffer as long as this lives.
pub(super) struct Charge {
    to: Arc<Endpoint>,
    amount: usize,
}

impl Charge {
    pub(super) fn new(to: &Arc<Endpoint>, amount: usize) -> Charge {
        to.sent.fetch_add(amount, Relaxed);
        Charge { to: to.clone(), amount }
    }

    /// Counts more.
    pub(super) fn grow(&mut self, by: usize) {
        self.to.sent.fetch_add(by, Relaxed);
        self.amount += by;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.to.sent.fetch_sub(self.amount, Relaxed);
        self.to.tell_writable();
    }
}

/// Bytes that the linear part of an `sk_buff` has room for in one page (`SKB_MAX_HEAD(0)`).
const HEAD_ROOM: usize = 4096 - SHARED_INFO;
/// `sizeof(struct skb_shared_info)`, aligned.
const SHARED_INFO: usize = 320;
/// `sizeof(struct sk_buff)`, aligned.
const SK_BUFF: usize = 256;
/// Bytes in pages beside the linear part that one piece of a stream has (`UNIX_SKB_FRAGS_SZ`).
const FRAGS: usize = 32_768;

/// The most bytes that one piece of a stream holds.
pub(super) const PIECE_MAX: usize = HEAD_ROOM + FRAGS;

/// Memory that a piece of a stream counts for: `truesize` of the `sk_buff` that Linux makes.
pub(super) fn piece_size(len: usize) -> usize {
    let pages = len.saturating_sub(HEAD_ROOM).next_multiple_of(4096).min(len);
    linear(len - pages) + pages.next_multiple_of(4096)
}

/// Memory that a datagram counts for. Only what exceeds four pages lies in pages of its own.
pub(super) fn datagram_size(len: usize) -> usize {
    const LINEAR_MAX: usize = 4 * 4096 - SHARED_INFO;
    let pages = len.saturating_sub(LINEAR_MAX).next_multiple_of(4096).min(len);
    linear(len - pages) + pages.next_multiple_of(4096)
}

fn linear(len: usize) -> usize {
    // As kmalloc rounds: powers of two, and their halves in between only for small sizes.
    (len + SHARED_INFO).next_power_of_two() + SK_BUFF
}
