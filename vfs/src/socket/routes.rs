//! What the kernel says of routes: every address of the loopback interface leads there, and so does
//! the network of each; nothing leads anywhere else; rtnetlink(7).

use super::addr::InetAddr;
use super::link::INDEX;
use super::link::Link;
use super::rtnetlink::{AF_INET, AF_INET6, AF_UNSPEC, SCOPE_HOST, SCOPE_LINK, attribute, find};
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};
use syserr::Errno;

/// `RT_TABLE_MAIN` and `RT_TABLE_LOCAL`.
const TABLES: (u8, u8) = (254, 255);
/// `RTPROT_KERNEL`.
const KERNEL: u8 = 2;
/// `RTN_UNICAST`.
const UNICAST: u8 = 1;
/// `RTN_LOCAL`.
const LOCAL: u8 = 2;
/// `RTN_BROADCAST`.
const BROADCAST: u8 = 3;
/// `RTM_F_CLONED`, with `RTCF_LOCAL` and for a broadcast also `RTCF_BROADCAST`.
const CLONED: (u32, u32) = (0x8000_0200, 0x9000_0200);

/// Attributes: `RTA_DST`, `RTA_SRC`, `RTA_OIF`, `RTA_PRIORITY`, `RTA_PREFSRC`, `RTA_CACHEINFO`,
/// `RTA_TABLE`, `RTA_PREF`, `RTA_UID`.
mod rta {
    pub(super) const DST: u16 = 1;
    pub(super) const SRC: u16 = 2;
    pub(super) const OIF: u16 = 4;
    pub(super) const PRIORITY: u16 = 6;
    pub(super) const PREFSRC: u16 = 7;
    pub(super) const CACHEINFO: u16 = 12;
    pub(super) const TABLE: u16 = 15;
    pub(super) const PREF: u16 = 20;
    pub(super) const UID: u16 = 25;
}

/// `struct rtmsg` and the table's attribute.
fn head(bytes: [u8; 8], flags: u32) -> Vec<u8> {
    let mut out = bytes.to_vec();
    out.extend_from_slice(&flags.to_ne_bytes());
    let [_, _, _, _, table, ..] = bytes;
    attribute(&mut out, rta::TABLE, &u32::from(table).to_ne_bytes());
    out
}

/// A route of IPv4: to where, bits of the network, whether to everybody, and from where.
type Route4 = (Ipv4Addr, u8, bool, Ipv4Addr);

/// The routes of IPv4, all in the table of local addresses and in their order there.
fn local_routes(lo: &Link) -> Vec<Route4> {
    let own = Ipv4Addr::LOCALHOST;
    let mut all: Vec<Route4> = Vec::new();
    if lo.has_v4() {
        all.push((Ipv4Addr::new(127, 0, 0, 0), 8, false, own));
        all.push((own, 32, false, own));
        all.push((Ipv4Addr::new(127, 255, 255, 255), 32, true, own));
    }
    for a in lo.others.all() {
        let Some(ip) = a.v4() else { continue };
        let first = lo.others.source(&InetAddr { ip: a.ip, port: 0 });
        let first = first.and_then(|ip| ip.to_ipv4_mapped()).unwrap_or(ip);
        all.push((ip, 32, false, first));
        all.extend(a.network().map(|n| (n, a.prefix, false, first)));
        all.extend(a.everybody().map(|n| (n, 32, true, first)));
    }
    all.sort_by_key(|(to, prefix, ..)| (*to, *prefix));
    all.dedup();
    all
}

/// The routes of a family.
pub(super) fn list(lo: &Link, family: u8) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    if matches!(family, AF_UNSPEC | AF_INET) && lo.is_up() {
        for (to, prefix, everybody, from) in local_routes(lo) {
            let (scope, kind) =
                if everybody { (SCOPE_LINK, BROADCAST) } else { (SCOPE_HOST, LOCAL) };
            let mut out = head([AF_INET, prefix, 0, 0, TABLES.1, KERNEL, scope, kind], 0);
            attribute(&mut out, rta::DST, &to.octets());
            attribute(&mut out, rta::PREFSRC, &from.octets());
            attribute(&mut out, rta::OIF, &INDEX.to_ne_bytes());
            all.push(out);
        }
    }
    if matches!(family, AF_UNSPEC | AF_INET6) && lo.is_up() {
        let others = lo.others.all().into_iter().filter(|a| a.v4().is_none());
        let others: Vec<_> = others.map(|a| (a.ip, a.prefix)).collect();
        for (ip, prefix) in others.iter().filter(|(_, prefix)| *prefix < 128) {
            let mask = u128::MAX.checked_shl(128 - u32::from(*prefix)).unwrap_or(0);
            let network = Ipv6Addr::from_bits(ip.to_bits() & mask);
            all.push(route6(network, *prefix, (TABLES.0, UNICAST), 256));
        }
        let own = [(Ipv6Addr::LOCALHOST, 128)];
        for (ip, _) in own.into_iter().chain(others) {
            all.push(route6(ip, 128, (TABLES.1, LOCAL), 0));
        }
    }
    all
}

fn route6(to: Ipv6Addr, prefix: u8, (table, kind): (u8, u8), priority: u32) -> Vec<u8> {
    let mut out = head([AF_INET6, prefix, 0, 0, table, KERNEL, 0, kind], 0);
    attribute(&mut out, rta::DST, &to.octets());
    attribute(&mut out, rta::PRIORITY, &priority.to_ne_bytes());
    attribute(&mut out, rta::OIF, &INDEX.to_ne_bytes());
    attribute(&mut out, rta::CACHEINFO, &[0; 32]);
    attribute(&mut out, rta::PREF, &[0]);
    out
}

/// The route to one destination.
pub(super) fn one(lo: &Link, body: &[u8]) -> Result<Vec<u8>, Errno> {
    if body.len() < 12 {
        return Err(Errno::EINVAL);
    }
    let to = find(body.get(12..).unwrap_or_default(), rta::DST);
    match body.first() {
        Some(&AF_INET) => {
            let to = to
                .and_then(|b| b.first_chunk::<4>())
                .map_or(Ipv4Addr::UNSPECIFIED, |b| (*b).into());
            let at = InetAddr { ip: to.to_ipv6_mapped(), port: 0 };
            let own = lo.has_v4() && (to.is_loopback() || to.is_unspecified());
            if !lo.is_up() || !own && !lo.owns(&at) {
                return Err(Errno::ENETUNREACH);
            }
            let all = lo.is_broadcast(&at);
            let (kind, flags) = if all { (BROADCAST, CLONED.1) } else { (LOCAL, CLONED.0) };
            let mut out = head([AF_INET, 32, 0, 0, TABLES.0, 0, 0, kind], flags);
            attribute(&mut out, rta::DST, &to.octets());
            attribute(&mut out, rta::OIF, &INDEX.to_ne_bytes());
            let from = lo.source(&at).to_ipv4_mapped().unwrap_or(Ipv4Addr::LOCALHOST);
            attribute(&mut out, rta::PREFSRC, &from.octets());
            attribute(&mut out, rta::UID, &0u32.to_ne_bytes());
            attribute(&mut out, rta::CACHEINFO, &[0; 32]);
            Ok(out)
        }
        Some(&AF_INET6) => {
            let to = to
                .and_then(|b| b.first_chunk::<16>())
                .map_or(Ipv6Addr::UNSPECIFIED, |b| (*b).into());
            let at = InetAddr { ip: to, port: 0 };
            if !lo.is_up() || !to.is_loopback() && !lo.owns(&at) {
                return Err(Errno::ENETUNREACH);
            }
            let mut out = head([AF_INET6, 128, 128, 0, TABLES.1, KERNEL, 0, LOCAL], 0);
            attribute(&mut out, rta::DST, &to.octets());
            attribute(&mut out, rta::SRC, &Ipv6Addr::UNSPECIFIED.octets());
            attribute(&mut out, rta::PREFSRC, &to.octets());
            attribute(&mut out, rta::PRIORITY, &0u32.to_ne_bytes());
            attribute(&mut out, rta::OIF, &INDEX.to_ne_bytes());
            attribute(&mut out, rta::CACHEINFO, &[0; 32]);
            attribute(&mut out, rta::PREF, &[0]);
            Ok(out)
        }
        _ => Err(Errno::EOPNOTSUPP),
    }
}
