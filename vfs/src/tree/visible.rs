//! What may be mounted where less rights are than elsewhere, without showing what is hidden there.

use alloc::sync::Arc;

use super::MountNs;
use super::mount::{Mount, MountFlags};
use super::mounts::{MountTable, Tables};
use crate::SuperBlock;
use syserr::Errno;

/// The file system that shows all processes (`SB_I_USERNS_VISIBLE`) and that users may mount.
const TELLING: &str = "proc";

/// The flags that a mount that hides nothing keeps; `None` for one that does, or that has others
/// than are wanted.
fn of_whole(t: &Tables, m: &Arc<Mount>, wanted: MountFlags) -> Option<MountFlags> {
    let whole =
        m.root.inode().is_some_and(|i| core::ptr::addr_eq(Arc::as_ptr(i), Arc::as_ptr(&m.sb.root)));
    // Something lies over a part of it.
    if !whole || t.children(m).any(|c| c.is_locked()) {
        return None;
    }
    let mut kept = m.kept_flags() & (MountFlags::RDONLY | MountFlags::ATIME);
    kept.set(MountFlags::RDONLY, kept.contains(MountFlags::RDONLY) || m.sb.state.is_read_only());
    let times = kept & MountFlags::ATIME;
    let same_times = m.flags() & times == wanted & times;
    let more = kept.contains(MountFlags::RDONLY) && !wanted.contains(MountFlags::RDONLY);
    (same_times && !more).then_some(kept)
}

impl MountTable {
    /// The flags that a mount of `sb` has to keep in `ns`.
    ///
    /// # Errors
    /// `EPERM` if it would show more than there is to see (`mount_too_revealing`).
    pub(crate) fn kept_by(
        &self,
        ns: &MountNs,
        sb: &SuperBlock,
        wanted: MountFlags,
    ) -> Result<MountFlags, Errno> {
        if ns.owner_ref().is_initial() || sb.kind != TELLING {
            return Ok(MountFlags::empty());
        }
        let t = self.tables.read();
        let mut there = t.all.values().filter(|m| m.is_in(ns) && m.sb.kind == TELLING);
        there.find_map(|m| of_whole(&t, m, wanted)).ok_or(Errno::EPERM)
    }
}
