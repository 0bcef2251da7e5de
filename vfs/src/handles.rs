//! File handles: numbers under which files are found again; open_by_handle_at(2).

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use sync::Mutex;

use crate::Dentry;

/// How many more than twice those in use are remembered before what has gone is looked for.
const SLACK: usize = 64;

/// The files of one file system that handles were given out for, by their inode numbers. They are
/// not kept by it.
#[derive(Default)]
pub(crate) struct Handles(Mutex<Known>);

#[derive(Default)]
struct Known {
    names: BTreeMap<u64, Weak<Dentry>>,
    /// As many as there may be before they are looked through again.
    most: usize,
}

impl Handles {
    /// Remembers a name of a file.
    pub(crate) fn remember(&self, ino: u64, name: &Arc<Dentry>) {
        let mut known = self.0.lock();
        if known.names.len() > known.most {
            // Each look is paid for by as many files that came since the last one.
            known.names.retain(|_, name| name.strong_count() > 0);
            known.most = 2 * known.names.len() + SLACK;
        }
        known.names.insert(ino, Arc::downgrade(name));
    }

    /// The name of a file, while it is known.
    pub(crate) fn find(&self, ino: u64) -> Option<Arc<Dentry>> {
        self.0.lock().names.get(&ino)?.upgrade()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_gone_takes_no_room() {
        let handles = Handles::default();
        let kept = Dentry::new(None, b"kept", None);
        handles.remember(0, &kept);
        for ino in 1..10_000 {
            handles.remember(ino, &Dentry::new(None, b"gone", None));
        }
        assert!(handles.0.lock().names.len() <= 2 * SLACK);
        assert!(handles.find(0).is_some_and(|d| Arc::ptr_eq(&d, &kept)));
        assert!(handles.find(9_999).is_none());
    }
}
