//! A socket as a file.

use super::choose::IPPROTO_UDPLITE;
use super::endpoint::{Endpoint, Phase, READABLE, Shut, WRITABLE};
use super::link::{self, Link};
use super::{Domain, Kind, PacketOptions, ReceiveFlags, SendInfo, Socket};
use crate::{Caller, FileOps, Nanos, SetAttr, Stat, cap};
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{Addr, IoDst, IoSrc, UserMemory, UserMemoryExt};
use core::any::Any;
use core::sync::atomic::Ordering::Relaxed;
use sync::waitq::{Events, Queue};
use syserr::Errno;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

const SIOCATMARK: u32 = 0x8905;
const SIOCGIFCONF: u32 = 0x8912;
const SIOCGIFFLAGS: u32 = 0x8913;
const SIOCSIFFLAGS: u32 = 0x8914;
const SIOCGIFADDR: u32 = 0x8915;
const SIOCSIFADDR: u32 = 0x8916;
const SIOCGIFDSTADDR: u32 = 0x8917;
const SIOCGIFBRDADDR: u32 = 0x8919;
const SIOCGIFNETMASK: u32 = 0x891b;
const SIOCSIFNETMASK: u32 = 0x891c;
const SIOCGIFMETRIC: u32 = 0x891d;
const SIOCGIFMTU: u32 = 0x8921;
const SIOCSIFMTU: u32 = 0x8922;
const SIOCGIFHWADDR: u32 = 0x8927;
const SIOCGIFINDEX: u32 = 0x8933;
const SIOCGIFTXQLEN: u32 = 0x8942;
const SIOCETHTOOL: u32 = 0x8946;
const SIOCGIFMAP: u32 = 0x8970;
const SIOCGIFNAME: u32 = 0x8910;
const SIOCGSTAMP: u32 = 0x8906;
const SIOCGSTAMPNS: u32 = 0x8907;
/// The same with 64-bit times, which is what they have here anyway.
const SIOCGSTAMP_NEW: u32 = 0x8010_8906;
const SIOCGSTAMPNS_NEW: u32 = 0x8010_8907;
const FIONREAD: u32 = 0x541b;
const SIOCOUTQ: u32 = 0x5411;

/// `struct ifreq`; netdevice(7).
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct IfReq {
    name: [u8; 16],
    value: [u8; 24],
}
static_assertions::assert_eq_size!(IfReq, [u8; 40]);

/// `struct ifconf`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct IfConf {
    len: i32,
    pad: i32,
    at: u64,
}
static_assertions::assert_eq_size!(IfConf, [u8; 16]);

impl IfReq {
    fn lo(value: &[u8]) -> IfReq {
        let mut r = IfReq { name: [0; 16], value: [0; 24] };
        r.name[..2].copy_from_slice(b"lo");
        for (to, from) in r.value.iter_mut().zip(value) {
            *to = *from;
        }
        r
    }

    fn is_lo(&self) -> bool {
        self.name.starts_with(b"lo\0")
    }
}

/// Requests about interfaces, of which there is the loopback interface.
fn interface(
    lo: &Link,
    admin: bool,
    mem: &dyn UserMemory,
    cmd: u32,
    arg: Addr,
) -> Result<u64, Errno> {
    const ADDRESS: [u8; 8] = [2, 0, 0, 0, 127, 0, 0, 1];
    const NETMASK: [u8; 8] = [2, 0, 0, 0, 255, 0, 0, 0];
    if cmd == SIOCGIFCONF {
        let mut conf: IfConf = mem.read_obj(arg)?;
        let fits = conf.len as usize >= size_of::<IfReq>();
        if lo.has_v4() && conf.at != 0 && fits {
            mem.write_obj(Addr(conf.at), &IfReq::lo(&ADDRESS))?;
        }
        conf.len = if !lo.has_v4() || conf.at != 0 && !fits { 0 } else { 40 };
        mem.write_obj(arg, &conf)?;
        return Ok(0);
    }
    let req: IfReq = mem.read_obj(arg)?;
    let index = i32::from_ne_bytes(*req.value.first_chunk().unwrap_or(&[0; 4]));
    if if cmd == SIOCGIFNAME { index != 1 } else { !req.is_lo() } {
        return Err(Errno::ENODEV);
    }
    let answer = match cmd {
        SIOCGIFNAME | SIOCGIFINDEX => IfReq::lo(&link::INDEX.to_ne_bytes()),
        SIOCGIFFLAGS => IfReq::lo(&(lo.flags() as u16).to_ne_bytes()),
        SIOCSIFFLAGS | SIOCSIFADDR if !admin => return Err(Errno::EPERM),
        SIOCSIFFLAGS => {
            lo.set_up(req.value.first().is_some_and(|b| u32::from(*b) & link::UP != 0));
            return Ok(0);
        }
        SIOCSIFADDR => {
            match req.value.get(4..8) {
                Some([127, 0, 0, 1]) => lo.set_v4(true),
                Some([0, 0, 0, 0]) => lo.set_v4(false),
                _ => return Err(Errno::EPERM),
            }
            return Ok(0);
        }
        SIOCSIFNETMASK | SIOCSIFMTU => return Err(Errno::EPERM),
        SIOCGIFADDR | SIOCGIFDSTADDR | SIOCGIFBRDADDR | SIOCGIFNETMASK if !lo.has_v4() => {
            return Err(Errno::EADDRNOTAVAIL);
        }
        SIOCGIFADDR | SIOCGIFDSTADDR => IfReq::lo(&ADDRESS),
        SIOCGIFBRDADDR => IfReq::lo(&[2, 0]),
        SIOCGIFMETRIC | SIOCGIFMAP => IfReq::lo(&[]),
        SIOCGIFTXQLEN => IfReq::lo(&1000i32.to_ne_bytes()),
        SIOCGIFNETMASK => IfReq::lo(&NETMASK),
        SIOCGIFMTU => IfReq::lo(&65_536i32.to_ne_bytes()),
        SIOCGIFHWADDR => IfReq::lo(&link::HARDWARE.to_ne_bytes()),
        _ => return Err(Errno::ENOTTY),
    };
    mem.write_obj(arg, &answer)?;
    Ok(0)
}

impl Endpoint {
    fn readiness(&self) -> Events {
        let ring = self.packet.as_ref().is_some_and(|p| {
            let s = p.0.lock();
            s.ring.as_ref().is_some_and(|r| r.is_readable())
        });
        let s = self.state.lock();
        let mut e = Events::empty();
        let connections = self.has_connections();
        if self.is_tcp() && s.phase == Phase::Listening {
            e.set(READABLE, !s.pending.is_empty());
            return e;
        }
        e.set(Events::ERR, s.error.is_some() || !s.errors.is_empty());
        let closed = connections && s.phase == Phase::Closed;
        e.set(Events::HUP, s.shut == Shut::all() || closed);
        if s.shut.contains(Shut::RECEIVE) {
            e |= Events::RDHUP | READABLE;
        }
        let least = if self.is_tcp() { self.options.receive_low() } else { 0 };
        // The urgent byte alone is nothing to read.
        let least = least + usize::from(self.is_tcp() && s.at_mark() && !self.urgent_inline());
        let some = !s.inbox.is_empty() && s.inbox.bytes() >= least;
        e.set(Events::PRI, s.has_urgent());
        let some = some || s.is_at_gone();
        e.set(READABLE, e.contains(READABLE) || some || ring || !s.pending.is_empty());
        let peer = s.peer.clone();
        let (phase, shut) = (s.phase, s.shut);
        drop(s);
        let writable = match (self.domain, self.kind) {
            (_, Kind::Stream) if self.is_tcp() => {
                phase != Phase::Connecting && (shut.contains(Shut::SEND) || self.has_room())
            }
            (Domain::Unix, _) => phase != Phase::Listening && self.has_room(),
            _ => self.has_room(),
        };
        let full = self.kind == Kind::Dgram
            && peer.is_some_and(|p| {
                p.state.lock().inbox.len() > Endpoint::QUEUE_MAX && {
                    let back = p.state.lock().peer.clone();
                    back.is_none_or(|b| !core::ptr::eq(&*b, self))
                }
            });
        let band = if self.is_tcp() { WRITABLE - Events::WRBAND } else { WRITABLE };
        e.set(band, writable && !full);
        e
    }
}

impl FileOps for Socket {
    fn read_at(&self, dst: &mut dyn IoDst, _: u64) -> Result<usize, Errno> {
        if dst.remaining() == 0 {
            return Ok(0);
        }
        self.receive(dst, ReceiveFlags::empty()).map(|r| r.bytes)
    }

    fn write_at(&self, src: &mut dyn IoSrc, _: u64) -> Result<usize, Errno> {
        let mut info = SendInfo {
            to: None,
            creds: self.writer,
            explicit_creds: false,
            files: Vec::new(),
            limit: 0,
            packet: PacketOptions::default(),
            oob: false,
            more: false,
            who: None,
        };
        self.send(src, &mut info)
    }

    fn writes_all(&self) -> bool {
        self.kind() == Kind::Stream
    }

    fn readiness(&self) -> Events {
        let e = self.endpoint.readiness();
        let peer = match self.kind() {
            Kind::Dgram if !e.contains(Events::OUT) => self.endpoint.state.lock().peer.clone(),
            _ => None,
        };
        match peer {
            // Whoever polls is to hear when the peer has read; it may have done so just now.
            Some(p) if self.endpoint.is_held_up_by(&p, true) => e,
            Some(_) => self.endpoint.readiness(),
            None => e,
        }
    }

    fn mappable(&self) -> Result<Arc<dyn mm::Mappable>, Errno> {
        let packet = self.endpoint.packet.as_ref().ok_or(Errno::ENODEV)?;
        let ring = packet.0.lock().ring.as_ref().map(|r| r.memory().clone());
        Ok(ring.ok_or(Errno::EINVAL)?)
    }

    fn timeouts(&self) -> (Option<Nanos>, Option<Nanos>) {
        let span = |ns: Nanos| (ns != 0).then_some(ns.max(0));
        let o = &self.endpoint.options;
        (span(o.timeout(false)), span(o.timeout(true)))
    }

    fn queue(&self) -> Option<&Queue> {
        Some(&self.endpoint.queue)
    }

    fn stat(&self) -> Result<Stat, Errno> {
        Ok(*self.stat.lock())
    }

    fn set_attr(&self, set: &SetAttr) -> Result<(), Errno> {
        let mut stat = self.stat.lock();
        set.apply(&mut stat);
        stat.ctime = self.endpoint.net.env().now();
        Ok(())
    }

    fn protocol_name(&self) -> Option<&'static str> {
        Some(protocol_name(&self.endpoint))
    }

    fn ioctl(&self, caller: &dyn Caller, cmd: u32, arg: Addr) -> Result<u64, Errno> {
        let (e, mem) = (&self.endpoint, caller.memory());
        let listening = e.state.lock().phase == Phase::Listening;
        let number = match cmd {
            FIONREAD | SIOCOUTQ if listening && (cmd == FIONREAD || e.is_tcp()) => {
                return Err(Errno::EINVAL);
            }
            FIONREAD => {
                let s = e.state.lock();
                match s.urgent.filter(|_| e.is_tcp() && !e.urgent_inline()) {
                    Some(u) => u.ahead,
                    None if !e.has_connections() => s.inbox.first(),
                    None => s.inbox.bytes(),
                }
            }
            // What the peer has room for has arrived.
            SIOCOUTQ if e.is_tcp() => {
                let peer = e.state.lock().peer.clone();
                let arrived = peer.map_or(0, |p| p.options.rcvbuf());
                e.sent.load(Relaxed).saturating_sub(arrived)
            }
            SIOCOUTQ => e.sent.load(Relaxed),
            SIOCGSTAMP | SIOCGSTAMPNS | SIOCGSTAMP_NEW | SIOCGSTAMPNS_NEW if e.is_inet() => {
                let (sec, ns) = e.last_stamp()?;
                let fine = matches!(cmd, SIOCGSTAMPNS | SIOCGSTAMPNS_NEW);
                let part = if fine { ns } else { ns / 1000 };
                mem.write_obj(arg, &[sec, part])?;
                return Ok(0);
            }
            SIOCATMARK if e.kind == Kind::Stream => e.state.lock().at_mark().into(),
            SIOCATMARK if e.domain == Domain::Unix => return Err(Errno::EOPNOTSUPP),
            // The addresses of IPv4 are asked for through its sockets.
            SIOCGIFADDR..=SIOCSIFNETMASK if !matches!(e.domain, Domain::Inet | Domain::Packet) => {
                return Err(Errno::ENOTTY);
            }
            SIOCETHTOOL => return Err(Errno::EOPNOTSUPP),
            SIOCGIFNAME..=SIOCGIFINDEX | SIOCGIFTXQLEN | SIOCGIFMAP => {
                let admin = e.net.allows(&caller.creds(), cap::NET_ADMIN);
                return interface(&e.net.link, admin, mem, cmd, arg);
            }
            _ => return Err(Errno::ENOTTY),
        };
        mem.write_obj(arg, &(number.min(i32::MAX as usize) as i32))?;
        Ok(0)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `struct proto.name`.
fn protocol_name(e: &Endpoint) -> &'static str {
    match (e.domain, e.kind) {
        (Domain::Unix, Kind::Stream) => "UNIX-STREAM",
        (Domain::Unix, _) => "UNIX",
        (Domain::Inet, Kind::Stream) => "TCP",
        (Domain::Inet, Kind::Raw) => "RAW",
        (Domain::Inet, _) if e.is_ping() => "PING",
        (Domain::Inet, _) if e.protocol == IPPROTO_UDPLITE => "UDP-Lite",
        (Domain::Inet, _) => "UDP",
        (Domain::Inet6, Kind::Stream) => "TCPv6",
        (Domain::Inet6, Kind::Raw) => "RAWv6",
        (Domain::Inet6, _) if e.is_ping() => "PINGv6",
        (Domain::Inet6, _) if e.protocol == IPPROTO_UDPLITE => "UDPLITEv6",
        (Domain::Inet6, _) => "UDPv6",
        (Domain::Netlink, _) => "NETLINK",
        (Domain::Packet, _) => "PACKET",
    }
}
