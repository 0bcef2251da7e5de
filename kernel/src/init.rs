//! The first process.

use crate::image::LoadArgs;
use crate::keys::TaskKeyrings;
use crate::signal::{SIGCHLD, SignalSet};
use crate::syscalls::process::Opener;
use crate::task::{Policy, Resources, TaskCx, TaskParts, run};
use crate::{
    BoxFuture, ExitStatus, Kernel, LimitSet, LoadImageError, Task, ThreadGroup, VfsExecutable, tree,
};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{AltStack, Os};
use syserr::Errno;
use vfs::{AT_FDCWD, Creds, FdTable, FsContext};

/// What the first process is made of.
pub struct ProcessArgs {
    /// Path of the program.
    pub path: Vec<u8>,
    /// Arguments, the program's name first.
    pub argv: Vec<Vec<u8>>,
    /// Environment, as `NAME=value`.
    pub envp: Vec<Vec<u8>>,
    /// Root, working directory and mask.
    pub fs: Arc<FsContext>,
    /// Descriptors; standard input, output and error are 0, 1 and 2 by custom.
    pub files: Arc<FdTable>,
    /// Who runs it.
    pub creds: Creds,
    /// Resource limits.
    pub limits: LimitSet,
    /// personality(2) bits.
    pub personality: u32,
    /// Whose system calls it makes; execve(2) keeps it. [`Os::Linux`] unless the embedder has an
    /// operating system of its own.
    pub os: Os,
}

impl Kernel {
    /// Loads and starts the first process. The future that is returned is ready with its status
    /// when it, and everything that it left behind, has ended.
    ///
    /// # Errors
    /// [`LoadImageError`]; nothing was started then. `EEXIST` when there is a first process.
    pub fn create_init(
        self: &Arc<Self>,
        args: ProcessArgs,
    ) -> Result<BoxFuture<ExitStatus>, LoadImageError> {
        let mut opener = Opener {
            vfs: self.vfs().clone(),
            creds: Arc::new(args.creds.clone()),
            fs: args.fs.clone(),
            files: args.files.clone(),
            tgid: tree::INIT,
            tid: tree::INIT,
        };
        let file = opener.open(AT_FDCWD, &args.path, false).map_err(LoadImageError::Open)?;
        let limits = args.limits.memory(&args.creds);
        let creds = &args.creds;
        let loaded = self.load_task_image(LoadArgs {
            filename: &args.path,
            comm: None,
            executable: Arc::new(VfsExecutable::new(file).map_err(LoadImageError::Open)?),
            resolve: &mut opener,
            argv: args.argv.iter().map(|s| &**s).collect(),
            envp: args.envp.iter().map(|s| &**s).collect(),
            credentials: loader::Credentials {
                uid: creds.uid,
                euid: creds.euid,
                gid: creds.gid,
                egid: creds.egid,
                secure: false,
            },
            limits,
            mdwe: mm::Mdwe::empty(),
            personality: args.personality,
            inaccessible: false,
            os: args.os,
        })?;
        let image = loaded.image;
        let context = self.embedder().platform.new_context();
        let context = context.map_err(|e| LoadImageError::Layout(e.into()))?;
        let task = {
            let mut tree = self.tree();
            if !tree.tasks.is_empty() || tree.closed {
                return Err(LoadImageError::Layout(Errno::EEXIST));
            }
            let ns = self.pid_ns().clone();
            let tid = tree.allocate(&ns, &[], &|_| true).map_err(LoadImageError::Layout)?;
            let handlers = Arc::default();
            let group = ThreadGroup::new(tid, ns, handlers, args.limits, SIGCHLD);
            let resources = Resources {
                mm: image.memory_manager().cloned(),
                futex: image.futex().cloned(),
                files: Some(args.files),
                fs: Some(args.fs),
                namespaces: Some(self.namespaces().clone()),
                keyrings: TaskKeyrings::default(),
            };
            let parts = TaskParts {
                tid,
                group: group.clone(),
                resources,
                creds: Arc::new(args.creds),
                comm: image.name,
                interrupt: context.interrupter(),
                mask: SignalSet::EMPTY,
                altstack: AltStack::DISABLED,
                policy: Policy { personality: args.personality, ..Policy::default() },
                seccomp: crate::seccomp::State::default(),
            };
            let task = Task::new(self.clone(), parts);
            group.lock().threads.push(task.clone());
            tree.add_proc(group, 0, 0);
            tree.add_task(task.clone());
            task
        };
        let cx = TaskCx::new(task, image, context);
        self.embedder().spawn.spawn(Box::pin(run(cx)));
        let kernel = self.clone();
        Ok(Box::pin(async move {
            // There is a first process, so this cannot fail.
            kernel.wait_for_init().await.unwrap_or(ExitStatus::Exited(0))
        }))
    }
}
