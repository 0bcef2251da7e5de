//! `/proc/sys/net`: how the sockets here are, in the words of Linux's settings; socket(7), ip(7),
//! tcp(7).

use super::source::SystemFile as S;
use super::table::Fixed::{self, Dir, File};
use super::table::text;

/// A setting of a network that shows what was written last.
const fn kept(name: &'static str, at_first: &'static str) -> Fixed {
    File(0o644, S::NetKept(name, at_first))
}

pub(super) static SYS_NET: &[(&str, Fixed)] = &[
    ("core", Dir(CORE)),
    ("ipv4", Dir(IPV4)),
    ("ipv6", Dir(IPV6)),
    ("unix", Dir(&[("max_dgram_qlen", text("10\n"))])),
];

static CORE: &[(&str, Fixed)] = &[
    ("rmem_default", text("212992\n")),
    ("rmem_max", text("4194304\n")),
    ("somaxconn", text("4096\n")),
    ("wmem_default", text("212992\n")),
    ("wmem_max", text("4194304\n")),
];

static IPV4: &[(&str, Fixed)] = &[
    ("conf", Dir(&[("all", Dir(CONF4)), ("default", Dir(CONF4)), ("lo", Dir(LOOPBACK4))])),
    ("ip_default_ttl", text("64\n")),
    ("ip_forward", kept("ipv4.ip_forward", "0\n")),
    ("ip_local_port_range", File(0o644, S::LocalPortRange)),
    ("ip_nonlocal_bind", kept("ipv4.ip_nonlocal_bind", "0\n")),
    ("ip_unprivileged_port_start", File(0o644, S::UnprivilegedPortStart)),
    ("icmp_echo_ignore_all", kept("ipv4.icmp_echo_ignore_all", "0\n")),
    ("icmp_echo_ignore_broadcasts", kept("ipv4.icmp_echo_ignore_broadcasts", "1\n")),
    ("ip_no_pmtu_disc", kept("ipv4.ip_no_pmtu_disc", "0\n")),
    ("ipfrag_time", kept("ipv4.ipfrag_time", "30\n")),
    ("tcp_abort_on_overflow", kept("ipv4.tcp_abort_on_overflow", "0\n")),
    ("tcp_base_mss", kept("ipv4.tcp_base_mss", "1024\n")),
    ("tcp_dsack", kept("ipv4.tcp_dsack", "1\n")),
    ("tcp_early_retrans", kept("ipv4.tcp_early_retrans", "3\n")),
    ("tcp_ecn", kept("ipv4.tcp_ecn", "2\n")),
    ("tcp_fack", kept("ipv4.tcp_fack", "0\n")),
    ("tcp_invalid_ratelimit", kept("ipv4.tcp_invalid_ratelimit", "500\n")),
    ("tcp_max_tw_buckets", kept("ipv4.tcp_max_tw_buckets", "65536\n")),
    ("tcp_moderate_rcvbuf", kept("ipv4.tcp_moderate_rcvbuf", "1\n")),
    ("tcp_mtu_probing", kept("ipv4.tcp_mtu_probing", "0\n")),
    ("tcp_no_metrics_save", kept("ipv4.tcp_no_metrics_save", "0\n")),
    ("tcp_orphan_retries", kept("ipv4.tcp_orphan_retries", "0\n")),
    ("tcp_probe_interval", kept("ipv4.tcp_probe_interval", "600\n")),
    ("tcp_probe_threshold", kept("ipv4.tcp_probe_threshold", "8\n")),
    ("tcp_recovery", kept("ipv4.tcp_recovery", "1\n")),
    ("tcp_retries1", kept("ipv4.tcp_retries1", "3\n")),
    ("tcp_retries2", kept("ipv4.tcp_retries2", "15\n")),
    ("tcp_rfc1337", kept("ipv4.tcp_rfc1337", "0\n")),
    ("tcp_slow_start_after_idle", kept("ipv4.tcp_slow_start_after_idle", "1\n")),
    ("tcp_synack_retries", kept("ipv4.tcp_synack_retries", "5\n")),
    ("tcp_tw_reuse", kept("ipv4.tcp_tw_reuse", "2\n")),
    ("ping_group_range", File(0o644, S::PingGroupRange)),
    ("tcp_allowed_congestion_control", text("cubic reno\n")),
    ("tcp_available_congestion_control", File(0o444, S::Fixed("cubic reno\n"))),
    ("tcp_congestion_control", text("cubic\n")),
    ("tcp_fastopen", kept("ipv4.tcp_fastopen", "0\n")),
    ("tcp_fin_timeout", kept("ipv4.tcp_fin_timeout", "60\n")),
    ("tcp_keepalive_intvl", kept("ipv4.tcp_keepalive_intvl", "75\n")),
    ("tcp_keepalive_probes", kept("ipv4.tcp_keepalive_probes", "9\n")),
    ("tcp_keepalive_time", kept("ipv4.tcp_keepalive_time", "7200\n")),
    ("tcp_max_syn_backlog", kept("ipv4.tcp_max_syn_backlog", "4096\n")),
    ("tcp_rmem", kept("ipv4.tcp_rmem", "4096\t131072\t33554432\n")),
    ("tcp_sack", kept("ipv4.tcp_sack", "1\n")),
    ("tcp_syn_retries", kept("ipv4.tcp_syn_retries", "6\n")),
    ("tcp_syncookies", kept("ipv4.tcp_syncookies", "0\n")),
    ("tcp_timestamps", kept("ipv4.tcp_timestamps", "1\n")),
    ("tcp_window_scaling", kept("ipv4.tcp_window_scaling", "1\n")),
    ("tcp_wmem", kept("ipv4.tcp_wmem", "4096\t16384\t4194304\n")),
];

static CONF4: &[(&str, Fixed)] = &[("forwarding", text("0\n")), ("tag", text("0\n"))];

static LOOPBACK4: &[(&str, Fixed)] =
    &[("forwarding", text("0\n")), ("tag", File(0o644, S::LoopbackTag))];

static IPV6: &[(&str, Fixed)] = &[
    ("bindv6only", text("0\n")),
    ("conf", Dir(&[("all", Dir(CONF6)), ("default", Dir(CONF6)), ("lo", Dir(CONF6))])),
];

static CONF6: &[(&str, Fixed)] = &[("disable_ipv6", text("0\n")), ("forwarding", text("0\n"))];
