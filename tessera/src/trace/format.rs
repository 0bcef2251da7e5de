//! Arguments and results as strace(1) would print them.

use super::names::{self, bits, name, nth};
use super::structs;
use super::text::{buffer, count, path, pointer, push, strings};
use arch::{Addr, UserMemory, UserMemoryExt};
use kernel::table::{Arg, Args, Entry};

const AT_FDCWD: i32 = -100;

/// How many arguments a call has: some depend on the ones before them.
pub(super) fn arity(entry: &Entry, args: &Args) -> usize {
    /// `O_CREAT` and `__O_TMPFILE`.
    const WITH_MODE: u64 = 0o100 | 0o20000000;
    let all = entry.args.len();
    let drops_mode = |flags: u64| if flags & WITH_MODE == 0 { all - 1 } else { all };
    match entry.name {
        "open" => drops_mode(args[1]),
        "openat" => drops_mode(args[2]),
        // F_GETFD, F_GETFL, F_GETOWN, F_GETSIG, F_GETLEASE, F_GETPIPE_SZ, F_GET_SEALS.
        "fcntl" if matches!(args[1], 1 | 3 | 9 | 11 | 1025 | 1032 | 1034) => 2,
        "futex" => match args[1] & 0x7f {
            1 => 3,
            0 | 6 | 13 => 4,
            7 | 8 => 2,
            3 => 5,
            _ => all,
        },
        _ => all,
    }
}

/// Appends argument `i`, read before the call.
pub(super) fn input(out: &mut String, arg: Arg, i: usize, args: &Args, mem: &dyn UserMemory) {
    let value = args[i];
    let next = args.get(i + 1).copied().unwrap_or(0);
    match arg {
        Arg::Int | Arg::Pid | Arg::Fd => push(out, format_args!("{}", value as i32)),
        Arg::Long => push(out, format_args!("{}", value as i64)),
        Arg::Size => push(out, format_args!("{value}")),
        Arg::Hex if value == 0 => out.push('0'),
        Arg::Hex => push(out, format_args!("{value:#x}")),
        Arg::Dir if value as i32 == AT_FDCWD => out.push_str("AT_FDCWD"),
        Arg::Dir => push(out, format_args!("{}", value as i32)),
        Arg::Path => path(out, value, mem),
        Arg::In => buffer(out, value, next, mem),
        Arg::Strs => strings(out, value, mem),
        Arg::Env => count(out, value, mem),
        Arg::Mode if value as u32 == 0 => out.push_str("000"),
        Arg::Mode => push(out, format_args!("0{:o}", value as u32)),
        Arg::AccessMode => bits(out, u64::from(value as u32), names::ACCESS, "F_OK"),
        Arg::OpenFlags => names::open_flags(out, value as u32),
        Arg::FdFlags => bits(out, u64::from(value as u32), names::OPEN_FLAGS, "0"),
        Arg::AtFlags => bits(out, u64::from(value as u32), names::AT_FLAGS, "0"),
        Arg::Whence => nth(out, i64::from(value as i32), names::WHENCE),
        Arg::Fcntl => name(out, i64::from(value as i32), names::FCNTL),
        Arg::Ioctl => match names::IOCTL.iter().find(|(n, _)| *n == i64::from(value as u32)) {
            Some((_, name)) => out.push_str(name),
            None => push(out, format_args!("{:#x}", value as u32)),
        },
        Arg::Sig => names::signal(out, i64::from(value as i32)),
        Arg::SigHow => nth(out, i64::from(value as i32), names::SIG_HOW),
        Arg::SigSet => structs::sigset(out, value, mem),
        Arg::SigAction => structs::sigaction(out, value, mem),
        Arg::Prot => bits(out, value, names::PROT, "PROT_NONE"),
        Arg::MapFlags => bits(out, value, names::MAP_FLAGS, "0"),
        Arg::Advice => name(out, i64::from(value as i32), names::ADVICE),
        Arg::CloneFlags => names::clone_flags(out, value),
        Arg::FutexOp => names::futex_op(out, value as u32),
        Arg::ArchPrctl => name(out, i64::from(value as i32), names::ARCH_PRCTL),
        Arg::Ptrace => name(out, value as i64, names::PTRACE),
        Arg::Prctl => name(out, i64::from(value as i32), names::PRCTL),
        Arg::Clock => nth(out, i64::from(value as i32), names::CLOCKS),
        Arg::Timespec => structs::timespec(out, value, mem),
        Arg::WaitOptions => bits(out, u64::from(value as u32), names::WAIT_OPTIONS, "0"),
        Arg::Resource => nth(out, i64::from(value as i32), names::RESOURCES),
        Arg::Rlimit => structs::rlimit(out, value, mem),
        Arg::Iovec => structs::iovec(out, value, next, u64::MAX, mem),
        Arg::PollFds => structs::poll_fds(out, value, next, mem),
        Arg::SockAddr => structs::sockaddr(out, value, u64::from(next as u32), mem),
        Arg::Domain => name(out, i64::from(value as i32), names::DOMAINS),
        Arg::SockType => names::socket_type(out, value as u32),
        Arg::RandomFlags => bits(out, u64::from(value as u32), names::RANDOM, "0"),
        Arg::Ptr
        | Arg::Out
        | Arg::PathOut
        | Arg::SigSetOut
        | Arg::SigActionOut
        | Arg::TimespecOut
        | Arg::WaitStatus
        | Arg::RlimitOut
        | Arg::StatOut
        | Arg::UtsOut
        | Arg::Dirents
        | Arg::FdPair
        | Arg::IovecOut
        | Arg::SockAddrOut => pointer(out, value),
    }
}

/// Appends argument `i`, to which the call wrote and gave `result`.
pub(super) fn output(
    out: &mut String,
    arg: Arg,
    i: usize,
    args: &Args,
    result: u64,
    mem: &dyn UserMemory,
) {
    let value = args[i];
    let next = args.get(i + 1).copied().unwrap_or(0);
    match arg {
        Arg::Out => buffer(out, value, result, mem),
        Arg::PathOut => path(out, value, mem),
        Arg::SigSetOut => structs::sigset(out, value, mem),
        Arg::SigActionOut => structs::sigaction(out, value, mem),
        Arg::TimespecOut => structs::timespec(out, value, mem),
        // Nobody to tell of: wait4(2) with WNOHANG.
        Arg::WaitStatus if result == 0 => pointer(out, value),
        Arg::WaitStatus => structs::wait_status(out, value, mem),
        Arg::RlimitOut => structs::rlimit(out, value, mem),
        Arg::StatOut => structs::stat(out, value, mem),
        Arg::UtsOut => structs::uname(out, value, mem),
        Arg::Dirents => structs::dirents(out, value, result, mem),
        Arg::FdPair => structs::fd_pair(out, value, mem),
        Arg::IovecOut => structs::iovec(out, value, next, result, mem),
        Arg::SockAddrOut => match mem.read_obj::<u32>(Addr(next)) {
            Ok(len) if value != 0 => structs::sockaddr(out, value, len.into(), mem),
            _ => pointer(out, value),
        },
        other => input(out, other, i, args, mem),
    }
}

/// Appends the value of a call that succeeded.
pub(super) fn result(out: &mut String, name: &str, value: u64) {
    match name {
        "mmap" | "mremap" | "brk" | "shmat" => push(out, format_args!("{value:#x}")),
        "umask" => push(out, format_args!("0{value:o}")),
        _ if value > 0xffff_ffff => push(out, format_args!("{value:#x}")),
        _ => push(out, format_args!("{value}")),
    }
}
