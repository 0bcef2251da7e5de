//! `/proc/locks`.

use crate::{Kernel, PidNamespace};
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Every lock on a file that some task has a descriptor of. Locks end with the last descriptor,
/// so none is missing but those of descriptions that are only on their way through a socket. Those of
/// processes outside of `ns` are nobody's business there.
pub(super) fn text(k: &Kernel, ns: &PidNamespace) -> Vec<u8> {
    let (mut tables, mut seen) = (BTreeSet::new(), BTreeSet::new());
    let (mut out, mut id) = (Vec::new(), 0);
    for task in k.tasks() {
        let Some(files) = task.resources.lock().files.clone() else { continue };
        if !tables.insert(Arc::as_ptr(&files).addr()) {
            continue;
        }
        for fd in files.descriptors() {
            let Ok(file) = files.get(fd) else { continue };
            let Some(locks) = file.existing_locks() else { continue };
            if !seen.insert(Arc::as_ptr(&locks).addr()) {
                continue;
            }
            let Ok(stat) = file.stat() else { continue };
            let number = |id| Some(ns.number_of(id)).filter(|n| *n != 0);
            for line in locks.describe(&stat, &mut id, |_, _| true, number) {
                out.extend_from_slice(line.as_bytes());
            }
        }
    }
    out
}
