//! What a TCP socket tells of its connection: its state, and `TCP_INFO`.

use super::Domain;
use super::endpoint::{Endpoint, Phase, Shut};
use super::option_names::{SOL_TCP, tcp};
use super::options::MTU;
use alloc::vec::Vec;
use zerocopy::IntoBytes;

/// States of TCP; `net/tcp_states.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum TcpState {
    Established = 1,
    SynSent = 2,
    FinWait2 = 5,
    Close = 7,
    CloseWait = 8,
    Listen = 10,
}

/// Least time until a segment is sent again (`TCP_RTO_MIN`), and that before the first
/// measurement, in microseconds.
const RTO: (u32, u32) = (200_000, 1_000_000);
/// Segment size before anything is known of the path (`TCP_MSS_DEFAULT`).
const MSS_DEFAULT: i32 = 536;
/// Headers of a segment with a timestamp, over IPv4 and IPv6.
const HEADERS: (i32, i32) = (53, 72);
/// `TCPI_OPT_TIMESTAMPS`, `TCPI_OPT_SACK`, `TCPI_OPT_WSCALE`.
const OPTIONS: u8 = 7;
/// Both windows' scale.
const SCALES: u8 = 0xaa;
/// `TCP_INIT_CWND`.
const WINDOW: u32 = 10;
/// `TCP_INFINITE_SSTHRESH`.
const NO_THRESHOLD: u32 = 0x7fff_ffff;
/// `TCP_FASTRETRANS_THRESH`.
const REORDERING: u32 = 3;

/// `struct tcp_info` as far as programs have known it since Linux 2.6; `linux/tcp.h`.
#[derive(Default, IntoBytes, zerocopy::Immutable)]
#[repr(C)]
struct TcpInfo {
    state: u8,
    ca_state: u8,
    retransmits: u8,
    probes: u8,
    backoff: u8,
    options: u8,
    scales: u8,
    limited: u8,
    rto: u32,
    ato: u32,
    snd_mss: u32,
    rcv_mss: u32,
    unacked: u32,
    sacked: u32,
    lost: u32,
    retrans: u32,
    fackets: u32,
    last_data_sent: u32,
    last_ack_sent: u32,
    last_data_recv: u32,
    last_ack_recv: u32,
    pmtu: u32,
    rcv_ssthresh: u32,
    rtt: u32,
    rttvar: u32,
    snd_ssthresh: u32,
    snd_cwnd: u32,
    advmss: u32,
    reordering: u32,
    rcv_rtt: u32,
    rcv_space: u32,
    total_retrans: u32,
}
static_assertions::assert_eq_size!(TcpInfo, [u8; 104]);

impl Endpoint {
    /// Whether the peer has sent its end.
    fn peer_ended(&self) -> bool {
        let peer = self.state.lock().peer.clone();
        peer.is_none_or(|p| {
            let p = p.state.lock();
            p.dead || p.shut.contains(Shut::SEND)
        })
    }

    /// The state of a TCP socket.
    pub(super) fn tcp_state(&self) -> TcpState {
        let (phase, shut) = {
            let s = self.state.lock();
            (s.phase, s.shut)
        };
        match phase {
            Phase::Closed => TcpState::Close,
            Phase::Listening => TcpState::Listen,
            Phase::Connecting => TcpState::SynSent,
            Phase::Connected => match (shut.contains(Shut::SEND), self.peer_ended()) {
                (false, false) => TcpState::Established,
                (true, false) => TcpState::FinWait2,
                (false, true) => TcpState::CloseWait,
                (true, true) => TcpState::Close,
            },
        }
    }

    /// `TCP_MAXSEG`.
    pub(super) fn segment_size(&self) -> i32 {
        let asked = self.options.number(SOL_TCP, tcp::MAXSEG).filter(|v| *v != 0);
        let headers = if self.domain == Domain::Inet6 { HEADERS.1 } else { HEADERS.0 };
        match self.tcp_state() {
            TcpState::Close | TcpState::Listen => asked.unwrap_or(MSS_DEFAULT),
            _ => asked.unwrap_or(i32::MAX).min(MTU - headers),
        }
    }

    /// `TCP_INFO`.
    pub(super) fn tcp_info(&self) -> Vec<u8> {
        let state = self.tcp_state();
        let listening = state == TcpState::Listen;
        let mut info = TcpInfo {
            state: state as u8,
            snd_cwnd: WINDOW,
            reordering: REORDERING,
            ..TcpInfo::default()
        };
        if listening {
            let s = self.state.lock();
            (info.unacked, info.sacked) = (s.pending.len() as u32, s.backlog as u32);
            return info.as_bytes().to_vec();
        }
        let connected = self.state.lock().phase == Phase::Connected;
        info.rto = if connected { RTO.0 } else { RTO.1 };
        info.snd_mss = self.segment_size() as u32;
        info.snd_ssthresh = NO_THRESHOLD;
        if connected {
            (info.options, info.scales) = (OPTIONS, SCALES);
            info.rcv_mss = MSS_DEFAULT as u32;
            info.pmtu = MTU as u32;
            info.rcv_ssthresh = self.options.rcvbuf() as u32 / 2;
            info.advmss = info.snd_mss;
            info.rcv_space = info.rcv_ssthresh;
        }
        info.as_bytes().to_vec()
    }
}
