//! The state that both sides of a pseudo-terminal share.

use super::instance::{Instance, Owner};
use super::line::{Effects, INPUT_MAX, Line, OUTPUT_MAX};
use super::termios::{EXTPROC, Termios};
use super::{Ptys, WinSize};
use crate::dev::PTS_MAJOR;
use crate::env::makedev;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use arch::{IoDst, IoSrc};
use sync::waitq::{Events, Queue};
use sync::{Mutex, MutexGuard};
use syserr::Errno;

/// What a packet tells the master (`TIOCPKT_*`; ioctl_tty(2)).
mod packet {
    pub(super) const FLUSH_READ: u8 = 1;
    pub(super) const FLUSH_WRITE: u8 = 2;
    pub(super) const STOP: u8 = 4;
    pub(super) const START: u8 = 8;
    pub(super) const NO_STOP: u8 = 16;
    pub(super) const DO_STOP: u8 = 32;
    pub(super) const IOCTL: u8 = 64;
}

/// A pseudo-terminal.
pub(super) struct Pair {
    pub(super) number: u32,
    /// Where it shows.
    pub(super) instance: Arc<Instance>,
    /// Of its node.
    pub(super) owner: Mutex<Owner>,
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
    /// How often the terminal was hung up: who opened it before has lost it.
    pub(super) hangups: u64,
    /// The master's own output is held (`TCOOFF`).
    pub(super) master_held: bool,
}

impl State {
    /// Has the next packet tell of `news`, and no longer of what that outdates.
    pub(super) fn tell(&mut self, news: u8, outdated: u8) {
        if let Some(p) = &mut self.packet {
            *p = *p & !outdated | news;
        }
    }

    /// Drops what was typed and not read, or written and not shown.
    pub(super) fn flush(&mut self, input: bool, output: bool) {
        if input {
            self.line.flush_input();
            self.tell(packet::FLUSH_READ, 0);
        }
        if output {
            self.line.output.clear();
            self.tell(packet::FLUSH_WRITE, 0);
        }
    }

    /// Holds what the programs write, or lets it go.
    pub(super) fn hold(&mut self, on: bool) {
        if self.line.stopped != on {
            self.line.stop(on, self.line.output.len());
            self.tell_held(on);
        }
    }

    fn tell_held(&mut self, on: bool) {
        let (news, outdated) =
            if on { (packet::STOP, packet::START) } else { (packet::START, packet::STOP) };
        self.tell(news, outdated);
    }

    /// Whether who opened the slave side after so many hang-ups has lost it.
    pub(super) fn is_lost(&self, hangups: u64) -> bool {
        self.master_gone || self.hangups != hangups
    }

    pub(super) fn set_termios(&mut self, new: Termios) {
        let (old, new) = (self.line.termios, new.of_pty());
        match (old.has_usual_flow_control(), new.has_usual_flow_control()) {
            (false, true) => self.tell(packet::DO_STOP, packet::NO_STOP),
            (true, false) => self.tell(packet::NO_STOP, packet::DO_STOP),
            _ => {}
        }
        if old.l(EXTPROC) || new.l(EXTPROC) {
            self.tell(packet::IOCTL, 0);
        }
        let was_held = self.line.stopped;
        self.line.set_termios(new);
        if self.line.stopped != was_held {
            self.tell_held(self.line.stopped);
        }
    }
}

impl Pair {
    pub(super) fn new(
        instance: Arc<Instance>,
        number: u32,
        owner: Owner,
        ptys: Weak<Ptys>,
    ) -> Arc<Pair> {
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
            hangups: 0,
            master_held: false,
        };
        Arc::new(Pair {
            number,
            owner: Mutex::new(owner),
            instance,
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

    /// Makes a session its own and returns whose it was, 0 for nobody's; `None` when it is somebody's
    /// and not to be taken away, or hung up.
    pub(super) fn take_session(&self, sid: i32, pgid: i32, steals: bool) -> Option<i32> {
        let mut s = self.lock();
        if s.session != 0 && !steals || s.master_gone {
            return None;
        }
        s.foreground = pgid;
        Some(core::mem::replace(&mut s.session, sid))
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

    /// A program reads, which opened it after so many hang-ups.
    pub(super) fn read_slave(
        &self,
        dst: &mut dyn IoDst,
        nonblock: bool,
        hangups: u64,
    ) -> Result<usize, Errno> {
        let want = usize::try_from(dst.remaining()).unwrap_or(INPUT_MAX).min(INPUT_MAX);
        if want == 0 {
            return Ok(0);
        }
        let mut s = self.lock();
        if s.is_lost(hangups) {
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
    pub(super) fn write_slave(&self, src: &mut dyn IoSrc, hangups: u64) -> Result<usize, Errno> {
        let mut s = self.lock();
        if s.is_lost(hangups) {
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
        let n = room.min(s.line.showable());
        if n == 0 {
            let gone = s.slave_seen && s.slaves == 0;
            return Err(if gone { Errno::EIO } else { Errno::EAGAIN });
        }
        bytes.extend(s.line.show(n));
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
        let was_held = s.line.stopped;
        s.line.echo_from = s.line.output.len();
        let mut buf = [0; 256];
        while src.remaining() > 0 {
            // A full line in canonical mode still takes bytes, to find its end.
            if !s.line.accepts() || s.master_held {
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
        if effects.flushed {
            s.tell(packet::FLUSH_READ | packet::FLUSH_WRITE, 0);
        }
        let held = s.line.stopped;
        if held != was_held {
            s.tell_held(held);
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

    pub(super) fn slave_readiness(&self, hangups: u64) -> Events {
        let s = self.lock();
        let mut e = Events::empty();
        if s.is_lost(hangups) {
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
        let output = s.line.showable() > 0;
        let status = s.packet.is_some_and(|p| p != 0);
        e.set(Events::IN | Events::RDNORM, output || status);
        e.set(Events::PRI, status);
        e.set(Events::OUT | Events::WRNORM, s.line.accepts() && !s.master_held);
        e.set(Events::HUP, s.slave_seen && s.slaves == 0);
        e
    }

    pub(super) fn close_slave(&self, hangups: u64) {
        let mut s = self.lock();
        if s.hangups != hangups {
            return;
        }
        s.slaves -= 1;
        let last = s.slaves == 0;
        drop(s);
        if last {
            self.master_queue.notify(Events::all());
        }
    }

    /// Takes the slave side from all who have it open, and from its session, whose leader hears of
    /// it (`__tty_hangup`).
    pub(super) fn hang_up(&self) {
        const SIGHUP: u32 = 1;
        const SIGCONT: u32 = 18;
        let mut s = self.lock();
        s.hangups += 1;
        s.slaves = 0;
        s.flush(true, false);
        s.set_termios(Line::default().termios);
        let sid = core::mem::take(&mut s.session);
        s.foreground = 0;
        drop(s);
        if let Some(ptys) = self.ptys().filter(|_| sid != 0) {
            ptys.sessions.lock().remove(&sid);
            ptys.job.signal_process(sid, SIGHUP);
            ptys.job.signal_process(sid, SIGCONT);
        }
        self.slave_queue.notify(Events::all());
        self.master_queue.notify(Events::all());
    }

    pub(super) fn close_master(&self) {
        self.lock().master_gone = true;
        if let Some(ptys) = self.ptys() {
            ptys.closed();
        }
        self.instance.remove(self.number);
        self.hang_up();
    }
}
