//! getsockopt(2) and setsockopt(2).

use super::super::endpoint::{Endpoint, Phase};
use super::super::message::Ucred;
use super::super::option_names::{
    BUF_LOCK_RECEIVE, BUF_LOCK_SEND, SOL_ICMPV6, SOL_IP, SOL_IPV6, SOL_NETLINK, SOL_PACKET,
    SOL_RAW, SOL_SOCKET, SOL_TCP, SOL_UDP, SOL_UDPLITE, UDP_CORK, ip, ipv6, netlink, so, tcp,
};
use super::super::option_table as table;
use super::super::{Domain, Kind};
use super::{MTU, Stamps, packet, raw};
use crate::{Creds, UserNs, cap};
use alloc::vec::Vec;
use core::net::Ipv4Addr;
use core::sync::atomic::Ordering::Relaxed;
use syserr::Errno;
use zerocopy::IntoBytes;

/// Default and, without privilege, largest buffer as an application sets it: `rmem_max` and
/// `wmem_max`.
const BUFFER_MAX: usize = 4 << 20;
/// `SOCK_MIN_SNDBUF`.
const SNDBUF_MIN: usize = 4608;
/// `SOCK_MIN_RCVBUF`.
const RCVBUF_MIN: usize = 2304;
/// The most that `SO_RCVLOWAT` makes a connection wait for: half of what it may hold
/// (`tcp_rmem`).
const TCP_LOW_MAX: i32 = 16 << 20;
/// Algorithms of congestion control, which are all the same where nothing is ever lost.
const CONGESTION: [&[u8]; 2] = [b"cubic", b"reno"];
/// `TCP_CA_NAME_MAX`.
const CONGESTION_NAME: usize = 16;
/// `IFNAMSIZ`.
const NAME_MAX: usize = 16;

fn int(v: i32) -> Vec<u8> {
    v.to_ne_bytes().to_vec()
}

/// Whether a level is that of a socket's transport, of which UDP and UDP-Lite share theirs.
fn own_level(e: &Endpoint, level: i32) -> bool {
    const SHARED: [i32; 2] = [SOL_UDP, SOL_UDPLITE];
    let shared = SHARED.contains(&e.protocol) && SHARED.contains(&level);
    (shared || level == e.protocol) && !e.is_ping()
}

/// Whether an option is a header that every packet is to have.
fn is_header(name: i32) -> bool {
    matches!(name, ipv6::HOPOPTS | ipv6::RTHDRDSTOPTS | ipv6::RTHDR | ipv6::DSTOPTS)
}

/// Whether there are options of a `level`, whatever they are called and whoever asks.
///
/// # Errors
/// `EOPNOTSUPP`, `ENOPROTOOPT`.
pub(in super::super) fn check_level(e: &Endpoint, level: i32, setting: bool) -> Result<(), Errno> {
    let own = level == SOL_SOCKET
        || match e.domain {
            Domain::Unix => false,
            Domain::Netlink => level == SOL_NETLINK,
            Domain::Packet => level == SOL_PACKET,
            Domain::Inet | Domain::Inet6 if e.kind == Kind::Raw => {
                let six = e.domain == Domain::Inet6;
                level == SOL_RAW
                    || level == if six { SOL_IPV6 } else { SOL_IP }
                    || six && level == SOL_ICMPV6
            }
            Domain::Inet => level == SOL_IP || own_level(e, level),
            Domain::Inet6 => matches!(level, SOL_IP | SOL_IPV6) || own_level(e, level),
        };
    match e.domain {
        _ if own => Ok(()),
        Domain::Unix => Err(Errno::EOPNOTSUPP),
        Domain::Inet if !setting => Err(Errno::EOPNOTSUPP),
        _ => Err(Errno::ENOPROTOOPT),
    }
}

fn timeval(ns: i64) -> Vec<u8> {
    let ns = ns.max(0);
    [ns / 1_000_000_000, ns % 1_000_000_000 / 1000].as_bytes().to_vec()
}

/// Nanoseconds of a `struct timeval` for a timeout.
fn parse_timeout(bytes: &[u8]) -> Result<i64, Errno> {
    let word = |at: usize| {
        let b = bytes.get(at..at + 8).and_then(|b| b.first_chunk::<8>());
        b.map(|b| i64::from_ne_bytes(*b)).ok_or(Errno::EINVAL)
    };
    let (sec, usec) = (word(0)?, word(8)?);
    if !(0..1_000_000).contains(&usec) {
        return Err(Errno::EDOM);
    }
    if sec < 0 {
        return Ok(-1);
    }
    match sec.checked_mul(1_000_000_000).and_then(|s| s.checked_add(usec * 1000)) {
        Some(ns) => Ok(ns),
        None => Ok(0),
    }
}

/// The algorithm of congestion control of a connection.
pub(in super::super) fn congestion(e: &Endpoint) -> &'static [u8] {
    let chosen = e.options.number(SOL_TCP, tcp::CONGESTION).unwrap_or(0) as usize;
    CONGESTION.get(chosen).copied().unwrap_or_default()
}

/// The value of an option of another level than `SOL_SOCKET`.
fn get_other(e: &Endpoint, level: i32, name: i32) -> Result<Vec<u8>, Errno> {
    if let Some(value) = raw::get(e, level, name).or_else(|| packet::get(e, name)) {
        return value;
    }
    match (level, name) {
        (SOL_TCP, tcp::INFO) if e.is_tcp() => return Ok(e.tcp_info()),
        (SOL_TCP, tcp::CONGESTION) if e.is_tcp() => {
            let mut name = congestion(e).to_vec();
            name.resize(CONGESTION_NAME, 0);
            return Ok(name);
        }
        (SOL_NETLINK, netlink::LIST_MEMBERSHIPS) if e.domain == Domain::Netlink => {
            return Ok(e.options.members());
        }
        (SOL_IPV6, name) if is_header(name) && e.domain == Domain::Inet6 => return Ok(Vec::new()),
        // There is no protocol above.
        (SOL_TCP, tcp::ULP) if e.is_tcp() => return Ok(Vec::new()),
        (SOL_TCP, tcp::MAXSEG) if e.is_tcp() => return Ok(int(e.segment_size())),
        (SOL_IP, ip::MULTICAST_IF) if e.is_inet() => {
            let at = e.options.multicast_interface().unwrap_or(Ipv4Addr::UNSPECIFIED);
            return Ok(at.octets().to_vec());
        }
        (SOL_IP, ip::MTU) | (SOL_IPV6, ipv6::MTU) if table::find(e, level, name).is_some() => {
            let s = e.state.lock();
            let connected = s.phase == Phase::Connected && s.peer_name.is_some();
            /// `IP_MAX_MTU`.
            const MOST: i32 = 0xffff;
            let mtu = if level == SOL_IP { MTU.min(MOST) } else { MTU };
            return if connected { Ok(int(mtu)) } else { Err(Errno::ENOTCONN) };
        }
        _ => {}
    }
    let row = table::find(e, level, name).ok_or(Errno::ENOPROTOOPT)?;
    Ok(int(e.options.number(level, name).unwrap_or(row.first)))
}

/// getsockopt(2): the value in full; the caller cuts it to the `room` there is.
pub(in super::super) fn get(
    e: &Endpoint,
    level: i32,
    name: i32,
    room: usize,
    ns: &UserNs,
) -> Result<Vec<u8>, Errno> {
    if level != SOL_SOCKET {
        let cut = level == SOL_NETLINK && room < 4 && name != netlink::LIST_MEMBERSHIPS;
        if cut {
            return Err(Errno::EINVAL);
        }
        let value = get_other(e, level, name)?;
        // Where there is no room for a number, a small one is a byte (`do_ip_getsockopt`).
        let small = level == SOL_IP && matches!(room, 1..4) && name != ip::MULTICAST_IF;
        return Ok(match *value {
            [a, b, c, d] if small => match u8::try_from(i32::from_ne_bytes([a, b, c, d])) {
                Ok(byte) => [byte].to_vec(),
                Err(_) => value,
            },
            _ => value,
        });
    }
    let o = &e.options;
    let unix = e.domain == Domain::Unix;
    Ok(match name {
        so::TYPE if e.shows_raw => int(Kind::Raw as i32),
        so::TYPE => int(e.kind as i32),
        so::DOMAIN => int(i32::from(e.domain as u16)),
        so::PROTOCOL => int(e.protocol),
        so::ERROR => int(e.take_error().map_or(0, |e| e.to_raw())),
        so::SNDBUF => int(o.sndbuf() as i32),
        so::RCVBUF => int(o.rcvbuf() as i32),
        so::SNDLOWAT => int(1),
        so::ACCEPTCONN => int(i32::from(e.state.lock().phase == Phase::Listening)),
        so::PASSCRED if unix || e.domain == Domain::Netlink => int(i32::from(o.passcred())),
        so::PASSPIDFD if unix => int(i32::from(o.passpidfd())),
        so::PASSCRED | so::PASSPIDFD => return Err(Errno::EOPNOTSUPP),
        so::PASSSEC if !unix && e.domain != Domain::Netlink => return Err(Errno::EOPNOTSUPP),
        so::PEERCRED => {
            let none = Ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
            let peer = e.state.lock().peer_cred.as_ref().map(|p| p.id.seen_by(ns));
            peer.unwrap_or(none).as_bytes().to_vec()
        }
        so::PEERGROUPS => {
            let peer = e.state.lock().peer_cred.clone().ok_or(Errno::ENODATA)?;
            peer.groups.iter().flat_map(|g| ns.show_gid(*g).to_ne_bytes()).collect()
        }
        so::LINGER => {
            let time = o.number(level, name).unwrap_or(0);
            [i32::from(o.lingers.load(Relaxed)), time].as_bytes().to_vec()
        }
        so::RCVTIMEO | so::RCVTIMEO_NEW => timeval(o.timeout(false)),
        so::SNDTIMEO | so::SNDTIMEO_NEW => timeval(o.timeout(true)),
        so::BINDTODEVICE => match o.number(level, so::BINDTOIFINDEX) {
            None | Some(0) => Vec::new(),
            Some(_) if room < NAME_MAX => return Err(Errno::EINVAL),
            Some(_) => b"lo\0".to_vec(),
        },
        so::PEERNAME => e.peer_address()?,
        // What asked first for nanoseconds in the new layout answers to both of its names.
        so::TIMESTAMP_NEW => {
            let new = [Some(Stamps::MicrosNew), Some(Stamps::NanosNew)];
            int(i32::from(new.contains(&o.stamps())))
        }
        so::TIMESTAMP | so::TIMESTAMPNS | so::TIMESTAMPNS_NEW => {
            int(i32::from(o.stamps() == Stamps::by(name)))
        }
        so::PEEK_OFF => int(o.peek_offset()),
        so::COOKIE => e.net.cookie(e).to_ne_bytes().to_vec(),
        so::PEERSEC => return Err(Errno::ENOPROTOOPT),
        so::LOCK_FILTER => int(i32::from(e.filter.locked.load(Relaxed))),
        _ => {
            let row = table::find(e, level, name).ok_or(Errno::ENOPROTOOPT)?;
            int(o.number(level, name).unwrap_or(row.first))
        }
    })
}

pub(super) fn number(value: &[u8]) -> Result<i32, Errno> {
    value.first_chunk::<4>().map(|b| i32::from_ne_bytes(*b)).ok_or(Errno::EINVAL)
}

/// Changes an option of another level than `SOL_SOCKET`.
fn set_other(
    e: &Endpoint,
    creds: &Creds,
    level: i32,
    name: i32,
    value: &[u8],
) -> Result<(), Errno> {
    if let Some(done) = raw::set(e, level, name, value).or_else(|| packet::set(e, name, value)) {
        return done;
    }
    match (level, name) {
        (SOL_TCP, tcp::CONGESTION) if e.is_tcp() => {
            if value.is_empty() {
                return Err(Errno::EINVAL);
            }
            let text = value.get(..CONGESTION_NAME - 1).unwrap_or(value);
            let text = text.split(|b| *b == 0).next().unwrap_or_default();
            let chosen = CONGESTION.iter().position(|n| *n == text).ok_or(Errno::ENOENT)?;
            e.options.set_number(level, name, chosen as i32);
            return Ok(());
        }
        (SOL_TCP, tcp::ULP) if e.is_tcp() => return Err(Errno::ENOENT),
        (SOL_NETLINK, netlink::ADD_MEMBERSHIP | netlink::DROP_MEMBERSHIP)
            if e.domain == Domain::Netlink =>
        {
            return e.options.set_member(number(value)?, name == netlink::ADD_MEMBERSHIP);
        }
        (SOL_IP, ip::MULTICAST_IF) if e.is_inet() => return e.set_multicast_interface(value),
        (SOL_IP, ip::ADD_MEMBERSHIP | ip::DROP_MEMBERSHIP) if e.is_inet() => {
            return e.change_membership(level, name == ip::DROP_MEMBERSHIP, value);
        }
        // None can be set, and so there is none to take away (`ipv6_set_opt_hdr`).
        (SOL_IPV6, header) if is_header(header) && e.domain == Domain::Inet6 => {
            let may = header == ipv6::RTHDR || e.net.allows(creds, cap::NET_RAW);
            return match value.is_empty() {
                _ if !may => Err(Errno::EPERM),
                true => Ok(()),
                false => Err(Errno::EINVAL),
            };
        }
        (SOL_IPV6, ipv6::ADD_MEMBERSHIP | ipv6::DROP_MEMBERSHIP) if e.domain == Domain::Inet6 => {
            return e.change_membership(level, name == ipv6::DROP_MEMBERSHIP, value);
        }
        _ => {}
    }
    let row = table::find(e, level, name).ok_or(Errno::ENOPROTOOPT)?;
    let v = match (level, value) {
        // Options of the level IP may be given as one byte.
        (SOL_IP, [b]) => i32::from(*b),
        _ => number(value)?,
    };
    match (level, name) {
        (SOL_IP, ip::TRANSPARENT) | (SOL_IPV6, ipv6::TRANSPARENT)
            if v != 0
                && ![cap::NET_RAW, cap::NET_ADMIN].iter().any(|c| e.net.allows(creds, *c)) =>
        {
            return Err(Errno::EPERM);
        }
        (SOL_IPV6, ipv6::V6ONLY) if e.state.lock().name.is_some() => return Err(Errno::EINVAL),
        (SOL_TCP, tcp::WINDOW_CLAMP) if v == 0 && e.state.lock().phase != Phase::Closed => {
            return Err(Errno::EINVAL);
        }
        _ => {}
    }
    let v = row.accept(v)?;
    e.options.set_number(level, name, v);
    if (level, name) == (SOL_UDP, UDP_CORK) && v == 0 {
        e.uncork();
    }
    Ok(())
}

/// setsockopt(2).
pub(in super::super) fn set(
    e: &Endpoint,
    creds: &Creds,
    level: i32,
    name: i32,
    value: &[u8],
) -> Result<(), Errno> {
    let o = &e.options;
    if level != SOL_SOCKET {
        return set_other(e, creds, level, name, value);
    }
    if name == so::BINDTODEVICE {
        let name = value.split(|b| *b == 0).next().unwrap_or_default();
        let index = match name {
            b"" => 0,
            b"lo" => 1,
            _ => return Err(Errno::ENODEV),
        };
        o.set_number(level, so::BINDTOIFINDEX, index);
        return Ok(());
    }
    if name == so::ATTACH_FILTER {
        return e.filter.attach(value);
    }
    let v = number(value)?;
    let admin = e.net.allows(creds, cap::NET_ADMIN);
    // Over the memory of all, and what goes into the log (`sockopt_capable`).
    let admin_of_all = creds.has(cap::NET_ADMIN);
    match name {
        so::TYPE | so::DOMAIN | so::PROTOCOL | so::ERROR | so::ACCEPTCONN | so::SNDLOWAT => {
            return Err(Errno::ENOPROTOOPT);
        }
        so::PEERCRED | so::PEERGROUPS | so::PEERNAME | so::COOKIE | so::PEERSEC => {
            return Err(Errno::ENOPROTOOPT);
        }
        so::SNDBUFFORCE | so::RCVBUFFORCE if !admin_of_all => return Err(Errno::EPERM),
        so::SNDBUF | so::SNDBUFFORCE => {
            let v = buffer(v, SNDBUF_MIN);
            o.sndbuf.store(v, Relaxed);
            o.lock_buffer(BUF_LOCK_SEND);
            e.tell_writable();
        }
        so::RCVBUF | so::RCVBUFFORCE => {
            o.rcvbuf.store(buffer(v, RCVBUF_MIN), Relaxed);
            o.lock_buffer(BUF_LOCK_RECEIVE);
        }
        so::PASSCRED if matches!(e.domain, Domain::Unix | Domain::Netlink) => {
            o.set_passcred(v != 0);
        }
        so::PASSPIDFD if e.domain == Domain::Unix => o.set_passpidfd(v != 0),
        so::PASSCRED | so::PASSPIDFD => return Err(Errno::EOPNOTSUPP),
        so::LINGER => {
            let time = value.get(4..8).and_then(|b| b.first_chunk::<4>()).ok_or(Errno::EINVAL)?;
            o.lingers.store(v != 0, Relaxed);
            if v != 0 {
                o.set_number(level, name, i32::from_ne_bytes(*time));
            }
        }
        so::RCVTIMEO | so::RCVTIMEO_NEW => o.receive_timeout.store(parse_timeout(value)?, Relaxed),
        so::SNDTIMEO | so::SNDTIMEO_NEW => o.send_timeout.store(parse_timeout(value)?, Relaxed),
        so::RCVLOWAT => {
            let most = if e.is_tcp() { TCP_LOW_MAX } else { i32::MAX };
            let v = if v < 0 { most } else { v.clamp(1, most) };
            o.set_number(level, name, v);
        }
        so::TIMESTAMP | so::TIMESTAMPNS | so::TIMESTAMP_NEW | so::TIMESTAMPNS_NEW => {
            o.stamps.store(if v == 0 { 0 } else { name }, Relaxed);
        }
        so::PEEK_OFF if e.domain == Domain::Netlink => return Err(Errno::EOPNOTSUPP),
        so::PEEK_OFF => o.peek_offset.store(v, Relaxed),
        so::DETACH_FILTER => return e.filter.detach(),
        so::LOCK_FILTER if v == 0 && e.filter.locked.load(Relaxed) => return Err(Errno::EPERM),
        so::LOCK_FILTER => e.filter.locked.store(v != 0, Relaxed),
        so::PASSSEC if e.domain != Domain::Unix => return Err(Errno::EOPNOTSUPP),
        so::DEBUG if v != 0 && !admin_of_all => return Err(Errno::EACCES),
        so::PRIORITY if !(0..=6).contains(&v) && !admin => return Err(Errno::EPERM),
        so::MARK if !admin => return Err(Errno::EPERM),
        so::REUSEPORT if v != 0 && e.domain == Domain::Unix => return Err(Errno::EOPNOTSUPP),
        _ => {
            let row = table::find(e, level, name).ok_or(Errno::ENOPROTOOPT)?;
            o.set_number(level, name, row.accept(v)?);
        }
    }
    Ok(())
}

/// A buffer size as the kernel keeps it: doubled for its own overhead, and bounded.
fn buffer(asked: i32, least: usize) -> usize {
    // A negative size is a huge unsigned one.
    let asked = (asked as u32 as usize).min(BUFFER_MAX);
    (asked * 2).max(least)
}
