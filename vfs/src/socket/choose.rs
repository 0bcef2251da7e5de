//! Which sockets there are; socket(2).

use super::Net;
use crate::Creds;
use crate::cap;
use syserr::Errno;

/// Address families that there are, with their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Domain {
    /// `AF_UNIX`.
    Unix = 1,
    /// `AF_INET`.
    Inet = 2,
    /// `AF_INET6`.
    Inet6 = 10,
    /// `AF_NETLINK`.
    Netlink = 16,
    /// `AF_PACKET`.
    Packet = 17,
}

/// Socket types that there are, with their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Kind {
    /// `SOCK_STREAM`.
    Stream = 1,
    /// `SOCK_DGRAM`.
    Dgram = 2,
    /// `SOCK_RAW`.
    Raw = 3,
    /// `SOCK_SEQPACKET`.
    SeqPacket = 5,
}

/// What socket(2) is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The address family.
    pub domain: Domain,
    /// The type.
    pub kind: Kind,
    /// The protocol of the family; 0 where there is only one.
    pub protocol: i32,
    /// `SO_TYPE` says `SOCK_RAW`, whatever kind it is like.
    pub shows_raw: bool,
}

/// Highest address family that Linux has a number for (`AF_MAX`).
pub(super) const AF_MAX: i32 = 46;
const SOCK_RAW: i32 = 3;
const SOCK_MAX: i32 = 11;
pub(super) const IPPROTO_ICMP: i32 = 1;
pub(super) const IPPROTO_TCP: i32 = 6;
pub(super) const IPPROTO_UDP: i32 = 17;
pub(super) const IPPROTO_ICMPV6: i32 = 58;
pub(super) const IPPROTO_UDPLITE: i32 = 136;
const IPPROTO_MAX: i32 = 263;
pub(super) const NETLINK_ROUTE: i32 = 0;
pub(super) const NETLINK_SOCK_DIAG: i32 = 4;
pub(super) const NETLINK_KOBJECT_UEVENT: i32 = 15;

/// What the arguments of socket(2) ask for, `SOCK_NONBLOCK` and `SOCK_CLOEXEC` removed.
///
/// # Errors
/// `EAFNOSUPPORT`, `EINVAL`, `ESOCKTNOSUPPORT`, `EPROTONOSUPPORT`.
pub fn choose(domain: i32, kind: i32, protocol: i32) -> Result<Wanted, Errno> {
    if !(0..AF_MAX).contains(&domain) {
        return Err(Errno::EAFNOSUPPORT);
    }
    if !(0..SOCK_MAX).contains(&kind) {
        return Err(Errno::EINVAL);
    }
    match domain {
        1 => unix(kind, protocol),
        2 => inet(Domain::Inet, kind, protocol),
        10 => inet(Domain::Inet6, kind, protocol),
        16 => netlink(kind, protocol),
        17 => packet(kind, protocol),
        _ => Err(Errno::EAFNOSUPPORT),
    }
}

fn unix(kind: i32, protocol: i32) -> Result<Wanted, Errno> {
    if protocol != 0 && protocol != 1 {
        return Err(Errno::EPROTONOSUPPORT);
    }
    let kind = match kind {
        1 => Kind::Stream,
        // Linux takes a raw AF_UNIX socket for one of datagrams.
        2 | SOCK_RAW => Kind::Dgram,
        5 => Kind::SeqPacket,
        _ => return Err(Errno::ESOCKTNOSUPPORT),
    };
    Ok(Wanted { domain: Domain::Unix, kind, protocol: 0, shows_raw: false })
}

fn netlink(kind: i32, protocol: i32) -> Result<Wanted, Errno> {
    match (kind, protocol) {
        (2 | SOCK_RAW, NETLINK_ROUTE | NETLINK_SOCK_DIAG | NETLINK_KOBJECT_UEVENT) => {
            let shows_raw = kind == SOCK_RAW;
            Ok(Wanted { domain: Domain::Netlink, kind: Kind::Dgram, protocol, shows_raw })
        }
        (2 | SOCK_RAW, _) => Err(Errno::EPROTONOSUPPORT),
        _ => Err(Errno::ESOCKTNOSUPPORT),
    }
}

fn packet(kind: i32, protocol: i32) -> Result<Wanted, Errno> {
    let kind = match kind {
        2 => Kind::Dgram,
        SOCK_RAW => Kind::Raw,
        _ => return Err(Errno::ESOCKTNOSUPPORT),
    };
    Ok(Wanted { domain: Domain::Packet, kind, protocol, shows_raw: false })
}

fn inet(domain: Domain, kind: i32, protocol: i32) -> Result<Wanted, Errno> {
    if !(0..IPPROTO_MAX).contains(&protocol) {
        return Err(Errno::EINVAL);
    }
    let ping = if domain == Domain::Inet { IPPROTO_ICMP } else { IPPROTO_ICMPV6 };
    let (kind, protocol) = match (kind, protocol) {
        (1, 0 | IPPROTO_TCP) => (Kind::Stream, IPPROTO_TCP),
        (2, 0 | IPPROTO_UDP) => (Kind::Dgram, IPPROTO_UDP),
        (2, IPPROTO_UDPLITE) => (Kind::Dgram, IPPROTO_UDPLITE),
        (2, p) if p == ping => (Kind::Dgram, p),
        (SOCK_RAW, p) if p != 0 => (Kind::Raw, p),
        (1 | 2 | SOCK_RAW, _) => return Err(Errno::EPROTONOSUPPORT),
        _ => return Err(Errno::ESOCKTNOSUPPORT),
    };
    Ok(Wanted { domain, kind, protocol, shows_raw: false })
}

impl Wanted {
    /// Whether it is of the internet, for messages of ICMP alone.
    pub(super) fn is_ping(&self) -> bool {
        let inet = matches!(self.domain, Domain::Inet | Domain::Inet6);
        let icmp = matches!(self.protocol, IPPROTO_ICMP | IPPROTO_ICMPV6);
        inet && icmp && self.kind == Kind::Dgram
    }

    /// Whether somebody may have it.
    ///
    /// # Errors
    /// `EPERM`; `EACCES` for who is in none of the groups that may ping.
    pub(super) fn check(&self, net: &Net, creds: &Creds) -> Result<(), Errno> {
        let looks = self.kind == Kind::Raw || self.domain == Domain::Packet;
        if looks && !net.allows(creds, cap::NET_RAW) {
            return Err(Errno::EPERM);
        }
        if self.is_ping() && !net.may_ping(creds) {
            return Err(Errno::EACCES);
        }
        Ok(())
    }
}
