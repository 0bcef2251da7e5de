//! Sockets that exist only inside the sandbox: AF_UNIX, and AF_INET and AF_INET6 over a loopback
//! interface that leads nowhere else, with what looks at its packets: raw, ping and packet sockets; and
//! AF_NETLINK to ask about that interface.
//!
//! All of them are queues of messages (`inbox`) at endpoints that know each other. A connection
//! is two endpoints with each other as peer, whether its names are paths or ports: what differs
//! between AF_UNIX streams and TCP is how a connection is made and how it breaks, not how bytes
//! move. No call blocks; one that would, answers `EAGAIN`, and the caller waits for the socket's
//! queue.

mod addr;
mod addresses;
mod ancillary;
mod choose;
mod counters;
mod datagram;
mod diag;
mod diag_inet;
mod diag_unix;
mod endpoint;
mod errors;
mod file;
mod filter;
mod groups;
mod icmp;
mod inbox;
mod inflight;
mod ip_packet;
mod link;
mod message;
mod names;
mod net;
mod netlink;
mod option_names;
mod option_table;
mod options;
mod packet;
mod packet_ring;
mod ping;
mod ports;
mod raw;
mod release;
mod routes;
mod rtnetlink;
mod stream;
mod table;
mod tcp;
mod tcp_info;
mod transfer;
mod transport_counters;
mod udp;
mod unix;
mod urgent;

pub use ancillary::{Ancillary, PacketOptions};
pub use choose::{Domain, Kind, Wanted, choose};
pub use endpoint::Shut;
pub use message::Ucred;
pub use net::{Net, PortLimits};
pub use transfer::{ReceiveFlags, Received, SendInfo};

use crate::{Creds, PathCx, Stat, UserNs, Vfs, anon, mode};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;
use endpoint::{Endpoint, Phase};
use sync::Mutex;
use syserr::Errno;

/// Who makes a call: for names in the tree, privilege and `SCM_CREDENTIALS`.
#[derive(Clone, Copy)]
pub struct Who<'a> {
    /// The tree.
    pub vfs: &'a Vfs,
    /// The caller's view of it.
    pub path: PathCx<'a>,
}

impl Who<'_> {
    fn creds(&self) -> &Creds {
        self.path.creds
    }

    /// The caller with its effective IDs, as `SO_PEERCRED` shows it.
    fn peer_cred(&self) -> endpoint::PeerCred {
        let c = self.creds();
        let id = Ucred { pid: self.path.tgid, uid: c.euid, gid: c.egid };
        endpoint::PeerCred { id, groups: c.groups.clone() }
    }
}

/// One socket: the file operations of its description, and the calls that only sockets have.
pub struct Socket {
    endpoint: Arc<Endpoint>,
    stat: Mutex<Stat>,
    /// Whom messages come from that are sent by write(2).
    writer: Ucred,
}

impl Socket {
    /// Whether it is a netlink socket.
    pub fn is_netlink(&self) -> bool {
        self.endpoint.domain == Domain::Netlink
    }

    /// Queues a datagram of the kernel's own on a netlink socket, unless its queue is full;
    /// mq_notify(2) with `SIGEV_THREAD`.
    pub fn give_from_kernel(&self, data: &[u8]) {
        if self.is_netlink() {
            self.endpoint.give_unasked(data);
        }
    }

    /// A new socket; socket(2).
    ///
    /// # Errors
    /// `EPERM`, `EACCES` for those that not everybody may have.
    pub fn new(net: &Arc<Net>, who: &Who<'_>, wanted: Wanted) -> Result<Socket, Errno> {
        wanted.check(net, who.creds())?;
        let endpoint = Arc::new(Endpoint::new(net, wanted));
        if endpoint.raw.is_some() {
            endpoint.hash_raw();
        }
        if endpoint.packet.is_some() {
            net.taps.add(&endpoint);
        }
        Ok(Socket::around(endpoint, who))
    }

    fn around(endpoint: Arc<Endpoint>, who: &Who<'_>) -> Socket {
        let c = who.creds();
        let ino = endpoint.net.env().new_inode_number();
        endpoint.ino.store(ino, Relaxed);
        endpoint.owner.store(c.fsuid, Relaxed);
        if endpoint.domain == Domain::Unix {
            endpoint.net.unix.lock().insert(ino, Arc::downgrade(&endpoint));
        }
        let now = endpoint.net.env().now();
        let stat = Stat {
            dev: anon::SOCKET_DEV,
            ino,
            mode: mode::IFSOCK | 0o777,
            nlink: 1,
            uid: c.fsuid,
            gid: c.fsgid,
            blksize: 4096,
            atime: now,
            mtime: now,
            ctime: now,
            ..Stat::default()
        };
        Socket {
            stat: Mutex::new(stat),
            writer: Ucred { pid: who.path.tgid, uid: c.uid, gid: c.gid },
            endpoint,
        }
    }

    /// Two sockets that are connected to each other; socketpair(2).
    ///
    /// # Errors
    /// `EOPNOTSUPP` for other domains than [`Domain::Unix`], and those of [`Socket::new`].
    pub fn pair(net: &Arc<Net>, who: &Who<'_>, wanted: Wanted) -> Result<(Socket, Socket), Errno> {
        let (a, b) = (Socket::new(net, who, wanted)?, Socket::new(net, who, wanted)?);
        if wanted.domain != Domain::Unix {
            return Err(Errno::EOPNOTSUPP);
        }
        for (x, y) in [(&a, &b), (&b, &a)] {
            let mut s = x.endpoint.state.lock();
            s.phase = Phase::Connected;
            s.peer = Some(y.endpoint.clone());
            s.peer_cred = Some(who.peer_cred());
        }
        Ok((a, b))
    }

    fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// The address family.
    pub fn domain(&self) -> Domain {
        self.endpoint.domain
    }

    /// The type.
    pub fn kind(&self) -> Kind {
        self.endpoint.kind
    }

    /// Whether the socket has options of a `level`; looked at before memory is.
    ///
    /// # Errors
    /// `ENOPROTOOPT`, `EOPNOTSUPP`.
    pub fn check_option_level(&self, level: i32, setting: bool) -> Result<(), Errno> {
        options::check_level(&self.endpoint, level, setting)
    }

    /// The value of an option for a caller in `ns` with so much `room`, which cuts it; getsockopt(2).
    ///
    /// # Errors
    /// `ENOPROTOOPT`, `EOPNOTSUPP`, `ENOTCONN`, `ENODATA`.
    pub fn option(
        &self,
        ns: &UserNs,
        level: i32,
        name: i32,
        room: usize,
    ) -> Result<Vec<u8>, Errno> {
        options::get(&self.endpoint, level, name, room, ns)
    }

    /// Changes an option; setsockopt(2).
    ///
    /// # Errors
    /// `ENOPROTOOPT`, `EOPNOTSUPP`, `EINVAL`, `EPERM`, `EDOM`.
    pub fn set_option(
        &self,
        creds: &Creds,
        level: i32,
        name: i32,
        value: &[u8],
    ) -> Result<(), Errno> {
        options::set(&self.endpoint, creds, level, name, value)
    }

    /// Bytes of the header that each frame of a ring of packets begins with; `PACKET_HDRLEN`.
    ///
    /// # Errors
    /// `EINVAL` for a version that there is not; `ENOPROTOOPT` for other sockets.
    pub fn frame_header_size(&self, version: i32) -> Result<i32, Errno> {
        match (self.domain(), version) {
            (Domain::Packet, 0 | 1) => Ok(32),
            (Domain::Packet, _) => Err(Errno::EINVAL),
            _ => Err(Errno::ENOPROTOOPT),
        }
    }

    /// The filter for what comes, as an array of `struct sock_filter`; empty for none.
    pub fn filter(&self) -> Vec<u8> {
        self.endpoint.filter.code()
    }

    /// Has an error that a call met after it had done a part reported by the next call.
    pub fn keep_error(&self, e: Errno) {
        self.endpoint.keep_error(e);
    }

    /// Whether messages keep their boundaries.
    pub fn has_messages(&self) -> bool {
        self.endpoint.kind != Kind::Stream
    }

    /// Whether a write to a broken connection sends `SIGPIPE`.
    pub fn signals_broken_pipe(&self) -> bool {
        self.endpoint.kind == Kind::Stream
    }
}

impl core::fmt::Debug for Socket {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (domain, kind) = (self.domain(), self.kind());
        f.debug_struct("Socket")
            .field("domain", &domain)
            .field("kind", &kind)
            .finish_non_exhaustive()
    }
}
