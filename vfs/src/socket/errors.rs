//! The queue of errors that packets came back with; `IP_RECVERR` of ip(7), `IPV6_RECVERR` of
//! ipv6(7).

use super::addr::{self, InetAddr, Name};
use super::ancillary::Ancillary;
use super::endpoint::Endpoint;
use super::message::datagram_size;
use super::option_names::{SOL_IP, SOL_IPV6, ip, ipv6};
use super::{Domain, Received};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use arch::IoDst;
use sync::waitq::Events;
use syserr::Errno;
use zerocopy::IntoBytes;

/// Why a packet came back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal {
    errno: Errno,
    /// `SO_EE_ORIGIN_ICMP` or `SO_EE_ORIGIN_ICMP6`, type and code.
    origin: [u8; 3],
}

/// Reasons that there are: nobody has the port, nobody knows the protocol; for IPv4 and IPv6.
static REFUSALS: [Refusal; 4] = [
    Refusal { errno: Errno::ECONNREFUSED, origin: [2, 3, 3] },
    Refusal { errno: Errno::ENOPROTOOPT, origin: [2, 3, 2] },
    Refusal { errno: Errno::ECONNREFUSED, origin: [3, 1, 4] },
    Refusal { errno: Errno::EPROTO, origin: [3, 4, 1] },
];
/// Where the header of IPv6 names what follows: what the error about that points to.
const NEXT_HEADER: u32 = 6;

impl Refusal {
    pub(super) fn no_port(v4: bool) -> Refusal {
        let [four, _, six, _] = REFUSALS;
        if v4 { four } else { six }
    }

    pub(super) fn no_protocol(v4: bool) -> Refusal {
        let [_, four, _, six] = REFUSALS;
        if v4 { four } else { six }
    }

    /// What a message of ICMP says; `None` for what changes nothing here.
    pub(super) fn parse(v4: bool, kind: u8, code: u8) -> Option<Refusal> {
        let origin = [if v4 { 2 } else { 3 }, kind, code];
        REFUSALS.iter().find(|r| r.origin == origin).copied()
    }

    /// What the message that says it begins with, without its sum.
    pub(super) fn header(&self) -> [u8; 8] {
        let [_, kind, code] = self.origin;
        let [a, b, c, d] = self.info().to_be_bytes();
        [kind, code, 0, 0, a, b, c, d]
    }

    fn info(&self) -> u32 {
        if self.errno == Errno::EPROTO { NEXT_HEADER } else { 0 }
    }
}

/// Bytes of a datagram that come back with an error, over IPv4 (576 with all headers) and IPv6
/// (1280).
const QUOTED: (usize, usize) = (520, 1184);

/// `struct sock_extended_err`; `linux/errqueue.h`.
#[derive(IntoBytes, zerocopy::Immutable)]
#[repr(C)]
struct ExtendedErr {
    errno: u32,
    origin: [u8; 3],
    pad: u8,
    info: u32,
    data: u32,
}
static_assertions::assert_eq_size!(ExtendedErr, [u8; 16]);

/// A datagram that found nobody.
struct Returned {
    to: InetAddr,
    quoted: Vec<u8>,
    why: Refusal,
}

/// What came back, in order.
#[derive(Default)]
pub(super) struct Errors {
    queue: VecDeque<Returned>,
    /// Memory of all.
    size: usize,
}

impl Errors {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

/// The option that asks for the queue.
fn asks(v4: bool) -> (i32, i32) {
    if v4 { (SOL_IP, ip::RECVERR) } else { (SOL_IPV6, ipv6::RECVERR) }
}

impl Endpoint {
    /// What was sent to `to` came back, of which a `connected` socket hears, and one that asked.
    pub(super) fn refused(&self, to: InetAddr, data: &[u8], why: Refusal, connected: bool) {
        let (level, name) = asks(to.is_v4());
        let asked = self.options.number(level, name).is_some_and(|v| v != 0);
        if !asked && !connected {
            return;
        }
        let mut s = self.state.lock();
        s.error = Some(why.errno);
        if asked {
            let most = if to.is_v4() { QUOTED.0 } else { QUOTED.1 };
            let quoted = data.get(..most).unwrap_or(data).to_vec();
            let size = datagram_size(quoted.len());
            if s.errors.size + size < self.options.rcvbuf() {
                s.errors.size += size;
                s.errors.queue.push_back(Returned { to, quoted, why });
            }
        }
        drop(s);
        self.queue.notify(Events::ERR);
    }

    /// recvmsg(2) with `MSG_ERRQUEUE`, which never waits.
    pub(super) fn receive_error(&self, dst: &mut dyn IoDst) -> Result<Received, Errno> {
        let mut s = self.state.lock();
        let back = s.errors.queue.pop_front().ok_or(Errno::EAGAIN)?;
        s.errors.size -= datagram_size(back.quoted.len());
        // The next error takes the place of this one (`sock_dequeue_err_skb`).
        s.error = s.errors.queue.front().map(|r| r.why.errno);
        drop(s);
        let room = usize::try_from(dst.remaining()).unwrap_or(usize::MAX);
        let part = back.quoted.get(..room).unwrap_or(&back.quoted);
        let bytes = if part.is_empty() { 0 } else { dst.put(part)? };
        if bytes < part.len() {
            return Err(Errno::EFAULT);
        }
        let (level, kind) = asks(self.domain == Domain::Inet);
        let Refusal { errno, origin } = back.why;
        let error = ExtendedErr {
            errno: errno.to_raw() as u32,
            origin,
            pad: 0,
            info: back.why.info(),
            data: 0,
        };
        // Whoever sent it back is the host that it was sent to.
        let offender = InetAddr { port: 0, ..back.to };
        let address = |a| addr::encode(self.domain, Some(&Name::Inet(a)));
        let data = [error.as_bytes(), &address(offender)].concat();
        Ok(Received {
            bytes,
            truncated: bytes < back.quoted.len(),
            error: true,
            from: address(back.to),
            ancillary: [Ancillary { level, kind, data }].into(),
            ended: true,
            ..Received::default()
        })
    }
}
