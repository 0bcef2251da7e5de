//! All contexts of a kernel; io_setup(2), io_destroy(2).

use super::AIO_MAX_NR;
use super::abi::IoEvent;
use super::context::Context;
use super::ring::Ring;
use crate::{Args, Outcome, TaskCx};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use arch::{Access, Addr, UserMemoryExt};
use mm::{MapFlags, MappedObject, MmapArgs};
use sync::Mutex;
use syserr::Errno;

/// Address space and address of a ring.
type Key = (usize, u64);

struct All {
    by_ring: BTreeMap<Key, Arc<Context>>,
    /// The most that there may be (`fs.aio-max-nr`).
    most: u64,
    /// What all were set up for together (`fs.aio-nr`).
    requests: u64,
}

impl Default for All {
    fn default() -> All {
        All { by_ring: BTreeMap::new(), most: AIO_MAX_NR, requests: 0 }
    }
}

/// The contexts of a kernel.
#[derive(Default)]
pub(crate) struct Contexts(Mutex<All>);

impl Contexts {
    /// What all contexts were set up for together.
    pub(crate) fn requests(&self) -> u64 {
        self.0.lock().requests
    }

    /// The most that they can be set up for.
    pub(crate) fn most(&self) -> u64 {
        self.0.lock().most
    }

    /// Sets what [`Contexts::most`] says.
    ///
    /// # Errors
    /// `EINVAL` for more than the kernel keeps.
    pub(crate) fn set_most(&self, to: u64) -> Result<(), Errno> {
        if to > 16 * AIO_MAX_NR {
            return Err(Errno::EINVAL);
        }
        self.0.lock().most = to;
        Ok(())
    }

    fn reserve(&self, requests: u32) -> Result<(), Errno> {
        let mut all = self.0.lock();
        let sum = all.requests + u64::from(requests);
        if sum > all.most {
            return Err(Errno::EAGAIN);
        }
        all.requests = sum;
        Ok(())
    }

    fn give_back(&self, requests: u32) {
        self.0.lock().requests -= u64::from(requests);
    }

    pub(super) fn insert(&self, key: Key, context: Arc<Context>) {
        self.0.lock().by_ring.insert(key, context);
    }

    /// A ring is unmapped; with `last` its context ends.
    pub(super) fn remove(&self, key: Key, last: bool) {
        // What goes with it goes without the lock.
        let gone = self.0.lock().by_ring.remove(&key);
        if let Some(c) = gone.filter(|c| last && c.end()) {
            self.give_back(c.requests);
        }
    }

    fn find(&self, key: Key) -> Result<Arc<Context>, Errno> {
        self.0.lock().by_ring.get(&key).cloned().ok_or(Errno::EINVAL)
    }
}

fn home(cx: &TaskCx) -> usize {
    Arc::as_ptr(cx.mm()).cast::<()>().addr()
}

/// The caller's context with an ID.
pub(super) fn find(cx: &TaskCx, id: u64) -> Result<Arc<Context>, Errno> {
    cx.kernel().aio().find((home(cx), id))
}

/// io_setup(2).
pub(crate) fn sys_io_setup(cx: &mut TaskCx, a: &Args) -> Outcome {
    setup(cx, a[0] as u32, Addr(a[1])).map(|()| 0).into()
}

fn setup(cx: &TaskCx, requests: u32, at: Addr) -> Result<(), Errno> {
    let old: u64 = cx.mm().read_obj(at)?;
    if old != 0 || requests == 0 {
        return Err(Errno::EINVAL);
    }
    // `ioctx_alloc` in `fs/aio.c`: room for twice as many, and some for each processor.
    let cpus = cx.kernel().embedder().platform.cpus() as u32;
    let room = u64::from(requests.max(cpus.saturating_mul(4))) * 2;
    if room > 0x1000_0000 / size_of::<IoEvent>() as u64 {
        return Err(Errno::EINVAL);
    }
    let owner = cx.kernel().aio();
    owner.reserve(requests)?;
    let id = map(cx, owner, requests, room as u32).inspect_err(|_| owner.give_back(requests))?;
    cx.mm().write_obj(at, &id.0.0).inspect_err(|_| {
        // It was mapped just now; the context ends with the mapping.
        let _ = cx.mm().munmap(id.0, id.1);
    })
}

fn map(cx: &TaskCx, owner: &Arc<Contexts>, requests: u32, room: u32) -> Result<(Addr, u64), Errno> {
    let ring = Ring::new(cx.kernel().embedder().platform.memory(), room)?;
    let len = ring.len;
    let context = Context::new(home(cx), requests, ring, owner);
    let at = cx.mm().mmap(MmapArgs {
        addr: Addr(0),
        len,
        prot: Access::READ | Access::WRITE,
        flags: MapFlags::SHARED,
        max_prot: Access::READ | Access::WRITE,
        object: Some(MappedObject { object: context.clone(), identity: context }),
        offset: 0,
        limits: &cx.task.memory_limits(),
    })?;
    Ok((at, len))
}

/// io_destroy(2).
pub(crate) fn sys_io_destroy(cx: &mut TaskCx, a: &Args) -> Outcome {
    let destroyed = find(cx, a[0]).map(|context| {
        let owner = cx.kernel().aio();
        owner.remove((home(cx), a[0]), true);
        // The guest may have unmapped a part already.
        let _ = cx.mm().munmap(Addr(a[0]), context.ring.len);
        0
    });
    destroyed.into()
}
