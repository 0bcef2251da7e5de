//! Options that only raw sockets have; raw(7), icmp(7), ipv6(7).

use super::super::Domain;
use super::super::choose::{IPPROTO_ICMP, IPPROTO_ICMPV6};
use super::super::endpoint::Endpoint;
use super::super::option_names::{ICMP_FILTER, SOL_ICMPV6, SOL_IP, SOL_IPV6, SOL_RAW, ip, ipv6};
use super::super::raw::Raw;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;
use syserr::Errno;

/// Sizes of `struct icmp_filter` and `struct icmp6_filter`.
const FILTER: (usize, usize) = (4, 32);

/// An option that raw sockets have beside what all of their family have.
enum Own<'a> {
    Whole(&'a Raw),
    SumAt(&'a Raw),
    /// With so many bytes.
    Filter(&'a Raw, usize),
}

/// Which of its own options a raw socket is asked for.
fn find(e: &Endpoint, level: i32, name: i32) -> Option<Result<Own<'_>, Errno>> {
    let raw = e.raw.as_ref()?;
    let six = e.domain == Domain::Inet6;
    let filter = |size, protocol| match name {
        ICMP_FILTER if e.protocol == protocol => Ok(Own::Filter(raw, size)),
        ICMP_FILTER => Err(Errno::EOPNOTSUPP),
        _ => Err(Errno::ENOPROTOOPT),
    };
    Some(match (level, name) {
        (SOL_IP, ip::HDRINCL) if !six => Ok(Own::Whole(raw)),
        (SOL_IPV6 | SOL_RAW, ipv6::HDRINCL) if six => Ok(Own::Whole(raw)),
        (SOL_IPV6 | SOL_RAW, ipv6::CHECKSUM) if six => Ok(Own::SumAt(raw)),
        (SOL_RAW, _) if six => Err(Errno::ENOPROTOOPT),
        (SOL_RAW, _) => filter(FILTER.0, IPPROTO_ICMP),
        (SOL_ICMPV6, _) if e.protocol != IPPROTO_ICMPV6 => Err(Errno::EOPNOTSUPP),
        (SOL_ICMPV6, _) => filter(FILTER.1, IPPROTO_ICMPV6),
        _ => return None,
    })
}

/// getsockopt(2); `None` for what is no option of raw sockets alone.
pub(super) fn get(e: &Endpoint, level: i32, name: i32) -> Option<Result<Vec<u8>, Errno>> {
    let int = |v: i32| v.to_ne_bytes().to_vec();
    Some(find(e, level, name)?.map(|own| match own {
        Own::Whole(raw) => int(i32::from(raw.whole.load(Relaxed))),
        Own::SumAt(raw) => int(raw.sum_at.load(Relaxed)),
        Own::Filter(raw, size) => {
            let words = *raw.unwanted.lock();
            let bytes = words.iter().flat_map(|w| w.to_ne_bytes());
            bytes.take(size).collect()
        }
    }))
}

/// setsockopt(2); `None` for what is no option of raw sockets alone.
pub(super) fn set(e: &Endpoint, level: i32, name: i32, value: &[u8]) -> Option<Result<(), Errno>> {
    let own = match find(e, level, name)? {
        Ok(own) => own,
        Err(e) => return Some(Err(e)),
    };
    let number = match (level, value) {
        (SOL_IP, [b]) => Ok(i32::from(*b)),
        _ => super::calls::number(value),
    };
    Some(match own {
        Own::Whole(raw) => number.map(|v| raw.whole.store(v != 0, Relaxed)),
        // The sum of ICMPv6 is where the protocol has it, whatever this level says.
        Own::SumAt(_) if e.protocol == IPPROTO_ICMPV6 && level == SOL_IPV6 => {
            number.and(Err(Errno::EINVAL))
        }
        Own::SumAt(raw) => number.and_then(|v| {
            if v > 0 && v % 2 == 1 {
                return Err(Errno::EINVAL);
            }
            raw.sum_at.store(v.max(-1), Relaxed);
            Ok(())
        }),
        Own::Filter(raw, size) => {
            let mut words = raw.unwanted.lock();
            let bytes = value.iter().take(size).enumerate();
            for (i, b) in bytes {
                if let Some(w) = words.get_mut(i / 4) {
                    let mut all = w.to_ne_bytes();
                    if let Some(to) = all.get_mut(i % 4) {
                        *to = *b;
                    }
                    *w = u32::from_ne_bytes(all);
                }
            }
            Ok(())
        }
    })
}
