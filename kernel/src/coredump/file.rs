//! The file that a dump goes to: its name, and who may be in the way.

use super::{Dump, name};
use crate::task::TaskCx;
use crate::{ClockId, Resource, VfsExecutable};
use alloc::sync::Arc;
use alloc::vec::Vec;
use syserr::Errno;
use vfs::{AT_FDCWD, Creds, File, OpenFlags, OpenHow, PathCx};

/// Processes whose identities changed are dumped for root alone (`SUID_DUMP_ROOT`).
const FOR_ROOT: u32 = 2;

/// Makes the file, in the directory and with the file-access IDs of the process.
///
/// # Errors
/// Those of open(2); `EPERM` for a file that turns out to be somebody else's, or none; `EINVAL` for
/// one that only root may read and that has no path from the root.
pub(super) fn create(cx: &TaskCx, dump: &Dump) -> Result<Arc<File>, Errno> {
    let name = name_of(cx, dump);
    let task = &cx.task;
    let vfs = cx.kernel().vfs();
    let files = task.files();
    let for_root = dump.dumpable == FOR_ROOT;
    let (creds, fs) = match for_root {
        false => (task.creds(), task.fs()),
        // The process chose its own root, perhaps.
        true => {
            if !name.starts_with(b"/") {
                return Err(Errno::EINVAL);
            }
            let creds = Creds { fsuid: 0, ..(*task.creds()).clone() };
            let fs = cx.kernel().root_fs().fork();
            fs.set_umask(task.fs().umask());
            (Arc::new(creds), fs)
        }
    };
    let at = PathCx { creds: &creds, fs: &fs, files: &files, tgid: task.tgid(), tid: task.tid() };
    if !for_root {
        // What cannot be removed is in the way below.
        let _ = vfs.unlink(&at, AT_FDCWD, &name);
    }
    let flags = OpenFlags::CREAT | OpenFlags::EXCL | OpenFlags::WRONLY | OpenFlags::NOFOLLOW;
    let how = OpenHow { flags, mode: 0o600, ..OpenHow::default() };
    let file = vfs.open(&at, AT_FDCWD, &name, how)?;
    let stat = file.stat()?;
    // A file system may know no owners or modes.
    let private = stat.uid == creds.fsuid && stat.mode & 0o677 == 0o600;
    if file.is_regular() && stat.nlink <= 1 && private { Ok(file) } else { Err(Errno::EPERM) }
}

fn name_of(cx: &TaskCx, dump: &Dump) -> Vec<u8> {
    let task = &cx.task;
    let kernel = cx.kernel();
    let settings = kernel.core_settings();
    let creds = task.creds();
    let program = cx.mm().meta().executable.and_then(VfsExecutable::place);
    let facts = name::Facts {
        pid: (task.group_ref().number(), task.tgid()),
        tid: (task.number(), task.tid()),
        user: (creds.uid, creds.gid),
        dumpable: dump.dumpable,
        signo: dump.signo(),
        time: kernel.now(ClockId::Realtime) / 1_000_000_000,
        host: task.namespaces().map(|ns| ns.uts.names().host).unwrap_or_default(),
        comm: task.comm().as_bytes().to_vec(),
        executable: program.map(|p| p.display(Some(&task.fs().root()))),
        limit: task.limit(Resource::Core).0,
    };
    name::format(&settings.pattern(), settings.uses_pid() != 0, &facts)
}
