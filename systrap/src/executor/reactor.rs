//! Host descriptors: the doorbell, the stubs' process descriptors, and what the embedder watches.

use crate::host::Shared;
use crate::space::Space;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::pipe::{PipeFlags, pipe_with};
use std::collections::HashMap;
use std::io;
use std::mem::MaybeUninit;
use std::sync::{Arc, Weak};
use sync::Mutex;
use sync::waitq::{Events, Queue};

/// The doorbell's number among the sources.
const DOORBELL: u64 = 0;
/// The number of the pipe of acknowledgements.
const ACKS: u64 = 1;

/// One epoll descriptor and who stands behind its events.
pub(crate) struct Reactor {
    epoll: OwnedFd,
    doorbell: OwnedFd,
    /// Where the stubs' mappers say how far they are: the reading and the writing end.
    acks: (OwnedFd, OwnedFd),
    sources: Mutex<Sources>,
}

struct Sources {
    last: u64,
    by_token: HashMap<u64, Source>,
}

/// Who is told of an event.
#[derive(Clone)]
pub(crate) enum Source {
    /// A stub process; its descriptor is readable when it is dead.
    Stub(Weak<Space>),
    /// Whoever waits on this queue.
    Queue(Arc<Queue>),
}

impl Reactor {
    pub(crate) fn new() -> io::Result<Reactor> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let doorbell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        epoll::add(&epoll, &doorbell, EventData::new_u64(DOORBELL), EventFlags::IN)?;
        let acks = pipe_with(PipeFlags::CLOEXEC)?;
        // A mapper may have to wait for room; the sentry never waits for a mapper.
        rustix::fs::fcntl_setfl(&acks.0, rustix::fs::OFlags::NONBLOCK)?;
        epoll::add(&epoll, &acks.0, EventData::new_u64(ACKS), EventFlags::IN)?;
        let sources = Mutex::new(Sources { last: ACKS, by_token: HashMap::new() });
        Ok(Reactor { epoll, doorbell, acks, sources })
    }

    pub(crate) fn doorbell(&self) -> BorrowedFd<'_> {
        self.doorbell.as_fd()
    }

    /// The end of the pipe of acknowledgements that mappers write into.
    pub(crate) fn acks(&self) -> BorrowedFd<'_> {
        self.acks.1.as_fd()
    }

    /// Takes what mappers have said. Only they can write into the pipe, 16 bytes at a time: an
    /// address space's number and how many of its operations are performed.
    pub(crate) fn take_acknowledgements(&self) {
        let mut buffer = [0u64; 256];
        let bytes: &mut [u8] = zerocopy::IntoBytes::as_mut_bytes(&mut buffer);
        let Ok(n) = rustix::io::read(&self.acks.0, bytes) else { return };
        for ack in buffer[..n / 8].chunks_exact(2) {
            let source = self.sources.lock().by_token.get(&ack[0]).cloned();
            if let Some(Source::Stub(space)) = source
                && let Some(space) = space.upgrade()
            {
                space.acknowledge(ack[1]);
            }
        }
    }

    /// The stubs that are alive.
    pub(crate) fn spaces(&self) -> Vec<Arc<Space>> {
        let sources = self.sources.lock();
        let stub = |s: &Source| match s {
            Source::Stub(space) => space.upgrade(),
            Source::Queue(_) => None,
        };
        sources.by_token.values().filter_map(stub).collect()
    }

    pub(crate) fn ring(&self) {
        let _ = rustix::io::write(&self.doorbell, &1u64.to_ne_bytes());
    }

    pub(crate) fn add(&self, fd: BorrowedFd<'_>, flags: EventFlags, s: Source) -> io::Result<u64> {
        let mut sources = self.sources.lock();
        sources.last += 1;
        let token = sources.last;
        epoll::add(&self.epoll, fd, EventData::new_u64(token), flags)?;
        sources.by_token.insert(token, s);
        Ok(token)
    }

    pub(crate) fn remove(&self, fd: BorrowedFd<'_>, token: u64) {
        let _ = epoll::delete(&self.epoll, fd);
        let gone = self.sources.lock().by_token.remove(&token);
        drop(gone);
    }

    /// Takes events, waiting at most `timeout` nanoseconds; whether there was any.
    pub(crate) fn poll(&self, host: &Shared, timeout: Option<u64>) -> bool {
        let timeout = timeout.map(|ns| Timespec {
            tv_sec: (ns / 1_000_000_000) as i64,
            tv_nsec: (ns % 1_000_000_000) as i64,
        });
        let mut buffer = [MaybeUninit::<epoll::Event>::uninit(); 32];
        let taken = epoll::wait(&self.epoll, &mut buffer, timeout.as_ref());
        // Awake: nobody needs to ring for what happens from here on.
        host.regions.bell().is_awake();
        let Ok((events, _)) = taken else { return false };
        let mut any = false;
        for event in events.iter() {
            let (data, flags) = (event.data, event.flags);
            if data.u64() == DOORBELL {
                let _ = rustix::io::read(&self.doorbell, &mut [0u8; 8]);
                continue;
            }
            any = true;
            if data.u64() == ACKS {
                self.take_acknowledgements();
                continue;
            }
            let source = self.sources.lock().by_token.get(&data.u64()).cloned();
            match source {
                Some(Source::Stub(space)) => host.stub_died(&space, data.u64()),
                Some(Source::Queue(q)) => q.notify(readiness(flags)),
                None => {}
            }
        }
        any
    }
}

fn readiness(flags: EventFlags) -> Events {
    // The numbers of epoll(7) are those of poll(2).
    Events::from_bits_truncate(flags.bits())
}

/// A watched host descriptor; watching ends when this is dropped.
pub struct Registration {
    pub(crate) host: Arc<Shared>,
    pub(crate) fd: OwnedFd,
    pub(crate) token: u64,
}

impl Registration {
    pub(crate) fn new(
        host: Arc<Shared>,
        fd: BorrowedFd<'_>,
        events: Events,
        queue: Arc<Queue>,
    ) -> io::Result<Registration> {
        // A descriptor of our own: the caller's may be closed, and its number reused, before this.
        let fd = rustix::io::fcntl_dupfd_cloexec(fd, 3)?;
        let flags = EventFlags::from_bits_truncate(events.bits()) | EventFlags::ET;
        let token = host.reactor.add(fd.as_fd(), flags, Source::Queue(queue))?;
        Ok(Registration { host, fd, token })
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.host.reactor.remove(self.fd.as_fd(), self.token);
    }
}

impl std::fmt::Debug for Registration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registration").field("fd", &self.fd.as_raw_fd()).finish_non_exhaustive()
    }
}
