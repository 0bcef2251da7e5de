//! What TCP and UDP have done over IPv4 in a network; `/proc/net/snmp` and `netstat`.

use alloc::format;
use alloc::string::String;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A number that only grows.
#[derive(Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Connections. Segments are those that the protocol would need: each that goes out comes in.
#[derive(Default)]
pub(super) struct TcpCounters {
    pub(super) active_opens: Count,
    pub(super) passive_opens: Count,
    pub(super) failed_attempts: Count,
    /// Ends of connections that were broken.
    pub(super) broken: Count,
    /// Segments that break a connection.
    pub(super) resets: Count,
    /// All segments.
    pub(super) segments: Count,
    /// Those with data.
    pub(super) data: Count,
}

impl TcpCounters {
    /// An attempt to connect is answered with a reset.
    pub(super) fn count_refusal(&self) {
        self.failed_attempts.add(1);
        self.resets.add(1);
        self.segments.add(1);
    }

    /// Somebody breaks a connection of which so many ends were in use.
    pub(super) fn count_reset(&self, ends: u64) {
        self.resets.add(1);
        self.segments.add(1);
        self.broken.add(ends);
    }

    /// Data goes out, and an acknowledgement comes back.
    pub(super) fn count_data(&self) {
        self.data.add(1);
        self.segments.add(2);
    }

    /// `established` are the ends of connections now.
    fn text(&self, established: usize) -> String {
        let segments = self.segments.get();
        format!(
            "Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails \
             EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts InCsumErrors\n\
             Tcp: 1 200 120000 -1 {} {} {} {} {established} {segments} {segments} 0 0 {} 0\n",
            self.active_opens.get(),
            self.passive_opens.get(),
            self.failed_attempts.get(),
            self.broken.get(),
            self.resets.get(),
        )
    }
}

/// Datagrams of UDP or UDP-Lite.
#[derive(Default)]
pub(super) struct DatagramCounters {
    /// Those that somebody has received.
    pub(super) received: Count,
    pub(super) no_port: Count,
    /// Those for which there was no room.
    pub(super) lost: Count,
    pub(super) sent: Count,
}

impl DatagramCounters {
    fn text(&self, name: &str) -> String {
        let lost = self.lost.get();
        format!(
            "{name}: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors \
             InCsumErrors IgnoredMulti MemErrors\n{name}: {} {} {lost} {} {lost} 0 0 0 0\n",
            self.received.get(),
            self.no_port.get(),
            self.sent.get(),
        )
    }
}

/// Both.
#[derive(Default)]
pub(super) struct TransportCounters {
    pub(super) tcp: TcpCounters,
    pub(super) udp: DatagramCounters,
    pub(super) udplite: DatagramCounters,
}

impl TransportCounters {
    /// The lines of `snmp` about packets, with so many of ICMP beside those counted here.
    pub(super) fn ip_text(&self, forwarding: bool, icmp: u64) -> String {
        let sent = self.udp.sent.get() + self.udplite.sent.get();
        let all = self.tcp.segments.get() + sent + icmp;
        let forwarding = if forwarding { 1 } else { 2 };
        format!(
            "Ip: Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors ForwDatagrams \
             InUnknownProtos InDiscards InDelivers OutRequests OutDiscards OutNoRoutes \
             ReasmTimeout ReasmReqds ReasmOKs ReasmFails FragOKs FragFails FragCreates \
             OutTransmits\n\
             Ip: {forwarding} 64 {all} 0 0 0 0 0 {all} {all} 0 0 0 0 0 0 0 0 0 {all}\n"
        )
    }

    /// Its lines about TCP and UDP.
    pub(super) fn text(&self, established: usize) -> String {
        let Self { tcp, udp, udplite } = self;
        tcp.text(established) + &udp.text("Udp") + &udplite.text("UdpLite")
    }

    /// What `netstat` has: of all that Linux counts there, segments never being lost or late
    /// leaves data that was sent and delivered.
    pub(super) fn netstat_text(&self) -> String {
        let sent = self.tcp.data.get();
        let (mut names, mut values) = (String::from("TcpExt:"), String::from("TcpExt:"));
        for name in TCP_EXT {
            let value = if matches!(*name, "TCPOrigDataSent" | "TCPDelivered") { sent } else { 0 };
            names += &format!(" {name}");
            values += &format!(" {value}");
        }
        format!(
            "{names}\n{values}\n\
             IpExt: InNoRoutes InTruncatedPkts InMcastPkts OutMcastPkts InBcastPkts OutBcastPkts \
             InOctets OutOctets InMcastOctets OutMcastOctets InBcastOctets OutBcastOctets \
             InCsumErrors InNoECTPkts InECT1Pkts InECT0Pkts InCEPkts ReasmOverlaps\n\
             IpExt: 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
        )
    }
}

/// `snmp4_net_list` of net/ipv4/proc.c, as far as its names have a use without retransmission,
/// encryption and authentication.
static TCP_EXT: &[&str] = &[
    "SyncookiesSent",
    "SyncookiesRecv",
    "SyncookiesFailed",
    "EmbryonicRsts",
    "PruneCalled",
    "RcvPruned",
    "OfoPruned",
    "OutOfWindowIcmps",
    "LockDroppedIcmps",
    "ArpFilter",
    "TW",
    "TWRecycled",
    "TWKilled",
    "PAWSActive",
    "PAWSEstab",
    "DelayedACKs",
    "DelayedACKLocked",
    "DelayedACKLost",
    "ListenOverflows",
    "ListenDrops",
    "TCPHPHits",
    "TCPPureAcks",
    "TCPHPAcks",
    "TCPRenoRecovery",
    "TCPSackRecovery",
    "TCPSACKReneging",
    "TCPSACKReorder",
    "TCPLostRetransmit",
    "TCPFastRetrans",
    "TCPSlowStartRetrans",
    "TCPTimeouts",
    "TCPLossProbes",
    "TCPRcvCollapsed",
    "TCPBacklogCoalesce",
    "TCPDSACKOldSent",
    "TCPDSACKOfoSent",
    "TCPDSACKRecv",
    "TCPDSACKOfoRecv",
    "TCPAbortOnData",
    "TCPAbortOnClose",
    "TCPAbortOnMemory",
    "TCPAbortOnTimeout",
    "TCPAbortOnLinger",
    "TCPAbortFailed",
    "TCPMemoryPressures",
    "TCPSpuriousRTOs",
    "TCPBacklogDrop",
    "TCPDeferAcceptDrop",
    "IPReversePathFilter",
    "TCPTimeWaitOverflow",
    "TCPReqQFullDoCookies",
    "TCPReqQFullDrop",
    "TCPRetransFail",
    "TCPRcvCoalesce",
    "TCPOFOQueue",
    "TCPOFODrop",
    "TCPOFOMerge",
    "TCPChallengeACK",
    "TCPSYNChallenge",
    "TCPFastOpenActive",
    "TCPFastOpenPassive",
    "TCPSpuriousRtxHostQueues",
    "BusyPollRxPackets",
    "TCPAutoCorking",
    "TCPFromZeroWindowAdv",
    "TCPToZeroWindowAdv",
    "TCPWantZeroWindowAdv",
    "TCPSynRetrans",
    "TCPOrigDataSent",
    "TCPWinProbe",
    "TCPKeepAlive",
    "TCPMTUPFail",
    "TCPMTUPSuccess",
    "TCPDelivered",
    "TCPDeliveredCE",
    "TCPAckCompressed",
    "TCPZeroWindowDrop",
    "TCPRcvQDrop",
    "TCPWqueueTooBig",
];
