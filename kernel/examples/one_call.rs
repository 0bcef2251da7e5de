//! A kernel on a platform of ten lines, whose user code makes a system call or two and ends.
//!
//! `cargo run -p kernel --example one_call --features std,testkit`

use arch::{AddrRange, Arch, FpuLayout};
use kernel::testkit::{Machine, Script, World};
use kernel::{Context, Interrupt, Kernel, KernelConfig, Platform, ProcessArgs, Registry, Trap};
use mm::{AddressSpace, MemoryFile, OutOfMemory};
use std::sync::Arc;
use std::task::{Context as Cx, Poll};

/// "User code" that calls getpid(2), and exit(2) with the result.
struct TwoCalls(u64);

impl Context for TwoCalls {
    fn poll_switch(
        &mut self,
        _: &mut Cx<'_>,
        _: &Arc<dyn AddressSpace>,
        regs: &mut arch::Context,
    ) -> Poll<Trap> {
        let arch::Context::X86_64(c) = regs else { return Poll::Ready(Trap::Dead) };
        self.0 += 1;
        c.regs.rdi = c.regs.rax;
        c.regs.orig_rax = if self.0 == 1 { 39 } else { 60 };
        Poll::Ready(Trap::Syscall)
    }
    fn pull_fpu(&mut self, _: &mut arch::Context) {}
    fn push_fpu(&mut self, _: &arch::Context) {}
    fn interrupter(&self) -> Arc<dyn Interrupt> {
        Arc::new(Nobody)
    }
    fn user_time(&self) -> u64 {
        0
    }
}

struct Nobody;
impl Interrupt for Nobody {
    fn interrupt(&self) {}
}

/// Memory and address spaces of the test kit's machine, with contexts of our own.
struct Tiny(Arc<Machine>);

impl Platform for Tiny {
    fn arch(&self) -> Arch {
        self.0.arch()
    }
    fn memory(&self) -> Arc<dyn MemoryFile> {
        self.0.memory()
    }
    fn new_address_space(&self) -> Result<Arc<dyn AddressSpace>, OutOfMemory> {
        self.0.new_address_space()
    }
    fn new_context(&self) -> Result<Box<dyn Context>, OutOfMemory> {
        Ok(Box::new(TwoCalls(0)))
    }
    fn user_range(&self) -> AddrRange {
        self.0.user_range()
    }
    fn fpu_layout(&self) -> FpuLayout {
        self.0.fpu_layout()
    }
    fn hwcap(&self) -> (u64, u64) {
        (0, 0)
    }
    fn cpus(&self) -> usize {
        1
    }
}

fn main() {
    let world = World::new(Script::new()).expect("file system, clock and executor");
    world.write_program(b"/tiny", kernel::testkit::TEXT).expect("a program");
    let mut embedder = world.kernel.embedder().clone();
    embedder.platform = Arc::new(Tiny(world.machine.clone()));
    let kernel = Kernel::new(KernelConfig {
        embedder: embedder.clone(),
        tables: Registry::LINUX,
        vfs: world.kernel.vfs().clone(),
        root: world.kernel.root_fs(),
        vdso: None,
        uts: kernel::Uts::default(),
        tracer: None,
        extra_auxv: Vec::new(),
        memory_total: 64 << 20,
    });
    let ended = kernel
        .create_init(ProcessArgs {
            path: b"/tiny".to_vec(),
            argv: vec![b"tiny".to_vec()],
            envp: Vec::new(),
            fs: kernel.root_fs(),
            files: vfs::FdTable::new(),
            creds: vfs::Creds::root(),
            limits: kernel::LimitSet::default(),
            personality: 0,
        })
        .expect("a first process");
    embedder.spawn.spawn(Box::pin(async move { println!("{:?}", ended.await) }));
    world.executor.run(1000);
}
