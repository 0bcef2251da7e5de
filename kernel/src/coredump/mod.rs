//! Core dumps: what a process leaves behind that dies of a signal; core(5), `fs/coredump.c`.
//!
//! The thread that the signal hits makes the dump, in its own context, before anything of the
//! process is taken apart. The others note their registers and wait until it is done, so that what
//! they would still do to the memory at their ends is not in it. No lock is held while a file is
//! written, and `SIGKILL` breaks it off.

mod elf;
mod file;
mod memory;
mod name;
mod notes;
mod registers;
mod settings;
mod write;

pub(crate) use settings::Settings;

use crate::group::GroupState;
use crate::signal::{CORE, SigInfo, begin_exit};
use crate::task::TaskCx;
use crate::{ExitStatus, Resource, Task};
use alloc::sync::Arc;
use alloc::vec::Vec;
use sync::Mutex;
use sync::atomic::{AtomicBool, Ordering};
use sync::waitq::{Events, Queue};

/// The least that `RLIMIT_CORE` has to allow, in bytes (`ELF_EXEC_PAGESIZE`).
const LEAST: u64 = 4096;

/// A dump that is made, or about to be.
pub(crate) struct Dump {
    /// The thread that makes it.
    dumper: i32,
    /// What the process dies of.
    info: SigInfo,
    /// `PR_GET_DUMPABLE`.
    dumpable: u32,
    others: Mutex<Others>,
    /// Told when the last of them has come.
    complete: Queue,
    /// Told when the dump is made.
    made: Queue,
    killed: AtomicBool,
}

/// The threads beside the one that makes the dump.
struct Others {
    /// How many are still to come.
    awaited: usize,
    /// The notes of those that have.
    came: Vec<registers::ThreadNotes>,
}

impl Dump {
    /// A thread goes that never ran: it is not waited for, nor in the dump.
    pub(crate) fn goes_without_one(&self) {
        self.one_less(None);
    }

    fn one_less(&self, came: Option<registers::ThreadNotes>) {
        let last = {
            let mut others = self.others.lock();
            others.awaited = others.awaited.saturating_sub(1);
            others.came.extend(came);
            others.awaited == 0
        };
        if last {
            self.complete.notify(Events::IN);
        }
    }

    /// Breaks it off: `SIGKILL`.
    pub(crate) fn kill(&self) {
        self.killed.store(true, Ordering::Relaxed);
    }

    fn is_killed(&self) -> bool {
        self.killed.load(Ordering::Relaxed)
    }

    fn signo(&self) -> u32 {
        self.info.signo as u32
    }
}

impl Task {
    /// The process of the running thread ends by a signal, with a core dump if that is wanted.
    pub(crate) fn die_of(&self, info: SigInfo) {
        let signo = info.signo as u32;
        let group = self.group_ref();
        let wanted = CORE.contains(signo) && group.limit(Resource::Core).cur >= LEAST;
        let mut state = group.lock();
        if wanted && state.dumpable != 0 && state.exiting.is_none() && state.execing.is_none() {
            state.dump = Some(Arc::new(self.new_dump(&state, info)));
        }
        begin_exit(&mut state, ExitStatus::Signaled(signo));
    }

    /// Its identity changes: what is in its memory is not for whom it becomes.
    pub(crate) fn hide_memory(&self) {
        let dumpable = self.kernel().core_settings().suid_dumpable();
        self.group_ref().lock().dumpable = dumpable;
    }

    fn new_dump(&self, state: &GroupState, info: SigInfo) -> Dump {
        let me = self.tid();
        let comes = |t: &&Arc<Task>| t.tid() != me && !t.past_dump.load(Ordering::Relaxed);
        Dump {
            dumper: me,
            info,
            dumpable: state.dumpable,
            others: Mutex::new(Others {
                awaited: state.threads.iter().filter(comes).count(),
                came: Vec::new(),
            }),
            complete: Queue::new(),
            made: Queue::new(),
            killed: AtomicBool::new(false),
        }
    }

    /// The thread begins to end: the dump of its process that it takes part in. One that begins later
    /// goes without it (`synchronize_group_exit` in `kernel/exit.c`).
    pub(crate) fn pass_dump(&self) -> Option<Arc<Dump>> {
        let state = self.group_ref().lock();
        self.past_dump.store(true, Ordering::Relaxed);
        state.dump.clone()
    }
}

/// Takes part in a dump; returns how the thread ends then, if not as before.
pub(crate) async fn take_part(cx: &mut TaskCx, dump: &Arc<Dump>) -> Option<ExitStatus> {
    let group = cx.task.group();
    let notes = registers::notes(cx, dump);
    if cx.task.tid() != dump.dumper {
        dump.one_less(Some(notes));
        let made = || group.lock().dump.is_none().then_some(());
        crate::block::wait_on(&dump.made, Events::IN, made).await;
        return None;
    }
    let complete = || (dump.others.lock().awaited == 0).then_some(());
    crate::block::wait_on(&dump.complete, Events::IN, complete).await;
    let mut threads = core::mem::take(&mut dump.others.lock().came);
    threads.sort_by_key(|t| t.tid);
    threads.insert(0, notes);
    let dumped = write::write(cx, dump, &threads).await;
    let status = ExitStatus::Dumped(dump.signo());
    {
        let mut state = group.lock();
        state.dump = None;
        if dumped {
            state.exiting = Some(status);
        }
    }
    dump.made.notify(Events::IN);
    dumped.then_some(status)
}
