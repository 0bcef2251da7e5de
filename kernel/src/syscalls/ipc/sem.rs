//! Semaphore sets; semget(2), semop(2).

use super::table::{IPC_NOWAIT, Object, Perm};
use super::{Bounds, ipc, now};
use crate::block::{Blocked, wait_on};
use crate::syscalls::abi::read_timespec;
use crate::{Args, ClockId, Outcome, Task, TaskCx};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use arch::{Addr, UserMemoryExt};
use sync::Mutex;
use sync::waitq::{Events, Queue};
use syserr::Errno;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Most sets (`SEMMNI`).
pub(super) const SEMMNI: usize = 32_000;
/// Most semaphores in a set (`SEMMSL`).
pub(super) const SEMMSL: usize = 32_000;
/// Most semaphores in all sets (`SEMMNS`): less than Linux's product of the two above.
pub(super) const SEMMNS: usize = 1 << 20;
/// Most operations of one call (`SEMOPM`).
pub(super) const SEMOPM: u64 = 500;
/// Highest value (`SEMVMX`).
pub(super) const SEMVMX: i32 = 32_767;
const SEM_UNDO: u16 = 0x1000;

/// `struct sembuf`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct SemBuf {
    pub(super) num: u16,
    pub(super) op: i16,
    pub(super) flags: u16,
}
static_assertions::assert_eq_size!(SemBuf, [u8; 6]);

/// One semaphore.
#[derive(Clone, Copy, Default)]
pub(super) struct Sem {
    pub(super) value: i32,
    /// Who changed it last.
    pub(super) pid: i32,
    /// Those who wait for it to grow.
    pub(super) growing: u32,
    /// Those who wait for it to become 0.
    pub(super) zero: u32,
}

/// What changes of a set.
#[derive(Default)]
pub(super) struct State {
    pub(super) sems: Vec<Sem>,
    pub(super) otime: i64,
    pub(super) ctime: i64,
    pub(super) removed: bool,
    /// What each process that ends gives back, for each semaphore.
    pub(super) undo: BTreeMap<i32, Vec<i16>>,
}

/// A set of semaphores.
pub(super) struct Set {
    pub(super) perm: Mutex<Perm>,
    pub(super) state: Mutex<State>,
    pub(super) queue: Queue,
    pub(super) bounds: Arc<Bounds>,
}

impl Drop for Set {
    fn drop(&mut self) {
        self.bounds.semaphores.give(self.state.lock().sems.len() as u64);
    }
}

impl Object for Set {
    fn perm(&self) -> &Mutex<Perm> {
        &self.perm
    }
}

/// How a try ended without success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Operation `at` has to wait.
    Wait { num: usize, zero: bool },
    /// Nothing will come of it.
    Fail(Errno),
}

impl State {
    /// Does all operations, or none.
    pub(super) fn apply(&mut self, ops: &[SemBuf], tgid: i32) -> Result<(), Stop> {
        if self.removed {
            return Err(Stop::Fail(Errno::EIDRM));
        }
        let mut values: BTreeMap<usize, i32> = BTreeMap::new();
        let mut adjust: BTreeMap<usize, i32> = BTreeMap::new();
        let own = self.undo.get(&tgid);
        for o in ops {
            let num = usize::from(o.num);
            let before = self.sems.get(num).ok_or(Stop::Fail(Errno::EFBIG))?.value;
            let value = values.entry(num).or_insert(before);
            let op = i32::from(o.op);
            if op == 0 && *value != 0 || *value + op < 0 {
                let nowait = u32::from(o.flags) & IPC_NOWAIT != 0;
                let wait = Stop::Wait { num, zero: op == 0 };
                return Err(if nowait { Stop::Fail(Errno::EAGAIN) } else { wait });
            }
            *value += op;
            if *value > SEMVMX {
                return Err(Stop::Fail(Errno::ERANGE));
            }
            if o.flags & SEM_UNDO != 0 {
                let had = own.and_then(|u| u.get(num)).map_or(0, |a| i32::from(*a));
                let a = adjust.entry(num).or_insert(had);
                *a -= op;
                if i16::try_from(*a).is_err() {
                    return Err(Stop::Fail(Errno::ERANGE));
                }
            }
        }
        if !adjust.is_empty() {
            let len = self.sems.len();
            let own = self.undo.entry(tgid).or_insert_with(|| vec![0; len]);
            for (num, a) in adjust {
                if let Some(room) = own.get_mut(num) {
                    *room = a as i16;
                }
            }
        }
        for (num, value) in values {
            if let Some(s) = self.sems.get_mut(num) {
                (s.value, s.pid) = (value, tgid);
            }
        }
        Ok(())
    }

    fn waits(&mut self, num: usize, zero: bool, by: i32) {
        if let Some(s) = self.sems.get_mut(num) {
            let n = if zero { &mut s.zero } else { &mut s.growing };
            *n = n.saturating_add_signed(by);
        }
    }
}

impl Set {
    fn try_ops(&self, ops: &[SemBuf], tgid: i32, time: i64) -> Result<(), Stop> {
        let mut s = self.state.lock();
        s.apply(ops, tgid)?;
        s.otime = time;
        drop(s);
        if ops.iter().any(|o| o.op != 0) {
            self.queue.notify(Events::all());
        }
        Ok(())
    }
}

/// Counts who waits for a semaphore, as long as it lives.
struct Waiting<'a> {
    set: &'a Set,
    on: Option<(usize, bool)>,
}

impl Waiting<'_> {
    fn wait_for(&mut self, on: Option<(usize, bool)>) {
        let mut s = self.set.state.lock();
        if let Some((num, zero)) = self.on.take() {
            s.waits(num, zero, -1);
        }
        if let Some((num, zero)) = on {
            s.waits(num, zero, 1);
        }
        self.on = on;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.wait_for(None);
    }
}

/// semget(2).
pub(crate) fn sys_semget(cx: &mut TaskCx, a: &Args) -> Outcome {
    let (key, count, flags) = (a[0] as i32, a[1] as i32, a[2] as u32);
    let ipc = ipc(cx);
    let [msl, mns, _, mni] = ipc.objects.limits.sem().map(|n| n as usize);
    let Some(count) = usize::try_from(count).ok().filter(|n| *n <= msl) else {
        return Errno::EINVAL.into();
    };
    let table = &ipc.objects.sem;
    let total: usize = table.all().iter().map(|s| s.state.lock().sems.len()).sum();
    let fits = |s: &Set| match count > s.state.lock().sems.len() {
        true => Err(Errno::EINVAL),
        false => Ok(()),
    };
    let bounds = &ipc.objects.bounds;
    let make = |perm, _| {
        if count == 0 {
            return Err(Errno::EINVAL);
        }
        if total + count > mns {
            return Err(Errno::ENOSPC);
        }
        bounds.semaphores.exchange(0, count as u64)?;
        let (sems, ctime) = (vec![Sem::default(); count], now(cx.kernel()));
        let state = Mutex::new(State { sems, ctime, ..State::default() });
        let bounds = bounds.clone();
        Ok(Set { perm: Mutex::new(perm), state, queue: Queue::new(), bounds })
    };
    let id = table.get(key, flags, ipc.asker(&cx.task.creds()), mni, fits, make);
    id.map(|id| id as u64).into()
}

/// semop(2).
pub(crate) fn sys_semop(cx: &mut TaskCx, a: &Args) -> Outcome {
    semop(cx, a, None).unwrap_or_else(Outcome::from)
}

/// semtimedop(2).
pub(crate) fn sys_semtimedop(cx: &mut TaskCx, a: &Args) -> Outcome {
    let span = match read_timespec(&**cx.mm(), a[3]) {
        Ok(span) => span,
        Err(e) => return e.into(),
    };
    semop(cx, a, span).unwrap_or_else(Outcome::from)
}

fn semop(cx: &TaskCx, a: &Args, span: Option<i64>) -> Result<Outcome, Errno> {
    let (id, count) = (a[0] as i32, u64::from(a[2] as u32));
    if count < 1 || id < 0 {
        return Err(Errno::EINVAL);
    }
    let ipc = ipc(cx);
    if count > ipc.objects.limits.sem()[2] {
        return Err(Errno::E2BIG);
    }
    let ops: Vec<SemBuf> = cx.mm().read_vec(Addr(a[1]), count as usize)?;
    let set = ipc.objects.sem.find(id)?;
    let most = ops.iter().map(|o| usize::from(o.num)).max().unwrap_or(0);
    if most >= set.state.lock().sems.len() {
        return Err(Errno::EFBIG);
    }
    let alters = ops.iter().any(|o| o.op != 0);
    set.perm.lock().check(ipc.asker(&cx.task.creds()), if alters { 0o222 } else { 0o444 })?;
    match set.try_ops(&ops, cx.task.tgid(), now(cx.kernel())) {
        Ok(()) => return Ok(Ok(0).into()),
        Err(Stop::Fail(e)) => return Err(e),
        Err(Stop::Wait { .. }) => {}
    }
    let deadline = span.map(|s| cx.kernel().now(ClockId::Monotonic).saturating_add(s));
    let task = cx.task.clone();
    Ok(Outcome::Block(Box::pin(wait(task, set, ops, deadline))))
}

async fn wait(task: Arc<Task>, set: Arc<Set>, ops: Vec<SemBuf>, deadline: Option<i64>) -> Outcome {
    let mut waiting = Waiting { set: &set, on: None };
    let attempt = || match set.try_ops(&ops, task.tgid(), now(task.kernel())) {
        Ok(()) => Some(Ok(0)),
        Err(Stop::Fail(e)) => Some(Err(e)),
        Err(Stop::Wait { num, zero }) => {
            waiting.wait_for(Some((num, zero)));
            None
        }
    };
    match task.block(deadline, wait_on(&set.queue, Events::all(), attempt)).await {
        Ok(r) => r.into(),
        // Never restarted (signal(7)).
        Err(Blocked::Interrupted) => Errno::EINTR.into(),
        Err(Blocked::TimedOut) => Errno::EAGAIN.into(),
    }
}
