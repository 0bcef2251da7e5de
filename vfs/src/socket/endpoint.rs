//! The part of a socket that its peers and queues refer to, which outlives its description.

use super::addr::Name;
use super::choose::Wanted;
use super::diag::Dump;
use super::errors::Errors;
use super::filter::Filter;
use super::inbox::Inbox;
use super::message::{Message, Ucred};
use super::options::Options;
use super::packet::PacketSocket;
use super::raw::Raw;
use super::udp::Corked;
use super::urgent::Urgent;
use super::{Domain, Kind, Net};
use crate::{File, Nanos, Path};
use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::net::Ipv6Addr;
use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use sync::Mutex;
use sync::waitq::{Events, Queue};
use syserr::Errno;

/// `POLLIN | POLLRDNORM`.
pub(super) const READABLE: Events = Events::IN.union(Events::RDNORM);
/// `POLLOUT | POLLWRNORM | POLLWRBAND`.
pub(super) const WRITABLE: Events = Events::OUT.union(Events::WRNORM).union(Events::WRBAND);

bitflags::bitflags! {
    /// Halves of a connection that are shut (`RCV_SHUTDOWN`, `SEND_SHUTDOWN`).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Shut: u8 {
        /// Nothing more is received.
        const RECEIVE = 1;
        /// Nothing more is sent.
        const SEND = 2;
    }
}

bitflags::bitflags! {
    /// Parts of an address that bind(2) named (`SOCK_BINDADDR_LOCK`, `SOCK_BINDPORT_LOCK`).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(super) struct Chosen: u8 {
        const ADDRESS = 1;
        const PORT = 2;
    }
}

/// How far a socket is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// `TCP_CLOSE`.
    #[default]
    Closed,
    /// `TCP_SYN_SENT`.
    Connecting,
    /// `TCP_ESTABLISHED`, and the states in which one side has finished.
    Connected,
    /// `TCP_LISTEN`.
    Listening,
}

/// Whom a connection was made by; unix(7), `SO_PEERCRED`.
#[derive(Clone)]
pub(super) struct PeerCred {
    pub(super) id: Ucred,
    pub(super) groups: Arc<[u32]>,
}

/// What changes, under one lock. The locks of two endpoints are never held at once, and nothing
/// that holds a description is dropped under one.
#[derive(Default)]
pub(super) struct State {
    pub(super) phase: Phase,
    pub(super) shut: Shut,
    /// Its description is gone.
    pub(super) dead: bool,
    /// Reported once, by the next call or `SO_ERROR`.
    pub(super) error: Option<Errno>,
    /// Errors with what they are about.
    pub(super) errors: Errors,
    /// When the last datagram came, 0 for not measured (`SIOCGSTAMP`).
    pub(super) stamp: Option<Nanos>,
    /// What bind(2) chose, and a socket that is disconnected keeps.
    pub(super) chosen: Chosen,
    /// Groups that it has joined; of IPv4, the mapped addresses.
    pub(super) groups: Vec<Ipv6Addr>,
    /// What is to be one datagram with what follows.
    pub(super) corked: Option<Corked>,
    pub(super) name: Option<Name>,
    /// The place a name in the tree was bound at.
    pub(super) bound: Option<Path>,
    pub(super) peer: Option<Arc<Endpoint>>,
    pub(super) peer_name: Option<Name>,
    pub(super) peer_cred: Option<PeerCred>,
    pub(super) inbox: Inbox,
    pub(super) urgent: Option<Urgent>,
    /// A connect(2) that finished without anybody having asked yet.
    pub(super) unreported: bool,
    pub(super) backlog: usize,
    /// Connections that wait to be accepted.
    pub(super) pending: VecDeque<Arc<Endpoint>>,
    /// Sockets whose connection waits for room among `pending`.
    pub(super) syns: VecDeque<Weak<Endpoint>>,
    /// Sockets that wait until there is room in the inbox, or among `pending`.
    waiters: Vec<Weak<Endpoint>>,
}

/// One end of a conversation.
pub(super) struct Endpoint {
    pub(super) net: Arc<Net>,
    pub(super) domain: Domain,
    pub(super) kind: Kind,
    /// `SO_TYPE` is `SOCK_RAW`.
    pub(super) shows_raw: bool,
    /// `SO_PROTOCOL`.
    pub(super) protocol: i32,
    /// What a raw socket has beside.
    pub(super) raw: Option<Raw>,
    /// What a packet socket has beside.
    pub(super) packet: Option<PacketSocket>,
    pub(super) filter: Filter,
    /// A list that netlink is telling.
    pub(super) dump: Mutex<Option<Dump>>,
    /// Inode number of its description; 0 as long as nobody has accepted it.
    pub(super) ino: AtomicU64,
    /// User who made it.
    pub(super) owner: AtomicU32,
    pub(super) queue: Queue,
    pub(super) options: Options,
    /// Memory of messages that were sent and not received (`sk_wmem_alloc`).
    pub(super) sent: AtomicUsize,
    pub(super) state: Mutex<State>,
}

impl Endpoint {
    pub(super) fn new(net: &Arc<Net>, wanted: Wanted) -> Endpoint {
        let Wanted { domain, kind, protocol, shows_raw } = wanted;
        Endpoint {
            net: net.clone(),
            domain,
            kind,
            shows_raw,
            protocol,
            raw: (kind == Kind::Raw && domain != Domain::Packet)
                .then(|| Raw::new(domain, protocol)),
            packet: (domain == Domain::Packet).then(|| PacketSocket::new(protocol)),
            filter: Filter::default(),
            dump: Mutex::default(),
            ino: AtomicU64::new(0),
            owner: AtomicU32::new(0),
            queue: Queue::new(),
            options: Options::new(&wanted),
            sent: AtomicUsize::new(0),
            state: Mutex::default(),
        }
    }

    /// Whether it keeps connections.
    pub(super) fn has_connections(&self) -> bool {
        matches!(self.kind, Kind::Stream | Kind::SeqPacket)
    }

    /// What another socket like this one would be made of.
    pub(super) fn wanted(&self) -> Wanted {
        let Endpoint { domain, kind, protocol, shows_raw, .. } = *self;
        Wanted { domain, kind, protocol, shows_raw }
    }

    /// Whether it is a ping socket.
    pub(super) fn is_ping(&self) -> bool {
        self.wanted().is_ping()
    }

    pub(super) fn is_tcp(&self) -> bool {
        self.domain != Domain::Unix && self.kind == Kind::Stream
    }

    /// Whether its addresses are of the internet.
    pub(super) fn is_inet(&self) -> bool {
        matches!(self.domain, Domain::Inet | Domain::Inet6)
    }

    /// Whether poll(2) calls it writable.
    pub(super) fn has_room(&self) -> bool {
        let (sent, limit) = (self.sent.load(Relaxed), self.options.sndbuf());
        match self.domain {
            Domain::Unix => sent.saturating_mul(4) <= limit,
            _ if self.kind == Kind::Stream => limit.saturating_sub(sent) >= sent / 2,
            _ => sent < limit / 2,
        }
    }

    /// Whether another piece may be sent.
    pub(super) fn may_send(&self) -> bool {
        self.sent.load(Relaxed) < self.options.sndbuf()
    }

    /// Tells those who wait to send, if there is room now.
    pub(super) fn tell_writable(&self) {
        if self.has_room() && !self.queue.is_empty() {
            self.queue.notify(WRITABLE);
        }
    }

    /// Has a reset reported by the next call, as this one has something better to return.
    pub(super) fn keep_error(&self, e: Errno) {
        if self.is_tcp() && e == Errno::ECONNRESET {
            self.state.lock().error = Some(e);
        }
    }

    /// When the last datagram came, in seconds and nanoseconds; `SIOCGSTAMP`.
    pub(super) fn last_stamp(&self) -> Result<(i64, i64), Errno> {
        let mut s = self.state.lock();
        let at = match s.stamp.ok_or(Errno::ENOENT)? {
            // Nobody measured it: now is the best that can be said, from now on.
            0 => self.net.env().now(),
            at => at,
        };
        s.stamp = Some(at);
        Ok((at.div_euclid(1_000_000_000), at.rem_euclid(1_000_000_000)))
    }

    /// Takes the error that waits to be reported.
    pub(super) fn take_error(&self) -> Option<Errno> {
        self.state.lock().error.take()
    }

    /// Empties the queue of messages.
    pub(super) fn take_messages(&self) -> Vec<Message> {
        self.state.lock().inbox.take_all()
    }

    /// Appends a message and tells readers.
    pub(super) fn deliver(&self, message: Message) {
        self.state.lock().inbox.push(message);
        self.queue.notify(READABLE);
    }
}

impl State {
    /// Has `who` told when there is room again.
    pub(super) fn wait_for_room(&mut self, who: &Arc<Endpoint>) {
        self.waiters.retain(|w| w.strong_count() > 0);
        if !self.waiters.iter().any(|w| w.as_ptr() == Arc::as_ptr(who)) {
            self.waiters.push(Arc::downgrade(who));
        }
    }

    /// Those who wait for room, to be told once the lock is released.
    pub(super) fn take_waiters(&mut self) -> Vec<Weak<Endpoint>> {
        core::mem::take(&mut self.waiters)
    }
}

/// Tells sockets that there is room.
pub(super) fn tell_waiters(waiters: Vec<Weak<Endpoint>>) {
    for w in waiters.iter().filter_map(Weak::upgrade) {
        w.queue.notify(WRITABLE);
    }
}

impl Inbox {
    /// Descriptions that lie in it.
    pub(super) fn rights(&self) -> impl Iterator<Item = &Arc<File>> {
        self.iter().filter_map(|m| m.rights.as_ref()).flat_map(|r| &r.files)
    }
}
