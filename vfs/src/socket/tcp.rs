//! Names and connections of TCP, and what AF_INET sockets of both types have in common; ip(7),
//! tcp(7).
//!
//! There is no protocol: the two ends of a connection are in one kernel, so the handshake is a
//! method call, and a segment is never lost. What a program can observe of the protocol is kept:
//! the states, half-closed connections, resets, and a connect(2) that is in progress.

use super::addr::{self, AF_UNSPEC, InetAddr, Name};
use super::endpoint::{Chosen, Endpoint, Phase, READABLE, Shut, WRITABLE};
use super::tcp_info::TcpState;
use super::{Domain, Kind, Who, ports};
use alloc::sync::Arc;
use core::sync::atomic::Ordering::Relaxed;
use sync::waitq::Events;
use syserr::Errno;

/// `CAP_NET_BIND_SERVICE`.
const CAP_BIND: u32 = 10;
/// Sockets whose connection waits for one listener; more are refused.
const SYNS_MAX: usize = 4096;

impl Endpoint {
    /// bind(2).
    pub(super) fn bind_inet(self: &Arc<Self>, who: &Who<'_>, address: &[u8]) -> Result<(), Errno> {
        let at = addr::parse_inet(self.domain, address, self.domain == Domain::Inet)?;
        if addr::family(address) == Some(AF_UNSPEC) && !at.is_any() {
            return Err(Errno::EAFNOSUPPORT);
        }
        if self.domain == Domain::Inet6 && at.is_v4() && self.options.v6only() {
            return Err(Errno::EINVAL);
        }
        let here = at.is_any() || at.is_group() || self.net.link.binds(&at);
        let anywhere = || {
            self.options.binds_anywhere()
                || at.is_v4() && self.net.settings().number("ipv4.ip_nonlocal_bind", 0) != 0
        };
        if !here && !anywhere() {
            return Err(Errno::EADDRNOTAVAIL);
        }
        if (1..self.net.port_limits().unprivileged).contains(&at.port)
            && !self.net.allows(who.creds(), CAP_BIND)
        {
            return Err(Errno::EACCES);
        }
        let s = self.state.lock();
        if s.phase != Phase::Closed || s.name.is_some() {
            return Err(Errno::EINVAL);
        }
        drop(s);
        let mut chosen = Chosen::empty();
        chosen.set(Chosen::ADDRESS, at.ip != InetAddr::any(self.domain).ip);
        chosen.set(Chosen::PORT, at.port != 0);
        self.take_port(who, at)?;
        self.state.lock().chosen = chosen;
        Ok(())
    }

    /// Binds to `at`, of which port 0 means any.
    pub(super) fn take_port(self: &Arc<Self>, who: &Who<'_>, at: InetAddr) -> Result<(), Errno> {
        let at = match self.kind {
            Kind::Raw => at,
            _ if self.is_ping() => self.net.idents.bind(self, at)?,
            _ => self.ports().bind(self, at, who.creds().fsuid)?,
        };
        self.state.lock().name = Some(Name::Inet(at));
        Ok(())
    }

    /// The address that the socket is bound to.
    pub(super) fn bound(&self) -> Option<InetAddr> {
        match self.state.lock().name {
            Some(Name::Inet(a)) => Some(a),
            _ => None,
        }
    }

    /// Makes sure that a socket that talks to `to` has an address, and says which.
    pub(super) fn source(
        self: &Arc<Self>,
        who: &Who<'_>,
        to: &InetAddr,
    ) -> Result<InetAddr, Errno> {
        if self.bound().is_none() {
            self.take_port(who, InetAddr::any(self.domain))?;
        }
        let own = self.bound().ok_or(Errno::EAGAIN)?;
        let everybody = self.net.link.is_broadcast(&own) && !own.is_local();
        if !own.is_any() && !own.is_group() && !everybody {
            return if own.is_v4() == to.is_v4() { Ok(own) } else { Err(Errno::EINVAL) };
        }
        if self.domain == Domain::Inet6 && to.is_v4() && self.options.v6only() {
            return Err(Errno::ENETUNREACH);
        }
        let mut ip = self.net.link.source(to);
        if to.is_multicast()
            && let Some(at) = self.options.multicast_interface().filter(|a| !a.is_unspecified())
        {
            ip = at.to_ipv6_mapped();
        }
        Ok(InetAddr { ip, port: own.port })
    }

    /// listen(2): chooses a port when there is none.
    pub(super) fn prepare_tcp_listen(self: &Arc<Self>, who: &Who<'_>) -> Result<(), Errno> {
        let Some(at) = self.bound() else {
            return self.take_port(who, InetAddr::any(self.domain));
        };
        if self.net.tcp.may_listen(self, &at, who.creds().fsuid) {
            Ok(())
        } else {
            Err(Errno::EADDRINUSE)
        }
    }

    /// connect(2) of a stream.
    pub(super) fn connect_tcp(
        self: &Arc<Self>,
        who: &Who<'_>,
        address: &[u8],
        wait: bool,
    ) -> Result<(), Errno> {
        if addr::family(address).ok_or(Errno::EINVAL)? == AF_UNSPEC {
            self.disconnect();
            return Ok(());
        }
        {
            let s = self.state.lock();
            let (phase, unreported) = (s.phase, s.unreported);
            drop(s);
            match phase {
                _ if unreported => return self.connect_result(),
                Phase::Closed => {}
                Phase::Connecting if wait => return Err(Errno::EAGAIN),
                Phase::Connecting => return Err(Errno::EALREADY),
                Phase::Connected | Phase::Listening => return Err(Errno::EISCONN),
            }
        }
        let to = addr::parse_inet(self.domain, address, false)?.destination();
        self.net.link.reaches(&to)?;
        if self.net.link.is_broadcast(&to) {
            return Err(Errno::ENETUNREACH);
        }
        let chosen = self.bound().is_none();
        let from = self.source(who, &to)?;
        let mut found = self.net.tcp.find(&to);
        found.retain(|f| super::net::listens(&f.who));
        let listener = ports::choose(found, &from);
        {
            let mut s = self.state.lock();
            s.name = Some(Name::Inet(from));
            s.peer_name = Some(Name::Inet(to));
            s.phase = Phase::Connecting;
            s.shut = Shut::empty();
            s.error = None;
            s.unreported = false;
        }
        let counters = &self.net.transport.tcp;
        counters.active_opens.add(1);
        counters.segments.add(1);
        let admitted = match listener {
            Some(l) => l.try_admit(self),
            // Both ends open at once, which TCP allows even where they are the same.
            None if from == to => {
                let mut s = self.state.lock();
                (s.phase, s.unreported) = (Phase::Connected, true);
                s.peer = Some(self.clone());
                drop(s);
                self.options.connected();
                self.queue.notify(WRITABLE);
                Ok(true)
            }
            None => Err(Errno::ECONNREFUSED),
        };
        if admitted.is_err() {
            self.refuse();
            if chosen {
                self.net.tcp.release(self, from.port);
                self.state.lock().name = None;
            }
        }
        match (wait, admitted) {
            // In the background it would all have happened a moment after this call returned.
            (false, _) => Err(Errno::EINPROGRESS),
            (true, Ok(true) | Err(_)) => self.connect_result(),
            (true, Ok(false)) => Err(Errno::EAGAIN),
        }
    }

    pub(super) fn connect_result(&self) -> Result<(), Errno> {
        let mut s = self.state.lock();
        if s.phase == Phase::Connecting {
            return Err(Errno::EAGAIN);
        }
        s.unreported = false;
        if s.phase == Phase::Connected {
            return Ok(());
        }
        s.shut = Shut::empty();
        Err(s.error.take().unwrap_or(Errno::ECONNABORTED))
    }

    /// Ends an attempt to connect.
    pub(super) fn refuse(&self) {
        let mut s = self.state.lock();
        if s.phase != Phase::Connecting {
            return;
        }
        s.phase = Phase::Closed;
        s.error = Some(Errno::ECONNREFUSED);
        s.shut = Shut::all();
        s.unreported = true;
        drop(s);
        self.net.transport.tcp.count_refusal();
        self.queue.notify(Events::all());
    }

    /// Admits `client`, or has it wait: false.
    fn try_admit(self: &Arc<Self>, client: &Arc<Endpoint>) -> Result<bool, Errno> {
        let mut s = self.state.lock();
        if s.phase != Phase::Listening {
            return Err(Errno::ECONNREFUSED);
        }
        if s.pending.len() > s.backlog {
            if s.syns.len() >= SYNS_MAX {
                return Err(Errno::ECONNREFUSED);
            }
            s.syns.push_back(Arc::downgrade(client));
            return Ok(false);
        }
        drop(s);
        self.admit(client);
        Ok(true)
    }

    /// Makes the connection that `client` is waiting for.
    pub(super) fn admit(self: &Arc<Self>, client: &Arc<Endpoint>) {
        let child = Arc::new(Endpoint::new(&self.net, self.wanted()));
        child.options.inherit(&self.options);
        child.filter.inherit(&self.filter);
        child.owner.store(self.owner.load(Relaxed), Relaxed);
        child.options.connected();
        client.options.connected();
        let (name, peer_name) = {
            let mut s = client.state.lock();
            if s.phase != Phase::Connecting {
                return;
            }
            s.phase = Phase::Connected;
            s.unreported = true;
            s.peer = Some(child.clone());
            (s.peer_name.clone(), s.name.clone())
        };
        if let Some(Name::Inet(at)) = name {
            self.net.tcp.add_connection(&child, at);
        }
        {
            let mut c = child.state.lock();
            c.phase = Phase::Connected;
            c.peer = Some(client.clone());
            (c.name, c.peer_name) = (name, peer_name);
        }
        self.net.transport.tcp.passive_opens.add(1);
        self.net.transport.tcp.segments.add(2);
        self.state.lock().pending.push_back(child);
        self.queue.notify(READABLE);
        client.queue.notify(WRITABLE);
    }

    /// connect(2) to nowhere: the connection breaks, and the socket is as new.
    pub(super) fn disconnect(self: &Arc<Self>) {
        use TcpState::{CloseWait, Established, FinWait2, SynSent};
        // `tcp_need_reset` in `net/ipv4/tcp.c`.
        let resets = [SynSent, Established, CloseWait, FinWait2];
        let resets = resets.contains(&self.tcp_state());
        let (peer, lost, open) = {
            let mut s = self.state.lock();
            s.phase = Phase::Closed;
            let open = !s.shut.contains(Shut::SEND);
            s.shut = Shut::empty();
            s.error = resets.then_some(Errno::ECONNRESET);
            s.urgent = None;
            s.unreported = false;
            s.peer_name = None;
            (s.peer.take(), s.inbox.take_all(), open)
        };
        if let Some(p) = peer {
            p.tcp_peer_gone(self, Some(open));
        }
        drop(lost);
        self.queue.notify(Events::all());
    }

    /// shutdown(2) of an AF_INET socket.
    pub(super) fn shutdown_inet(self: &Arc<Self>, how: Shut) -> Result<(), Errno> {
        if self.is_tcp() && self.tcp_state() == TcpState::Close {
            // Also once both ends have sent theirs.
            self.state.lock().shut |= how;
            self.queue.notify(Events::all());
            return Err(Errno::ENOTCONN);
        }
        let mut s = self.state.lock();
        let phase = s.phase;
        match phase {
            Phase::Closed => s.shut |= how,
            Phase::Listening if !how.contains(Shut::RECEIVE) => s.shut |= how,
            Phase::Listening => (s.phase, s.shut) = (Phase::Closed, Shut::empty()),
            Phase::Connecting => {
                s.phase = Phase::Closed;
                s.error = Some(Errno::ECONNRESET);
                s.unreported = false;
            }
            Phase::Connected => s.shut |= how,
        }
        let (pending, syns) = match phase {
            Phase::Listening if s.phase == Phase::Closed => {
                (core::mem::take(&mut s.pending), core::mem::take(&mut s.syns))
            }
            _ => Default::default(),
        };
        let peer = s.peer.clone().filter(|_| phase == Phase::Connected);
        drop(s);
        for child in pending {
            child.release(true);
        }
        for client in syns.iter().filter_map(|w| w.upgrade()) {
            client.refuse();
        }
        if let Some(p) = peer
            && self.is_tcp()
            && how.contains(Shut::SEND)
        {
            p.tcp_peer_gone(self, None);
        }
        self.queue.notify(Events::all());
        if phase == Phase::Closed { Err(Errno::ENOTCONN) } else { Ok(()) }
    }
}
