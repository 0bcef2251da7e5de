//! Settings of a thread that are stored and given back, and some that do something.

/// Who logged in, as audit knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub uid: u32,
    /// The session, counted from 1.
    pub session: u32,
}

impl Login {
    /// Nobody did.
    pub const UNSET: u32 = u32::MAX;
}

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
    /// What `SCHED_DEADLINE` was asked with.
    pub deadline: Deadline,
    /// Processors that it may run on, as a bit set of 64.
    pub affinity: u64,
    /// I/O priority, as ioprio_set(2) stores it.
    pub ioprio: u32,
    /// `PR_SET_TIMERSLACK`, in nanoseconds.
    pub timer_slack: u64,
    /// `PR_SET_PDEATHSIG`. Not inherited.
    pub parent_death_signal: u32,
    /// `PR_SET_THP_DISABLE`.
    pub thp_disable: bool,
    /// `PR_SET_IO_FLUSHER`.
    pub io_flusher: bool,
    /// `PR_MCE_KILL`, of which nothing follows: no memory is ever broken.
    pub mce_kill: u8,
    /// `/proc/PID/loginuid` and `sessionid`.
    pub login: Login,
    /// personality(2) bits.
    pub personality: u32,
    /// set_mempolicy(2).
    pub mempolicy: mm::NumaPolicy,
}

/// `SCHED_NORMAL`.
pub const SCHED_NORMAL: u32 = 0;
/// `SCHED_FIFO`.
pub const SCHED_FIFO: u32 = 1;
/// `SCHED_RR`.
pub const SCHED_RR: u32 = 2;
/// `SCHED_BATCH`.
pub const SCHED_BATCH: u32 = 3;
/// `SCHED_IDLE`.
pub const SCHED_IDLE: u32 = 5;
/// `SCHED_DEADLINE`.
pub const SCHED_DEADLINE: u32 = 6;

/// Parameters of `SCHED_DEADLINE`, in nanoseconds; sched(7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deadline {
    /// Processor time in each period.
    pub runtime: u64,
    /// By when it is to be had.
    pub deadline: u64,
    /// The period; 0 stands for the deadline.
    pub period: u64,
    /// `SCHED_FLAG_RECLAIM` and `SCHED_FLAG_DL_OVERRUN`.
    pub flags: u64,
}

impl Deadline {
    /// Whether the parameters go together (`__checkparam_dl`).
    pub fn is_valid(&self) -> bool {
        let period = if self.period == 0 { self.deadline } else { self.period };
        let signs = (self.deadline | self.period) >> 63;
        self.runtime >= 1 << 10
            && signs == 0
            && self.runtime <= self.deadline
            && self.deadline <= period
            && (100_000..=(1 << 22) * 1000).contains(&period)
    }
}

/// `PR_SET_TIMERSLACK`'s default, in nanoseconds.
pub const DEFAULT_TIMER_SLACK: u64 = 50_000;
/// `PR_MCE_KILL_DEFAULT`.
pub const MCE_KILL_DEFAULT: u8 = 2;

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            nice: 0,
            scheduler: 0,
            priority: 0,
            reset_on_fork: false,
            deadline: Deadline::default(),
            affinity: u64::MAX,
            ioprio: 0,
            timer_slack: DEFAULT_TIMER_SLACK,
            parent_death_signal: 0,
            thp_disable: false,
            io_flusher: false,
            login: Login { uid: Login::UNSET, session: Login::UNSET },
            mce_kill: MCE_KILL_DEFAULT,
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
            if matches!(p.scheduler, SCHED_FIFO | SCHED_RR | SCHED_DEADLINE) {
                p.scheduler = SCHED_NORMAL;
                p.priority = 0;
            }
            p.nice = p.nice.max(0);
        }
        p
    }
}
