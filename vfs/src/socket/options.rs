//! Options of sockets; socket(7), tcp(7), ip(7), ipv6(7).

use super::ancillary::{Asked, HOPS, SOL_IP, SOL_IPV6, SOL_SOCKET, SOL_UDP, UDP_SEGMENT, ip, ipv6};
use super::endpoint::{Endpoint, Phase};
use super::message::Ucred;
use super::{Domain, Kind};
use crate::{Creds, cap};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::sync::atomic::{
    AtomicBool, AtomicI32, AtomicI64, AtomicU32, AtomicUsize, Ordering::Relaxed,
};
use sync::Mutex;
use syserr::Errno;
use zerocopy::IntoBytes;

const SOL_TCP: i32 = 6;
const SOL_NETLINK: i32 = 270;

/// Options of the level `SOL_SOCKET`; `asm-generic/socket.h`.
mod so {
    pub(super) const DEBUG: i32 = 1;
    pub(super) const REUSEADDR: i32 = 2;
    pub(super) const TYPE: i32 = 3;
    pub(super) const ERROR: i32 = 4;
    pub(super) const DONTROUTE: i32 = 5;
    pub(super) const BROADCAST: i32 = 6;
    pub(super) const SNDBUF: i32 = 7;
    pub(super) const RCVBUF: i32 = 8;
    pub(super) const KEEPALIVE: i32 = 9;
    pub(super) const OOBINLINE: i32 = 10;
    pub(super) const NO_CHECK: i32 = 11;
    pub(super) const PRIORITY: i32 = 12;
    pub(super) const LINGER: i32 = 13;
    pub(super) const REUSEPORT: i32 = 15;
    pub(super) const PASSCRED: i32 = 16;
    pub(super) const PEERCRED: i32 = 17;
    pub(super) const RCVLOWAT: i32 = 18;
    pub(super) const SNDLOWAT: i32 = 19;
    pub(super) const RCVTIMEO: i32 = 20;
    pub(super) const SNDTIMEO: i32 = 21;
    pub(super) const BINDTODEVICE: i32 = 25;
    pub(super) const PEERNAME: i32 = 28;
    pub(super) const TIMESTAMP: i32 = 29;
    pub(super) const ACCEPTCONN: i32 = 30;
    pub(super) const PEERSEC: i32 = 31;
    pub(super) const SNDBUFFORCE: i32 = 32;
    pub(super) const RCVBUFFORCE: i32 = 33;
    pub(super) const PASSSEC: i32 = 34;
    pub(super) const TIMESTAMPNS: i32 = 35;
    pub(super) const MARK: i32 = 36;
    pub(super) const PROTOCOL: i32 = 38;
    pub(super) const DOMAIN: i32 = 39;
    pub(super) const RXQ_OVFL: i32 = 40;
    pub(super) const PEEK_OFF: i32 = 42;
    pub(super) const NOFCS: i32 = 43;
    pub(super) const BUSY_POLL: i32 = 46;
    pub(super) const INCOMING_CPU: i32 = 49;
    pub(super) const COOKIE: i32 = 57;
    pub(super) const PEERGROUPS: i32 = 59;
    pub(super) const ZEROCOPY: i32 = 60;
    pub(super) const TIMESTAMP_NEW: i32 = 63;
    pub(super) const TIMESTAMPNS_NEW: i32 = 64;
    pub(super) const RCVTIMEO_NEW: i32 = 66;
    pub(super) const SNDTIMEO_NEW: i32 = 67;
}

/// Default and, without privilege, largest buffer as an application sets it: `rmem_max` and
/// `wmem_max`.
const BUFFER_MAX: usize = 4 << 20;
/// `SOCK_MIN_SNDBUF`.
const SNDBUF_MIN: usize = 4608;
/// `SOCK_MIN_RCVBUF`.
const RCVBUF_MIN: usize = 2304;
/// `wmem_default` and `rmem_default`.
const BUFFER_DEFAULT: usize = 212_992;
/// Send buffer of a connection over loopback, as automatic tuning leaves it.
const TCP_CONNECTED: usize = 2_626_560;

/// How messages are stamped with the time they came: the option that asked for it, which is also
/// the kind of the ancillary message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(super) enum Stamps {
    /// `SO_TIMESTAMP_OLD`: a `struct timeval`.
    Micros = so::TIMESTAMP,
    /// `SO_TIMESTAMPNS_OLD`: a `struct timespec`.
    Nanos = so::TIMESTAMPNS,
    /// `SO_TIMESTAMP_NEW`.
    MicrosNew = so::TIMESTAMP_NEW,
    /// `SO_TIMESTAMPNS_NEW`.
    NanosNew = so::TIMESTAMPNS_NEW,
}

impl Stamps {
    fn by(name: i32) -> Option<Stamps> {
        let all = [Stamps::Micros, Stamps::Nanos, Stamps::MicrosNew, Stamps::NanosNew];
        all.into_iter().find(|s| *s as i32 == name)
    }
}

/// Settings of one socket.
pub(super) struct Options {
    sndbuf: AtomicUsize,
    rcvbuf: AtomicUsize,
    /// The application chose the send buffer (`SOCK_SNDBUF_LOCK`).
    fixed_sndbuf: AtomicBool,
    passcred: AtomicBool,
    /// Nanoseconds; 0 for no limit, negative for no time at all.
    receive_timeout: AtomicI64,
    send_timeout: AtomicI64,
    /// A [`Stamps`], or 0.
    stamps: AtomicI32,
    /// The bits of [`Asked`].
    asked: AtomicU32,
    /// Options that are a number.
    numbers: Mutex<BTreeMap<(i32, i32), i32>>,
}

fn int(v: i32) -> Vec<u8> {
    v.to_ne_bytes().to_vec()
}

impl Options {
    pub(super) fn new(domain: Domain, kind: Kind) -> Options {
        let tcp = domain != Domain::Unix && kind == Kind::Stream;
        let (sndbuf, rcvbuf) =
            if tcp { (16_384, 131_072) } else { (BUFFER_DEFAULT, BUFFER_DEFAULT) };
        Options {
            sndbuf: AtomicUsize::new(sndbuf),
            rcvbuf: AtomicUsize::new(rcvbuf),
            fixed_sndbuf: AtomicBool::new(false),
            passcred: AtomicBool::new(false),
            receive_timeout: AtomicI64::new(0),
            send_timeout: AtomicI64::new(0),
            stamps: AtomicI32::new(0),
            asked: AtomicU32::new(0),
            numbers: Mutex::default(),
        }
    }

    /// What an accepted connection takes over from its listener.
    pub(super) fn inherit(&self, from: &Options) {
        self.sndbuf.store(from.sndbuf(), Relaxed);
        self.rcvbuf.store(from.rcvbuf(), Relaxed);
        self.fixed_sndbuf.store(from.fixed_sndbuf.load(Relaxed), Relaxed);
        self.receive_timeout.store(from.receive_timeout.load(Relaxed), Relaxed);
        self.send_timeout.store(from.send_timeout.load(Relaxed), Relaxed);
        self.stamps.store(from.stamps.load(Relaxed), Relaxed);
        *self.numbers.lock() = from.numbers.lock().clone();
    }

    pub(super) fn sndbuf(&self) -> usize {
        self.sndbuf.load(Relaxed)
    }

    pub(super) fn rcvbuf(&self) -> usize {
        self.rcvbuf.load(Relaxed)
    }

    pub(super) fn passcred(&self) -> bool {
        self.passcred.load(Relaxed)
    }

    pub(super) fn set_passcred(&self, on: bool) {
        self.passcred.store(on, Relaxed);
    }

    /// Lets a TCP connection hold what it does on Linux.
    pub(super) fn connected(&self) {
        if !self.fixed_sndbuf.load(Relaxed) {
            self.sndbuf.store(TCP_CONNECTED, Relaxed);
        }
    }

    pub(super) fn timeout(&self, send: bool) -> i64 {
        if send { &self.send_timeout } else { &self.receive_timeout }.load(Relaxed)
    }

    /// How messages are to be stamped.
    pub(super) fn stamps(&self) -> Option<Stamps> {
        Stamps::by(self.stamps.load(Relaxed))
    }

    /// What is to be told of packets' headers.
    pub(super) fn asked(&self) -> Asked {
        Asked::from_bits_truncate(self.asked.load(Relaxed))
    }

    /// Bytes of the datagrams that larger ones are cut into; 0 for none (`UDP_SEGMENT`).
    pub(super) fn segment(&self) -> u16 {
        self.number(SOL_UDP, UDP_SEGMENT).and_then(|v| u16::try_from(v).ok()).unwrap_or(0)
    }

    pub(super) fn number(&self, level: i32, name: i32) -> Option<i32> {
        self.numbers.lock().get(&(level, name)).copied()
    }

    fn set_number(&self, level: i32, name: i32, v: i32) {
        let asked = Asked::by(level, name).bits();
        if v == 0 {
            self.asked.fetch_and(!asked, Relaxed);
        } else {
            self.asked.fetch_or(asked, Relaxed);
        }
        self.numbers.lock().insert((level, name), v);
    }

    fn flag(&self, name: i32) -> bool {
        self.number(SOL_SOCKET, name).is_some_and(|v| v != 0)
    }

    pub(super) fn reuse_address(&self) -> bool {
        self.flag(so::REUSEADDR)
    }

    pub(super) fn reuse_port(&self) -> bool {
        self.flag(so::REUSEPORT)
    }

    /// `SO_LINGER` with no time: close(2) resets the connection.
    pub(super) fn resets_on_close(&self) -> bool {
        self.number(SOL_SOCKET, so::LINGER) == Some(0)
    }

    pub(super) fn v6only(&self) -> bool {
        self.number(SOL_IPV6, 26).is_some_and(|v| v != 0)
    }

    /// The least that a read waits for.
    pub(super) fn receive_low(&self) -> usize {
        self.number(SOL_SOCKET, so::RCVLOWAT).map_or(1, |v| v.max(1) as usize)
    }
}

/// The default of an option that is a number and has no effect here, and whether it is a switch.
fn known(e: &Endpoint, level: i32, name: i32) -> Option<(i32, bool)> {
    let unix = !matches!(e.domain, Domain::Inet | Domain::Inet6);
    let (switch, number) = (Some((0, true)), |v| Some((v, false)));
    match (level, name) {
        (SOL_SOCKET, so::DEBUG | so::REUSEADDR | so::DONTROUTE | so::BROADCAST) => switch,
        (SOL_SOCKET, so::KEEPALIVE | so::OOBINLINE | so::NO_CHECK) => switch,
        (SOL_SOCKET, so::RXQ_OVFL | so::NOFCS) => switch,
        (SOL_SOCKET, so::REUSEPORT | so::ZEROCOPY) => switch,
        (SOL_SOCKET, so::PASSSEC) if unix => switch,
        (SOL_SOCKET, so::PRIORITY | so::MARK | so::BUSY_POLL) => number(0),
        (SOL_SOCKET, so::INCOMING_CPU | so::PEEK_OFF) => number(-1),
        (SOL_SOCKET, so::RCVLOWAT) => number(1),
        // TCP_NODELAY, CORK, DEFER_ACCEPT, QUICKACK, THIN_*, REPAIR, SAVE_SYN.
        (SOL_TCP, 1 | 3 | 12 | 16 | 17 | 19 | 27) if e.is_tcp() => switch,
        (SOL_TCP, 2) if e.is_tcp() => number(65_483),
        (SOL_TCP, 4) if e.is_tcp() => number(7200),
        (SOL_TCP, 5) if e.is_tcp() => number(75),
        (SOL_TCP, 6) if e.is_tcp() => number(9),
        (SOL_TCP, 7) if e.is_tcp() => number(6),
        (SOL_TCP, 8) if e.is_tcp() => number(60),
        (SOL_TCP, 9 | 10 | 18 | 23 | 24 | 25 | 30 | 36) if e.is_tcp() => number(0),
        // UDP_CORK, UDP_SEGMENT, UDP_GRO.
        (SOL_UDP, 1 | UDP_SEGMENT | 104) if !unix && e.kind == Kind::Dgram => number(0),
        // NETLINK_ADD_MEMBERSHIP, DROP_MEMBERSHIP: of groups in which nothing ever happens.
        (SOL_NETLINK, 1 | 2) if e.domain == Domain::Netlink => number(0),
        // NETLINK_PKTINFO, BROADCAST_ERROR, NO_ENOBUFS, CAP_ACK, EXT_ACK, GET_STRICT_CHK.
        (SOL_NETLINK, 3 | 4 | 5 | 10 | 11 | 12) if e.domain == Domain::Netlink => switch,
        (SOL_IP, ip::TTL) if !unix => number(HOPS),
        (SOL_IP, 10) if !unix => number(1),
        (SOL_IP, 33) if !unix => number(1),
        (SOL_IP, 34 | 49) if !unix => number(1),
        (SOL_IP, ip::PKTINFO | ip::RECVTTL | ip::RECVTOS | ip::RECVORIGDSTADDR) if !unix => switch,
        // RECVOPTS, RECVERR, FREEBIND, TRANSPARENT, BIND_ADDRESS_NO_PORT.
        (SOL_IP, 6 | 11 | 15 | 19 | 24) if !unix => switch,
        // IP_UNICAST_IF.
        (SOL_IP, ip::TOS | 50) if !unix => number(0),
        // IPV6_V6ONLY, RECVERR.
        (SOL_IPV6, 26 | 25) if e.domain == Domain::Inet6 => switch,
        (SOL_IPV6, ipv6::RECVPKTINFO | ipv6::RECVHOPLIMIT | ipv6::RECVTCLASS)
            if e.domain == Domain::Inet6 =>
        {
            switch
        }
        (SOL_IPV6, ipv6::TCLASS) if e.domain == Domain::Inet6 => number(0),
        (SOL_IPV6, ipv6::UNICAST_HOPS) if e.domain == Domain::Inet6 => number(HOPS),
        (SOL_IPV6, 18 | 19) if e.domain == Domain::Inet6 => number(1),
        _ => None,
    }
}

fn missing(e: &Endpoint, level: i32) -> Errno {
    match level {
        _ if e.domain == Domain::Unix && level != SOL_SOCKET => Errno::EOPNOTSUPP,
        SOL_SOCKET | SOL_TCP | SOL_UDP | SOL_IP | SOL_IPV6 => Errno::ENOPROTOOPT,
        _ if e.is_tcp() => Errno::ENOPROTOOPT,
        _ => Errno::EOPNOTSUPP,
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

/// getsockopt(2): the value in full; the caller cuts it to the room there is.
pub(super) fn get(e: &Endpoint, level: i32, name: i32) -> Result<Vec<u8>, Errno> {
    if level != SOL_SOCKET {
        let (default, _) = known(e, level, name).ok_or(missing(e, level))?;
        return Ok(int(e.options.number(level, name).unwrap_or(default)));
    }
    let o = &e.options;
    let unix = e.domain == Domain::Unix;
    Ok(match name {
        so::TYPE => int(e.kind as i32),
        so::DOMAIN => int(i32::from(e.domain as u16)),
        so::PROTOCOL => int(e.protocol()),
        so::ERROR => int(e.take_error().map_or(0, |e| e.to_raw())),
        so::SNDBUF => int(o.sndbuf() as i32),
        so::RCVBUF => int(o.rcvbuf() as i32),
        so::SNDLOWAT => int(1),
        so::ACCEPTCONN => int(i32::from(e.state.lock().phase == Phase::Listening)),
        so::PASSCRED if unix => int(i32::from(o.passcred())),
        so::PASSCRED => return Err(Errno::EOPNOTSUPP),
        so::PASSSEC if !unix => return Err(Errno::EOPNOTSUPP),
        so::PEERCRED => {
            let none = Ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
            let peer = e.state.lock().peer_cred.as_ref().map(|p| p.id);
            peer.unwrap_or(none).as_bytes().to_vec()
        }
        so::PEERGROUPS => {
            let peer = e.state.lock().peer_cred.clone().ok_or(Errno::ENODATA)?;
            peer.groups.iter().flat_map(|g| g.to_ne_bytes()).collect()
        }
        so::LINGER => {
            let v = o.number(level, name);
            [i32::from(v.is_some()), v.unwrap_or(0)].as_bytes().to_vec()
        }
        so::RCVTIMEO | so::RCVTIMEO_NEW => timeval(o.timeout(false)),
        so::SNDTIMEO | so::SNDTIMEO_NEW => timeval(o.timeout(true)),
        so::BINDTODEVICE => Vec::new(),
        so::PEERNAME => e.peer_address()?,
        // What asked first for nanoseconds in the new layout answers to both of its names.
        so::TIMESTAMP_NEW => {
            let new = [Some(Stamps::MicrosNew), Some(Stamps::NanosNew)];
            int(i32::from(new.contains(&o.stamps())))
        }
        so::TIMESTAMP | so::TIMESTAMPNS | so::TIMESTAMPNS_NEW => {
            int(i32::from(o.stamps() == Stamps::by(name)))
        }
        so::COOKIE => e.net.cookie(e).to_ne_bytes().to_vec(),
        so::PEERSEC => return Err(Errno::ENOPROTOOPT),
        _ => {
            let (default, _) = known(e, level, name).ok_or(Errno::ENOPROTOOPT)?;
            int(o.number(level, name).unwrap_or(default))
        }
    })
}

/// setsockopt(2).
pub(super) fn set(
    e: &Endpoint,
    creds: &Creds,
    level: i32,
    name: i32,
    value: &[u8],
) -> Result<(), Errno> {
    let o = &e.options;
    if level != SOL_SOCKET && e.domain == Domain::Unix {
        return Err(Errno::EOPNOTSUPP);
    }
    let one = || value.first_chunk::<4>().map(|b| i32::from_ne_bytes(*b)).ok_or(Errno::EINVAL);
    if level != SOL_SOCKET {
        // Texts and structures that only choose between equals here: TCP_CONGESTION, membership.
        if level == SOL_TCP && name == 13 && e.is_tcp() {
            return Ok(());
        }
        let (_, switch) = known(e, level, name).ok_or(missing(e, level))?;
        // Options of the level IP may be given as one byte.
        let v = match (level, value) {
            (SOL_IP, [b]) => i32::from(*b),
            _ => one()?,
        };
        if level == SOL_IPV6 && name == 26 && e.state.lock().name.is_some() {
            return Err(Errno::EINVAL);
        }
        let v = in_range(level, name, v)?;
        o.set_number(level, name, if switch { i32::from(v != 0) } else { v });
        return Ok(());
    }
    if name == so::BINDTODEVICE {
        return if value.is_empty() || value.starts_with(b"lo\0") || value.first() == Some(&0) {
            Ok(())
        } else {
            Err(Errno::ENODEV)
        };
    }
    let v = one()?;
    let admin = creds.has(cap::NET_ADMIN);
    match name {
        so::TYPE | so::DOMAIN | so::PROTOCOL | so::ERROR | so::ACCEPTCONN | so::SNDLOWAT => {
            return Err(Errno::ENOPROTOOPT);
        }
        so::PEERCRED | so::PEERGROUPS | so::PEERNAME | so::COOKIE | so::PEERSEC => {
            return Err(Errno::ENOPROTOOPT);
        }
        so::SNDBUFFORCE | so::RCVBUFFORCE if !admin => return Err(Errno::EPERM),
        so::SNDBUF | so::SNDBUFFORCE => {
            let v = buffer(v, SNDBUF_MIN);
            o.sndbuf.store(v, Relaxed);
            o.fixed_sndbuf.store(true, Relaxed);
            e.tell_writable();
        }
        so::RCVBUF | so::RCVBUFFORCE => o.rcvbuf.store(buffer(v, RCVBUF_MIN), Relaxed),
        so::PASSCRED if e.domain == Domain::Unix => o.set_passcred(v != 0),
        so::PASSCRED => return Err(Errno::EOPNOTSUPP),
        so::LINGER => {
            let time = value.get(4..8).and_then(|b| b.first_chunk::<4>()).ok_or(Errno::EINVAL)?;
            let time = i32::from_ne_bytes(*time);
            let mut numbers = o.numbers.lock();
            if v == 0 {
                numbers.remove(&(level, name));
            } else {
                numbers.insert((level, name), time);
            }
        }
        so::RCVTIMEO | so::RCVTIMEO_NEW => o.receive_timeout.store(parse_timeout(value)?, Relaxed),
        so::SNDTIMEO | so::SNDTIMEO_NEW => o.send_timeout.store(parse_timeout(value)?, Relaxed),
        so::RCVLOWAT => {
            let v = if v < 0 { i32::MAX } else { v.max(1) };
            o.set_number(level, name, v);
        }
        so::TIMESTAMP | so::TIMESTAMPNS | so::TIMESTAMP_NEW | so::TIMESTAMPNS_NEW => {
            o.stamps.store(if v == 0 { 0 } else { name }, Relaxed);
        }
        so::PRIORITY if !(0..=6).contains(&v) && !admin => return Err(Errno::EPERM),
        so::MARK if !admin => return Err(Errno::EPERM),
        so::REUSEPORT if v != 0 && e.domain == Domain::Unix => return Err(Errno::EOPNOTSUPP),
        _ => {
            let (_, switch) = known(e, level, name).ok_or(Errno::ENOPROTOOPT)?;
            o.set_number(level, name, if switch { i32::from(v != 0) } else { v });
        }
    }
    Ok(())
}

/// The value of an option as it is kept; −1 of some means the default.
fn in_range(level: i32, name: i32, v: i32) -> Result<i32, Errno> {
    let (least, most, default) = match (level, name) {
        (SOL_IP, ip::TTL) => (1, 255, HOPS),
        (SOL_IPV6, ipv6::UNICAST_HOPS) => (0, 255, HOPS),
        (SOL_IPV6, ipv6::TCLASS) => (0, 255, 0),
        (SOL_UDP, UDP_SEGMENT) if v == -1 => return Err(Errno::EINVAL),
        (SOL_UDP, UDP_SEGMENT) => (0, 65_535, 0),
        (SOL_IP, ip::TOS) => return Ok(v & 0xff),
        _ => return Ok(v),
    };
    match v {
        -1 => Ok(default),
        v if (least..=most).contains(&v) => Ok(v),
        _ => Err(Errno::EINVAL),
    }
}

/// A buffer size as the kernel keeps it: doubled for its own overhead, and bounded.
fn buffer(asked: i32, least: usize) -> usize {
    // A negative size is a huge unsigned one.
    let asked = (asked as u32 as usize).min(BUFFER_MAX);
    (asked * 2).max(least)
}
