//! UDP, and UDP-Lite, whose sums nobody here needs either; udp(7), udplite(7).

use super::addr::{self, AF_UNSPEC, InetAddr, Name};
use super::ancillary::Headers;
use super::choose::IPPROTO_UDPLITE;
use super::endpoint::{Chosen, Endpoint, Phase, Shut};
use super::errors::Refusal;
use super::ip_packet::{self, IpPacket, Route};
use super::message::{Message, datagram_size};
use super::ports::Ports;
use super::transfer::{SendInfo, take_all};
use super::transport_counters::DatagramCounters;
use super::{Domain, Kind, PacketOptions, Who, ports};
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::IoSrc;
use syserr::Errno;

/// The most bytes that one datagram carries over IPv4.
const LONGEST: u64 = 65_507;
/// The most datagrams that one message is cut into (`UDP_MAX_SEGMENTS`).
const SEGMENTS_MAX: usize = 128;
/// The most over IPv6, whose header is not counted.
const LONGEST_V6: u64 = 65_527;

/// A datagram that is on its way, or kept back until it is whole.
pub(super) struct Corked {
    to: InetAddr,
    from: InetAddr,
    packet: PacketOptions,
    /// It went to the connected peer.
    connected: bool,
    data: Vec<u8>,
}

impl Endpoint {
    /// connect(2): chooses whom to talk to, or with `AF_UNSPEC` nobody.
    pub(super) fn connect_udp(
        self: &Arc<Self>,
        who: &Who<'_>,
        address: &[u8],
    ) -> Result<(), Errno> {
        if addr::family(address).ok_or(Errno::EINVAL)? == AF_UNSPEC {
            self.disconnect_udp();
            return Ok(());
        }
        let to = addr::parse_inet(self.domain, address, self.domain == Domain::Inet6)?;
        let to = to.destination();
        self.may_reach(&to)?;
        let from = self.source(who, &to)?;
        let mut s = self.state.lock();
        s.name = Some(Name::Inet(from));
        s.peer_name = Some(Name::Inet(to));
        s.phase = Phase::Connected;
        Ok(())
    }

    /// connect(2) to nowhere: what bind(2) did not choose is given back (`__udp_disconnect`).
    fn disconnect_udp(&self) {
        let mut s = self.state.lock();
        s.phase = Phase::Closed;
        s.peer_name = None;
        let Some(Name::Inet(mut own)) = s.name else { return };
        if !s.chosen.contains(Chosen::ADDRESS) {
            own.ip = InetAddr::any(self.domain).ip;
        }
        let keeps = s.chosen.contains(Chosen::PORT);
        s.name = keeps.then_some(Name::Inet(own));
        drop(s);
        if !keeps {
            self.give_back(own.port);
        }
    }

    /// Whether packets to an address go anywhere.
    pub(super) fn may_reach(&self, to: &InetAddr) -> Result<(), Errno> {
        let here = |a: &InetAddr| a.is_local() || self.net.link.owns(a);
        let own = || self.bound().is_some_and(|a| a.is_v4() && here(&a));
        let known = match to {
            to if here(to) => self.net.link.reaches(to).map(|()| true)?,
            _ if !self.net.link.is_up() => false,
            to if to.is_group() && to.is_multicast() => {
                own() || self.options.multicast_interface().is_some()
            }
            to => to.is_group() && own(),
        };
        if !known {
            return Err(Errno::ENETUNREACH);
        }
        if self.net.link.is_broadcast(to) && !self.options.broadcast() {
            return Err(Errno::EACCES);
        }
        Ok(())
    }

    /// Where a message goes.
    fn send_to(&self, info: &SendInfo<'_>) -> Result<InetAddr, Errno> {
        let s = self.state.lock();
        if let Some(c) = &s.corked {
            return Ok(c.to);
        }
        let six = self.domain == Domain::Inet6;
        // An IPv6 socket takes an address of no family for none.
        let named = info.to.filter(|a| !(six && addr::family(a) == Some(AF_UNSPEC)));
        let Some(bytes) = named else {
            return match s.peer_name {
                Some(Name::Inet(a)) => Ok(a),
                _ => Err(Errno::EDESTADDRREQ),
            };
        };
        drop(s);
        let to = match addr::parse_inet(self.domain, bytes, true) {
            Err(Errno::EAFNOSUPPORT) if six => Err(Errno::EINVAL),
            to => to,
        }?;
        if to.port == 0 { Err(Errno::EINVAL) } else { Ok(to.destination()) }
    }

    /// Where a datagram to `to` comes from.
    pub(super) fn send_from(
        self: &Arc<Self>,
        to: &InetAddr,
        info: &SendInfo<'_>,
    ) -> Result<InetAddr, Errno> {
        let mut from = match &info.who {
            Some(who) => self.source(who, to)?,
            None => self.bound().ok_or(Errno::EDESTADDRREQ)?,
        };
        if let Some(ip) = info.packet.source {
            from.ip = ip;
            let here = from.is_local() || self.net.link.owns(&from);
            if !here && from.is_v4() {
                return Err(Errno::ENETUNREACH);
            }
            if !here || from.is_v4() != to.is_v4() {
                return Err(Errno::EINVAL);
            }
        }
        Ok(from)
    }

    /// Whether nothing is wrong that a message without a connection would hear of.
    pub(super) fn may_send_now(&self) -> Result<(), Errno> {
        let mut s = self.state.lock();
        if let Some(e) = s.error.take() {
            return Err(e);
        }
        if s.shut.contains(Shut::SEND) { Err(Errno::EPIPE) } else { Ok(()) }
    }

    /// Sends one datagram, or a part of one.
    pub(super) fn send_udp(
        self: &Arc<Self>,
        src: &mut dyn IoSrc,
        info: &mut SendInfo<'_>,
    ) -> Result<usize, Errno> {
        // Who sends has a port from then on, whatever becomes of it (`inet_send_prepare`).
        if let Some(who) = info.who.as_ref().filter(|_| self.bound().is_none()) {
            self.take_port(who, InetAddr::any(self.domain))?;
        }
        if src.remaining() > LONGEST_V6 {
            return Err(Errno::EMSGSIZE);
        }
        if info.oob && self.domain == Domain::Inet {
            return Err(Errno::EOPNOTSUPP);
        }
        let to = self.send_to(info)?;
        if info.oob && to.is_v4() {
            return Err(Errno::EOPNOTSUPP);
        }
        let longest = if to.is_v4() { LONGEST } else { LONGEST_V6 };
        let begun = self.state.lock().corked.as_ref().map_or(0, |c| c.data.len());
        if src.remaining() + begun as u64 > longest {
            self.state.lock().corked = None;
            return Err(Errno::EMSGSIZE);
        }
        self.may_reach(&to)?;
        self.may_send_now()?;
        let from = self.send_from(&to, info)?;
        let len = src.remaining() as usize;
        let segment = usize::from(info.packet.segment.unwrap_or_else(|| self.options.segment()));
        if segment > 0 && len > segment * SEGMENTS_MAX {
            return Err(Errno::EINVAL);
        }
        let mut data = take_all(src)?;
        let more = info.more || self.options.udp_cork();
        let mut s = self.state.lock();
        let whole = match s.corked.take() {
            Some(mut c) if c.data.len() + len <= longest as usize => {
                c.data.append(&mut data);
                c
            }
            begun => {
                s.corked = begun;
                let peer = s.peer_name == Some(Name::Inet(to));
                let connected = info.to.is_none() || peer;
                Corked { to, from, packet: info.packet, connected, data }
            }
        };
        if more && s.corked.is_none() {
            s.corked = Some(whole);
            return Ok(len);
        }
        drop(s);
        self.transmit(whole, segment);
        Ok(len)
    }

    /// Sends what was kept back; `UDP_CORK` off.
    pub(super) fn uncork(&self) {
        let whole = self.state.lock().corked.take();
        if let Some(whole) = whole {
            self.transmit(whole, 0);
        }
    }

    /// Sends datagrams of at most `segment` bytes, or one.
    fn transmit(&self, d: Corked, segment: usize) {
        let pieces = if segment == 0 { 1 } else { d.data.len().div_ceil(segment).max(1) };
        let counters = self.datagram_counters(&d.to);
        if let Some(c) = counters {
            c.sent.add(pieces as u64);
        }
        let packet = self.net.is_watched().then(|| self.show_datagram(&d, segment)).flatten();
        if d.to.is_multicast() || self.net.link.is_broadcast(&d.to) {
            return self.transmit_to_all(&d);
        }
        let Some(other) = self.ports().receiver(&d.to, &d.from) else {
            let why = Refusal::no_port(d.to.is_v4());
            self.net.icmp.count_refusal(d.to.is_v4());
            if let Some(c) = counters {
                c.no_port.add(1);
            }
            if let Some(p) = packet {
                self.net.show_refusal(&p);
            }
            return self.refused(d.to, &d.data, why, d.connected);
        };
        let headers = || self.headers(&other, d.to, &d.packet);
        if segment == 0 || d.data.len() <= segment {
            return other.deliver_from(d.from, headers(), d.data);
        }
        for part in d.data.chunks(segment) {
            other.deliver_from(d.from, headers(), part.to_vec());
        }
    }

    /// Sends to everybody whom an address of many means.
    fn transmit_to_all(&self, d: &Corked) {
        for found in self.ports().find(&d.to) {
            let peer = found.who.state.lock().peer_name.clone();
            let open = peer.is_none_or(|p| p == Name::Inet(d.from));
            if open && found.who.is_among(&d.to) {
                let headers = self.headers(&found.who, d.to, &d.packet);
                found.who.deliver_from(d.from, headers, d.data.clone());
            }
        }
    }

    /// What a filter finds before the bytes of a datagram.
    fn udp_header(&self, from: &InetAddr, len: usize) -> Option<[u8; 8]> {
        let own = self.bound().filter(|_| self.kind == Kind::Dgram && !self.is_ping())?;
        let [a, b] = from.port.to_be_bytes();
        let [c, d] = own.port.to_be_bytes();
        let [e, f] = ((len + 8) as u16).to_be_bytes();
        Some([a, b, c, d, e, f, 0, 0])
    }

    /// Takes one datagram; it is lost if there is no room for it.
    pub(super) fn deliver_from(&self, from: InetAddr, headers: Option<Headers>, mut data: Vec<u8>) {
        let head = self.udp_header(&from, data.len());
        if !self.filters(head.as_ref().map_or(&[], |h| h), &mut data) {
            return;
        }
        let room = {
            let s = self.state.lock();
            !s.shut.contains(Shut::RECEIVE)
                && s.inbox.size() <= self.options.rcvbuf()
                && self.net.has_room()
        };
        if room {
            let size = datagram_size(data.len());
            self.deliver(Message {
                from: Some(Name::Inet(from)),
                stamp: self.arrival(),
                headers,
                ..Message::new(data, size)
            });
        } else if let Some(c) = self.datagram_counters(&from) {
            c.lost.add(1);
        }
    }

    /// Who counts what goes between here and an address; nobody but for UDP over IPv4.
    pub(super) fn datagram_counters(&self, other: &InetAddr) -> Option<&DatagramCounters> {
        let counted = self.kind == Kind::Dgram && !self.is_ping() && other.is_v4();
        let counters = &self.net.transport;
        let own = if self.protocol == IPPROTO_UDPLITE { &counters.udplite } else { &counters.udp };
        counted.then_some(own)
    }

    /// Lets who looks see the datagrams that are sent; the last packet.
    fn show_datagram(&self, d: &Corked, segment: usize) -> Option<IpPacket> {
        let (hops, class) = self.hops_and_class(&d.to, &d.packet);
        let id = (!self.options.keeps_whole()).then(|| self.net.packet_id());
        let (from, to) = (d.from.ip, d.to.ip);
        let route = Route { from, to, hops: hops as u8, class: class as u8, id };
        let size = if segment == 0 { d.data.len() } else { segment };
        let mut last = None;
        let mut rest = d.data.as_slice();
        while last.is_none() || !rest.is_empty() {
            let (part, left) = rest.split_at_checked(size).unwrap_or((rest, &[]));
            rest = left;
            let protocol = self.protocol as u8;
            let ports = (d.from.port, d.to.port);
            let datagram = ip_packet::datagram(protocol, (from, to), ports, part);
            let packet = IpPacket::new(&route, protocol, &datagram);
            self.net.show(&packet);
            last = Some(packet);
        }
        last
    }
}

impl Ports {
    /// Who gets a datagram: one connected to its sender before one that is not.
    pub(super) fn receiver(&self, to: &InetAddr, from: &InetAddr) -> Option<Arc<Endpoint>> {
        let mut open = Vec::new();
        for found in self.find(to) {
            let peer = found.who.state.lock().peer_name.clone();
            match peer {
                Some(Name::Inet(p)) if p == *from => return Some(found.who),
                Some(_) => {}
                None => open.push(found),
            }
        }
        ports::choose(open, from)
    }
}
