//! select(2) and pselect6(2).

use super::time::{Remaining, Timeout};
use super::watch::{Watched, scan, wait};
use crate::block::Blocked;
use crate::syscalls::fs::flat;
use crate::{Args, ClockId, Outcome, TaskCx};
use alloc::boxed::Box;
use alloc::vec::Vec;
use arch::{Addr, UserMemoryExt};
use mm::MemoryManager;
use sync::waitq::Events;
use syserr::{Errno, Restart};

/// What counts as readable, writable and exceptional (`fs/select.c`).
const CLASSES: [Events; 3] = [
    Events::IN.union(Events::RDNORM).union(Events::RDBAND).union(Events::HUP).union(Events::ERR),
    Events::OUT.union(Events::WRNORM).union(Events::WRBAND).union(Events::ERR),
    Events::PRI,
];

/// Bits of the sets for one call.
struct Sets {
    at: [u64; 3],
    words: [Vec<u64>; 3],
    fds: Vec<i32>,
    watched: Vec<Watched>,
}

impl Sets {
    fn read(cx: &TaskCx, a: &Args) -> Result<Sets, Errno> {
        let n = usize::try_from(a[0] as i32).map_err(|_| Errno::EINVAL)?;
        // Beyond the table nothing is looked at, as in Linux.
        let n = n.min(cx.task.files().capacity().max(64));
        let at = [a[1], a[2], a[3]];
        let mut words: [Vec<u64>; 3] = [const { Vec::new() }; 3];
        for (w, at) in words.iter_mut().zip(at) {
            *w = alloc::vec![0; n.div_ceil(64)];
            if at != 0 {
                *w = cx.mm().read_vec(Addr(at), n.div_ceil(64))?;
            }
        }
        let (mut fds, mut watched) = (Vec::new(), Vec::new());
        for fd in 0..n {
            let mut asked = Events::empty();
            for (w, class) in words.iter().zip(CLASSES) {
                if bit(w, fd) {
                    asked |= class;
                }
            }
            if !asked.is_empty() {
                // Errors and hang-ups count only where a class has them.
                let w = Watched::exactly(cx, fd as i32, asked);
                if w.file.is_none() {
                    return Err(Errno::EBADF);
                }
                fds.push(fd as i32);
                watched.push(w);
            }
        }
        Ok(Sets { at, words, fds, watched })
    }

    /// Writes the bits that are true now, of those that were asked for, and counts them.
    fn write(&mut self, mm: &MemoryManager) -> Result<u64, Errno> {
        let mut count = 0;
        for (i, class) in CLASSES.into_iter().enumerate() {
            let (Some(words), Some(at)) = (self.words.get_mut(i), self.at.get(i)) else { break };
            let asked = core::mem::take(words);
            let mut out = alloc::vec![0u64; asked.len()];
            for (fd, w) in self.fds.iter().zip(&self.watched) {
                let fd = *fd as usize;
                if bit(&asked, fd) && w.got.intersects(class) {
                    count += 1;
                    if let Some(word) = out.get_mut(fd / 64) {
                        *word |= 1 << (fd % 64);
                    }
                }
            }
            *words = asked;
            if *at != 0 {
                for (k, word) in out.iter().enumerate() {
                    mm.write_obj(Addr(*at).wrapping_add(k as u64 * 8), word)?;
                }
            }
        }
        Ok(count)
    }
}

fn bit(words: &[u64], fd: usize) -> bool {
    words.get(fd / 64).is_some_and(|w| w >> (fd % 64) & 1 == 1)
}

fn select(cx: &TaskCx, a: &Args, timeout: Timeout, left: Remaining) -> Result<Outcome, Errno> {
    let mut sets = Sets::read(cx, a)?;
    if scan(&mut sets.watched) > 0 || timeout == Timeout::Now {
        let n = sets.write(cx.mm())?;
        left.write(&**cx.mm(), timeout, super::time::now(cx));
        return Ok(Ok(n).into());
    }
    let (task, mm) = (cx.task.clone(), cx.mm().clone());
    Ok(Outcome::Block(Box::pin(async move {
        let r = wait(&task, &mut sets.watched, timeout.deadline()).await;
        left.write(&*mm, timeout, task.kernel().now(ClockId::Monotonic));
        match r {
            Err(Blocked::Interrupted) => Outcome::Restart(Restart::NoHand),
            _ => sets.write(&mm).into(),
        }
    })))
}

/// select(2).
pub(crate) fn sys_select(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat((|| {
        let timeout = Timeout::val(cx, a[4])?;
        select(cx, a, timeout, Remaining::Val(a[4]))
    })())
}

/// pselect6(2); the sixth argument points to a mask and its size.
pub(crate) fn sys_pselect6(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat((|| {
        let (mut mask, mut size) = (0, 0);
        if a[5] != 0 {
            [mask, size] = cx.mm().read_obj(Addr(a[5]))?;
        }
        let timeout = Timeout::spec(cx, a[4])?;
        super::set_mask(cx, mask, size)?;
        select(cx, a, timeout, Remaining::Spec(a[4]))
    })())
}
