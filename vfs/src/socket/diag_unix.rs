//! What is told of sockets of AF_UNIX; `linux/unix_diag.h`.

use super::addr::Name;
use super::diag::Asker;
use super::endpoint::{Endpoint, Phase};
use super::rtnetlink::attribute;
use super::tcp_info::TcpState;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;
use syserr::Errno;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `struct unix_diag_req`.
#[derive(Clone, Copy, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct Request {
    family: u8,
    protocol: u8,
    pad: u16,
    states: u32,
    inode: u32,
    show: u32,
    cookie: [u32; 2],
}
static_assertions::assert_eq_size!(Request, [u8; 24]);

/// `struct unix_diag_msg`.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct Told {
    family: u8,
    kind: u8,
    state: u8,
    pad: u8,
    inode: u32,
    cookie: [u32; 2],
}
static_assertions::assert_eq_size!(Told, [u8; 16]);

bitflags::bitflags! {
    /// What is to be told (`UDIAG_SHOW_*`).
    struct Show: u32 {
        const NAME = 1;
        const PLACE = 2;
        const PEER = 4;
        const PENDING = 8;
        const QUEUES = 0x10;
        const MEMORY = 0x20;
        const UID = 0x40;
    }
}

/// Attributes (`UNIX_DIAG_*`).
mod attr {
    pub(super) const NAME: u16 = 0;
    pub(super) const PLACE: u16 = 1;
    pub(super) const PEER: u16 = 2;
    pub(super) const PENDING: u16 = 3;
    pub(super) const QUEUES: u16 = 4;
    pub(super) const MEMORY: u16 = 5;
    pub(super) const SHUTDOWN: u16 = 6;
    pub(super) const UID: u16 = 7;
}
/// The most connections that are listed of those that wait to be accepted: an attribute has room for
/// so many.
const PENDING_MAX: usize = 8192;

fn words(all: &[u32]) -> Vec<u8> {
    all.iter().flat_map(|w| w.to_ne_bytes()).collect()
}

impl Request {
    pub(super) fn parse(body: &[u8]) -> Result<Request, Errno> {
        Request::read_from_prefix(body).map(|(r, _)| r).map_err(|_| Errno::EINVAL)
    }

    /// What is said of a socket, if it is meant.
    pub(super) fn answer(&self, e: &Endpoint, asker: &Asker) -> Option<Vec<u8>> {
        let inode = e.ino.load(Relaxed) as u32;
        if self.inode != 0 && self.inode != inode {
            return None;
        }
        let show = Show::from_bits_truncate(self.show);
        let (phase, shut, name, bound, peer, pending, queued, size, backlog) = {
            let s = e.state.lock();
            if s.dead {
                return None;
            }
            let listed = if show.contains(Show::PENDING) { PENDING_MAX } else { 0 };
            let pending = s.pending.iter().take(listed).cloned().collect::<Vec<_>>();
            let queued =
                if s.phase == Phase::Listening { s.pending.len() } else { s.inbox.bytes() };
            let (name, bound, peer) = (s.name.clone(), s.bound.clone(), s.peer.clone());
            (s.phase, s.shut, name, bound, peer, pending, queued, s.inbox.size(), s.backlog)
        };
        let state = match phase {
            Phase::Listening => TcpState::Listen,
            Phase::Connected => TcpState::Established,
            _ => TcpState::Close,
        };
        if self.inode == 0 && self.states >> (state as u8) & 1 == 0 {
            return None;
        }
        let cookie = e.net.cookie(e);
        let cookie = [cookie as u32, (cookie >> 32) as u32];
        let told = Told {
            family: 1,
            kind: e.kind as i32 as u8,
            state: state as u8,
            pad: 0,
            inode,
            cookie,
        };
        let mut out = told.as_bytes().to_vec();
        let sent = e.sent.load(Relaxed) as u32;
        if let (Some(Name::Unix(path)), true) = (&name, show.contains(Show::NAME)) {
            attribute(&mut out, attr::NAME, path);
        }
        if let (Some(place), true) = (&bound, show.contains(Show::PLACE))
            && let Ok(stat) = place.inode().stat()
        {
            attribute(&mut out, attr::PLACE, &words(&[stat.ino as u32, stat.dev as u32]));
        }
        if let (Some(p), true) = (&peer, show.contains(Show::PEER)) {
            attribute(&mut out, attr::PEER, &words(&[p.ino.load(Relaxed) as u32]));
        }
        if phase == Phase::Listening && show.contains(Show::PENDING) {
            let clients = pending.iter().map(|c| {
                let client = c.state.lock().peer.clone();
                client.map_or(0, |p| p.ino.load(Relaxed) as u32)
            });
            attribute(&mut out, attr::PENDING, &words(&clients.collect::<Vec<_>>()));
        }
        if show.contains(Show::QUEUES) {
            let send = if phase == Phase::Listening { backlog as u32 } else { sent };
            attribute(&mut out, attr::QUEUES, &words(&[queued as u32, send]));
        }
        if show.contains(Show::MEMORY) {
            let (receive, send) = (e.options.rcvbuf() as u32, e.options.sndbuf() as u32);
            let memory = [size as u32, receive, sent, send, 0, 0, 0, 0, 0];
            attribute(&mut out, attr::MEMORY, &words(&memory));
        }
        attribute(&mut out, attr::SHUTDOWN, &[shut.bits()]);
        if show.contains(Show::UID) {
            let uid = asker.ns.show_uid(e.owner.load(Relaxed));
            attribute(&mut out, attr::UID, &words(&[uid]));
        }
        Some(out)
    }
}
