//! Addresses that the loopback interface was given beside its own; ip-address(8).

use super::addr::InetAddr;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};
use sync::RwLock;
use syserr::Errno;

/// The most that there can be.
const MAX: usize = 1024;
/// Longest label with its NUL (`IFNAMSIZ`).
const LABEL_MAX: usize = 16;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// That of IPv4 as its mapped address.
    pub(super) ip: Ipv6Addr,
    /// Bits of the network in an address of its own version.
    pub(super) prefix: u8,
    pub(super) scope: u8,
    pub(super) broadcast: Option<Ipv4Addr>,
    /// `IFA_LABEL`, as it was given.
    pub(super) label: Vec<u8>,
    /// There was another of the same network before.
    pub(super) secondary: bool,
}

/// The network bits of an address of IPv4.
fn network(ip: Ipv4Addr, prefix: u8) -> u32 {
    ip.to_bits() & u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

impl Address {
    pub(super) fn v4(&self) -> Option<Ipv4Addr> {
        self.ip.to_ipv4_mapped()
    }

    /// The first address of its network, where there is more than itself.
    pub(super) fn network(&self) -> Option<Ipv4Addr> {
        let first = Ipv4Addr::from_bits(network(self.v4()?, self.prefix));
        (self.prefix < 32 && !first.is_unspecified()).then_some(first)
    }

    /// The last address of its network, which is everybody's there.
    pub(super) fn everybody(&self) -> Option<Ipv4Addr> {
        let hosts = u32::MAX.checked_shr(u32::from(self.prefix)).unwrap_or(0);
        self.network()
            .filter(|_| self.prefix < 31)
            .map(|n| Ipv4Addr::from_bits(n.to_bits() | hosts))
    }

    /// Whether packets to `to` come here because of it. All of a network of IPv4 does, for the
    /// interface leads nowhere else (`fib_add_ifaddr`).
    fn covers(&self, to: &InetAddr) -> bool {
        let whole = self.network().zip(to.ip.to_ipv4_mapped());
        let within = whole.is_some_and(|(n, to)| network(to, self.prefix) == n.to_bits());
        within || self.ip == to.ip
    }

    fn is_of_network_of(&self, other: &Address) -> bool {
        let of = |a: &Address| a.v4().map(|ip| network(ip, self.prefix));
        self.prefix == other.prefix && of(self).is_some() && of(self) == of(other)
    }

    fn is_same(&self, other: &Address) -> bool {
        self.ip == other.ip && (self.prefix == other.prefix || self.v4().is_none())
    }
}

/// All of them.
#[derive(Default)]
pub(super) struct Addresses(RwLock<Vec<Address>>);

impl Addresses {
    pub(super) fn all(&self) -> Vec<Address> {
        self.0.read().clone()
    }

    /// Adds one, or with `replace` takes what is new about one that is there.
    ///
    /// # Errors
    /// `EEXIST`; `EINVAL` for a label that is too long; `ENOBUFS` when there are too many.
    pub(super) fn add(&self, mut new: Address, replace: bool) -> Result<(), Errno> {
        if new.label.len() > LABEL_MAX {
            return Err(Errno::EINVAL);
        }
        let mut all = self.0.write();
        if let Some(old) = all.iter_mut().find(|a| a.is_same(&new)) {
            if !replace {
                return Err(Errno::EEXIST);
            }
            new.secondary = old.secondary;
            *old = new;
            return Ok(());
        }
        if all.len() >= MAX {
            return Err(Errno::ENOBUFS);
        }
        new.secondary = all.iter().any(|a| a.is_of_network_of(&new));
        // What comes later to a network goes behind all that came first to theirs.
        let first = all.iter().position(|a| a.secondary && !new.secondary);
        let at = first.unwrap_or(all.len());
        all.insert(at, new);
        Ok(())
    }

    /// Takes one away, and with the first of a network all of it (`__inet_del_ifa`).
    ///
    /// # Errors
    /// `EADDRNOTAVAIL`.
    pub(super) fn remove(&self, ip: Ipv6Addr, prefix: u8) -> Result<(), Errno> {
        let mut all = self.0.write();
        let at = all.iter().position(|a| a.ip == ip && a.prefix == prefix);
        let gone = all.remove(at.ok_or(Errno::EADDRNOTAVAIL)?);
        if !gone.secondary {
            all.retain(|a| !a.secondary || !a.is_of_network_of(&gone));
        }
        Ok(())
    }

    /// Forgets those of IPv6.
    pub(super) fn forget_v6(&self) {
        self.0.write().retain(|a| a.v4().is_some());
    }

    /// Where packets to an address come from; `None` for one that is not here.
    pub(super) fn source(&self, to: &InetAddr) -> Option<Ipv6Addr> {
        self.0.read().iter().find(|a| a.covers(to)).map(|a| a.ip)
    }

    /// Whether it is that of everybody in a network.
    pub(super) fn is_broadcast(&self, to: &InetAddr) -> bool {
        let to = to.ip.to_ipv4_mapped();
        to.is_some() && self.0.read().iter().any(|a| a.everybody() == to)
    }

    /// Whether one is this very address.
    pub(super) fn has(&self, at: &InetAddr) -> bool {
        self.0.read().iter().any(|a| a.ip == at.ip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str, prefix: u8) -> Address {
        let ip = text.parse::<Ipv4Addr>().map(|ip| ip.to_ipv6_mapped());
        let ip = ip.unwrap_or_else(|_| text.parse().unwrap());
        let label = b"lo\0".to_vec();
        Address { ip, prefix, scope: 0, broadcast: None, label, secondary: false }
    }

    fn at(text: &str) -> InetAddr {
        InetAddr { ip: address(text, 0).ip, port: 0 }
    }

    #[test]
    fn all_of_a_network_leads_here() {
        let all = Addresses::default();
        all.add(address("10.0.0.1", 24), false).unwrap();
        all.add(address("10.9.9.9", 0), false).unwrap();
        all.add(address("2001:db8::1", 64), false).unwrap();
        assert_eq!(all.source(&at("10.0.0.200")), Some(at("10.0.0.1").ip));
        assert_eq!(all.source(&at("10.0.1.1")), None, "nothing is as wide as all addresses");
        assert_eq!(all.source(&at("10.9.9.9")), Some(at("10.9.9.9").ip));
        assert_eq!(all.source(&at("2001:db8::2")), None, "of IPv6 only the address itself");
        assert!(all.is_broadcast(&at("10.0.0.255")) && !all.is_broadcast(&at("10.0.0.1")));
    }

    #[test]
    fn a_network_goes_with_its_first_address() {
        let all = Addresses::default();
        for (text, prefix) in [("10.0.0.1", 24), ("10.0.0.2", 24), ("10.0.0.3", 16)] {
            all.add(address(text, prefix), false).unwrap();
        }
        assert_eq!(all.add(address("10.0.0.2", 24), false), Err(Errno::EEXIST));
        assert_eq!(all.remove(at("10.0.0.1").ip, 16), Err(Errno::EADDRNOTAVAIL));
        all.remove(at("10.0.0.1").ip, 24).unwrap();
        assert!(!all.has(&at("10.0.0.2")) && all.has(&at("10.0.0.3")));
    }

    #[test]
    fn there_are_not_any_number() {
        let all = Addresses::default();
        let one = |n: u32| {
            let ip = Ipv4Addr::from_bits(0x0a00_0000 + n).to_ipv6_mapped();
            all.add(Address { ip, ..address("10.0.0.0", 32) }, false)
        };
        assert!((0..MAX as u32).all(|n| one(n).is_ok()));
        assert_eq!(one(MAX as u32), Err(Errno::ENOBUFS));
    }
}
