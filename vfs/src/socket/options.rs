//! Options of sockets; socket(7), tcp(7), ip(7), ipv6(7).

mod calls;
mod packet;
mod raw;

pub(super) use calls::{check_level, congestion, get, set};

use super::ancillary::Asked;
use super::option_names::{
    self, BUF_LOCK_SEND, SOL_IP, SOL_IPV6, SOL_PACKET, SOL_SOCKET, SOL_UDP, UDP_CORK, UDP_SEGMENT,
    ip, ipv6, so,
};
use super::{Domain, Kind, Wanted};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::Ipv4Addr;
use core::sync::atomic::{
    AtomicBool, AtomicI32, AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed,
};
use sync::Mutex;
use syserr::Errno;

/// `wmem_default` and `rmem_default`.
const BUFFER_DEFAULT: usize = 212_992;
/// Send buffer of a connection over loopback, as automatic tuning leaves it.
const TCP_CONNECTED: usize = 2_626_560;

/// Groups of `NETLINK_ROUTE` (`RTNLGRP_MAX`).
const GROUPS: i32 = 38;
/// The socket has had to do with groups: only then it has a list of them.
const GROUPS_ASKED: u64 = 1 << 63;
/// The longest packet of the loopback interface.
pub(super) const MTU: i32 = 65_536;

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
    passcred: AtomicBool,
    passpidfd: AtomicBool,
    /// `SO_LINGER` is on; its time is a number.
    lingers: AtomicBool,
    /// Nanoseconds; 0 for no limit, negative for no time at all.
    receive_timeout: AtomicI64,
    send_timeout: AtomicI64,
    /// `SO_PEEK_OFF`.
    peek_offset: AtomicI32,
    /// `IP_MULTICAST_IF`: the address that what goes to groups comes from, not specified for
    /// any; none as long as no interface was chosen.
    multicast: Mutex<Option<Ipv4Addr>>,
    /// A [`Stamps`], or 0.
    stamps: AtomicI32,
    /// The bits of [`Asked`].
    asked: AtomicU32,
    /// Netlink's groups, one bit each from the first on, in none of which anything ever happens;
    /// [`GROUPS_ASKED`].
    groups: AtomicU64,
    /// Options that are a number.
    numbers: Mutex<BTreeMap<(i32, i32), i32>>,
}

/// Under which level and name an option is kept: some are one for both levels of a socket.
fn shared(level: i32, name: i32) -> (i32, i32) {
    match (level, name) {
        (SOL_IPV6, ipv6::FREEBIND) => (SOL_IP, ip::FREEBIND),
        (SOL_IPV6, ipv6::TRANSPARENT) => (SOL_IP, ip::TRANSPARENT),
        other => other,
    }
}

impl Options {
    pub(super) fn new(wanted: &Wanted) -> Options {
        let Wanted { domain, kind, .. } = *wanted;
        let tcp = domain != Domain::Unix && kind == Kind::Stream;
        // What has no ports shares what it is bound to (`INET_PROTOSW_REUSE`).
        let shares = kind == Kind::Raw || wanted.is_ping();
        let numbers = shares.then_some(((SOL_SOCKET, so::REUSEADDR), 1));
        let (sndbuf, rcvbuf) =
            if tcp { (16_384, 131_072) } else { (BUFFER_DEFAULT, BUFFER_DEFAULT) };
        Options {
            sndbuf: AtomicUsize::new(sndbuf),
            rcvbuf: AtomicUsize::new(rcvbuf),
            passcred: AtomicBool::new(false),
            passpidfd: AtomicBool::new(false),
            lingers: AtomicBool::new(false),
            receive_timeout: AtomicI64::new(0),
            send_timeout: AtomicI64::new(0),
            peek_offset: AtomicI32::new(-1),
            multicast: Mutex::default(),
            stamps: AtomicI32::new(0),
            asked: AtomicU32::new(0),
            groups: AtomicU64::new(0),
            numbers: Mutex::new(numbers.into_iter().collect()),
        }
    }

    /// What an accepted connection takes over from its listener.
    pub(super) fn inherit(&self, from: &Options) {
        self.sndbuf.store(from.sndbuf(), Relaxed);
        self.rcvbuf.store(from.rcvbuf(), Relaxed);
        self.receive_timeout.store(from.receive_timeout.load(Relaxed), Relaxed);
        self.send_timeout.store(from.send_timeout.load(Relaxed), Relaxed);
        self.stamps.store(from.stamps.load(Relaxed), Relaxed);
        self.lingers.store(from.lingers.load(Relaxed), Relaxed);
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

    /// `SO_PASSPIDFD`.
    pub(super) fn passpidfd(&self) -> bool {
        self.passpidfd.load(Relaxed)
    }

    pub(super) fn set_passpidfd(&self, on: bool) {
        self.passpidfd.store(on, Relaxed);
    }

    /// Whether it wants to know who sends.
    pub(super) fn asks_sender(&self) -> bool {
        self.passcred() || self.passpidfd()
    }

    /// Which buffers keep the size that the application chose.
    fn locked_buffers(&self) -> i32 {
        self.number(SOL_SOCKET, so::BUF_LOCK).unwrap_or(0)
    }

    fn lock_buffer(&self, which: i32) {
        self.set_number(SOL_SOCKET, so::BUF_LOCK, self.locked_buffers() | which);
    }

    /// Lets a TCP connection hold what it does on Linux.
    pub(super) fn connected(&self) {
        if self.locked_buffers() & BUF_LOCK_SEND == 0 {
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
        self.numbers.lock().get(&shared(level, name)).copied()
    }

    /// Whether addresses that nobody here has may be bound to (`inet_can_nonlocal_bind`).
    pub(super) fn binds_anywhere(&self) -> bool {
        [ip::FREEBIND, ip::TRANSPARENT]
            .iter()
            .any(|o| self.number(SOL_IP, *o).is_some_and(|v| v != 0))
    }

    fn set_number(&self, level: i32, name: i32, v: i32) {
        let asked = Asked::by(level, name).bits();
        if v == 0 {
            self.asked.fetch_and(!asked, Relaxed);
        } else {
            self.asked.fetch_or(asked, Relaxed);
        }
        self.numbers.lock().insert(shared(level, name), v);
    }

    fn flag(&self, name: i32) -> bool {
        self.number(SOL_SOCKET, name).is_some_and(|v| v != 0)
    }

    pub(super) fn reuse_address(&self) -> bool {
        self.flag(so::REUSEADDR)
    }

    pub(super) fn broadcast(&self) -> bool {
        self.flag(so::BROADCAST)
    }

    pub(super) fn multicast_interface(&self) -> Option<Ipv4Addr> {
        *self.multicast.lock()
    }

    pub(super) fn set_multicast_interface(&self, at: Option<Ipv4Addr>) {
        *self.multicast.lock() = at;
    }

    pub(super) fn udp_cork(&self) -> bool {
        self.number(SOL_UDP, UDP_CORK).is_some_and(|v| v != 0)
    }

    pub(super) fn reuse_port(&self) -> bool {
        self.flag(so::REUSEPORT)
    }

    /// `SO_LINGER` with no time: close(2) resets the connection.
    pub(super) fn resets_on_close(&self) -> bool {
        self.lingers.load(Relaxed) && self.number(SOL_SOCKET, so::LINGER) == Some(0)
    }

    /// Whether packets are not to be cut (`IP_DF`): not with `IP_PMTUDISC_DONT`, `_INTERFACE` and
    /// `_OMIT`.
    pub(super) fn keeps_whole(&self) -> bool {
        !matches!(self.number(SOL_IP, ip::MTU_DISCOVER), Some(0 | 4 | 5))
    }

    /// `PACKET_IGNORE_OUTGOING`.
    pub(super) fn ignores_outgoing(&self) -> bool {
        self.number(SOL_PACKET, option_names::packet::IGNORE_OUTGOING) == Some(1)
    }

    pub(super) fn v6only(&self) -> bool {
        self.number(SOL_IPV6, ipv6::V6ONLY).is_some_and(|v| v != 0)
    }

    /// The first groups, as addresses have them.
    pub(super) fn first_groups(&self) -> u32 {
        self.groups.load(Relaxed) as u32
    }

    /// Becomes a member of just these of the first groups.
    pub(super) fn set_first_groups(&self, groups: u32) {
        let first = u64::from(u32::MAX);
        let asked = if groups == 0 { 0 } else { GROUPS_ASKED };
        let new = |g| Some(g & !first | u64::from(groups) | asked);
        let _ = self.groups.fetch_update(Relaxed, Relaxed, new);
    }

    fn members(&self) -> Vec<u8> {
        match self.groups.load(Relaxed) {
            0 => Vec::new(),
            groups => (groups & !GROUPS_ASKED).to_ne_bytes().to_vec(),
        }
    }

    fn set_member(&self, group: i32, member: bool) -> Result<(), Errno> {
        self.groups.fetch_or(GROUPS_ASKED, Relaxed);
        let bit = match group {
            1..=GROUPS => 1u64 << (group - 1),
            _ => return Err(Errno::EINVAL),
        };
        if member {
            self.groups.fetch_or(bit, Relaxed);
        } else {
            self.groups.fetch_and(!bit, Relaxed);
        }
        Ok(())
    }

    /// Where `MSG_PEEK` begins to read; negative for where everything does.
    pub(super) fn peek_offset(&self) -> i32 {
        self.peek_offset.load(Relaxed)
    }

    pub(super) fn set_peek_offset(&self, at: usize) {
        self.peek_offset.store(i32::try_from(at).unwrap_or(i32::MAX), Relaxed);
    }

    /// The least that a read waits for.
    pub(super) fn receive_low(&self) -> usize {
        self.number(SOL_SOCKET, so::RCVLOWAT).map_or(1, |v| v.max(1) as usize)
    }
}
