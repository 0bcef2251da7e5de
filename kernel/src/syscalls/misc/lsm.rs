//! Security modules: there are capabilities and Landlock, which have no attributes; lsm_list_modules(2),
//! lsm_get_self_attr(2), lsm_set_self_attr(2).

use crate::{Args, Outcome, TaskCx};
use alloc::vec::Vec;
use arch::{Addr, PAGE_SIZE, UserMemoryExt};
use syserr::Errno;

/// `LSM_ID_CAPABILITY` and `LSM_ID_LANDLOCK`.
const MODULES: [u64; 2] = [100, 110];
const SIZE: u32 = size_of::<[u64; 2]>() as u32;

/// `struct lsm_ctx` without its context: ID, flags, length of all, length of the context.
type Head = [u64; 4];
const HEAD: u64 = size_of::<Head>() as u64;

/// lsm_list_modules(2).
pub fn sys_lsm_list_modules(cx: &mut TaskCx, a: &Args) -> Outcome {
    let r = (|| {
        if a[2] as u32 != 0 {
            return Err(Errno::EINVAL);
        }
        let size: u32 = cx.mm().read_obj(Addr(a[1]))?;
        cx.mm().write_obj(Addr(a[1]), &SIZE)?;
        if size < SIZE {
            return Err(Errno::E2BIG);
        }
        cx.mm().write_obj(Addr(a[0]), &MODULES)?;
        Ok(MODULES.len() as u64)
    })();
    r.into()
}

/// lsm_get_self_attr(2): no module has attributes.
pub fn sys_lsm_get_self_attr(cx: &mut TaskCx, a: &Args) -> Outcome {
    get(cx, a).into()
}

fn get(cx: &TaskCx, a: &Args) -> Result<u64, Errno> {
    const SINGLE: u32 = 1;
    let [attr, ctx, size, flags, ..] = *a;
    if attr as u32 == 0 || size == 0 {
        return Err(Errno::EINVAL);
    }
    let _: u32 = cx.mm().read_obj(Addr(size))?;
    match flags as u32 {
        0 => {}
        SINGLE if ctx != 0 => {
            let [id, ..]: Head = cx.mm().read_obj(Addr(ctx))?;
            if id == 0 {
                return Err(Errno::EINVAL);
            }
        }
        _ => return Err(Errno::EINVAL),
    }
    cx.mm().write_obj(Addr(size), &0u32)?;
    Err(Errno::EOPNOTSUPP)
}

/// lsm_set_self_attr(2).
pub fn sys_lsm_set_self_attr(cx: &mut TaskCx, a: &Args) -> Outcome {
    set(cx, a).into()
}

fn set(cx: &TaskCx, a: &Args) -> Result<u64, Errno> {
    let size = u64::from(a[2] as u32);
    if a[3] as u32 != 0 || size < HEAD {
        return Err(Errno::EINVAL);
    }
    if size > PAGE_SIZE {
        return Err(Errno::E2BIG);
    }
    // What is behind the head has to be readable and says nothing.
    let _: Vec<u8> = cx.mm().read_vec(Addr(a[1]), size as usize)?;
    let [_, _, len, ctx_len]: Head = cx.mm().read_obj(Addr(a[1]))?;
    match ctx_len.checked_add(HEAD) {
        Some(needed) if needed <= len && len <= size => Err(Errno::EOPNOTSUPP),
        _ => Err(Errno::EINVAL),
    }
}
