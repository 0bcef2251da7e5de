//! Raw sockets: packets of one protocol, with their headers for IPv4; raw(7), ipv6(7).

use super::addr::{self, AF_UNSPEC, InetAddr, Name};
use super::ancillary::Headers;
use super::choose::{IPPROTO_ICMP, IPPROTO_ICMPV6};
use super::endpoint::{Endpoint, Phase};
use super::errors::Refusal;
use super::ip_packet::{self, HEADER, IpPacket, LONGEST, Route};
use super::transfer::SendInfo;
use super::{Domain, Net};
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use arch::IoSrc;
use core::net::Ipv6Addr;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering::Relaxed};
use sync::Mutex;
use syserr::Errno;

/// `IPPROTO_RAW`: a socket that only sends, whole packets.
const IPPROTO_RAW: i32 = 255;
/// Messages of ICMP that are shorter are filtered out, of IPv4 and IPv6.
const MESSAGE_MIN: (usize, usize) = (8, 4);
/// Where the sum lies in a message of ICMPv6.
const ICMPV6_SUM: i32 = 2;

/// What a raw socket has beside what all have.
pub(super) struct Raw {
    /// What it sends has a header already (`IP_HDRINCL`, `IPV6_HDRINCL`).
    pub(super) whole: AtomicBool,
    /// Where the kernel fills in a sum and looks for one, or negative (`IPV6_CHECKSUM`).
    pub(super) sum_at: AtomicI32,
    /// A bit for each type of message that is not wanted (`ICMP_FILTER`, of which there are 32, and
    /// `ICMPV6_FILTER`).
    pub(super) unwanted: Mutex<[u32; 8]>,
}

impl Raw {
    pub(super) fn new(domain: Domain, protocol: i32) -> Raw {
        let sum = domain == Domain::Inet6 && protocol == IPPROTO_ICMPV6;
        Raw {
            whole: AtomicBool::new(protocol == IPPROTO_RAW),
            sum_at: AtomicI32::new(if sum { ICMPV6_SUM } else { -1 }),
            unwanted: Mutex::default(),
        }
    }

    /// Whether messages of a type are wanted. Those whose type a filter of IPv4 has no bit for are.
    fn wants(&self, v4: bool, kind: u8) -> bool {
        let word = usize::from(kind / 32);
        let none = v4 && word > 0;
        none || self.unwanted.lock().get(word).is_none_or(|w| w >> (kind % 32) & 1 == 0)
    }
}

/// The raw sockets of a network by their protocols.
#[derive(Default)]
pub(super) struct RawSockets {
    by_protocol: Mutex<BTreeMap<i32, Vec<Weak<Endpoint>>>>,
    count: AtomicUsize,
}

impl RawSockets {
    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.count.load(Relaxed) == 0
    }

    fn add(&self, e: &Arc<Endpoint>) {
        let mut all = self.by_protocol.lock();
        all.entry(e.protocol).or_default().push(Arc::downgrade(e));
        self.count.fetch_add(1, Relaxed);
    }

    pub(super) fn remove(&self, e: &Endpoint) {
        let mut all = self.by_protocol.lock();
        let Some(of) = all.get_mut(&e.protocol) else { return };
        let Some(at) = of.iter().position(|w| core::ptr::eq(w.as_ptr(), e)) else { return };
        of.swap_remove(at);
        self.count.fetch_sub(1, Relaxed);
        if of.is_empty() {
            all.remove(&e.protocol);
        }
    }

    /// Those of one protocol.
    fn of(&self, protocol: u8) -> Vec<Arc<Endpoint>> {
        let all = self.by_protocol.lock();
        let of = all.get(&i32::from(protocol)).into_iter().flatten();
        of.filter_map(Weak::upgrade).collect()
    }

    /// All there are.
    pub(super) fn all(&self) -> Vec<Arc<Endpoint>> {
        self.by_protocol.lock().values().flatten().filter_map(Weak::upgrade).collect()
    }
}

impl Net {
    /// Gives each raw socket that a packet is for a copy; whether there is any.
    pub(super) fn give_to_raw(&self, p: &IpPacket) -> bool {
        if self.raw.is_empty() {
            return false;
        }
        let mut any = false;
        for e in self.raw.of(p.protocol) {
            let mine = e.hears_raw(p.is_v4(), &p.to, &p.from);
            any |= mine;
            if mine && e.wants_raw(p) {
                let data = if p.is_v4() { &p.bytes } else { p.payload() };
                let from = InetAddr { ip: p.from, port: 0 };
                e.deliver_from(from, e.headers_of(p), data.to_vec());
            }
        }
        any
    }

    /// Tells the raw sockets that `sent` may be from that it came back.
    pub(super) fn refuse_raw(&self, sent: &IpPacket, why: Refusal) {
        if self.raw.is_empty() {
            return;
        }
        for e in self.raw.of(sent.protocol) {
            if e.hears_raw(sent.is_v4(), &sent.from, &sent.to) {
                let connected = e.state.lock().phase == Phase::Connected;
                let whole = e.raw.as_ref().is_some_and(|r| r.whole.load(Relaxed));
                let quoted = if whole { &sent.bytes } else { sent.payload() };
                e.refused(InetAddr { ip: sent.to, port: 0 }, quoted, why, connected);
            }
        }
    }
}

impl Endpoint {
    /// Has the socket found by its protocol, which is also the port that it shows.
    pub(super) fn hash_raw(self: &Arc<Self>) {
        let port = self.protocol as u16;
        let name = InetAddr { port, ..InetAddr::any(self.domain) };
        self.state.lock().name = Some(Name::Inet(name));
        self.net.raw.add(self);
    }

    /// Whether packets between two addresses are for the socket (`raw_v4_match`).
    fn hears_raw(&self, v4: bool, own: &Ipv6Addr, other: &Ipv6Addr) -> bool {
        let s = self.state.lock();
        let named = |name: &Option<Name>, ip: &Ipv6Addr| match name {
            Some(Name::Inet(a)) => a.is_any() || a.ip == *ip,
            _ => true,
        };
        v4 == (self.domain == Domain::Inet) && named(&s.name, own) && named(&s.peer_name, other)
    }

    /// Whether the socket's filter and sum let a packet through.
    fn wants_raw(&self, p: &IpPacket) -> bool {
        let Some(raw) = &self.raw else { return false };
        let filters = matches!(self.protocol, IPPROTO_ICMP | IPPROTO_ICMPV6);
        let sums = raw.sum_at.load(Relaxed) >= 0;
        let least = if p.is_v4() { MESSAGE_MIN.0 } else { MESSAGE_MIN.1 };
        let wanted = match p.payload().first() {
            _ if !filters => true,
            Some(kind) if p.payload().len() >= least => raw.wants(p.is_v4(), *kind),
            _ => false,
        };
        wanted && (!sums || p.check() == 0)
    }

    /// What a packet's headers say, if the socket is going to ask.
    pub(super) fn headers_of(&self, p: &IpPacket) -> Option<Headers> {
        let to = InetAddr { ip: p.to, port: 0 };
        let (hops, class) = (i32::from(p.hops), i32::from(p.class));
        (!self.options.asked().is_empty()).then_some(Headers { to, hops, class })
    }

    /// bind(2): an address, as often as one likes.
    pub(super) fn bind_raw(&self, address: &[u8]) -> Result<(), Errno> {
        let six = self.domain == Domain::Inet6;
        let domain = (self.domain as u16).to_ne_bytes();
        let at = match address.split_first_chunk::<2>() {
            // What the family is called does not matter to IPv4.
            Some((_, rest)) if !six => [&domain[..], rest].concat(),
            _ => address.to_vec(),
        };
        if six && addr::family(&at) != Some(self.domain as u16) {
            return Err(Errno::EINVAL);
        }
        let at = addr::parse_inet(self.domain, &at, false)?;
        if self.state.lock().phase != Phase::Closed {
            return Err(Errno::EINVAL);
        }
        let here = at.is_any() || at.is_group() || self.net.link.binds(&at);
        if !here && !self.options.binds_anywhere() || six && at.is_v4() {
            return Err(Errno::EADDRNOTAVAIL);
        }
        let mut s = self.state.lock();
        s.chosen.set(super::endpoint::Chosen::ADDRESS, !at.is_any());
        s.name = Some(Name::Inet(InetAddr { port: self.protocol as u16, ..at }));
        Ok(())
    }

    /// Where a message goes, and as which protocol: the port of an address of IPv6 may say.
    fn raw_destination(&self, info: &SendInfo<'_>) -> Result<(InetAddr, u8), Errno> {
        let own = u8::try_from(self.protocol).unwrap_or(0);
        let Some(bytes) = info.to else {
            let s = self.state.lock();
            return match s.peer_name {
                Some(Name::Inet(a)) if s.phase == Phase::Connected => Ok((a, own)),
                _ => Err(Errno::EDESTADDRREQ),
            };
        };
        if self.domain == Domain::Inet {
            return Ok((addr::parse_inet(self.domain, bytes, true)?.destination(), own));
        }
        let to = match bytes.split_first_chunk::<2>() {
            Some((f, rest)) if u16::from_ne_bytes(*f) == AF_UNSPEC => {
                let domain = (self.domain as u16).to_ne_bytes();
                addr::parse_inet(self.domain, &[&domain[..], rest].concat(), false)
            }
            _ => addr::parse_inet(self.domain, bytes, false),
        }?;
        let protocol = match i32::from(to.port) {
            0 => own,
            p if p != self.protocol && self.protocol != IPPROTO_RAW => return Err(Errno::EINVAL),
            p => u8::try_from(p).map_err(|_| Errno::EINVAL)?,
        };
        if to.is_v4() {
            return Err(Errno::ENETUNREACH);
        }
        Ok((to.destination(), protocol))
    }

    /// Sends one packet.
    pub(super) fn send_raw(
        self: &Arc<Self>,
        src: &mut dyn IoSrc,
        info: &mut SendInfo<'_>,
    ) -> Result<usize, Errno> {
        let Some(raw) = &self.raw else { return Err(Errno::EOPNOTSUPP) };
        let whole = raw.whole.load(Relaxed);
        if src.remaining() > LONGEST as u64 + u64::from(whole && self.domain == Domain::Inet6) {
            return Err(Errno::EMSGSIZE);
        }
        if info.oob {
            return Err(Errno::EOPNOTSUPP);
        }
        let (to, protocol) = self.raw_destination(info)?;
        self.may_reach(&to)?;
        let from = self.send_from(&to, info)?;
        let mut data = super::transfer::take_all(src)?;
        let len = data.len();
        if whole {
            // Nothing else looks for errors (`ip_append_data` without a transport's header).
            self.may_send_now()?;
            self.send_whole(from, data)?;
            return Ok(len);
        }
        // The type and code of a message are looked at before it is sent (`raw_probe_proto_opt`).
        let icmp = if to.is_v4() { IPPROTO_ICMP } else { IPPROTO_ICMPV6 };
        if len < 2 && self.protocol == icmp {
            return Err(Errno::EFAULT);
        }
        if to.is_v4() && len > LONGEST - HEADER.0 {
            return Err(Errno::EMSGSIZE);
        }
        if let Ok(at) = usize::try_from(raw.sum_at.load(Relaxed)) {
            if at + 2 > len {
                return Err(Errno::EINVAL);
            }
            let pseudo = ip_packet::pseudo_sum(&from.ip, &to.ip, protocol, len);
            ip_packet::seal(&mut data, at, pseudo);
        }
        let packet = IpPacket::new(&self.route(&from, &to, info), protocol, &data);
        self.net.transmit(&packet);
        Ok(len)
    }

    /// The header of a packet from here.
    pub(super) fn route(&self, from: &InetAddr, to: &InetAddr, info: &SendInfo<'_>) -> Route {
        let (hops, class) = self.hops_and_class(to, &info.packet);
        let id = (!self.options.keeps_whole()).then(|| self.net.packet_id());
        Route { from: from.ip, to: to.ip, hops: hops as u8, class: class as u8, id }
    }

    /// Sends a packet that has a header, in which for IPv4 the kernel fills in what is 0, the length
    /// and the sum (`raw_send_hdrinc`). What cannot be a packet is lost on the way.
    fn send_whole(&self, from: InetAddr, mut data: Vec<u8>) -> Result<(), Errno> {
        let v4 = self.domain == Domain::Inet;
        if data.len() < if v4 { HEADER.0 } else { HEADER.1 } {
            return Err(Errno::EINVAL);
        }
        let header = data.first().map_or(0, |b| usize::from(b & 15) * 4);
        if v4 && !(HEADER.0..=data.len()).contains(&header) {
            return Err(Errno::EINVAL);
        }
        if v4 {
            let len = data.len() as u16;
            let id = self.net.packet_id();
            let source = from.ip.to_ipv4_mapped().map_or([0; 4], |a| a.octets());
            let mut fill = |at: usize, value: &[u8]| {
                let field = data.get_mut(at..at + value.len());
                if let Some(field) = field.filter(|f| f.iter().all(|b| *b == 0)) {
                    field.copy_from_slice(value);
                }
            };
            fill(4, &id.max(1).to_be_bytes());
            fill(12, &source);
            if let Some(field) = data.get_mut(2..4) {
                field.copy_from_slice(&len.to_be_bytes());
            }
            if let Some(head) = data.get_mut(..header) {
                ip_packet::seal(head, 10, 0);
            }
        }
        if let Some(packet) = IpPacket::parse(data).filter(|p| p.is_v4() == v4) {
            self.net.transmit(&packet);
        }
        Ok(())
    }
}
