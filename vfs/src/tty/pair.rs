//! The state that both sides of a pseudo-terminal share.

use super::line::{Effects, INPUT_MAX, Line, OUTPUT_MAX};
use super::{Ptys, WinSize};
use crate::dev::PTS_MAJOR;
use crate::env::makedev;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use arch::{IoDst, IoSrc};
use sync::waitq::{Events, Queue};
use sync::{Mutex, MutexGuard};
use syserr::Errno;

/// `TIOCPKT_FLUSHREAD`.
const PACKET_FLUSH: u8 = 1;

/// A pseudo-terminal.
pub(super) struct Pair {
    pub(super) number: u32,
    pub(super) owner: Mutex<(u32, u32, u32)>,
    ptys: Weak<Ptys>,
    state: Mutex<State>,
    pub(super) master_queue: Queue,
    pub(super) slave_queue: Queue,
}

pub(super) struct State {
    pub(super) line: Line,
    pub(super) size: WinSize,
    pub(super) session: i32,
    pub(super) foreground: i32,
    pub(super) locked: bool,
    pub(super) exclusive: bool,
    /// Packet mode, and what the next packet says.
    pub(super) packet: Option<u8>,
    pub(super) slaves: usize,
    pub(super) slave_seen: bool,
    pub(super) master_gone: bool,
}

impl Pair {
    pub(super) fn new(number: u32, (uid, gid): (u32, u32), ptys: Weak<Ptys>) -> Arc<Pair> {
        let state = State {
            line: Line::default(),
            size: WinSize::default(),
            session: 0,
            foreground: 0,
            locked: true,
            exclusive: false,
            packet: None,
            slaves: 0,
            slave_seen: false,
            master_gone: false,
        };
        Arc::new(Pair {
            number,
            owner: Mutex::new((uid, gid, 0o620)),
            ptys,
            state: Mutex::new(state),
            master_queue: Queue::new(),
            slave_queue: Queue::new(),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    pub(super) fn ptys(&self) -> Option<Arc<Ptys>> {
        self.ptys.upgrade()
    }

    pub(super) fn rdev(&self) -> u64 {
        makedev(PTS_MAJOR, self.number)
    }

    pub(super) fn foreground(&self) -> i32 {
        self.lock().foreground
    }

    pub(super) fn take_session(&self, sid: i32, pgid: i32) -> bool {
        let mut s = self.lock();
        if s.session != 0 || s.master_gone {
            return false;
        }
        (s.session, s.foreground) = (sid, pgid);
        true
    }

    pub(super) fn leave_session(&self) {
        let mut s = self.lock();
        (s.session, s.foreground) = (0, 0);
    }

    pub(super) fn signal(&self, pgid: i32, signo: u32) {
        if let Some(ptys) = self.ptys()
            && pgid != 0
        {
            ptys.job.signal_group(pgid, signo);
        }
    }

    /// A program reads.
    pub(super) fn read_slave(&self, dst: &mut dyn IoDst, nonblock: bool) -> Result<usize, Errno> {
        let want = usize::try_from(dst.remaining()).unwrap_or(INPUT_MAX).min(INPUT_MAX);
        if want == 0 {
            return Ok(0);
        }
        let mut s = self.lock();
        if s.master_gone {
            return Ok(0);
        }
        let (min, time) = s.line.raw_minimum();
        if !s.line.has_input() {
            return if min == 0 && time == 0 { Ok(0) } else { Err(Errno::EAGAIN) };
        }
        if s.line.readable() < min.min(want) && !nonblock {
            return Err(Errno::EAGAIN);
        }
        let bytes = s.line.read(want);
        drop(s);
        self.master_queue.notify(Events::OUT | Events::WRNORM);
        match dst.put(&bytes)? {
            n if n == bytes.len() => Ok(n),
            _ => Err(Errno::EFAULT),
        }
    }

    /// A program writes.
    pub(super) fn write_slave(&self, src: &mut dyn IoSrc) -> Result<usize, Errno> {
        let mut s = self.lock();
        if s.master_gone {
            return Err(Errno::EIO);
        }
        let mut done = 0;
        let mut buf = [0; 512];
        while src.remaining() > 0 {
            let room = OUTPUT_MAX.saturating_sub(s.line.output.len()) / 8;
            if s.line.stopped || room == 0 {
                break;
            }
            let want = room.min(buf.len());
            let n = match src.take(&mut buf[..want]) {
                Ok(n) => n,
                Err(e) if done == 0 => return Err(e),
                Err(_) => break,
            };
            for c in &buf[..n] {
                s.line.emit(*c);
            }
            done += n;
            if n < want {
                break;
            }
        }
        let blocked = done == 0 && src.remaining() > 0;
        drop(s);
        if blocked {
            return Err(Errno::EAGAIN);
        }
        self.master_queue.notify(Events::IN | Events::RDNORM);
        Ok(done)
    }

    /// The emulator reads.
    pub(super) fn read_master(&self, dst: &mut dyn IoDst) -> Result<usize, Errno> {
        let want = usize::try_from(dst.remaining()).unwrap_or(OUTPUT_MAX).min(OUTPUT_MAX);
        let mut s = self.lock();
        let mut bytes = Vec::new();
        if let Some(status) = &mut s.packet {
            let status = core::mem::take(status);
            bytes.push(status);
            if status != 0 {
                drop(s);
                return dst.put(&bytes);
            }
        }
        let room = want.saturating_sub(bytes.len());
        let n = if s.line.stopped { 0 } else { room.min(s.line.output.len()) };
        if n == 0 {
            let gone = s.slave_seen && s.slaves == 0;
            return Err(if gone { Errno::EIO } else { Errno::EAGAIN });
        }
        bytes.extend(s.line.output.drain(..n));
        drop(s);
        self.slave_queue.notify(Events::OUT | Events::WRNORM);
        match dst.put(&bytes)? {
            n if n == bytes.len() => Ok(n),
            _ => Err(Errno::EFAULT),
        }
    }

    /// The emulator writes: somebody types.
    pub(super) fn write_master(&self, src: &mut dyn IoSrc) -> Result<usize, Errno> {
        let mut effects = Effects::default();
        let mut done = 0;
        let mut s = self.lock();
        let mut buf = [0; 256];
        while src.remaining() > 0 {
            // A full line in canonical mode still takes bytes, to find its end.
            if !s.line.accepts() {
                break;
            }
            let n = match src.take(&mut buf) {
                Ok(n) => n,
                Err(e) if done == 0 => return Err(e),
                Err(_) => break,
            };
            for c in &buf[..n] {
                s.line.type_byte(*c, &mut effects);
            }
            done += n;
            if n == 0 {
                break;
            }
        }
        if effects.flushed
            && let Some(p) = &mut s.packet
        {
            *p |= PACKET_FLUSH;
        }
        let group = s.foreground;
        let blocked = done == 0 && src.remaining() > 0;
        drop(s);
        for signo in effects.signals {
            self.signal(group, signo);
        }
        if blocked {
            return Err(Errno::EAGAIN);
        }
        self.slave_queue.notify(Events::IN | Events::RDNORM | Events::OUT | Events::WRNORM);
        self.master_queue.notify(Events::IN | Events::RDNORM);
        Ok(done)
    }

    pub(super) fn slave_readiness(&self) -> Events {
        let s = self.lock();
        let mut e = Events::empty();
        if s.master_gone {
            return Events::IN
                | Events::OUT
                | Events::RDNORM
                | Events::WRNORM
                | Events::ERR
                | Events::HUP;
        }
        let (min, time) = s.line.raw_minimum();
        let enough = if time == 0 { min.max(1) } else { 1 };
        let ready = s.line.has_input() && (s.line.is_canonical() || s.line.readable() >= enough);
        e.set(Events::IN | Events::RDNORM, ready);
        let room = !s.line.stopped && OUTPUT_MAX.saturating_sub(s.line.output.len()) >= 8;
        e.set(Events::OUT | Events::WRNORM, room);
        e
    }

    pub(super) fn master_readiness(&self) -> Events {
        let s = self.lock();
        let mut e = Events::empty();
        let output = !s.line.output.is_empty() && !s.line.stopped;
        let status = s.packet.is_some_and(|p| p != 0);
        e.set(Events::IN | Events::RDNORM, output || status);
        e.set(Events::PRI, status);
        e.set(Events::OUT | Events::WRNORM, s.line.accepts());
        e.set(Events::HUP, s.slave_seen && s.slaves == 0);
        e
    }

    pub(super) fn close_slave(&self) {
        let mut s = self.lock();
        s.slaves -= 1;
        let last = s.slaves == 0;
        drop(s);
        if last {
            self.master_queue.notify(Events::all());
        }
    }

    pub(super) fn close_master(&self) {
        const SIGHUP: u32 = 1;
        const SIGCONT: u32 = 18;
        let mut s = self.lock();
        s.master_gone = true;
        let (sid, group) = (s.session, s.foreground);
        (s.session, s.foreground) = (0, 0);
        drop(s);
        if let Some(ptys) = self.ptys() {
            if sid != 0 {
                ptys.sessions.lock().remove(&sid);
            }
            ptys.closed(self.number);
        }
        // The session leader hears of the hang-up, and so does who is in front.
        for g in [sid, group] {
            self.signal(g, SIGHUP);
            self.signal(g, SIGCONT);
        }
        self.slave_queue.notify(Events::all());
    }
}
