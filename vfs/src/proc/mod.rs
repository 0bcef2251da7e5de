//! `/proc`; proc(5). The names are data (`table`), the text comes from the kernel
//! ([`ProcSource`]), and this module only knows how directories, links and files of that kind
//! behave. Nothing is cached: every look-up asks whether the task still lives.

mod dirs;
mod file;
mod kept;
mod kmsg;
mod links;
mod mapped;
mod node;
mod pagemap;
mod source;
mod sysctl_net;
mod table;

pub use kept::KeptSettings;
pub use source::{
    IpcKind, IpcLimit, KeyLimit, MappedFile, MqueueLimit, NetTable, Opener, Piece, ProcSource,
    SchedSetting, SystemFile, TaskFile,
};

use crate::env::makedev;
use crate::{File, SuperBlock, SuperState, UserNs, Validity};
use alloc::sync::Arc;
use alloc::vec::Vec;
use node::{Node, What};

/// Magic number of the file system.
const MAGIC: u64 = 0x9fa0;
/// Device number of the file system.
const DEV: u64 = makedev(0, 22);

/// A file system that shows what `source` tells, and belongs to `owner`.
pub fn procfs(source: Arc<dyn ProcSource>, owner: &UserNs) -> Arc<SuperBlock> {
    Arc::new(SuperBlock {
        kind: "proc",
        source: b"proc".to_vec(),
        options: Vec::new(),
        dev: source.device(),
        validity: Validity::Never,
        root: Node::new(source, What::Root),
        state: SuperState::of(owner),
    })
}

/// The process whose directory `/proc/PID` is open as `file`; such a description names the process
/// where pidfd_send_signal(2) wants one (`tgid_pidfd_to_pid`, fs/proc/base.c).
pub fn process_directory(file: &File) -> Option<i32> {
    match file.downcast::<dirs::Dir>()?.0.what {
        What::Task { tid, group: true } => Some(tid),
        _ => None,
    }
}
