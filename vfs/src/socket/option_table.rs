//! Options whose value is one number: which sockets have them, what they are at first, and what
//! they may become; socket(7), tcp(7), udp(7), ip(7), ipv6(7).

use super::ancillary::HOPS;
use super::endpoint::Endpoint;
use super::option_names::{
    BUF_LOCK_RECEIVE, BUF_LOCK_SEND, SOL_IP, SOL_IPV6, SOL_NETLINK, SOL_PACKET, SOL_SOCKET,
    SOL_TCP, SOL_UDP, SOL_UDPLITE, UDP_CORK, UDP_SEGMENT, ip, ipv6, packet, so, tcp,
};
use super::{Domain, Kind};
use syserr::Errno;

/// Sockets that have an option.
#[derive(Clone, Copy)]
enum On {
    Any,
    Unix,
    Inet,
    InetDgram,
    Tcp,
    Inet6,
    Inet6Dgram,
    Inet6Stream,
    Netlink,
    Packet,
    UdpLite,
}

impl On {
    fn has(self, e: &Endpoint) -> bool {
        let (six, inet) =
            (e.domain == Domain::Inet6, matches!(e.domain, Domain::Inet | Domain::Inet6));
        let stream = e.kind == Kind::Stream;
        match self {
            On::Any => true,
            On::Unix => !inet,
            On::Inet => inet,
            On::InetDgram => inet && !stream,
            On::Tcp => inet && stream,
            On::Inet6 => six,
            On::Inet6Dgram => six && !stream,
            On::Inet6Stream => six && stream,
            On::Netlink => e.domain == Domain::Netlink,
            On::UdpLite => inet && e.protocol == SOL_UDPLITE,
            On::Packet => e.domain == Domain::Packet,
        }
    }
}

/// What setsockopt(2) makes of a number.
#[derive(Clone, Copy)]
pub(super) enum Takes {
    /// 0 of 0, 1 of everything else.
    Switch,
    /// Any number as it is.
    Any,
    /// A number of a range that includes its ends.
    Range(i32, i32),
    /// The same, or −1 for what it was at first.
    OrFirst(i32, i32),
    /// What a function says.
    By(fn(i32) -> Result<i32, Errno>),
    /// Nothing: the option only tells.
    Nothing(Errno),
}

/// One option.
pub(super) struct Row {
    level: i32,
    name: i32,
    on: On,
    /// What it is at first.
    pub(super) first: i32,
    takes: Takes,
}

const fn row(level: i32, name: i32, on: On, first: i32, takes: Takes) -> Row {
    Row { level, name, on, first, takes }
}

const fn switch(level: i32, name: i32, on: On) -> Row {
    row(level, name, on, 0, Switch)
}

use Takes::{Any, By, Nothing, OrFirst, Range, Switch};

const BIT: Takes = Range(0, 1);
const COUNT: Takes = Range(0, i32::MAX);

static ROWS: &[Row] = &[
    switch(SOL_SOCKET, so::DEBUG, On::Any),
    switch(SOL_SOCKET, so::REUSEADDR, On::Any),
    switch(SOL_SOCKET, so::DONTROUTE, On::Any),
    switch(SOL_SOCKET, so::BROADCAST, On::Any),
    switch(SOL_SOCKET, so::KEEPALIVE, On::Any),
    switch(SOL_SOCKET, so::OOBINLINE, On::Any),
    switch(SOL_SOCKET, so::NO_CHECK, On::Any),
    switch(SOL_SOCKET, so::REUSEPORT, On::Any),
    switch(SOL_SOCKET, so::PASSSEC, On::Unix),
    switch(SOL_SOCKET, so::RXQ_OVFL, On::Any),
    switch(SOL_SOCKET, so::WIFI_STATUS, On::Any),
    switch(SOL_SOCKET, so::NOFCS, On::Any),
    switch(SOL_SOCKET, so::SELECT_ERR_QUEUE, On::Any),
    row(SOL_SOCKET, so::PRIORITY, On::Any, 0, Any),
    row(SOL_SOCKET, so::MARK, On::Any, 0, Any),
    row(SOL_SOCKET, so::BUSY_POLL, On::Any, 0, COUNT),
    row(SOL_SOCKET, so::INCOMING_CPU, On::Any, -1, Any),
    row(SOL_SOCKET, so::RCVLOWAT, On::Any, 1, Any),
    // Whoever sets it waits for the kernel to say that it is done with the pages.
    row(SOL_SOCKET, so::ZEROCOPY, On::Any, 0, Nothing(Errno::EOPNOTSUPP)),
    row(SOL_SOCKET, so::BUF_LOCK, On::Any, 0, Range(0, BUF_LOCK_SEND | BUF_LOCK_RECEIVE)),
    row(SOL_SOCKET, so::BINDTOIFINDEX, On::Any, 0, By(interface)),
    row(SOL_SOCKET, so::INCOMING_NAPI_ID, On::Any, 0, Nothing(Errno::ENOPROTOOPT)),
    switch(SOL_TCP, tcp::NODELAY, On::Tcp),
    switch(SOL_TCP, tcp::CORK, On::Tcp),
    row(SOL_TCP, tcp::MAXSEG, On::Tcp, 0, By(segment_size)),
    row(SOL_TCP, tcp::KEEPIDLE, On::Tcp, 7200, Range(1, 32_767)),
    row(SOL_TCP, tcp::KEEPINTVL, On::Tcp, 75, Range(1, 32_767)),
    row(SOL_TCP, tcp::KEEPCNT, On::Tcp, 9, Range(1, 127)),
    row(SOL_TCP, tcp::SYNCNT, On::Tcp, 6, Range(1, 127)),
    row(SOL_TCP, tcp::LINGER2, On::Tcp, 60, By(|v| Ok(linger2(v)))),
    row(SOL_TCP, tcp::DEFER_ACCEPT, On::Tcp, 0, By(|v| Ok(seconds(retransmits(v))))),
    row(SOL_TCP, tcp::WINDOW_CLAMP, On::Tcp, 0, By(|v| Ok(if v == 0 { 0 } else { v.max(1152) }))),
    row(SOL_TCP, tcp::QUICKACK, On::Tcp, 1, Switch),
    row(SOL_TCP, tcp::THIN_LINEAR_TIMEOUTS, On::Tcp, 0, BIT),
    // Obsolete: checked and forgotten.
    row(SOL_TCP, tcp::THIN_DUPACK, On::Tcp, 0, By(|v| within(v, 0, 1).map(|_| 0))),
    row(SOL_TCP, tcp::USER_TIMEOUT, On::Tcp, 0, COUNT),
    row(SOL_TCP, tcp::REPAIR, On::Tcp, 0, Nothing(Errno::EPERM)),
    row(SOL_TCP, tcp::FASTOPEN, On::Tcp, 0, COUNT),
    row(SOL_TCP, tcp::TIMESTAMP, On::Tcp, 0, Any),
    row(SOL_TCP, tcp::NOTSENT_LOWAT, On::Tcp, 0, Any),
    row(SOL_TCP, tcp::SAVE_SYN, On::Tcp, 0, BIT),
    row(SOL_TCP, tcp::FASTOPEN_CONNECT, On::Tcp, 0, BIT),
    row(SOL_TCP, tcp::FASTOPEN_NO_COOKIE, On::Tcp, 0, BIT),
    row(SOL_TCP, tcp::INQ, On::Tcp, 0, BIT),
    // UDPLITE_SEND_CSCOV and UDPLITE_RECV_CSCOV.
    row(SOL_UDPLITE, 10, On::UdpLite, 0, By(|v| Ok(coverage(v)))),
    row(SOL_UDPLITE, 11, On::UdpLite, 0, By(|v| Ok(coverage(v)))),
    row(SOL_UDPLITE, 10, On::InetDgram, 0, Nothing(Errno::ENOPROTOOPT)),
    row(SOL_UDPLITE, 11, On::InetDgram, 0, Nothing(Errno::ENOPROTOOPT)),
    row(SOL_UDP, 10, On::InetDgram, 0, Nothing(Errno::ENOPROTOOPT)),
    row(SOL_UDP, 11, On::InetDgram, 0, Nothing(Errno::ENOPROTOOPT)),
    switch(SOL_UDP, UDP_CORK, On::InetDgram),
    row(SOL_UDP, UDP_SEGMENT, On::InetDgram, 0, Range(0, 65_535)),
    // UDP_GRO.
    row(SOL_UDP, 104, On::InetDgram, 0, Any),
    // NETLINK_PKTINFO, BROADCAST_ERROR, NO_ENOBUFS, CAP_ACK, EXT_ACK, GET_STRICT_CHK.
    switch(SOL_NETLINK, 3, On::Netlink),
    switch(SOL_NETLINK, 4, On::Netlink),
    switch(SOL_NETLINK, 5, On::Netlink),
    switch(SOL_NETLINK, 10, On::Netlink),
    switch(SOL_NETLINK, 11, On::Netlink),
    switch(SOL_NETLINK, 12, On::Netlink),
    row(SOL_SOCKET, so::BPF_EXTENSIONS, On::Any, 64, Nothing(Errno::ENOPROTOOPT)),
    switch(SOL_PACKET, packet::AUXDATA, On::Packet),
    switch(SOL_PACKET, packet::ORIGDEV, On::Packet),
    row(SOL_PACKET, packet::COPY_THRESH, On::Packet, 0, Any),
    switch(SOL_PACKET, packet::LOSS, On::Packet),
    row(SOL_PACKET, packet::TIMESTAMP, On::Packet, 0, Any),
    switch(SOL_PACKET, packet::QDISC_BYPASS, On::Packet),
    row(SOL_PACKET, packet::IGNORE_OUTGOING, On::Packet, 0, BIT),
    // The two lowest bits are the protocol's own on a connection (`INET_ECN_MASK`).
    row(SOL_IP, ip::TOS, On::Tcp, 0, By(|v| Ok(v & 0xfc))),
    row(SOL_IP, ip::TOS, On::InetDgram, 0, By(|v| Ok(v & 0xff))),
    row(SOL_IP, ip::TTL, On::Inet, HOPS, OrFirst(1, 255)),
    row(SOL_IP, ip::HDRINCL, On::Inet, 0, Nothing(Errno::ENOPROTOOPT)),
    row(SOL_IP, ip::ROUTER_ALERT, On::Inet, 0, Nothing(Errno::EINVAL)),
    switch(SOL_IP, ip::RECVOPTS, On::Inet),
    switch(SOL_IP, ip::RETOPTS, On::Inet),
    switch(SOL_IP, ip::PKTINFO, On::Inet),
    row(SOL_IP, ip::MTU_DISCOVER, On::Inet, 1, Range(0, 5)),
    switch(SOL_IP, ip::RECVERR, On::Inet),
    switch(SOL_IP, ip::RECVTTL, On::Inet),
    switch(SOL_IP, ip::RECVTOS, On::Inet),
    row(SOL_IP, ip::MTU, On::Inet, 0, Nothing(Errno::ENOPROTOOPT)),
    switch(SOL_IP, ip::FREEBIND, On::Inet),
    switch(SOL_IP, ip::PASSSEC, On::Inet),
    switch(SOL_IP, ip::TRANSPARENT, On::Inet),
    switch(SOL_IP, ip::RECVORIGDSTADDR, On::Inet),
    row(SOL_IP, ip::MINTTL, On::Inet, 0, Range(0, 255)),
    row(SOL_IP, ip::NODEFRAG, On::Inet, 0, Nothing(Errno::ENOPROTOOPT)),
    switch(SOL_IP, ip::BIND_ADDRESS_NO_PORT, On::Inet),
    switch(SOL_IP, ip::RECVFRAGSIZE, On::InetDgram),
    row(SOL_IP, ip::RECVFRAGSIZE, On::Tcp, 0, Nothing(Errno::EINVAL)),
    row(SOL_IP, ip::MULTICAST_TTL, On::InetDgram, 1, OrFirst(0, 255)),
    row(SOL_IP, ip::MULTICAST_TTL, On::Tcp, 1, Nothing(Errno::EINVAL)),
    row(SOL_IP, ip::MULTICAST_LOOP, On::Inet, 1, Switch),
    row(SOL_IP, ip::MULTICAST_ALL, On::Inet6, 0, BIT),
    row(SOL_IP, ip::MULTICAST_ALL, On::Inet, 1, BIT),
    // The index in the order of the network.
    row(SOL_IP, ip::UNICAST_IF, On::Inet, 0, By(|v| unicast(i32::from_be(v)).map(i32::to_be))),
    row(SOL_IPV6, ipv6::V6ONLY, On::Inet6, 0, Switch),
    switch(SOL_IPV6, ipv6::RECVERR, On::Inet6),
    row(SOL_IPV6, ipv6::UNICAST_HOPS, On::Inet6, HOPS, OrFirst(0, 255)),
    row(SOL_IPV6, ipv6::MULTICAST_HOPS, On::Inet6Dgram, 1, OrFirst(0, 255)),
    row(SOL_IPV6, ipv6::MULTICAST_HOPS, On::Inet6Stream, 1, Nothing(Errno::ENOPROTOOPT)),
    row(SOL_IPV6, ipv6::MULTICAST_IF, On::Inet6Dgram, 0, By(interface)),
    row(SOL_IPV6, ipv6::MULTICAST_IF, On::Inet6Stream, 0, Nothing(Errno::ENOPROTOOPT)),
    row(SOL_IPV6, ipv6::MULTICAST_LOOP, On::Inet6, 1, BIT),
    row(SOL_IPV6, ipv6::MULTICAST_ALL, On::Inet6, 1, Switch),
    row(SOL_IPV6, ipv6::MTU_DISCOVER, On::Inet6, 1, Range(0, 5)),
    row(SOL_IPV6, ipv6::MTU, On::Inet6, 0, By(least_mtu)),
    row(SOL_IPV6, ipv6::ROUTER_ALERT, On::Inet6, 0, Nothing(Errno::ENOPROTOOPT)),
    switch(SOL_IPV6, ipv6::OLD_PKTINFO, On::Inet6),
    switch(SOL_IPV6, ipv6::OLD_HOPLIMIT, On::Inet6),
    switch(SOL_IPV6, ipv6::RECVPKTINFO, On::Inet6),
    switch(SOL_IPV6, ipv6::RECVHOPLIMIT, On::Inet6),
    // Headers that no packet here has, by their old names (`IPV6_2292*`) and new ones.
    switch(SOL_IPV6, 3, On::Inet6),
    switch(SOL_IPV6, 4, On::Inet6),
    switch(SOL_IPV6, 5, On::Inet6),
    switch(SOL_IPV6, ipv6::RECVHOPOPTS, On::Inet6),
    switch(SOL_IPV6, ipv6::RECVRTHDR, On::Inet6),
    switch(SOL_IPV6, ipv6::RECVDSTOPTS, On::Inet6),
    switch(SOL_IPV6, ipv6::RECVPATHMTU, On::Inet6),
    switch(SOL_IPV6, ipv6::RECVFRAGSIZE, On::Inet6),
    // IPV6_FLOWINFO, IPV6_RECVERR_RFC4884, IPV6_FLOWINFO_SEND.
    switch(SOL_IPV6, 11, On::Inet6),
    row(SOL_IPV6, 31, On::Inet6, 0, BIT),
    switch(SOL_IPV6, 33, On::Inet6),
    switch(SOL_IPV6, ipv6::DONTFRAG, On::Inet6),
    switch(SOL_IPV6, ipv6::RECVTCLASS, On::Inet6),
    row(SOL_IPV6, ipv6::TCLASS, On::Inet6Dgram, 0, OrFirst(0, 255)),
    row(SOL_IPV6, ipv6::TCLASS, On::Inet6Stream, 0, By(stream_class)),
    row(SOL_IPV6, ipv6::AUTOFLOWLABEL, On::Inet6, 1, Switch),
    row(SOL_IPV6, ipv6::MINHOPCOUNT, On::Inet6, 0, Range(0, 255)),
    switch(SOL_IPV6, ipv6::RECVORIGDSTADDR, On::Inet6),
    switch(SOL_IPV6, ipv6::TRANSPARENT, On::Inet6),
    row(SOL_IPV6, ipv6::UNICAST_IF, On::Inet6, 0, By(|v| unicast(i32::from_be(v)).map(i32::to_be))),
    switch(SOL_IPV6, ipv6::FREEBIND, On::Inet6),
];

/// The option of a socket.
pub(super) fn find(e: &Endpoint, level: i32, name: i32) -> Option<&'static Row> {
    ROWS.iter().find(|r| r.level == level && r.name == name && r.on.has(e))
}

impl Row {
    /// The value that is kept when `v` is asked for.
    pub(super) fn accept(&self, v: i32) -> Result<i32, Errno> {
        match self.takes {
            Switch => Ok(i32::from(v != 0)),
            Any => Ok(v),
            Range(least, most) => within(v, least, most),
            OrFirst(..) if v == -1 => Ok(self.first),
            OrFirst(least, most) => within(v, least, most),
            By(f) => f(v),
            Nothing(e) => Err(e),
        }
    }
}

fn within(v: i32, least: i32, most: i32) -> Result<i32, Errno> {
    if (least..=most).contains(&v) { Ok(v) } else { Err(Errno::EINVAL) }
}

/// `TCP_MAXSEG`: at least `TCP_MIN_MSS`, at most `MAX_TCP_WINDOW`; 0 takes it back.
fn segment_size(v: i32) -> Result<i32, Errno> {
    if v == 0 { Ok(0) } else { within(v, 88, 32_767) }
}

/// `TCP_LINGER2` in seconds: −1 for not at all, otherwise at most `TCP_FIN_TIMEOUT_MAX`.
fn linger2(v: i32) -> i32 {
    match v {
        ..0 => -1,
        0 => 60,
        v => v.min(120),
    }
}

/// Longest span between two attempts (`TCP_RTO_MAX`), in seconds.
const RETRY_MAX: i32 = 120;

/// `TCP_DEFER_ACCEPT` is kept as a number of attempts, each later by twice as much
/// (`secs_to_retrans` in net/ipv4/tcp.c).
fn retransmits(seconds: i32) -> u8 {
    if seconds <= 0 {
        return 0;
    }
    let (mut n, mut span, mut sum) = (1u8, 1, 1);
    while seconds > sum && n < 255 {
        n += 1;
        span = (span * 2).min(RETRY_MAX);
        sum += span;
    }
    n
}

/// Seconds that so many attempts take (`retrans_to_secs`).
fn seconds(attempts: u8) -> i32 {
    let spans = core::iter::successors(Some(1), |s| Some((s * 2).min(RETRY_MAX)));
    spans.take(usize::from(attempts)).sum()
}

/// How much of a datagram a sum covers: all, or at least the header.
fn coverage(v: i32) -> i32 {
    match v {
        0 => 0,
        ..8 => 8,
        v => v.min(65_535),
    }
}

/// An interface, or none.
fn interface(index: i32) -> Result<i32, Errno> {
    match index {
        ..0 => Err(Errno::EINVAL),
        0 | 1 => Ok(index),
        _ => Err(Errno::ENODEV),
    }
}

/// `IPV6_MTU`: what no packet may exceed, at least `IPV6_MIN_MTU`; 0 for no such limit.
fn least_mtu(v: i32) -> Result<i32, Errno> {
    if v == 0 || v >= 1280 { Ok(v) } else { Err(Errno::EINVAL) }
}

/// An interface to send by, or none.
fn unicast(index: i32) -> Result<i32, Errno> {
    if matches!(index, 0 | 1) { Ok(index) } else { Err(Errno::EADDRNOTAVAIL) }
}

/// `IPV6_TCLASS` of a connection, whose two lowest bits are the protocol's own.
fn stream_class(v: i32) -> Result<i32, Errno> {
    within(v, -1, 255).map(|v| v.max(0) & 0xfc)
}
