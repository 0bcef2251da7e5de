//! A tree in memory, an overlay over it, and what a guest sees after it changed a file.
//!
//! `cargo run -p vfs --features std --example overlay`

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use arch::{BufDst, BufSrc};
use mm::testkit::VecMemoryFile;
use vfs::{
    AT_FDCWD, Creds, Env, FdTable, FsContext, MemOptions, MountFlags, OpenFlags, OpenHow, PathCx,
    SuperBlock, TimeSource, Vfs,
};

struct Time(Instant);

impl TimeSource for Time {
    fn realtime(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        since.as_nanos() as i64
    }

    fn monotonic(&self) -> i64 {
        self.0.elapsed().as_nanos() as i64
    }
}

/// Runs `f` as root of a tree whose top is `top`.
fn with_tree<T>(
    env: &Arc<Env>,
    top: &Arc<SuperBlock>,
    f: impl FnOnce(&Vfs, &PathCx<'_>) -> Result<T, syserr::Errno>,
) -> Result<T, syserr::Errno> {
    let tree = Vfs::new(env.clone(), top.clone(), MountFlags::empty());
    let fs = FsContext::new(tree.root(), tree.root());
    let (files, creds) = (FdTable::new(), Creds::root());
    f(&tree, &PathCx { creds: &creds, fs: &fs, files: &files, tgid: 1, tid: 1 })
}

fn write(tree: &Vfs, cx: &PathCx<'_>, path: &[u8], text: &[u8]) -> Result<(), syserr::Errno> {
    let flags = OpenFlags::WRONLY | OpenFlags::CREAT | OpenFlags::TRUNC;
    let file =
        tree.open(cx, AT_FDCWD, path, OpenHow { flags, mode: 0o644, ..OpenHow::default() })?;
    file.write(&mut BufSrc::new(text), u64::MAX).map(|_| ())
}

fn read(tree: &Vfs, cx: &PathCx<'_>, path: &[u8]) -> Result<String, syserr::Errno> {
    let file = tree.open(cx, AT_FDCWD, path, OpenHow::default())?;
    let mut buf = [0; 64];
    let n = file.read(&mut BufDst::new(&mut buf))?;
    Ok(String::from_utf8_lossy(&buf[..n]).into_owned())
}

fn main() -> Result<(), syserr::Errno> {
    let env = Env::new(VecMemoryFile::new(16 << 20), Arc::new(Time(Instant::now())));
    let lower = vfs::tmpfs(&env, MemOptions::default(), b"base")?;
    with_tree(&env, &lower, |tree, cx| {
        tree.mkdir(cx, AT_FDCWD, b"/etc", 0o755)?;
        write(tree, cx, b"/etc/motd", b"as it was")
    })?;
    let upper = vfs::overlay(&env, &lower, MemOptions::default())?;
    with_tree(&env, &upper, |tree, cx| {
        write(tree, cx, b"/etc/motd", b"changed")?;
        tree.rename(cx, (AT_FDCWD, b"/etc"), (AT_FDCWD, b"/moved"), Default::default())?;
        println!("the guest sees:     {}", read(tree, cx, b"/moved/motd")?);
        Ok(())
    })?;
    with_tree(&env, &lower, |tree, cx| {
        println!("what lies beneath:  {}", read(tree, cx, b"/etc/motd")?);
        Ok(())
    })
}
