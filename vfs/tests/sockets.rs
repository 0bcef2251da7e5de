//! TCP and UDP inside one kernel, names in the tree, and descriptions in messages.

mod support;

use arch::{BufDst, BufSrc};
use std::sync::{Arc, Weak};
use support::Guest;
use sync::waitq::Events;
use syserr::Errno;
use vfs::socket::{
    Domain, Kind, PacketOptions, ReceiveFlags, Received, SendInfo, Shut, Socket, Ucred, Wanted, Who,
};
use vfs::{File, FileOps, OpenFlags, UserNs};

fn who(g: &Guest) -> Who<'_> {
    Who { vfs: &g.vfs, path: g.cx() }
}

fn wanted(domain: Domain, kind: Kind) -> Wanted {
    vfs::socket::choose(domain as i32, kind as i32, 0).unwrap()
}

fn socket(g: &Guest, domain: Domain, kind: Kind) -> Socket {
    Socket::new(g.vfs.net(), &who(g), wanted(domain, kind)).unwrap()
}

fn inet(ip: [u8; 4], port: u16) -> Vec<u8> {
    let mut a = vec![2, 0];
    a.extend_from_slice(&port.to_be_bytes());
    a.extend_from_slice(&ip);
    a.resize(16, 0);
    a
}

fn inet6(ip: std::net::Ipv6Addr, port: u16) -> Vec<u8> {
    let mut a = vec![10, 0];
    a.extend_from_slice(&port.to_be_bytes());
    a.extend_from_slice(&[0; 4]);
    a.extend_from_slice(&ip.octets());
    a.resize(28, 0);
    a
}

const LO: [u8; 4] = [127, 0, 0, 1];

fn send_to(
    g: &Guest,
    s: &Socket,
    bytes: &[u8],
    to: Option<&[u8]>,
    files: Vec<Arc<File>>,
) -> Result<usize, Errno> {
    let creds = Ucred { pid: 1, uid: 0, gid: 0 };
    let who = Some(who(g));
    let limit = u64::MAX;
    let packet = PacketOptions::default();
    let mut info = SendInfo {
        to,
        creds,
        explicit_creds: false,
        files,
        limit,
        packet,
        oob: false,
        more: false,
        who,
    };
    s.send(&mut BufSrc::new(bytes), &mut info)
}

fn send(g: &Guest, s: &Socket, bytes: &[u8]) -> Result<usize, Errno> {
    send_to(g, s, bytes, None, Vec::new())
}

fn receive(s: &Socket, len: usize) -> Result<(Vec<u8>, Received), Errno> {
    let mut buf = vec![0; len];
    let r = s.receive(&mut BufDst::new(&mut buf), ReceiveFlags::DONTWAIT)?;
    buf.truncate(r.bytes);
    Ok((buf, r))
}

fn bytes(s: &Socket) -> Result<Vec<u8>, Errno> {
    receive(s, 4096).map(|r| r.0)
}

fn listener(g: &Guest, backlog: i32) -> (Socket, Vec<u8>) {
    let l = socket(g, Domain::Inet, Kind::Stream);
    l.bind(&who(g), &inet([0; 4], 0)).unwrap();
    l.listen(&who(g), backlog).unwrap();
    let port = u16::from_be_bytes([l.local_address()[2], l.local_address()[3]]);
    (l, inet(LO, port))
}

fn connected(g: &Guest) -> (Socket, Socket) {
    let (l, at) = listener(g, 1);
    let c = socket(g, Domain::Inet, Kind::Stream);
    c.connect(&who(g), &at, true).unwrap();
    let s = l.accept(&who(g), false).unwrap();
    assert_eq!(c.peer_address(), Ok(at.clone()));
    assert_eq!(s.local_address(), at);
    assert_eq!(s.peer_address(), Ok(c.local_address()));
    (c, s)
}

fn error_of(s: &Socket) -> i32 {
    i32::from_ne_bytes(s.option(&UserNs::INITIAL, 1, 4, 4).unwrap().try_into().unwrap())
}

#[test]
fn bytes_go_both_ways_and_end() {
    let g = Guest::tmpfs();
    let (c, s) = connected(&g);
    assert_eq!(bytes(&s), Err(Errno::EAGAIN));
    assert_eq!(send(&g, &c, b"one"), Ok(3));
    assert_eq!(send(&g, &c, b"two"), Ok(3));
    assert_eq!(bytes(&s).unwrap(), b"onetwo");
    assert_eq!(send(&g, &s, b"back"), Ok(4));
    c.shutdown(Shut::SEND).unwrap();
    assert_eq!(send(&g, &c, b"x"), Err(Errno::EPIPE));
    assert_eq!(bytes(&s).unwrap(), b"");
    assert!(s.readiness().contains(Events::RDHUP | Events::IN | Events::OUT));
    assert!(!s.readiness().contains(Events::HUP));
    assert_eq!(bytes(&c).unwrap(), b"back");
    drop(s);
    assert_eq!(bytes(&c).unwrap(), b"");
    assert!(c.readiness().contains(Events::HUP));
}

#[test]
fn closing_with_unread_bytes_resets() {
    let g = Guest::tmpfs();
    let (c, s) = connected(&g);
    send(&g, &s, b"last words").unwrap();
    send(&g, &c, b"unread").unwrap();
    drop(s);
    assert!(c.readiness().contains(Events::ERR | Events::HUP));
    assert_eq!(bytes(&c).unwrap(), b"last words");
    assert_eq!(bytes(&c), Err(Errno::ECONNRESET));
    assert_eq!(bytes(&c).unwrap(), b"");
    assert_eq!(send(&g, &c, b"x"), Err(Errno::EPIPE));
    assert_eq!(c.peer_address(), Err(Errno::ENOTCONN));
}

#[test]
fn the_first_write_to_a_closed_peer_is_lost() {
    let g = Guest::tmpfs();
    let (c, s) = connected(&g);
    drop(s);
    assert_eq!(send(&g, &c, b"x"), Ok(1));
    assert_eq!(send(&g, &c, b"x"), Err(Errno::EPIPE));
}

#[test]
fn connecting_without_waiting_reports_later() {
    let g = Guest::tmpfs();
    let c = socket(&g, Domain::Inet, Kind::Stream);
    assert_eq!(c.connect(&who(&g), &inet(LO, 9), false), Err(Errno::EINPROGRESS));
    assert!(c.readiness().contains(Events::OUT | Events::ERR | Events::HUP));
    assert_eq!(error_of(&c), 111);
    assert_eq!(error_of(&c), 0);
    let (l, at) = listener(&g, 0);
    let c = socket(&g, Domain::Inet, Kind::Stream);
    assert_eq!(c.connect(&who(&g), &inet(LO, 9), true), Err(Errno::ECONNREFUSED));
    assert_eq!(c.connect(&who(&g), &at, false), Err(Errno::EINPROGRESS));
    assert_eq!(c.connect(&who(&g), &at, false), Ok(()));
    assert_eq!(c.connect(&who(&g), &at, false), Err(Errno::EISCONN));
    // The queue has one place; the next connection waits for it.
    let d = socket(&g, Domain::Inet, Kind::Stream);
    assert_eq!(d.connect(&who(&g), &at, true), Err(Errno::EAGAIN));
    assert_eq!(d.connect(&who(&g), &at, false), Err(Errno::EALREADY));
    assert_eq!(d.connect_result(), Err(Errno::EAGAIN));
    assert!(!d.readiness().contains(Events::OUT));
    l.accept(&who(&g), false).unwrap();
    assert_eq!(d.connect_result(), Ok(()));
    assert!(l.readiness().contains(Events::IN));
}

#[test]
fn addresses_outside_do_not_exist() {
    let g = Guest::tmpfs();
    let s = socket(&g, Domain::Inet, Kind::Stream);
    assert_eq!(s.bind(&who(&g), &inet([10, 0, 0, 1], 80)), Err(Errno::EADDRNOTAVAIL));
    assert_eq!(s.connect(&who(&g), &inet([8, 8, 8, 8], 53), true), Err(Errno::ENETUNREACH));
    let u = socket(&g, Domain::Inet, Kind::Dgram);
    assert_eq!(
        send_to(&g, &u, b"x", Some(&inet([8, 8, 8, 8], 53)), Vec::new()),
        Err(Errno::ENETUNREACH)
    );
    assert_eq!(vfs::socket::choose(2, 3, 0), Err(Errno::EPROTONOSUPPORT));
    assert_eq!(vfs::socket::choose(17, 1, 0), Err(Errno::ESOCKTNOSUPPORT));
    assert_eq!(vfs::socket::choose(18, 3, 0), Err(Errno::EAFNOSUPPORT));
    let netlink =
        Wanted { domain: Domain::Netlink, kind: Kind::Dgram, protocol: 0, shows_raw: true };
    assert_eq!(vfs::socket::choose(16, 3, 0), Ok(netlink));
    let diag = Wanted { protocol: 4, ..netlink };
    assert_eq!(vfs::socket::choose(16, 3, 4), Ok(diag));
    assert_eq!(vfs::socket::choose(16, 3, 5), Err(Errno::EPROTONOSUPPORT));
    assert_eq!(vfs::socket::choose(1, 4, 0), Err(Errno::ESOCKTNOSUPPORT));
}

#[test]
fn raw_sockets_hold_no_more_than_their_buffers() {
    let g = Guest::tmpfs();
    let wanted = Wanted { domain: Domain::Inet, kind: Kind::Raw, protocol: 253, shows_raw: false };
    let sockets: Vec<_> =
        (0..3).map(|_| Socket::new(g.vfs.net(), &who(&g), wanted).unwrap()).collect();
    let first = &sockets[0];
    first.set_option(g.cx().creds, 1, 8, &8192i32.to_ne_bytes()).unwrap();
    for _ in 0..1000 {
        assert_eq!(send_to(&g, first, &[7; 1000], Some(&inet(LO, 0)), Vec::new()), Ok(1000));
    }
    let count = |s: &Socket| {
        let mut n = 0;
        while s.receive(&mut BufDst::new(&mut [0; 2000]), ReceiveFlags::empty()).is_ok() {
            n += 1;
        }
        n
    };
    let counts: Vec<i32> = sockets.iter().map(count).collect();
    assert!((1..20).contains(&counts[0]) && (20..200).contains(&counts[1]), "{counts:?}");
    assert_eq!(counts[1], counts[2]);
}

#[test]
fn ports_have_one_owner() {
    let g = Guest::tmpfs();
    let (l, at) = listener(&g, 1);
    let other = socket(&g, Domain::Inet, Kind::Stream);
    assert_eq!(other.bind(&who(&g), &at), Err(Errno::EADDRINUSE));
    let six = socket(&g, Domain::Inet6, Kind::Stream);
    let port = u16::from_be_bytes([at[2], at[3]]);
    let any = inet6(std::net::Ipv6Addr::UNSPECIFIED, port);
    assert_eq!(six.bind(&who(&g), &any), Err(Errno::EADDRINUSE));
    six.set_option(&g.creds, 41, 26, &1i32.to_ne_bytes()).unwrap();
    assert_eq!(six.bind(&who(&g), &any), Ok(()));
    drop(l);
    assert_eq!(other.bind(&who(&g), &at), Ok(()));
}

#[test]
fn ipv6_takes_ipv4_connections() {
    let g = Guest::tmpfs();
    let l = socket(&g, Domain::Inet6, Kind::Stream);
    l.bind(&who(&g), &inet6(std::net::Ipv6Addr::UNSPECIFIED, 4000)).unwrap();
    l.listen(&who(&g), 5).unwrap();
    let c = socket(&g, Domain::Inet, Kind::Stream);
    c.connect(&who(&g), &inet(LO, 4000), true).unwrap();
    let s = l.accept(&who(&g), false).unwrap();
    let mapped = std::net::Ipv4Addr::LOCALHOST.to_ipv6_mapped();
    assert_eq!(s.local_address(), inet6(mapped, 4000));
}

#[test]
fn datagrams_keep_their_boundaries_and_senders() {
    let g = Guest::tmpfs();
    let (a, b) = (socket(&g, Domain::Inet, Kind::Dgram), socket(&g, Domain::Inet, Kind::Dgram));
    a.bind(&who(&g), &inet(LO, 5000)).unwrap();
    assert_eq!(send(&g, &b, b"x"), Err(Errno::EDESTADDRREQ));
    assert_eq!(send_to(&g, &b, b"first", Some(&inet(LO, 5000)), Vec::new()), Ok(5));
    assert_eq!(send_to(&g, &b, b"", Some(&inet(LO, 5000)), Vec::new()), Ok(0));
    let (got, r) = receive(&a, 3).unwrap();
    assert_eq!((got.as_slice(), r.truncated), (b"fir".as_slice(), true));
    assert_eq!(r.from[..2], [2, 0]);
    assert_eq!(r.from[4..8], LO);
    assert_eq!(bytes(&a).unwrap(), b"");
    assert_eq!(bytes(&a), Err(Errno::EAGAIN));
    // Nobody is there: a connected sender hears of it.
    b.connect(&who(&g), &inet(LO, 5001), true).unwrap();
    assert_eq!(send(&g, &b, b"x"), Ok(1));
    assert_eq!(send(&g, &b, b"x"), Err(Errno::ECONNREFUSED));
}

#[test]
fn datagrams_are_dropped_while_the_kernel_keeps_too_much() {
    let g = Guest::tmpfs();
    let (a, b) = (socket(&g, Domain::Inet, Kind::Dgram), socket(&g, Domain::Inet, Kind::Dgram));
    a.bind(&who(&g), &inet(LO, 5000)).unwrap();
    b.connect(&who(&g), &inet(LO, 5000), true).unwrap();
    assert_eq!(send(&g, &b, b"kept"), Ok(4));
    g.memory.set_overhead(256 << 20);
    assert_eq!(send(&g, &b, b"dropped"), Ok(7), "the sender does not hear of it");
    g.memory.set_overhead(0);
    assert_eq!(send(&g, &b, b"kept, too"), Ok(9));
    assert_eq!(bytes(&a).unwrap(), b"kept");
    assert_eq!(bytes(&a).unwrap(), b"kept, too");
    assert_eq!(bytes(&a), Err(Errno::EAGAIN));
}

fn unix(path: &str) -> Vec<u8> {
    let mut a = vec![1, 0];
    a.extend_from_slice(path.as_bytes());
    a.push(0);
    a
}

#[test]
fn a_name_in_the_tree_leads_to_its_socket() {
    let g = Guest::tmpfs();
    let l = socket(&g, Domain::Unix, Kind::Stream);
    l.bind(&who(&g), &unix("/name")).unwrap();
    assert_eq!(l.local_address(), unix("/name"));
    assert_eq!(l.bind(&who(&g), &unix("/other")), Err(Errno::EINVAL));
    assert_eq!(g.vfs.unlink(&g.cx(), vfs::AT_FDCWD, b"/other"), Err(Errno::ENOENT));
    let c = socket(&g, Domain::Unix, Kind::Stream);
    assert_eq!(c.bind(&who(&g), &unix("/name")), Err(Errno::EADDRINUSE));
    assert_eq!(c.connect(&who(&g), &unix("/name"), true), Err(Errno::ECONNREFUSED));
    l.listen(&who(&g), 1).unwrap();
    let d = socket(&g, Domain::Unix, Kind::Dgram);
    assert_eq!(d.connect(&who(&g), &unix("/name"), true), Err(Errno::EPROTOTYPE));
    assert_eq!(c.connect(&who(&g), &unix("/nothing"), true), Err(Errno::ENOENT));
    c.connect(&who(&g), &unix("/name"), true).unwrap();
    assert_eq!(c.peer_address(), Ok(unix("/name")));
    drop(l);
    assert_eq!(bytes(&c), Err(Errno::ECONNRESET), "it was never accepted");
    let c = socket(&g, Domain::Unix, Kind::Stream);
    assert_eq!(c.connect(&who(&g), &unix("/name"), true), Err(Errno::ECONNREFUSED));
}

fn pair(g: &Guest) -> (Arc<File>, Arc<File>) {
    let (a, b) = Socket::pair(g.vfs.net(), &who(g), wanted(Domain::Unix, Kind::Stream)).unwrap();
    let file = |s| File::anonymous(Arc::new(s), OpenFlags::RDWR, "socket");
    (file(a), file(b))
}

fn as_socket(f: &Arc<File>) -> &Socket {
    f.downcast().unwrap()
}

#[test]
fn a_read_stops_behind_descriptions() {
    let g = Guest::tmpfs();
    let (a, b) = pair(&g);
    let (x, _y) = pair(&g);
    send(&g, as_socket(&a), b"1").unwrap();
    send_to(&g, as_socket(&a), b"2", None, vec![x.clone()]).unwrap();
    send(&g, as_socket(&a), b"3").unwrap();
    let (got, r) = receive(as_socket(&b), 10).unwrap();
    assert_eq!((got.as_slice(), r.files.len()), (b"12".as_slice(), 1));
    assert!(Arc::ptr_eq(&r.files[0], &x));
    assert_eq!(bytes(as_socket(&b)).unwrap(), b"3");
}

#[test]
fn sockets_that_only_hold_each_other_end() {
    let g = Guest::tmpfs();
    let (a, b) = pair(&g);
    send_to(&g, as_socket(&a), b"x", None, vec![a.clone(), b.clone()]).unwrap();
    send_to(&g, as_socket(&b), b"x", None, vec![b.clone()]).unwrap();
    let weak: Vec<Weak<File>> = vec![Arc::downgrade(&a), Arc::downgrade(&b)];
    drop((a, b));
    // Closing any socket looks for those that nobody can reach.
    drop(pair(&g));
    assert!(weak.iter().all(|w| w.upgrade().is_none()));
}

#[test]
fn sockets_in_flight_to_somebody_live() {
    let g = Guest::tmpfs();
    let (a, b) = pair(&g);
    let (x, y) = pair(&g);
    send_to(&g, as_socket(&x), b"x", None, vec![x.clone()]).unwrap();
    send_to(&g, as_socket(&a), b"x", None, vec![x, y]).unwrap();
    drop(pair(&g));
    let (_, r) = receive(as_socket(&b), 10).unwrap();
    assert_eq!(receive(as_socket(&r.files[1]), 10).unwrap().1.files.len(), 1);
}

#[test]
fn deep_nesting_ends_without_a_deep_stack() {
    let g = Guest::tmpfs();
    let mut held = pair(&g);
    for _ in 0..20_000 {
        let next = pair(&g);
        send_to(&g, as_socket(&next.0), b"x", None, vec![held.0, held.1]).unwrap();
        held = next;
    }
    let weak = Arc::downgrade(&held.1);
    drop(held);
    assert!(weak.upgrade().is_none());
}
