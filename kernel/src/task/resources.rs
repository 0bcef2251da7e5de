//! What a task may share with others: memory, files, directories.

use super::Task;
use crate::keys::TaskKeyrings;
use crate::ns::Namespaces;
use alloc::sync::Arc;
use mm::MemoryManager;
use vfs::{FdTable, FsContext};

/// The shareable parts of a task, as others see them. All `None` once the task has ended.
#[derive(Clone, Default)]
pub struct Resources {
    /// The address space, not counted as a user: who works in it takes one.
    pub mm: Option<Arc<MemoryManager>>,
    /// The futexes of the address space.
    pub futex: Option<futex::Manager>,
    /// Descriptors.
    pub files: Option<Arc<FdTable>>,
    /// Root, working directory and file mode mask.
    pub fs: Option<Arc<FsContext>>,
    /// Namespaces.
    pub(crate) namespaces: Option<Arc<Namespaces>>,
    /// Keyrings.
    pub(crate) keyrings: TaskKeyrings,
}

impl Task {
    /// The namespaces; `None` once the task has ended.
    pub(crate) fn namespaces(&self) -> Option<Arc<Namespaces>> {
        self.resources.lock().namespaces.clone()
    }

    /// The keyrings.
    pub(crate) fn keyrings(&self) -> TaskKeyrings {
        self.resources.lock().keyrings.clone()
    }

    /// Replaces the keyrings.
    pub(crate) fn set_keyrings(&self, rings: TaskKeyrings) {
        let old = core::mem::replace(&mut self.resources.lock().keyrings, rings);
        drop(old);
    }

    /// The address space; `None` once the task has ended.
    pub fn mm(&self) -> Option<Arc<MemoryManager>> {
        self.resources.lock().mm.clone()
    }

    /// The futexes of the address space.
    pub fn futex(&self) -> Option<futex::Manager> {
        self.resources.lock().futex.clone()
    }

    /// The descriptors; an empty table once the task has ended.
    pub fn files(&self) -> Arc<FdTable> {
        self.resources.lock().files.clone().unwrap_or_default()
    }

    /// Root, working directory and file mode mask; those of the kernel's root once the task has
    /// ended.
    pub fn fs(&self) -> Arc<FsContext> {
        let fs = self.resources.lock().fs.clone();
        fs.unwrap_or_else(|| self.kernel().root_fs())
    }

    /// Whether another task, of those that are `asked`, has the same root, working directory and
    /// mask (`CLONE_FS`).
    pub(crate) fn shares_fs(&self, asked: impl Fn(&Task) -> bool) -> bool {
        let fs = self.fs();
        let same = |t: &Task| t.resources.lock().fs.as_ref().is_some_and(|f| Arc::ptr_eq(f, &fs));
        self.kernel().tasks().iter().any(|t| !core::ptr::eq(&**t, self) && asked(t) && same(t))
    }

    /// Whether another process has them: it can lead this one to other files.
    pub(crate) fn shares_fs_outside(&self) -> bool {
        self.shares_fs(|t| t.tgid() != self.tgid())
    }

    /// Replaces the descriptors: unshare(2) and execve(2).
    pub fn set_files(&self, files: Arc<FdTable>) {
        // The old table may close files when it goes: not under the lock.
        let old = self.resources.lock().files.replace(files);
        drop(old);
    }

    /// Replaces root, working directory and mask: unshare(2).
    pub fn set_fs(&self, fs: Arc<FsContext>) {
        let old = self.resources.lock().fs.replace(fs);
        drop(old);
    }
}
