//! Numbers of options and of ancillary messages; socket(7), tcp(7), udp(7), ip(7), ipv6(7).

pub(super) const SOL_IP: i32 = 0;
pub(super) const SOL_SOCKET: i32 = 1;
pub(super) const SOL_TCP: i32 = 6;
pub(super) const SOL_UDP: i32 = 17;
pub(super) const SOL_UDPLITE: i32 = 136;
pub(super) const SOL_IPV6: i32 = 41;
pub(super) const SOL_ICMPV6: i32 = 58;
pub(super) const SOL_RAW: i32 = 255;
pub(super) const SOL_PACKET: i32 = 263;
pub(super) const SOL_NETLINK: i32 = 270;

/// Options of the level `SOL_PACKET`; `linux/if_packet.h`.
pub(super) mod packet {
    pub(in super::super) const ADD_MEMBERSHIP: i32 = 1;
    pub(in super::super) const DROP_MEMBERSHIP: i32 = 2;
    pub(in super::super) const RX_RING: i32 = 5;
    pub(in super::super) const STATISTICS: i32 = 6;
    pub(in super::super) const COPY_THRESH: i32 = 7;
    pub(in super::super) const AUXDATA: i32 = 8;
    pub(in super::super) const ORIGDEV: i32 = 9;
    pub(in super::super) const VERSION: i32 = 10;
    pub(in super::super) const RESERVE: i32 = 12;
    pub(in super::super) const LOSS: i32 = 14;
    pub(in super::super) const TIMESTAMP: i32 = 17;
    pub(in super::super) const QDISC_BYPASS: i32 = 20;
    pub(in super::super) const IGNORE_OUTGOING: i32 = 23;
}

/// Options of the level `SOL_NETLINK`; `linux/netlink.h`.
pub(super) mod netlink {
    pub(in super::super) const ADD_MEMBERSHIP: i32 = 1;
    pub(in super::super) const DROP_MEMBERSHIP: i32 = 2;
    pub(in super::super) const LIST_MEMBERSHIPS: i32 = 9;
}

/// `ICMP_FILTER` of the level `SOL_RAW`, and `ICMPV6_FILTER` of the level `SOL_ICMPV6`.
pub(super) const ICMP_FILTER: i32 = 1;
/// `SOCK_SNDBUF_LOCK`, in `SO_BUF_LOCK`.
pub(super) const BUF_LOCK_SEND: i32 = 1;
/// `SOCK_RCVBUF_LOCK`.
pub(super) const BUF_LOCK_RECEIVE: i32 = 2;
/// `UDP_CORK`.
pub(super) const UDP_CORK: i32 = 1;
/// `UDP_SEGMENT`.
pub(super) const UDP_SEGMENT: i32 = 103;

/// Options of the level `SOL_SOCKET`; `asm-generic/socket.h`.
pub(super) mod so {
    pub(in super::super) const DEBUG: i32 = 1;
    pub(in super::super) const REUSEADDR: i32 = 2;
    pub(in super::super) const TYPE: i32 = 3;
    pub(in super::super) const ERROR: i32 = 4;
    pub(in super::super) const DONTROUTE: i32 = 5;
    pub(in super::super) const BROADCAST: i32 = 6;
    pub(in super::super) const SNDBUF: i32 = 7;
    pub(in super::super) const RCVBUF: i32 = 8;
    pub(in super::super) const KEEPALIVE: i32 = 9;
    pub(in super::super) const OOBINLINE: i32 = 10;
    pub(in super::super) const NO_CHECK: i32 = 11;
    pub(in super::super) const PRIORITY: i32 = 12;
    pub(in super::super) const LINGER: i32 = 13;
    pub(in super::super) const REUSEPORT: i32 = 15;
    pub(in super::super) const PASSCRED: i32 = 16;
    pub(in super::super) const PASSPIDFD: i32 = 76;
    pub(in super::super) const PEERCRED: i32 = 17;
    pub(in super::super) const RCVLOWAT: i32 = 18;
    pub(in super::super) const SNDLOWAT: i32 = 19;
    pub(in super::super) const RCVTIMEO: i32 = 20;
    pub(in super::super) const SNDTIMEO: i32 = 21;
    pub(in super::super) const BINDTODEVICE: i32 = 25;
    pub(in super::super) const PEERNAME: i32 = 28;
    pub(in super::super) const ATTACH_FILTER: i32 = 26;
    pub(in super::super) const DETACH_FILTER: i32 = 27;
    pub(in super::super) const LOCK_FILTER: i32 = 44;
    pub(in super::super) const BPF_EXTENSIONS: i32 = 48;
    pub(in super::super) const TIMESTAMP: i32 = 29;
    pub(in super::super) const ACCEPTCONN: i32 = 30;
    pub(in super::super) const PEERSEC: i32 = 31;
    pub(in super::super) const SNDBUFFORCE: i32 = 32;
    pub(in super::super) const RCVBUFFORCE: i32 = 33;
    pub(in super::super) const PASSSEC: i32 = 34;
    pub(in super::super) const TIMESTAMPNS: i32 = 35;
    pub(in super::super) const MARK: i32 = 36;
    pub(in super::super) const PROTOCOL: i32 = 38;
    pub(in super::super) const DOMAIN: i32 = 39;
    pub(in super::super) const RXQ_OVFL: i32 = 40;
    pub(in super::super) const WIFI_STATUS: i32 = 41;
    pub(in super::super) const PEEK_OFF: i32 = 42;
    pub(in super::super) const NOFCS: i32 = 43;
    pub(in super::super) const SELECT_ERR_QUEUE: i32 = 45;
    pub(in super::super) const BUSY_POLL: i32 = 46;
    pub(in super::super) const BUF_LOCK: i32 = 72;
    pub(in super::super) const INCOMING_CPU: i32 = 49;
    pub(in super::super) const INCOMING_NAPI_ID: i32 = 56;
    pub(in super::super) const COOKIE: i32 = 57;
    pub(in super::super) const PEERGROUPS: i32 = 59;
    pub(in super::super) const ZEROCOPY: i32 = 60;
    pub(in super::super) const BINDTOIFINDEX: i32 = 62;
    pub(in super::super) const TIMESTAMP_NEW: i32 = 63;
    pub(in super::super) const TIMESTAMPNS_NEW: i32 = 64;
    pub(in super::super) const RCVTIMEO_NEW: i32 = 66;
    pub(in super::super) const SNDTIMEO_NEW: i32 = 67;
}

/// Options of the level `SOL_TCP`; `linux/tcp.h`.
pub(super) mod tcp {
    pub(in super::super) const NODELAY: i32 = 1;
    pub(in super::super) const MAXSEG: i32 = 2;
    pub(in super::super) const CORK: i32 = 3;
    pub(in super::super) const KEEPIDLE: i32 = 4;
    pub(in super::super) const KEEPINTVL: i32 = 5;
    pub(in super::super) const KEEPCNT: i32 = 6;
    pub(in super::super) const SYNCNT: i32 = 7;
    pub(in super::super) const LINGER2: i32 = 8;
    pub(in super::super) const DEFER_ACCEPT: i32 = 9;
    pub(in super::super) const WINDOW_CLAMP: i32 = 10;
    pub(in super::super) const INFO: i32 = 11;
    pub(in super::super) const QUICKACK: i32 = 12;
    pub(in super::super) const CONGESTION: i32 = 13;
    pub(in super::super) const THIN_LINEAR_TIMEOUTS: i32 = 16;
    pub(in super::super) const THIN_DUPACK: i32 = 17;
    pub(in super::super) const USER_TIMEOUT: i32 = 18;
    pub(in super::super) const REPAIR: i32 = 19;
    pub(in super::super) const FASTOPEN: i32 = 23;
    pub(in super::super) const TIMESTAMP: i32 = 24;
    pub(in super::super) const NOTSENT_LOWAT: i32 = 25;
    pub(in super::super) const SAVE_SYN: i32 = 27;
    pub(in super::super) const FASTOPEN_CONNECT: i32 = 30;
    pub(in super::super) const ULP: i32 = 31;
    pub(in super::super) const FASTOPEN_NO_COOKIE: i32 = 34;
    pub(in super::super) const INQ: i32 = 36;
}

/// Options and messages of the level `SOL_IP`; `linux/in.h`.
pub(super) mod ip {
    pub(in super::super) const TOS: i32 = 1;
    pub(in super::super) const TTL: i32 = 2;
    pub(in super::super) const HDRINCL: i32 = 3;
    pub(in super::super) const ROUTER_ALERT: i32 = 5;
    pub(in super::super) const RECVOPTS: i32 = 6;
    pub(in super::super) const RETOPTS: i32 = 7;
    pub(in super::super) const PKTINFO: i32 = 8;
    pub(in super::super) const MTU_DISCOVER: i32 = 10;
    pub(in super::super) const RECVERR: i32 = 11;
    pub(in super::super) const RECVTTL: i32 = 12;
    pub(in super::super) const RECVTOS: i32 = 13;
    pub(in super::super) const MTU: i32 = 14;
    pub(in super::super) const FREEBIND: i32 = 15;
    pub(in super::super) const PASSSEC: i32 = 18;
    pub(in super::super) const TRANSPARENT: i32 = 19;
    pub(in super::super) const RECVORIGDSTADDR: i32 = 20;
    pub(in super::super) const MINTTL: i32 = 21;
    pub(in super::super) const NODEFRAG: i32 = 22;
    pub(in super::super) const BIND_ADDRESS_NO_PORT: i32 = 24;
    pub(in super::super) const RECVFRAGSIZE: i32 = 25;
    pub(in super::super) const MULTICAST_IF: i32 = 32;
    pub(in super::super) const MULTICAST_TTL: i32 = 33;
    pub(in super::super) const MULTICAST_LOOP: i32 = 34;
    pub(in super::super) const ADD_MEMBERSHIP: i32 = 35;
    pub(in super::super) const DROP_MEMBERSHIP: i32 = 36;
    pub(in super::super) const MULTICAST_ALL: i32 = 49;
    pub(in super::super) const UNICAST_IF: i32 = 50;
}

/// Options and messages of the level `SOL_IPV6`; `linux/in6.h`.
pub(super) mod ipv6 {
    pub(in super::super) const UNICAST_HOPS: i32 = 16;
    pub(in super::super) const MULTICAST_IF: i32 = 17;
    pub(in super::super) const MULTICAST_HOPS: i32 = 18;
    pub(in super::super) const MULTICAST_LOOP: i32 = 19;
    pub(in super::super) const ADD_MEMBERSHIP: i32 = 20;
    pub(in super::super) const DROP_MEMBERSHIP: i32 = 21;
    pub(in super::super) const ROUTER_ALERT: i32 = 22;
    pub(in super::super) const MTU_DISCOVER: i32 = 23;
    pub(in super::super) const MTU: i32 = 24;
    pub(in super::super) const RECVERR: i32 = 25;
    pub(in super::super) const V6ONLY: i32 = 26;
    pub(in super::super) const MULTICAST_ALL: i32 = 29;
    pub(in super::super) const OLD_PKTINFO: i32 = 2;
    pub(in super::super) const CHECKSUM: i32 = 7;
    pub(in super::super) const OLD_HOPLIMIT: i32 = 8;
    pub(in super::super) const HDRINCL: i32 = 36;
    pub(in super::super) const RECVPKTINFO: i32 = 49;
    pub(in super::super) const PKTINFO: i32 = 50;
    pub(in super::super) const RECVHOPLIMIT: i32 = 51;
    pub(in super::super) const HOPLIMIT: i32 = 52;
    pub(in super::super) const RECVHOPOPTS: i32 = 53;
    pub(in super::super) const HOPOPTS: i32 = 54;
    pub(in super::super) const RTHDRDSTOPTS: i32 = 55;
    pub(in super::super) const RTHDR: i32 = 57;
    pub(in super::super) const DSTOPTS: i32 = 59;
    pub(in super::super) const RECVRTHDR: i32 = 56;
    pub(in super::super) const RECVDSTOPTS: i32 = 58;
    pub(in super::super) const RECVPATHMTU: i32 = 60;
    pub(in super::super) const DONTFRAG: i32 = 62;
    pub(in super::super) const RECVTCLASS: i32 = 66;
    pub(in super::super) const TCLASS: i32 = 67;
    pub(in super::super) const AUTOFLOWLABEL: i32 = 70;
    pub(in super::super) const MINHOPCOUNT: i32 = 73;
    pub(in super::super) const RECVORIGDSTADDR: i32 = 74;
    pub(in super::super) const TRANSPARENT: i32 = 75;
    pub(in super::super) const UNICAST_IF: i32 = 76;
    pub(in super::super) const RECVFRAGSIZE: i32 = 77;
    pub(in super::super) const FREEBIND: i32 = 78;
}
