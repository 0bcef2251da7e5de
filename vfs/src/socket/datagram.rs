//! Sending AF_UNIX messages with boundaries: datagrams and sequenced packets.

use super::Kind;
use super::addr;
use super::endpoint::{Endpoint, Phase, READABLE, Shut, WRITABLE};
use super::inflight::Rights;
use super::message::{Charge, Message, datagram_size};
use super::transfer::SendInfo;
use alloc::sync::Arc;
use alloc::vec;
use arch::IoSrc;
use syserr::Errno;

/// Bytes of a send buffer that no message can use.
const RESERVED: usize = 32;

impl Endpoint {
    /// Sends one message, whole or not at all.
    pub(super) fn send_message(
        self: &Arc<Self>,
        src: &mut dyn IoSrc,
        info: &mut SendInfo<'_>,
    ) -> Result<usize, Errno> {
        let named = if self.kind == Kind::SeqPacket {
            let mut s = self.state.lock();
            if let Some(e) = s.error.take() {
                return Err(e);
            }
            if s.phase != Phase::Connected {
                return Err(Errno::ENOTCONN);
            }
            None
        } else {
            info.to
        };
        if info.oob {
            return Err(Errno::EOPNOTSUPP);
        }
        let name = named.map(addr::parse_unix).transpose()?;
        self.autobind_for_creds()?;
        let len = src.remaining();
        if len > self.options.sndbuf().saturating_sub(RESERVED) as u64 {
            return Err(Errno::EMSGSIZE);
        }
        {
            let mut s = self.state.lock();
            if let Some(e) = s.error.take() {
                return Err(e);
            }
            if s.shut.contains(Shut::SEND) {
                return Err(Errno::EPIPE);
            }
        }
        if !self.may_send() {
            return Err(Errno::EAGAIN);
        }
        let peer = self.state.lock().peer.clone();
        let other = match (name, info.who, peer) {
            (Some(name), Some(who), _) => self.find_unix(&who, &name)?,
            (Some(_), None, _) | (None, _, None) => return Err(Errno::ENOTCONN),
            (None, _, Some(p)) => p,
        };
        if !self.may_talk_to(&other) {
            return Err(Errno::EPERM);
        }
        let (dead, shut) = {
            let o = other.state.lock();
            (o.dead, o.shut.contains(Shut::RECEIVE))
        };
        if dead {
            return Err(self.peer_is_dead(&other));
        }
        if shut {
            return Err(Errno::EPIPE);
        }
        if self.is_held_up_by(&other, true) {
            return Err(Errno::EAGAIN);
        }
        let len = len as usize;
        let mut data = vec![0; len];
        if len > 0 {
            let n = src.take(&mut data)?;
            if n < len {
                src.untake(n);
                return Err(Errno::EFAULT);
            }
        }
        // What the receiver's filter takes nothing of is lost without a word.
        if !other.filters(&[], &mut data) {
            return Ok(len);
        }
        let size = datagram_size(len);
        let shows =
            self.options.asks_sender() || other.options.asks_sender() || info.explicit_creds;
        let creds = shows.then_some(info.creds);
        let from = self.state.lock().name.clone();
        let charge = Some(Charge::new(self, size));
        let stamp = other.arrival();
        let mut message = Message { from, creds, charge, stamp, ..Message::new(data, size) };
        let _still = (!info.files.is_empty()).then(|| self.net.inflight.moving.read());
        if !info.files.is_empty() {
            message.rights =
                Some(Rights::new(&self.net, core::mem::take(&mut info.files), info.limit)?);
        }
        let mut o = other.state.lock();
        if o.dead {
            drop(o);
            info.files = message.rights.map(Rights::land).unwrap_or_default();
            src.untake(len);
            return Err(self.peer_is_dead(&other));
        }
        o.inbox.push(message);
        drop(o);
        other.queue.notify(READABLE);
        Ok(len)
    }

    /// What sending to a socket that is gone says; a connection to it ends.
    fn peer_is_dead(self: &Arc<Self>, other: &Arc<Endpoint>) -> Errno {
        if self.kind == Kind::SeqPacket {
            return Errno::EPIPE;
        }
        let was = {
            let mut s = self.state.lock();
            let is_peer = s.peer.as_ref().is_some_and(|p| Arc::ptr_eq(p, other));
            if is_peer {
                s.phase = Phase::Closed;
            }
            if is_peer { s.peer.take() } else { None }
        };
        if was.is_some() {
            self.disconnected(other);
            // Nobody is in the way of what is sent next (`unix_dgram_peer_wake_disconnect_wakeup`).
            self.queue.notify(WRITABLE);
        }
        Errno::ECONNREFUSED
    }
}
