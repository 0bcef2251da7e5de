//! Files of `/proc`: text made when it is read from its start, and a task's memory.

use super::node::{Content, Node, What};
use super::table::{Fixed, PerTask};
use crate::{FileOps, OpenFlags, PathCx, Stat, Whence};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{Addr, IoDst, IoSrc, Permissions, UserMemory};
use core::any::Any;
use sync::Mutex;
use syserr::Errno;

/// The longest text that can be written to a file at once; Linux takes a page.
const WRITE_MAX: usize = 4096;

pub(super) fn open(node: Arc<Node>, cx: &PathCx<'_>) -> Result<Arc<dyn FileOps>, Errno> {
    let content = match node.what {
        What::Fixed(Fixed::File(_, f), _) => Content::System(*f),
        What::Text { tid, file, inspect, .. } => {
            if inspect {
                node.inspect(cx)?;
            }
            Content::Task(tid, file)
        }
        What::Info { tid, fd } => {
            node.inspect(cx)?;
            Content::Info(tid, fd)
        }
        What::Static { text, .. } => Content::Static(text),
        What::Per { tid, what: PerTask::Mem } => {
            node.inspect(cx)?;
            let memory = node.source.memory(tid).ok_or(Errno::ESRCH)?;
            return Ok(Arc::new(Memory { node, memory }));
        }
        _ => return Err(Errno::EINVAL),
    };
    Ok(Arc::new(Text { node, content, made: Mutex::new(Vec::new()) }))
}

struct Text {
    node: Arc<Node>,
    content: Content,
    /// What the last read from the start saw, for reads that go on.
    made: Mutex<Vec<u8>>,
}

impl Text {
    fn make(&self) -> Result<Vec<u8>, Errno> {
        let source = &self.node.source;
        match self.content {
            Content::System(f) => Ok(source.system_text(f)),
            Content::Task(tid, f) => source.task_text(tid, f),
            Content::Static(text) => Ok(text.as_bytes().to_vec()),
            Content::Info(tid, fd) => {
                let files = source.descriptors(tid).ok_or(Errno::ENOENT)?;
                let file = files.get(fd).map_err(|_| Errno::ENOENT)?;
                let mut flags = file.flags();
                flags.set(OpenFlags::CLOEXEC, files.cloexec(fd).unwrap_or(false));
                let head = format!(
                    "pos:\t{}\nflags:\t0{:o}\nmnt_id:\t{}\nino:\t{}\n",
                    file.position(),
                    flags.bits(),
                    file.path().mount().id(),
                    file.stat()?.ino,
                );
                let mut out = head.into_bytes();
                file.ops().fdinfo(&mut out);
                Ok(out)
            }
        }
    }
}

impl FileOps for Text {
    fn read_at(&self, dst: &mut dyn IoDst, offset: u64) -> Result<usize, Errno> {
        let fresh = if offset == 0 { Some(self.make()?) } else { None };
        let mut made = self.made.lock();
        if let Some(text) = fresh {
            *made = text;
        }
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = made.get(from..).unwrap_or_default();
        // Only what is wanted is copied: long texts are read in many small pieces.
        let wanted = usize::try_from(dst.remaining()).unwrap_or(usize::MAX).min(rest.len());
        let piece = rest.get(..wanted).unwrap_or_default().to_vec();
        drop(made);
        if piece.is_empty() { Ok(0) } else { dst.put(&piece) }
    }

    fn write_at(&self, src: &mut dyn IoSrc, _: u64) -> Result<usize, Errno> {
        let len = usize::try_from(src.remaining()).unwrap_or(usize::MAX);
        if len > WRITE_MAX {
            return Err(Errno::EINVAL);
        }
        let mut text = alloc::vec![0; len];
        let n = src.take(&mut text)?;
        text.truncate(n);
        match self.content {
            Content::System(f) => self.node.source.system_write(f, &text)?,
            Content::Task(tid, f) => self.node.source.task_write(tid, f, &text)?,
            Content::Info(..) | Content::Static(_) => return Err(Errno::EINVAL),
        }
        Ok(n)
    }

    fn seekable(&self) -> bool {
        true
    }

    fn seek(&self, _: i64, _: Whence) -> Result<u64, Errno> {
        Err(Errno::EINVAL)
    }

    fn truncate(&self, _: u64) -> Result<(), Errno> {
        Ok(())
    }

    fn stat(&self) -> Result<Stat, Errno> {
        Ok(self.node.status())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `/proc/PID/mem`.
struct Memory {
    node: Arc<Node>,
    memory: Arc<dyn UserMemory>,
}

impl FileOps for Memory {
    fn read_at(&self, dst: &mut dyn IoDst, offset: u64) -> Result<usize, Errno> {
        let mut done = 0;
        let mut page = [0; 4096];
        while dst.remaining() > 0 {
            let want = dst.remaining().min(page.len() as u64) as usize;
            let at = Addr(offset.wrapping_add(done as u64));
            let got = match self.memory.copy_in(at, &mut page[..want], Permissions::Ignore) {
                Ok(()) => want,
                Err(p) => p.done,
            };
            if got == 0 {
                return if done > 0 { Ok(done) } else { Err(Errno::EIO) };
            }
            done += dst.put(&page[..got])?;
            if got < want {
                break;
            }
        }
        Ok(done)
    }

    fn write_at(&self, src: &mut dyn IoSrc, offset: u64) -> Result<usize, Errno> {
        let mut done = 0;
        let mut page = [0; 4096];
        while src.remaining() > 0 {
            let n = src.take(&mut page)?;
            let at = Addr(offset.wrapping_add(done as u64));
            match self.memory.copy_out(at, &page[..n], Permissions::Ignore) {
                Ok(()) => done += n,
                Err(p) if done + p.done == 0 => return Err(Errno::EIO),
                Err(p) => return Ok(done + p.done),
            }
            if n == 0 {
                break;
            }
        }
        Ok(done)
    }

    fn seekable(&self) -> bool {
        true
    }

    fn seek(&self, _: i64, _: Whence) -> Result<u64, Errno> {
        Err(Errno::EINVAL)
    }

    fn truncate(&self, _: u64) -> Result<(), Errno> {
        Ok(())
    }

    fn stat(&self) -> Result<Stat, Errno> {
        Ok(self.node.status())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
