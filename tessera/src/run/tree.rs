//! The guest's file tree: an overlay over the host's root, and what a running Linux mounts.

use super::Jobs;
use crate::Failure;
use crate::cli::RunOptions;
use kernel::cgroup::CgroupType;
use kernel::proc::{KernelProc, ProcType};
use kernel::syscalls::mqueue::MqueueType;
use kernel::{ClockId, Embedder, Kernel};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use systrap::hostfs::open_dir;
use vfs::dev::{Devices, populate};
use vfs::tty::{DevptsType, Ptys, devpts};
use vfs::{
    Creds, Env, FdTable, FsContext, HostFs, HostOptions, MemOptions, MountFlags, Nanos, PathCx,
    RamfsType, SharedType, SuperBlock, TimeSource, TmpfsType, Vfs, overlay, sysfs, tmpfs,
};

/// The clock of the platform, for time stamps.
struct Time(Arc<dyn kernel::Clock>);

impl TimeSource for Time {
    fn realtime(&self) -> Nanos {
        self.0.now(ClockId::Realtime)
    }

    fn monotonic(&self) -> Nanos {
        self.0.now(ClockId::Monotonic)
    }
}

/// Everything but `/proc`, which shows a kernel; and the terminals in it.
pub(super) fn build(
    embedder: &Embedder,
    jobs: &Arc<Jobs>,
    options: &RunOptions,
) -> Result<(Arc<Vfs>, Arc<Ptys>), Failure> {
    let env = Env::new(embedder.platform.memory(), Arc::new(Time(embedder.clock.clone())));
    let show = |e: syserr::Errno| Failure::own(format!("--root {}: {e}", options.root.display()));
    let lower = open_dir(&options.root, false).map_err(show)?;
    let lower = HostFs::new(&env, lower, HostOptions::READ_ONLY).map_err(show)?;
    let lower = lower.super_block(options.root.as_os_str().as_bytes());
    let top = overlay(&env, &lower, MemOptions::default()).map_err(show)?;
    let vfs = Vfs::new(env.clone(), top, MountFlags::RELATIME);
    let ptys = Ptys::new(jobs.clone());
    let random = embedder.random.clone();
    vfs.set_special_files(Devices::new(Arc::new(move |b| random.fill(b)), ptys.clone()));
    vfs.register_type(TmpfsType::new(env.clone()));
    vfs.register_type(RamfsType::new(env.clone()));
    let mounter = Mounter { vfs: &vfs, creds: Creds::root() };
    let mem = |mode, name: &[u8]| {
        tmpfs(&env, MemOptions { mode, ..MemOptions::default() }, name).map_err(show)
    };
    let dev = mem(0o755, b"udev")?;
    populate(&dev.root).map_err(show)?;
    mounter.mount(b"/dev", dev)?;
    vfs.register_type(DevptsType::new(env.clone()));
    mounter.mount(b"/dev/pts", devpts(&ptys))?;
    mounter.mount(b"/dev/shm", mem(0o1777, b"tmpfs")?)?;
    for dir in &options.rw {
        mounter.mount_rw(&env, dir)?;
    }
    Ok((vfs, ptys))
}

/// Mounts what shows `kernel`: `/proc`, `/dev/mqueue`, `/sys` and its control groups.
pub(super) fn mount_proc(
    vfs: &Arc<Vfs>,
    kernel: &Arc<Kernel>,
    ptys: Arc<Ptys>,
) -> Result<(), Failure> {
    kernel.set_terminals(ptys.clone());
    let mounter = Mounter { vfs, creds: Creds::root() };
    let (kind, proc) = ProcType::new(KernelProc::new(kernel, Some(ptys)));
    vfs.register_type(kind);
    mounter.mount(b"/proc", proc)?;
    let (kind, queues) = MqueueType::new(kernel);
    vfs.register_type(kind);
    mounter.mount(b"/dev/mqueue", queues)?;
    let sys = sysfs(vfs.env(), kernel.embedder().platform.cpus());
    let sys = sys.map_err(|e| Failure::own(format!("mounting /sys: {e}")))?;
    vfs.register_type(SharedType::new(sys.clone(), &[]));
    mounter.mount(b"/sys", sys)?;
    let (kind, groups) = CgroupType::new(kernel);
    vfs.register_type(kind);
    mounter.mount(b"/sys/fs/cgroup", groups)
}

/// Mounts things before there is a process.
struct Mounter<'a> {
    vfs: &'a Vfs,
    creds: Creds,
}

impl Mounter<'_> {
    /// Mounts at a path, making the directory in the overlay if it is not there.
    fn mount(&self, at: &[u8], what: Arc<SuperBlock>) -> Result<(), Failure> {
        let fail = |e| Failure::own(format!("mounting {}: {e}", String::from_utf8_lossy(at)));
        let root = self.vfs.root();
        let fs = FsContext::new(root.clone(), root);
        let files = FdTable::new();
        let cx = PathCx { creds: &self.creds, fs: &fs, files: &files, tgid: 1, tid: 1 };
        let mut end = 1;
        while end <= at.len() {
            if end == at.len() || at[end] == b'/' {
                match self.vfs.mkdir(&cx, vfs::AT_FDCWD, &at[..end], 0o755) {
                    Ok(()) | Err(syserr::Errno::EEXIST) => {}
                    Err(e) => return Err(fail(e)),
                }
            }
            end += 1;
        }
        let path =
            self.vfs.resolve(&cx, vfs::AT_FDCWD, at, vfs::LookupFlags::empty()).map_err(fail)?;
        self.vfs.mount_at(&path, what, MountFlags::RELATIME).map_err(fail)?;
        Ok(())
    }

    /// Shows a directory of the host, writable, at its own path.
    fn mount_rw(&self, env: &Arc<Env>, dir: &Path) -> Result<(), Failure> {
        let fail = |e| Failure::own(format!("--rw {}: {e}", dir.display()));
        let absolute = std::fs::canonicalize(dir).map_err(|e| fail(syserr::Errno::from(e)))?;
        let node = open_dir(&absolute, true).map_err(fail)?;
        let host = HostFs::new(env, node, HostOptions::WRITABLE).map_err(fail)?;
        let at = absolute.as_os_str().as_bytes();
        self.mount(at, host.super_block(at))
    }
}
