//! What the network does with a packet: copies for whoever looks, answers to echo requests, datagrams
//! for sockets of UDP, and errors for what nobody wants; icmp(7), RFC 792, RFC 4443.

use super::Net;
use super::addr::InetAddr;
use super::ancillary::HOPS;
use super::errors::Refusal;
use super::ip_packet::{self, ICMP, ICMPV6, IpPacket, Route, UDP};
use alloc::vec::Vec;

/// `ICMP_ECHO` and `ICMP_ECHOREPLY`.
pub(super) const ECHO: (u8, u8) = (8, 0);
/// `ICMPV6_ECHO_REQUEST` and `ICMPV6_ECHO_REPLY`.
pub(super) const ECHO_V6: (u8, u8) = (128, 129);
/// The most bytes of what came that an error takes along: 576 and 1280 with all headers.
const QUOTED: (usize, usize) = (548, 1232);
/// Bytes of what came, beside its header, that an error has to take along to be believed.
const QUOTED_MIN: usize = 8;
/// Bytes of a message before what it quotes.
const QUOTE_AT: usize = 8;
/// Protocols that are known, although packets of them reach nobody else: TCP, UDP-Lite and, of IPv4,
/// IGMP; of IPv6 extension headers and no next header.
const KNOWN: (&[u8], &[u8]) = (&[2, 6, 136], &[0, 6, 43, 44, 50, 51, 59, 60, 135, 136]);

/// A class with `IPTOS_PREC_INTERNETCONTROL`, of that of what went wrong.
fn error_class(class: u8) -> u8 {
    class & 0x1e | 0xc0
}

impl Net {
    /// Whether anybody looks at packets that sockets hand to each other.
    pub(super) fn is_watched(&self) -> bool {
        !self.raw.is_empty() || !self.taps.is_empty()
    }

    /// Lets everybody who looks see a packet.
    pub(super) fn show(&self, p: &IpPacket) {
        self.tap(p);
        self.give_to_raw(p);
    }

    /// A packet goes over the interface.
    pub(super) fn transmit(&self, p: &IpPacket) {
        self.tap(p);
        self.arrive(p);
    }

    /// A packet has come over the interface. Fragments are not put together.
    pub(super) fn arrive(&self, p: &IpPacket) {
        if p.fragment {
            return;
        }
        let taken = self.give_to_raw(p);
        match (p.is_v4(), p.protocol) {
            (true, ICMP) | (false, ICMPV6) => self.receive_icmp(p),
            (_, UDP) => self.receive_udp(p),
            (true, other) if KNOWN.0.contains(&other) => {}
            (false, other) if KNOWN.1.contains(&other) => {}
            _ if !taken => self.refuse(p, Refusal::no_protocol(p.is_v4())),
            _ => {}
        }
    }

    fn receive_icmp(&self, p: &IpPacket) {
        let v4 = p.is_v4();
        let message = p.payload();
        let sums = if v4 { ip_packet::fold(ip_packet::sum(message)) } else { p.check() } == 0;
        let (Some([kind, code]), true) = (message.first_chunk(), sums && message.len() >= 8) else {
            if v4 {
                self.icmp.count_broken();
            }
            return;
        };
        if v4 {
            self.icmp.count(*kind);
        }
        let (request, reply) = if v4 { ECHO } else { ECHO_V6 };
        if *kind == request {
            self.answer_echo(p, reply);
        } else if *kind == reply {
            self.give_to_ping(p);
        } else if let Some(why) = Refusal::parse(v4, *kind, *code) {
            let quoted = message.get(QUOTE_AT..).unwrap_or_default();
            let sent = IpPacket::quoted(quoted.to_vec());
            if let Some(sent) = sent.filter(|s| s.payload().len() >= QUOTED_MIN) {
                self.refused(&sent, why);
            }
        }
    }

    /// Whether answers go from the address that a packet came to, to where it came from.
    fn can_answer(&self, p: &IpPacket) -> bool {
        let at = |ip| InetAddr { ip, port: 0 };
        let many = at(p.to).is_multicast() || at(p.to).is_broadcast();
        !many
            && p.from.to_ipv4_mapped().is_some() == p.is_v4()
            && self.link.reaches(&at(p.from)).is_ok()
    }

    fn answer_echo(&self, p: &IpPacket, reply: u8) {
        if self.can_answer(p) {
            let mut message = p.payload().to_vec();
            if let Some(kind) = message.first_mut() {
                *kind = reply;
            }
            self.send_icmp(p, p.class, message);
        }
    }

    /// A message that answers a packet.
    fn icmp_message(&self, p: &IpPacket, class: u8, mut message: Vec<u8>) -> IpPacket {
        let v4 = p.is_v4();
        let protocol = if v4 { ICMP } else { ICMPV6 };
        let pseudo = ip_packet::pseudo_sum(&p.to, &p.from, protocol, message.len());
        ip_packet::seal(&mut message, 2, if v4 { 0 } else { pseudo });
        let id = Some(self.packet_id());
        let route = Route { from: p.to, to: p.from, hops: HOPS as u8, class, id };
        IpPacket::new(&route, protocol, &message)
    }

    fn send_icmp(&self, p: &IpPacket, class: u8, message: Vec<u8>) {
        self.transmit(&self.icmp_message(p, class, message));
    }

    /// The error that a packet comes back with.
    fn refusal(&self, p: &IpPacket, why: Refusal) -> IpPacket {
        let most = if p.is_v4() { QUOTED.0 } else { QUOTED.1 };
        let quoted = p.bytes.get(..most).unwrap_or(&p.bytes);
        let class = if p.is_v4() { error_class(p.class) } else { 0 };
        let message = [&why.header(), quoted].concat();
        self.icmp_message(p, class, message)
    }

    /// Sends a packet back.
    fn refuse(&self, p: &IpPacket, why: Refusal) {
        if self.can_answer(p) {
            self.transmit(&self.refusal(p, why));
        }
    }

    /// Lets who looks see that nobody has the port that a datagram of a socket was for, which hears
    /// of it in another way.
    pub(super) fn show_refusal(&self, p: &IpPacket) {
        if self.can_answer(p) {
            self.show(&self.refusal(p, Refusal::no_port(p.is_v4())));
        }
    }

    /// What was sent from here came back.
    fn refused(&self, sent: &IpPacket, why: Refusal) {
        self.refuse_raw(sent, why);
        let (port, other) =
            (ip_packet::word(sent.payload(), 0), ip_packet::word(sent.payload(), 2));
        if let (UDP, Some(port), Some(other)) = (sent.protocol, port, other) {
            let (own, to) =
                (InetAddr { ip: sent.from, port }, InetAddr { ip: sent.to, port: other });
            if let Some(e) = self.udp.receiver(&own, &to) {
                let connected = e.state.lock().peer_name.is_some();
                let quoted = sent.payload().get(QUOTE_AT..).unwrap_or_default();
                e.refused(to, quoted, why, connected);
            }
        }
    }

    /// A datagram that a raw socket made.
    fn receive_udp(&self, p: &IpPacket) {
        let message = p.payload();
        let port = |at| ip_packet::word(message, at);
        let (Some(from), Some(to), Some(len), Some(sum)) = (port(0), port(2), port(4), port(6))
        else {
            return;
        };
        let data = message.get(8..usize::from(len));
        let (Some(data), true) = (data, sum == 0 && p.is_v4() || p.check() == 0) else { return };
        let (from, to) = (InetAddr { ip: p.from, port: from }, InetAddr { ip: p.to, port: to });
        match self.udp.receiver(&to, &from) {
            Some(e) => e.deliver_from(from, e.headers_of(p), data.to_vec()),
            None => self.refuse(p, Refusal::no_port(p.is_v4())),
        }
    }
}
