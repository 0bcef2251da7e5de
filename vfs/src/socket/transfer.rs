//! Sending and receiving, whatever the kind of socket.

use super::addr::{self, Name};
use super::ancillary::{Ancillary, PacketOptions};
use super::endpoint::{Endpoint, Phase, Shut, tell_waiters};
use super::inbox::{How, Taken};
use super::message::Ucred;
use super::{Domain, Kind, Socket, Who};
use crate::File;
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{IoDst, IoSrc};
use syserr::Errno;

bitflags::bitflags! {
    /// Flags of recv(2) that a socket itself obeys; the others are the caller's.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct ReceiveFlags: u32 {
        /// `MSG_OOB`.
        const OOB = 1;
        /// `MSG_PEEK`.
        const PEEK = 2;
        /// `MSG_TRUNC`: return the length of the message; for TCP, drop the bytes.
        const TRUNC = 0x20;
        /// `MSG_DONTWAIT`, or a description with `O_NONBLOCK`.
        const DONTWAIT = 0x40;
        /// `MSG_ERRQUEUE`.
        const ERRQUEUE = 0x2000;
    }
}

/// What goes with the bytes of a message.
pub struct SendInfo<'a> {
    /// The address to send to.
    pub to: Option<&'a [u8]>,
    /// Who sends: the caller, or what `SCM_CREDENTIALS` says.
    pub creds: Ucred,
    /// `creds` was given by `SCM_CREDENTIALS`.
    pub explicit_creds: bool,
    /// Descriptions that travel along (`SCM_RIGHTS`). Taken once the first byte is sent.
    pub files: Vec<Arc<File>>,
    /// How many descriptions may be in flight before this one may send no more.
    pub limit: u64,
    /// What a datagram over IP is to be like.
    pub packet: PacketOptions,
    /// `MSG_OOB`.
    pub oob: bool,
    /// `MSG_MORE`: the datagram goes on.
    pub more: bool,
    /// The caller's view of the tree, for names in it; without, only to the connected peer.
    pub who: Option<Who<'a>>,
}

/// What came.
#[derive(Default)]
pub struct Received {
    /// What the call returns: bytes delivered, or with [`ReceiveFlags::TRUNC`] the length of the
    /// message.
    pub bytes: usize,
    /// The message was longer than the room for it.
    pub truncated: bool,
    /// It is urgent data (`MSG_OOB`).
    pub urgent: bool,
    /// It is from the queue of errors (`MSG_ERRQUEUE`).
    pub error: bool,
    /// The sender's address; empty when it has none, or on a connection.
    pub from: Vec<u8>,
    /// The sender, if the receiver asked for it with `SO_PASSCRED`.
    pub creds: Option<Ucred>,
    /// The process that sent it, if the receiver asked for a descriptor of that (`SO_PASSPIDFD`); 0 for
    /// one that is not known.
    pub pidfd: Option<i32>,
    /// What else the receiver asked to hear.
    pub ancillary: Vec<Ancillary>,
    /// Descriptions that came along.
    pub files: Vec<Arc<File>>,
    /// `MSG_WAITALL` does not wait for more.
    pub ended: bool,
}

/// All bytes of a message.
pub(super) fn take_all(src: &mut dyn IoSrc) -> Result<Vec<u8>, Errno> {
    let len = src.remaining() as usize;
    let mut data = alloc::vec![0; len];
    if len > 0 && src.take(&mut data)? < len {
        return Err(Errno::EFAULT);
    }
    Ok(data)
}

impl Socket {
    /// Sends; sendmsg(2). A stream may take fewer bytes than there are.
    ///
    /// # Errors
    /// Those of sendmsg(2); `EAGAIN` when it would block. On `EPIPE` the caller sends `SIGPIPE`,
    /// if [`Socket::signals_broken_pipe`].
    pub fn send(&self, src: &mut dyn IoSrc, info: &mut SendInfo<'_>) -> Result<usize, Errno> {
        let e = &self.endpoint;
        match (e.domain, e.kind) {
            (_, Kind::Stream) => e.send_stream(src, info),
            (Domain::Unix, _) => e.send_message(src, info),
            (Domain::Netlink, _) => e.send_netlink(src, info),
            (Domain::Packet, _) => e.send_packet(src, info),
            (_, Kind::Raw) => e.send_raw(src, info),
            _ if e.is_ping() => e.send_ping(src, info),
            _ => e.send_udp(src, info),
        }
    }

    /// Receives; recvmsg(2).
    ///
    /// # Errors
    /// Those of recvmsg(2); `EAGAIN` when it would block.
    pub fn receive(&self, dst: &mut dyn IoDst, flags: ReceiveFlags) -> Result<Received, Errno> {
        let e = &self.endpoint;
        if flags.contains(ReceiveFlags::ERRQUEUE) && e.domain != Domain::Unix {
            return e.receive_error(dst);
        }
        e.check_receive(flags)?;
        if e.kind == Kind::Stream && flags.contains(ReceiveFlags::OOB) {
            return e.receive_urgent(dst, flags);
        }
        let peek = flags.contains(ReceiveFlags::PEEK);
        let offset = usize::try_from(e.options.peek_offset()).ok();
        let inline = e.urgent_inline();
        let mut how = How {
            peek,
            limit: u64::MAX,
            skip: offset.filter(|_| peek).unwrap_or(0),
            creds: e.options.asks_sender(),
            discard: e.is_tcp() && flags.contains(ReceiveFlags::TRUNC),
        };
        let mut taken = Taken::default();
        let mut s = e.state.lock();
        if e.kind != Kind::Stream
            && let Some(error) = s.error.take()
        {
            return Err(error);
        }
        let mark = s.urgent.map(|u| u.ahead);
        match mark {
            Some(0) if !inline && peek => how.skip += usize::from(!s.is_at_gone()),
            Some(0) if !inline => taken.used.extend(s.skip_urgent(inline)),
            Some(n) if n > 0 => how.limit = n as u64,
            _ => {}
        }
        if s.inbox.is_empty() {
            if let Some(error) = s.error.take() {
                return Err(error);
            }
            let quiet = !e.has_connections() && flags.contains(ReceiveFlags::DONTWAIT);
            if s.shut.contains(Shut::RECEIVE) && !quiet {
                drop(s);
                let end = Taken { left: 1, ..Taken::default() };
                let ancillary = if e.is_tcp() { e.ancillary(&end) } else { Vec::new() };
                return Ok(Received { ancillary, ended: true, ..Received::default() });
            }
            let closed = e.is_tcp() && s.phase == Phase::Closed;
            return Err(if closed { Errno::ENOTCONN } else { Errno::EAGAIN });
        }
        let done = if e.kind == Kind::Stream {
            s.inbox.read_stream(dst, how, &mut taken)
        } else {
            s.inbox.read_message(dst, how, &mut taken)
        };
        if !peek {
            s.read_past(taken.bytes);
        }
        // At the mark a read ends, if it has read anything.
        taken.ended |= mark.is_some_and(|n| n > 0 && n == taken.bytes);
        taken.left = s.inbox.bytes()
            + usize::from(s.inbox.is_empty() && e.is_tcp() && s.shut.contains(Shut::RECEIVE));
        if e.options.stamps().is_none() && !e.has_connections() {
            s.stamp = Some(0);
        }
        let waiters = if e.has_connections() { Vec::new() } else { s.take_waiters() };
        drop(s);
        tell_waiters(waiters);
        e.net.inflight.bury(core::mem::take(&mut taken.used));
        e.go_on_dumping();
        done?;
        if let Some(Name::Inet(from)) = taken.from
            && !peek
            && let Some(c) = e.datagram_counters(&from)
        {
            c.received.add(1);
        }
        if let Some(at) = offset {
            // What was read moves the rest to the front.
            let gone = if e.kind == Kind::Stream { taken.bytes } else { taken.whole };
            let at = if peek { at + taken.bytes } else { at.saturating_sub(gone) };
            e.options.set_peek_offset(at);
        }
        Ok(e.received(taken, flags))
    }
}

impl Endpoint {
    fn check_receive(&self, flags: ReceiveFlags) -> Result<(), Errno> {
        let phase = self.state.lock().phase;
        match (self.domain, self.kind) {
            (Domain::Unix, Kind::Stream) if phase != Phase::Connected => Err(Errno::EINVAL),
            (Domain::Unix, Kind::SeqPacket) if phase != Phase::Connected => Err(Errno::ENOTCONN),
            (Domain::Unix, Kind::Dgram | Kind::SeqPacket) if flags.contains(ReceiveFlags::OOB) => {
                Err(Errno::EOPNOTSUPP)
            }
            (Domain::Netlink, _) if flags.contains(ReceiveFlags::OOB) => Err(Errno::EOPNOTSUPP),
            (_, Kind::Stream) if phase == Phase::Listening => Err(Errno::ENOTCONN),
            _ => Ok(()),
        }
    }

    /// What the other end of a connection of AF_UNIX is called now (`unix_copy_addr`).
    fn connected_sender(&self) -> Option<Name> {
        if self.domain != Domain::Unix || self.kind == Kind::Dgram {
            return None;
        }
        let peer = self.state.lock().peer.clone()?;
        peer.state.lock().name.clone()
    }

    fn received(&self, taken: Taken, flags: ReceiveFlags) -> Received {
        let messages = self.kind != Kind::Stream;
        let whole = messages && flags.contains(ReceiveFlags::TRUNC);
        let creds = self.options.passcred();
        let from = taken.from.clone().or_else(|| self.connected_sender());
        Received {
            ancillary: self.ancillary(&taken),
            bytes: if whole { taken.whole } else { taken.bytes },
            error: false,
            urgent: false,
            truncated: messages && taken.whole > taken.bytes,
            from: from.map(|n| addr::encode(self.domain, Some(&n))).unwrap_or_default(),
            creds: creds.then(|| taken.creds.unwrap_or(Ucred::UNKNOWN)),
            pidfd: self.options.passpidfd().then(|| taken.creds.map_or(0, |c| c.pid)),
            files: taken.files,
            ended: taken.ended,
        }
    }
}
