//! A guest address space for tests: words of memory that can be private, shared, read-only, not
//! there, or not resident until they are faulted in.
#![allow(dead_code, unreachable_pub, reason = "each test uses its part of it")]

use arch::{Addr, Partial, Permissions, UserMemory};
use futex::{
    Backing, Fault, Manager, PiTask, Priority, PriorityInheritance, SharedKey, Step, Target,
    TaskId, Wait, Waiter,
};
use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use syserr::Errno;

/// User addresses end here.
pub const TOP: u64 = 1 << 47;

#[derive(Clone)]
pub enum Page {
    Private(Arc<AtomicU32>),
    Shared(Arc<AtomicU32>, SharedKey),
    ReadOnly(Arc<AtomicU32>),
}

/// One address space: a word at each mapped address.
#[derive(Default)]
pub struct Memory {
    words: Mutex<BTreeMap<u64, Page>>,
    absent: Mutex<BTreeSet<u64>>,
    /// Set while a fault may happen; a fault under a bucket lock would be seen as unset.
    pub faults: AtomicU32,
    pub read_only: AtomicBool,
}

impl Memory {
    pub fn new() -> Arc<Memory> {
        Arc::new(Memory::default())
    }

    /// Maps a private word.
    pub fn map(&self, at: Addr, value: u32) {
        let word = Arc::new(AtomicU32::new(value));
        self.words.lock().unwrap().insert(at.0, Page::Private(word));
    }

    /// Maps a private word that may not be written.
    pub fn map_read_only(&self, at: Addr) {
        self.words.lock().unwrap().insert(at.0, Page::ReadOnly(Arc::default()));
    }

    /// Maps a word of shared memory.
    pub fn map_shared(&self, at: Addr, word: &Arc<AtomicU32>, object: u64, offset: u64) {
        let page = Page::Shared(word.clone(), SharedKey { object, offset });
        self.words.lock().unwrap().insert(at.0, page);
    }

    pub fn unmap(&self, at: Addr) {
        self.words.lock().unwrap().remove(&at.0);
    }

    /// Makes the next access fault.
    pub fn evict(&self, at: Addr) {
        self.absent.lock().unwrap().insert(at.0);
    }

    pub fn get(&self, at: Addr) -> u32 {
        self.word(at).unwrap().load(SeqCst)
    }

    pub fn set(&self, at: Addr, value: u32) {
        self.word(at).unwrap().store(value, SeqCst);
    }

    fn word(&self, at: Addr) -> Option<Arc<AtomicU32>> {
        match self.words.lock().unwrap().get(&at.0)? {
            Page::Private(w) | Page::Shared(w, _) | Page::ReadOnly(w) => Some(w.clone()),
        }
    }

    fn writable(&self, at: Addr) -> bool {
        let read_only = matches!(self.words.lock().unwrap().get(&at.0), Some(Page::ReadOnly(_)));
        !read_only && !self.read_only.load(SeqCst)
    }

    fn resident(&self, at: Addr) -> Result<Arc<AtomicU32>, Fault> {
        if self.absent.lock().unwrap().contains(&at.0) {
            return Err(Fault);
        }
        self.word(at).ok_or(Fault)
    }
}

impl Target for Memory {
    fn check(&self, addr: Addr) -> Result<(), Errno> {
        if addr.0 < TOP { Ok(()) } else { Err(Errno::EFAULT) }
    }

    fn shared_key(&self, addr: Addr, write: bool) -> Result<Backing, Errno> {
        match self.words.lock().unwrap().get(&addr.0) {
            Some(Page::ReadOnly(_)) if write => Err(Errno::EFAULT),
            Some(Page::Private(_) | Page::ReadOnly(_)) => Ok(Backing::Private),
            Some(Page::Shared(_, key)) => Ok(Backing::Shared(*key)),
            None => Err(Errno::EFAULT),
        }
    }

    fn load_nofault(&self, addr: Addr) -> Result<u32, Fault> {
        Ok(self.resident(addr)?.load(SeqCst))
    }

    fn compare_exchange_nofault(&self, addr: Addr, old: u32, new: u32) -> Result<u32, Fault> {
        if !self.writable(addr) {
            return Err(Fault);
        }
        let word = self.resident(addr)?;
        Ok(word.compare_exchange(old, new, SeqCst, SeqCst).unwrap_or_else(|seen| seen))
    }

    fn fault_in(&self, addr: Addr, write: bool) -> Result<(), Errno> {
        self.faults.fetch_add(1, SeqCst);
        self.absent.lock().unwrap().remove(&addr.0);
        let there = self.word(addr).is_some() && (!write || self.writable(addr));
        if there { Ok(()) } else { Err(Errno::EFAULT) }
    }
}

impl UserMemory for Memory {
    fn copy_in(&self, from: Addr, to: &mut [u8], _: Permissions) -> Result<(), Partial> {
        for (i, chunk) in to.chunks_mut(4).enumerate() {
            let done = i * 4;
            let word = self.word(Addr(from.0 + done as u64));
            let word = word.ok_or(Partial { done, errno: Errno::EFAULT })?;
            let bytes = word.load(SeqCst).to_ne_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
        Ok(())
    }

    fn copy_out(&self, to: Addr, from: &[u8], _: Permissions) -> Result<(), Partial> {
        for (i, chunk) in from.chunks(4).enumerate() {
            let done = i * 4;
            let word = self.word(Addr(to.0 + done as u64));
            let word = word.ok_or(Partial { done, errno: Errno::EFAULT })?;
            word.store(u32::from_ne_bytes(chunk.try_into().unwrap()), SeqCst);
        }
        Ok(())
    }

    fn zero_out(&self, to: Addr, len: u64, perms: Permissions) -> Result<(), Partial> {
        self.copy_out(to, &vec![0; len as usize], perms)
    }

    fn load_u32(&self, at: Addr) -> Result<u32, Errno> {
        self.load_nofault(at).map_err(|_| Errno::EFAULT)
    }

    fn swap_u32(&self, at: Addr, new: u32) -> Result<u32, Errno> {
        Ok(self.word(at).ok_or(Errno::EFAULT)?.swap(new, SeqCst))
    }

    fn compare_exchange_u32(&self, at: Addr, old: u32, new: u32) -> Result<u32, Errno> {
        self.compare_exchange_nofault(at, old, new).map_err(|_| Errno::EFAULT)
    }
}

/// Tasks by thread id, and the boosts they were given.
#[derive(Default)]
pub struct Tasks {
    pub dead: Mutex<BTreeSet<u32>>,
    pub boosts: Mutex<BTreeMap<u64, Option<Priority>>>,
}

#[derive(Clone, Default)]
pub struct Hook(pub Arc<Tasks>);

impl PriorityInheritance for Hook {
    fn find(&self, _: TaskId, tid: u32) -> Option<TaskId> {
        (!self.0.dead.lock().unwrap().contains(&tid)).then_some(TaskId(u64::from(tid)))
    }

    fn boost(&self, owner: TaskId, priority: Option<Priority>) {
        self.0.boosts.lock().unwrap().insert(owner.0, priority);
    }
}

impl Hook {
    pub fn boost_of(&self, tid: u64) -> Option<Priority> {
        self.0.boosts.lock().unwrap().get(&tid).copied().flatten()
    }
}

pub fn task(tid: u32, priority: i32) -> PiTask {
    PiTask { id: TaskId(u64::from(tid)), tid, priority: Priority(priority) }
}

/// A root with one address space, few buckets so that keys collide.
pub fn kernel() -> (Manager, Arc<Memory>, Hook) {
    let hook = Hook::default();
    (Manager::with(7, 4, Box::new(hook.clone())), Memory::new(), hook)
}

pub type Sleeper = Wait<'static, Arc<Memory>>;

/// Starts a wait that must sleep.
pub fn asleep<'a>(r: Result<Wait<'a, Arc<Memory>>, Errno>) -> Sleeper {
    r.expect("the word has the expected value").into_owned()
}

/// The wait of a step that must sleep.
pub fn blocked(r: Result<Step<'_, Arc<Memory>>, Errno>) -> Sleeper {
    match r.expect("no error") {
        Step::Block(w) => w.into_owned(),
        Step::Done(v) => panic!("did not sleep: {v}"),
    }
}

/// The result of a step that must not sleep.
pub fn done(r: Result<Step<'_, Arc<Memory>>, Errno>) -> Result<u32, Errno> {
    match r? {
        Step::Block(_) => panic!("sleeps"),
        Step::Done(v) => Ok(v),
    }
}

pub fn waiter() -> &'static mut Waiter {
    Box::leak(Box::default())
}

pub fn poll(w: &mut Sleeper) -> Poll<Result<u32, Errno>> {
    Pin::new(w).poll(&mut Context::from_waker(Waker::noop()))
}

pub fn is_asleep(w: &mut Sleeper) -> bool {
    poll(w).is_pending()
}

/// Whether the wait has ended well, with 0.
pub fn is_woken(w: &mut Sleeper) -> bool {
    poll(w) == Poll::Ready(Ok(0))
}
