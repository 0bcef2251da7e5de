//! Netlink sockets, which ask the kernel; netlink(7). Protocols are `NETLINK_ROUTE`,
//! `NETLINK_SOCK_DIAG`, and `NETLINK_KOBJECT_UEVENT` where nothing ever comes: devices stay.

use super::addr::{Name, family};
use super::choose::{NETLINK_KOBJECT_UEVENT, NETLINK_SOCK_DIAG};
use super::endpoint::{Endpoint, Phase, Shut};
use super::message::{Message, Ucred, datagram_size};
use super::transfer::SendInfo;
use super::{Domain, Who, rtnetlink};
use crate::cap;
use alloc::sync::{Arc, Weak};
use alloc::vec;
use alloc::vec::Vec;
use arch::IoSrc;
use syserr::Errno;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The longest request.
const LONGEST: u64 = 65_536;
/// Ports of sockets whose process has one already go down from here, as signed numbers.
const PORT_FIRST: i32 = -4096;

/// `NLMSG_ERROR`: an acknowledgement or an error.
const ERROR: u16 = 2;
/// `NLMSG_DONE`: the end of a list.
const DONE: u16 = 3;
/// Types below this one are for control (`NLMSG_MIN_TYPE`).
const TYPE_MIN: u16 = 0x10;
/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;
/// `NLM_F_MULTI`.
const MULTI: u16 = 2;
/// `NLM_F_ACK`.
const ACK: u16 = 4;
/// `NLM_F_CAPPED`: of the request only the header is shown.
const CAPPED: u16 = 0x100;
/// `NLM_F_DUMP`.
pub(super) const DUMP: u16 = 0x300;

/// `struct nlmsghdr`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct Header {
    pub(super) len: u32,
    pub(super) kind: u16,
    pub(super) flags: u16,
    pub(super) seq: u32,
    pub(super) port: u32,
}
static_assertions::assert_eq_size!(Header, [u8; 16]);

/// What the kernel answers to one request.
pub(super) enum Answer {
    /// One message.
    One(u16, Vec<u8>),
    /// It was done; nothing is said unless an acknowledgement is wanted.
    Done,
    /// A list, which ends with `NLMSG_DONE`.
    List(u16, Vec<Vec<u8>>),
}

pub(super) fn message(kind: u16, flags: u16, to: &Header, port: u32, body: &[u8]) -> Vec<u8> {
    let len = size_of::<Header>() + body.len();
    let header = Header { len: len as u32, kind, flags, seq: to.seq, port };
    let mut out = header.as_bytes().to_vec();
    out.extend_from_slice(body);
    out.resize(len.next_multiple_of(4), 0);
    out
}

/// The end of a list, with what went wrong.
pub(super) fn done(to: &Header, port: u32, result: i32) -> Vec<u8> {
    message(DONE, MULTI, to, port, &result.to_ne_bytes())
}

/// `struct nlmsgerr`: 0 acknowledges.
pub(super) fn error(request: &[u8], header: &Header, port: u32, errno: i32) -> Vec<u8> {
    let mut body = (-errno).to_ne_bytes().to_vec();
    let shown = if errno == 0 { size_of::<Header>() } else { header.len as usize };
    body.extend_from_slice(request.get(..shown).unwrap_or(request));
    body.resize(body.len().next_multiple_of(4), 0);
    message(ERROR, if errno == 0 { CAPPED } else { 0 }, header, port, &body)
}

/// Port and groups of a `struct sockaddr_nl`.
fn parse(address: &[u8]) -> Result<(u32, u32), Errno> {
    let word = |at: usize| {
        let b = address.get(at..at + 4).and_then(|b| b.first_chunk::<4>());
        b.map(|b| u32::from_ne_bytes(*b)).ok_or(Errno::EINVAL)
    };
    match family(address) {
        Some(f) if f == Domain::Netlink as u16 => Ok((word(4)?, word(8)?)),
        _ => Err(Errno::EINVAL),
    }
}

impl Endpoint {
    /// bind(2): port 0 is chosen, the process's ID if no socket has that.
    pub(super) fn bind_netlink(
        self: &Arc<Self>,
        who: &Who<'_>,
        address: &[u8],
    ) -> Result<(), Errno> {
        let (port, groups) = parse(address)?;
        let old = self.state.lock().name.clone();
        let port = match old {
            Some(Name::Netlink { port: own, .. }) if port != own => {
                return Err(Errno::EINVAL);
            }
            Some(Name::Netlink { port, .. }) => port,
            _ => self.netlink_take(who, port)?,
        };
        self.options.set_first_groups(groups);
        self.state.lock().name = Some(Name::Netlink { port, groups });
        Ok(())
    }

    fn netlink_take(self: &Arc<Self>, who: &Who<'_>, wanted: u32) -> Result<u32, Errno> {
        let mut ports = self.net.netlink.lock();
        ports.retain(|_, e| e.strong_count() > 0);
        let key = |p: u32| (self.protocol, p);
        let free =
            |p: &u32| ports.get(&key(*p)).is_none_or(|e: &Weak<Endpoint>| e.strong_count() == 0);
        let port = match wanted {
            0 => core::iter::once(who.path.tgid as u32)
                .chain((i32::MIN..=PORT_FIRST).rev().map(|p| p as u32))
                .find(free)
                .ok_or(Errno::EADDRINUSE)?,
            p if free(&p) => p,
            _ => return Err(Errno::EADDRINUSE),
        };
        ports.insert(key(port), Arc::downgrade(self));
        Ok(port)
    }

    /// The own port, chosen now if there is none.
    fn netlink_port(self: &Arc<Self>, who: Option<&Who<'_>>) -> Result<u32, Errno> {
        if let Some(Name::Netlink { port, .. }) = self.state.lock().name {
            return Ok(port);
        }
        let port = self.netlink_take(who.ok_or(Errno::ENOTCONN)?, 0)?;
        self.state.lock().name = Some(Name::Netlink { port, groups: 0 });
        Ok(port)
    }

    /// connect(2): the default destination; without family, the kernel.
    pub(super) fn connect_netlink(
        self: &Arc<Self>,
        who: &Who<'_>,
        address: &[u8],
    ) -> Result<(), Errno> {
        let unspecified = family(address) == Some(super::addr::AF_UNSPEC);
        let (port, groups) = if unspecified { (0, 0) } else { parse(address)? };
        self.netlink_port(Some(who))?;
        let mut s = self.state.lock();
        s.peer_name = (!unspecified).then_some(Name::Netlink { port, groups });
        s.phase = if unspecified { Phase::Closed } else { Phase::Connected };
        Ok(())
    }

    /// Asks the kernel; the answers are in the queue when this returns.
    pub(super) fn send_netlink(
        self: &Arc<Self>,
        src: &mut dyn IoSrc,
        info: &mut SendInfo<'_>,
    ) -> Result<usize, Errno> {
        if info.oob {
            return Err(Errno::EOPNOTSUPP);
        }
        if src.remaining() > LONGEST {
            return Err(Errno::EMSGSIZE);
        }
        if src.remaining() == 0 {
            return Err(Errno::ENODATA);
        }
        let connected = match &self.state.lock().peer_name {
            Some(Name::Netlink { port, groups }) => (*port, *groups),
            _ => (0, 0),
        };
        let (to, groups) = info.to.map_or(Ok(connected), parse)?;
        let admin = info.who.as_ref().is_some_and(|w| self.net.allows(w.creds(), cap::NET_ADMIN));
        if groups != 0 && !admin {
            return Err(Errno::EPERM);
        }
        let port = self.netlink_port(info.who.as_ref())?;
        if to != 0 {
            // Nobody but the kernel listens.
            return Err(Errno::ECONNREFUSED);
        }
        {
            let s = self.state.lock();
            if s.shut.contains(Shut::SEND) {
                return Err(Errno::EPIPE);
            }
            if s.inbox.size() > self.options.rcvbuf() {
                return Err(Errno::ENOBUFS);
            }
        }
        let len = src.remaining() as usize;
        let mut data = vec![0; len];
        if len > 0 && src.take(&mut data)? < len {
            return Err(Errno::EFAULT);
        }
        if self.protocol == NETLINK_KOBJECT_UEVENT {
            return Ok(len);
        }
        let mut rest = data.as_slice();
        while let Ok((header, _)) = Header::read_from_prefix(rest) {
            let size = header.len as usize;
            if size < size_of::<Header>() || size > rest.len() {
                break;
            }
            let request = rest.get(..size).unwrap_or_default();
            if header.flags & REQUEST != 0 && header.kind >= TYPE_MIN {
                if self.protocol == NETLINK_SOCK_DIAG {
                    // One list is told at a time.
                    if self.is_dumping() {
                        let busy = Errno::EBUSY.to_raw();
                        self.give(error(request, &header, port, busy));
                    } else {
                        let creds = info.who.as_ref().map(|w| w.creds());
                        self.answer_diag(request, &header, port, creds);
                    }
                } else {
                    self.answer_request(request, &header, port, admin);
                }
            } else if header.flags & ACK != 0 {
                self.give(error(request, &header, port, 0));
            }
            rest = rest.get(size.next_multiple_of(4)..).unwrap_or_default();
        }
        Ok(len)
    }

    fn answer_request(&self, request: &[u8], header: &Header, port: u32, admin: bool) {
        let body = request.get(size_of::<Header>()..).unwrap_or_default();
        let acknowledge = header.flags & ACK != 0;
        match rtnetlink::answer(&self.net.link, header, body, admin) {
            Ok(Answer::Done) if acknowledge => self.give(error(request, header, port, 0)),
            Ok(Answer::Done) => {}
            Ok(Answer::One(kind, body)) => {
                self.give(message(kind, 0, header, port, &body));
                if acknowledge {
                    self.give(error(request, header, port, 0));
                }
            }
            Ok(Answer::List(kind, items)) => {
                let list = items.iter().flat_map(|b| message(kind, MULTI, header, port, b));
                let list: Vec<u8> = list.collect();
                if !list.is_empty() {
                    self.give(list);
                }
                self.give(done(header, port, 0));
            }
            Err(e) => self.give(error(request, header, port, e.to_raw())),
        }
    }

    /// Queues what the kernel says without being asked.
    pub(super) fn give_unasked(&self, data: &[u8]) {
        if self.state.lock().inbox.size() <= self.options.rcvbuf() && self.net.has_room() {
            self.give(data.to_vec());
        }
    }

    /// Queues what the kernel says.
    pub(super) fn give(&self, mut data: Vec<u8>) {
        if !self.filters(&[], &mut data) {
            return;
        }
        let size = datagram_size(data.len());
        let from = Some(Name::Netlink { port: 0, groups: 0 });
        let creds = Some(Ucred { pid: 0, uid: 0, gid: 0 });
        self.deliver(Message { from, creds, ..Message::new(data, size) });
    }
}
