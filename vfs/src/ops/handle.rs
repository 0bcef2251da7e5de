//! name_to_handle_at(2), open_by_handle_at(2).

use alloc::sync::Arc;
use syserr::Errno;

use crate::{Dentry, File, OpenFlags, Path, PathCx, SuperBlock, Vfs, mode};

/// The words of a handle: which file system, and the inode's number. Only those that were given out
/// lead anywhere.
pub const HANDLE_WORDS: usize = 3;

fn has_handles(sb: &SuperBlock) -> bool {
    matches!(sb.kind, "tmpfs" | "overlay")
}

fn handle(sb: &SuperBlock, ino: u64) -> [u32; HANDLE_WORDS] {
    [sb.dev as u32, ino as u32, (ino >> 32) as u32]
}

impl Vfs {
    /// Whether files of the file system at a place have handles.
    pub fn has_handles(&self, path: &Path) -> bool {
        has_handles(path.mount().super_block())
    }

    /// The handle of the file at a place.
    ///
    /// # Errors
    /// `EOPNOTSUPP` where files have none; `EIO`.
    pub fn handle_of(&self, path: &Path) -> Result<[u32; HANDLE_WORDS], Errno> {
        let sb = path.mount().super_block();
        if !has_handles(sb) {
            return Err(Errno::EOPNOTSUPP);
        }
        let ino = path.inode().stat()?.ino;
        sb.state.handles.remember(ino, path.dentry());
        Ok(handle(sb, ino))
    }

    /// Opens a file by its handle, on the mount of `anchor`. The caller was allowed to.
    ///
    /// # Errors
    /// `ESTALE` for what is no handle there, or of a file that has gone; those of open(2).
    pub fn open_handle(
        &self,
        cx: &PathCx<'_>,
        anchor: &Path,
        words: [u32; HANDLE_WORDS],
        flags: OpenFlags,
    ) -> Result<Arc<File>, Errno> {
        let sb = anchor.mount().super_block();
        let ino = u64::from(words[1]) | u64::from(words[2]) << 32;
        if !has_handles(sb) || words != handle(sb, ino) {
            return Err(Errno::ESTALE);
        }
        let dentry: Arc<Dentry> = sb.state.handles.find(ino).ok_or(Errno::ESTALE)?;
        let path = Path { mount: anchor.mount().clone(), dentry };
        if flags.contains(OpenFlags::DIRECTORY) && path.inode().kind() != mode::IFDIR {
            return Err(Errno::ENOTDIR);
        }
        self.open_path(cx, path, flags, true)
    }
}
