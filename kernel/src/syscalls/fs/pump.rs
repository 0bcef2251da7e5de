//! Moves bytes from one file to another through a buffer of the kernel. Bytes that the output
//! does not take stay in the input.

use crate::block::{BlockError, Blocked, block_on_file};
use crate::{Outcome, Resource, TaskCx};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{Addr, BufDst, BufSrc, UserMemory, UserMemoryExt};
use sync::waitq::Events;
use syserr::{Errno, Restart};
use vfs::pipe::PipeEnd;
use vfs::{Creds, File, Whence};

const CHUNK: u64 = 64 << 10;

/// From where to where. An offset leaves the description's position alone.
pub(super) struct Ends {
    pub(super) input: Arc<File>,
    pub(super) output: Arc<File>,
    pub(super) from: Option<i64>,
    pub(super) to: Option<i64>,
}

/// A copy that goes on.
pub(super) struct Pump {
    ends: Ends,
    left: u64,
    done: u64,
    /// Waits until everything is written, not only something.
    all: bool,
    /// Leaves the bytes in the input pipe; tee(2).
    keep: bool,
    limit: u64,
    /// Who writes; `None` once the output has lost its privileges to that.
    writer: Option<Arc<Creds>>,
}

/// Why a copy does not go on now.
enum Stop {
    /// All done, or the input ended.
    End,
    /// The input has nothing yet.
    Input,
    /// The output has no room.
    Output,
    Failed(Errno),
}

impl Pump {
    pub(super) fn new(ends: Ends, len: u64) -> Pump {
        Pump { ends, left: len, done: 0, all: false, keep: false, limit: u64::MAX, writer: None }
    }

    pub(super) fn all(mut self) -> Pump {
        self.all = true;
        self
    }

    pub(super) fn keep(mut self) -> Pump {
        self.keep = true;
        self
    }

    fn fetch(&self) -> Result<Vec<u8>, Stop> {
        let want = self.left.min(CHUNK) as usize;
        let input = &self.ends.input;
        let blocked = |e| if e == Errno::EAGAIN { Stop::Input } else { Stop::Failed(e) };
        if let Some(p) = input.downcast::<PipeEnd>() {
            return p.peek(want).map_err(blocked);
        }
        let mut bytes = alloc::vec![0; want];
        let mut dst = BufDst::new(&mut bytes);
        let n = if input.ops().seekable() {
            let at = self.ends.from.unwrap_or(input.position() as i64);
            input.pread(&mut dst, at)
        } else {
            // What is taken from a stream cannot be put back, so the output must have room.
            if !self.ends.output.readiness().contains(Events::OUT) {
                return Err(Stop::Output);
            }
            let mut dst = BufDst::new(bytes.get_mut(..want.min(4096)).unwrap_or_default());
            input.read(&mut dst)
        };
        bytes.truncate(n.map_err(blocked)?);
        Ok(bytes)
    }

    fn store(&mut self, bytes: &[u8]) -> Result<u64, Stop> {
        if let Some(creds) = self.writer.take() {
            self.ends.output.remove_privileges(&creds).map_err(Stop::Failed)?;
        }
        let mut src = BufSrc::new(bytes);
        let output = &self.ends.output;
        let n = match self.ends.to {
            None => output.write(&mut src, self.limit),
            Some(at) => output.pwrite(&mut src, at, self.limit),
        };
        match n {
            Ok(n) => Ok(n as u64),
            Err(Errno::EAGAIN) => Err(Stop::Output),
            Err(e) => Err(Stop::Failed(e)),
        }
    }

    fn advance(&mut self, n: u64) -> Result<(), Stop> {
        let input = &self.ends.input;
        if let Some(p) = input.downcast::<PipeEnd>() {
            if !self.keep {
                p.consume(n as usize);
            }
        } else if let Some(at) = &mut self.ends.from {
            *at += n as i64;
        } else if input.ops().seekable() {
            input.seek(n as i64, Whence::Current).map_err(Stop::Failed)?;
        }
        if let Some(at) = &mut self.ends.to {
            *at += n as i64;
        }
        self.left -= n.min(self.left);
        self.done += n;
        Ok(())
    }

    fn go(&mut self) -> Stop {
        loop {
            if self.left == 0 || self.keep && self.done > 0 {
                return Stop::End;
            }
            let step = self.fetch().and_then(|bytes| {
                if bytes.is_empty() { Err(Stop::End) } else { self.store(&bytes) }
            });
            match step.and_then(|n| if n == 0 { Err(Stop::End) } else { self.advance(n) }) {
                Ok(()) => {}
                Err(stop) => return stop,
            }
        }
    }

    fn finish(&self, mem: &dyn UserMemory, offsets: (u64, u64)) -> Result<u64, Errno> {
        for (at, value) in [(offsets.0, self.ends.from), (offsets.1, self.ends.to)] {
            if let (true, Some(v)) = (at != 0, value) {
                mem.write_obj(Addr(at), &v)?;
            }
        }
        Ok(self.done)
    }

    /// Copies, and writes offsets back to where the caller passed them.
    pub(super) fn run(mut self, cx: &TaskCx, offsets: (u64, u64), nonblock: bool) -> Outcome {
        self.limit = cx.task.limit(Resource::Fsize).0;
        self.writer = Some(cx.task.creds());
        let (task, mm) = (cx.task.clone(), cx.mm().clone());
        let mut stop = self.go();
        let blocks = |p: &Pump, stop: &Stop| match stop {
            Stop::Input => p.done == 0 && !p.ends.input.nonblocking(),
            Stop::Output => (p.done == 0 || p.all) && !p.ends.output.nonblocking(),
            _ => false,
        };
        if nonblock || !blocks(&self, &stop) {
            return self.ended(&task, stop).unwrap_or_else(|| self.finish(&*mm, offsets).into());
        }
        Outcome::Block(Box::pin(async move {
            while blocks(&self, &stop) {
                let (file, events) = match stop {
                    Stop::Input => (self.ends.input.clone(), Events::IN),
                    _ => (self.ends.output.clone(), Events::OUT),
                };
                let again = || match self.go() {
                    Stop::Input if events == Events::IN => Err(Errno::EAGAIN),
                    Stop::Output if events == Events::OUT => Err(Errno::EAGAIN),
                    s => Ok(s),
                };
                stop = match block_on_file(&task, &file, events, None, again).await {
                    Ok(s) => s,
                    Err(BlockError::Failed(e)) => Stop::Failed(e),
                    Err(BlockError::Wait(Blocked::TimedOut)) => Stop::End,
                    Err(BlockError::Wait(Blocked::Interrupted)) if self.done > 0 => Stop::End,
                    Err(BlockError::Wait(Blocked::Interrupted)) => {
                        return Outcome::Restart(Restart::Sys);
                    }
                };
            }
            self.ended(&task, stop).unwrap_or_else(|| self.finish(&*mm, offsets).into())
        }))
    }

    /// The outcome of a copy that moved nothing; others return what they moved.
    fn ended(&self, task: &Arc<crate::Task>, stop: Stop) -> Option<Outcome> {
        if let Stop::Failed(Errno::EPIPE) = stop {
            task.broken_pipe();
        }
        if self.done > 0 {
            return None;
        }
        match stop {
            Stop::End => None,
            Stop::Input | Stop::Output => Some(Errno::EAGAIN.into()),
            Stop::Failed(e) => Some(e.into()),
        }
    }
}
