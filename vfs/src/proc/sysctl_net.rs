//! `/proc/sys/net`: how the sockets here are, in the words of Linux's settings; socket(7), ip(7),
//! tcp(7).

use super::source::SystemFile as S;
use super::table::Fixed::{self, Dir, File};
use super::table::text;

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
    ("ip_forward", text("0\n")),
    ("ip_local_port_range", text("32768\t60999\n")),
    ("ip_nonlocal_bind", text("0\n")),
    ("ip_unprivileged_port_start", text("1024\n")),
    ("ping_group_range", File(0o644, S::PingGroupRange)),
    ("tcp_allowed_congestion_control", text("cubic reno\n")),
    ("tcp_available_congestion_control", text("cubic reno\n")),
    ("tcp_congestion_control", text("cubic\n")),
    ("tcp_fastopen", text("0\n")),
    ("tcp_fin_timeout", text("60\n")),
    ("tcp_keepalive_intvl", text("75\n")),
    ("tcp_keepalive_probes", text("9\n")),
    ("tcp_keepalive_time", text("7200\n")),
    ("tcp_max_syn_backlog", text("4096\n")),
    ("tcp_rmem", text("4096\t131072\t33554432\n")),
    ("tcp_sack", text("1\n")),
    ("tcp_syn_retries", text("6\n")),
    ("tcp_syncookies", text("0\n")),
    ("tcp_timestamps", text("1\n")),
    ("tcp_window_scaling", text("1\n")),
    ("tcp_wmem", text("4096\t16384\t4194304\n")),
];

static CONF4: &[(&str, Fixed)] = &[("forwarding", text("0\n")), ("tag", text("0\n"))];

static LOOPBACK4: &[(&str, Fixed)] =
    &[("forwarding", text("0\n")), ("tag", File(0o644, S::LoopbackTag))];

static IPV6: &[(&str, Fixed)] = &[
    ("bindv6only", text("0\n")),
    ("conf", Dir(&[("all", Dir(CONF6)), ("default", Dir(CONF6)), ("lo", Dir(CONF6))])),
];

static CONF6: &[(&str, Fixed)] = &[("disable_ipv6", text("0\n")), ("forwarding", text("0\n"))];
