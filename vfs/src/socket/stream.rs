//! Sending on connections without message boundaries: AF_UNIX streams and TCP.

use super::Domain;
use super::endpoint::{Endpoint, Phase, READABLE, Shut};
use super::inflight::Rights;
use super::message::{Charge, Message, PIECE_MAX, piece_size};
use super::transfer::SendInfo;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use arch::IoSrc;
use sync::waitq::Events;
use syserr::Errno;

/// The most bytes of one piece over TCP.
const SEGMENT_MAX: usize = 65_536;

impl Endpoint {
    /// Sends what fits.
    pub(super) fn send_stream(
        self: &Arc<Self>,
        src: &mut dyn IoSrc,
        info: &mut SendInfo<'_>,
    ) -> Result<usize, Errno> {
        let peer = if self.is_tcp() { self.tcp_peer()? } else { self.unix_peer(info)? };
        if info.oob && !self.is_tcp() && src.remaining() == 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        let mut done = 0;
        while src.remaining() > 0 {
            match self.send_piece(&peer, src, info) {
                Ok(n) => done += n,
                Err(e) if done > 0 => {
                    self.keep_error(e);
                    break;
                }
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }

    fn unix_peer(&self, info: &SendInfo<'_>) -> Result<Arc<Endpoint>, Errno> {
        let s = self.state.lock();
        if info.to.is_some() {
            let connected = s.phase == Phase::Connected;
            return Err(if connected { Errno::EISCONN } else { Errno::EOPNOTSUPP });
        }
        let peer = s.peer.clone().ok_or(Errno::ENOTCONN)?;
        if s.shut.contains(Shut::SEND) { Err(Errno::EPIPE) } else { Ok(peer) }
    }

    fn tcp_peer(&self) -> Result<Arc<Endpoint>, Errno> {
        let mut s = self.state.lock();
        if s.phase == Phase::Connecting {
            return Err(Errno::EAGAIN);
        }
        if s.shut.contains(Shut::SEND) || s.phase != Phase::Connected {
            return Err(s.error.take().unwrap_or(Errno::EPIPE));
        }
        s.peer.clone().ok_or(Errno::EPIPE)
    }

    fn send_piece(
        self: &Arc<Self>,
        peer: &Arc<Endpoint>,
        src: &mut dyn IoSrc,
        info: &mut SendInfo<'_>,
    ) -> Result<usize, Errno> {
        if let Some(e) = self.take_error() {
            return Err(e);
        }
        if !self.may_send() {
            return Err(Errno::EAGAIN);
        }
        let tcp = self.domain != Domain::Unix;
        let most = match tcp {
            true => SEGMENT_MAX.min(self.options.sndbuf()),
            false => PIECE_MAX.min((self.options.sndbuf() / 2).saturating_sub(64)),
        };
        let mut n = src.remaining().min(most as u64) as usize;
        // On AF_UNIX an urgent byte is a piece of its own.
        if info.oob && !tcp && n > 1 && n as u64 == src.remaining() {
            n -= 1;
        }
        let mut data = vec![0; n];
        match src.take(&mut data) {
            Ok(k) if k == n => {}
            Ok(k) => {
                src.untake(k);
                return Err(Errno::EFAULT);
            }
            Err(e) => return Err(e),
        }
        let urgent = info.oob && src.remaining() == 0;
        let sent = if tcp {
            self.push_segment(peer, data, urgent)
        } else {
            self.push(peer, data, info, urgent)
        };
        if sent.is_err() {
            src.untake(n);
        }
        sent.map(|()| n)
    }

    fn push(
        self: &Arc<Self>,
        peer: &Arc<Endpoint>,
        data: Vec<u8>,
        info: &mut SendInfo<'_>,
        urgent: bool,
    ) -> Result<(), Errno> {
        let urgent = data.last().copied().filter(|_| urgent);
        let size = piece_size(data.len());
        let shows = self.options.asks_sender() || peer.options.asks_sender() || info.explicit_creds;
        let creds = shows.then_some(info.creds);
        let from = self.state.lock().name.clone();
        let charge = Some(Charge::new(self, size));
        let mut message = Message { from, creds, charge, ..Message::new(data, size) };
        let _still = (!info.files.is_empty()).then(|| self.net.inflight.moving.read());
        if !info.files.is_empty() {
            message.rights =
                Some(Rights::new(&self.net, core::mem::take(&mut info.files), info.limit)?);
        }
        let mut p = peer.state.lock();
        if p.dead || p.shut.contains(Shut::RECEIVE) {
            drop(p);
            // The caller keeps its own references, so nothing ends here.
            info.files = message.rights.map(Rights::land).unwrap_or_default();
            return Err(Errno::EPIPE);
        }
        p.inbox.push(message);
        if let Some(byte) = urgent {
            // One before it becomes a byte like others.
            p.mark_urgent(byte);
        }
        drop(p);
        if urgent.is_some() {
            peer.tell_urgent();
        }
        peer.queue.notify(READABLE);
        Ok(())
    }

    fn push_segment(
        self: &Arc<Self>,
        peer: &Arc<Endpoint>,
        data: Vec<u8>,
        urgent: bool,
    ) -> Result<(), Errno> {
        let mut p = peer.state.lock();
        let gone = p.dead;
        if gone {
            drop(p);
            // The segment goes out, and a reset comes back.
            let mut s = self.state.lock();
            let open = !s.shut.contains(Shut::SEND);
            self.net.transport.tcp.data.add(1);
            self.net.transport.tcp.segments.add(1);
            self.net.transport.tcp.count_reset(u64::from(open));
            let ended = s.shut.contains(Shut::RECEIVE);
            s.error = Some(if ended { Errno::EPIPE } else { Errno::ECONNRESET });
            s.phase = Phase::Closed;
            s.shut = Shut::all();
            drop(s);
            self.queue.notify(Events::all());
            return Ok(());
        }
        let stamp = peer.arrival();
        let urgent = data.last().copied().filter(|_| urgent);
        let lost = urgent.and_then(|_| p.forget_urgent(peer.urgent_inline()));
        if !p.inbox.merge(&data, stamp) {
            let size = data.len();
            let charge = Some(Charge::new(self, size));
            p.inbox.push(Message { charge, stamp, ..Message::new(data, size) });
        }
        if let Some(byte) = urgent {
            p.mark_urgent(byte);
        }
        drop(p);
        drop(lost);
        self.net.transport.tcp.count_data();
        if urgent.is_some() {
            peer.tell_urgent();
        }
        peer.queue.notify(READABLE);
        Ok(())
    }
}
