//! One argument or result as strace(1) would print it.

use arch::{Addr, Permissions, UserMemory, UserMemoryExt};
use kernel::Arg;
use std::fmt::Write;

/// The most bytes of a buffer that are shown.
const SHOWN: usize = 32;

/// Appends one argument; `next` is the register after it, which sizes an [`Arg::In`] buffer.
pub(super) fn argument(out: &mut String, arg: Arg, value: u64, next: u64, mem: &dyn UserMemory) {
    match arg {
        Arg::Int | Arg::Pid => push(out, format_args!("{}", value as i32)),
        Arg::Long => push(out, format_args!("{}", value as i64)),
        Arg::Size => push(out, format_args!("{value}")),
        Arg::Hex => push(out, format_args!("{value:#x}")),
        Arg::Ptr | Arg::Out => pointer(out, value),
        Arg::Fd => push(out, format_args!("{}", value as i32)),
        Arg::Dir if value as i32 == AT_FDCWD => out.push_str("AT_FDCWD"),
        Arg::Dir => push(out, format_args!("{}", value as i32)),
        Arg::Path => path(out, value, mem),
        Arg::In => buffer(out, value, next, mem),
        Arg::Strs => strings(out, value, mem),
        Arg::Mode => push(out, format_args!("{:#o}", value as u32)),
        Arg::OpenFlags => open_flags(out, value as u32),
        Arg::Sig => signal(out, value as i32),
        Arg::Prot => {
            bits(out, value, &[(1, "PROT_READ"), (2, "PROT_WRITE"), (4, "PROT_EXEC")], "PROT_NONE")
        }
        Arg::MapFlags => bits(out, value, MAP_FLAGS, "0"),
        Arg::CloneFlags => clone_flags(out, value),
        Arg::FutexOp => futex_op(out, value as u32),
        Arg::Clock => clock(out, value as i32),
        Arg::Timespec => timespec(out, value, mem),
        Arg::Resource => resource(out, value as i32),
    }
}

/// Appends the bytes that a call wrote.
pub(super) fn output(out: &mut String, at: u64, len: u64, mem: &dyn UserMemory) {
    buffer(out, at, len, mem);
}

const AT_FDCWD: i32 = -100;

fn push(out: &mut String, args: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = out.write_fmt(args);
}

fn pointer(out: &mut String, value: u64) {
    if value == 0 { out.push_str("NULL") } else { push(out, format_args!("{value:#x}")) }
}

fn path(out: &mut String, at: u64, mem: &dyn UserMemory) {
    match mem.read_cstr(Addr(at), 4096) {
        _ if at == 0 => out.push_str("NULL"),
        Ok(bytes) => quoted(out, &bytes, false),
        Err(_) => pointer(out, at),
    }
}

fn buffer(out: &mut String, at: u64, len: u64, mem: &dyn UserMemory) {
    let mut bytes = [0; SHOWN];
    let n = len.min(SHOWN as u64) as usize;
    match mem.copy_in(Addr(at), &mut bytes[..n], Permissions::Obey) {
        Ok(()) => quoted(out, &bytes[..n], len > SHOWN as u64),
        Err(_) => pointer(out, at),
    }
}

fn quoted(out: &mut String, bytes: &[u8], cut: bool) {
    out.push('"');
    for b in bytes {
        push(out, format_args!("{}", std::ascii::escape_default(*b)));
    }
    out.push_str(if cut { "\"..." } else { "\"" });
}

/// The most strings of an array that are shown.
const STRINGS: u64 = 8;

fn strings(out: &mut String, at: u64, mem: &dyn UserMemory) {
    if at == 0 {
        return out.push_str("NULL");
    }
    out.push('[');
    for i in 0..=STRINGS {
        match mem.read_obj::<u64>(Addr(at).wrapping_add(8 * i)) {
            Ok(0) | Err(_) => break,
            Ok(_) if i == STRINGS => out.push_str(", ..."),
            Ok(p) => {
                if i > 0 {
                    out.push_str(", ");
                }
                path(out, p, mem);
            }
        }
    }
    out.push(']');
}

fn bits(out: &mut String, value: u64, names: &[(u64, &str)], none: &str) {
    let mut rest = value;
    let mut first = true;
    for (bit, name) in names {
        if value & bit == *bit {
            if !first {
                out.push('|');
            }
            out.push_str(name);
            rest &= !bit;
            first = false;
        }
    }
    if rest != 0 {
        push(out, format_args!("{}{rest:#x}", if first { "" } else { "|" }));
    } else if first {
        out.push_str(none);
    }
}

const MAP_FLAGS: &[(u64, &str)] = &[
    (0x3, "MAP_SHARED_VALIDATE"),
    (0x1, "MAP_SHARED"),
    (0x2, "MAP_PRIVATE"),
    (0x10, "MAP_FIXED"),
    (0x20, "MAP_ANONYMOUS"),
    (0x40, "MAP_32BIT"),
    (0x100, "MAP_GROWSDOWN"),
    (0x800, "MAP_DENYWRITE"),
    (0x2000, "MAP_LOCKED"),
    (0x4000, "MAP_NORESERVE"),
    (0x8000, "MAP_POPULATE"),
    (0x20000, "MAP_STACK"),
    (0x100000, "MAP_FIXED_NOREPLACE"),
];

fn open_flags(out: &mut String, value: u32) {
    out.push_str(["O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"][(value & 3) as usize]);
    let rest = value & !3;
    if rest != 0 {
        out.push('|');
        bits(out, u64::from(rest), OPEN_FLAGS, "0");
    }
}

const OPEN_FLAGS: &[(u64, &str)] = &[
    (0o100, "O_CREAT"),
    (0o200, "O_EXCL"),
    (0o400, "O_NOCTTY"),
    (0o1000, "O_TRUNC"),
    (0o2000, "O_APPEND"),
    (0o4000, "O_NONBLOCK"),
    (0o4010000, "O_SYNC"),
    (0o10000, "O_DSYNC"),
    (0o40000, "O_DIRECT"),
    (0o20200000, "O_TMPFILE"),
    (0o200000, "O_DIRECTORY"),
    (0o400000, "O_NOFOLLOW"),
    (0o1000000, "O_NOATIME"),
    (0o2000000, "O_CLOEXEC"),
    (0o10000000, "O_PATH"),
];

const SIGNALS: [&str; 32] = [
    "0",
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];

fn signal(out: &mut String, value: i32) {
    match usize::try_from(value).ok().and_then(|v| SIGNALS.get(v)) {
        Some(name) => out.push_str(name),
        None => push(out, format_args!("{value}")),
    }
}

fn clone_flags(out: &mut String, value: u64) {
    bits(out, value & !0xff, CLONE_FLAGS, "0");
    if value & 0xff != 0 {
        out.push('|');
        signal(out, (value & 0xff) as i32);
    }
}

const CLONE_FLAGS: &[(u64, &str)] = &[
    (0x100, "CLONE_VM"),
    (0x200, "CLONE_FS"),
    (0x400, "CLONE_FILES"),
    (0x800, "CLONE_SIGHAND"),
    (0x1000, "CLONE_PIDFD"),
    (0x2000, "CLONE_PTRACE"),
    (0x4000, "CLONE_VFORK"),
    (0x8000, "CLONE_PARENT"),
    (0x10000, "CLONE_THREAD"),
    (0x40000, "CLONE_SYSVSEM"),
    (0x80000, "CLONE_SETTLS"),
    (0x100000, "CLONE_PARENT_SETTID"),
    (0x200000, "CLONE_CHILD_CLEARTID"),
    (0x1000000, "CLONE_CHILD_SETTID"),
];

fn futex_op(out: &mut String, value: u32) {
    const NAMES: [&str; 14] = [
        "FUTEX_WAIT",
        "FUTEX_WAKE",
        "FUTEX_FD",
        "FUTEX_REQUEUE",
        "FUTEX_CMP_REQUEUE",
        "FUTEX_WAKE_OP",
        "FUTEX_LOCK_PI",
        "FUTEX_UNLOCK_PI",
        "FUTEX_TRYLOCK_PI",
        "FUTEX_WAIT_BITSET",
        "FUTEX_WAKE_BITSET",
        "FUTEX_WAIT_REQUEUE_PI",
        "FUTEX_CMP_REQUEUE_PI",
        "FUTEX_LOCK_PI2",
    ];
    match NAMES.get((value & 0x7f) as usize) {
        Some(name) => out.push_str(name),
        None => push(out, format_args!("{:#x}", value & 0x7f)),
    }
    if value & 0x80 != 0 {
        out.push_str("_PRIVATE");
    }
    if value & 0x100 != 0 {
        out.push_str("|FUTEX_CLOCK_REALTIME");
    }
}

fn clock(out: &mut String, value: i32) {
    const NAMES: [&str; 12] = [
        "CLOCK_REALTIME",
        "CLOCK_MONOTONIC",
        "CLOCK_PROCESS_CPUTIME_ID",
        "CLOCK_THREAD_CPUTIME_ID",
        "CLOCK_MONOTONIC_RAW",
        "CLOCK_REALTIME_COARSE",
        "CLOCK_MONOTONIC_COARSE",
        "CLOCK_BOOTTIME",
        "CLOCK_REALTIME_ALARM",
        "CLOCK_BOOTTIME_ALARM",
        "CLOCK_SGI_CYCLE",
        "CLOCK_TAI",
    ];
    match usize::try_from(value).ok().and_then(|v| NAMES.get(v)) {
        Some(name) => out.push_str(name),
        None => push(out, format_args!("{value}")),
    }
}

fn resource(out: &mut String, value: i32) {
    const NAMES: [&str; 16] = [
        "RLIMIT_CPU",
        "RLIMIT_FSIZE",
        "RLIMIT_DATA",
        "RLIMIT_STACK",
        "RLIMIT_CORE",
        "RLIMIT_RSS",
        "RLIMIT_NPROC",
        "RLIMIT_NOFILE",
        "RLIMIT_MEMLOCK",
        "RLIMIT_AS",
        "RLIMIT_LOCKS",
        "RLIMIT_SIGPENDING",
        "RLIMIT_MSGQUEUE",
        "RLIMIT_NICE",
        "RLIMIT_RTPRIO",
        "RLIMIT_RTTIME",
    ];
    match usize::try_from(value).ok().and_then(|v| NAMES.get(v)) {
        Some(name) => out.push_str(name),
        None => push(out, format_args!("{value}")),
    }
}

fn timespec(out: &mut String, at: u64, mem: &dyn UserMemory) {
    match mem.read_obj::<[i64; 2]>(Addr(at)) {
        _ if at == 0 => out.push_str("NULL"),
        Ok([s, ns]) => push(out, format_args!("{{tv_sec={s}, tv_nsec={ns}}}")),
        Err(_) => pointer(out, at),
    }
}
