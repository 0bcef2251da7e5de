//! Credentials after execve(2): `bprm_fill_uid` in `fs/exec.c`, `cap_bprm_creds_from_file` in
//! `security/commoncap.c`.

use syserr::Errno;
use vfs::{Creds, File, FsContext, cap, mode, securebits};

/// What a program runs with.
pub(super) struct Privileges {
    pub(super) creds: Creds,
    /// It gains some: the C library then distrusts the environment.
    pub(super) secure: bool,
}

/// What who has the credentials `old` runs a program with. Who is `exposed` to others that may have
/// less gains nothing (`LSM_UNSAFE_PTRACE`, `LSM_UNSAFE_SHARE`).
///
/// # Errors
/// `EPERM` for a program that cannot get what it needs; `EINVAL` for a file whose capabilities are
/// none.
pub(super) fn of_program(
    old: &Creds,
    fs: &FsContext,
    file: &File,
    exposed: impl FnOnce() -> bool,
) -> Result<Privileges, Errno> {
    let mut new = old.clone();
    let trusted = file.path().mount().lets_become(old, fs);
    if trusted && !old.no_new_privs {
        set_ids(&mut new, file)?;
    }
    new.permitted = 0;
    let caps = if trusted { vfs::file_caps(file.path(), &old.user_ns)? } else { None };
    let mut effective = caps.is_some_and(|c| c.effective);
    if let Some(c) = caps {
        new.permitted = old.bounding & c.permitted | old.inheritable & c.inheritable;
        if effective && c.permitted & !new.permitted != 0 {
            return Err(Errno::EPERM);
        }
    }
    let zero = old.user_ns.uid_in(0);
    let is_root = |id: u32| zero == Some(id);
    let (real, acting) = (is_root(new.uid), is_root(new.euid));
    // A file with both kinds of privileges gives others than root only the small ones.
    let mixed = caps.is_some() && acting && !real;
    if old.securebits & securebits::NOROOT == 0 && !mixed {
        if real || acting {
            new.permitted = old.bounding | old.inheritable;
        }
        effective |= acting;
    }
    let changed = new.euid != old.euid || !old.in_group(new.egid);
    let gains = new.permitted & !old.permitted != 0;
    if (changed || gains) && (old.no_new_privs || exposed()) {
        if old.no_new_privs || !old.has_here(cap::SETUID) {
            (new.euid, new.egid) = (new.uid, new.gid);
        }
        new.permitted &= old.permitted;
    }
    (new.suid, new.fsuid) = (new.euid, new.euid);
    (new.sgid, new.fsgid) = (new.egid, new.egid);
    if caps.is_some() || changed {
        new.ambient = 0;
    }
    new.permitted |= new.ambient;
    new.effective = if effective { new.permitted } else { new.ambient };
    new.securebits &= !securebits::KEEP_CAPS;
    let grown = new.permitted & !new.ambient != 0;
    let secure =
        changed || new.euid != old.uid || new.egid != old.gid || !real && (effective || grown);
    Ok(Privileges { creds: new, secure })
}

/// Set-ID bits. Whom the namespace does not know, nobody in it becomes.
fn set_ids(new: &mut Creds, file: &File) -> Result<(), Errno> {
    let stat = file.stat()?;
    if !new.user_ns.knows(stat.uid, stat.gid) {
        return Ok(());
    }
    if stat.mode & mode::ISUID != 0 {
        new.euid = stat.uid;
    }
    let group = mode::ISGID | 0o010;
    if stat.mode & group == group {
        new.egid = stat.gid;
    }
    Ok(())
}
