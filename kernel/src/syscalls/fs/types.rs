//! What older calls say of file systems: ustat(2), and sysfs(2) of their types.

use super::walk::{path, vfs};
use crate::proc::file_system_names;
use crate::{Args, Outcome, TaskCx};
use arch::{Addr, UserMemoryExt};
use syserr::Errno;
use zerocopy::{FromZeros, Immutable, IntoBytes};

/// `struct ustat`.
#[derive(FromZeros, IntoBytes, Immutable)]
#[repr(C)]
struct Ustat {
    tfree: i32,
    pad: u32,
    tinode: u64,
    fname: [u8; 6],
    fpack: [u8; 6],
    pad2: u32,
}
static_assertions::assert_eq_size!(Ustat, [u8; 32]);

/// ustat(2).
pub(crate) fn sys_ustat(cx: &mut TaskCx, a: &Args) -> Outcome {
    let r = (|| {
        let sb = vfs(cx).super_block(u64::from(a[0] as u32)).ok_or(Errno::EINVAL)?;
        let s = sb.root.statfs()?;
        let out = Ustat { tfree: s.bfree as i32, tinode: s.ffree, ..Ustat::new_zeroed() };
        cx.mm().write_obj(Addr(a[1]), &out).map(|()| 0)
    })();
    r.into()
}

/// sysfs(2): types by name and by number, and how many there are.
pub(crate) fn sys_sysfs(cx: &mut TaskCx, a: &Args) -> Outcome {
    let names = file_system_names(cx.kernel());
    let r = match a[0] as i32 {
        1 => path(cx, a[1]).and_then(|name| match name.as_slice() {
            [] => Err(Errno::ENOENT),
            name => position(&names, name),
        }),
        2 => match names.get(a[1] as u32 as usize) {
            Some(name) => {
                let out = [name.as_bytes(), b"\0"].concat();
                cx.put(a[2], &out).map(|()| 0)
            }
            None => Err(Errno::EINVAL),
        },
        3 => Ok(names.len() as u64),
        _ => Err(Errno::EINVAL),
    };
    r.into()
}

fn position(names: &[&str], name: &[u8]) -> Result<u64, Errno> {
    let at = names.iter().position(|n| n.as_bytes() == name);
    at.map(|i| i as u64).ok_or(Errno::EINVAL)
}
