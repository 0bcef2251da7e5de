//! Groups that sockets join to get what is sent to an address of many; ip(7), ipv6(7).
//!
//! The one interface is the loopback interface, to which no route of groups leads: who joins or
//! sends names it, by its address, its index, or the own address of the socket.

use super::addr::InetAddr;
use super::endpoint::Endpoint;
use super::link;
use super::option_names::{SOL_IP, ip};
use super::option_table as table;
use alloc::collections::BTreeMap;
use core::net::{Ipv4Addr, Ipv6Addr};
use sync::Mutex;
use syserr::Errno;

/// The most groups of IPv4 that a socket may join (`net.ipv4.igmp_max_memberships`).
const MEMBERSHIPS_MAX: usize = 20;
/// The most that it may join in all; Linux has a bound on memory (`net.core.optmem_max`).
const GROUPS_MAX: usize = 256;
/// Everybody is in this one.
const ALL_HOSTS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);

/// How many sockets of one kernel are in a group.
#[derive(Default)]
pub(super) struct Groups(Mutex<BTreeMap<Ipv6Addr, usize>>);

impl Groups {
    fn join(&self, group: Ipv6Addr) {
        *self.0.lock().entry(group).or_default() += 1;
    }

    fn leave(&self, group: Ipv6Addr) {
        let mut all = self.0.lock();
        if let Some(n) = all.get_mut(&group) {
            *n -= 1;
            if *n == 0 {
                all.remove(&group);
            }
        }
    }

    fn has(&self, group: &Ipv6Addr) -> bool {
        *group == ALL_HOSTS.to_ipv6_mapped() || self.0.lock().contains_key(group)
    }
}

fn word(value: &[u8], at: usize) -> Option<[u8; 4]> {
    value.get(at..at + 4).and_then(|b| b.first_chunk()).copied()
}

/// A group, and whether the interface that goes with it is the one there is.
struct Named {
    group: Ipv6Addr,
    /// Neither address nor index was given.
    anywhere: bool,
    here: bool,
}

/// `struct ip_mreq` or `struct ip_mreqn`.
fn parse_v4(value: &[u8]) -> Result<Named, Errno> {
    let (Some(group), Some(at)) = (word(value, 0), word(value, 4)) else {
        return Err(Errno::EINVAL);
    };
    let index = word(value, 8).map_or(0, i32::from_ne_bytes);
    let (group, at) = (Ipv4Addr::from(group), Ipv4Addr::from(at));
    if !group.is_multicast() {
        return Err(Errno::EINVAL);
    }
    Ok(Named {
        group: group.to_ipv6_mapped(),
        anywhere: index == 0 && at.is_unspecified(),
        here: index == link::INDEX || index == 0 && at.is_loopback(),
    })
}

/// `struct ipv6_mreq`.
fn parse_v6(value: &[u8]) -> Result<Named, Errno> {
    let (Some(group), Some(index)) = (value.first_chunk::<16>(), word(value, 16)) else {
        return Err(Errno::EINVAL);
    };
    let (group, index) = (Ipv6Addr::from(*group), i32::from_ne_bytes(index));
    if !group.is_multicast() {
        return Err(Errno::EINVAL);
    }
    Ok(Named { group, anywhere: false, here: index == link::INDEX })
}

impl Endpoint {
    /// `IP_ADD_MEMBERSHIP` and `IPV6_ADD_MEMBERSHIP`, or with `leave` their opposites.
    pub(super) fn change_membership(
        &self,
        level: i32,
        leave: bool,
        value: &[u8],
    ) -> Result<(), Errno> {
        if self.is_tcp() {
            return Err(Errno::EPROTO);
        }
        let named = if level == SOL_IP { parse_v4(value)? } else { parse_v6(value)? };
        if named.anywhere || !named.here && !leave {
            return Err(Errno::ENODEV);
        }
        let mut s = self.state.lock();
        let at = s.groups.iter().position(|g| *g == named.group).filter(|_| named.here);
        match (leave, at) {
            (true, None) => return Err(Errno::EADDRNOTAVAIL),
            (true, Some(i)) => {
                s.groups.swap_remove(i);
                self.net.groups.leave(named.group);
            }
            (false, Some(_)) => return Err(Errno::EADDRINUSE),
            (false, None) => {
                let v4 = s.groups.iter().filter(|g| g.to_ipv4_mapped().is_some()).count();
                if level == SOL_IP && v4 >= MEMBERSHIPS_MAX || s.groups.len() >= GROUPS_MAX {
                    return Err(Errno::ENOBUFS);
                }
                s.groups.push(named.group);
                self.net.groups.join(named.group);
            }
        }
        Ok(())
    }

    /// Leaves all groups.
    pub(super) fn leave_groups(&self) {
        let groups = core::mem::take(&mut self.state.lock().groups);
        for group in groups {
            self.net.groups.leave(group);
        }
    }

    /// `IP_MULTICAST_IF`: an address, a `struct ip_mreq` or a `struct ip_mreqn`.
    pub(super) fn set_multicast_interface(&self, value: &[u8]) -> Result<(), Errno> {
        if self.is_tcp() {
            return Err(Errno::EINVAL);
        }
        let at = if value.len() >= 8 { 4 } else { 0 };
        let address = Ipv4Addr::from(word(value, at).ok_or(Errno::EINVAL)?);
        let index = word(value, 8).map_or(0, i32::from_ne_bytes);
        let chosen = match index {
            0 if address.is_unspecified() => None,
            0 if address.is_loopback() => Some(address),
            link::INDEX => Some(address),
            _ => return Err(Errno::EADDRNOTAVAIL),
        };
        self.options.set_multicast_interface(chosen);
        Ok(())
    }

    /// Whether the socket gets what is sent to a group that somebody here is in.
    fn hears(&self, group: &Ipv6Addr) -> bool {
        // Without having joined, what anybody has (`IP_MULTICAST_ALL`).
        let first = || table::find(self, SOL_IP, ip::MULTICAST_ALL).map_or(0, |r| r.first);
        let all = || self.options.number(SOL_IP, ip::MULTICAST_ALL).unwrap_or_else(first) != 0;
        self.state.lock().groups.contains(group) || all()
    }

    /// Whether the socket is among those whom a datagram to many is for.
    pub(super) fn is_among(&self, to: &InetAddr) -> bool {
        !to.is_multicast() || self.net.groups.has(&to.ip) && self.hears(&to.ip)
    }
}
