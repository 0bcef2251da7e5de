//! What the sockets of one network share: names, ports, the interface; network_namespaces(7).

use super::Kind;
use super::counters::IcmpCounters;
use super::endpoint::{Endpoint, Phase};
use super::groups::Groups;
use super::inflight::InFlight;
use super::link::Link;
use super::packet::Taps;
use super::ping::{Idents, Pingers};
use super::ports::Ports;
use super::raw::RawSockets;
use super::transport_counters::TransportCounters;
use crate::nsfs::{Namespace, NamespaceKind, NsHead};
use crate::proc::KeptSettings;
use crate::{Creds, Env, cap};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicI32, AtomicU32, Ordering::Relaxed};
use sync::Mutex;
use syserr::Errno;

/// Type and name: sockets of different types may have the same name.
type AbstractKey = (i32, Arc<[u8]>);

/// Which ports are for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortLimits {
    /// The first that the kernel chooses from (`ip_local_port_range`).
    pub first: u16,
    /// The last.
    pub last: u16,
    /// Those below are for the privileged (`ip_unprivileged_port_start`).
    pub unprivileged: u16,
}

impl PortLimits {
    const DEFAULT: PortLimits = PortLimits { first: 32_768, last: 60_999, unprivileged: 1024 };
}

/// A network namespace: abstract names, and ports of a loopback interface that nothing outside can
/// reach. Two kernels share nothing.
pub struct Net {
    head: NsHead,
    env: Arc<Env>,
    pub(super) link: Link,
    pub(super) abstracts: Mutex<BTreeMap<AbstractKey, Weak<Endpoint>>>,
    pub(super) tcp: Ports,
    pub(super) udp: Ports,
    pub(super) udplite: Ports,
    pub(super) idents: Idents,
    pub(super) icmp: IcmpCounters,
    pub(super) transport: TransportCounters,
    pub(super) pingers: Pingers,
    pub(super) raw: RawSockets,
    pub(super) taps: Taps,
    pub(super) groups: Groups,
    /// Those of all networks of one kernel: a description can travel from each to each.
    pub(super) inflight: Arc<InFlight>,
    /// AF_UNIX sockets that are open, by their inode number.
    pub(super) unix: Mutex<BTreeMap<u64, Weak<Endpoint>>>,
    /// Netlink sockets by their protocol and port.
    pub(super) netlink: Mutex<BTreeMap<(i32, u32), Weak<Endpoint>>>,
    next_name: AtomicU32,
    next_packet: AtomicU32,
    settings: KeptSettings,
    port_limits: Mutex<PortLimits>,
    /// `net.ipv4.conf.lo.tag`: what programs like.
    pub tag: AtomicI32,
}

impl Net {
    /// The network that a kernel begins with, with inode numbers and time from `env`.
    pub fn new(env: &Arc<Env>) -> Arc<Net> {
        Net::with(NsHead::initial(NamespaceKind::Net), env, true, Arc::default())
    }

    /// Another network of the same kernel, whose interface is down.
    pub fn another(&self, head: NsHead) -> Arc<Net> {
        Net::with(head, &self.env, false, self.inflight.clone())
    }

    fn with(head: NsHead, env: &Arc<Env>, up: bool, inflight: Arc<InFlight>) -> Arc<Net> {
        Arc::new(Net {
            head,
            env: env.clone(),
            link: Link::new(up),
            abstracts: Mutex::default(),
            tcp: Ports::default(),
            udp: Ports::default(),
            udplite: Ports::default(),
            idents: Idents::default(),
            icmp: IcmpCounters::default(),
            transport: TransportCounters::default(),
            pingers: Pingers::new(up),
            raw: RawSockets::default(),
            taps: Taps::default(),
            groups: Groups::default(),
            inflight,
            unix: Mutex::default(),
            netlink: Mutex::default(),
            next_name: AtomicU32::new(0),
            next_packet: AtomicU32::new(0),
            settings: KeptSettings::default(),
            port_limits: Mutex::new(PortLimits::DEFAULT),
            tag: AtomicI32::new(0),
        })
    }

    /// Whether `creds` have a capability over this network.
    pub(super) fn allows(&self, creds: &Creds, cap: u32) -> bool {
        creds.has_in(self.head.owner(), cap)
    }

    /// Settings of this network, `net.*`, by their names in the table of `/proc`.
    pub fn settings(&self) -> &KeptSettings {
        &self.settings
    }

    /// Whether somebody may change settings of this network (`net_ctl_permissions`).
    ///
    /// # Errors
    /// `EPERM`.
    pub fn may_set(&self, creds: &Creds) -> Result<(), Errno> {
        let may = creds.fsuid == 0 || self.allows(creds, cap::NET_ADMIN);
        if may { Ok(()) } else { Err(Errno::EPERM) }
    }

    /// Which ports are for whom.
    pub fn port_limits(&self) -> PortLimits {
        *self.port_limits.lock()
    }

    /// Says which ports are for whom.
    ///
    /// # Errors
    /// `EINVAL` where the first of a range is not the lowest, or is a privileged one.
    pub fn set_port_limits(&self, to: PortLimits) -> Result<(), Errno> {
        let fits = to.first <= to.last && to.first >= to.unprivileged;
        if !fits || to.first == 0 {
            return Err(Errno::EINVAL);
        }
        *self.port_limits.lock() = to;
        Ok(())
    }

    /// A number for a packet, which tells its fragments from those of others.
    pub(super) fn packet_id(&self) -> u16 {
        self.next_packet.fetch_add(1, Relaxed) as u16
    }

    pub(super) fn env(&self) -> &Arc<Env> {
        &self.env
    }

    /// Whether the kernel may keep one more message that nobody waits to get rid of.
    pub(super) fn has_room(&self) -> bool {
        !self.env.memory().is_exhausted()
    }

    /// Gives `e` an abstract name.
    pub(super) fn add_abstract(&self, name: &Arc<[u8]>, e: &Arc<Endpoint>) -> Result<(), Errno> {
        let mut names = self.abstracts.lock();
        let key = (e.kind as i32, name.clone());
        if names.get(&key).is_some_and(|w| w.strong_count() > 0) {
            return Err(Errno::EADDRINUSE);
        }
        names.insert(key, Arc::downgrade(e));
        Ok(())
    }

    /// A free abstract name of five hexadecimal digits; "autobind" in unix(7).
    pub(super) fn choose_abstract(&self, e: &Arc<Endpoint>) -> Result<Arc<[u8]>, Errno> {
        for _ in 0..=0xf_ffff {
            let n = self.next_name.fetch_add(1, Relaxed) & 0xf_ffff;
            let name: Arc<[u8]> = format!("\0{n:05x}").into_bytes().into();
            if self.add_abstract(&name, e).is_ok() {
                return Ok(name);
            }
        }
        Err(Errno::ENOSPC)
    }

    /// The socket with an abstract name.
    pub(super) fn find_abstract(&self, kind: Kind, name: &Arc<[u8]>) -> Option<Arc<Endpoint>> {
        let key = (kind as i32, name.clone());
        let found = self.abstracts.lock().get(&key).and_then(Weak::upgrade)?;
        let dead = found.state.lock().dead;
        (!dead).then_some(found)
    }

    /// A number that names an endpoint as long as it lives (`SO_COOKIE`).
    pub(super) fn cookie(&self, e: &Endpoint) -> u64 {
        e.ino.load(Relaxed)
    }
}

impl Namespace for Net {
    fn head(&self) -> Option<&NsHead> {
        Some(&self.head)
    }
}

/// Whether connections to `e` can be made.
pub(super) fn listens(e: &Endpoint) -> bool {
    e.state.lock().phase == Phase::Listening
}
