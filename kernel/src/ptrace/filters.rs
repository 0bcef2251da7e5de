//! What a tracer may know of a task's seccomp(2) filters, to save and restore them.

use super::request::SECCOMP_GET_FILTER;
use crate::Task;
use crate::task::TaskCx;
use arch::{Addr, UserMemoryExt};
use syserr::Errno;
use vfs::cap;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `struct seccomp_metadata`.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Metadata {
    filter_off: u64,
    flags: u64,
}
static_assertions::const_assert_eq!(size_of::<Metadata>(), 16);

/// `SECCOMP_FILTER_FLAG_LOG`.
const LOG: u64 = 2;

/// `PTRACE_SECCOMP_GET_FILTER`, `PTRACE_SECCOMP_GET_METADATA`.
pub(super) fn get(
    cx: &TaskCx,
    task: &Task,
    request: u64,
    addr: u64,
    data: u64,
) -> Result<u64, Errno> {
    if !cx.task.creds().has(cap::SYS_ADMIN) || !cx.task.seccomp.lock().is_empty() {
        return Err(Errno::EACCES);
    }
    if request == SECCOMP_GET_FILTER {
        let filter = task.seccomp.lock().filter(addr)?;
        let code = filter.program.code();
        if data != 0 {
            cx.put(data, code.as_bytes())?;
        }
        return Ok(code.len() as u64);
    }
    let size = addr.min(size_of::<Metadata>() as u64);
    if size < 8 {
        return Err(Errno::EINVAL);
    }
    let filter_off = cx.mm().read_obj(Addr(data))?;
    let filter = task.seccomp.lock().filter(filter_off)?;
    let out = Metadata { filter_off, flags: if filter.log { LOG } else { 0 } };
    cx.put(data, out.as_bytes().get(..size as usize).unwrap_or_default())?;
    Ok(size)
}
