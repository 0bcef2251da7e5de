//! Who may look into whom: the one check that ptrace(2), process_vm_readv(2), `/proc` and others
//! share (`__ptrace_may_access` in `kernel/ptrace.c`, `cap_ptrace_access_check`).

use crate::Task;
use syserr::Errno;
use vfs::{Creds, UserNs, cap};

/// Whether landlock(7) lets `me` look into what `you` does: who is in a domain sees those in it.
pub(super) fn reaches(me: &Creds, you: &Creds) -> bool {
    let Some(own) = &me.landlock else { return true };
    you.landlock.as_ref().is_some_and(|d| d.is_within(own))
}

/// Whether whoever has the credentials `me` and works in process `tgid` may look into `target`.
/// `by_file` asks with the IDs of file access (`PTRACE_MODE_FSCREDS`), else with the real ones.
///
/// # Errors
/// `EPERM`.
pub(crate) fn may_access(me: &Creds, tgid: i32, target: &Task, by_file: bool) -> Result<(), Errno> {
    if target.tgid() == tgid {
        return Ok(());
    }
    let you = target.creds();
    if !reaches(me, &you) {
        return Err(Errno::EPERM);
    }
    let capable = |ns: &UserNs| me.has_in(ns, cap::SYS_PTRACE);
    let (uid, gid, caps) =
        if by_file { (me.fsuid, me.fsgid, me.effective) } else { (me.uid, me.gid, me.permitted) };
    let same = [you.uid, you.euid, you.suid].iter().all(|&u| u == uid)
        && [you.gid, you.egid, you.sgid].iter().all(|&g| g == gid);
    let covered = me.user_ns == you.user_ns && you.permitted & !caps == 0;
    let (dumpable, memory_ns) = target.group_ref().dumpable_in();
    let may = (same || capable(&you.user_ns))
        && (dumpable || capable(&memory_ns))
        && (covered || capable(&you.user_ns));
    if may { Ok(()) } else { Err(Errno::EPERM) }
}
