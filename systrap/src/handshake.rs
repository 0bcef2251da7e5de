//! How the sentry and its stubs tell each other things through shared words: who stores what
//! before looking at what.
//!
//! Compiled into both sides and, over loom's atomics, into `tests/loom.rs`. Each hand-over that can
//! end in sleep has the same shape: one side stores its news, then looks whether the other sleeps;
//! the other says that it sleeps, then looks for news. A full fence lies between the two steps on
//! either side, so at least one of the two sees the other.

use super::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use super::atomic::{AtomicU32, AtomicU64, fence};

/// futex(2) on a shared word, or a model of it. Both are full fences, and waiting compares the word
/// and falls asleep in one step.
pub trait Futex {
    /// Sleeps while `word` is `value`; may return for no reason.
    fn wait(&self, word: &AtomicU32, value: u32);
    /// Wakes at most `count` sleepers.
    fn wake(&self, word: &AtomicU32, count: u32);
}

/// One sleeper more and one spinner fewer, in [`Ready::idle`].
const SPINNER_SLEEPS: u32 = 0xffff;
/// The spinners' part of [`Ready::idle`].
const SPINNERS: u32 = 0xffff;

/// The fence after an atomic exchange, which is one by itself on x86-64.
#[inline(always)]
fn fence_after_exchange() {
    #[cfg(loom)]
    fence(SeqCst);
    #[cfg(not(loom))]
    core::sync::atomic::compiler_fence(SeqCst);
}

/// The ring of contexts that wait for a host thread of the stub. It has room for all there are.
pub struct Ready<'a> {
    /// Contexts put in so far; the sentry's. Threads sleep on it.
    pub tail: &'a AtomicU32,
    /// The newest entry once more, in the cache line of `tail`: which one it is, and the context in
    /// the lower half.
    pub last: &'a AtomicU64,
    /// Their numbers; a power of two.
    pub entries: &'a [AtomicU32],
    /// Contexts taken so far; the stub's.
    pub head: &'a AtomicU32,
    /// Threads waiting: asleep in the upper half, spinning in the lower.
    pub idle: &'a AtomicU32,
}

impl Ready<'_> {
    #[inline(always)]
    fn entry(&self, number: u32) -> &AtomicU32 {
        &self.entries[number as usize % self.entries.len()]
    }

    /// Sentry: puts a context in as number `tail`, which the sentry counts by itself, and sees to
    /// it that somebody takes it: `wake` wakes one who sleeps on [`Ready::tail`]. Returns the new
    /// count.
    pub fn push(&self, tail: u32, context: u32, wake: impl FnOnce()) -> u32 {
        self.entry(tail).store(context, Relaxed);
        self.last.store(u64::from(tail) << 32 | u64::from(context), Relaxed);
        let tail = tail.wrapping_add(1);
        self.tail.swap(tail, SeqCst);
        fence_after_exchange();
        let idle = self.idle.load(Relaxed);
        if idle & SPINNERS == 0 && idle != 0 {
            wake();
        }
        tail
    }

    /// Sentry: contexts taken so far, as the stub says.
    pub fn taken(&self) -> u32 {
        self.head.load(Acquire)
    }

    /// Sentry: whether a thread sleeps, as the stub says.
    pub fn has_sleeper(&self) -> bool {
        self.idle.load(Relaxed) >> 16 != 0
    }

    /// Sentry: whether a thread spins, as the stub says.
    pub fn has_spinner(&self) -> bool {
        self.idle.load(Relaxed) & SPINNERS != 0
    }

    /// Stub: takes the oldest context.
    #[inline(always)]
    pub fn take(&self) -> Option<u32> {
        // Whoever sees another's head sees the tail that the other saw, too: never a head beyond it.
        let mut head = self.head.load(Acquire);
        loop {
            // Nothing can overwrite the entry before the head passes it: the ring has room for
            // every context at once.
            if head == self.tail.load(Acquire) {
                return None;
            }
            let last = self.last.load(Relaxed);
            let context = match (last >> 32) as u32 == head {
                true => last as u32,
                false => self.entry(head).load(Relaxed),
            };
            match self.head.compare_exchange_weak(head, head.wrapping_add(1), AcqRel, Acquire) {
                Ok(_) => return Some(context),
                Err(now) => head = now,
            }
        }
    }

    /// Stub: takes the oldest context, waiting for one. `patient` spins once and says whether to
    /// look once more before sleeping; `found` is told at once which one it is.
    #[inline(always)]
    pub fn wait(
        &self,
        futex: &impl Futex,
        mut patient: impl FnMut() -> bool,
        found: impl Fn(u32),
    ) -> u32 {
        if let Some(context) = self.take() {
            found(context);
            return context;
        }
        self.idle.fetch_add(1, SeqCst);
        loop {
            if let Some(context) = self.take() {
                found(context);
                self.idle.fetch_sub(1, SeqCst);
                return context;
            }
            if patient() {
                continue;
            }
            // One step from spinning to asleep, then a last look, and another by the futex.
            self.idle.fetch_add(SPINNER_SLEEPS, SeqCst);
            let tail = self.tail.load(Acquire);
            if self.head.load(Relaxed) == tail {
                futex.wait(self.tail, tail);
            }
            self.idle.fetch_sub(SPINNER_SLEEPS, SeqCst);
        }
    }
}

/// The contexts that have trapped, one bit each, and a bit for each word of them that has one set.
pub struct Trapped<'a> {
    /// One bit for each word of `bits`.
    pub summary: &'a [AtomicU64],
    /// One bit for each context.
    pub bits: &'a [AtomicU64],
}

impl Trapped<'_> {
    /// Stub: says that a context has trapped. [`Bell::ring`] follows.
    #[inline(always)]
    pub fn publish(&self, context: u32) {
        let word = context as usize / 64 % self.bits.len();
        self.bits[word].fetch_or(1 << (context % 64), Release);
        self.summary[word / 64].fetch_or(1 << (word % 64), SeqCst);
    }

    /// Sentry: whether there is any, at the cost of one cache line.
    #[inline]
    pub fn any(&self) -> bool {
        self.summary.iter().any(|w| w.load(Relaxed) != 0)
    }

    /// Sentry: takes all there are.
    pub fn take(&self, mut each: impl FnMut(usize)) {
        for (i, summary) in self.summary.iter().enumerate() {
            if summary.load(Relaxed) == 0 {
                continue;
            }
            for word in set_bits(summary.swap(0, SeqCst)).map(|bit| i * 64 + bit) {
                let Some(bits) = self.bits.get(word) else { continue };
                set_bits(bits.swap(0, SeqCst)).for_each(|bit| each(word * 64 + bit));
            }
        }
    }
}

/// The positions of the bits that are set.
fn set_bits(mut word: u64) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let bit = (word != 0).then(|| word.trailing_zeros() as usize)?;
        word &= word - 1;
        Some(bit)
    })
}

/// Whether the sentry sleeps.
pub struct Bell<'a>(pub &'a AtomicU32);

impl Bell<'_> {
    /// Sentry: from now on it has to be woken. A last look for news follows.
    pub fn sleeps(&self) {
        self.0.store(1, Relaxed);
        fence(SeqCst);
    }

    /// Sentry: it is awake, and looks for news before it sleeps again.
    pub fn is_awake(&self) {
        self.0.store(0, Relaxed);
    }

    /// Whoever has just published news, by an exchange or before a fence: calls `wake` if the sentry
    /// sleeps.
    #[inline(always)]
    pub fn ring(&self, wake: impl FnOnce()) {
        fence_after_exchange();
        if self.0.load(Relaxed) != 0 {
            wake();
        }
    }
}

/// One context's interruption.
pub struct Interruption<'a> {
    /// Not zero: do not run, or stop running.
    pub wanted: &'a AtomicU32,
    /// Host thread that runs it, plus one; 0 when none does.
    pub thread: &'a AtomicU32,
}

impl Interruption<'_> {
    /// Sentry: asks for it. Returns the thread that needs a signal, if one runs the context.
    pub fn ask(&self) -> Option<u32> {
        self.wanted.store(1, Relaxed);
        fence(SeqCst);
        self.thread.load(Relaxed).checked_sub(1)
    }

    /// Stub: thread `thread` is about to run the context; `false` if it must not.
    #[inline(always)]
    pub fn enter(&self, thread: u32) -> bool {
        self.thread.swap(thread.wrapping_add(1), SeqCst);
        fence_after_exchange();
        self.wanted.load(Relaxed) == 0
    }
}

/// How far the mapper is with host operations, for the threads that need them performed.
pub struct Progress<'a> {
    /// Operations queued so far; the sentry's. The mapper sleeps on it.
    pub tail: &'a AtomicU32,
    /// Operations performed so far; the stub's. Threads sleep on it.
    pub done: &'a AtomicU32,
    /// Threads that wait.
    pub waiters: &'a AtomicU32,
}

impl Progress<'_> {
    /// Stub: whether the first `count` operations are performed.
    #[inline(always)]
    pub fn has_reached(&self, count: u32) -> bool {
        self.done.load(Acquire).wrapping_sub(count) as i32 >= 0
    }

    /// Stub: wakes the mapper and sleeps until the first `count` operations are performed.
    #[inline(always)]
    pub fn wait(&self, count: u32, futex: &impl Futex) {
        self.waiters.fetch_add(1, SeqCst);
        futex.wake(self.tail, 1);
        loop {
            let done = self.done.load(Acquire);
            if done.wrapping_sub(count) as i32 >= 0 {
                break;
            }
            futex.wait(self.done, done);
        }
        self.waiters.fetch_sub(1, SeqCst);
    }
}
