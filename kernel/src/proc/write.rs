//! Files of `/proc` that can be written.

use crate::{Comm, Kernel, Task};
use syserr::Errno;
use vfs::proc::{SystemFile, TaskFile};

/// `oom_score_adj` of a task that was given one.
pub(super) const OOM: &str = "oom_score_adj";
/// `coredump_filter` of a task that was given one.
pub(super) const COREDUMP: &str = "coredump_filter";

fn number(text: &[u8]) -> Result<i64, Errno> {
    let text = core::str::from_utf8(text).map_err(|_| Errno::EINVAL)?.trim();
    let n = match text.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    n.map_err(|_| Errno::EINVAL)
}

pub(super) fn task(task: &Task, file: TaskFile, text: &[u8]) -> Result<(), Errno> {
    match file {
        TaskFile::Comm => {
            let name = text.strip_suffix(b"\n").unwrap_or(text);
            task.set_comm(Comm::new(name));
            Ok(())
        }
        TaskFile::OomScoreAdj => {
            let n = number(text)?;
            if !(-1000..=1000).contains(&n) {
                return Err(Errno::EINVAL);
            }
            task.aux(|a| a.insert(OOM, n));
            Ok(())
        }
        TaskFile::OomAdj => {
            let n = number(text)?;
            if !(-17..=15).contains(&n) {
                return Err(Errno::EINVAL);
            }
            task.aux(|a| a.insert(OOM, if n == 15 { 1000 } else { n * 1000 / 17 }));
            Ok(())
        }
        TaskFile::CoredumpFilter => {
            let n = number(text)?;
            task.aux(|a| a.insert(COREDUMP, n & 0x1ff));
            Ok(())
        }
        TaskFile::TimerslackNs => {
            let n = u64::try_from(number(text)?).map_err(|_| Errno::EINVAL)?;
            let default = crate::task::DEFAULT_TIMER_SLACK;
            task.policy.lock().timer_slack = if n == 0 { default } else { n };
            Ok(())
        }
        // A session that audit does not know of cannot be changed.
        TaskFile::Loginuid => Err(Errno::EPERM),
        _ => Err(Errno::EINVAL),
    }
}

/// Longest name of the system; `__NEW_UTS_LEN`.
const NAME_MAX: usize = 64;

pub(super) fn system(kernel: &Kernel, file: SystemFile, text: &[u8]) -> Result<(), Errno> {
    let name = text.strip_suffix(b"\n").unwrap_or(text);
    let name = name.get(..NAME_MAX).unwrap_or(name).to_vec();
    match file {
        SystemFile::Hostname => kernel.set_uts(|u| u.host = name),
        SystemFile::Domainname => kernel.set_uts(|u| u.domain = name),
        SystemFile::LeaseBreakTime => {
            let seconds = i32::try_from(number(text)?).map_err(|_| Errno::EINVAL)?;
            let seconds = u32::try_from(seconds).map_err(|_| Errno::EINVAL)?;
            kernel.vfs().lease_rules().set_break_time(seconds);
        }
        // Settings that nothing here depends on are the same whatever is written.
        SystemFile::Fixed(_) => {}
        _ => return Err(Errno::EPERM),
    }
    Ok(())
}
