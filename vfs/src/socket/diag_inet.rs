//! What is told of sockets of TCP and UDP; `linux/inet_diag.h`.

use super::addr::{InetAddr, Name};
use super::choose::{IPPROTO_TCP, IPPROTO_UDP};
use super::diag::Asker;
use super::endpoint::{Endpoint, Phase, Shut};
use super::option_names::{SOL_IP, SOL_IPV6, SOL_SOCKET, ip, ipv6, so};
use super::ports::Ports;
use super::rtnetlink::{attribute, find};
use super::tcp_info::TcpState;
use super::{Domain, Net, options};
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;
use syserr::Errno;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `struct inet_diag_sockid`. Ports and addresses are in the order of the network.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct SocketId {
    source_port: [u8; 2],
    target_port: [u8; 2],
    source: [u8; 16],
    target: [u8; 16],
    interface: u32,
    cookie: [u32; 2],
}
static_assertions::assert_eq_size!(SocketId, [u8; 48]);

/// `struct inet_diag_req_v2`.
#[derive(Clone, Copy, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Head {
    family: u8,
    protocol: u8,
    extensions: u8,
    pad: u8,
    states: u32,
    id: SocketId,
}
static_assertions::assert_eq_size!(Head, [u8; 56]);

/// What is asked of sockets of a family and a protocol. A program that filters is told of all: it
/// filters what it is told by itself (`INET_DIAG_REQ_BYTECODE`).
#[derive(Clone)]
pub(super) struct Request {
    head: Head,
    protocol: u32,
}

/// `INET_DIAG_REQ_PROTOCOL`: a protocol whose number is too large for its field.
const PROTOCOL: u16 = 2;

/// `struct inet_diag_msg`.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct Told {
    family: u8,
    state: u8,
    timer: u8,
    retransmits: u8,
    id: SocketId,
    expires: u32,
    to_receive: u32,
    to_send: u32,
    uid: u32,
    inode: u32,
}
static_assertions::assert_eq_size!(Told, [u8; 72]);

/// Attributes, which a request asks for by the bit of the number before (`INET_DIAG_*`).
mod attr {
    pub(super) const MEMORY: u16 = 1;
    pub(super) const INFO: u16 = 2;
    pub(super) const CONGESTION: u16 = 4;
    pub(super) const TOS: u16 = 5;
    pub(super) const CLASS: u16 = 6;
    pub(super) const SOCKET_MEMORY: u16 = 7;
    pub(super) const SHUTDOWN: u16 = 8;
    pub(super) const V6ONLY: u16 = 11;
    pub(super) const MARK: u16 = 15;
}
/// `INET_DIAG_NOCOOKIE`.
const NO_COOKIE: [u32; 2] = [u32::MAX; 2];

fn octets(domain: Domain, a: &InetAddr) -> [u8; 16] {
    match a.ip.to_ipv4_mapped().filter(|_| domain == Domain::Inet) {
        Some(four) => {
            let [a, b, c, d] = four.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        None => a.ip.octets(),
    }
}

impl Request {
    pub(super) fn parse(body: &[u8]) -> Result<Request, Errno> {
        let (head, rest) = Head::read_from_prefix(body).map_err(|_| Errno::EINVAL)?;
        let other = find(rest, PROTOCOL).and_then(|b| b.first_chunk());
        let protocol = other.map_or(head.protocol.into(), |b| u32::from_ne_bytes(*b));
        Ok(Request { head, protocol })
    }

    /// Where the sockets of the protocol are.
    ///
    /// # Errors
    /// `ENOENT` for a protocol that nothing is told of.
    pub(super) fn ports<'a>(&self, net: &'a Net) -> Result<&'a Ports, Errno> {
        match i32::try_from(self.protocol) {
            Ok(IPPROTO_TCP) => Ok(&net.tcp),
            Ok(IPPROTO_UDP) => Ok(&net.udp),
            _ => Err(Errno::ENOENT),
        }
    }

    fn asks(&self, attribute: u16) -> bool {
        self.head.extensions >> (attribute - 1) & 1 != 0
    }

    /// Whether a socket is one of those whose ports, and for who names all of it, addresses match.
    fn means(&self, id: &SocketId) -> bool {
        let port = |wanted: [u8; 2], has: [u8; 2]| wanted == [0, 0] || wanted == has;
        let cookie = self.head.id.cookie == NO_COOKIE
            || self.head.id.cookie == [0, 0]
            || self.head.id.cookie == id.cookie;
        let address = |wanted: [u8; 16], has: [u8; 16]| wanted == [0; 16] || wanted == has;
        port(self.head.id.source_port, id.source_port)
            && port(self.head.id.target_port, id.target_port)
            && address(self.head.id.source, id.source)
            && address(self.head.id.target, id.target)
            && cookie
    }

    /// What is said of a socket, if it is meant.
    pub(super) fn answer(&self, e: &Endpoint, asker: &Asker) -> Option<Vec<u8>> {
        if e.domain as u16 != u16::from(self.head.family) {
            return None;
        }
        let tcp = e.is_tcp();
        let state = if tcp { e.tcp_state() } else { TcpState::Close };
        let s = e.state.lock();
        if s.dead || tcp && s.phase == Phase::Closed {
            return None;
        }
        let connected = s.phase == Phase::Connected;
        let state = if connected && !tcp { TcpState::Established } else { state };
        if self.head.states >> (state as u8) & 1 == 0 {
            return None;
        }
        let none = InetAddr::any(e.domain);
        let named = |name: &Option<Name>| match name {
            Some(Name::Inet(a)) => *a,
            _ => none,
        };
        let (own, peer) = (named(&s.name), named(&s.peer_name));
        let (to_receive, to_send) = match s.phase {
            Phase::Listening => (s.pending.len(), s.backlog),
            // The end of the stream counts for one.
            _ => (s.inbox.bytes() + usize::from(state == TcpState::CloseWait), 0),
        };
        let (shut, memory) = (s.shut, s.inbox.size());
        drop(s);
        let cookie = e.net.cookie(e);
        let id = SocketId {
            source_port: own.port.to_be_bytes(),
            target_port: peer.port.to_be_bytes(),
            source: octets(e.domain, &own),
            target: octets(e.domain, &peer),
            interface: e.options.number(SOL_SOCKET, so::BINDTOIFINDEX).unwrap_or(0) as u32,
            cookie: [cookie as u32, (cookie >> 32) as u32],
        };
        if !self.means(&id) {
            return None;
        }
        let told = Told {
            family: self.head.family,
            state: state as u8,
            timer: 0,
            retransmits: 0,
            id,
            expires: 0,
            to_receive: to_receive as u32,
            to_send: to_send as u32,
            uid: asker.ns.show_uid(e.owner.load(Relaxed)),
            inode: e.ino.load(Relaxed) as u32,
        };
        let mut out = told.as_bytes().to_vec();
        self.describe(e, asker, state, shut, memory, &mut out);
        Some(out)
    }

    fn describe(
        &self,
        e: &Endpoint,
        asker: &Asker,
        state: TcpState,
        shut: Shut,
        memory: usize,
        out: &mut Vec<u8>,
    ) {
        let number = |level, name| e.options.number(level, name).unwrap_or(0);
        attribute(out, attr::SHUTDOWN, &[shut.bits()]);
        if self.asks(attr::TOS) {
            attribute(out, attr::TOS, &[number(SOL_IP, ip::TOS) as u8]);
        }
        if e.domain == Domain::Inet6 {
            if self.asks(attr::CLASS) {
                attribute(out, attr::CLASS, &[number(SOL_IPV6, ipv6::TCLASS) as u8]);
            }
            if matches!(state, TcpState::Listen | TcpState::Close) {
                // Who is bound to an address of IPv6 hears nothing of IPv4, either.
                let bound = e.bound().is_some_and(|a| !a.is_any() && !a.is_v4());
                attribute(out, attr::V6ONLY, &[u8::from(bound || e.options.v6only())]);
            }
        }
        if asker.admin {
            attribute(out, attr::MARK, &number(SOL_SOCKET, so::MARK).to_ne_bytes());
        }
        let memory = memory as u32;
        let sent = e.sent.load(Relaxed) as u32;
        let bytes =
            |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|w| w.to_ne_bytes()).collect() };
        if self.asks(attr::MEMORY) {
            attribute(out, attr::MEMORY, &bytes(&[memory, 0, 0, sent]));
        }
        if self.asks(attr::SOCKET_MEMORY) {
            let (receive, send) = (e.options.rcvbuf() as u32, e.options.sndbuf() as u32);
            let words = [memory, receive, sent, send, 0, 0, 0, 0, 0];
            attribute(out, attr::SOCKET_MEMORY, &bytes(&words));
        }
        if e.is_tcp() && self.asks(attr::INFO) {
            attribute(out, attr::INFO, &e.tcp_info());
        }
        if e.is_tcp() && self.asks(attr::CONGESTION) {
            attribute(out, attr::CONGESTION, &[options::congestion(e), b"\0"].concat());
        }
    }
}
