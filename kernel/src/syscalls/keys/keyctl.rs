//! Which operation of keyctl(2) does what.

use super::{manage, read};
use crate::{Args, Outcome, TaskCx};
use syserr::Errno;

/// keyctl(2).
pub(crate) fn sys_keyctl(cx: &mut TaskCx, a: &Args) -> Outcome {
    let [_, x, y, z, w, _] = *a;
    let (id, other) = (x as i32, y as i32);
    let done = match a[0] as i32 {
        0 => read::id(cx, id, y != 0),
        1 => manage::join(cx, x),
        2 => manage::update(cx, id, y, z),
        3 => manage::revoke(cx, id),
        4 => manage::chown(cx, id, y as u32, z as u32),
        5 => manage::set_permissions(cx, id, y as u32),
        6 => read::describe(cx, id, y, z),
        7 => manage::clear(cx, id),
        8 => manage::link(cx, id, other),
        9 => manage::unlink(cx, id, other),
        10 => read::search(cx, id, y, z, w as i32),
        11 => read::read(cx, id, y, z),
        // Instantiating, negating and rejecting take an authority that nobody is given.
        12 | 13 | 19 | 20 => Err(Errno::EPERM),
        14 => manage::set_default(cx, id),
        15 => manage::set_timeout(cx, id, y as u32),
        16 if id < 0 => Err(Errno::EINVAL),
        16 if id == 0 => Ok(0),
        16 => Err(Errno::ENOKEY),
        17 => read::security(cx, id, y, z),
        18 => manage::session_to_parent(cx),
        21 => manage::invalidate(cx, id),
        29 => manage::restrict(cx, id, y, z),
        30 => manage::relink(cx, id, other, z as i32, w as u32),
        31 => read::capabilities(cx, x, y),
        _ => Err(Errno::EOPNOTSUPP),
    };
    done.into()
}
