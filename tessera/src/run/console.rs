//! A terminal of the guest's own when the sandbox is started at one: the guest's line discipline
//! does what its programs set, and its kernel's job control hears what is typed. The host's
//! terminal only passes bytes.

use crate::Failure;
use arch::{BufDst, BufSrc};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use sync::Mutex;
use sync::waitq::{Events, Queue, Ticket};
use systrap::hostfs::HostStream;
use vfs::tty::{Ptys, TtyFile};
use vfs::{AT_FDCWD, File, FileOps, OpenFlags, OpenHow, PathCx, Vfs};

/// Bytes that are moved at a time.
const CHUNK: usize = 4096;

/// The host's terminal and the guest's.
pub(super) struct Console {
    input: Arc<HostStream>,
    output: Arc<HostStream>,
    master: Arc<File>,
    typed: Arc<Pump>,
    shown: Arc<Pump>,
}

impl Console {
    /// Makes a terminal for the guest, with the settings and size of the host's, and the host's
    /// raw. Returns the side that guests open, too.
    pub(super) fn open(
        vfs: &Vfs,
        cx: &PathCx<'_>,
        ptys: &Ptys,
        input: &Arc<HostStream>,
        output: &Arc<HostStream>,
    ) -> Result<(Console, Arc<File>), Failure> {
        let fail = |e: syserr::Errno| Failure::own(format!("a terminal for the guest: {e}"));
        let how = OpenHow { flags: OpenFlags::RDWR | OpenFlags::NOCTTY, ..OpenHow::default() };
        let master = vfs.open(cx, AT_FDCWD, b"/dev/ptmx", how).map_err(fail)?;
        let side: &TtyFile = master.downcast().ok_or_else(|| fail(syserr::Errno::ENOTTY))?;
        side.unlock();
        let path = format!("/dev/pts/{}", side.number());
        let slave = vfs.open(cx, AT_FDCWD, path.as_bytes(), how).map_err(fail)?;
        side.set_termios(input.settings().unwrap_or_default());
        ptys.give(side, cx.tgid, cx.tgid);
        let typed = Pump::new(input.clone(), master.ops().clone());
        let shown = Pump::new(master.ops().clone(), output.clone());
        let (input, output) = (input.clone(), output.clone());
        let console = Console { input, output, master, typed, shown };
        console.resize();
        console.input.make_raw();
        Ok((console, slave))
    }

    /// What moves bytes in both directions as long as it is polled.
    pub(super) fn pumps(&self) -> [kernel::BoxFuture<()>; 2] {
        [&self.typed, &self.shown].map(|p| -> kernel::BoxFuture<()> {
            Box::pin(Pumping { pump: p.clone(), tickets: None })
        })
    }

    /// Takes over the size of the host's window.
    pub(super) fn resize(&self) {
        if let (Some(size), Some(side)) = (self.input.window_size(), self.master.downcast()) {
            TtyFile::set_size(side, size);
        }
    }

    /// The host's terminal was used by others meanwhile.
    pub(super) fn resume(&self) {
        self.input.make_raw();
        self.resize();
    }

    /// Shows what guests have written, and gives the host its terminal back.
    pub(super) fn finish(&self) {
        while let Step::Full = self.shown.step() {
            if !self.output.wait_writable() {
                break;
            }
        }
        self.input.restore();
    }
}

/// How far a step went.
enum Step {
    /// There is nothing to move.
    Empty,
    /// There is no room.
    Full,
    /// The source has ended.
    Ended,
}

/// Moves bytes from one file to another.
struct Pump {
    from: Arc<dyn FileOps>,
    to: Arc<dyn FileOps>,
    /// Read and not written yet.
    held: Mutex<Vec<u8>>,
}

impl Pump {
    fn new(from: Arc<dyn FileOps>, to: Arc<dyn FileOps>) -> Arc<Pump> {
        Arc::new(Pump { from, to, held: Mutex::default() })
    }

    /// Moves what can be moved.
    fn step(&self) -> Step {
        let mut held = self.held.lock();
        loop {
            if held.is_empty() {
                let mut bytes = [0; CHUNK];
                match self.from.read_at(&mut BufDst::new(&mut bytes), 0) {
                    Ok(0) => return Step::Ended,
                    Ok(n) => held.extend_from_slice(&bytes[..n]),
                    // No guest has the terminal open now; one may open it again.
                    Err(syserr::Errno::EAGAIN | syserr::Errno::EIO) => return Step::Empty,
                    Err(_) => return Step::Ended,
                }
            }
            match self.to.write_at(&mut BufSrc::new(&held), 0) {
                Ok(n) => drop(held.drain(..n)),
                Err(syserr::Errno::EAGAIN) => return Step::Full,
                // Nobody looks any more.
                Err(_) => held.clear(),
            }
        }
    }

    fn queues(&self) -> [(Option<&Queue>, Events); 2] {
        let ended = Events::HUP | Events::ERR;
        [(self.from.queue(), Events::IN | ended), (self.to.queue(), Events::OUT | ended)]
    }
}

/// A pump at work.
struct Pumping {
    pump: Arc<Pump>,
    tickets: Option<[Option<Ticket>; 2]>,
}

impl Pumping {
    fn leave(&mut self) {
        let tickets = self.tickets.take().unwrap_or_default();
        for ((queue, _), ticket) in self.pump.queues().into_iter().zip(tickets) {
            if let (Some(q), Some(t)) = (queue, ticket) {
                q.unregister(t);
            }
        }
    }
}

impl Future for Pumping {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.leave();
        // Registered first: what happens during the step is not missed.
        let register = |(q, e): (Option<&Queue>, Events)| q.map(|q| q.register(e, cx.waker()));
        let tickets = self.pump.queues().map(register);
        self.tickets = Some(tickets);
        match self.pump.step() {
            Step::Ended => Poll::Ready(()),
            Step::Empty | Step::Full => Poll::Pending,
        }
    }
}

impl Drop for Pumping {
    fn drop(&mut self) {
        self.leave();
    }
}
