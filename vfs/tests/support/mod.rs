//! A kernel's file systems without a kernel.
#![allow(dead_code, unreachable_pub, reason = "each test file uses another part")]

pub mod oracle;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use mm::testkit::VecMemoryFile;
use vfs::{
    Creds, Env, FdTable, FsContext, MemOptions, MountFlags, PathCx, SuperBlock, TimeSource, Vfs,
};

/// A clock that ticks whenever it is read.
#[derive(Default)]
pub struct Ticks(AtomicI64);

impl TimeSource for Ticks {
    fn realtime(&self) -> i64 {
        1_700_000_000_000_000_000 + self.0.fetch_add(1_000, Relaxed)
    }

    fn monotonic(&self) -> i64 {
        self.0.fetch_add(1_000, Relaxed)
    }
}

pub struct Guest {
    pub memory: Arc<VecMemoryFile>,
    pub env: Arc<Env>,
    pub vfs: Arc<Vfs>,
    pub fs: Arc<FsContext>,
    pub files: Arc<FdTable>,
    pub creds: Creds,
}

pub fn env() -> (Arc<VecMemoryFile>, Arc<Env>) {
    let memory = VecMemoryFile::new(256 << 20);
    let env = Env::new(memory.clone(), Arc::new(Ticks::default()));
    (memory, env)
}

impl Guest {
    pub fn tmpfs() -> Guest {
        let (memory, env) = env();
        let options = MemOptions { mode: 0o755, ..MemOptions::default() };
        let sb = vfs::tmpfs(&env, options, b"tmpfs").unwrap();
        Guest::on(memory, env, sb)
    }

    pub fn on(memory: Arc<VecMemoryFile>, env: Arc<Env>, sb: Arc<SuperBlock>) -> Guest {
        let vfs = Vfs::new(env.clone(), sb, MountFlags::empty());
        let fs = FsContext::new(vfs.root(), vfs.root());
        Guest { memory, env, vfs, fs, files: FdTable::new(), creds: Creds::root() }
    }

    /// The place that a path leads to.
    pub fn path(&self, path: &str) -> vfs::Path {
        let flags = vfs::LookupFlags::empty();
        self.vfs.resolve(&self.cx(), vfs::AT_FDCWD, path.as_bytes(), flags).unwrap()
    }

    pub fn cx(&self) -> PathCx<'_> {
        PathCx { creds: &self.creds, fs: &self.fs, files: &self.files, tgid: 1, tid: 1 }
    }
}
