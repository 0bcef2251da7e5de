//! Settings of a thread that are stored and given back, and some that do something.

/// Scheduling, prctl(2) and personality(2) state. Inherited by clone(2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Nice value, `-20..=19`.
    pub nice: i32,
    /// `SCHED_*` policy.
    pub scheduler: u32,
    /// Real-time priority, `0..=99`.
    pub priority: u32,
    /// `SCHED_FLAG_RESET_ON_FORK`.
    pub reset_on_fork: bool,
    /// Processors that it may run on, as a bit set of 64.
    pub affinity: u64,
    /// I/O priority, as ioprio_set(2) stores it.
    pub ioprio: u32,
    /// `PR_SET_TIMERSLACK`, in nanoseconds.
    pub timer_slack: u64,
    /// `PR_SET_PDEATHSIG`. Not inherited.
    pub parent_death_signal: u32,
    /// `PR_SET_KEEPCAPS`. Cleared by execve(2).
    pub keep_caps: bool,
    /// `PR_SET_THP_DISABLE`.
    pub thp_disable: bool,
    /// personality(2) bits.
    pub personality: u32,
    /// set_mempolicy(2).
    pub mempolicy: mm::NumaPolicy,
}

/// `PR_SET_TIMERSLACK`'s default, in nanoseconds.
pub const DEFAULT_TIMER_SLACK: u64 = 50_000;

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            nice: 0,
            scheduler: 0,
            priority: 0,
            reset_on_fork: false,
            affinity: u64::MAX,
            ioprio: 0,
            timer_slack: DEFAULT_TIMER_SLACK,
            parent_death_signal: 0,
            keep_caps: false,
            thp_disable: false,
            personality: 0,
            mempolicy: mm::NumaPolicy::default(),
        }
    }
}

impl Policy {
    /// What a new task gets.
    pub fn inherit(&self) -> Policy {
        let mut p = Policy { parent_death_signal: 0, ..self.clone() };
        if p.reset_on_fork {
            p.reset_on_fork = false;
            if p.scheduler == 1 || p.scheduler == 2 {
                p.scheduler = 0;
                p.priority = 0;
            }
            p.nice = p.nice.max(0);
        }
        p
    }
}
