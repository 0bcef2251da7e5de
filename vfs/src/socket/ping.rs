//! Ping sockets: echo requests, and the replies to them, for who has no right to raw sockets;
//! icmp(7), `net/ipv4/ping.c`.

use super::addr::{self, InetAddr, Name};
use super::choose::IPPROTO_ICMP;
use super::endpoint::Endpoint;
use super::icmp;
use super::ip_packet::{self, HEADER, IpPacket, LONGEST};
use super::transfer::SendInfo;
use super::{Domain, Net};
use crate::Creds;
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use arch::IoSrc;
use sync::Mutex;
use syserr::Errno;

/// Bytes of the header of a message.
const MESSAGE_MIN: u64 = 8;

/// Who may have ping sockets: groups from one to another (`net.ipv4.ping_group_range`).
pub(super) struct Pingers(Mutex<(u32, u32)>);

impl Pingers {
    /// The highest group that can be named.
    const MOST: u32 = i32::MAX as u32;

    /// Everybody, as distributions have it, or nobody, as the kernel has.
    pub(super) fn new(all: bool) -> Pingers {
        Pingers(Mutex::new(if all { (0, Pingers::MOST) } else { (1, 0) }))
    }
}

#[derive(Default)]
struct Table {
    sockets: BTreeMap<u16, Vec<Weak<Endpoint>>>,
    next: u16,
}

/// What tells the replies to one socket from those to another. Both versions share the numbers.
#[derive(Default)]
pub(super) struct Idents(Mutex<Table>);

impl Table {
    fn add(&mut self, e: &Arc<Endpoint>, ident: u16) {
        self.sockets.entry(ident).or_default().push(Arc::downgrade(e));
    }
}

impl Idents {
    /// Binds `e` to an address whose port is the number; for 0 one is chosen (`ping_get_port`).
    ///
    /// # Errors
    /// `EADDRINUSE`.
    pub(super) fn bind(&self, e: &Arc<Endpoint>, at: InetAddr) -> Result<InetAddr, Errno> {
        let mut t = self.0.lock();
        if at.port != 0 {
            let shares = |w: &Weak<Endpoint>| {
                let other = w.upgrade();
                other.is_none_or(|o| o.options.reuse_address() && e.options.reuse_address())
            };
            if !t.sockets.get(&at.port).is_none_or(|there| there.iter().all(shares)) {
                return Err(Errno::EADDRINUSE);
            }
            t.add(e, at.port);
            return Ok(at);
        }
        for _ in 0..u16::MAX {
            t.next = t.next.checked_add(1).unwrap_or(1);
            let port = t.next;
            if !t.sockets.contains_key(&port) {
                t.add(e, port);
                return Ok(InetAddr { port, ..at });
            }
        }
        Err(Errno::EADDRINUSE)
    }

    /// Frees the number of `e`.
    pub(super) fn release(&self, e: &Endpoint, ident: u16) {
        let mut t = self.0.lock();
        if let Some(there) = t.sockets.get_mut(&ident) {
            there.retain(|w| !core::ptr::eq(w.as_ptr(), e));
            if there.is_empty() {
                t.sockets.remove(&ident);
            }
        }
    }

    /// All there are.
    pub(super) fn all(&self) -> Vec<Arc<Endpoint>> {
        self.0.lock().sockets.values().flatten().filter_map(Weak::upgrade).collect()
    }

    /// Whom a reply is for: of those with its number and address, who came last.
    fn find(&self, p: &IpPacket, ident: u16) -> Option<Arc<Endpoint>> {
        let domain = if p.is_v4() { Domain::Inet } else { Domain::Inet6 };
        let t = self.0.lock();
        let there = t.sockets.get(&ident)?.iter().rev().filter_map(Weak::upgrade);
        let mine = |e: &Arc<Endpoint>| {
            let hears = e.bound().is_some_and(|a| a.is_any() || a.ip == p.to);
            e.domain == domain && hears
        };
        let found: Vec<_> = there.collect();
        drop(t);
        found.into_iter().find(mine)
    }
}

impl Net {
    /// Whether somebody may have ping sockets.
    pub(super) fn may_ping(&self, creds: &Creds) -> bool {
        let (low, high) = *self.pingers.0.lock();
        creds.groups.iter().chain([&creds.egid]).any(|g| (low..=high).contains(g))
    }

    /// The groups that may have ping sockets, the first above the last for none
    /// (`net.ipv4.ping_group_range`).
    pub fn ping_groups(&self) -> (u32, u32) {
        *self.pingers.0.lock()
    }

    /// Has the groups of a range ping, for who may set up this network.
    ///
    /// # Errors
    /// `EPERM`.
    pub fn set_ping_groups(&self, creds: &Creds, first: u32, last: u32) -> Result<(), Errno> {
        if !self.allows(creds, crate::cap::NET_ADMIN) {
            return Err(Errno::EPERM);
        }
        *self.pingers.0.lock() = if first > last { (1, 0) } else { (first, last) };
        Ok(())
    }

    /// A reply to an echo request has come.
    pub(super) fn give_to_ping(&self, p: &IpPacket) {
        let ident = ip_packet::word(p.payload(), 4);
        if let Some(e) = ident.and_then(|i| self.idents.find(p, i)) {
            let from = InetAddr { ip: p.from, port: 0 };
            e.deliver_from(from, e.headers_of(p), p.payload().to_vec());
        }
    }
}

impl Endpoint {
    /// Where a message goes.
    fn ping_destination(&self, info: &SendInfo<'_>) -> Result<InetAddr, Errno> {
        let Some(bytes) = info.to else {
            return match self.state.lock().peer_name {
                Some(Name::Inet(a)) => Ok(a),
                _ => Err(Errno::EDESTADDRREQ),
            };
        };
        /// Sizes of `struct sockaddr_in` and `struct sockaddr_in6`.
        const LEAST: (usize, usize) = (16, 28);
        let v4 = self.domain == Domain::Inet;
        if bytes.len() < if v4 { LEAST.0 } else { LEAST.1 } {
            return Err(Errno::EINVAL);
        }
        let to = addr::parse_inet(self.domain, bytes, false)?.destination();
        if to.is_v4() == v4 { Ok(to) } else { Err(Errno::EINVAL) }
    }

    /// Sends one echo request, whose number the kernel fills in.
    pub(super) fn send_ping(
        self: &Arc<Self>,
        src: &mut dyn IoSrc,
        info: &mut SendInfo<'_>,
    ) -> Result<usize, Errno> {
        let v4 = self.protocol == IPPROTO_ICMP;
        if src.remaining() > LONGEST as u64 {
            return Err(Errno::EMSGSIZE);
        }
        if src.remaining() < MESSAGE_MIN {
            return Err(Errno::EINVAL);
        }
        if info.oob {
            return Err(Errno::EOPNOTSUPP);
        }
        if v4 && src.remaining() > (LONGEST - HEADER.0) as u64 {
            return Err(Errno::EMSGSIZE);
        }
        let mut data = super::transfer::take_all(src)?;
        let request = if v4 { icmp::ECHO.0 } else { icmp::ECHO_V6.0 };
        if data.get(..2) != Some(&[request, 0]) {
            return Err(Errno::EINVAL);
        }
        let to = self.ping_destination(info)?;
        self.may_reach(&to)?;
        let from = self.send_from(&to, info)?;
        self.may_send_now()?;
        if let Some(ident) = data.get_mut(4..6) {
            ident.copy_from_slice(&from.port.to_be_bytes());
        }
        let protocol = self.protocol as u8;
        let pseudo = ip_packet::pseudo_sum(&from.ip, &to.ip, protocol, data.len());
        ip_packet::seal(&mut data, 2, if v4 { 0 } else { pseudo });
        let packet = IpPacket::new(&self.route(&from, &to, info), protocol, &data);
        self.net.transmit(&packet);
        Ok(data.len())
    }
}
