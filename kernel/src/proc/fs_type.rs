//! proc as a type of file system.

use super::KernelProc;
use alloc::sync::Arc;
use syserr::Errno;
use vfs::proc::procfs;
use vfs::{FileSystemType, OptionError, PathCx, SharedType, SuperBlock};

/// Options of proc. They change nothing.
const OPTIONS: &[&str] = &["hidepid", "gid", "subset"];

/// The type of which each file system shows the PID namespace of who mounted it.
pub struct ProcType {
    first: Arc<KernelProc>,
    options: Arc<SharedType>,
}

impl ProcType {
    /// The type, and the file system of it that shows all processes.
    pub fn new(first: Arc<KernelProc>) -> (Arc<ProcType>, Arc<SuperBlock>) {
        let sb = procfs(first.clone(), first.pid_ns.owner());
        let options = SharedType::new(sb.clone(), OPTIONS);
        (Arc::new(ProcType { first, options }), sb)
    }
}

impl FileSystemType for ProcType {
    fn name(&self) -> &'static str {
        "proc"
    }

    fn make(
        &self,
        mounter: &PathCx<'_>,
        _: &[u8],
        options: &[u8],
    ) -> Result<Arc<SuperBlock>, Errno> {
        let shown = self.first.within(&*self.first.task(mounter.tid)?)?;
        let owner = shown.pid_ns.owner().clone();
        let sb = procfs(shown, &owner);
        self.reconfigure(&sb, options)?;
        Ok(sb)
    }

    fn is_for_users(&self) -> bool {
        true
    }

    fn check(&self, key: &str, value: Option<&str>) -> Result<(), OptionError> {
        self.options.check(key, value)
    }

    fn reconfigure(&self, sb: &SuperBlock, options: &[u8]) -> Result<(), Errno> {
        self.options.reconfigure(sb, options)
    }
}
