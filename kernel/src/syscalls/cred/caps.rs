//! capget(2), capset(2).

use crate::{Args, Outcome, TaskCx};
use arch::{Addr, UserMemoryExt};
use syserr::Errno;
use vfs::cap;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `struct __user_cap_header_struct`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

/// `struct __user_cap_data_struct`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

const V1: u32 = 0x1998_0330;
const V2: u32 = 0x2007_1026;
const V3: u32 = 0x2008_0522;

/// Reads the header and says how many words of data there are.
fn header(cx: &TaskCx, at: u64) -> Result<(Header, usize), Errno> {
    let mut h: Header = cx.mm().read_obj(Addr(at))?;
    match h.version {
        V1 => Ok((h, 1)),
        V2 | V3 => Ok((h, 2)),
        _ => {
            h.version = V3;
            cx.mm().write_obj(Addr(at), &h)?;
            Err(Errno::EINVAL)
        }
    }
}

/// capget(2).
pub fn sys_capget(cx: &mut TaskCx, a: &Args) -> Outcome {
    get(cx, a).map(|()| 0).into()
}

fn get(cx: &TaskCx, a: &Args) -> Result<(), Errno> {
    let (h, words) = match header(cx, a[0]) {
        // Asking for the version alone is no error.
        Err(Errno::EINVAL) if a[1] == 0 => return Ok(()),
        r => r?,
    };
    if h.pid < 0 {
        return Err(Errno::EINVAL);
    }
    let creds = match h.pid {
        0 => cx.task.creds(),
        pid => cx.task.find(pid)?.creds(),
    };
    if a[1] == 0 {
        return Ok(());
    }
    for i in 0..words {
        let part = |v: u64| (v >> (32 * i)) as u32;
        let d = Data {
            effective: part(creds.effective),
            permitted: part(creds.permitted),
            inheritable: part(creds.inheritable),
        };
        let at = Addr(a[1]).wrapping_add((i * size_of::<Data>()) as u64);
        cx.mm().write_obj(at, &d)?;
    }
    Ok(())
}

/// capset(2).
pub fn sys_capset(cx: &mut TaskCx, a: &Args) -> Outcome {
    set(cx, a).map(|()| 0).into()
}

fn set(cx: &TaskCx, a: &Args) -> Result<(), Errno> {
    let (h, words) = header(cx, a[0])?;
    if h.pid != 0 && h.pid != cx.task.number() {
        return Err(Errno::EPERM);
    }
    let data: alloc::vec::Vec<Data> = cx.mm().read_vec(Addr(a[1]), words)?;
    let join = |f: fn(&Data) -> u32| {
        let bits = data.iter().enumerate().fold(0, |v, (i, d)| v | u64::from(f(d)) << (32 * i));
        bits & cap::ALL
    };
    let effective = join(|d| d.effective);
    let permitted = join(|d| d.permitted);
    let inheritable = join(|d| d.inheritable);
    let old = cx.task.creds();
    let grown = inheritable & !(old.inheritable | old.permitted) != 0;
    let outside = inheritable & !(old.inheritable | old.bounding) != 0;
    if (grown && !old.has_here(cap::SETPCAP))
        || outside
        || permitted & !old.permitted != 0
        || effective & !permitted != 0
    {
        return Err(Errno::EPERM);
    }
    let ambient = old.ambient & permitted & inheritable;
    cx.task.set_creds(vfs::Creds { effective, permitted, inheritable, ambient, ..(*old).clone() });
    Ok(())
}
