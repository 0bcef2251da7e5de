//! Packet sockets: what goes over the loopback interface, with or without the header of the link;
//! packet(7).
//!
//! Each packet is seen twice, as on Linux: going out, by who wants packets of every protocol, and
//! coming in.

use super::addr::{Name, family};
use super::endpoint::{Endpoint, READABLE};
use super::filter::View;
use super::ip_packet::IpPacket;
use super::link;
use super::message::{Message, datagram_size};
use super::packet_ring::Ring;
use super::transfer::{SendInfo, take_all};
use super::{Domain, Kind, Net};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use arch::IoSrc;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use sync::Mutex;
use syserr::Errno;

/// Bytes of the header of the link: two addresses of six bytes, and the protocol.
const LINK: usize = 14;
/// `ETH_P_ALL`, `ETH_P_IP`, `ETH_P_IPV6`.
const ALL: u16 = 3;
const IP: u16 = 0x800;
const IPV6: u16 = 0x86dd;
/// `PACKET_HOST`, `PACKET_MULTICAST`, `PACKET_OTHERHOST`, `PACKET_OUTGOING`. The interface has no
/// address of all.
const HOST: u8 = 0;
const MULTICAST: u8 = 2;
const OTHER: u8 = 3;
const OUTGOING: u8 = 4;
/// Room for a tag beside the header.
const TAG: usize = 4;

/// `struct sockaddr_ll` as far as it varies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LinkAddr {
    pub(super) protocol: u16,
    pub(super) index: i32,
    pub(super) kind: u8,
    /// The hardware's address: of who sent it, or of whom it is for.
    pub(super) hardware: [u8; 6],
}

/// Sizes of `struct sockaddr_ll`, and of the part of it before the hardware's address.
const ADDRESS: (usize, usize) = (20, 12);
/// Size of the addresses of the interface's hardware.
const HARDWARE: u8 = 6;

impl LinkAddr {
    /// As it lies in memory; of no interface it has no hardware's address.
    pub(super) fn encode(&self, len: usize) -> Vec<u8> {
        let mut out = (Domain::Packet as u16).to_ne_bytes().to_vec();
        let (hardware, size) = if self.index == 0 { (0, 0) } else { (link::HARDWARE, HARDWARE) };
        out.extend_from_slice(&self.protocol.to_be_bytes());
        out.extend_from_slice(&self.index.to_ne_bytes());
        out.extend_from_slice(&hardware.to_ne_bytes());
        out.extend_from_slice(&[self.kind, size]);
        out.extend_from_slice(self.hardware.get(..usize::from(size)).unwrap_or_default());
        out.resize(len.max(ADDRESS.1 + usize::from(size)), 0);
        out
    }

    /// From the memory of who sends or binds.
    fn parse(bytes: &[u8]) -> Result<LinkAddr, Errno> {
        if bytes.len() < ADDRESS.0 || family(bytes) != Some(Domain::Packet as u16) {
            return Err(Errno::EINVAL);
        }
        let at = |i: usize| bytes.get(i).copied().unwrap_or(0);
        Ok(LinkAddr {
            protocol: u16::from_be_bytes([at(2), at(3)]),
            index: i32::from_ne_bytes([at(4), at(5), at(6), at(7)]),
            kind: HOST,
            hardware: [at(12), at(13), at(14), at(15), at(16), at(17)],
        })
    }
}

/// `struct tpacket_stats`: packets that came, and those that were lost for want of room.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) packets: u32,
    pub(super) lost: u32,
}

/// What a packet socket is.
#[derive(Default)]
pub(super) struct Settings {
    /// Of which packets; 0 for none.
    pub(super) protocol: u16,
    /// Of one interface.
    index: i32,
    pub(super) seen: Seen,
    /// `PACKET_VERSION` and `PACKET_RESERVE`.
    pub(super) version: u32,
    pub(super) reserve: u32,
    pub(super) ring: Option<Ring>,
    /// What is to come in beside packets for this host, with how often that was said: all of the one
    /// interface come anyway.
    pub(super) memberships: Vec<([u8; 16], u32)>,
}

/// What a packet socket has beside what all have.
pub(super) struct PacketSocket(pub(super) Mutex<Settings>);

impl PacketSocket {
    pub(super) fn new(protocol: i32) -> PacketSocket {
        // The protocol is given in the order of the network.
        let protocol = u16::from_be(protocol as u16);
        PacketSocket(Mutex::new(Settings { protocol, ..Settings::default() }))
    }
}

/// The packet sockets of a network.
#[derive(Default)]
pub(super) struct Taps {
    all: Mutex<Vec<Weak<Endpoint>>>,
    count: AtomicUsize,
}

impl Taps {
    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.count.load(Relaxed) == 0
    }

    pub(super) fn add(&self, e: &Arc<Endpoint>) {
        self.all.lock().push(Arc::downgrade(e));
        self.count.fetch_add(1, Relaxed);
    }

    pub(super) fn remove(&self, e: &Endpoint) {
        let mut all = self.all.lock();
        if let Some(at) = all.iter().position(|w| core::ptr::eq(w.as_ptr(), e)) {
            all.swap_remove(at);
            self.count.fetch_sub(1, Relaxed);
        }
    }

    pub(super) fn all(&self) -> Vec<Arc<Endpoint>> {
        self.all.lock().iter().filter_map(Weak::upgrade).collect()
    }
}

impl Net {
    /// Lets packet sockets see a packet.
    pub(super) fn tap(&self, p: &IpPacket) {
        if self.taps.is_empty() {
            return;
        }
        let protocol = if p.is_v4() { IP } else { IPV6 };
        let head = [&[0; 12][..], &protocol.to_be_bytes()].concat();
        self.tap_frame(&[&head[..], &p.bytes].concat(), (protocol, protocol), HOST, None);
    }

    /// Lets packet sockets see what goes out as one protocol and comes in as another. Its `sender`
    /// does not see it go out.
    fn tap_frame(&self, frame: &[u8], protocols: (u16, u16), kind: u8, sender: Option<&Endpoint>) {
        let all = self.taps.all();
        let hardware = frame.get(6..).and_then(|b| b.first_chunk()).copied().unwrap_or_default();
        for (protocol, kind) in [(protocols.0, OUTGOING), (protocols.1, kind)] {
            let address = LinkAddr { protocol, index: link::INDEX, kind, hardware };
            let is_sender = |e: &Endpoint| sender.is_some_and(|s| core::ptr::eq(s, e));
            for e in all.iter().filter(|e| kind != OUTGOING || !is_sender(e)) {
                e.see(frame, address);
            }
        }
    }

    /// A frame that somebody made goes over the interface. A packet of IPv4 that comes so and is for
    /// this host, or from it, is from Mars (`ip_route_input_slow`).
    fn transmit_frame(&self, frame: &[u8], out: u16, sender: &Endpoint) {
        let Some((head, rest)) = frame.split_at_checked(LINK) else { return };
        let back = super::ip_packet::word(head, 12).unwrap_or(0);
        let kind = match head.get(..6) {
            Some([0, 0, 0, 0, 0, 0]) => HOST,
            Some([first, ..]) if first & 1 != 0 => MULTICAST,
            _ => OTHER,
        };
        self.tap_frame(frame, (out, back), kind, Some(sender));
        if back == IPV6
            && kind != OTHER
            && let Some(p) = IpPacket::parse(rest.to_vec())
            && p.to.is_loopback()
        {
            self.arrive(&p);
        }
    }
}

impl Endpoint {
    /// Takes a frame, if it is one of those that the socket is for.
    fn see(&self, frame: &[u8], address: LinkAddr) {
        let Some(socket) = &self.packet else { return };
        {
            let s = socket.0.lock();
            let all = s.protocol == ALL;
            let mine = all || address.kind != OUTGOING && s.protocol == address.protocol;
            let ignores = address.kind == OUTGOING && self.options.ignores_outgoing();
            if !mine || ignores {
                return;
            }
        }
        // Without the header of the link, where that is not asked for.
        let start = if self.kind == Kind::Raw { 0 } else { LINK };
        let (protocol, kind) = (address.protocol, address.kind);
        let view = View { bytes: frame, start, network: LINK, protocol, kind };
        let Some(kept) = self.filter.keeps(&view) else { return };
        let data = frame.get(start..).unwrap_or_default();
        let (whole, data) = (data.len(), data.get(..kept).unwrap_or(data));
        let mut s = socket.0.lock();
        s.seen.packets = s.seen.packets.wrapping_add(1);
        let losing = s.seen.lost > 0;
        let room = if let Some(ring) = &mut s.ring {
            ring.put(data, whole, LINK - start, address, self.net.env().now(), losing)
        } else {
            let mut state = self.state.lock();
            let room = state.inbox.size() < self.options.rcvbuf() && self.net.has_room();
            if room {
                state.inbox.push(Message {
                    from: Some(Name::Link(address)),
                    stamp: self.arrival(),
                    whole: Some(whole),
                    ..Message::new(data.to_vec(), datagram_size(data.len()))
                });
            }
            room
        };
        if !room {
            s.seen.lost = s.seen.lost.wrapping_add(1);
        }
        drop(s);
        if room {
            self.queue.notify(READABLE);
        }
    }

    /// bind(2): an interface, and which packets.
    pub(super) fn bind_packet(&self, address: &[u8]) -> Result<(), Errno> {
        let Some(socket) = &self.packet else { return Err(Errno::EINVAL) };
        let at = LinkAddr::parse(address)?;
        if !matches!(at.index, 0 | link::INDEX) {
            return Err(Errno::ENODEV);
        }
        let mut s = socket.0.lock();
        s.index = at.index;
        if at.protocol != 0 {
            s.protocol = at.protocol;
        }
        drop(s);
        if at.index != 0 && !self.net.link.is_up() {
            self.state.lock().error = Some(Errno::ENETDOWN);
        }
        Ok(())
    }

    /// getsockname(2).
    pub(super) fn packet_name(&self) -> Vec<u8> {
        let Some(socket) = &self.packet else { return Vec::new() };
        let s = socket.0.lock();
        let hardware = [0; 6];
        LinkAddr { protocol: s.protocol, index: s.index, kind: HOST, hardware }.encode(0)
    }

    /// Which packets the socket is for, and of which interface; `/proc/net/packet`.
    pub(super) fn packet_place(&self) -> (u16, i32) {
        self.packet.as_ref().map_or((0, 0), |p| {
            let s = p.0.lock();
            (s.protocol, s.index)
        })
    }

    /// Sends one frame (`packet_snd`).
    pub(super) fn send_packet(
        &self,
        src: &mut dyn IoSrc,
        info: &mut SendInfo<'_>,
    ) -> Result<usize, Errno> {
        let Some(socket) = &self.packet else { return Err(Errno::EINVAL) };
        let raw = self.kind == Kind::Raw;
        let address = match info.to {
            Some(bytes) => LinkAddr::parse(bytes)?,
            None => {
                let (s, hardware) = (socket.0.lock(), [0; 6]);
                LinkAddr { protocol: s.protocol, index: s.index, kind: HOST, hardware }
            }
        };
        if address.index != link::INDEX {
            return Err(Errno::ENXIO);
        }
        if !self.net.link.is_up() {
            return Err(Errno::ENETDOWN);
        }
        let len = usize::try_from(src.remaining()).unwrap_or(usize::MAX);
        if len > link::MTU as usize + if raw { LINK + TAG } else { 0 } {
            return Err(Errno::EMSGSIZE);
        }
        self.may_send_now()?;
        let data = take_all(src)?;
        let frame = if raw {
            if data.len() < LINK {
                return Err(Errno::EINVAL);
            }
            data
        } else {
            [&address.hardware[..], &[0; 6], &address.protocol.to_be_bytes(), &data].concat()
        };
        let own = super::ip_packet::word(&frame, 12).unwrap_or(0);
        let asked = !matches!(address.protocol, 0 | ALL);
        self.net.transmit_frame(&frame, if asked { address.protocol } else { own }, self);
        Ok(len)
    }
}
