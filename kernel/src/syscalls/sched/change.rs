//! Changing how a task is scheduled: what goes together, and who may.

use super::may_set_policy;
use crate::task::{
    Deadline, Policy, SCHED_BATCH, SCHED_DEADLINE, SCHED_FIFO, SCHED_IDLE, SCHED_NORMAL, SCHED_RR,
};
use crate::{Resource, Task, TaskCx};
use syserr::Errno;
use vfs::cap;

/// Whether a policy has real-time priorities.
pub(super) fn is_realtime(policy: u32) -> bool {
    matches!(policy, SCHED_FIFO | SCHED_RR)
}

fn is_fair(policy: u32) -> bool {
    matches!(policy, SCHED_NORMAL | SCHED_BATCH)
}

/// What a task is to be given.
pub(super) struct Change {
    /// `SCHED_*`; `None` leaves it, and whether it is reset on fork.
    pub(super) policy: Option<u32>,
    pub(super) priority: u32,
    pub(super) nice: i32,
    pub(super) deadline: Deadline,
    pub(super) reset_on_fork: bool,
}

impl Change {
    /// `__sched_setscheduler`.
    ///
    /// # Errors
    /// `EINVAL` for what does not go together; `EPERM`.
    pub(super) fn apply(self, cx: &TaskCx, task: &Task) -> Result<(), Errno> {
        let mut p = task.policy.lock();
        let policy = self.policy.unwrap_or(p.scheduler);
        let known =
            is_fair(policy) || is_realtime(policy) || matches!(policy, SCHED_IDLE | SCHED_DEADLINE);
        let reset = if self.policy.is_some() { self.reset_on_fork } else { p.reset_on_fork };
        if !known
            || self.priority > 99
            || policy == SCHED_DEADLINE && !self.deadline.is_valid()
            || is_realtime(policy) != (self.priority != 0)
        {
            return Err(Errno::EINVAL);
        }
        if self.needs_privilege(task, &p, policy, reset) && !cx.task.creds().has(cap::SYS_NICE) {
            return Err(Errno::EPERM);
        }
        may_set_policy(cx, task)?;
        p.scheduler = policy;
        p.priority = self.priority;
        p.reset_on_fork = reset;
        if policy == SCHED_DEADLINE {
            let period = self.deadline.period;
            let period = if period == 0 { self.deadline.deadline } else { period };
            p.deadline = Deadline { period, ..self.deadline };
        } else if !is_realtime(policy) {
            p.nice = self.nice;
        }
        Ok(())
    }

    /// What takes `CAP_SYS_NICE` (`user_check_sched_setscheduler`).
    fn needs_privilege(&self, task: &Task, old: &Policy, policy: u32, reset: bool) -> bool {
        let rises_to = |nice: i32| i64::from(20 - nice) > task.limit(Resource::Nice).0 as i64;
        let limit = task.limit(Resource::Rtprio).0;
        let more = self.priority > old.priority && u64::from(self.priority) > limit;
        is_fair(policy) && self.nice < old.nice && rises_to(self.nice)
            || is_realtime(policy) && (policy != old.scheduler && limit == 0 || more)
            || policy == SCHED_DEADLINE
            || old.scheduler == SCHED_IDLE && policy != SCHED_IDLE && rises_to(old.nice)
            || old.reset_on_fork && !reset
    }
}
