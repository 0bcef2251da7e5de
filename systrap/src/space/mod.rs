//! One address space: a stub process, its region, and what the sentry knows of both.
//!
//! Everything that the stub says is checked against [`State`], which it cannot reach: a trap counts
//! only for a slot that was made ready, progress only up to what was queued, a thread id only
//! together with the process's own number.

mod ops;
mod room;
mod sched;
mod sites;

pub(crate) use sched::Slices;
pub(crate) use sites::plain_way;

use crate::handshake::Ready;
use crate::host::Shared;
use crate::regions::RegionIndex;
use crate::shared::{
    self, Control, GUEST_END, INTERRUPT_SIGNAL, MAX_SLOTS, MAX_THREADS, POPULATE, Report, Slot,
};
use crate::sys;
use crate::zygote::{Child, Stub};
use arch::{Access, Addr, AddrRange};
use mm::{FileRange, MemoryFile};
use ops::{HostOp, Queue};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::task::Waker;
use sync::Mutex;

/// The part of an address space that outlives its users, until the process is reaped.
pub(crate) struct Space {
    pub(crate) host: Arc<Shared>,
    region: RegionIndex,
    child: Child,
    dead: AtomicBool,
    /// On the executor's list of spaces to poll.
    pub(crate) active: AtomicBool,
    /// Its number among the executor's descriptors.
    pub(crate) token: AtomicU64,
    state: Mutex<State>,
    /// Calls that were rewritten.
    sites: Mutex<Vec<sites::Site>>,
}

struct State {
    slots: Vec<SlotState>,
    free: Vec<u32>,
    queue: Queue,
    /// Ready contexts that wait for room in the operation ring.
    deferred: VecDeque<u32>,
    ready_tail: u32,
    running: u32,
    threads: u32,
    sched: sched::Sched,
}

enum SlotState {
    Free,
    /// Bound to a context that does not run.
    Idle,
    /// Ready or in user code.
    Running(Waker),
    /// Came back.
    Trapped,
    /// Still running, but its context is gone.
    Orphan,
}

impl Space {
    pub(crate) fn new(host: Arc<Shared>, stub: Stub) -> Space {
        let state = State {
            slots: Vec::new(),
            free: Vec::new(),
            queue: Queue::default(),
            deferred: VecDeque::new(),
            ready_tail: 0,
            running: 0,
            threads: 1,
            sched: sched::Sched::default(),
        };
        let Stub { child, region } = stub;
        let (dead, active) = (AtomicBool::new(false), AtomicBool::new(false));
        let token = AtomicU64::new(0);
        let state = Mutex::new(state);
        let sites = Mutex::default();
        let space = Space { host, region, child, dead, active, token, state, sites };
        space.set_spin(space.host.stub_spin());
        space
    }

    pub(crate) fn child(&self) -> &Child {
        &self.child
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Acquire)
    }

    fn control(&self) -> &Control {
        self.host.regions.control(self.region)
    }

    pub(crate) fn report(&self) -> &Report {
        self.host.regions.report(self.region)
    }

    pub(crate) fn slot(&self, slot: u32) -> &Slot {
        self.host.regions.slot(self.region, slot)
    }

    pub(crate) fn read_fpu(&self, slot: u32, to: &mut [u8]) {
        self.host.regions.read_fpu(self.region, slot, to);
    }

    pub(crate) fn write_fpu(&self, slot: u32, from: &[u8]) {
        self.host.regions.write_fpu(self.region, slot, from);
        self.slot(slot).fpu_load.store(1, Relaxed);
    }

    /// A slot for a context.
    pub(crate) fn bind(&self) -> Option<u32> {
        let mut s = self.state.lock();
        let slot = match s.free.pop() {
            Some(i) => i,
            None if s.slots.len() == MAX_SLOTS => return None,
            None => {
                s.slots.push(SlotState::Free);
                s.slots.len() as u32 - 1
            }
        };
        s.slots[slot as usize] = SlotState::Idle;
        Some(slot)
    }

    /// Gives a slot back; one that still runs is interrupted and freed when it has come back.
    pub(crate) fn unbind(&self, slot: u32) {
        let mut s = self.state.lock();
        match s.slots[slot as usize] {
            SlotState::Running(_) => {
                s.slots[slot as usize] = SlotState::Orphan;
                self.interrupt_locked(&mut s, slot);
            }
            _ => {
                s.slots[slot as usize] = SlotState::Free;
                s.free.push(slot);
            }
        }
    }

    /// Makes a context ready whose registers are in its slot.
    pub(crate) fn resume(self: &Arc<Self>, slot: u32, waker: &Waker) {
        let mut s = self.state.lock();
        if self.is_dead() {
            waker.wake_by_ref();
            return;
        }
        self.slot(slot).interrupt.store(0, Relaxed);
        s.slots[slot as usize] = SlotState::Running(waker.clone());
        s.running += 1;
        self.host.running.fetch_add(1, Relaxed);
        if s.deferred.is_empty() && self.publish(&mut s, false) {
            self.push_ready(&mut s, slot);
        } else {
            // The mapper's next acknowledgement makes room.
            s.deferred.push_back(slot);
            self.wake_mapper();
        }
        drop(s);
        self.activate();
    }

    /// Puts an entry into the ready ring and sees to it that somebody takes it.
    fn push_ready(&self, s: &mut State, entry: u32) {
        let spin = self.host.stub_spin();
        if self.control().spin.load(Relaxed) != spin {
            self.set_spin(spin);
        }
        s.ready_tail = self.ready_ring().push(s.ready_tail, entry, || self.wake_sleeper());
    }

    /// Whether a context of it may trap while somebody else holds processor `here`, as its threads
    /// say.
    pub(crate) fn can_run_beside(&self, here: u32) -> bool {
        let threads = self.report().threads.iter();
        let mut started = threads.take_while(|t| t.tid.load(Relaxed) != 0);
        started.any(|t| t.processor.load(Relaxed) != here) && self.is_in_use()
    }

    /// Whether a thread spins until a context is ready.
    pub(crate) fn is_spinning(&self) -> bool {
        self.ready_ring().has_spinner()
    }

    /// How many cycles threads spin from now on, until a context is ready the next time.
    pub(crate) fn set_spin(&self, cycles: u32) {
        self.control().spin.store(cycles, Relaxed);
    }

    /// Wakes a thread that sleeps until a context is ready.
    fn wake_sleeper(&self) {
        sys::futex_wake(&self.control().ready_tail, 1);
    }

    fn ready_ring(&self) -> Ready<'_> {
        self.control().ready_ring(self.report())
    }

    /// Puts operations into the ring; `false` if some are left.
    fn publish(&self, s: &mut State, flush: bool) -> bool {
        s.queue.publish(self.control(), self.token.load(Relaxed), flush)
    }

    /// Has the mapper perform what is in the ring. Otherwise the thread that takes the next ready
    /// context does.
    fn wake_mapper(&self) {
        sys::futex_wake(&self.control().ops_tail, 1);
    }

    /// Whether a context of it is ready or in user code.
    pub(crate) fn is_in_use(&self) -> bool {
        self.state.lock().running != 0
    }

    fn activate(self: &Arc<Self>) {
        if !self.active.load(Relaxed) && !self.active.swap(true, SeqCst) {
            self.host.activate(self.clone());
        }
    }

    /// What a context that is polled again finds.
    pub(crate) fn poll_slot(&self, slot: u32, waker: &Waker) -> SlotPoll {
        let mut s = self.state.lock();
        match &mut s.slots[slot as usize] {
            SlotState::Running(w) if !self.is_dead() => {
                w.clone_from(waker);
                SlotPoll::Running
            }
            state @ SlotState::Trapped => {
                *state = SlotState::Idle;
                SlotPoll::Trapped
            }
            state => {
                *state = SlotState::Idle;
                SlotPoll::Dead
            }
        }
    }

    /// Whether there may be news, at the cost of one cache line.
    #[inline]
    pub(crate) fn has_news(&self) -> bool {
        let r = self.report();
        r.trapped().any() || r.attention.load(Relaxed) != 0
    }

    /// Takes the stub's news. Returns whether there was any.
    pub(crate) fn poll(&self) -> bool {
        if !self.has_news() {
            return false;
        }
        let report = self.report();
        let mut wake = None;
        let mut more: Vec<Waker> = Vec::new();
        let mut s = self.state.lock();
        let running = s.running;
        report.trapped().take(|slot| {
            if let Some(w) = s.trapped(slot) {
                self.slot(slot as u32).fetch();
                // Nearly always there is one.
                match wake {
                    None => wake = Some(w),
                    Some(_) => more.push(w),
                }
            }
        });
        self.host.running.fetch_sub(running - s.running, Relaxed);
        let acked = report.attention.load(Relaxed) != 0;
        if acked {
            report.attention.store(0, SeqCst);
        }
        let acked = acked && s.queue.is_awaited();
        drop(s);
        wake.into_iter().chain(more).for_each(Waker::wake);
        if acked {
            self.host.reactor.take_acknowledgements();
        }
        true
    }

    /// The kernel says that the mapper has performed `seq` operations.
    pub(crate) fn acknowledge(&self, seq: u64) {
        let mut s = self.state.lock();
        let (free, wake) = s.queue.acknowledge(seq);
        while !s.deferred.is_empty() {
            if !self.publish(&mut s, false) {
                self.wake_mapper();
                break;
            }
            if let Some(slot) = s.deferred.pop_front() {
                self.push_ready(&mut s, slot);
            }
        }
        // Who still waits may wait for what has found no room in the ring, which nobody else puts
        // there while no context runs.
        if s.queue.is_waited_for() {
            self.publish(&mut s, true);
            self.wake_mapper();
        }
        drop(s);
        wake.into_iter().for_each(Waker::wake);
        self.host.memory.unretire(&free);
    }

    /// Asks for the acknowledgement that memory waits for, if any does.
    pub(crate) fn reclaim(&self) {
        let mut s = self.state.lock();
        if !self.is_dead() && s.queue.is_holding() {
            self.publish(&mut s, true);
            self.wake_mapper();
        }
    }

    /// Whether mapped memory should go into the page tables at once.
    pub(crate) fn is_worth_entering(&self, r: FileRange) -> bool {
        self.host.memory.is_long_resident(r)
    }

    pub(crate) fn push_op(&self, kind: u32, at: AddrRange, access: Access, offset: u64, now: bool) {
        let mut s = self.state.lock();
        let prot = u32::from(access.bits()) | if now { POPULATE } else { 0 };
        for part in guest_parts(at) {
            let (addr, len) = (part.start.0, part.len());
            let offset = offset + (addr - at.start.0);
            s.queue.push(HostOp { kind, prot, addr, len, offset });
        }
    }

    pub(crate) fn retire(&self, ranges: &[FileRange]) {
        let mut s = self.state.lock();
        if !self.is_dead() && s.queue.retire(ranges) {
            self.host.memory.retire(ranges);
        } else {
            drop(s);
            ranges.iter().for_each(|r| self.host.memory.dec_ref(*r));
        }
    }

    /// Makes what is queued take effect.
    pub(crate) fn flush(&self) {
        let mut s = self.state.lock();
        if !self.is_dead() && s.queue.is_behind() {
            self.publish(&mut s, true);
            self.wake_mapper();
        }
    }

    /// `false` when everything queued so far has taken effect; otherwise makes it do so, and has
    /// `waker` woken then.
    pub(crate) fn wait_flushed(&self, waker: &Waker) -> bool {
        self.host.reactor.take_acknowledgements();
        let mut s = self.state.lock();
        let waits = !self.is_dead() && s.queue.wait(waker);
        if waits {
            self.publish(&mut s, true);
            self.wake_mapper();
        }
        waits
    }

    /// Makes a running slot come back soon.
    pub(crate) fn interrupt(&self, slot: u32) {
        let mut s = self.state.lock();
        if matches!(s.slots.get(slot as usize), Some(SlotState::Running(_))) {
            self.interrupt_locked(&mut s, slot);
        }
    }

    fn interrupt_locked(&self, s: &mut State, slot: u32) {
        if self.is_dead() {
            return;
        }
        s.sched.interrupted(slot);
        if let Some(thread) = self.slot(slot).interruption().ask() {
            let thread = &self.report().threads[thread as usize % MAX_THREADS];
            sys::tgkill(self.child.pid(), thread.tid.load(Relaxed), INTERRUPT_SIGNAL);
        }
    }

    /// Called once the process is known to be dead: nothing of it runs any more, and its memory is
    /// unmapped.
    pub(crate) fn bury(&self) {
        let (free, wake) = {
            let mut s = self.state.lock();
            self.dead.store(true, Release);
            self.child.kill();
            self.child.reap(true);
            let (free, mut wake) = s.queue.abandon();
            s.deferred.clear();
            self.host.running.fetch_sub(s.running, Relaxed);
            s.running = 0;
            for slot in &mut s.slots {
                if let SlotState::Running(w) = slot {
                    wake.push(w.clone());
                }
            }
            (free, wake)
        };
        wake.into_iter().for_each(Waker::wake);
        self.host.memory.unretire(&free);
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        if !self.is_dead() {
            self.bury();
        }
        self.host.reactor.remove(self.child.fd(), self.token.load(Relaxed));
        self.host.regions.release(self.region);
    }
}

impl State {
    /// A slot says that it has trapped.
    fn trapped(&mut self, slot: usize) -> Option<Waker> {
        let state = self.slots.get_mut(slot)?;
        match std::mem::replace(state, SlotState::Trapped) {
            SlotState::Running(waker) => {
                self.running = self.running.saturating_sub(1);
                self.sched.came_back(slot as u32);
                Some(waker)
            }
            SlotState::Orphan => {
                *state = SlotState::Free;
                self.running = self.running.saturating_sub(1);
                self.sched.came_back(slot as u32);
                self.free.push(slot as u32);
                None
            }
            other => {
                *state = other;
                None
            }
        }
    }
}

/// What became of a context that was made ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SlotPoll {
    Running,
    Trapped,
    Dead,
}

/// The parts of a range that a stub may map.
fn guest_parts(r: AddrRange) -> impl Iterator<Item = AddrRange> {
    let below = AddrRange { start: Addr(shared::GUEST_START), end: Addr(shared::SITES_BASE) };
    let above = AddrRange { start: Addr(shared::SITES_END), end: Addr(GUEST_END) };
    [below, above].into_iter().filter_map(move |part| part.intersect(r))
}
