//! Descriptions that travel in messages, and the search for those that nobody can receive any
//! more.
//!
//! A socket that was sent to itself, or two that were sent through each other, keep themselves
//! alive: every reference to them lies in a queue that only they could be read from. As in
//! `net/unix/garbage.c`, a socket in flight is garbage when all its references are in flight, and
//! all of those lie in queues of garbage.

use super::endpoint::Endpoint;
use super::message::Message;
use super::{Net, Socket};
use crate::File;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use sync::{Mutex, RwLock};
use syserr::Errno;

/// The most descriptions that may be in flight in one kernel, whoever sends them.
const HARD_MAX: usize = 1 << 16;

/// Descriptions in flight.
#[derive(Default)]
pub(super) struct InFlight {
    count: AtomicUsize,
    /// Sockets among them by address, with how often they are in flight.
    sockets: Mutex<BTreeMap<usize, (Weak<File>, usize)>>,
    /// Held for reading while descriptions enter or leave queues, and for writing by the search.
    pub(super) moving: RwLock<()>,
    /// Messages of closed sockets that are to be dropped one after the other, however deep they
    /// are nested in each other.
    buried: Mutex<Vec<Message>>,
    burying: Mutex<()>,
    /// Sockets closed since the last search.
    closed: AtomicUsize,
}

/// A search looks at so many sockets for each one that was closed, at most.
const EFFORT: usize = 8;

/// Descriptions that one message carries (`SCM_RIGHTS`).
pub(super) struct Rights {
    pub(super) files: Vec<Arc<File>>,
    net: Arc<Net>,
}

fn key(file: &Arc<File>) -> usize {
    Arc::as_ptr(file).addr()
}

impl Rights {
    /// Puts `files` into flight. `limit`: how many may be, for a sender without privilege.
    pub(super) fn new(net: &Arc<Net>, files: Vec<Arc<File>>, limit: u64) -> Result<Rights, Errno> {
        let inflight = &net.inflight;
        let now = inflight.count.fetch_add(files.len(), Relaxed);
        if now as u64 > limit || now + files.len() > HARD_MAX {
            inflight.count.fetch_sub(files.len(), Relaxed);
            return Err(Errno::ETOOMANYREFS);
        }
        let mut sockets = inflight.sockets.lock();
        for f in files.iter().filter(|f| f.downcast::<Socket>().is_some()) {
            sockets.entry(key(f)).or_insert_with(|| (Arc::downgrade(f), 0)).1 += 1;
        }
        drop(sockets);
        Ok(Rights { files, net: net.clone() })
    }

    /// The same descriptions for a reader that only peeks.
    pub(super) fn peek(&self) -> Vec<Arc<File>> {
        self.files.clone()
    }

    /// Takes the descriptions out of flight.
    pub(super) fn land(mut self) -> Vec<Arc<File>> {
        self.leave();
        core::mem::take(&mut self.files)
    }

    fn leave(&mut self) {
        self.net.inflight.count.fetch_sub(self.files.len(), Relaxed);
        let mut sockets = self.net.inflight.sockets.lock();
        for f in &self.files {
            let k = key(f);
            if let Some(e) = sockets.get_mut(&k) {
                e.1 -= 1;
                if e.1 == 0 {
                    sockets.remove(&k);
                }
            }
        }
    }
}

impl Drop for Rights {
    fn drop(&mut self) {
        if !self.files.is_empty() {
            self.leave();
        }
    }
}

impl InFlight {
    /// Drops messages of a socket that goes. A message may hold the last reference to another
    /// socket, whose messages come here in turn: the outermost call drops them all.
    pub(super) fn bury(&self, messages: impl IntoIterator<Item = Message>) {
        let mut rights = false;
        let mut plain = Vec::new();
        for m in messages {
            if m.rights.is_some() {
                rights = true;
                self.buried.lock().push(m);
            } else {
                plain.push(m);
            }
        }
        drop(plain);
        if !rights {
            return;
        }
        loop {
            let Some(turn) = self.burying.try_lock() else { return };
            loop {
                let Some(next) = self.buried.lock().pop() else { break };
                drop(next);
            }
            drop(turn);
            if self.buried.lock().is_empty() {
                return;
            }
        }
    }

    /// Empties the queues of sockets that nobody can reach, after a socket was closed. The more
    /// there are in flight, the more must have been closed first: closing stays cheap.
    pub(super) fn collect(&self) {
        let closed = self.closed.fetch_add(1, Relaxed).saturating_add(1);
        let sockets = self.sockets.lock().len();
        if sockets == 0 || closed.saturating_mul(EFFORT) < sockets {
            return;
        }
        self.closed.store(0, Relaxed);
        let garbage = {
            let _still = self.moving.write();
            self.find()
        };
        for file in &garbage {
            if let Some(s) = file.downcast::<Socket>() {
                self.bury(s.endpoint().take_messages());
            }
        }
    }

    /// Sockets in flight whose references all lie in queues of such sockets.
    fn find(&self) -> Vec<Arc<File>> {
        let all: Vec<(Arc<File>, usize)> = {
            let sockets = self.sockets.lock();
            sockets.values().filter_map(|(f, n)| Some((f.upgrade()?, *n))).collect()
        };
        // One reference is ours.
        let candidates: BTreeMap<usize, (Arc<File>, usize)> = all
            .into_iter()
            .filter(|(f, n)| Arc::strong_count(f) == n + 1)
            .map(|(f, n)| (key(&f), (f, n)))
            .collect();
        let mut inside: BTreeMap<usize, usize> = BTreeMap::new();
        let mut holds: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (k, (f, _)) in &candidates {
            let Some(s) = f.downcast::<Socket>() else { continue };
            let held = held_by(s.endpoint());
            for h in held.iter().filter(|h| candidates.contains_key(h)) {
                *inside.entry(*h).or_default() += 1;
            }
            holds.insert(*k, held);
        }
        let mut reached: Vec<usize> = candidates
            .iter()
            .filter(|(k, (_, n))| inside.get(k).copied().unwrap_or(0) < *n)
            .map(|(k, _)| *k)
            .collect();
        let mut live: BTreeSet<usize> = reached.iter().copied().collect();
        while let Some(k) = reached.pop() {
            for h in holds.get(&k).into_iter().flatten() {
                if candidates.contains_key(h) && live.insert(*h) {
                    reached.push(*h);
                }
            }
        }
        candidates.into_iter().filter(|(k, _)| !live.contains(k)).map(|(_, (f, _))| f).collect()
    }
}

/// Addresses of the descriptions in the queue of a socket, and in those of connections that wait
/// to be accepted from it.
fn held_by(e: &Endpoint) -> Vec<usize> {
    let s = e.state.lock();
    let mut held: Vec<usize> = s.inbox.rights().map(key).collect();
    let embryos: Vec<_> = s.pending.iter().cloned().collect();
    drop(s);
    for child in embryos {
        let s = child.state.lock();
        held.extend(s.inbox.rights().map(key));
    }
    held
}
