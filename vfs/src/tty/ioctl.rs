//! Device control of terminals; ioctl_tty(2).

use super::file::TtyFile;
use super::termios::{OLD_SIZE, Termio};
use super::{Termios, WinSize};
use crate::{Caller, cap};
use arch::{Addr, BufSrc, Permissions, UserMemory, UserMemoryExt};
use sync::waitq::Events;
use syserr::Errno;
use zerocopy::IntoBytes;

const TCGETS: u32 = 0x5401;
const TCSETS: u32 = 0x5402;
const TCSETSW: u32 = 0x5403;
const TCSETSF: u32 = 0x5404;
const TCGETA: u32 = 0x5405;
const TCSETA: u32 = 0x5406;
const TCSETAW: u32 = 0x5407;
const TCSETAF: u32 = 0x5408;
const TCSBRK: u32 = 0x5409;
const TCXONC: u32 = 0x540a;
const TCFLSH: u32 = 0x540b;
const TIOCEXCL: u32 = 0x540c;
const TIOCNXCL: u32 = 0x540d;
const TIOCSCTTY: u32 = 0x540e;
const TIOCGPGRP: u32 = 0x540f;
const TIOCSPGRP: u32 = 0x5410;
const TIOCOUTQ: u32 = 0x5411;
const TIOCSTI: u32 = 0x5412;
const TIOCGWINSZ: u32 = 0x5413;
const TIOCSWINSZ: u32 = 0x5414;
const FIONREAD: u32 = 0x541b;
const TIOCPKT: u32 = 0x5420;
/// A control mode: there is no modem.
const CLOCAL: u32 = 0o4000;
const TIOCGSOFTCAR: u32 = 0x5419;
const TIOCSSOFTCAR: u32 = 0x541a;
const TIOCNOTTY: u32 = 0x5422;
const TIOCSETD: u32 = 0x5423;
const TIOCGETD: u32 = 0x5424;
const TCSBRKP: u32 = 0x5425;
const TIOCGSID: u32 = 0x5429;
const TCGETS2: u32 = 0x802c_542a;
const TCSETS2: u32 = 0x402c_542b;
const TCSETSW2: u32 = 0x402c_542c;
const TCSETSF2: u32 = 0x402c_542d;
const TIOCVHANGUP: u32 = 0x5437;
const TIOCGPTN: u32 = 0x8004_5430;
const TIOCSPTLCK: u32 = 0x4004_5431;
const TIOCSIG: u32 = 0x4004_5436;
const TIOCGPKT: u32 = 0x8004_5438;
const TIOCGPTLCK: u32 = 0x8004_5439;
const TIOCGEXCL: u32 = 0x8004_5440;

/// Whether a background process that asks for this is stopped first (`tty_check_change`).
pub(super) const fn changes(cmd: u32) -> bool {
    matches!(
        cmd,
        TCSETS
            | TCSETSW
            | TCSETSF
            | TCSETS2
            | TCSETSW2
            | TCSETSF2
            | TCSETA
            | TCSETAW
            | TCSETAF
            | TCSBRK
            | TCSBRKP
            | TCXONC
            | TCFLSH
            | TIOCSPGRP
    )
}

fn read_termios(
    mem: &dyn UserMemory,
    at: Addr,
    old: Termios,
    len: usize,
) -> Result<Termios, Errno> {
    let mut t = old;
    if let Some(bytes) = t.as_mut_bytes().get_mut(..len) {
        mem.copy_in(at, bytes, Permissions::Obey)?;
    }
    Ok(t)
}

impl TtyFile {
    /// Whether `cmd` must not be done by a process in the background.
    pub fn changes_terminal(&self, cmd: u32) -> bool {
        !self.is_master() && changes(cmd)
    }

    fn change_termios(&self, new: Termios, flush: bool) {
        let mut s = self.pair.lock();
        if flush {
            s.flush(true, false);
        }
        s.set_termios(new);
        drop(s);
        self.notify_both();
    }

    pub(super) fn control(&self, caller: &dyn Caller, cmd: u32, at: Addr) -> Result<u64, Errno> {
        let mem = caller.memory();
        let mut s = self.pair.lock();
        if !self.is_master() && s.is_lost(self.hangups) {
            return Err(if cmd == TIOCSPGRP { Errno::ENOTTY } else { Errno::EIO });
        }
        match cmd {
            TCGETS | TCGETS2 => {
                let t = s.line.termios;
                drop(s);
                let len = if cmd == TCGETS { OLD_SIZE } else { size_of::<Termios>() };
                let bytes = t.as_bytes().get(..len).unwrap_or_default();
                mem.copy_out(at, bytes, Permissions::Obey)?;
            }
            TCSETS | TCSETSW | TCSETSF | TCSETS2 | TCSETSW2 | TCSETSF2 => {
                let old = s.line.termios;
                drop(s);
                let long = matches!(cmd, TCSETS2 | TCSETSW2 | TCSETSF2);
                let len = if long { size_of::<Termios>() } else { OLD_SIZE };
                let new = read_termios(mem, at, old, len)?;
                self.change_termios(new, matches!(cmd, TCSETSF | TCSETSF2));
            }
            TCGETA => {
                let old = Termio::from(&s.line.termios);
                drop(s);
                mem.write_obj(at, &old)?;
            }
            TCSETA | TCSETAW | TCSETAF => {
                let old = s.line.termios;
                drop(s);
                let new = mem.read_obj::<Termio>(at)?.over(old);
                self.change_termios(new, cmd == TCSETAF);
            }
            // Whether it does without a modem that says somebody is there: `CLOCAL`.
            TIOCGSOFTCAR => {
                let local = s.line.termios.cflag & CLOCAL != 0;
                drop(s);
                mem.write_obj(at, &i32::from(local))?;
            }
            TIOCSSOFTCAR => {
                let mut new = s.line.termios;
                drop(s);
                let local = mem.read_obj::<i32>(at)? != 0;
                new.cflag = if local { new.cflag | CLOCAL } else { new.cflag & !CLOCAL };
                self.change_termios(new, false);
            }
            TIOCGWINSZ => {
                let size = s.size;
                drop(s);
                mem.write_obj(at, &size)?;
            }
            TIOCSWINSZ => {
                drop(s);
                return self.resize(mem, at);
            }
            TIOCGPTN | TIOCSPTLCK | TIOCGPTLCK | TIOCPKT | TIOCGPKT | TIOCSIG => {
                drop(s);
                return self.control_master(mem, cmd, at);
            }
            TIOCSCTTY | TIOCNOTTY | TIOCGPGRP | TIOCSPGRP | TIOCGSID => {
                drop(s);
                return self.control_job(caller, cmd, at);
            }
            FIONREAD => {
                let n = if self.is_master() { s.line.output.len() } else { s.line.readable() };
                drop(s);
                mem.write_obj(at, &(n as i32))?;
            }
            // What is written is with the other side at once, and no device is busy sending it.
            TIOCOUTQ => {
                drop(s);
                mem.write_obj(at, &0i32)?;
            }
            TCFLSH => {
                let (input, output) = match at.0 {
                    0 => (true, false),
                    1 => (false, true),
                    2 => (true, true),
                    _ => return Err(Errno::EINVAL),
                };
                if self.is_master() {
                    // What it has written is typed already.
                    if input {
                        s.line.output.clear();
                    }
                } else {
                    s.flush(input, output);
                }
                drop(s);
                self.notify_both();
            }
            TCXONC => {
                match at.0 {
                    on @ (0 | 1) if self.is_master() => s.master_held = on == 0,
                    on @ (0 | 1) => s.hold(on == 0),
                    on @ (2 | 3) if !self.is_master() => s.line.send_flow_control(on == 2),
                    2 | 3 => {}
                    _ => return Err(Errno::EINVAL),
                }
                drop(s);
                self.notify_both();
            }
            TIOCVHANGUP => {
                drop(s);
                if !caller.creds().has(cap::SYS_ADMIN) {
                    return Err(Errno::EPERM);
                }
                self.pair.hang_up();
            }
            TIOCEXCL => s.exclusive = true,
            TIOCNXCL => s.exclusive = false,
            TIOCGEXCL => {
                let on = i32::from(s.exclusive);
                drop(s);
                mem.write_obj(at, &on)?;
            }
            TIOCGETD => {
                drop(s);
                mem.write_obj(at, &0i32)?;
            }
            // There is one line discipline, `N_TTY`.
            TIOCSETD => {
                drop(s);
                let discipline: i32 = mem.read_obj(at)?;
                if discipline != 0 {
                    return Err(Errno::EINVAL);
                }
            }
            // Typing for others needs privilege since Linux 6.2 (`dev.tty.legacy_tiocsti`).
            TIOCSTI => {
                drop(s);
                if !caller.creds().has(cap::SYS_ADMIN) {
                    return Err(Errno::EIO);
                }
                let byte: u8 = mem.read_obj(at)?;
                self.pair.write_master(&mut BufSrc::new(&[byte]))?;
            }
            TCSBRK | TCSBRKP => {}
            _ => return Err(Errno::ENOTTY),
        }
        Ok(0)
    }

    /// Has both sides look again.
    fn notify_both(&self) {
        let events = Events::IN | Events::PRI | Events::OUT;
        self.pair.slave_queue.notify(events);
        self.pair.master_queue.notify(events);
    }

    fn resize(&self, mem: &dyn UserMemory, at: Addr) -> Result<u64, Errno> {
        self.set_size(mem.read_obj(at)?);
        Ok(0)
    }

    /// Changes the size of the window, and tells the foreground group.
    pub fn set_size(&self, size: WinSize) {
        const SIGWINCH: u32 = 28;
        let mut s = self.pair.lock();
        let changed = s.size != size;
        s.size = size;
        let group = s.foreground;
        drop(s);
        if changed {
            self.pair.signal(group, SIGWINCH);
        }
    }

    fn control_master(&self, mem: &dyn UserMemory, cmd: u32, at: Addr) -> Result<u64, Errno> {
        if !self.is_master() {
            return Err(Errno::ENOTTY);
        }
        let read = || -> Result<i32, Errno> { mem.read_obj(at) };
        match cmd {
            TIOCSIG => {
                let signo = u32::try_from(at.0).ok().filter(|n| (1..=64).contains(n));
                let group = self.pair.foreground();
                self.pair.signal(group, signo.ok_or(Errno::EINVAL)?);
            }
            TIOCGPTN => mem.write_obj(at, &self.pair.number)?,
            TIOCSPTLCK => {
                let on = read()? != 0;
                self.pair.lock().locked = on;
            }
            TIOCGPTLCK => {
                let on = i32::from(self.pair.lock().locked);
                mem.write_obj(at, &on)?;
            }
            TIOCPKT => {
                let on = read()? != 0;
                let mut s = self.pair.lock();
                if on != s.packet.is_some() {
                    s.packet = on.then_some(0);
                }
            }
            _ => {
                let on = i32::from(self.pair.lock().packet.is_some());
                mem.write_obj(at, &on)?;
            }
        }
        Ok(0)
    }

    fn control_job(&self, caller: &dyn Caller, cmd: u32, at: Addr) -> Result<u64, Errno> {
        let ptys = self.pair.ptys().ok_or(Errno::EIO)?;
        let (sid, mem) = (caller.sid(), caller.memory());
        let (session, foreground) = {
            let s = self.pair.lock();
            (s.session, s.foreground)
        };
        let own = session == sid && session != 0;
        match cmd {
            TIOCSCTTY => {
                if own && caller.tgid() == sid {
                    return Ok(0);
                }
                let admin = caller.creds().has(cap::SYS_ADMIN);
                let may = caller.tgid() == sid && (self.readable || admin);
                let steals = admin && at.0 == 1;
                if !may || !ptys.adopt(&self.pair, sid, caller.pgid(), steals) {
                    return Err(Errno::EPERM);
                }
            }
            TIOCNOTTY => {
                // The controlling terminal is the other side.
                if !own || self.is_master() {
                    return Err(Errno::ENOTTY);
                }
                if caller.tgid() == sid {
                    ptys.session_ended(sid);
                }
            }
            // The master may always ask; others only about their own terminal.
            TIOCGPGRP if own || self.is_master() => {
                mem.write_obj(at, &caller.number_of(foreground))?
            }
            TIOCGSID if own || self.is_master() && session != 0 => {
                mem.write_obj(at, &caller.number_of(session))?;
            }
            TIOCSPGRP if own => {
                let pgid: i32 = mem.read_obj(at)?;
                if pgid < 0 {
                    return Err(Errno::EINVAL);
                }
                let pgid = caller.id_of(pgid).ok_or(Errno::ESRCH)?;
                if ptys.job.session_of_group(pgid).ok_or(Errno::ESRCH)? != sid {
                    return Err(Errno::EPERM);
                }
                self.pair.lock().foreground = pgid;
            }
            _ => return Err(Errno::ENOTTY),
        }
        Ok(0)
    }
}
