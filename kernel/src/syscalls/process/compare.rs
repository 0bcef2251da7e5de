//! kcmp(2), ptrace(2).

use super::may_inspect;
use crate::{Args, Outcome, Task, TaskCx};
use alloc::sync::Arc;
use syserr::Errno;

/// kcmp(2): whether two processes share something. Order is that of addresses, as in Linux, but
/// without its obfuscation: addresses are not given away, only compared.
pub fn sys_kcmp(cx: &mut TaskCx, a: &Args) -> Outcome {
    compare(cx, a).into()
}

fn compare(cx: &TaskCx, a: &Args) -> Result<u64, Errno> {
    let one = cx.task.find(a[0] as i32)?;
    let two = cx.task.find(a[1] as i32)?;
    may_inspect(&cx.task, &one)?;
    may_inspect(&cx.task, &two)?;
    let key = |t: &Arc<Task>, index: u64| -> Result<usize, Errno> {
        Ok(match a[2] as i32 {
            // KCMP_FILE, VM, FILES, FS, SIGHAND.
            0 => Arc::as_ptr(&t.files().get(index as i32)?).addr(),
            1 => t.mm().map_or(0, |m| Arc::as_ptr(&m).addr()),
            2 => Arc::as_ptr(&t.files()).addr(),
            3 => Arc::as_ptr(&t.fs()).addr(),
            4 => Arc::as_ptr(&t.group_ref().lock().handlers).addr(),
            // KCMP_IO and KCMP_SYSVSEM: nobody has any.
            5 | 6 => 0,
            _ => return Err(Errno::EINVAL),
        })
    };
    Ok(match key(&one, a[3])?.cmp(&key(&two, a[4])?) {
        core::cmp::Ordering::Equal => 0,
        core::cmp::Ordering::Less => 1,
        core::cmp::Ordering::Greater => 2,
    })
}

/// ptrace(2).
pub fn sys_ptrace(cx: &mut TaskCx, a: &Args) -> Outcome {
    crate::ptrace::request(cx, a)
}
