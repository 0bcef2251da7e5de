//! Urgent data of TCP and of AF_UNIX streams: one byte of the stream that can be taken before its
//! turn; tcp(7), unix(7), `MSG_OOB`.

use super::Domain;
use super::endpoint::{Endpoint, State};
use super::message::Message;
use super::option_names::{SOL_SOCKET, so};
use super::transfer::{ReceiveFlags, Received};
use arch::IoDst;
use sync::waitq::Events;
use syserr::Errno;

/// Where the urgent byte stands. A later one takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Urgent {
    /// Bytes that are to be read before it.
    pub(super) ahead: usize,
    /// The byte, until it is taken.
    byte: Option<u8>,
    /// Only its place is left in the stream: on AF_UNIX a byte that is taken goes at once.
    gone: bool,
}

impl State {
    /// Whether the stream is read up to the mark (`SIOCATMARK`).
    pub(super) fn at_mark(&self) -> bool {
        self.urgent.is_some_and(|u| u.ahead == 0)
    }

    /// Whether there is a byte to take.
    pub(super) fn has_urgent(&self) -> bool {
        self.urgent.is_some_and(|u| u.byte.is_some())
    }

    /// Before a segment with an urgent byte is queued: one that stands first in the stream and was
    /// not read goes (`tcp_check_urg`).
    pub(super) fn forget_urgent(&mut self, inline: bool) -> Option<Message> {
        let first = self.at_mark() && !inline && self.inbox.bytes() > 0;
        if first { self.inbox.discard_byte() } else { None }
    }

    /// The byte that was queued last is urgent.
    pub(super) fn mark_urgent(&mut self, byte: u8) {
        let ahead = self.inbox.bytes().saturating_sub(1);
        self.urgent = Some(Urgent { ahead, byte: Some(byte), gone: false });
    }

    /// Passes over the urgent byte, where it is next and not a part of the stream.
    pub(super) fn skip_urgent(&mut self, inline: bool) -> Option<Message> {
        if inline || !self.at_mark() {
            return None;
        }
        let gone = self.urgent.take().is_some_and(|u| u.gone);
        if gone { None } else { self.inbox.discard_byte() }
    }

    /// Whether the stream has no byte at the mark, where it is read up to it.
    pub(super) fn is_at_gone(&self) -> bool {
        self.urgent.is_some_and(|u| u.ahead == 0 && u.gone)
    }

    /// `n` bytes of the stream were read.
    pub(super) fn read_past(&mut self, n: usize) {
        if let Some(u) = &mut self.urgent
            && n > 0
        {
            match u.ahead.checked_sub(n) {
                Some(ahead) if u.ahead > 0 => u.ahead = ahead,
                _ => self.urgent = None,
            }
        }
    }
}

impl Endpoint {
    /// Whether urgent bytes are a part of the stream (`SO_OOBINLINE`).
    pub(super) fn urgent_inline(&self) -> bool {
        self.options.number(SOL_SOCKET, so::OOBINLINE) == Some(1)
    }

    /// Tells pollers, and whoever owns the description, that there is an urgent byte.
    pub(super) fn tell_urgent(&self) {
        self.queue.notify(Events::PRI);
        self.queue.notify(Events::RDBAND);
    }

    /// Takes the urgent byte; recv(2) with `MSG_OOB` (`tcp_recv_urg`,
    /// `unix_stream_recv_urg`).
    ///
    /// # Errors
    /// `EINVAL` where there is none to take; `EFAULT`, and the byte is lost.
    pub(super) fn receive_urgent(
        &self,
        dst: &mut dyn IoDst,
        flags: ReceiveFlags,
    ) -> Result<Received, Errno> {
        if self.urgent_inline() {
            return Err(Errno::EINVAL);
        }
        let mut s = self.state.lock();
        let urgent = s.urgent.as_mut().ok_or(Errno::EINVAL)?;
        let byte = urgent.byte.ok_or(Errno::EINVAL)?;
        let mut taken = None;
        if !flags.contains(ReceiveFlags::PEEK) {
            urgent.byte = None;
            if self.domain == Domain::Unix {
                urgent.gone = true;
                let ahead = urgent.ahead;
                taken = s.inbox.remove_at(ahead);
            }
        }
        drop(s);
        self.net.inflight.bury(taken);
        let room = dst.remaining() > 0;
        // Of a connection, that drops the byte.
        if room && !(self.is_tcp() && flags.contains(ReceiveFlags::TRUNC)) {
            dst.put(&[byte])?;
        }
        let bytes = room.into();
        Ok(Received { bytes, truncated: !room, urgent: true, ended: true, ..Received::default() })
    }
}
