//! Streams that the sandbox was started with: its standard input, output and error.

use std::any::Any;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use arch::{Addr, IoDst, IoSrc, Permissions};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::SeekFrom;
use rustix::termios::{OptionalActions, SpecialCodeIndex, Termios};
use sync::Mutex;
use sync::waitq::{Events, Queue};
use syserr::Errno;
use vfs::{Caller, Cursor, File, FileOps, OpenFlags, Stat, Whence, mode};

use super::convert::errno;

const TCGETS: u32 = 0x5401;
const TCSETS: u32 = 0x5402;
const TCSETSW: u32 = 0x5403;
const TCSETSF: u32 = 0x5404;
const TCSBRK: u32 = 0x5409;
const TCXONC: u32 = 0x540a;
const TCFLSH: u32 = 0x540b;
const TIOCSCTTY: u32 = 0x540e;
const TIOCGPGRP: u32 = 0x540f;
const TIOCSPGRP: u32 = 0x5410;
const TIOCOUTQ: u32 = 0x5411;
const TIOCGWINSZ: u32 = 0x5413;
const TIOCSWINSZ: u32 = 0x5414;
const FIONREAD: u32 = 0x541b;
const TIOCNOTTY: u32 = 0x5422;
const TIOCGSID: u32 = 0x5429;

/// How much is read or written at a time, in bytes.
const CHUNK: usize = 64 << 10;
/// `struct termios` of the system call: four words, a discipline and 19 characters.
const TERMIOS: usize = 36;

/// The special characters in the order of `c_cc`; `asm-generic/termbits.h`.
pub(super) const CODES: [SpecialCodeIndex; 17] = [
    SpecialCodeIndex::VINTR,
    SpecialCodeIndex::VQUIT,
    SpecialCodeIndex::VERASE,
    SpecialCodeIndex::VKILL,
    SpecialCodeIndex::VEOF,
    SpecialCodeIndex::VTIME,
    SpecialCodeIndex::VMIN,
    SpecialCodeIndex::VSWTC,
    SpecialCodeIndex::VSTART,
    SpecialCodeIndex::VSTOP,
    SpecialCodeIndex::VSUSP,
    SpecialCodeIndex::VEOL,
    SpecialCodeIndex::VREPRINT,
    SpecialCodeIndex::VDISCARD,
    SpecialCodeIndex::VWERASE,
    SpecialCodeIndex::VLNEXT,
    SpecialCodeIndex::VEOL2,
];

/// Watches a host descriptor and tells a queue; what it returns ends that when it is dropped.
pub type Watch<'a> = dyn Fn(BorrowedFd<'_>, Events, Arc<Queue>) -> io::Result<Watched> + 'a;

/// Ends a watch when it is dropped.
pub type Watched = Arc<dyn Any + Send + Sync>;

/// Who has the terminal, as guests are told: groups and sessions are the guests' own.
#[derive(Default)]
struct Job {
    session: i32,
    foreground: i32,
}

/// A stream of the host. It never blocks: the host is asked first whether it would.
pub struct HostStream {
    pub(super) fd: OwnedFd,
    queue: Arc<Queue>,
    /// `None` for a file, which is always ready.
    watch: Option<Watched>,
    kind: u32,
    /// Whether the position is the host's: not of what a guest has opened anew by its name.
    shares_position: bool,
    pub(super) terminal: bool,
    job: Arc<Mutex<Job>>,
    /// Terminal settings to restore at the end.
    pub(super) saved: Option<Termios>,
}

impl HostStream {
    /// Shows `fd`. Its flags are not touched: others may share the description.
    ///
    /// # Errors
    /// The host's.
    pub fn new(fd: OwnedFd, watch: &Watch<'_>) -> Result<Arc<HostStream>, Errno> {
        let stat = rustix::fs::fstat(&fd).map_err(errno)?;
        let queue = Arc::new(Queue::new());
        let all = Events::IN | Events::OUT | Events::PRI | Events::HUP | Events::ERR;
        // The host refuses to watch files (EPERM), which are always ready.
        let watched = watch(fd.as_fd(), all, queue.clone()).ok();
        let terminal = rustix::termios::isatty(&fd);
        let saved = if terminal { rustix::termios::tcgetattr(&fd).ok() } else { None };
        Ok(Arc::new(HostStream {
            fd,
            queue,
            watch: watched,
            kind: stat.st_mode & mode::IFMT,
            shares_position: true,
            terminal,
            job: Arc::default(),
            saved,
        }))
    }

    /// An open description of the stream, with the access mode that it has now. Its position is the
    /// host's, which the other streams and the sandbox's parent may share.
    ///
    /// # Errors
    /// The host's.
    pub fn into_file(self: Arc<Self>) -> Result<Arc<File>, Errno> {
        let host = rustix::fs::fcntl_getfl(&self.fd).map_err(errno)?;
        let mut flags = OpenFlags::from_bits_retain(host.bits());
        // Whether a guest wants to wait is another question than whether the host does.
        flags.remove(OpenFlags::NONBLOCK);
        let name = match self.kind {
            mode::IFIFO => "pipe",
            mode::IFSOCK => "socket",
            mode::IFCHR if self.terminal => "/dev/tty",
            mode::IFCHR => "/dev/null",
            _ => "[stdio]",
        };
        Ok(File::anonymous(self, flags, name))
    }

    fn poll(&self) -> Events {
        let wanted = PollFlags::IN | PollFlags::OUT | PollFlags::PRI;
        let mut fds = [PollFd::new(&self.fd, wanted)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        match rustix::event::poll(&mut fds, Some(&now)) {
            Ok(_) => Events::from_bits_truncate(u32::from(fds[0].revents().bits())),
            Err(_) => Events::empty(),
        }
    }

    fn regular(&self) -> bool {
        matches!(self.kind, mode::IFREG | mode::IFBLK)
    }

    fn wait_for(&self, events: Events) -> Result<(), Errno> {
        let ready = self.poll().intersects(events | Events::ERR | Events::HUP | Events::NVAL);
        if self.regular() || ready { Ok(()) } else { Err(Errno::EAGAIN) }
    }

    fn termios(&self, caller: &dyn Caller, cmd: u32, arg: Addr) -> Result<u64, Errno> {
        let memory = caller.memory();
        if cmd == TCGETS {
            let t = rustix::termios::tcgetattr(&self.fd).map_err(errno)?;
            let mut b = Vec::with_capacity(TERMIOS);
            let words = [
                t.input_modes.bits(),
                t.output_modes.bits(),
                t.control_modes.bits(),
                t.local_modes.bits(),
            ];
            for w in words {
                b.extend_from_slice(&w.to_ne_bytes());
            }
            b.push(t.line_discipline);
            b.extend(CODES.iter().map(|c| t.special_codes[*c]));
            b.resize(TERMIOS, 0);
            memory.copy_out(arg, &b, Permissions::Obey)?;
            return Ok(0);
        }
        let mut b = [0; TERMIOS];
        memory.copy_in(arg, &mut b, Permissions::Obey)?;
        let mut t = rustix::termios::tcgetattr(&self.fd).map_err(errno)?;
        let word = |i: usize| u32::from_ne_bytes([b[i], b[i + 1], b[i + 2], b[i + 3]]);
        t.input_modes = rustix::termios::InputModes::from_bits_retain(word(0));
        t.output_modes = rustix::termios::OutputModes::from_bits_retain(word(4));
        t.control_modes = rustix::termios::ControlModes::from_bits_retain(word(8));
        t.local_modes = rustix::termios::LocalModes::from_bits_retain(word(12));
        t.line_discipline = b[16];
        for (code, v) in CODES.iter().zip(&b[17..]) {
            t.special_codes[*code] = *v;
        }
        let when = match cmd {
            TCSETSW => OptionalActions::Drain,
            TCSETSF => OptionalActions::Flush,
            _ => OptionalActions::Now,
        };
        rustix::termios::tcsetattr(&self.fd, when, &t).map_err(errno)?;
        Ok(0)
    }

    fn window(&self, caller: &dyn Caller, cmd: u32, arg: Addr) -> Result<u64, Errno> {
        let memory = caller.memory();
        if cmd == TIOCGWINSZ {
            let w = rustix::termios::tcgetwinsize(&self.fd).map_err(errno)?;
            let mut b = Vec::with_capacity(8);
            for n in [w.ws_row, w.ws_col, w.ws_xpixel, w.ws_ypixel] {
                b.extend_from_slice(&n.to_ne_bytes());
            }
            memory.copy_out(arg, &b, Permissions::Obey)?;
        }
        // A new size is taken without an effect: the window is the host's.
        Ok(0)
    }

    fn job_control(&self, caller: &dyn Caller, cmd: u32, arg: Addr) -> Result<u64, Errno> {
        let mut job = self.job.lock();
        if job.session == 0 {
            // The first to ask is in the session that the sandbox's user works with.
            *job = Job { session: caller.sid(), foreground: caller.pgid() };
        }
        let ours = job.session == caller.sid();
        match cmd {
            TIOCGPGRP | TIOCGSID if !ours => return Err(Errno::ENOTTY),
            TIOCGPGRP | TIOCGSID => {
                let id = if cmd == TIOCGPGRP { job.foreground } else { job.session };
                drop(job);
                caller.memory().copy_out(arg, &id.to_ne_bytes(), Permissions::Obey)?;
            }
            TIOCSPGRP if !ours => return Err(Errno::ENOTTY),
            TIOCSPGRP => {
                let mut b = [0; 4];
                caller.memory().copy_in(arg, &mut b, Permissions::Obey)?;
                let group = i32::from_ne_bytes(b);
                if group < 0 {
                    return Err(Errno::EINVAL);
                }
                job.foreground = group;
            }
            TIOCSCTTY => *job = Job { session: caller.sid(), foreground: caller.pgid() },
            TIOCNOTTY if ours => *job = Job::default(),
            _ => return Err(Errno::ENOTTY),
        }
        Ok(0)
    }

    fn count(&self, caller: &dyn Caller, arg: Addr) -> Result<u64, Errno> {
        let n = rustix::io::ioctl_fionread(&self.fd).map_err(errno)?;
        let n = i32::try_from(n).unwrap_or(i32::MAX);
        caller.memory().copy_out(arg, &n.to_ne_bytes(), Permissions::Obey)?;
        Ok(0)
    }

    /// The group that a signal typed at the terminal is for, if a guest has said.
    pub fn foreground(&self) -> Option<i32> {
        let group = self.job.lock().foreground;
        (group > 0).then_some(group)
    }
}

impl Drop for HostStream {
    fn drop(&mut self) {
        self.watch = None;
        // A guest that dies in raw mode must not leave the user's terminal in it.
        self.restore();
    }
}

impl HostStream {
    /// Reads at `offset`, or at the host's position.
    fn read_from(&self, dst: &mut dyn IoDst, offset: Option<u64>) -> Result<usize, Errno> {
        if dst.remaining() == 0 {
            return Ok(0);
        }
        self.wait_for(Events::IN)?;
        let mut buf = vec![0; (dst.remaining().min(CHUNK as u64)) as usize];
        let n = rustix::io::retry_on_intr(|| match offset {
            Some(at) => rustix::io::pread(&self.fd, &mut buf[..], at),
            None => rustix::io::read(&self.fd, &mut buf[..]),
        });
        let n = n.map_err(errno)?;
        dst.put(buf.get(..n).unwrap_or(&[]))
    }

    /// Writes at `offset`, or at the host's position.
    fn write_to(&self, src: &mut dyn IoSrc, offset: Option<u64>) -> Result<usize, Errno> {
        self.wait_for(Events::OUT)?;
        // A pipe that is ready takes at least a page; more could block.
        let most = if self.regular() || self.terminal { CHUNK } else { 4096 };
        let mut buf = vec![0; src.remaining().min(most as u64) as usize];
        let mut done = 0usize;
        while src.remaining() > 0 {
            if done > 0 && self.wait_for(Events::OUT).is_err() {
                break;
            }
            let taken = match src.take(&mut buf) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if done == 0 => return Err(e),
                Err(_) => break,
            };
            let bytes = buf.get(..taken).unwrap_or(&[]);
            let written = rustix::io::retry_on_intr(|| match offset {
                Some(at) => rustix::io::pwrite(&self.fd, bytes, at + done as u64),
                None => rustix::io::write(&self.fd, bytes),
            });
            match written {
                Ok(n) => {
                    src.untake(taken - n);
                    done += n;
                    if n < taken {
                        break;
                    }
                }
                Err(e) => {
                    src.untake(taken);
                    if done == 0 {
                        return Err(errno(e));
                    }
                    break;
                }
            }
        }
        Ok(done)
    }
}

impl Cursor for HostStream {
    fn read(&self, dst: &mut dyn IoDst) -> Result<usize, Errno> {
        self.read_from(dst, None)
    }

    fn write(&self, src: &mut dyn IoSrc) -> Result<usize, Errno> {
        self.write_to(src, None)
    }

    fn seek(&self, offset: i64, whence: Whence) -> Result<u64, Errno> {
        let or = |e: Errno| u64::try_from(offset).map_err(|_| e);
        let to = match whence {
            Whence::Set => SeekFrom::Start(or(Errno::EINVAL)?),
            Whence::Current => SeekFrom::Current(offset),
            Whence::End => SeekFrom::End(offset),
            Whence::Data => SeekFrom::Data(or(Errno::ENXIO)?),
            Whence::Hole => SeekFrom::Hole(or(Errno::ENXIO)?),
        };
        rustix::fs::seek(&self.fd, to).map_err(errno)
    }
}

impl FileOps for HostStream {
    fn read_at(&self, dst: &mut dyn IoDst, offset: u64) -> Result<usize, Errno> {
        self.read_from(dst, self.regular().then_some(offset))
    }

    fn write_at(&self, src: &mut dyn IoSrc, offset: u64) -> Result<usize, Errno> {
        self.write_to(src, self.regular().then_some(offset))
    }

    fn append(&self, src: &mut dyn IoSrc) -> Result<(usize, u64), Errno> {
        let end = self.stat()?.size;
        self.write_at(src, end).map(|n| (n, end + n as u64))
    }

    fn seekable(&self) -> bool {
        self.regular()
    }

    fn cursor(&self) -> Option<&dyn Cursor> {
        (self.regular() && self.shares_position).then_some(self)
    }

    fn seek(&self, offset: i64, whence: Whence) -> Result<u64, Errno> {
        let size = self.stat()?.size;
        let inside = u64::try_from(offset).ok().filter(|o| *o < size);
        match whence {
            Whence::End => size.checked_add_signed(offset).ok_or(Errno::EINVAL),
            // As a file without holes.
            Whence::Data => inside.ok_or(Errno::ENXIO),
            Whence::Hole => inside.map(|_| size).ok_or(Errno::ENXIO),
            Whence::Set | Whence::Current => Err(Errno::EINVAL),
        }
    }

    fn truncate(&self, size: u64) -> Result<(), Errno> {
        if !self.regular() {
            return Err(Errno::EINVAL);
        }
        rustix::fs::ftruncate(&self.fd, size).map_err(errno)
    }

    fn allocate(&self, how: u32, offset: u64, len: u64) -> Result<(), Errno> {
        let how = rustix::fs::FallocateFlags::from_bits_retain(how);
        rustix::fs::fallocate(&self.fd, how, offset, len).map_err(errno)
    }

    fn readiness(&self) -> Events {
        let mut e = self.poll();
        if e.contains(Events::IN) {
            e |= Events::RDNORM;
        }
        if e.contains(Events::OUT) {
            e |= Events::WRNORM;
        }
        e
    }

    fn queue(&self) -> Option<&Queue> {
        self.watch.as_ref().map(|_| &*self.queue)
    }

    fn stat(&self) -> Result<Stat, Errno> {
        super::node::statx(&self.fd, b"")
    }

    fn ioctl(&self, caller: &dyn Caller, cmd: u32, arg: Addr) -> Result<u64, Errno> {
        if cmd == FIONREAD {
            return self.count(caller, arg);
        }
        if !self.terminal {
            return Err(Errno::ENOTTY);
        }
        match cmd {
            TCGETS | TCSETS | TCSETSW | TCSETSF => self.termios(caller, cmd, arg),
            TIOCGWINSZ | TIOCSWINSZ => self.window(caller, cmd, arg),
            TIOCGPGRP | TIOCSPGRP | TIOCGSID | TIOCSCTTY | TIOCNOTTY => {
                self.job_control(caller, cmd, arg)
            }
            TIOCOUTQ => {
                caller.memory().copy_out(arg, &0i32.to_ne_bytes(), Permissions::Obey)?;
                Ok(0)
            }
            TCSBRK | TCXONC | TCFLSH => Ok(0),
            _ => Err(Errno::ENOTTY),
        }
    }

    fn sync(&self, data_only: bool) -> Result<(), Errno> {
        let done =
            if data_only { rustix::fs::fdatasync(&self.fd) } else { rustix::fs::fsync(&self.fd) };
        done.map_err(errno)
    }

    fn reopen(&self, _: OpenFlags) -> Result<Arc<dyn FileOps>, Errno> {
        let fd = rustix::io::fcntl_dupfd_cloexec(&self.fd, 3).map_err(errno)?;
        Ok(Arc::new(HostStream {
            fd,
            queue: self.queue.clone(),
            watch: self.watch.clone(),
            kind: self.kind,
            shares_position: false,
            terminal: self.terminal,
            job: self.job.clone(),
            saved: None,
        }))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
