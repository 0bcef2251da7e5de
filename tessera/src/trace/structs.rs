//! Structures that system calls read and write, as x86-64 lays them out.

use super::names::{self, bits, name, signal, signal_set};
use super::text::{self, buffer, object, pointer, push, quoted};
use arch::{Addr, UserMemory, UserMemoryExt};

/// Appends an array: `[member, member]`.
fn array<T: zerocopy::FromBytes + zerocopy::IntoBytes>(
    out: &mut String,
    at: u64,
    n: u64,
    mem: &dyn UserMemory,
    mut show: impl FnMut(&mut String, T),
) {
    if at == 0 {
        return out.push_str("NULL");
    }
    out.push('[');
    for i in 0..n {
        if i > 0 {
            out.push_str(", ");
        }
        let at = Addr(at).wrapping_add(i * size_of::<T>() as u64);
        match mem.read_obj::<T>(at) {
            Ok(value) if i < text::MEMBERS => show(out, value),
            Ok(_) => {
                out.push_str("...");
                break;
            }
            Err(_) => {
                pointer(out, at.0);
                break;
            }
        }
    }
    out.push(']');
}

pub(super) fn timespec(out: &mut String, at: u64, mem: &dyn UserMemory) {
    object(out, at, mem, |out, [s, ns]: [i64; 2]| {
        push(out, format_args!("{{tv_sec={s}, tv_nsec={ns}}}"));
    });
}

pub(super) fn rlimit(out: &mut String, at: u64, mem: &dyn UserMemory) {
    let one = |out: &mut String, v: u64| match v {
        u64::MAX => out.push_str("RLIM64_INFINITY"),
        v if v > 1024 && v.is_multiple_of(1024) => push(out, format_args!("{}*1024", v / 1024)),
        v => push(out, format_args!("{v}")),
    };
    object(out, at, mem, |out, [cur, max]: [u64; 2]| {
        out.push_str("{rlim_cur=");
        one(out, cur);
        out.push_str(", rlim_max=");
        one(out, max);
        out.push('}');
    });
}

/// `struct stat`: the type and permission bits, and the size or device.
pub(super) fn stat(out: &mut String, at: u64, mem: &dyn UserMemory) {
    const TYPES: &[(i64, &str)] = &[
        (0o140000, "S_IFSOCK"),
        (0o120000, "S_IFLNK"),
        (0o100000, "S_IFREG"),
        (0o060000, "S_IFBLK"),
        (0o040000, "S_IFDIR"),
        (0o020000, "S_IFCHR"),
        (0o010000, "S_IFIFO"),
    ];
    const SPECIAL: &[(u64, &str)] =
        &[(0o4000, "S_ISUID|"), (0o2000, "S_ISGID|"), (0o1000, "S_ISVTX|")];
    object(out, at, mem, |out, words: [u64; 18]| {
        let (mode, rdev, size) = (words[3] as u32, words[5], words[6] as i64);
        out.push_str("{st_mode=");
        name(out, i64::from(mode & 0o170000), TYPES);
        out.push('|');
        for (_, name) in SPECIAL.iter().filter(|(bit, _)| u64::from(mode) & bit != 0) {
            out.push_str(name);
        }
        push(out, format_args!("{:04o}, ", mode & 0o777));
        if matches!(mode & 0o170000, 0o020000 | 0o060000) {
            let (major, minor) = vfs::split_dev(rdev);
            push(out, format_args!("st_rdev=makedev({major:#x}, {minor:#x}), ...}}"));
        } else {
            push(out, format_args!("st_size={size}, ...}}"));
        }
    });
}

pub(super) fn uname(out: &mut String, at: u64, mem: &dyn UserMemory) {
    let field = |out: &mut String, i: u64| match mem.read_cstr(Addr(at).wrapping_add(65 * i), 65) {
        Ok(bytes) => quoted(out, &bytes, false),
        Err(_) => pointer(out, at),
    };
    out.push_str("{sysname=");
    field(out, 0);
    out.push_str(", nodename=");
    field(out, 1);
    out.push_str(", ...}");
}

/// How many entries `len` bytes of `struct linux_dirent64` hold.
pub(super) fn dirents(out: &mut String, at: u64, len: u64, mem: &dyn UserMemory) {
    const RECLEN: u64 = 16;
    let (mut n, mut done) = (0, 0);
    while done < len {
        let reclen = mem.read_obj::<u16>(Addr(at).wrapping_add(done + RECLEN));
        let Some(reclen) = reclen.ok().filter(|r| *r > 0) else { break };
        done += u64::from(reclen);
        n += 1;
    }
    pointer(out, at);
    push(out, format_args!(" /* {n} entries */"));
}

pub(super) fn fd_pair(out: &mut String, at: u64, mem: &dyn UserMemory) {
    object(out, at, mem, |out, [a, b]: [i32; 2]| push(out, format_args!("[{a}, {b}]")));
}

/// Appends `n` buffers; of their bytes, `filled` were written by the call.
pub(super) fn iovec(out: &mut String, at: u64, n: u64, filled: u64, mem: &dyn UserMemory) {
    let mut left = filled;
    array(out, at, n, mem, |out, [base, len]: [u64; 2]| {
        out.push_str("{iov_base=");
        buffer(out, base, len.min(left), mem);
        left -= len.min(left);
        push(out, format_args!(", iov_len={len}}}"));
    });
}

pub(super) fn poll_fds(out: &mut String, at: u64, n: u64, mem: &dyn UserMemory) {
    array(out, at, n, mem, |out, [fd, events]: [i32; 2]| {
        push(out, format_args!("{{fd={fd}, events="));
        bits(out, u64::from(events as u16), names::POLL, "0");
        out.push('}');
    });
}

pub(super) fn sigset(out: &mut String, at: u64, mem: &dyn UserMemory) {
    object(out, at, mem, |out, set: u64| signal_set(out, set));
}

pub(super) fn sigaction(out: &mut String, at: u64, mem: &dyn UserMemory) {
    object(out, at, mem, |out, [handler, flags, restorer, mask]: [u64; 4]| {
        out.push_str("{sa_handler=");
        match handler {
            0 => out.push_str("SIG_DFL"),
            1 => out.push_str("SIG_IGN"),
            at => pointer(out, at),
        }
        out.push_str(", sa_mask=");
        signal_set(out, mask);
        out.push_str(", sa_flags=");
        bits(out, flags, names::SA_FLAGS, "0");
        if flags & 0x0400_0000 != 0 {
            push(out, format_args!(", sa_restorer={restorer:#x}"));
        }
        out.push('}');
    });
}

/// What the macros of wait(2) say of a status.
pub(super) fn wait_status(out: &mut String, at: u64, mem: &dyn UserMemory) {
    object(out, at, mem, |out, status: u32| {
        let (low, high) = (i64::from(status & 0x7f), i64::from(status >> 8 & 0xff));
        match low {
            0 => push(out, format_args!("[{{WIFEXITED(s) && WEXITSTATUS(s) == {high}}}]")),
            0x7f if status == 0xffff => out.push_str("[{WIFCONTINUED(s)}]"),
            0x7f => {
                out.push_str("[{WIFSTOPPED(s) && WSTOPSIG(s) == ");
                signal(out, high);
                out.push_str("}]");
            }
            _ => {
                out.push_str("[{WIFSIGNALED(s) && WTERMSIG(s) == ");
                signal(out, low);
                out.push_str("}]");
            }
        }
    });
}

/// A socket address of `len` bytes.
pub(super) fn sockaddr(out: &mut String, at: u64, len: u64, mem: &dyn UserMemory) {
    let mut bytes = vec![0; len.min(128) as usize];
    let read = mem.copy_in(Addr(at), &mut bytes, arch::Permissions::Obey);
    let (Ok(()), [low, high, rest @ ..]) = (read, &bytes[..]) else { return pointer(out, at) };
    out.push_str("{sa_family=");
    let family = i64::from(u16::from_le_bytes([*low, *high]));
    name(out, family, names::DOMAINS);
    match (family, rest) {
        (1, [0, abstract_name @ ..]) => {
            out.push_str(", sun_path=@");
            quoted(out, abstract_name, false);
        }
        (1, path) if !path.is_empty() => {
            out.push_str(", sun_path=");
            quoted(out, path.split(|b| *b == 0).next().unwrap_or_default(), false);
        }
        (2, [p1, p2, a, b, c, d, ..]) => {
            let port = u16::from_be_bytes([*p1, *p2]);
            push(out, format_args!(", sin_port=htons({port}), "));
            push(out, format_args!("sin_addr=inet_addr(\"{a}.{b}.{c}.{d}\")"));
        }
        (10, [p1, p2, _, _, _, _, rest @ ..]) if rest.len() >= 16 => {
            let port = u16::from_be_bytes([*p1, *p2]);
            let addr = <[u8; 16]>::try_from(&rest[..16]).unwrap_or_default();
            let addr = std::net::Ipv6Addr::from(addr);
            push(out, format_args!(", sin6_port=htons({port}), sin6_addr=\"{addr}\""));
        }
        _ => {}
    }
    out.push('}');
}
