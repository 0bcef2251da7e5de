//! What belongs nowhere else.

mod arch_prctl;
mod landlock;
mod lsm;
mod prctl;
mod random;
mod seccomp;
mod set_mm;
mod system;

pub use super::mem::sys_membarrier;
pub(crate) use arch_prctl::segment_base;
pub use arch_prctl::sys_arch_prctl;
pub use landlock::{
    sys_landlock_add_rule, sys_landlock_create_ruleset, sys_landlock_restrict_self,
};
pub use lsm::{sys_lsm_get_self_attr, sys_lsm_list_modules, sys_lsm_set_self_attr};
pub use prctl::{sys_personality, sys_prctl};
pub use random::sys_getrandom;
pub use seccomp::sys_seccomp;
pub use system::{
    sys_reboot, sys_rseq, sys_setdomainname, sys_sethostname, sys_sysinfo, sys_syslog, sys_uname,
};

use crate::TaskCx;
use arch::{Addr, Permissions, UserMemory};
use syserr::Errno;

/// Checks that a structure from a newer kernel's header asks for nothing that this one does not
/// know: its bytes `known..size` must be zero (`copy_struct_from_user`).
///
/// # Errors
/// `E2BIG`, `EFAULT`.
pub(crate) fn check_zeros(cx: &TaskCx, at: u64, known: u64, size: u64) -> Result<(), Errno> {
    let mut done = known;
    let mut buf = [0; 256];
    while done < size {
        let n = (size - done).min(buf.len() as u64) as usize;
        let (part, _) = buf.split_at_mut(n);
        // What is not zero counts before what cannot be read.
        let read = cx.mm().copy_in(Addr(at).wrapping_add(done), part, Permissions::Obey);
        let got = read.as_ref().map_or_else(|p| p.done, |()| n);
        if part.iter().take(got).any(|&b| b != 0) {
            return Err(Errno::E2BIG);
        }
        read?;
        done += n as u64;
    }
    Ok(())
}
