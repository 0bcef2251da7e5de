//! The end of a socket, and what its peers see of it.

use super::addr::Name;
use super::choose::IPPROTO_UDPLITE;
use super::endpoint::{Endpoint, Phase, Shut, tell_waiters};
use super::errors::Errors;
use super::{Domain, Kind, Socket};
use alloc::sync::Arc;
use core::sync::atomic::Ordering::Relaxed;
use sync::waitq::Events;
use syserr::Errno;

impl Drop for Socket {
    fn drop(&mut self) {
        let e = &self.endpoint;
        if e.domain == Domain::Unix {
            e.net.unix.lock().remove(&e.ino.load(Relaxed));
        }
        e.release(false);
        self.endpoint.net.inflight.collect();
    }
}

impl Endpoint {
    /// Ends the endpoint. An `embryo` was never accepted.
    pub(super) fn release(self: &Arc<Self>, embryo: bool) {
        let mut s = self.state.lock();
        let phase = core::mem::take(&mut s.phase);
        s.dead = true;
        let open = !s.shut.contains(Shut::SEND);
        s.shut = Shut::all();
        let peer = s.peer.take();
        let pending = core::mem::take(&mut s.pending);
        let syns = core::mem::take(&mut s.syns);
        let messages = s.inbox.take_all();
        let (name, bound) = (s.name.clone(), s.bound.take());
        let waiters = s.take_waiters();
        s.corked = None;
        s.errors = Errors::default();
        drop(s);
        drop(bound);
        *self.dump.lock() = None;
        if self.packet.is_some() {
            self.net.taps.remove(self);
        }
        self.leave_groups();
        match name {
            Some(Name::Unix(n)) if n.first() == Some(&0) => {
                let mut names = self.net.abstracts.lock();
                let key = (self.kind as i32, n);
                if names.get(&key).is_some_and(|w| core::ptr::eq(w.as_ptr(), &**self)) {
                    names.remove(&key);
                }
            }
            Some(Name::Inet(a)) => self.give_back(a.port),
            _ => {}
        }
        if let Some(peer) = peer
            && self.has_connections()
        {
            // A first message without bytes does not count as unread (`unix_release_sock` in
            // `net/unix/af_unix.c`).
            let first = messages.first().is_some_and(|m| !m.unread().is_empty());
            let unread = embryo || first || messages.len() > 1;
            match self.domain {
                Domain::Unix => peer.unix_peer_gone(unread),
                _ if phase == Phase::Connected => {
                    let reset = unread || self.options.resets_on_close();
                    peer.tcp_peer_gone(self, reset.then_some(open));
                }
                _ => {}
            }
        }
        for child in pending {
            child.release(true);
        }
        for client in syns.iter().filter_map(|w| w.upgrade()) {
            client.refuse();
        }
        tell_waiters(waiters);
        self.queue.notify(Events::all());
        self.net.inflight.bury(messages);
    }

    fn unix_peer_gone(&self, unread: bool) {
        let mut s = self.state.lock();
        s.shut = Shut::all();
        if unread {
            s.error = Some(Errno::ECONNRESET);
        }
        drop(s);
        self.queue.notify(Events::all());
    }

    /// The peer sent its end, or, with `reset`, broke the connection: with true before it sent its
    /// end.
    pub(super) fn tcp_peer_gone(self: &Arc<Self>, peer: &Arc<Endpoint>, reset: Option<bool>) {
        let mut s = self.state.lock();
        let ours = s.peer.as_ref().is_some_and(|p| Arc::ptr_eq(p, peer));
        if !ours || s.phase != Phase::Connected {
            return;
        }
        let counters = &self.net.transport.tcp;
        if let Some(open) = reset {
            let both = [open, !s.shut.contains(Shut::SEND)];
            counters.count_reset(both.into_iter().map(u64::from).sum());
            let ended = s.shut.contains(Shut::RECEIVE);
            s.error = Some(if ended { Errno::EPIPE } else { Errno::ECONNRESET });
            s.phase = Phase::Closed;
            s.shut = Shut::all();
        } else {
            counters.segments.add(2);
            s.shut |= Shut::RECEIVE;
        }
        drop(s);
        self.queue.notify(Events::all());
    }

    /// Gives back the port that the socket is bound to, or what else it is found by.
    pub(super) fn give_back(&self, port: u16) {
        match self.kind {
            Kind::Raw => self.net.raw.remove(self),
            _ if self.is_ping() => self.net.idents.release(self, port),
            _ => self.ports().release(self, port),
        }
    }

    pub(super) fn ports(&self) -> &super::ports::Ports {
        match (self.kind, self.protocol) {
            (Kind::Dgram, IPPROTO_UDPLITE) => &self.net.udplite,
            (Kind::Dgram, _) => &self.net.udp,
            _ => &self.net.tcp,
        }
    }
}
