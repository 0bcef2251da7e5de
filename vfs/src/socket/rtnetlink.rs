//! What the kernel says about its network: one loopback interface; rtnetlink(7).

use super::addresses::Address;
use super::link::{self, INDEX, Link, MTU};
use super::netlink::{Answer, DUMP, Header};
use super::routes;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};
use syserr::Errno;

/// Message types: of each kind of thing `NEW`, `DEL`, `GET` and `SET` in this order.
const NEWLINK: u16 = 16;
const NEWADDR: u16 = 20;
const NEWROUTE: u16 = 24;
const NEWNEIGH: u16 = 28;
const NEWQDISC: u16 = 36;
const NEWTCLASS: u16 = 40;
const NEWTFILTER: u16 = 44;
const NEWACTION: u16 = 48;
const NEWNEIGHTBL: u16 = 64;
const NEWNETCONF: u16 = 80;
const NEWNSID: u16 = 88;
const NEWSTATS: u16 = 92;
const NEWNEXTHOP: u16 = 104;
const TYPE_MAX: u16 = 120;
/// The two low bits.
const NEW: u16 = 0;
const DEL: u16 = 1;
const GET: u16 = 2;
const SET: u16 = 3;
/// `NLM_F_REPLACE` and `NLM_F_EXCL`.
const REPLACE: u16 = 0x100;
const EXCL: u16 = 0x200;

pub(super) const AF_UNSPEC: u8 = 0;
pub(super) const AF_INET: u8 = 2;
pub(super) const AF_INET6: u8 = 10;
const AF_PACKET: u8 = 17;

/// The name of the interface.
const NAME: &[u8] = b"lo\0";
/// `RT_SCOPE_HOST`.
pub(super) const SCOPE_HOST: u8 = 254;
/// `RT_SCOPE_LINK`.
pub(super) const SCOPE_LINK: u8 = 253;
/// `IFA_F_PERMANENT` and `IFA_F_SECONDARY`.
const PERMANENT: u8 = 0x80;
const SECONDARY: u8 = 1;

/// Attributes of addresses.
mod ifa {
    pub(super) const ADDRESS: u16 = 1;
    pub(super) const LOCAL: u16 = 2;
    pub(super) const LABEL: u16 = 3;
    pub(super) const BROADCAST: u16 = 4;
    pub(super) const CACHEINFO: u16 = 6;
    pub(super) const FLAGS: u16 = 8;
}

/// `struct rtattr` and its value, filled up to four bytes.
pub(super) fn attribute(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    out.extend_from_slice(&(4 + value.len() as u16).to_ne_bytes());
    out.extend_from_slice(&kind.to_ne_bytes());
    out.extend_from_slice(value);
    out.resize(out.len().next_multiple_of(4), 0);
}

/// The value of an attribute in `bytes`.
pub(super) fn find(mut bytes: &[u8], kind: u16) -> Option<&[u8]> {
    loop {
        let len = usize::from(u16::from_ne_bytes(*bytes.first_chunk()?));
        let found = u16::from_ne_bytes(*bytes.get(2..4)?.first_chunk()?);
        let value = bytes.get(4..len)?;
        if found & 0x3fff == kind {
            return Some(value);
        }
        bytes = bytes.get(len.next_multiple_of(4)..)?;
    }
}

/// `struct ifinfomsg` and attributes of the interface.
fn describe(lo: &Link) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(&[AF_UNSPEC, 0]);
    out.extend_from_slice(&link::HARDWARE.to_ne_bytes());
    out.extend_from_slice(&INDEX.to_ne_bytes());
    out.extend_from_slice(&lo.flags().to_ne_bytes());
    out.extend_from_slice(&0u32.to_ne_bytes());
    let number = |out: &mut Vec<u8>, kind, n: u32| attribute(out, kind, &n.to_ne_bytes());
    attribute(&mut out, 3, NAME);
    // Length of the queue, state and mode: unknown and default.
    number(&mut out, 13, 1000);
    // `IF_OPER_UNKNOWN` and `IF_OPER_DOWN`.
    attribute(&mut out, 16, &[if lo.is_up() { 0 } else { 2 }]);
    attribute(&mut out, 17, &[0]);
    number(&mut out, 4, MTU);
    number(&mut out, 50, 0);
    number(&mut out, 51, 0);
    // Group, promiscuity, numbers of queues.
    number(&mut out, 27, 0);
    number(&mut out, 30, 0);
    number(&mut out, 31, 1);
    number(&mut out, 32, 1);
    attribute(&mut out, 33, &[1]);
    attribute(&mut out, 6, if lo.is_up() { b"noqueue\0" } else { b"noop\0" });
    attribute(&mut out, 1, &[0; 6]);
    attribute(&mut out, 2, &[0; 6]);
    // `struct rtnl_link_stats64` and `struct rtnl_link_stats`: nothing is counted.
    attribute(&mut out, 23, &[0; 200]);
    attribute(&mut out, 7, &[0; 96]);
    out
}

/// `struct ifaddrmsg` and attributes of an address.
fn address(a: &Address) -> Vec<u8> {
    let flags = PERMANENT | if a.secondary { SECONDARY } else { 0 };
    let family = if a.v4().is_some() { AF_INET } else { AF_INET6 };
    let mut out = [family, a.prefix, flags, a.scope].to_vec();
    out.extend_from_slice(&INDEX.to_ne_bytes());
    match a.v4() {
        Some(ip) => {
            attribute(&mut out, ifa::ADDRESS, &ip.octets());
            attribute(&mut out, ifa::LOCAL, &ip.octets());
            if let Some(all) = a.broadcast {
                attribute(&mut out, ifa::BROADCAST, &all.octets());
            }
            attribute(&mut out, ifa::LABEL, &a.label);
        }
        None => attribute(&mut out, ifa::ADDRESS, &a.ip.octets()),
    }
    attribute(&mut out, ifa::FLAGS, &u32::from(flags).to_ne_bytes());
    // `struct ifa_cacheinfo`: valid and preferred for ever.
    let forever = [u32::MAX, u32::MAX, 0, 0];
    attribute(&mut out, ifa::CACHEINFO, &forever.map(u32::to_ne_bytes).concat());
    out
}

/// An address that the interface has of itself.
fn own(ip: Ipv6Addr, prefix: u8) -> Address {
    let label = NAME.to_vec();
    Address { ip, prefix, scope: SCOPE_HOST, broadcast: None, label, secondary: false }
}

/// The addresses of a family: of IPv6 those with the widest scope come first.
fn addresses(lo: &Link, family: u8) -> Vec<Vec<u8>> {
    let others = lo.others.all();
    let (v4, v6): (Vec<_>, Vec<_>) = others.into_iter().partition(|a| a.v4().is_some());
    let first = lo.has_v4().then(|| own(Ipv4Addr::LOCALHOST.to_ipv6_mapped(), 8));
    let last = lo.is_up().then(|| own(Ipv6Addr::LOCALHOST, 128));
    let v4 = first.into_iter().chain(v4).filter(|_| matches!(family, AF_UNSPEC | AF_INET));
    let v6 = v6.into_iter().chain(last).filter(|_| matches!(family, AF_UNSPEC | AF_INET6));
    v4.chain(v6).map(|a| address(&a)).collect()
}

/// Whether a request for one interface, by index or name, means this one.
fn names_it(body: &[u8]) -> Result<bool, Errno> {
    let index = body.get(4..8).and_then(|b| b.first_chunk::<4>()).ok_or(Errno::EINVAL)?;
    let attributes = body.get(16..).unwrap_or_default();
    Ok(match (i32::from_ne_bytes(*index), find(attributes, 3)) {
        (0, None) => return Err(Errno::EINVAL),
        (0, Some(name)) => name.split(|b| *b == 0).next() == NAME.strip_suffix(b"\0"),
        (i, _) => i == INDEX,
    })
}

/// Brings the interface up or down (`do_setlink`); nothing else of it can be changed.
fn set_link(lo: &Link, body: &[u8]) -> Result<Answer, Errno> {
    if !names_it(body)? {
        return Err(Errno::ENODEV);
    }
    let word = |at: usize| -> Result<u32, Errno> {
        let b = body.get(at..).and_then(|b| b.first_chunk::<4>()).ok_or(Errno::EINVAL)?;
        Ok(u32::from_ne_bytes(*b))
    };
    let (flags, change) = (word(8)?, word(12)?);
    // Without a mask of what is to change, all does (`rtnl_dev_get_flags`).
    if change & link::UP != 0 || change == 0 && flags != 0 {
        lo.set_up(flags & link::UP != 0);
    }
    Ok(Answer::Done)
}

/// The address of a message about one (`rtm_to_ifaddr`, `inet6_rtm_newaddr`).
fn address_in(body: &[u8]) -> Result<Address, Errno> {
    let &[family, prefix, _, scope, ..] = body else { return Err(Errno::EINVAL) };
    let index = body.get(4..8).and_then(|b| b.first_chunk::<4>()).ok_or(Errno::EINVAL)?;
    let attributes = body.get(8..).unwrap_or_default();
    let local = find(attributes, ifa::LOCAL).or_else(|| find(attributes, ifa::ADDRESS));
    let local = local.ok_or(Errno::EINVAL)?;
    let (ip, bits, scope) = match family {
        AF_INET => {
            let octets = *local.first_chunk::<4>().ok_or(Errno::EINVAL)?;
            (Ipv4Addr::from(octets).to_ipv6_mapped(), 32, scope)
        }
        AF_INET6 => {
            let ip = Ipv6Addr::from(*local.first_chunk::<16>().ok_or(Errno::EINVAL)?);
            let scope = match ip {
                ip if ip.is_loopback() => SCOPE_HOST,
                ip if ip.is_unicast_link_local() => SCOPE_LINK,
                _ => 0,
            };
            (ip, 128, scope)
        }
        _ => return Err(Errno::EOPNOTSUPP),
    };
    if prefix > bits {
        return Err(Errno::EINVAL);
    }
    if i32::from_ne_bytes(*index) != INDEX {
        return Err(Errno::ENODEV);
    }
    if ip.is_multicast() || ip.is_unspecified() {
        return Err(Errno::EADDRNOTAVAIL);
    }
    let broadcast = find(attributes, ifa::BROADCAST).and_then(|b| b.first_chunk::<4>());
    let label = find(attributes, ifa::LABEL).unwrap_or(NAME).to_vec();
    let broadcast = broadcast.map(|b| Ipv4Addr::from(*b));
    Ok(Address { ip, prefix, scope, broadcast, label, secondary: false })
}

/// Gives the interface an address (`inet_rtm_newaddr`).
fn add_address(lo: &Link, header: &Header, body: &[u8]) -> Result<Answer, Errno> {
    let new = address_in(body)?;
    let replace = header.flags & EXCL == 0 && header.flags & REPLACE != 0;
    let there = match new.v4() {
        Some(ip) if ip == Ipv4Addr::LOCALHOST && new.prefix == 8 => lo.has_v4(),
        None if new.ip.is_loopback() => lo.is_up(),
        _ => {
            lo.set_used();
            return lo.others.add(new, replace).map(|()| Answer::Done);
        }
    };
    if there && !replace {
        return Err(Errno::EEXIST);
    }
    if new.v4().is_some() {
        lo.set_v4(true);
    }
    Ok(Answer::Done)
}

/// Takes an address away (`inet_rtm_deladdr`).
fn remove_address(lo: &Link, body: &[u8]) -> Result<Answer, Errno> {
    let gone = address_in(body)?;
    match gone.v4() {
        Some(ip) if ip == Ipv4Addr::LOCALHOST && gone.prefix == 8 && lo.has_v4() => {
            lo.set_v4(false);
        }
        // It comes and goes with the interface.
        None if gone.ip.is_loopback() && lo.is_up() => return Err(Errno::EOPNOTSUPP),
        _ => lo.others.remove(gone.ip, gone.prefix)?,
    }
    Ok(Answer::Done)
}

/// The answer to one request.
pub(super) fn answer(
    lo: &Link,
    header: &Header,
    body: &[u8],
    admin: bool,
) -> Result<Answer, Errno> {
    if header.kind > TYPE_MAX {
        return Err(Errno::EOPNOTSUPP);
    }
    // A request without a family is none (`rtnetlink_rcv_msg`).
    if body.is_empty() {
        return Ok(Answer::Done);
    }
    let (thing, what) = (header.kind & !3, header.kind & 3);
    if what != GET {
        return match (thing, what) {
            _ if !admin => Err(Errno::EPERM),
            (NEWLINK, NEW | SET) => set_link(lo, body),
            (NEWADDR, NEW) => add_address(lo, header, body),
            (NEWADDR, DEL) => remove_address(lo, body),
            _ => Err(Errno::EOPNOTSUPP),
        };
    }
    let family = body.first().copied().unwrap_or(AF_UNSPEC);
    let list = header.flags & DUMP == DUMP;
    match thing {
        NEWLINK if list => {
            // Of a family that has no state of its own for interfaces, none.
            let known = matches!(family, AF_UNSPEC | AF_INET | AF_INET6 | AF_PACKET);
            Ok(Answer::List(NEWLINK, known.then(|| describe(lo)).into_iter().collect()))
        }
        NEWLINK if names_it(body)? => Ok(Answer::One(NEWLINK, describe(lo))),
        NEWLINK => Err(Errno::ENODEV),
        NEWADDR if list => Ok(Answer::List(NEWADDR, addresses(lo, family))),
        NEWROUTE if list => Ok(Answer::List(NEWROUTE, routes::list(lo, family))),
        NEWROUTE => Ok(Answer::One(NEWROUTE, routes::one(lo, body)?)),
        NEWNSID if list => Ok(Answer::List(NEWNSID, Vec::new())),
        NEWNSID => {
            // `struct rtgenmsg` and `NETNSA_NSID`: other networks have no numbers here.
            let mut out = [AF_UNSPEC, 0, 0, 0].to_vec();
            attribute(&mut out, 1, &(-1i32).to_ne_bytes());
            Ok(Answer::One(NEWNSID, out))
        }
        // Nobody is near, nothing is queued or filtered, and nobody counts.
        NEWNEIGH | NEWQDISC | NEWTCLASS | NEWTFILTER | NEWACTION | NEWNEIGHTBL | NEWNETCONF
        | NEWSTATS | NEWNEXTHOP
            if list =>
        {
            Ok(Answer::List(thing, Vec::new()))
        }
        _ => Err(Errno::EOPNOTSUPP),
    }
}
