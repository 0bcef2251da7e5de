//! The loopback interface of a network: whether it is up, and which addresses it has.

use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use syserr::Errno;

use super::addr::InetAddr;
use super::addresses::Addresses;
use core::net::Ipv6Addr;

/// Its index, the only one of a network.
pub(super) const INDEX: i32 = 1;
/// `ARPHRD_LOOPBACK`: what its hardware is called.
pub(super) const HARDWARE: u16 = 772;
/// The longest packet, in bytes.
pub(super) const MTU: u32 = 65_536;
/// `IFF_UP`.
pub(super) const UP: u32 = 1;
/// `IFF_LOOPBACK`.
const LOOPBACK: u32 = 8;
/// `IFF_RUNNING`.
const RUNNING: u32 = 0x40;
/// `IFF_LOWER_UP`, which only rtnetlink(7) shows.
const LOWER_UP: u32 = 0x1_0000;

/// The interface. That of a new network is down and has no addresses until it is brought up.
pub(super) struct Link {
    up: AtomicBool,
    /// It has 127.0.0.1; ::1 it has while it is up.
    v4: AtomicBool,
    /// There is a table of local addresses.
    used: AtomicBool,
    /// What it was given beside.
    pub(super) others: Addresses,
}

impl Link {
    pub(super) fn new(up: bool) -> Link {
        let is = AtomicBool::new;
        Link { up: is(up), v4: is(up), used: is(up), others: Addresses::default() }
    }

    pub(super) fn is_up(&self) -> bool {
        self.up.load(Relaxed)
    }

    /// Whether it has the address of IPv4.
    pub(super) fn has_v4(&self) -> bool {
        self.v4.load(Relaxed)
    }

    /// `IFF_*`.
    pub(super) fn flags(&self) -> u32 {
        if self.is_up() { UP | LOOPBACK | RUNNING | LOWER_UP } else { LOOPBACK }
    }

    /// Brings it up or down. Coming up, it gets 127.0.0.1 where it has not (`inetdev_event`); going
    /// down, it loses what it had of IPv6 (`addrconf_ifdown`).
    pub(super) fn set_up(&self, up: bool) {
        match (self.up.swap(up, Relaxed), up) {
            (false, true) => self.set_v4(true),
            (true, false) => self.others.forget_v6(),
            _ => {}
        }
    }

    /// Gives it 127.0.0.1, or takes that away.
    pub(super) fn set_v4(&self, has: bool) {
        self.used.store(true, Relaxed);
        self.v4.store(has, Relaxed);
    }

    /// Whether packets to one of its addresses arrive.
    ///
    /// # Errors
    /// `ENETUNREACH`; `EADDRNOTAVAIL` for ::1 while that is not there.
    pub(super) fn reaches(&self, to: &InetAddr) -> Result<(), Errno> {
        match (to.is_v4(), self.is_up()) {
            (_, true) if self.owns(to) => Ok(()),
            _ if !to.is_local() => Err(Errno::ENETUNREACH),
            (true, up) if up && self.has_v4() => Ok(()),
            (true, _) => Err(Errno::ENETUNREACH),
            (false, true) => Ok(()),
            (false, false) => Err(Errno::EADDRNOTAVAIL),
        }
    }

    /// Whether a socket can be bound to an address. Without a table of local addresses each one of
    /// IPv4 counts as a broadcast address (`__inet_dev_addr_type`).
    pub(super) fn binds(&self, at: &InetAddr) -> bool {
        if at.is_v4() && !self.used.load(Relaxed) {
            return true;
        }
        let own = at.is_local() && if at.is_v4() { self.has_v4() } else { self.is_up() };
        own || self.others.has(at) || self.is_up() && self.owns(at)
    }

    /// Whether an address is one that the interface was given, or of a network of such.
    pub(super) fn owns(&self, at: &InetAddr) -> bool {
        self.others.source(at).is_some()
    }

    /// Whether packets to an address are for everybody there.
    pub(super) fn is_broadcast(&self, to: &InetAddr) -> bool {
        to.is_broadcast() || self.others.is_broadcast(to)
    }

    /// Where packets to an address come from.
    pub(super) fn source(&self, to: &InetAddr) -> Ipv6Addr {
        self.others.source(to).unwrap_or_else(|| to.loopback())
    }

    /// Notes that there is a table of local addresses.
    pub(super) fn set_used(&self) {
        self.used.store(true, Relaxed);
    }
}
