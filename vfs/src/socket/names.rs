//! Names and connections: the calls that differ by address family, sorted out here.

use super::addr::{self, Name};
use super::endpoint::{Endpoint, Phase, Shut, tell_waiters};
use super::tcp_info::TcpState;
use super::{Domain, Kind, Socket, Who};
use alloc::sync::Arc;
use alloc::vec::Vec;
use sync::waitq::Events;
use syserr::Errno;

/// The most connections that may wait to be accepted (`net.core.somaxconn`).
const BACKLOG_MAX: u32 = 4096;

impl Socket {
    /// Gives the socket a name; bind(2).
    ///
    /// # Errors
    /// Those of bind(2).
    pub fn bind(&self, who: &Who<'_>, address: &[u8]) -> Result<(), Errno> {
        match self.domain() {
            Domain::Unix => self.endpoint.bind_unix(who, address),
            Domain::Netlink => self.endpoint.bind_netlink(who, address),
            Domain::Packet => self.endpoint.bind_packet(address),
            _ if self.kind() == Kind::Raw => self.endpoint.bind_raw(address),
            _ => self.endpoint.bind_inet(who, address),
        }
    }

    /// Lets others connect; listen(2).
    ///
    /// # Errors
    /// `EOPNOTSUPP` for datagrams, `EINVAL` in the wrong state, `EADDRINUSE`.
    pub fn listen(&self, who: &Who<'_>, backlog: i32) -> Result<(), Errno> {
        let e = &self.endpoint;
        if !e.has_connections() {
            return Err(Errno::EOPNOTSUPP);
        }
        {
            let s = e.state.lock();
            // What became of connect(2) is to be asked by that first (`SS_CONNECTING`).
            if !matches!(s.phase, Phase::Closed | Phase::Listening) || s.unreported {
                return Err(Errno::EINVAL);
            }
        }
        if e.is_tcp() {
            e.prepare_tcp_listen(who)?;
        }
        let mut s = e.state.lock();
        if s.name.is_none() {
            return Err(Errno::EINVAL);
        }
        s.phase = Phase::Listening;
        // As unsigned: a negative backlog means the most there can be.
        s.backlog = (backlog as u32).min(BACKLOG_MAX) as usize;
        s.peer_cred = (e.domain == Domain::Unix).then(|| who.peer_cred());
        let waiters = s.take_waiters();
        drop(s);
        tell_waiters(waiters);
        Ok(())
    }

    /// Connects, or for datagrams chooses whom to talk to; connect(2). With `wait`, `EAGAIN` means
    /// to wait until the socket is writable and then, for TCP, to ask
    /// [`Socket::connect_result`], and else to call again.
    ///
    /// # Errors
    /// Those of connect(2).
    pub fn connect(&self, who: &Who<'_>, address: &[u8], wait: bool) -> Result<(), Errno> {
        let e = &self.endpoint;
        match (e.domain, e.kind) {
            (Domain::Unix, Kind::Dgram) => e.connect_unix_dgram(who, address),
            (Domain::Unix, _) => e.connect_unix(who, address),
            (Domain::Netlink, _) => e.connect_netlink(who, address),
            (Domain::Packet, _) => Err(Errno::EOPNOTSUPP),
            (_, Kind::Dgram | Kind::Raw) => e.connect_udp(who, address),
            _ => e.connect_tcp(who, address, wait),
        }
    }

    /// Whether a connection that was begun is there.
    ///
    /// # Errors
    /// `EAGAIN` as long as it is not; what connect(2) says when it failed.
    pub fn connect_result(&self) -> Result<(), Errno> {
        self.endpoint.connect_result()
    }

    /// Whether [`Socket::connect`] goes on by itself once it was begun.
    pub fn connects_in_background(&self) -> bool {
        self.endpoint.is_tcp()
    }

    /// Takes a connection that was made to this socket; accept(2). The caller says whether it
    /// will `wait` for one.
    ///
    /// # Errors
    /// `EOPNOTSUPP` for datagrams, `EINVAL` when not listening or when nothing can come that is
    /// worth waiting for, `EAGAIN`.
    pub fn accept(&self, who: &Who<'_>, wait: bool) -> Result<Socket, Errno> {
        let e = &self.endpoint;
        if !e.has_connections() {
            return Err(Errno::EOPNOTSUPP);
        }
        let mut s = e.state.lock();
        if s.phase != Phase::Listening {
            return Err(Errno::EINVAL);
        }
        let Some(child) = s.pending.pop_front() else {
            // A unix socket that is shut down says so only to those who would wait
            // (`__skb_recv_datagram` in `net/core/datagram.c`).
            let tells = wait || self.endpoint.domain != Domain::Unix;
            let shut = tells && s.shut.contains(Shut::RECEIVE);
            return Err(if shut { Errno::EINVAL } else { Errno::EAGAIN });
        };
        let waiters = s.take_waiters();
        let next = s.syns.pop_front();
        drop(s);
        tell_waiters(waiters);
        if let Some(client) = next.and_then(|w| w.upgrade()) {
            e.admit(&client);
        }
        Ok(Socket::around(child, who))
    }

    /// The socket's own address; getsockname(2).
    pub fn local_address(&self) -> Vec<u8> {
        self.endpoint.local_address()
    }

    /// The address of the other side; getpeername(2).
    ///
    /// # Errors
    /// `ENOTCONN`.
    pub fn peer_address(&self) -> Result<Vec<u8>, Errno> {
        self.endpoint.peer_address()
    }

    /// Ends one or both directions; shutdown(2).
    ///
    /// # Errors
    /// `ENOTCONN`.
    pub fn shutdown(&self, how: Shut) -> Result<(), Errno> {
        match self.domain() {
            Domain::Unix => self.endpoint.shutdown_unix(how),
            Domain::Netlink | Domain::Packet => return Err(Errno::EOPNOTSUPP),
            _ => return self.endpoint.shutdown_inet(how),
        }
        Ok(())
    }
}

impl Endpoint {
    pub(super) fn local_address(&self) -> Vec<u8> {
        let name = self.state.lock().name.clone();
        match (name, self.domain) {
            (None, Domain::Unix) => addr::encode(self.domain, None),
            (_, Domain::Packet) => self.packet_name(),
            (name, Domain::Netlink) => {
                let port = if let Some(Name::Netlink { port, .. }) = name { port } else { 0 };
                let groups = self.options.first_groups();
                addr::encode(self.domain, Some(&Name::Netlink { port, groups }))
            }
            (None, d) => addr::encode(d, Some(&Name::Inet(addr::InetAddr::any(d)))),
            (name, d) => addr::encode(d, name.as_ref()),
        }
    }

    pub(super) fn peer_address(&self) -> Result<Vec<u8>, Errno> {
        let (peer, name, phase) = {
            let s = self.state.lock();
            (s.peer.clone(), s.peer_name.clone(), s.phase)
        };
        if self.domain == Domain::Unix {
            return Ok(peer.ok_or(Errno::ENOTCONN)?.local_address());
        }
        if self.domain == Domain::Packet {
            return Err(Errno::EOPNOTSUPP);
        }
        if self.domain == Domain::Netlink {
            let kernel = Name::Netlink { port: 0, groups: 0 };
            return Ok(addr::encode(self.domain, Some(&name.unwrap_or(kernel))));
        }
        match name {
            Some(Name::Inet(a)) if a.port == 0 => Err(Errno::ENOTCONN),
            Some(_) if self.is_tcp() && self.tcp_state() == TcpState::Close => Err(Errno::ENOTCONN),
            Some(n) if phase == Phase::Connected => Ok(addr::encode(self.domain, Some(&n))),
            _ => Err(Errno::ENOTCONN),
        }
    }

    fn shutdown_unix(self: &Arc<Self>, how: Shut) {
        let peer = {
            let mut s = self.state.lock();
            s.shut |= how;
            s.peer.clone().filter(|_| self.has_connections())
        };
        self.queue.notify(Events::all());
        let Some(peer) = peer else { return };
        let mut other = Shut::empty();
        other.set(Shut::SEND, how.contains(Shut::RECEIVE));
        other.set(Shut::RECEIVE, how.contains(Shut::SEND));
        peer.state.lock().shut |= other;
        peer.queue.notify(Events::all());
    }
}
