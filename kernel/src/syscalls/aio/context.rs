//! One context: its ring, what is in flight, and who waits.

use super::abi::IoEvent;
use super::contexts::Contexts;
use super::poll::PollRequest;
use super::ring::Ring;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use arch::{Access, Addr, Permissions, UserMemory};
use core::ops::Range;
use mm::{Mappable, MappingIdentity, ObjectMapping, TranslateError, Translation};
use sync::Mutex;
use sync::waitq::{Events, Queue};
use syserr::Errno;
use zerocopy::IntoBytes;

#[derive(Default)]
struct State {
    /// Where the next event goes. The ring's own copy is for the guest.
    tail: u32,
    /// Requests that were accepted and are not complete.
    in_flight: u32,
    /// Address of the ring; 0 before it is mapped and once it is not any more.
    address: u64,
    dead: bool,
    polls: Vec<Arc<PollRequest>>,
}

/// A context of io_setup(2). It lives as long as its ring is mapped where it was made.
pub(super) struct Context {
    /// Address of the memory manager that it belongs to.
    pub(super) home: usize,
    /// What it was set up for.
    pub(super) requests: u32,
    pub(super) ring: Ring,
    pub(super) queue: Queue,
    state: Mutex<State>,
    owner: Weak<Contexts>,
    this: Weak<Context>,
}

impl Context {
    pub(super) fn new(home: usize, requests: u32, ring: Ring, owner: &Arc<Contexts>) -> Arc<Self> {
        Arc::new_cyclic(|this| Context {
            home,
            requests,
            ring,
            queue: Queue::new(),
            state: Mutex::default(),
            owner: Arc::downgrade(owner),
            this: this.clone(),
        })
    }

    /// Takes a place for a request.
    ///
    /// # Errors
    /// `EAGAIN` when requests and events that nobody has read leave no room; `EINVAL` once it has
    /// ended.
    pub(super) fn begin(&self) -> Result<(), Errno> {
        let mut s = self.state.lock();
        if s.dead {
            return Err(Errno::EINVAL);
        }
        let unread = self.ring.between(self.ring.head(), s.tail);
        if unread + s.in_flight + 1 >= self.ring.slots {
            return Err(Errno::EAGAIN);
        }
        s.in_flight += 1;
        Ok(())
    }

    /// Gives the place back of a request that was refused.
    pub(super) fn refuse(&self) {
        self.state.lock().in_flight -= 1;
    }

    /// A request is done.
    pub(super) fn complete(&self, event: &IoEvent) {
        let mut s = self.state.lock();
        s.in_flight -= 1;
        s.tail = self.ring.push(s.tail, event);
        drop(s);
        self.queue.notify(Events::IN);
    }

    /// Moves at most `most` events to `at`, and says how many.
    ///
    /// # Errors
    /// `EINVAL` once it has ended; `EFAULT`, and then the events stay.
    pub(super) fn take(&self, mm: &dyn UserMemory, at: Addr, most: u64) -> Result<u64, Errno> {
        let (head, next, events) = {
            let s = self.state.lock();
            if s.dead {
                return Err(Errno::EINVAL);
            }
            let head = self.ring.head();
            let count = u64::from(self.ring.between(head, s.tail)).min(most) as u32;
            if count == 0 {
                return Ok(0);
            }
            let next = (head + count) % self.ring.slots;
            self.ring.set_head(next);
            (head, next, self.ring.read(head, count))
        };
        mm.copy_out(at, events.as_bytes(), Permissions::Obey).inspect_err(|_| {
            let _state = self.state.lock();
            if self.ring.head() == next {
                self.ring.set_head(head);
            }
        })?;
        Ok(events.len() as u64)
    }

    /// Keeps a request that waits, unless the context has ended.
    pub(super) fn keep(&self, request: Arc<PollRequest>) {
        let mut s = self.state.lock();
        if !s.dead {
            s.polls.push(request);
        }
    }

    /// Takes a request out that waits; `None` when it does not wait any more.
    pub(super) fn forget(&self, which: impl Fn(&PollRequest) -> bool) -> Option<Arc<PollRequest>> {
        let mut s = self.state.lock();
        let at = s.polls.iter().position(|p| which(p))?;
        Some(s.polls.swap_remove(at))
    }

    /// Ends it; false when it had ended.
    pub(super) fn end(&self) -> bool {
        let mut s = self.state.lock();
        let polls = core::mem::take(&mut s.polls);
        let first = !core::mem::replace(&mut s.dead, true);
        drop(s);
        drop(polls);
        self.queue.notify(Events::IN);
        first
    }
}

fn space_of(m: &ObjectMapping) -> usize {
    m.space.as_ptr().cast::<()>().addr()
}

impl MappingIdentity for Context {
    fn device(&self) -> u64 {
        vfs::anon::ANON_DEV
    }

    fn inode(&self) -> u64 {
        self.ring.memory.object_id()
    }

    fn path(&self) -> Vec<u8> {
        b"/[aio] (deleted)".to_vec()
    }
}

impl Mappable for Context {
    fn object_id(&self) -> u64 {
        self.ring.memory.object_id()
    }

    fn translate(
        &self,
        required: Range<u64>,
        optional: Range<u64>,
        access: Access,
    ) -> Result<Translation, TranslateError> {
        self.ring.memory.translate(required, optional, access)
    }

    fn add_mapping(&self, mapping: &ObjectMapping) -> Result<(), Errno> {
        self.ring.memory.add_mapping(mapping)?;
        if space_of(mapping) != self.home || mapping.offset != 0 {
            return Ok(());
        }
        // A ring that is moved (mremap(2)) names its context by the new address.
        if let (Some(owner), Some(this)) = (self.owner.upgrade(), self.this.upgrade()) {
            let at = mapping.range.start.0;
            self.state.lock().address = at;
            owner.insert((self.home, at), this);
        }
        Ok(())
    }

    fn remove_mapping(&self, mapping: &ObjectMapping) {
        self.ring.memory.remove_mapping(mapping);
        if space_of(mapping) != self.home || mapping.offset != 0 {
            return;
        }
        let Some(owner) = self.owner.upgrade() else { return };
        let at = mapping.range.start.0;
        let last = self.state.lock().address == at;
        owner.remove((self.home, at), last);
    }

    fn sync(&self, range: Range<u64>) -> Result<(), Errno> {
        self.ring.memory.sync(range)
    }

    fn punch_hole(&self, _: Range<u64>) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }
}
