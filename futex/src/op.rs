//! Decoding futex(2).

use crate::abi::{CLOCK_REALTIME_FLAG, MATCH_ANY, PRIVATE_FLAG, cmd};
use crate::key::Scope;
use crate::manager::Manager;
use crate::pi::{PiTask, Step};
use crate::requeue::{Counts, Word};
use crate::slot::Waiter;
use crate::target::Target;
use crate::wait::Outcome;
use arch::Addr;
use syserr::{Errno, Restart};

/// A clock that a deadline refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// `CLOCK_MONOTONIC`.
    Monotonic,
    /// `CLOCK_REALTIME`.
    Realtime,
}

/// What the fourth argument of futex(2) is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeout {
    /// Not a timeout: a count, or nothing.
    NotUsed,
    /// The address of a `timespec` (0: for ever) with the time to wait, on `CLOCK_MONOTONIC`.
    Relative,
    /// The address of a `timespec` (0: for ever) with the time at which to stop.
    Absolute(Clock),
}

impl Timeout {
    /// How the fourth argument of `op` is meant. Linux reads and checks the timeout (`EFAULT`,
    /// `EINVAL`) before it checks anything else, so this knows no error. Source:
    /// `futex_cmd_has_timeout`, `futex_init_timeout`.
    pub fn of(op: u32) -> Timeout {
        let realtime = op & CLOCK_REALTIME_FLAG != 0;
        match op & !(PRIVATE_FLAG | CLOCK_REALTIME_FLAG) {
            cmd::WAIT => Timeout::Relative,
            cmd::LOCK_PI => Timeout::Absolute(Clock::Realtime),
            cmd::WAIT_BITSET | cmd::WAIT_REQUEUE_PI | cmd::LOCK_PI2 if realtime => {
                Timeout::Absolute(Clock::Realtime)
            }
            cmd::WAIT_BITSET | cmd::WAIT_REQUEUE_PI | cmd::LOCK_PI2 => {
                Timeout::Absolute(Clock::Monotonic)
            }
            _ => Timeout::NotUsed,
        }
    }
}

/// The six arguments of futex(2), as they are in the registers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Args {
    /// Address of the first word.
    pub uaddr: Addr,
    /// Operation and flags.
    pub op: u32,
    /// Expected value, or count.
    pub val: u32,
    /// Address of a timeout (see [`Timeout::of`]), or a second count.
    pub val2: u64,
    /// Address of the second word.
    pub uaddr2: Addr,
    /// Bitset, expected value, or encoded operation.
    pub val3: u32,
}

/// A decoded operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "variants and fields are the operations and arguments of futex(2)")]
pub enum Op {
    Wait { on: Word, val: u32, bitset: u32 },
    Wake { on: Word, n: i32, bitset: u32 },
    Requeue { from: Word, to: Word, counts: Counts, expected: Option<u32> },
    WakeOp { on: Word, on2: Addr, n: i32, n2: i32, op: u32 },
    LockPi { on: Word },
    TrylockPi { on: Word },
    UnlockPi { on: Word },
    WaitRequeuePi { on: Word, to: Word, val: u32, bitset: u32 },
    CmpRequeuePi { from: Word, to: Word, counts: Counts, expected: u32 },
}

impl Op {
    /// Decodes a call. Source: `do_futex` in `kernel/futex/syscalls.c`.
    ///
    /// # Errors
    /// `ENOSYS` for an unknown operation, and for `FUTEX_CLOCK_REALTIME` on an operation that
    /// does not take it.
    pub fn decode(a: &Args) -> Result<Op, Errno> {
        let command = a.op & !(PRIVATE_FLAG | CLOCK_REALTIME_FLAG);
        let takes_clock = [cmd::WAIT_BITSET, cmd::WAIT_REQUEUE_PI, cmd::LOCK_PI2];
        if a.op & CLOCK_REALTIME_FLAG != 0 && !takes_clock.contains(&command) {
            return Err(Errno::ENOSYS);
        }
        let scope = if a.op & PRIVATE_FLAG != 0 { Scope::Private } else { Scope::Shared };
        let (on, to) = (Word { addr: a.uaddr, scope }, Word { addr: a.uaddr2, scope });
        let (n, n2) = (a.val as i32, a.val2 as i32);
        let counts = Counts { wake: n, requeue: n2 };
        Ok(match command {
            cmd::WAIT => Op::Wait { on, val: a.val, bitset: MATCH_ANY },
            cmd::WAIT_BITSET => Op::Wait { on, val: a.val, bitset: a.val3 },
            cmd::WAKE => Op::Wake { on, n, bitset: MATCH_ANY },
            cmd::WAKE_BITSET => Op::Wake { on, n, bitset: a.val3 },
            cmd::REQUEUE => Op::Requeue { from: on, to, counts, expected: None },
            cmd::CMP_REQUEUE => Op::Requeue { from: on, to, counts, expected: Some(a.val3) },
            cmd::WAKE_OP => Op::WakeOp { on, on2: a.uaddr2, n, n2, op: a.val3 },
            cmd::LOCK_PI | cmd::LOCK_PI2 => Op::LockPi { on },
            cmd::TRYLOCK_PI => Op::TrylockPi { on },
            cmd::UNLOCK_PI => Op::UnlockPi { on },
            cmd::WAIT_REQUEUE_PI => Op::WaitRequeuePi { on, to, val: a.val, bitset: MATCH_ANY },
            cmd::CMP_REQUEUE_PI => Op::CmpRequeuePi { from: on, to, counts, expected: a.val3 },
            _ => return Err(Errno::ENOSYS),
        })
    }

    /// How an interrupted call of this operation goes on; `timed` tells whether it had a timeout.
    ///
    /// With [`Restart::Block`], the restart block holds the decoded operation and the deadline as
    /// an absolute time.
    ///
    /// # Errors
    /// The call's result when it is not restarted: that of a wait that had ended, or `EAGAIN` for
    /// a waiter that was requeued to a PI futex, which a restart would tell just that.
    pub fn interrupted(
        &self,
        outcome: Outcome,
        timed: bool,
    ) -> Result<Restart, Result<u32, Errno>> {
        match (outcome, self) {
            (Outcome::Finished(r), _) => Err(r),
            (Outcome::WithdrawnRequeued, _) => Err(Err(Errno::EAGAIN)),
            (Outcome::Withdrawn, Op::Wait { .. }) if timed => Ok(Restart::Block),
            (Outcome::Withdrawn, Op::Wait { .. }) => Ok(Restart::Sys),
            (Outcome::Withdrawn, _) => Ok(Restart::NoIntr),
        }
    }
}

impl Manager {
    /// Performs a decoded operation for `task`.
    ///
    /// # Errors
    /// Those of the operation.
    pub fn execute<'a, T: Target>(
        &'a self,
        waiter: &'a mut Waiter,
        target: T,
        task: PiTask,
        op: &Op,
    ) -> Result<Step<'a, T>, Errno> {
        let done = match *op {
            Op::Wait { on, val, bitset } => {
                let wait = self.wait_bitset(waiter, target, on.addr, on.scope, val, bitset)?;
                return Ok(Step::Block(wait));
            }
            Op::WaitRequeuePi { on, to, val, bitset } => {
                let wait = self.wait_requeue_pi(waiter, target, on, to, val, bitset, task)?;
                return Ok(Step::Block(wait));
            }
            Op::LockPi { on } => return self.lock_pi(waiter, target, on.addr, on.scope, task),
            Op::TrylockPi { on } => self.trylock_pi(target, on.addr, on.scope, task),
            Op::UnlockPi { on } => self.unlock_pi(target, on.addr, on.scope, task),
            Op::Wake { on, n, bitset } => self.wake_bitset(target, on.addr, on.scope, n, bitset),
            Op::WakeOp { on, on2, n, n2, op } => {
                self.wake_op(target, on.addr, on2, on.scope, n, n2, op)
            }
            Op::Requeue { from, to, counts, expected } => {
                self.requeue(target, from, to, counts, expected)
            }
            Op::CmpRequeuePi { from, to, counts, expected } => {
                self.cmp_requeue_pi(target, from, to, counts, expected)
            }
        };
        done.map(Step::Done)
    }
}
