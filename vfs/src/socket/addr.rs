//! Addresses of sockets, and how they lie in memory; unix(7), ip(7), ipv6(7).

use super::Domain;
use super::packet::LinkAddr;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};
use syserr::Errno;

/// `AF_UNSPEC`.
pub(super) const AF_UNSPEC: u16 = 0;
/// Bytes of `struct sockaddr_un` before the path.
const UNIX_HEAD: usize = 2;
/// Size of `struct sockaddr_un`.
const UNIX_MAX: usize = 110;
/// Size of `struct sockaddr_in`.
const INET_LEN: usize = 16;
/// Smallest `struct sockaddr_in6`: without the scope (`SIN6_LEN_RFC2133`).
const INET6_MIN: usize = 24;
/// Size of `struct sockaddr_ll`.
const LINK_LEN: usize = 20;
/// Size of `struct sockaddr_in6`.
const INET6_LEN: usize = 28;

/// An IP address and a port. An IPv4 address is held as its mapped IPv6 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct InetAddr {
    pub(super) ip: Ipv6Addr,
    pub(super) port: u16,
}

/// What a socket is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// `sun_path`: a path with its NUL, or an abstract name, which starts with NUL.
    Unix(Arc<[u8]>),
    Inet(InetAddr),
    /// `struct sockaddr_nl`.
    Netlink {
        port: u32,
        groups: u32,
    },
    /// `struct sockaddr_ll`.
    Link(LinkAddr),
}

/// The address family in the first two bytes, when they are there.
pub(super) fn family(bytes: &[u8]) -> Option<u16> {
    bytes.first_chunk().map(|b| u16::from_ne_bytes(*b))
}

fn port(bytes: &[u8]) -> u16 {
    bytes.get(2..4).and_then(|b| b.first_chunk()).map_or(0, |b| u16::from_be_bytes(*b))
}

/// `sun_path` of an address for bind(2) or connect(2): abstract with all its bytes, a path up to
/// and with one NUL (`unix_validate_addr` and `unix_mkname_bsd`).
pub(super) fn parse_unix(bytes: &[u8]) -> Result<Arc<[u8]>, Errno> {
    if bytes.len() <= UNIX_HEAD || bytes.len() > UNIX_MAX {
        return Err(Errno::EINVAL);
    }
    if family(bytes) != Some(Domain::Unix as u16) {
        return Err(Errno::EINVAL);
    }
    let path = bytes.get(UNIX_HEAD..).unwrap_or_default();
    if path.first() == Some(&0) {
        return Ok(path.into());
    }
    let mut name: Vec<u8> = path.iter().copied().take_while(|b| *b != 0).collect();
    name.push(0);
    Ok(name.into())
}

/// Whether bind(2) is asked to choose an abstract name.
pub(super) fn is_autobind(bytes: &[u8]) -> bool {
    bytes.len() == UNIX_HEAD && family(bytes) == Some(Domain::Unix as u16)
}

/// An address for a socket of the internet domain `domain`. `AF_UNSPEC` with an IPv4 layout is
/// taken for `AF_INET` where `unspec` says so.
pub(super) fn parse_inet(domain: Domain, bytes: &[u8], unspec: bool) -> Result<InetAddr, Errno> {
    let v4 = |bytes: &[u8]| {
        let ip: [u8; 4] = *bytes.get(4..8).and_then(|b| b.first_chunk()).ok_or(Errno::EINVAL)?;
        Ok(InetAddr { ip: Ipv4Addr::from(ip).to_ipv6_mapped(), port: port(bytes) })
    };
    match (domain, family(bytes).ok_or(Errno::EINVAL)?) {
        (Domain::Inet, f) => {
            if bytes.len() < INET_LEN {
                return Err(Errno::EINVAL);
            }
            if f == Domain::Inet as u16 || unspec && f == AF_UNSPEC {
                return v4(bytes);
            }
            Err(Errno::EAFNOSUPPORT)
        }
        (_, f) if f == Domain::Inet6 as u16 => {
            if bytes.len() < INET6_MIN {
                return Err(Errno::EINVAL);
            }
            let ip = bytes.get(8..24).and_then(|b| b.first_chunk::<16>()).ok_or(Errno::EINVAL)?;
            Ok(InetAddr { ip: Ipv6Addr::from(*ip), port: port(bytes) })
        }
        // An IPv6 socket may be given an IPv4 address to send or connect to.
        (_, f) if f == Domain::Inet as u16 && unspec && bytes.len() >= INET_LEN => v4(bytes),
        _ if bytes.len() < INET6_MIN => Err(Errno::EINVAL),
        _ => Err(Errno::EAFNOSUPPORT),
    }
}

impl InetAddr {
    /// Whether it means every address of the host.
    pub(super) fn is_any(&self) -> bool {
        self.ip.is_unspecified() || self.ip.to_ipv4_mapped().is_some_and(|v4| v4.is_unspecified())
    }

    /// Whether it is an IPv4 address.
    pub(super) fn is_v4(&self) -> bool {
        self.ip.to_ipv4_mapped().is_some()
    }

    /// Whether it belongs to the one interface there is.
    pub(super) fn is_local(&self) -> bool {
        match self.ip.to_ipv4_mapped() {
            Some(v4) => v4.is_loopback(),
            None => self.ip.is_loopback(),
        }
    }

    /// Whether it is that of everybody on the interface, or on any.
    pub(super) fn is_broadcast(&self) -> bool {
        let v4 = self.ip.to_ipv4_mapped();
        v4.is_some_and(|a| a.is_broadcast() || a == Ipv4Addr::new(127, 255, 255, 255))
    }

    /// Whether it is that of a group.
    pub(super) fn is_multicast(&self) -> bool {
        self.ip.to_ipv4_mapped().map_or(self.ip.is_multicast(), |v4| v4.is_multicast())
    }

    /// Whether a socket can have it although no interface has.
    pub(super) fn is_group(&self) -> bool {
        self.ip.to_ipv4_mapped().is_some_and(|v4| v4.is_multicast() || v4.is_broadcast())
    }

    /// The unspecified address of a domain.
    pub(super) fn any(domain: Domain) -> InetAddr {
        let ip = match domain {
            Domain::Inet6 => Ipv6Addr::UNSPECIFIED,
            _ => Ipv4Addr::UNSPECIFIED.to_ipv6_mapped(),
        };
        InetAddr { ip, port: 0 }
    }

    /// Where packets to this address go: the unspecified address means the loopback address.
    pub(super) fn destination(mut self) -> InetAddr {
        if self.is_any() {
            self.ip = self.loopback();
        }
        self
    }

    /// The loopback address of the same version: where packets to it come from.
    pub(super) fn loopback(&self) -> Ipv6Addr {
        if self.is_v4() { Ipv4Addr::LOCALHOST.to_ipv6_mapped() } else { Ipv6Addr::LOCALHOST }
    }
}

/// An address as a socket of `domain` shows it; without a name its family alone.
pub(super) fn encode(domain: Domain, name: Option<&Name>) -> Vec<u8> {
    if let Some(Name::Link(a)) = name {
        return a.encode(LINK_LEN);
    }
    let mut out = (domain as u16).to_ne_bytes().to_vec();
    match (name, domain) {
        (Some(Name::Unix(path)), _) => out.extend_from_slice(path),
        (Some(Name::Inet(a)), Domain::Inet6) => {
            out.extend_from_slice(&a.port.to_be_bytes());
            out.extend_from_slice(&[0; 4]);
            out.extend_from_slice(&a.ip.octets());
            out.resize(INET6_LEN, 0);
        }
        (Some(Name::Inet(a)), _) => {
            let v4 = a.ip.to_ipv4_mapped().unwrap_or(Ipv4Addr::UNSPECIFIED);
            out.extend_from_slice(&a.port.to_be_bytes());
            out.extend_from_slice(&v4.octets());
            out.resize(INET_LEN, 0);
        }
        (Some(Name::Netlink { port, groups }), _) => {
            out.extend_from_slice(&[0; 2]);
            out.extend_from_slice(&port.to_ne_bytes());
            out.extend_from_slice(&groups.to_ne_bytes());
        }
        (None | Some(Name::Link(_)), _) => {}
    }
    out
}
