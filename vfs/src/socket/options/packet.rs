//! Options of packet sockets; packet(7).

use super::super::endpoint::Endpoint;
use super::super::option_names::packet;
use super::super::packet_ring::{Ring, RingRequest};
use super::calls::number;
use alloc::vec::Vec;
use syserr::Errno;
use zerocopy::FromBytes;

/// The most different memberships of a socket; Linux has a bound on memory.
const MEMBERSHIPS_MAX: usize = 256;
/// `PACKET_MR_MULTICAST`, and the size of a hardware's address.
const MULTICAST: u16 = 0;
const ADDRESS: u16 = 6;
/// Versions of rings that there are: `TPACKET_V1` as a name only, and `TPACKET_V2`.
const VERSION_MAX: u32 = 1;

/// getsockopt(2).
pub(super) fn get(e: &Endpoint, name: i32) -> Option<Result<Vec<u8>, Errno>> {
    let mut s = e.packet.as_ref()?.0.lock();
    let int = |v: u32| v.to_ne_bytes().to_vec();
    Some(Ok(match name {
        packet::STATISTICS => {
            let seen = core::mem::take(&mut s.seen);
            [seen.packets, seen.lost].iter().flat_map(|n| n.to_ne_bytes()).collect()
        }
        packet::VERSION => int(s.version),
        packet::RESERVE => int(s.reserve),
        _ => return None,
    }))
}

/// setsockopt(2).
pub(super) fn set(e: &Endpoint, name: i32, value: &[u8]) -> Option<Result<(), Errno>> {
    let socket = e.packet.as_ref()?;
    Some(match name {
        packet::ADD_MEMBERSHIP => join(e, value),
        packet::DROP_MEMBERSHIP => leave(e, value),
        packet::VERSION | packet::RESERVE => number(value).and_then(|v| {
            let v = u32::try_from(v).map_err(|_| Errno::EINVAL)?;
            let mut s = socket.0.lock();
            match name {
                packet::VERSION if v > VERSION_MAX => return Err(Errno::EINVAL),
                _ if s.ring.is_some() => return Err(Errno::EBUSY),
                packet::VERSION => s.version = v,
                _ => s.reserve = v,
            }
            Ok(())
        }),
        packet::RX_RING => set_ring(e, value),
        _ => return None,
    })
}

fn set_ring(e: &Endpoint, value: &[u8]) -> Result<(), Errno> {
    let Some(socket) = &e.packet else { return Err(Errno::ENOPROTOOPT) };
    let (request, _) = RingRequest::read_from_prefix(value).map_err(|_| Errno::EINVAL)?;
    let mut s = socket.0.lock();
    if s.version != VERSION_MAX {
        return Err(Errno::EINVAL);
    }
    let ring = Ring::new(e.net.env().memory(), request, s.reserve)?;
    if ring.is_some() && s.ring.is_some() {
        return Err(Errno::EBUSY);
    }
    let old = core::mem::replace(&mut s.ring, ring);
    drop(s);
    drop(old);
    Ok(())
}

/// The `struct packet_mreq` of a request.
fn membership(value: &[u8]) -> Result<[u8; 16], Errno> {
    let mut request = [0; 16];
    if value.len() < 8 {
        return Err(Errno::EINVAL);
    }
    for (to, from) in request.iter_mut().zip(value) {
        *to = *from;
    }
    let [_, _, _, _, k0, k1, l0, l1, ..] = request;
    let len = u16::from_ne_bytes([l0, l1]);
    if value.len() < 8 + usize::from(len) {
        return Err(Errno::EINVAL);
    }
    let many = u16::from_ne_bytes([k0, k1]) == MULTICAST;
    let index = number(value)?;
    match (index, len) {
        (1, ADDRESS) => Ok(request),
        (1, len) if len > ADDRESS || many => Err(Errno::EINVAL),
        (1, _) => Ok(request),
        _ => Err(Errno::ENODEV),
    }
}

fn join(e: &Endpoint, value: &[u8]) -> Result<(), Errno> {
    let Some(socket) = &e.packet else { return Err(Errno::ENOPROTOOPT) };
    let wanted = membership(value)?;
    let mut s = socket.0.lock();
    if let Some((_, n)) = s.memberships.iter_mut().find(|(m, _)| *m == wanted) {
        *n = n.saturating_add(1);
        return Ok(());
    }
    if s.memberships.len() >= MEMBERSHIPS_MAX {
        return Err(Errno::ENOBUFS);
    }
    s.memberships.push((wanted, 1));
    Ok(())
}

fn leave(e: &Endpoint, value: &[u8]) -> Result<(), Errno> {
    let Some(socket) = &e.packet else { return Err(Errno::ENOPROTOOPT) };
    let mut request = [0; 16];
    for (to, from) in request.iter_mut().zip(value) {
        *to = *from;
    }
    let mut s = socket.0.lock();
    // Nobody minds what there was not.
    for (_, n) in s.memberships.iter_mut().filter(|(m, _)| *m == request) {
        *n -= 1;
    }
    s.memberships.retain(|(_, n)| *n > 0);
    Ok(())
}
