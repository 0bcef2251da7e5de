//! What the kernel says of routes: every address of the loopback interface leads there, and
//! nothing leads anywhere else; rtnetlink(7).

use super::link::INDEX;
use super::link::Link;
use super::rtnetlink::{AF_INET, AF_INET6, AF_UNSPEC, SCOPE_HOST, attribute, find};
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};
use syserr::Errno;

/// `RT_TABLE_MAIN` and `RT_TABLE_LOCAL`.
const TABLES: (u8, u8) = (254, 255);
/// `RTPROT_KERNEL`.
const KERNEL: u8 = 2;
/// `RT_SCOPE_LINK`.
const SCOPE_LINK: u8 = 253;
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

/// The routes of a family, all in the table of local addresses.
pub(super) fn list(lo: &Link, family: u8) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    if matches!(family, AF_UNSPEC | AF_INET) && lo.is_up() && lo.has_v4() {
        for (to, prefix, scope, kind) in [
            ([127, 0, 0, 0], 8, SCOPE_HOST, LOCAL),
            ([127, 0, 0, 1], 32, SCOPE_HOST, LOCAL),
            ([127, 255, 255, 255], 32, SCOPE_LINK, BROADCAST),
        ] {
            let mut out = head([AF_INET, prefix, 0, 0, TABLES.1, KERNEL, scope, kind], 0);
            attribute(&mut out, rta::DST, &to);
            attribute(&mut out, rta::PREFSRC, &Ipv4Addr::LOCALHOST.octets());
            attribute(&mut out, rta::OIF, &INDEX.to_ne_bytes());
            all.push(out);
        }
    }
    if matches!(family, AF_UNSPEC | AF_INET6) && lo.is_up() {
        let mut out = head([AF_INET6, 128, 0, 0, TABLES.1, KERNEL, 0, LOCAL], 0);
        attribute(&mut out, rta::DST, &Ipv6Addr::LOCALHOST.octets());
        attribute(&mut out, rta::PRIORITY, &0u32.to_ne_bytes());
        attribute(&mut out, rta::OIF, &INDEX.to_ne_bytes());
        attribute(&mut out, rta::CACHEINFO, &[0; 32]);
        attribute(&mut out, rta::PREF, &[0]);
        all.push(out);
    }
    all
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
            if !lo.is_up() || !lo.has_v4() || !to.is_loopback() && !to.is_unspecified() {
                return Err(Errno::ENETUNREACH);
            }
            let all = to == Ipv4Addr::new(127, 255, 255, 255);
            let (kind, flags) = if all { (BROADCAST, CLONED.1) } else { (LOCAL, CLONED.0) };
            let mut out = head([AF_INET, 32, 0, 0, TABLES.0, 0, 0, kind], flags);
            attribute(&mut out, rta::DST, &to.octets());
            attribute(&mut out, rta::OIF, &INDEX.to_ne_bytes());
            attribute(&mut out, rta::PREFSRC, &Ipv4Addr::LOCALHOST.octets());
            attribute(&mut out, rta::UID, &0u32.to_ne_bytes());
            attribute(&mut out, rta::CACHEINFO, &[0; 32]);
            Ok(out)
        }
        Some(&AF_INET6) => {
            let to = to
                .and_then(|b| b.first_chunk::<16>())
                .map_or(Ipv6Addr::UNSPECIFIED, |b| (*b).into());
            if !lo.is_up() || !to.is_loopback() {
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
