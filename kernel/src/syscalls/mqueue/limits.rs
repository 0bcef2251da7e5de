//! What an IPC namespace lets its processes make of message queues: `fs.mqueue.*`; mq_overview(7).

use core::ops::RangeInclusive;
use core::sync::atomic::{AtomicI32, Ordering::Relaxed};
use syserr::Errno;
use vfs::proc::MqueueLimit;

/// The most messages and bytes of one for anybody (`HARD_MSGMAX`, `HARD_MSGSIZEMAX`).
const HARD: (i32, i32) = (65_536, 16 << 20);

/// Each with what it is at first and what it may become.
const LIMITS: [(i32, RangeInclusive<i32>); 5] = [
    (256, 0..=i32::MAX),
    (10, 1..=HARD.0),
    (10, 1..=HARD.0),
    (8192, 128..=HARD.1),
    (8192, 128..=HARD.1),
];

/// The limits.
pub(crate) struct Limits([AtomicI32; LIMITS.len()]);

impl Default for Limits {
    fn default() -> Limits {
        Limits(LIMITS.map(|(at_first, _)| AtomicI32::new(at_first)))
    }
}

fn place(limit: MqueueLimit) -> usize {
    match limit {
        MqueueLimit::QueuesMax => 0,
        MqueueLimit::MsgMax => 1,
        MqueueLimit::MsgDefault => 2,
        MqueueLimit::MsgSizeMax => 3,
        MqueueLimit::MsgSizeDefault => 4,
    }
}

impl Limits {
    /// A limit.
    pub(crate) fn get(&self, limit: MqueueLimit) -> i32 {
        self.0[place(limit)].load(Relaxed)
    }

    /// Changes it.
    ///
    /// # Errors
    /// `EINVAL`.
    pub(crate) fn set(&self, limit: MqueueLimit, to: i32) -> Result<(), Errno> {
        let at = place(limit);
        if !LIMITS[at].1.contains(&to) {
            return Err(Errno::EINVAL);
        }
        self.0[at].store(to, Relaxed);
        Ok(())
    }

    /// How many queues the unprivileged may make.
    pub(super) fn queues(&self) -> u64 {
        self.get(MqueueLimit::QueuesMax) as u64
    }

    /// The most messages of a queue, and bytes of one.
    pub(super) fn most(&self, privileged: bool) -> (i64, i64) {
        let (most, largest) = match privileged {
            true => HARD,
            false => (self.get(MqueueLimit::MsgMax), self.get(MqueueLimit::MsgSizeMax)),
        };
        (most.into(), largest.into())
    }

    /// Messages of a queue, and bytes of one, that says nothing of it.
    pub(super) fn usual(&self) -> (i64, i64) {
        let least = |a, b| i64::from(self.get(a).min(self.get(b)));
        (
            least(MqueueLimit::MsgDefault, MqueueLimit::MsgMax),
            least(MqueueLimit::MsgSizeDefault, MqueueLimit::MsgSizeMax),
        )
    }
}
