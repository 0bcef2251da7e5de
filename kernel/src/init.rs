//! The first processes: one of the kernel's own that reaps, if that is wanted, and a program.

use crate::image::LoadArgs;
use crate::keys::TaskKeyrings;
use crate::signal::{SIGCHLD, SignalSet};
use crate::syscalls::process::Opener;
use crate::task::{Policy, Resources, TaskCx, TaskParts, run};
use crate::{
    BoxFuture, Comm, ExitStatus, Interrupt, Kernel, LimitSet, LoadImageError, Task, ThreadGroup,
    VfsExecutable, tree,
};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{AltStack, Os};
use sync::atomic::Ordering::Relaxed;
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

/// Whose process it is.
struct Who {
    comm: Comm,
    creds: Creds,
    limits: LimitSet,
    personality: u32,
}

impl Kernel {
    /// Makes process 1 one of the kernel's own: it runs nothing, and what is left to it goes when it
    /// ends. The first program, of [`Kernel::create_first`], is its child then and leads a session, so
    /// that it finds itself where programs usually are, and not in the place of init(1).
    ///
    /// # Errors
    /// `EEXIST` when there are processes; `ENOMEM`.
    pub fn create_reaper(self: &Arc<Self>) -> Result<(), Errno> {
        let mut tree = self.tree();
        if !tree.tasks.is_empty() || tree.closed {
            return Err(Errno::EEXIST);
        }
        let resources = Resources {
            mm: None,
            futex: None,
            files: None,
            fs: Some(self.root_fs().fork()),
            namespaces: Some(self.namespaces().clone()),
            keyrings: TaskKeyrings::default(),
        };
        let context = self.embedder().platform.new_context()?;
        let who = Who {
            comm: Comm::new(b"init"),
            creds: Creds::root(),
            limits: LimitSet::default(),
            personality: 0,
        };
        let task = self.enter(&mut tree, who, resources, context.interrupter())?;
        tree.own_reaper = true;
        task.asleep.store(true, Relaxed);
        let mut state = task.group_ref().lock();
        (state.unkillable, state.reaps_all, state.dumpable) = (true, true, 0);
        Ok(())
    }

    /// Loads and starts the first program. The future that is returned is ready with its status
    /// when it, and everything that it left behind, has ended.
    ///
    /// # Errors
    /// [`LoadImageError`]; nothing was started then. `EEXIST` when there is a first program.
    pub fn create_first(
        self: &Arc<Self>,
        args: ProcessArgs,
    ) -> Result<BoxFuture<ExitStatus>, LoadImageError> {
        let first = self.first();
        let mut opener = Opener {
            vfs: self.vfs().clone(),
            creds: Arc::new(args.creds.clone()),
            fs: args.fs.clone(),
            files: args.files.clone(),
            tgid: first,
            tid: first,
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
            if tree.procs.contains_key(&tree.first()) || tree.closed {
                return Err(LoadImageError::Layout(Errno::EEXIST));
            }
            let resources = Resources {
                mm: image.memory_manager().cloned(),
                futex: image.futex().cloned(),
                files: Some(args.files),
                fs: Some(args.fs),
                namespaces: Some(self.namespaces().clone()),
                keyrings: TaskKeyrings::default(),
            };
            let who = Who {
                comm: image.name,
                creds: args.creds,
                limits: args.limits,
                personality: args.personality,
            };
            let interrupt = context.interrupter();
            let task = self.enter(&mut tree, who, resources, interrupt);
            task.map_err(LoadImageError::Layout)?
        };
        let cx = TaskCx::new(task, image, context);
        self.embedder().spawn.spawn(Box::pin(run(cx)));
        let kernel = self.clone();
        Ok(Box::pin(async move {
            // There is a first process, so this cannot fail.
            kernel.wait_for_first().await.unwrap_or(ExitStatus::Exited(0))
        }))
    }

    /// Enters a process in the tree, that leads a session, as a child of the reaper if there is one.
    fn enter(
        self: &Arc<Self>,
        tree: &mut tree::Tree,
        who: Who,
        resources: Resources,
        interrupt: Arc<dyn Interrupt>,
    ) -> Result<Arc<Task>, Errno> {
        let ns = self.pid_ns().clone();
        let tid = tree.allocate(&ns, &[], &|_| true)?;
        let group = ThreadGroup::new(tid, ns, Arc::default(), who.limits, SIGCHLD);
        let parts = TaskParts {
            tid,
            group: group.clone(),
            resources,
            creds: Arc::new(who.creds),
            comm: who.comm,
            interrupt,
            mask: SignalSet::EMPTY,
            altstack: AltStack::DISABLED,
            policy: Policy { personality: who.personality, ..Policy::default() },
            seccomp: crate::seccomp::State::default(),
        };
        let task = Task::new(self.clone(), parts);
        group.lock().threads.push(task.clone());
        if tid == tree::INIT {
            tree.add_proc(group, 0, 0);
        } else {
            tree.add_proc(group, tree::INIT, tree::INIT);
            tree.set_sid(tid)?;
        }
        tree.add_task(task.clone());
        Ok(task)
    }
}
