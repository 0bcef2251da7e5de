//! UDP; udp(7).

use super::addr::{self, AF_UNSPEC, InetAddr, Name};
use super::endpoint::{Endpoint, Phase, Shut};
use super::message::{Message, datagram_size};
use super::transfer::SendInfo;
use super::{Domain, Who};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use arch::IoSrc;
use sync::waitq::Events;
use syserr::Errno;

/// The most bytes that one datagram carries over IPv4.
const LONGEST: u64 = 65_507;
/// The most datagrams that one message is cut into (`UDP_MAX_SEGMENTS`).
const SEGMENTS_MAX: usize = 128;
/// The most over IPv6, whose header is not counted.
const LONGEST_V6: u64 = 65_527;

impl Endpoint {
    /// connect(2): chooses whom to talk to, or with `AF_UNSPEC` nobody.
    pub(super) fn connect_udp(
        self: &Arc<Self>,
        who: &Who<'_>,
        address: &[u8],
    ) -> Result<(), Errno> {
        if addr::family(address).ok_or(Errno::EINVAL)? == AF_UNSPEC {
            let mut s = self.state.lock();
            s.phase = Phase::Closed;
            s.peer_name = None;
            return Ok(());
        }
        let to = addr::parse_inet(self.domain, address, self.domain == Domain::Inet6)?;
        let to = to.destination();
        if !to.is_local() {
            return Err(Errno::ENETUNREACH);
        }
        let from = self.source(who, &to)?;
        let mut s = self.state.lock();
        s.name = Some(Name::Inet(from));
        s.peer_name = Some(Name::Inet(to));
        s.phase = Phase::Connected;
        Ok(())
    }

    /// Sends one datagram.
    pub(super) fn send_udp(
        self: &Arc<Self>,
        src: &mut dyn IoSrc,
        info: &mut SendInfo<'_>,
    ) -> Result<usize, Errno> {
        if src.remaining() > LONGEST_V6 {
            return Err(Errno::EMSGSIZE);
        }
        if info.oob {
            return Err(Errno::EOPNOTSUPP);
        }
        let connected = {
            let s = self.state.lock();
            match s.peer_name {
                Some(Name::Inet(a)) => Some(a),
                _ => None,
            }
        };
        let to = match info.to {
            Some(bytes) => {
                let to = addr::parse_inet(self.domain, bytes, true)?;
                if to.port == 0 {
                    return Err(Errno::EINVAL);
                }
                to.destination()
            }
            None => connected.ok_or(Errno::EDESTADDRREQ)?,
        };
        if to.is_v4() && src.remaining() > LONGEST {
            return Err(Errno::EMSGSIZE);
        }
        if !to.is_local() {
            return Err(Errno::ENETUNREACH);
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
        let mut from = match &info.who {
            Some(who) => self.source(who, &to)?,
            None => self.bound().ok_or(Errno::EDESTADDRREQ)?,
        };
        if let Some(ip) = info.packet.source {
            from.ip = ip;
            if !from.is_local() && from.is_v4() {
                return Err(Errno::ENETUNREACH);
            }
            if !from.is_local() || from.is_v4() != to.is_v4() {
                return Err(Errno::EINVAL);
            }
        }
        let len = src.remaining() as usize;
        let segment = usize::from(info.packet.segment.unwrap_or_else(|| self.options.segment()));
        if segment > 0 && len > segment * SEGMENTS_MAX {
            return Err(Errno::EINVAL);
        }
        let mut data = vec![0; len];
        if len > 0 && src.take(&mut data)? < len {
            return Err(Errno::EFAULT);
        }
        let Some(other) = self.udp_receiver(&to, &from) else {
            // The message that nobody is there comes back, to whom it can be attributed.
            if info.to.is_none() {
                self.state.lock().error = Some(Errno::ECONNREFUSED);
                self.queue.notify(Events::ERR);
            }
            return Ok(len);
        };
        if segment == 0 || len <= segment {
            self.deliver_to(&other, from, to, data, info);
        } else {
            for part in data.chunks(segment) {
                self.deliver_to(&other, from, to, part.to_vec(), info);
            }
        }
        Ok(len)
    }

    /// Hands one datagram over; it is lost if there is no room for it.
    fn deliver_to(
        &self,
        other: &Endpoint,
        from: InetAddr,
        to: InetAddr,
        data: Vec<u8>,
        info: &SendInfo<'_>,
    ) {
        let room = {
            let o = other.state.lock();
            !o.shut.contains(Shut::RECEIVE) && o.inbox.size() <= other.options.rcvbuf()
        };
        if room {
            let size = datagram_size(data.len());
            other.deliver(Message {
                from: Some(Name::Inet(from)),
                stamp: other.arrival(),
                headers: self.headers(other, to, &info.packet),
                ..Message::new(data, size)
            });
        }
    }

    /// Who gets a datagram: one connected to its sender before one that is not.
    fn udp_receiver(&self, to: &InetAddr, from: &InetAddr) -> Option<Arc<Endpoint>> {
        let mut open = None;
        for e in self.net.udp.find(to) {
            let peer = e.state.lock().peer_name.clone();
            match peer {
                Some(Name::Inet(p)) if p == *from => return Some(e),
                Some(_) => {}
                None => open = open.or(Some(e)),
            }
        }
        open
    }
}
