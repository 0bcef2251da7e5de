//! poll(2) and ppoll(2).

use super::time::{Remaining, Timeout};
use super::watch::{Watched, scan, wait};
use crate::block::Blocked;
use crate::restart::RestartBlock;
use crate::syscalls::fs::flat;
use crate::{Args, ClockId, Outcome, Resource, TaskCx};
use alloc::boxed::Box;
use alloc::vec::Vec;
use arch::{Addr, UserMemoryExt};
use mm::MemoryManager;
use sync::waitq::Events;
use syserr::{Errno, Restart};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// `struct pollfd`; poll(2).
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct PollFd {
    fd: i32,
    events: i16,
    revents: i16,
}
static_assertions::assert_eq_size!(PollFd, [u8; 8]);

/// The entries that name a file: those with a negative descriptor never have events.
struct Set {
    at: Addr,
    fds: Vec<PollFd>,
    /// Index in `fds`, beside each watched file.
    index: Vec<usize>,
    watched: Vec<Watched>,
}

impl Set {
    fn read(cx: &TaskCx, at: u64, count: u64) -> Result<Set, Errno> {
        let count = u64::from(count as u32);
        if count > cx.task.limit(Resource::Nofile).0 {
            return Err(Errno::EINVAL);
        }
        let count = usize::try_from(count).map_err(|_| Errno::EINVAL)?;
        let fds: Vec<PollFd> = cx.mm().read_vec(Addr(at), count)?;
        let (mut index, mut watched) = (Vec::new(), Vec::new());
        for (i, p) in fds.iter().enumerate().filter(|(_, p)| p.fd >= 0) {
            index.push(i);
            let asked = Events::from_bits_retain(p.events as u16 as u32);
            watched.push(Watched::new(cx, p.fd, asked));
        }
        Ok(Set { at: Addr(at), fds, index, watched })
    }

    /// Writes what was found, the `revents` members only.
    fn write(&mut self, mm: &MemoryManager) -> Result<(), Errno> {
        for p in &mut self.fds {
            p.revents = 0;
        }
        for (i, w) in self.index.iter().zip(&self.watched) {
            if let Some(p) = self.fds.get_mut(*i) {
                p.revents = w.got.bits() as i16;
            }
        }
        for (i, p) in self.fds.iter().enumerate() {
            let at = self.at.wrapping_add((i * size_of::<PollFd>() + 6) as u64);
            mm.write_obj(at, &p.revents)?;
        }
        Ok(())
    }
}

/// What becomes of an interrupted call.
#[derive(Clone, Copy)]
enum Interrupted {
    /// Goes on with the same deadline through restart_syscall(2).
    Continue(Args),
    /// Runs again from its registers if no handler runs; the time left is in memory.
    Again(Remaining),
}

fn poll(cx: &mut TaskCx, a: &Args, timeout: Timeout, how: Interrupted) -> Outcome {
    let mut set = match Set::read(cx, a[0], a[1]) {
        Ok(s) => s,
        Err(e) => return e.into(),
    };
    let n = scan(&mut set.watched);
    if n > 0 || timeout == Timeout::Now {
        let r = set.write(cx.mm());
        if let Interrupted::Again(left) = how {
            left.write(&**cx.mm(), timeout, super::time::now(cx));
        }
        return r.map(|()| n as u64).into();
    }
    let (task, mm) = (cx.task.clone(), cx.mm().clone());
    Outcome::Block(Box::pin(async move {
        let r = wait(&task, &mut set.watched, timeout.deadline()).await;
        let wrote = set.write(&mm);
        if let Interrupted::Again(left) = how {
            left.write(&*mm, timeout, task.kernel().now(ClockId::Monotonic));
        }
        if let Err(e) = wrote {
            return e.into();
        }
        match (r, how) {
            (Ok(n), _) => Ok(n as u64).into(),
            (Err(Blocked::TimedOut), _) => Ok(0).into(),
            (Err(Blocked::Interrupted), Interrupted::Again(_)) => Outcome::Restart(Restart::NoHand),
            (Err(Blocked::Interrupted), Interrupted::Continue(args)) => {
                let deadline = timeout.deadline().unwrap_or(i64::MAX);
                task.set_restart_block(RestartBlock { args, deadline, resume });
                Outcome::Restart(Restart::Block)
            }
        }
    }))
}

fn resume(cx: &mut TaskCx, a: &Args, deadline: i64) -> Outcome {
    let timeout = if deadline == i64::MAX { Timeout::Never } else { Timeout::At(deadline) };
    poll(cx, a, timeout, Interrupted::Continue(*a))
}

/// poll(2).
pub(crate) fn sys_poll(cx: &mut TaskCx, a: &Args) -> Outcome {
    let timeout = Timeout::millis(cx, a[2]);
    poll(cx, a, timeout, Interrupted::Continue(*a))
}

/// ppoll(2).
pub(crate) fn sys_ppoll(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat((|| {
        let timeout = Timeout::spec(cx, a[2])?;
        super::set_mask(cx, a[3], a[4])?;
        Ok(poll(cx, a, timeout, Interrupted::Again(Remaining::Spec(a[2]))))
    })())
}
