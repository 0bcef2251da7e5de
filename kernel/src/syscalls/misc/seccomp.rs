//! seccomp(2).

use crate::seccomp::{
    DIALECT, Filter, Instruction, MAX_INSTRUCTIONS, Notifier, Program, SIZES, is_available, open,
};
use crate::{Args, Outcome, Resource, TaskCx};
use alloc::vec::Vec;
use arch::{Addr, UserMemoryExt};
use syserr::Errno;
use vfs::cap;

bitflags::bitflags! {
    /// `SECCOMP_FILTER_FLAG_*`.
    #[derive(Clone, Copy, PartialEq, Eq)]
    struct Flags: u32 {
        /// Every thread gets the filter.
        const TSYNC = 1;
        /// Nothing is logged; who saves the filter finds the flag.
        const LOG = 2;
        /// Speculation is not restricted anyway.
        const SPEC_ALLOW = 4;
        /// A file tells of calls that wait for an answer.
        const NEW_LISTENER = 8;
        /// A synchronisation that fails does not say because of which thread.
        const TSYNC_ESRCH = 16;
        /// Who waits for an answer to what was received is interrupted only by its end.
        const WAIT_KILLABLE_RECV = 32;
    }
}

impl Flags {
    /// The flags of a call, if they go together.
    fn checked(bits: u64) -> Option<Flags> {
        let f = u32::try_from(bits).ok().and_then(Flags::from_bits)?;
        let listens = f.contains(Flags::NEW_LISTENER);
        // A number is to be either a descriptor or a thread's ID.
        let ambiguous = listens && f.contains(Flags::TSYNC) && !f.contains(Flags::TSYNC_ESRCH);
        let vain = f.contains(Flags::WAIT_KILLABLE_RECV) && !listens;
        (!ambiguous && !vain).then_some(f)
    }
}

/// seccomp(2).
pub fn sys_seccomp(cx: &mut TaskCx, a: &Args) -> Outcome {
    run(cx, a).into()
}

fn run(cx: &TaskCx, a: &Args) -> Result<u64, Errno> {
    match a[0] as u32 {
        // SECCOMP_SET_MODE_STRICT
        0 if a[1] == 0 && a[2] == 0 => cx.task.set_strict().map(|()| 0),
        // SECCOMP_SET_MODE_FILTER
        1 => install(cx, a[1] & 0xffff_ffff, a[2]),
        // SECCOMP_GET_ACTION_AVAIL
        2 if a[1] as u32 == 0 => {
            let action: u32 = cx.mm().read_obj(Addr(a[2]))?;
            if is_available(action) { Ok(0) } else { Err(Errno::EOPNOTSUPP) }
        }
        // SECCOMP_GET_NOTIF_SIZES
        3 if a[1] as u32 == 0 => cx.mm().write_obj(Addr(a[2]), &SIZES).map(|()| 0),
        _ => Err(Errno::EINVAL),
    }
}

/// Reads and adds a filter; also prctl(2) `PR_SET_SECCOMP`. Gives the descriptor of a listener, or the
/// ID of a thread that has filters of its own, where it stood in the way.
pub(super) fn install(cx: &TaskCx, flags: u64, at: u64) -> Result<u64, Errno> {
    let flags = Flags::checked(flags).ok_or(Errno::EINVAL)?;
    let creds = cx.task.creds();
    let [len, filter]: [u64; 2] = cx.mm().read_obj(Addr(at))?;
    let len = (len & 0xffff) as usize;
    if len == 0 || len > MAX_INSTRUCTIONS {
        return Err(Errno::EINVAL);
    }
    if !creds.no_new_privs && !creds.has_here(cap::SYS_ADMIN) {
        return Err(Errno::EACCES);
    }
    let code: Vec<Instruction> = cx.mm().read_vec(Addr(filter), len)?;
    let program = Program::new(code, DIALECT)?;
    let limit = cx.task.limit(Resource::Nofile).0;
    let notifier = if flags.contains(Flags::NEW_LISTENER) {
        cx.task.files().check_room(limit)?;
        let mut first = [0; 8];
        cx.kernel().embedder().random.fill(&mut first);
        let killable = flags.contains(Flags::WAIT_KILLABLE_RECV);
        Some(Notifier::new(killable, u64::from_ne_bytes(first)))
    } else {
        None
    };
    // Should another thread take the last descriptor now, the file closes, and nobody is asked.
    let listener = notifier.as_ref().map(|n| open(&cx.task, n));
    let filter = Filter { program, log: flags.contains(Flags::LOG), notifier };
    match cx.task.add_filter(filter, flags.contains(Flags::TSYNC))? {
        None => match listener {
            Some(file) => cx.task.files().install(file, 0, limit, true).map(|fd| fd as u64),
            None => Ok(0),
        },
        Some(_) if flags.contains(Flags::TSYNC_ESRCH) => Err(Errno::ESRCH),
        Some(diverged) => Ok(cx.task.number_of(diverged.tid()) as u64),
    }
}
