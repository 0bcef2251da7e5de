//! Names and connections of AF_UNIX; unix(7) and `net/unix/af_unix.c`.

use super::addr::{self, AF_UNSPEC, Name};
use super::endpoint::{Endpoint, Phase, READABLE, Shut, tell_waiters};
use super::{Kind, Who};
use crate::perm::{self, MAY_WRITE};
use crate::{AT_FDCWD, LookupFlags, mode};
use alloc::sync::{Arc, Weak};
use core::any::Any;
use sync::waitq::Events;
use syserr::Errno;

/// What an inode that a socket is bound to holds.
struct Bound(Weak<Endpoint>);

impl Endpoint {
    /// bind(2).
    pub(super) fn bind_unix(self: &Arc<Self>, who: &Who<'_>, address: &[u8]) -> Result<(), Errno> {
        if addr::is_autobind(address) {
            return self.autobind();
        }
        let name = addr::parse_unix(address)?;
        let Some((0, path)) = name.split_last().filter(|_| name.first() != Some(&0)) else {
            return self.bind_abstract(name);
        };
        // The umask counts even where the directory has a default list (`unix_bind_bsd`).
        let wanted = mode::IFSOCK | 0o777 & !who.path.fs.umask();
        let made = who.vfs.mknod(&who.path, AT_FDCWD, path, wanted, 0);
        let place = match made {
            Err(Errno::EEXIST) => return Err(Errno::EADDRINUSE),
            r => r?,
        };
        let inode = place.inode().clone();
        let undo = |e| {
            // The name was made by this very call; that somebody else has removed it is fine.
            let _ = who.vfs.unlink(&who.path, AT_FDCWD, path);
            Err(e)
        };
        let Some(state) = inode.state() else { return undo(Errno::EPERM) };
        {
            let mut s = self.state.lock();
            if s.name.is_some() {
                drop(s);
                return undo(Errno::EINVAL);
            }
            s.name = Some(Name::Unix(name));
            s.bound = Some(place);
        }
        state.attach(Some(Arc::new(Bound(Arc::downgrade(self))) as Arc<dyn Any + Send + Sync>));
        Ok(())
    }

    fn bind_abstract(self: &Arc<Self>, name: Arc<[u8]>) -> Result<(), Errno> {
        if self.state.lock().name.is_some() {
            return Err(Errno::EINVAL);
        }
        self.net.add_abstract(&name, self)?;
        self.state.lock().name = Some(Name::Unix(name));
        Ok(())
    }

    /// Chooses an abstract name, if there is none yet.
    pub(super) fn autobind(self: &Arc<Self>) -> Result<(), Errno> {
        if self.state.lock().name.is_none() {
            let name = self.net.choose_abstract(self)?;
            self.state.lock().name = Some(Name::Unix(name));
        }
        Ok(())
    }

    /// A socket that asks for credentials has a name, so that it can be answered.
    pub(super) fn autobind_for_creds(self: &Arc<Self>) -> Result<(), Errno> {
        if self.options.asks_sender() { self.autobind() } else { Ok(()) }
    }

    /// The socket that an address names.
    pub(super) fn find_unix(
        &self,
        who: &Who<'_>,
        name: &Arc<[u8]>,
    ) -> Result<Arc<Endpoint>, Errno> {
        let found = match name.split_last() {
            Some((0, path)) if name.first() != Some(&0) => {
                let place = who.vfs.resolve(&who.path, AT_FDCWD, path, LookupFlags::empty())?;
                let inode = place.inode();
                perm::check(&**inode, who.creds(), MAY_WRITE)?;
                if inode.kind() != mode::IFSOCK {
                    return Err(Errno::ECONNREFUSED);
                }
                let held = inode.state().and_then(|s| s.attached());
                let bound = held.and_then(|a| a.downcast::<Bound>().ok());
                bound.and_then(|b| b.0.upgrade()).filter(|e| !e.state.lock().dead)
            }
            _ => self.net.find_abstract(self.kind, name),
        };
        let found = found.ok_or(Errno::ECONNREFUSED)?;
        if found.kind != self.kind { Err(Errno::EPROTOTYPE) } else { Ok(found) }
    }

    /// connect(2) of a stream.
    pub(super) fn connect_unix(
        self: &Arc<Self>,
        who: &Who<'_>,
        address: &[u8],
    ) -> Result<(), Errno> {
        let name = addr::parse_unix(address)?;
        self.autobind_for_creds()?;
        let listener = self.find_unix(who, &name)?;
        let (child_name, cred) = {
            let mut l = listener.state.lock();
            if l.phase != Phase::Listening || l.shut.contains(Shut::RECEIVE) {
                return Err(Errno::ECONNREFUSED);
            }
            if l.pending.len() > l.backlog {
                l.wait_for_room(self);
                return Err(Errno::EAGAIN);
            }
            (l.name.clone(), l.peer_cred.clone())
        };
        let child = Arc::new(Endpoint::new(&self.net, self.wanted()));
        child.options.set_passcred(listener.options.passcred());
        child.options.set_passpidfd(listener.options.passpidfd());
        {
            let mut c = child.state.lock();
            c.phase = Phase::Connected;
            c.name = child_name;
            c.peer = Some(self.clone());
            c.peer_cred = Some(who.peer_cred());
        }
        {
            let mut s = self.state.lock();
            match s.phase {
                Phase::Closed => {}
                Phase::Connected => return Err(Errno::EISCONN),
                _ => return Err(Errno::EINVAL),
            }
            s.phase = Phase::Connected;
            s.peer = Some(child.clone());
            s.peer_cred = cred;
        }
        let mut l = listener.state.lock();
        let result = if l.phase != Phase::Listening {
            Err(Errno::ECONNREFUSED)
        } else if l.pending.len() > l.backlog {
            l.wait_for_room(self);
            Err(Errno::EAGAIN)
        } else {
            l.pending.push_back(child);
            Ok(())
        };
        drop(l);
        if result.is_err() {
            let mut s = self.state.lock();
            s.phase = Phase::Closed;
            let gone = (s.peer.take(), s.peer_cred.take());
            drop(s);
            drop(gone);
        } else {
            listener.queue.notify(READABLE);
        }
        result
    }

    /// Whether datagrams of `self` may go to `other`: it talks to nobody else.
    pub(super) fn may_talk_to(self: &Arc<Self>, other: &Arc<Endpoint>) -> bool {
        other.state.lock().peer.as_ref().is_none_or(|p| Arc::ptr_eq(p, self))
    }

    /// connect(2) of a datagram socket.
    pub(super) fn connect_unix_dgram(
        self: &Arc<Self>,
        who: &Who<'_>,
        address: &[u8],
    ) -> Result<(), Errno> {
        let other = match addr::family(address).ok_or(Errno::EINVAL)? {
            AF_UNSPEC => None,
            _ => {
                let name = addr::parse_unix(address)?;
                self.autobind_for_creds()?;
                let other = self.find_unix(who, &name)?;
                if !self.may_talk_to(&other) {
                    return Err(Errno::EPERM);
                }
                Some(other)
            }
        };
        if let Some(o) = &other {
            o.state.lock().phase = Phase::Connected;
        }
        let old = {
            let mut s = self.state.lock();
            s.phase = if other.is_some() { Phase::Connected } else { Phase::Closed };
            core::mem::replace(&mut s.peer, other.clone())
        };
        if let Some(old) = old
            && !other.is_some_and(|o| Arc::ptr_eq(&o, &old))
        {
            self.disconnected(&old);
        }
        self.queue.notify(Events::all());
        Ok(())
    }

    /// What came from the old peer is lost, and the old peer hears so if it was connected back
    /// (`unix_dgram_disconnected`).
    pub(super) fn disconnected(self: &Arc<Self>, old: &Arc<Endpoint>) {
        let lost = {
            let mut s = self.state.lock();
            let waiters = s.take_waiters();
            (s.inbox.take_all(), waiters)
        };
        tell_waiters(lost.1);
        if lost.0.is_empty() {
            return;
        }
        let back = {
            let mut o = old.state.lock();
            let back = !o.dead && o.peer.as_ref().is_some_and(|p| Arc::ptr_eq(p, self));
            if back {
                o.error = Some(Errno::ECONNRESET);
            }
            back
        };
        if back {
            old.queue.notify(Events::ERR);
        }
        self.net.inflight.bury(lost.0);
    }

    /// Messages that may wait before a sender has to (`net.unix.max_dgram_qlen`).
    pub(super) const QUEUE_MAX: usize = 10;

    /// Whether datagrams to `other` would wait for it to read.
    pub(super) fn is_held_up_by(self: &Arc<Self>, other: &Arc<Endpoint>, wait: bool) -> bool {
        if self.kind != Kind::Dgram || Arc::ptr_eq(self, other) {
            return false;
        }
        let mut o = other.state.lock();
        let mutual = o.peer.as_ref().is_some_and(|p| Arc::ptr_eq(p, self));
        let full = !mutual && o.inbox.len() > Endpoint::QUEUE_MAX;
        if full && wait {
            o.wait_for_room(self);
        }
        full
    }
}
