//! How many messages of ICMP a network has seen; `/proc/net/snmp`.

use alloc::format;
use alloc::string::String;
use core::fmt::Write;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Types in the order in which the table has them: unreachable, time exceeded, parameter problem,
/// source quench, redirect, echo request and reply, timestamp and address mask.
const TYPES: [u8; 11] = [3, 11, 12, 4, 5, 8, 0, 13, 14, 17, 18];

/// `ICMP_DEST_UNREACH`.
const UNREACHABLE: u8 = 3;

/// Messages of IPv4. What goes out comes in.
pub(super) struct IcmpCounters {
    by_type: [AtomicU64; 256],
    broken: AtomicU64,
}

impl Default for IcmpCounters {
    fn default() -> IcmpCounters {
        IcmpCounters { by_type: [const { AtomicU64::new(0) }; 256], broken: AtomicU64::new(0) }
    }
}

impl IcmpCounters {
    /// A message goes over the interface.
    pub(super) fn count(&self, kind: u8) {
        if let Some(n) = self.by_type.get(usize::from(kind)) {
            n.fetch_add(1, Relaxed);
        }
    }

    /// A datagram comes back because nobody has its port.
    pub(super) fn count_refusal(&self, v4: bool) {
        if v4 {
            self.count(UNREACHABLE);
        }
    }

    /// A message whose sum is wrong goes over the interface.
    pub(super) fn count_broken(&self) {
        self.broken.fetch_add(1, Relaxed);
    }

    fn of(&self, kind: usize) -> u64 {
        self.by_type.get(kind).map_or(0, |n| n.load(Relaxed))
    }

    /// All messages.
    pub(super) fn total(&self) -> u64 {
        self.broken.load(Relaxed) + (0..256).map(|k| self.of(k)).sum::<u64>()
    }

    /// The lines about ICMP (`icmp_put` and `icmpmsg_put` in net/ipv4/proc.c).
    pub(super) fn text(&self) -> String {
        let broken = self.broken.load(Relaxed);
        let all = self.total();
        let types: String =
            TYPES.iter().map(|k| format!(" {}", self.of(usize::from(*k)))).collect();
        let mut out = format!(
            "Icmp: InMsgs InErrors InCsumErrors InDestUnreachs InTimeExcds InParmProbs InSrcQuenchs \
             InRedirects InEchos InEchoReps InTimestamps InTimestampReps InAddrMasks \
             InAddrMaskReps OutMsgs OutErrors OutRateLimitGlobal OutRateLimitHost OutDestUnreachs \
             OutTimeExcds OutParmProbs OutSrcQuenchs OutRedirects OutEchos OutEchoReps \
             OutTimestamps OutTimestampReps OutAddrMasks OutAddrMaskReps\n\
             Icmp: {all} {broken} {broken}{types} {all} 0 0 0{types}\n"
        );
        let seen: alloc::vec::Vec<usize> = (0..256).filter(|k| self.of(*k) > 0).collect();
        if !seen.is_empty() {
            for of in [0, 1] {
                out += "IcmpMsg:";
                for way in ["InType", "OutType"] {
                    for k in &seen {
                        let _ = match of {
                            0 => write!(out, " {way}{k}"),
                            _ => write!(out, " {}", self.of(*k)),
                        };
                    }
                }
                out += "\n";
            }
        }
        out
    }
}
