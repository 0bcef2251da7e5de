//! The same random calls on our AF_UNIX sockets and on those of the host kernel.

#[path = "../../arch/tests/common/oracle.rs"]
mod oracle;
mod support;

use arch::{BufDst, BufSrc};
use oracle::Oracle;
use proptest::prelude::*;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::net::{
    self, AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
};
use std::sync::atomic::{AtomicU32, Ordering};
use support::Guest;
use syserr::Errno;
use vfs::socket::{
    Domain, Kind, PacketOptions, ReceiveFlags, SendInfo, Shut, Socket, Ucred, Wanted, Who,
};
use vfs::{FileOps, UserNs};

fn wanted(kind: Kind) -> Wanted {
    Wanted { domain: Domain::Unix, kind, protocol: 0, shows_raw: false }
}

struct Both {
    ours: Socket,
    host: OwnedFd,
}

#[derive(Clone, Debug)]
enum Op {
    New { at: usize, kind: usize },
    Pair { at: usize, other: usize, kind: usize },
    Bind { at: usize, name: usize },
    Listen { at: usize, backlog: i32 },
    Connect { at: usize, name: usize },
    Disconnect { at: usize },
    Accept { at: usize, to: usize },
    Send { at: usize, len: usize },
    SendTo { at: usize, name: usize, len: usize },
    Receive { at: usize, len: usize, flags: u32 },
    Shutdown { at: usize, how: u8 },
    Buffer { at: usize, size: usize },
    PassCred { at: usize, on: bool },
    Names { at: usize },
    Close { at: usize },
}

const SOCKETS: usize = 6;
const NAMES: usize = 3;

fn op() -> impl Strategy<Value = Op> {
    let at = || 0..SOCKETS;
    let kind = || 0..3usize;
    let name = || 0..NAMES;
    let len = || prop_oneof![Just(0), 1..40usize, 100..5000usize, 1..60_000usize, Just(212_961)];
    let flags = prop_oneof![4 => Just(0u32), 1 => Just(2), 1 => Just(0x20), 1 => Just(0x22)];
    prop_oneof![
        2 => (at(), kind()).prop_map(|(at, kind)| Op::New { at, kind }),
        2 => (at(), at(), kind()).prop_map(|(at, other, kind)| Op::Pair { at, other, kind }),
        3 => (at(), name()).prop_map(|(at, name)| Op::Bind { at, name }),
        3 => (at(), -1..3i32).prop_map(|(at, backlog)| Op::Listen { at, backlog }),
        5 => (at(), name()).prop_map(|(at, name)| Op::Connect { at, name }),
        1 => at().prop_map(|at| Op::Disconnect { at }),
        4 => (at(), at()).prop_map(|(at, to)| Op::Accept { at, to }),
        8 => (at(), len()).prop_map(|(at, len)| Op::Send { at, len }),
        3 => (at(), name(), len()).prop_map(|(at, name, len)| Op::SendTo { at, name, len }),
        8 => (at(), len(), flags).prop_map(|(at, len, flags)| Op::Receive { at, len, flags }),
        1 => (at(), 0..3u8).prop_map(|(at, how)| Op::Shutdown { at, how }),
        1 => (at(), 1..300_000usize).prop_map(|(at, size)| Op::Buffer { at, size }),
        1 => (at(), any::<bool>()).prop_map(|(at, on)| Op::PassCred { at, on }),
        1 => at().prop_map(|at| Op::Names { at }),
        2 => at().prop_map(|at| Op::Close { at }),
    ]
}

fn errno<T>(r: rustix::io::Result<T>) -> Result<T, Errno> {
    r.map_err(|e| Errno::from_raw(e.raw_os_error()))
}

struct World {
    guest: Guest,
    names: Vec<Vec<u8>>,
    sockets: Vec<Option<Both>>,
    fill: u8,
}

static CASES: AtomicU32 = AtomicU32::new(0);

fn unix(name: &[u8]) -> Vec<u8> {
    let mut a = vec![1, 0, 0];
    a.extend_from_slice(name);
    a
}

impl World {
    fn new() -> World {
        let case = CASES.fetch_add(1, Ordering::Relaxed);
        let pid = std::process::id();
        let names = (0..NAMES).map(|n| format!("tessera-{pid}-{case}-{n}").into_bytes()).collect();
        let sockets = (0..SOCKETS).map(|_| None).collect();
        World { guest: Guest::tmpfs(), names, sockets, fill: 0 }
    }

    fn who(&self) -> Who<'_> {
        Who { vfs: &self.guest.vfs, path: self.guest.cx() }
    }

    fn kind(kind: usize) -> (Kind, SocketType) {
        match kind {
            0 => (Kind::Stream, SocketType::STREAM),
            1 => (Kind::Dgram, SocketType::DGRAM),
            _ => (Kind::SeqPacket, SocketType::SEQPACKET),
        }
    }

    fn host_name(&self, name: usize) -> SocketAddrUnix {
        SocketAddrUnix::new_abstract_name(&self.names[name]).unwrap()
    }

    fn send(&mut self, at: usize, name: Option<usize>, len: usize) -> Result<(), TestCaseError> {
        let Some(b) = &self.sockets[at] else { return Ok(()) };
        self.fill = self.fill.wrapping_add(1);
        let bytes: Vec<u8> = (0..len).map(|i| (i as u8).wrapping_add(self.fill)).collect();
        let to = name.map(|n| unix(&self.names[n]));
        let mut info = SendInfo {
            to: to.as_deref(),
            creds: Ucred { pid: 7, uid: 0, gid: 0 },
            explicit_creds: false,
            files: Vec::new(),
            limit: 0,
            packet: PacketOptions::default(),
            oob: false,
            more: false,
            who: Some(self.who()),
        };
        let ours = b.ours.send(&mut BufSrc::new(&bytes), &mut info);
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        let host = match name {
            Some(n) => net::sendto(&b.host, &bytes, flags, &self.host_name(n)),
            None => net::send(&b.host, &bytes, flags),
        };
        prop_assert_eq!(ours, errno(host));
        Ok(())
    }

    fn run(&mut self, op: &Op) -> Result<(), TestCaseError> {
        let flags = SocketFlags::NONBLOCK;
        let net = self.guest.vfs.net().clone();
        match *op {
            Op::New { at, kind } => {
                let (ours, host) = World::kind(kind);
                let ours = Socket::new(&net, &self.who(), wanted(ours)).unwrap();
                let host = net::socket_with(AddressFamily::UNIX, host, flags, None).unwrap();
                self.sockets[at] = Some(Both { ours, host });
            }
            Op::Pair { at, other, kind } if at != other => {
                let (ours, host) = World::kind(kind);
                let (x, y) = Socket::pair(&net, &self.who(), wanted(ours)).unwrap();
                let (hx, hy) = net::socketpair(AddressFamily::UNIX, host, flags, None).unwrap();
                self.sockets[at] = Some(Both { ours: x, host: hx });
                self.sockets[other] = Some(Both { ours: y, host: hy });
            }
            Op::Bind { at, name } => {
                let Some(b) = &self.sockets[at] else { return Ok(()) };
                let ours = b.ours.bind(&self.who(), &unix(&self.names[name]));
                prop_assert_eq!(ours, errno(net::bind(&b.host, &self.host_name(name))));
            }
            Op::Listen { at, backlog } => {
                let Some(b) = &self.sockets[at] else { return Ok(()) };
                let ours = b.ours.listen(&self.who(), backlog);
                prop_assert_eq!(ours, errno(net::listen(&b.host, backlog)));
            }
            Op::Connect { at, name } => {
                let Some(b) = &self.sockets[at] else { return Ok(()) };
                let ours = b.ours.connect(&self.who(), &unix(&self.names[name]), false);
                prop_assert_eq!(ours, errno(net::connect(&b.host, &self.host_name(name))));
            }
            Op::Disconnect { at } => {
                let Some(b) = &self.sockets[at] else { return Ok(()) };
                let ours = b.ours.connect(&self.who(), &[0; 16], false);
                prop_assert_eq!(ours, errno(net::connect_unspec(&b.host)));
            }
            Op::Accept { at, to } => {
                let Some(b) = &self.sockets[at] else { return Ok(()) };
                let ours = b.ours.accept(&self.who(), false);
                let host = errno(net::accept_with(&b.host, flags));
                match (ours, host) {
                    (Ok(ours), Ok(host)) => self.sockets[to] = Some(Both { ours, host }),
                    (ours, host) => prop_assert_eq!(ours.map(drop), host.map(drop)),
                }
            }
            Op::Send { at, len } => self.send(at, None, len)?,
            Op::SendTo { at, name, len } => self.send(at, Some(name), len)?,
            Op::Receive { at, len, flags } => {
                let Some(b) = &self.sockets[at] else { return Ok(()) };
                let (mut mine, mut theirs) = (vec![0; len], vec![0; len]);
                let how = ReceiveFlags::from_bits_truncate(flags) | ReceiveFlags::DONTWAIT;
                let ours = b.ours.receive(&mut BufDst::new(&mut mine), how);
                let how = RecvFlags::from_bits_retain(flags) | RecvFlags::DONTWAIT;
                let host = errno(net::recv(&b.host, &mut theirs[..], how));
                prop_assert_eq!(ours.map(|r| r.bytes), host.map(|(_, n)| n));
                prop_assert_eq!(mine, theirs);
            }
            Op::Shutdown { at, how } => {
                let Some(b) = &self.sockets[at] else { return Ok(()) };
                let (ours, host) = match how {
                    0 => (Shut::RECEIVE, net::Shutdown::Read),
                    1 => (Shut::SEND, net::Shutdown::Write),
                    _ => (Shut::all(), net::Shutdown::Both),
                };
                prop_assert_eq!(b.ours.shutdown(ours), errno(net::shutdown(&b.host, host)));
            }
            Op::Buffer { at, size } => {
                let Some(b) = &self.sockets[at] else { return Ok(()) };
                let value = (size as i32).to_ne_bytes();
                b.ours.set_option(&self.guest.creds, 1, 7, &value).unwrap();
                net::sockopt::set_socket_send_buffer_size(&b.host, size).unwrap();
                let ours = b.ours.option(&UserNs::INITIAL, 1, 7, 4).unwrap();
                let host = net::sockopt::socket_send_buffer_size(&b.host).unwrap();
                prop_assert_eq!(ours, (host as i32).to_ne_bytes().to_vec());
            }
            Op::PassCred { at, on } => {
                let Some(b) = &self.sockets[at] else { return Ok(()) };
                b.ours.set_option(&self.guest.creds, 1, 16, &i32::from(on).to_ne_bytes()).unwrap();
                net::sockopt::set_socket_passcred(&b.host, on).unwrap();
            }
            Op::Names { at } => {
                let Some(b) = &self.sockets[at] else { return Ok(()) };
                let ours = b.ours.peer_address().map(drop);
                prop_assert_eq!(ours, errno(net::getpeername(&b.host)).map(drop));
                let listens =
                    b.ours.option(&UserNs::INITIAL, 1, 30, 4).unwrap() == 1i32.to_ne_bytes();
                prop_assert_eq!(listens, net::sockopt::socket_acceptconn(&b.host).unwrap());
            }
            Op::Close { at } => self.sockets[at] = None,
            Op::Pair { .. } => {}
        }
        self.compare()
    }

    /// Readiness, and what waits to be read.
    fn compare(&self) -> Result<(), TestCaseError> {
        for (i, b) in self.sockets.iter().enumerate() {
            let Some(b) = b else { continue };
            let ours = b.ours.readiness().bits();
            let all = PollFlags::from_bits_retain(0x3fff & !0x1000);
            let mut fds = [PollFd::from_borrowed_fd(b.host.as_fd(), all)];
            poll(&mut fds, Some(&rustix::fs::Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap();
            let host = u32::from(fds[0].revents().bits());
            prop_assert_eq!(ours, host, "socket {}: {:x} and {:x}", i, ours, host);
        }
        Ok(())
    }
}

#[test]
fn the_host_agrees() {
    let mut oracle = Oracle::new("sockets", 256);
    oracle.run(&proptest::collection::vec(op(), 1..60), |ops| {
        let mut w = World::new();
        ops.iter().enumerate().find_map(|(i, op)| {
            let e = w.run(op).err()?;
            Some(format!("operation {i}, {op:?}, of {ops:?}: {e}"))
        })
    });
    oracle.finish();
}
