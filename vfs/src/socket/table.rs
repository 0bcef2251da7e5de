//! Sockets as `/proc/net` lists them; proc(5).

use super::addr::{InetAddr, Name};
use super::endpoint::{Endpoint, Phase};
use super::link;
use super::ports::Ports;
use super::tcp_info::TcpState;
use super::{Domain, Kind, Net};
use crate::UserNs;
use crate::proc::NetTable;
use alloc::format;
use alloc::string::String;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::net::Ipv6Addr;
use core::sync::atomic::Ordering::Relaxed;

/// Length of a line of `tcp` without its end (`TMPSZ` in net/ipv4/tcp_ipv4.c).
const TCP_WIDTH: usize = 149;
/// Length of a line of `udp` without its end.
const UDP_WIDTH: usize = 127;

/// An address as words in the order in which this machine reads them.
fn address(domain: Domain, a: &InetAddr) -> String {
    let octets = a.ip.octets();
    let words = octets.chunks_exact(4).map(|w| {
        let word = w.first_chunk().map_or(0, |b| u32::from_ne_bytes(*b));
        format!("{word:08X}")
    });
    // An IPv4 address is the last word of what holds it.
    let text: String = words.skip(if domain == Domain::Inet { 3 } else { 0 }).collect();
    format!("{text}:{:04X}", a.port)
}

fn row(n: usize, e: &Endpoint, at: &InetAddr, uid: u32) -> Option<String> {
    let tcp = e.kind == Kind::Stream;
    let state = e.tcp_state();
    let s = e.state.lock();
    // Nothing finds a TCP socket that only has a name.
    if s.dead || tcp && s.phase == Phase::Closed {
        return None;
    }
    let state = match s.phase {
        Phase::Connected if !tcp => TcpState::Established,
        _ => state,
    };
    let none = InetAddr::any(e.domain);
    let (own, peer) = match (&s.name, &s.peer_name) {
        (Some(Name::Inet(own)), Some(Name::Inet(peer))) => (own, peer),
        (Some(Name::Inet(own)), _) => (own, &none),
        _ => (at, &none),
    };
    let waiting = if state == TcpState::Listen { s.pending.len() } else { s.inbox.bytes() };
    let (own, peer) = (address(e.domain, own), address(e.domain, peer));
    let ino = e.ino.load(Relaxed);
    let common = format!(
        "{own} {peer} {:02X} 00000000:{waiting:08X} 00:00000000 00000000 {uid:5}        0 {ino}",
        state as u8
    );
    let (line, width) = if tcp {
        (format!("{n:4}: {common} 1 0000000000000000 100 0 0 10 0"), TCP_WIDTH)
    } else if e.kind == Kind::Raw && e.domain == Domain::Inet {
        (format!("{n:4}: {common} 2 0000000000000000 0"), 0)
    } else {
        (format!("{n:5}: {common} 2 0000000000000000 0"), UDP_WIDTH)
    };
    let width = if e.domain == Domain::Inet { width } else { 0 };
    Some(format!("{line:<width$}\n"))
}

/// One AF_UNIX socket; `unix_seq_show` of net/unix/af_unix.c.
fn unix_row(e: &Arc<Endpoint>) -> Vec<u8> {
    /// `__SO_ACCEPTCON`.
    const ACCEPTS: u32 = 1 << 16;
    /// `SS_UNCONNECTED` and `SS_CONNECTED`.
    const STATES: (u8, u8) = (1, 3);
    let (phase, name) = {
        let s = e.state.lock();
        (s.phase, s.name.clone())
    };
    let flags = if phase == Phase::Listening { ACCEPTS } else { 0 };
    let state = if phase == Phase::Connected { STATES.1 } else { STATES.0 };
    let (kind, ino) = (e.kind as i32, e.ino.load(Relaxed));
    let mut line =
        format!("{:016X}: {:08X} 00000000 {flags:08X} {kind:04X} {state:02X} {ino:5}", 0, 2)
            .into_bytes();
    if let Some(Name::Unix(path)) = name {
        // An abstract name shows its NULs as `@`, a path ends at its own.
        let path = path.strip_suffix(b"\0").filter(|p| p.first() != Some(&0)).unwrap_or(&path);
        line.push(b' ');
        line.extend(path.iter().map(|b| if *b == 0 { b'@' } else { *b }));
    }
    line.push(b'\n');
    line
}

impl Net {
    /// The lines of a table, without its head, for somebody in `ns`.
    pub fn table(&self, table: NetTable, ns: &UserNs) -> Vec<u8> {
        let (ports, domain) = match table {
            NetTable::Tcp => (&self.tcp, Domain::Inet),
            NetTable::Tcp6 => (&self.tcp, Domain::Inet6),
            NetTable::Udp => (&self.udp, Domain::Inet),
            NetTable::Udp6 => (&self.udp, Domain::Inet6),
            NetTable::Raw => return self.table_of(&self.raw.all(), Domain::Inet, ns),
            NetTable::Raw6 => return self.table_of(&self.raw.all(), Domain::Inet6, ns),
            NetTable::Icmp => return self.table_of(&self.idents.all(), Domain::Inet, ns),
            NetTable::Icmp6 => return self.table_of(&self.idents.all(), Domain::Inet6, ns),
            NetTable::Packet => return self.packet_rows(ns).into_bytes(),
            NetTable::Snmp => return self.snmp_text().into_bytes(),
            NetTable::Netstat => return self.transport.netstat_text().into_bytes(),
            NetTable::Netlink => return self.netlink_rows().into_bytes(),
            NetTable::Sockstat => return self.socket_counts().into_bytes(),
            NetTable::Sockstat6 => return self.socket_counts6().into_bytes(),
            NetTable::Inet6Addresses => return self.inet6_text().into_bytes(),
            NetTable::Unix => {
                let open: Vec<_> = self.unix.lock().values().filter_map(Weak::upgrade).collect();
                return open.iter().flat_map(unix_row).collect();
            }
        };
        let mut out = String::new();
        let mut n = 0;
        for (e, at, uid, connection) in ports.all() {
            let listed = e.domain == domain;
            let owner = ns.show_uid(if connection { 0 } else { uid });
            if let Some(line) = listed.then(|| row(n, &e, &at, owner)).flatten() {
                out += &line;
                n += 1;
            }
        }
        out.into_bytes()
    }

    /// What has happened; `snmp_seq_show` of net/ipv4/proc.c.
    fn snmp_text(&self) -> String {
        let established = [TcpState::Established, TcpState::CloseWait];
        let ends =
            self.tcp.all().into_iter().filter(|(e, ..)| established.contains(&e.tcp_state()));
        let forwarding = self.settings().number("ipv4.ip_forward", 0) != 0;
        let ip = self.transport.ip_text(forwarding, self.icmp.total());
        ip + &self.icmp.text() + &self.transport.text(ends.count())
    }

    /// Addresses of IPv6, with index, prefix, scope and flags; `if6_seq_show` of
    /// net/ipv6/addrconf.c.
    fn inet6_text(&self) -> String {
        const PERMANENT: u8 = 0x80;
        let row = |ip: Ipv6Addr, prefix: u8, scope: u8| {
            let ip = ip.to_bits();
            format!(
                "{ip:032x} {:02x} {prefix:02x} {scope:02x} {PERMANENT:02x}       lo\n",
                link::INDEX
            )
        };
        if !self.link.is_up() {
            return String::new();
        }
        // `IFA_HOST`, `IFA_LINK` and `IFA_GLOBAL`.
        let scope = |ip: Ipv6Addr| if ip.is_unicast_link_local() { 0x20 } else { 0 };
        let others = self.link.others.all().into_iter().filter(|a| a.v4().is_none());
        let own = row(Ipv6Addr::LOCALHOST, 128, 0x10);
        own + &others.map(|a| row(a.ip, a.prefix, scope(a.ip))).collect::<String>()
    }

    /// Netlink sockets; `netlink_native_seq_show` of net/netlink/af_netlink.c.
    fn netlink_rows(&self) -> String {
        let open: Vec<_> = self.netlink.lock().iter().map(|(k, e)| (*k, e.clone())).collect();
        let rows = open.into_iter().filter_map(|((protocol, port), e)| {
            let e = e.upgrade()?;
            let state = e.state.lock();
            let groups = match state.name {
                Some(Name::Netlink { groups, .. }) => groups,
                _ => 0,
            };
            let (memory, ino) = (state.inbox.size(), e.ino.load(Relaxed));
            Some(format!(
                "{:016x} {protocol:<3} {port:<10} {groups:08x} {memory:<8} {:<8} {:<5} {:<8} {:<8} {ino:<8}\n",
                0, 0, 0, 2, 0
            ))
        });
        rows.collect()
    }

    /// How many sockets of a family a list has.
    fn count_bound(ports: &Ports, domain: Domain) -> usize {
        let all = ports.all();
        let tcp_is_found = |e: &Endpoint| e.state.lock().phase != Phase::Closed;
        let found = |e: &Endpoint| e.kind != Kind::Stream || tcp_is_found(e);
        all.iter().filter(|(e, ..)| e.domain == domain && found(e)).count()
    }

    /// `/proc/net/sockstat`; `sockstat_seq_show` of net/ipv4/proc.c.
    fn socket_counts(&self) -> String {
        let count = |ports| Self::count_bound(ports, Domain::Inet);
        let (tcp, udp, lite) = (count(&self.tcp), count(&self.udp), count(&self.udplite));
        let raw = self.raw.all().iter().filter(|e| e.domain == Domain::Inet).count();
        let with_ports = [&self.tcp, &self.udp, &self.udplite].map(|p| p.all().len());
        let others = [self.raw.all().len(), self.idents.all().len(), self.taps.all().len()];
        let (unix, netlink) = (self.unix.lock().len(), self.netlink.lock().len());
        let used = with_ports.iter().chain(&others).sum::<usize>() + unix + netlink;
        let allocated = self.tcp.all().len();
        format!(
            "sockets: used {used}\nTCP: inuse {tcp} orphan 0 tw 0 alloc {allocated} mem 0\n\
             UDP: inuse {udp} mem 0\nUDPLITE: inuse {lite}\nRAW: inuse {raw}\n\
             FRAG: inuse 0 memory 0\n"
        )
    }

    /// `/proc/net/sockstat6`; `sockstat6_seq_show` of net/ipv6/proc.c.
    fn socket_counts6(&self) -> String {
        let count = |ports| Self::count_bound(ports, Domain::Inet6);
        let (tcp, udp, lite) = (count(&self.tcp), count(&self.udp), count(&self.udplite));
        let raw = self.raw.all().iter().filter(|e| e.domain == Domain::Inet6).count();
        format!(
            "TCP6: inuse {tcp}\nUDP6: inuse {udp}\nUDPLITE6: inuse {lite}\nRAW6: inuse {raw}\n\
             FRAG6: inuse 0 memory 0\n"
        )
    }

    /// Packet sockets; `packet_seq_show` of net/packet/af_packet.c.
    fn packet_rows(&self, ns: &UserNs) -> String {
        let rows = self.taps.all().into_iter().map(|e| {
            let (protocol, index) = e.packet_place();
            let (kind, ino) = (e.kind as i32, e.ino.load(Relaxed));
            let (running, memory) = (i32::from(protocol != 0), e.state.lock().inbox.size());
            let uid = ns.show_uid(e.owner.load(Relaxed));
            format!(
                "{:016x} {:<6} {kind:<4} {protocol:04x}   {index:<5} {running:<1} {memory:<6} {uid:<6} {ino:<6}\n",
                0, 2
            )
        });
        rows.collect()
    }

    /// Sockets that have no ports.
    fn table_of(&self, all: &[Arc<Endpoint>], domain: Domain, ns: &UserNs) -> Vec<u8> {
        let none = InetAddr::any(domain);
        let listed = all.iter().filter(|e| e.domain == domain).enumerate();
        let uid = |e: &Endpoint| ns.show_uid(e.owner.load(Relaxed));
        let lines = listed.filter_map(|(n, e)| row(n, e, &none, uid(e)));
        lines.collect::<String>().into_bytes()
    }
}

/// A socket with a port: whose it is, where, and whether it is an accepted connection.
pub(super) type Bound = (Arc<Endpoint>, InetAddr, u32, bool);
