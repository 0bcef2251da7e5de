//! Ancillary data other than descriptions and credentials: when a message came, and what the
//! headers of its packet said; socket(7), ip(7), ipv6(7), udp(7).

use super::addr::{self, InetAddr, Name};
use super::endpoint::Endpoint;
use super::inbox::Taken;
use super::link;
use super::option_names::{
    SOL_IP, SOL_IPV6, SOL_PACKET, SOL_SOCKET, SOL_TCP, SOL_UDP, UDP_SEGMENT, ip, ipv6, packet, tcp,
};
use super::options::Stamps;
use super::{Domain, Kind};
use crate::Nanos;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};
use syserr::Errno;
use zerocopy::IntoBytes;

/// Hops that a packet may take, unless its sender says otherwise (`net.ipv4.ip_default_ttl`).
pub(super) const HOPS: i32 = 64;
/// Bytes of the header of the link.
const LINK: u16 = 14;
/// `SCM_RIGHTS`, `SCM_CREDENTIALS`, `SO_PRIORITY`, `SO_TIMESTAMPING_OLD` and `_NEW`: no socket of
/// the internet domains minds them (`__sock_cmsg_send`).
const IGNORED: [i32; 5] = [1, 2, 12, 37, 65];

bitflags::bitflags! {
    /// What a receiver wants to know of the headers.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(super) struct Asked: u32 {
        const PKTINFO = 1;
        const TTL = 2;
        const TOS = 4;
        const ORIGDSTADDR = 8;
        const PKTINFO6 = 16;
        const HOPLIMIT6 = 32;
        const TCLASS6 = 64;
        const ORIGDSTADDR6 = 128;
        const OLD_PKTINFO6 = 256;
        const OLD_HOPLIMIT6 = 512;
    }
}

impl Asked {
    /// What an option asks for.
    pub(super) fn by(level: i32, name: i32) -> Asked {
        match (level, name) {
            (SOL_IP, ip::PKTINFO) => Asked::PKTINFO,
            (SOL_IP, ip::RECVTTL) => Asked::TTL,
            (SOL_IP, ip::RECVTOS) => Asked::TOS,
            (SOL_IP, ip::RECVORIGDSTADDR) => Asked::ORIGDSTADDR,
            (SOL_IPV6, ipv6::RECVPKTINFO) => Asked::PKTINFO6,
            (SOL_IPV6, ipv6::OLD_PKTINFO) => Asked::OLD_PKTINFO6,
            (SOL_IPV6, ipv6::OLD_HOPLIMIT) => Asked::OLD_HOPLIMIT6,
            (SOL_IPV6, ipv6::RECVHOPLIMIT) => Asked::HOPLIMIT6,
            (SOL_IPV6, ipv6::RECVTCLASS) => Asked::TCLASS6,
            (SOL_IPV6, ipv6::RECVORIGDSTADDR) => Asked::ORIGDSTADDR6,
            _ => Asked::empty(),
        }
    }
}

/// What the headers of a datagram say.
#[derive(Clone, Copy)]
pub(super) struct Headers {
    pub(super) to: InetAddr,
    pub(super) hops: i32,
    pub(super) class: i32,
}

/// What a sender asks for, for one datagram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketOptions {
    /// Where it comes from (`IP_PKTINFO`, `IPV6_PKTINFO`); IPv4 addresses are mapped.
    pub source: Option<Ipv6Addr>,
    /// How many hops it may take (`IP_TTL`, `IPV6_HOPLIMIT`).
    pub hops: Option<i32>,
    /// Its class (`IP_TOS`, `IPV6_TCLASS`).
    pub class: Option<i32>,
    /// Bytes of each of the datagrams that it is cut into (`UDP_SEGMENT`).
    pub segment: Option<u16>,
}

fn int(data: &[u8]) -> Result<i32, Errno> {
    data.try_into().map(i32::from_ne_bytes).map_err(|_| Errno::EINVAL)
}

/// The number, if it is one of a range.
fn within(v: i32, least: i32, most: i32) -> Result<i32, Errno> {
    if (least..=most).contains(&v) { Ok(v) } else { Err(Errno::EINVAL) }
}

impl PacketOptions {
    /// Takes over one ancillary message of a sender in `domain` (`ip_cmsg_send`,
    /// `ip6_datagram_send_ctl`, `udp_cmsg_send`).
    ///
    /// # Errors
    /// `EINVAL` for what cannot be asked for, or not so.
    pub fn add(&mut self, domain: Domain, level: i32, kind: i32, data: &[u8]) -> Result<(), Errno> {
        match (level, kind) {
            (SOL_SOCKET, kind) if IGNORED.contains(&kind) => {}
            (SOL_UDP, UDP_SEGMENT) => {
                let size = data.try_into().map_err(|_| Errno::EINVAL)?;
                self.segment = Some(u16::from_ne_bytes(size));
            }
            (SOL_IP, ip::PKTINFO) => {
                let data: &[u8; 12] = data.try_into().map_err(|_| Errno::EINVAL)?;
                let [_, _, _, _, source @ .., _, _, _, _] = data;
                let source = Ipv4Addr::from(*source);
                self.source = (!source.is_unspecified()).then(|| source.to_ipv6_mapped());
            }
            (SOL_IP, ip::TTL) => self.hops = Some(within(int(data)?, 1, 255)?),
            (SOL_IP, ip::TOS) => {
                let v = if let [b] = data { i32::from(*b) } else { int(data)? };
                self.class = Some(within(v, 0, 255)?);
            }
            (SOL_IPV6, _) if domain != Domain::Inet6 => {}
            (SOL_IPV6, ipv6::PKTINFO | ipv6::OLD_PKTINFO) => {
                let source = Ipv6Addr::from(*data.first_chunk::<16>().ok_or(Errno::EINVAL)?);
                if data.len() < 20 {
                    return Err(Errno::EINVAL);
                }
                self.source = (!source.is_unspecified()).then_some(source);
            }
            (SOL_IPV6, ipv6::HOPLIMIT | ipv6::OLD_HOPLIMIT) => {
                self.hops = Some(within(int(data)?, -1, 255)?).filter(|v| *v >= 0);
            }
            (SOL_IPV6, ipv6::TCLASS) => {
                self.class = Some(within(int(data)?, -1, 255)?).filter(|v| *v >= 0);
            }
            (SOL_IPV6, ipv6::DONTFRAG) => {
                within(int(data)?, 0, 1)?;
            }
            (SOL_SOCKET | SOL_IP | SOL_UDP | SOL_IPV6, _) => return Err(Errno::EINVAL),
            _ => {}
        }
        Ok(())
    }
}

/// One ancillary message for a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ancillary {
    /// `cmsg_level`.
    pub level: i32,
    /// `cmsg_type`.
    pub kind: i32,
    /// What follows the header.
    pub data: Vec<u8>,
}

impl Endpoint {
    /// When a message arrives here, if anybody is going to ask.
    pub(super) fn arrival(&self) -> Option<Nanos> {
        self.options.stamps().map(|_| self.net.env().now())
    }

    /// The headers of a datagram from here to `other`, if it is going to ask.
    pub(super) fn headers(
        &self,
        other: &Endpoint,
        to: InetAddr,
        asked: &PacketOptions,
    ) -> Option<Headers> {
        if other.options.asked().is_empty() {
            return None;
        }
        let (hops, class) = self.hops_and_class(&to, asked);
        Some(Headers { to, hops, class })
    }

    /// How many hops a packet from here to `to` may take, and its class.
    pub(super) fn hops_and_class(&self, to: &InetAddr, asked: &PacketOptions) -> (i32, i32) {
        let (level, mut hops, class) = match to.is_v4() {
            true => (SOL_IP, ip::TTL, ip::TOS),
            false => (SOL_IPV6, ipv6::UNICAST_HOPS, ipv6::TCLASS),
        };
        let mut far = HOPS;
        if to.is_multicast() {
            (hops, far) = (ip::MULTICAST_TTL, 1);
        }
        let own = |name, default| self.options.number(level, name).unwrap_or(default);
        let hops = asked.hops.unwrap_or_else(|| own(hops, far));
        (hops, asked.class.unwrap_or_else(|| own(class, 0)))
    }

    /// What its receiver hears of what was taken, in Linux's order.
    pub(super) fn ancillary(&self, taken: &Taken) -> Vec<Ancillary> {
        let mut out = Vec::new();
        let mut put = |level, kind, data: &[u8]| {
            out.push(Ancillary { level, kind, data: data.to_vec() });
        };
        let stamps = self.options.stamps();
        let silent = match self.domain {
            Domain::Unix => self.kind == Kind::Stream,
            domain => domain == Domain::Netlink,
        };
        // A segment is stamped once it has been read to its end.
        let silent = silent || self.is_tcp() && taken.stamp.is_none();
        if let Some(s) = stamps.filter(|_| !silent) {
            let at = taken.stamp.unwrap_or_else(|| self.net.env().now());
            let (sec, ns) = (at.div_euclid(1_000_000_000), at.rem_euclid(1_000_000_000));
            let part = if s.is_fine() { ns } else { ns / 1000 };
            put(SOL_SOCKET, s as i32, [sec, part].as_bytes());
        }
        if self.is_tcp() && self.options.number(SOL_TCP, tcp::INQ) == Some(1) {
            put(SOL_TCP, tcp::INQ, &(taken.left as i32).to_ne_bytes());
        }
        if let Some(len) = taken.frame
            && self.options.number(SOL_PACKET, packet::AUXDATA) == Some(1)
        {
            // `TP_STATUS_USER`; no part has a tag.
            let network = if self.kind == Kind::Raw { LINK } else { 0 };
            let words = [1, len as u32, taken.whole as u32].map(u32::to_ne_bytes).concat();
            let halves = [0, network, 0, 0].map(u16::to_ne_bytes).concat();
            put(SOL_PACKET, packet::AUXDATA, &[words, halves].concat());
        }
        let (Some(h), asked) = (taken.headers, self.options.asked()) else { return out };
        let v4 = h.to.ip.to_ipv4_mapped();
        if asked.contains(Asked::PKTINFO6) {
            let index = link::INDEX.to_ne_bytes();
            put(SOL_IPV6, ipv6::PKTINFO, &[&h.to.ip.octets()[..], &index].concat());
        }
        let Some(v4) = v4 else {
            if asked.contains(Asked::HOPLIMIT6) {
                put(SOL_IPV6, ipv6::HOPLIMIT, &h.hops.to_ne_bytes());
            }
            if asked.contains(Asked::TCLASS6) {
                put(SOL_IPV6, ipv6::TCLASS, &h.class.to_ne_bytes());
            }
            // The names of RFC 2292.
            if asked.contains(Asked::OLD_PKTINFO6) {
                let index = link::INDEX.to_ne_bytes();
                put(SOL_IPV6, ipv6::OLD_PKTINFO, &[&h.to.ip.octets()[..], &index].concat());
            }
            if asked.contains(Asked::OLD_HOPLIMIT6) {
                put(SOL_IPV6, ipv6::OLD_HOPLIMIT, &h.hops.to_ne_bytes());
            }
            if asked.contains(Asked::ORIGDSTADDR6) {
                let to = addr::encode(Domain::Inet6, Some(&Name::Inet(h.to)));
                put(SOL_IPV6, ipv6::RECVORIGDSTADDR, &to);
            }
            return out;
        };
        if asked.contains(Asked::PKTINFO) {
            let (index, ip) = (link::INDEX.to_ne_bytes(), v4.octets());
            // The address to answer from is not one of many.
            let many = h.to.is_multicast() || h.to.is_broadcast();
            let own = if many { Ipv4Addr::LOCALHOST.octets() } else { ip };
            put(SOL_IP, ip::PKTINFO, &[index, own, ip].concat());
        }
        if asked.contains(Asked::TTL) {
            put(SOL_IP, ip::TTL, &h.hops.to_ne_bytes());
        }
        if asked.contains(Asked::TOS) {
            put(SOL_IP, ip::TOS, &[h.class as u8]);
        }
        if asked.contains(Asked::ORIGDSTADDR) {
            let to = addr::encode(Domain::Inet, Some(&Name::Inet(h.to)));
            put(SOL_IP, ip::RECVORIGDSTADDR, &to);
        }
        out
    }
}

impl Stamps {
    /// In nanoseconds, not microseconds.
    fn is_fine(self) -> bool {
        matches!(self, Stamps::Nanos | Stamps::NanosNew)
    }
}
