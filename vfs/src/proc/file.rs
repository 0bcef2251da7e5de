//! Files of `/proc`: text made when it is read, piece by piece, and a task's memory.

use super::node::{Content, Node, What};
use super::source::{Opener, Piece, TaskFile};
use super::table::{Fixed, PerTask};
use crate::nsfs::NamespaceKind;
use crate::{Caller, Changes, FileOps, IdKind, OpenFlags, PathCx, Stat, UserNs, cap};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{Addr, IoDst, IoSrc, Permissions, UserMemory};
use core::any::Any;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use mm::MemoryManager;
use sync::Mutex;
use sync::waitq::{Events, Queue};
use syserr::Errno;

/// The longest text that can be written to a file at once; Linux takes a page.
const WRITE_MAX: usize = 4096;

/// Asks for one mapping in `/proc/PID/maps`; ioctl_procmap_query(2).
const PROCMAP_QUERY: u32 = 0xc068_6611;

/// The user namespace that a task is in now.
fn user_ns(node: &Node, tid: i32) -> Result<UserNs, Errno> {
    let ns = node.source.namespace(tid, NamespaceKind::User, false).ok_or(Errno::EINVAL)?;
    (&*ns as &dyn Any).downcast_ref::<UserNs>().cloned().ok_or(Errno::EINVAL)
}

pub(super) fn open(
    node: Arc<Node>,
    flags: OpenFlags,
    cx: &PathCx<'_>,
) -> Result<Arc<dyn FileOps>, Errno> {
    let content = match node.what {
        What::Fixed(Fixed::File(_, f), _) => Content::System(*f),
        What::Fixed(Fixed::Log, _) => return super::kmsg::open(node, cx),
        What::Text { tid, file, inspect, .. } => {
            if inspect {
                node.inspect(cx)?;
            }
            match file {
                TaskFile::UidMap => Content::IdMap(user_ns(&node, tid)?, IdKind::User),
                TaskFile::GidMap => Content::IdMap(user_ns(&node, tid)?, IdKind::Group),
                TaskFile::ProjidMap => Content::IdMap(user_ns(&node, tid)?, IdKind::Project),
                TaskFile::Setgroups => {
                    let ns = user_ns(&node, tid)?;
                    if flags.writable() && !cx.creds.has_in(&ns, cap::SYS_ADMIN) {
                        return Err(Errno::EACCES);
                    }
                    Content::Setgroups(ns)
                }
                // Of one who has ended: no memory, no mounts (`proc_mem_open`, `mounts_open_common`).
                TaskFile::Auxv | TaskFile::Environ | TaskFile::SmapsRollup
                    if node.source.memory(tid).is_none() =>
                {
                    return Err(Errno::ESRCH);
                }
                TaskFile::Mounts | TaskFile::Mountinfo | TaskFile::Mountstats
                    if node.source.directories(tid).is_none() =>
                {
                    return Err(Errno::EINVAL);
                }
                _ => Content::Task(tid, file),
            }
        }
        What::Info { tid, fd } => {
            node.inspect(cx)?;
            Content::Info(tid, fd)
        }
        What::Label { .. } => Content::Label,
        What::Net { tid, table } => Content::Net(tid, table),
        What::Per { tid, what: PerTask::Mem } => {
            node.inspect(cx)?;
            let memory = node.source.memory(tid).ok_or(Errno::ESRCH)?;
            return Ok(Arc::new(Memory { node, memory }));
        }
        What::Per { tid, what: PerTask::Pagemap } => {
            node.inspect(cx)?;
            return super::pagemap::open(node, tid, cx);
        }
        _ => return Err(Errno::EINVAL),
    };
    let changes = match &content {
        Content::Task(_, TaskFile::Mounts | TaskFile::Mountinfo | TaskFile::Mountstats) => {
            node.source.mount_changes()
        }
        Content::System(f) => node.source.setting_changes(cx.tid, *f),
        _ => None,
    };
    let seen = AtomicU64::new(changes.as_ref().map_or(0, |c| c.count()));
    let made = Mutex::new(Made::NOTHING);
    let opener = Opener { tid: cx.tid, creds: cx.creds.clone() };
    let quiet = Queue::default();
    Ok(Arc::new(Text { node, content, opener, made, changes, seen, quiet }))
}

struct Text {
    node: Arc<Node>,
    content: Content,
    opener: Opener,
    made: Mutex<Made>,
    /// Who tells of changes, of a list of mounts or a setting.
    changes: Option<Arc<Changes>>,
    /// How many changes whoever polls this has heard of.
    seen: AtomicU64,
    /// Told of nothing: what is not about a task can be polled all the same (`proc_reg_poll`).
    quiet: Queue,
}

/// The piece of the text that was read last, for reads that go on.
struct Made {
    /// Where in the text the piece begins.
    offset: u64,
    piece: Piece,
}

impl Made {
    /// Nothing was made; the first piece is next.
    const NOTHING: Made = Made { offset: 0, piece: Piece { text: Vec::new(), next: Some(0) } };
}

impl Text {
    fn make(&self, from: u64) -> Result<Piece, Errno> {
        let source = &self.node.source;
        let text = match &self.content {
            Content::System(f) => source.system_text(&self.opener, *f),
            Content::Task(tid, f) => return source.task_piece(&self.opener, *tid, *f, from),
            Content::Label => return Err(Errno::EINVAL),
            Content::IdMap(ns, kind) => ns.map_text(*kind, &self.opener.creds.user_ns).into_bytes(),
            Content::Setgroups(ns) => ns.setgroups_text().to_vec(),
            Content::Net(tid, table) => {
                let mut out = table.head.as_bytes().to_vec();
                if let Some(rows) = table.rows {
                    out.extend_from_slice(&source.net_table(&self.opener, *tid, rows));
                }
                out
            }
            Content::Info(tid, fd) => {
                let files = source.descriptors(*tid).ok_or(Errno::ENOENT)?;
                let file = files.get(*fd).map_err(|_| Errno::ENOENT)?;
                let mut flags = file.flags();
                flags.set(OpenFlags::CLOEXEC, files.cloexec(*fd).unwrap_or(false));
                let stat = file.stat()?;
                let head = format!(
                    "pos:\t{}\nflags:\t0{:o}\nmnt_id:\t{}\nino:\t{}\n",
                    file.position(),
                    flags.bits(),
                    file.path().mount().id(),
                    stat.ino,
                );
                let mut out = head.into_bytes();
                if let Some(locks) = file.existing_locks() {
                    let (table, own) = (files.lock_owner(), file.lock_owner());
                    let shown = |owner, via| via == own && (owner == table || owner == own);
                    for line in locks.describe(&stat, &mut 0, shown, |id| Some(source.number(id))) {
                        out.extend_from_slice(b"lock:\t");
                        out.extend_from_slice(line.as_bytes());
                    }
                }
                file.ops().fdinfo(&**source, &mut out);
                out
            }
        };
        Ok(Piece { text, next: None })
    }

    /// At most `most` bytes at `offset`; none at the end. Reads before the piece that is there
    /// begin anew.
    fn text_at(&self, offset: u64, most: usize) -> Result<Vec<u8>, Errno> {
        let mut made = self.made.lock();
        if offset == 0 || offset < made.offset {
            *made = Made::NOTHING;
        }
        loop {
            let from = usize::try_from(offset - made.offset).unwrap_or(usize::MAX);
            let rest = made.piece.text.get(from..).unwrap_or_default();
            if !rest.is_empty() {
                // Only what is wanted is copied: long texts are read in many small pieces.
                return Ok(rest.get(..most.min(rest.len())).unwrap_or_default().to_vec());
            }
            let Some(next) = made.piece.next else { return Ok(Vec::new()) };
            let piece = self.make(next)?;
            *made = Made { offset: made.offset + made.piece.text.len() as u64, piece };
        }
    }
}

impl FileOps for Text {
    /// Not where Linux makes the text line by line (`seq_open` in `fs/seq_file.c`).
    fn writes_anywhere(&self) -> bool {
        use TaskFile::{Comm, Sched, TimensOffsets, TimerslackNs};
        let by_line = matches!(
            self.content,
            Content::Task(_, Comm | Sched | TimensOffsets | TimerslackNs)
                | Content::IdMap(..)
                | Content::Setgroups(_)
        );
        !by_line
    }

    fn read_at(&self, dst: &mut dyn IoDst, offset: u64) -> Result<usize, Errno> {
        let mut done = 0;
        while dst.remaining() > 0 {
            let wanted = usize::try_from(dst.remaining()).unwrap_or(usize::MAX);
            let text = self.text_at(offset + done as u64, wanted)?;
            if text.is_empty() {
                break;
            }
            // Not under the lock: the reader's memory may be the task's whose text this is.
            match dst.put(&text) {
                Ok(n) if n == text.len() => done += n,
                Ok(n) => return Ok(done + n),
                Err(_) if done > 0 => break,
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }

    fn write_at(&self, src: &mut dyn IoSrc, offset: u64) -> Result<usize, Errno> {
        let len = usize::try_from(src.remaining()).unwrap_or(usize::MAX);
        if len > WRITE_MAX {
            return Err(Errno::EINVAL);
        }
        let mut text = alloc::vec![0; len];
        let n = src.take(&mut text)?;
        text.truncate(n);
        match &self.content {
            // Nothing is no value (`do_proc_dointvec` in `kernel/sysctl.c`).
            Content::System(_) if n == 0 => {}
            Content::System(f) => self.node.source.system_write(&self.opener, *f, &text)?,
            Content::Task(tid, f) => self.node.source.task_write(&self.opener, *tid, *f, &text)?,
            // They are written in one piece (`map_write`, `proc_setgroups_write`).
            Content::IdMap(..) | Content::Setgroups(_) if offset != 0 => return Err(Errno::EINVAL),
            Content::IdMap(ns, kind) => ns.write_map(*kind, &text, &self.opener.creds)?,
            Content::Setgroups(ns) => ns.write_setgroups(&text)?,
            // Each says it of itself (`proc_pid_attr_write`), and no label is known.
            Content::Label if self.node.tid() != Some(self.opener.tid) => return Err(Errno::EPERM),
            Content::Info(..) | Content::Label | Content::Net(..) => return Err(Errno::EINVAL),
        }
        Ok(n)
    }

    /// What has changed tells so once (`mounts_poll`, `proc_sys_poll`).
    fn readiness(&self) -> Events {
        let mut ready = Events::IN | Events::OUT | Events::RDNORM | Events::WRNORM;
        if let Some(c) = &self.changes {
            let now = c.count();
            let is_setting = matches!(self.content, Content::System(_));
            if !is_setting {
                ready = Events::IN | Events::RDNORM;
            }
            if self.seen.swap(now, Relaxed) != now {
                ready |= Events::PRI | Events::ERR;
            }
        }
        ready
    }

    fn queue(&self) -> Option<&Queue> {
        let quiet = matches!(self.content, Content::System(_) | Content::Net(..));
        let quiet = quiet.then_some(&self.quiet);
        self.changes.as_ref().map(|c| c.queue()).or(quiet)
    }

    fn ioctl(&self, caller: &dyn Caller, cmd: u32, arg: Addr) -> Result<u64, Errno> {
        match self.content {
            Content::Task(tid, TaskFile::Maps) if cmd == PROCMAP_QUERY => {
                self.node.source.query_map(caller, tid, arg).map(|()| 0)
            }
            _ => Err(Errno::ENOTTY),
        }
    }

    fn seekable(&self) -> bool {
        true
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
    memory: Arc<MemoryManager>,
}

impl FileOps for Memory {
    fn read_at(&self, dst: &mut dyn IoDst, offset: u64) -> Result<usize, Errno> {
        // Nobody uses it any more: there is nothing (`mem_rw`).
        if self.memory.users() == 0 {
            return Ok(0);
        }
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
        if self.memory.users() == 0 {
            return Ok(0);
        }
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
