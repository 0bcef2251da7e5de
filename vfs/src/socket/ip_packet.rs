//! Packets of IPv4 and IPv6 as they lie in memory. Only what looks at packets has any: raw, ping
//! and packet sockets; sockets of UDP and TCP hand each other what they carry.

use alloc::vec::Vec;
use core::net::Ipv6Addr;

pub(super) const ICMP: u8 = 1;
pub(super) const UDP: u8 = 17;
pub(super) const ICMPV6: u8 = 58;

/// Bytes of a header of IPv4 without options, and of one of IPv6.
pub(super) const HEADER: (usize, usize) = (20, 40);
/// The longest packet of IPv4, and the most that one of IPv6 carries.
pub(super) const LONGEST: usize = 65_535;
/// `IP_DF`.
const DONT_FRAGMENT: u16 = 0x4000;
/// `IP_MF` and `IP_OFFSET`: with any of them a packet is a part of one.
const FRAGMENT: u16 = 0x3fff;

/// What the header of a packet is to say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    /// Addresses of IPv4 are mapped.
    pub(super) from: Ipv6Addr,
    pub(super) to: Ipv6Addr,
    pub(super) hops: u8,
    pub(super) class: u8,
    /// What tells fragments of different packets apart; a packet of IPv4 without it is not to be
    /// cut.
    pub(super) id: Option<u16>,
}

/// A packet with its header.
#[derive(Clone, Debug)]
pub(super) struct IpPacket {
    pub(super) from: Ipv6Addr,
    pub(super) to: Ipv6Addr,
    pub(super) protocol: u8,
    pub(super) hops: u8,
    pub(super) class: u8,
    /// It is a part of a packet.
    pub(super) fragment: bool,
    pub(super) bytes: Vec<u8>,
    /// Bytes of the header.
    header: usize,
}

/// The sum of RFC 1071, not yet folded.
pub(super) fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<2>();
    let words: u64 = words.iter().map(|w| u64::from(u16::from_be_bytes(*w))).sum();
    words + rest.first().map_or(0, |b| u64::from(*b) << 8)
}

/// A sum as it lies in a header; that of what holds its own sum is 0.
pub(super) fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn put(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(field) = bytes.get_mut(at..at + 2) {
        field.copy_from_slice(&value.to_be_bytes());
    }
}

pub(super) fn word(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).and_then(|b| b.first_chunk()).map(|b| u16::from_be_bytes(*b))
}

impl IpPacket {
    /// A packet that carries `payload`, of which there are at most [`LONGEST`] bytes.
    pub(super) fn new(route: &Route, protocol: u8, payload: &[u8]) -> IpPacket {
        let Route { from, to, hops, class, id } = *route;
        let mut bytes = Vec::with_capacity(HEADER.1 + payload.len());
        if let (Some(source), Some(target)) = (from.to_ipv4_mapped(), to.to_ipv4_mapped()) {
            let len = (HEADER.0 + payload.len()) as u16;
            bytes.extend_from_slice(&[0x45, class]);
            bytes.extend_from_slice(&len.to_be_bytes());
            bytes.extend_from_slice(&id.unwrap_or(0).to_be_bytes());
            let flags = if id.is_some() { 0 } else { DONT_FRAGMENT };
            bytes.extend_from_slice(&flags.to_be_bytes());
            bytes.extend_from_slice(&[hops, protocol, 0, 0]);
            bytes.extend_from_slice(&source.octets());
            bytes.extend_from_slice(&target.octets());
            let check = fold(sum(&bytes));
            put(&mut bytes, 10, check);
        } else {
            bytes.extend_from_slice(&(0x6000_0000 | u32::from(class) << 20).to_be_bytes());
            bytes.extend_from_slice(&(payload.len() as u16).to_be_bytes());
            bytes.extend_from_slice(&[protocol, hops]);
            bytes.extend_from_slice(&from.octets());
            bytes.extend_from_slice(&to.octets());
        }
        let header = bytes.len();
        bytes.extend_from_slice(payload);
        IpPacket { from, to, protocol, hops, class, fragment: false, bytes, header }
    }

    /// A packet that somebody else made, cut to the length that it says; `None` for none
    /// (`ip_rcv_core`, `ip6_rcv_core`). What follows the first header of IPv6 is not looked at.
    pub(super) fn parse(mut bytes: Vec<u8>) -> Option<IpPacket> {
        let header = IpPacket::header_of(&bytes)?;
        let len = match header {
            h if h == HEADER.1 && bytes.first()? >> 4 == 6 => h + usize::from(word(&bytes, 4)?),
            _ if fold(sum(bytes.get(..header)?)) != 0 => return None,
            _ => usize::from(word(&bytes, 2)?),
        };
        if len < header || len > bytes.len() {
            return None;
        }
        bytes.truncate(len);
        IpPacket::quoted(bytes)
    }

    /// Bytes of the header that a packet begins with.
    fn header_of(bytes: &[u8]) -> Option<usize> {
        let first = *bytes.first()?;
        match first >> 4 {
            4 => Some(usize::from(first & 15) * 4).filter(|h| *h >= HEADER.0),
            6 => Some(HEADER.1),
            _ => None,
        }
        .filter(|h| *h <= bytes.len())
    }

    /// The beginning of a packet, as errors bring it back.
    pub(super) fn quoted(bytes: Vec<u8>) -> Option<IpPacket> {
        let header = IpPacket::header_of(&bytes)?;
        let six = |at: usize| bytes.get(at..at + 16).and_then(|b| b.first_chunk::<16>());
        let four = |at: usize| {
            let address = bytes.get(at..at + 4).and_then(|b| b.first_chunk::<4>());
            address.map(|a| core::net::Ipv4Addr::from(*a).to_ipv6_mapped())
        };
        let byte = |at: usize| bytes.get(at).copied();
        let (from, to, protocol, hops, class, fragment) = if byte(0)? >> 4 == 6 {
            let class = word(&bytes, 0)? >> 4;
            (Ipv6Addr::from(*six(8)?), Ipv6Addr::from(*six(24)?), byte(6)?, byte(7)?, class, false)
        } else {
            let fragment = word(&bytes, 6)? & FRAGMENT != 0;
            (four(12)?, four(16)?, byte(9)?, byte(8)?, u16::from(byte(1)?), fragment)
        };
        let class = class as u8;
        Some(IpPacket { from, to, protocol, hops, class, fragment, bytes, header })
    }

    /// Whether it is one of IPv4.
    pub(super) fn is_v4(&self) -> bool {
        self.to.to_ipv4_mapped().is_some()
    }

    /// What it carries.
    pub(super) fn payload(&self) -> &[u8] {
        self.bytes.get(self.header..).unwrap_or_default()
    }

    /// Sum of what headers above IP count of its own.
    pub(super) fn pseudo_sum(&self) -> u64 {
        pseudo_sum(&self.from, &self.to, self.protocol, self.payload().len())
    }

    /// The sum of all that it carries, with its pseudo header: 0 if that holds it.
    pub(super) fn check(&self) -> u16 {
        fold(self.pseudo_sum() + sum(self.payload()))
    }
}

/// The pseudo header of UDP, and over IPv6 also of ICMP.
pub(super) fn pseudo_sum(from: &Ipv6Addr, to: &Ipv6Addr, protocol: u8, len: usize) -> u64 {
    let of =
        |a: &Ipv6Addr| a.to_ipv4_mapped().map_or_else(|| sum(&a.octets()), |a| sum(&a.octets()));
    of(from) + of(to) + u64::from(protocol) + len as u64
}

/// Fills in the sum of a message of a protocol whose sum is at `at`.
pub(super) fn seal(payload: &mut [u8], at: usize, beside: u64) {
    put(payload, at, 0);
    let check = fold(beside + sum(payload));
    put(payload, at, check);
}

/// A datagram of UDP or UDP-Lite from one address and port to another; a sum of 0 would mean none.
pub(super) fn datagram(
    protocol: u8,
    addresses: (Ipv6Addr, Ipv6Addr),
    ports: (u16, u16),
    data: &[u8],
) -> Vec<u8> {
    let len = 8 + data.len();
    let mut out = Vec::with_capacity(len);
    out.extend_from_slice(&ports.0.to_be_bytes());
    out.extend_from_slice(&ports.1.to_be_bytes());
    out.extend_from_slice(&(len as u16).to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(data);
    seal(&mut out, 6, pseudo_sum(&addresses.0, &addresses.1, protocol, len));
    if word(&out, 6) == Some(0) {
        put(&mut out, 6, 0xffff);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use core::net::Ipv4Addr;

    fn route(v4: bool) -> Route {
        let at = if v4 { Ipv4Addr::LOCALHOST.to_ipv6_mapped() } else { Ipv6Addr::LOCALHOST };
        Route { from: at, to: at, hops: 64, class: 0x10, id: None }
    }

    #[test]
    fn a_packet_is_read_as_it_was_made() {
        for v4 in [true, false] {
            let made = IpPacket::new(&route(v4), 17, b"abc");
            let read = IpPacket::parse([made.bytes.clone(), vec![0; 9]].concat()).unwrap();
            assert_eq!((read.from, read.to, read.protocol), (made.from, made.to, 17));
            assert_eq!((read.hops, read.class, read.is_v4()), (64, 0x10, v4));
            assert_eq!(read.payload(), b"abc");
        }
    }

    #[test]
    fn what_is_no_packet_is_none() {
        let made = IpPacket::new(&route(true), 17, b"abc").bytes;
        for cut in 0..made.len() {
            assert!(IpPacket::parse(made[..cut].to_vec()).is_none());
        }
        for (at, value) in [(0, 0x44), (0, 0x4f), (0, 0x75), (10, 1), (2, 0xff)] {
            let mut other = made.clone();
            other[at] = value;
            assert!(IpPacket::parse(other).is_none(), "{at} {value}");
        }
    }

    #[test]
    fn sums_of_rfc_1071() {
        assert_eq!(fold(sum(&[0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7])), !0xddf2);
        let datagram = datagram(UDP, (Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST), (7, 7), b"odd");
        let packet = IpPacket::new(&route(false), UDP, &datagram);
        assert_eq!(packet.check(), 0);
    }
}
