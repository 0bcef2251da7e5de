//! memfd_create(2).

use crate::syscalls::fs::install;
use crate::{Args, Outcome, TaskCx};
use arch::{Addr, UserMemoryExt};
use syserr::Errno;

const CLOEXEC: u32 = 1;
const ALLOW_SEALING: u32 = 2;
const NOEXEC_SEAL: u32 = 8;
const EXEC: u32 = 16;
/// Longest name; `MFD_NAME_MAX_LEN`.
const NAME_MAX: usize = 249;

/// memfd_create(2), without huge pages.
pub(crate) fn sys_memfd_create(cx: &mut TaskCx, a: &Args) -> Outcome {
    let r = (|| {
        let flags = a[1] as u32;
        let both = NOEXEC_SEAL | EXEC;
        if flags & !(CLOEXEC | ALLOW_SEALING | both) != 0 || flags & both == both {
            return Err(Errno::EINVAL);
        }
        let name = cx.mm().read_cstr(Addr(a[0]), NAME_MAX).map_err(|e| match e {
            Errno::ENAMETOOLONG => Errno::EINVAL,
            e => e,
        })?;
        let sealable = flags & (ALLOW_SEALING | NOEXEC_SEAL) != 0;
        let executable = flags & NOEXEC_SEAL == 0;
        let file = cx.kernel().vfs().new_memfd(&cx.task.creds(), &name, sealable, executable)?;
        install(cx, file, flags & CLOEXEC != 0)
    })();
    r.into()
}
