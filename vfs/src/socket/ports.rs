//! Who has which port of one protocol.

use super::Domain;
use super::addr::InetAddr;
use super::endpoint::Endpoint;
use super::table::Bound;
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use sync::Mutex;
use syserr::Errno;

struct Binding {
    who: Weak<Endpoint>,
    at: InetAddr,
    v6only: bool,
    /// A connection that was accepted at the port, which no packet finds by port alone.
    connection: bool,
    uid: u32,
}

/// Somebody whom a packet may be for.
pub(super) struct Found {
    /// How badly it fits.
    rank: (bool, bool),
    pub(super) who: Arc<Endpoint>,
}

/// Whom a packet from `from` is for: the first, or one of those with `SO_REUSEPORT` beside it,
/// always the same for the same sender.
pub(super) fn choose(mut found: Vec<Found>, from: &InetAddr) -> Option<Arc<Endpoint>> {
    let first = found.first()?;
    if first.who.options.reuse_port() {
        let rank = first.rank;
        found.retain(|f| f.rank == rank && f.who.options.reuse_port());
        // Ports are often consecutive; the golden ratio spreads them evenly.
        let hash = u32::from(from.port).wrapping_mul(0x9e37_79b1);
        let at = (u64::from(hash) * found.len() as u64) >> 32;
        return Some(found.swap_remove(at as usize).who);
    }
    found.into_iter().next().map(|f| f.who)
}

#[derive(Default)]
struct Table {
    ports: BTreeMap<u16, Vec<Binding>>,
    next: u16,
}

/// The ports of TCP or UDP.
#[derive(Default)]
pub(super) struct Ports(Mutex<Table>);

/// Whether two bindings mean a common address.
fn overlap(a: (&InetAddr, bool), b: (&InetAddr, bool)) -> bool {
    let matches = |x: (&InetAddr, bool), y: &InetAddr| {
        x.0.is_any() && (x.0.is_v4() == y.is_v4() || !x.0.is_v4() && !x.1)
    };
    a.0.ip == b.0.ip || matches(a, b.0) || matches(b, a.0)
}

impl Table {
    fn free(
        &mut self,
        e: &Endpoint,
        at: &InetAddr,
        uid: u32,
        listening: &dyn Fn(&Endpoint) -> bool,
    ) -> bool {
        let Some(there) = self.ports.get_mut(&at.port) else { return true };
        there.retain(|b| b.who.strong_count() > 0);
        let (reuse, shares) = (e.options.reuse_address(), e.options.reuse_port());
        !there.iter().any(|b| {
            let Some(other) = b.who.upgrade() else { return false };
            let both = reuse && other.options.reuse_address() && !listening(&other);
            let grouped = shares && other.options.reuse_port() && b.uid == uid;
            let own = core::ptr::eq(&*other, e);
            !own && !both && !grouped && overlap((at, e.options.v6only()), (&b.at, b.v6only))
        })
    }

    fn add(&mut self, e: &Arc<Endpoint>, at: InetAddr, uid: u32, connection: bool) {
        let v6only = e.options.v6only();
        let who = Arc::downgrade(e);
        let b = Binding { who, at, v6only, connection, uid };
        self.ports.entry(at.port).or_default().push(b);
    }
}

impl Ports {
    /// Binds `e` to an address; port 0 has one chosen. Returns the address with its port.
    ///
    /// # Errors
    /// `EADDRINUSE`.
    pub(super) fn bind(
        &self,
        e: &Arc<Endpoint>,
        mut at: InetAddr,
        uid: u32,
    ) -> Result<InetAddr, Errno> {
        let listening = |e: &Endpoint| e.is_tcp() && super::net::listens(e);
        let mut t = self.0.lock();
        if at.port != 0 {
            if !t.free(e, &at, uid, &listening) {
                return Err(Errno::EADDRINUSE);
            }
            t.add(e, at, uid, false);
            return Ok(at);
        }
        let limits = e.net.port_limits();
        for _ in limits.first..=limits.last {
            let span = u32::from(limits.last - limits.first) + 1;
            at.port = limits.first + (u32::from(t.next) % span) as u16;
            t.next = ((u32::from(t.next) + 1) % span) as u16;
            let taken = t.ports.get_mut(&at.port).is_some_and(|v| {
                v.retain(|b| b.who.strong_count() > 0);
                !v.is_empty()
            });
            if !taken {
                t.add(e, at, uid, false);
                return Ok(at);
            }
        }
        Err(Errno::EADDRINUSE)
    }

    /// Whether `e`, which is bound, may listen: nobody else listens there.
    pub(super) fn may_listen(&self, e: &Endpoint, at: &InetAddr, uid: u32) -> bool {
        let mut t = self.0.lock();
        let Some(there) = t.ports.get_mut(&at.port) else { return true };
        there.retain(|b| b.who.strong_count() > 0);
        !there.iter().any(|b| {
            let Some(o) = b.who.upgrade() else { return false };
            let grouped = e.options.reuse_port() && o.options.reuse_port() && b.uid == uid;
            !core::ptr::eq(&*o, e)
                && super::net::listens(&o)
                && !grouped
                && overlap((at, e.options.v6only()), (&b.at, b.v6only))
        })
    }

    /// Notes a connection that has the port of its listener.
    pub(super) fn add_connection(&self, e: &Arc<Endpoint>, at: InetAddr) {
        self.0.lock().add(e, at, 0, true);
    }

    /// Frees what `e` has.
    pub(super) fn release(&self, e: &Endpoint, port: u16) {
        let mut t = self.0.lock();
        if let Some(there) = t.ports.get_mut(&port) {
            there.retain(|b| !core::ptr::eq(b.who.as_ptr(), e));
            if there.is_empty() {
                t.ports.remove(&port);
            }
        }
    }

    /// All who have a port.
    pub(super) fn endpoints(&self) -> Vec<Weak<Endpoint>> {
        self.0.lock().ports.values().flatten().map(|b| b.who.clone()).collect()
    }

    /// Everybody who has a port, in their order.
    pub(super) fn all(&self) -> Vec<Bound> {
        let t = self.0.lock();
        let all = t.ports.values().flatten();
        all.filter_map(|b| Some((b.who.upgrade()?, b.at, b.uid, b.connection))).collect()
    }

    /// Everybody whom a packet to `to` may be for: those bound to that very address first, then
    /// those of its own family, and of equals whoever came last.
    pub(super) fn find(&self, to: &InetAddr) -> Vec<Found> {
        let t = self.0.lock();
        let mut found: Vec<Found> = Vec::new();
        for b in t.ports.get(&to.port).into_iter().flatten().filter(|b| !b.connection) {
            if overlap((&b.at, b.v6only), (to, true))
                && let Some(who) = b.who.upgrade()
            {
                let foreign = to.is_v4() && who.domain == Domain::Inet6;
                found.push(Found { rank: (b.at.ip != to.ip, foreign), who });
            }
        }
        found.reverse();
        found.sort_by_key(|f| f.rank);
        found
    }
}
