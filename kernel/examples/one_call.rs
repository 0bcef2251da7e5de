//! A kernel on a platform of a few lines, whose user code is no code: it makes two system calls
//! and is done. Memory, page tables, clock and executor are the test kit's.
//!
//! `cargo run -p kernel --example one_call --features std,testkit`

use arch::{AddrRange, Arch, FpuLayout, Os};
use kernel::testkit::{Machine, Script, TEXT, World};
use kernel::{Context, Interrupt, Kernel, KernelConfig, Platform, ProcessArgs, Registry, Trap};
use mm::{AddressSpace, MemoryFile, OutOfMemory};
use std::sync::Arc;
use std::task::{Context as Cx, Poll};

const GETPID: u64 = 39;
const EXIT: u64 = 60;

/// "User code" that calls getpid(2), and exit(2) with the result.
struct TwoCalls(bool);

impl Context for TwoCalls {
    fn poll_switch(
        &mut self,
        _: &mut Cx<'_>,
        _: &Arc<dyn AddressSpace>,
        regs: &mut arch::Context,
    ) -> Poll<Trap> {
        let Some(c) = regs.as_x86_64_mut() else { return Poll::Ready(Trap::Dead) };
        c.regs.rdi = c.regs.rax;
        c.regs.orig_rax = if std::mem::replace(&mut self.0, true) { EXIT } else { GETPID };
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

/// The test kit's machine with contexts of our own.
struct Tiny(Arc<Machine>);

#[rustfmt::skip]
impl Platform for Tiny {
    fn new_context(&self) -> Result<Box<dyn Context>, OutOfMemory> { Ok(Box::new(TwoCalls(false))) }
    fn new_address_space(&self) -> Result<Arc<dyn AddressSpace>, OutOfMemory> { self.0.new_address_space() }
    fn memory(&self) -> Arc<dyn MemoryFile> { self.0.memory() }
    fn arch(&self) -> Arch { Arch::X86_64 }
    fn user_range(&self) -> AddrRange { self.0.user_range() }
    fn fpu_layout(&self) -> FpuLayout { self.0.fpu_layout() }
    fn hwcap(&self) -> (u64, u64) { (0, 0) }
    fn cpus(&self) -> usize { 1 }
}

fn main() {
    let world = World::new(Script::new()).expect("file system, clock and executor");
    world.write_program(b"/tiny", TEXT).expect("a program");
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
    let ended = kernel.create_first(ProcessArgs {
        path: b"/tiny".to_vec(),
        argv: vec![b"tiny".to_vec()],
        envp: Vec::new(),
        fs: kernel.root_fs(),
        files: vfs::FdTable::new(),
        creds: vfs::Creds::root(),
        limits: kernel::LimitSet::default(),
        personality: 0,
        os: Os::Linux,
    });
    let ended = ended.expect("a first process");
    embedder.spawn.spawn(Box::pin(async move {
        let status = ended.await;
        println!("{status:?}");
        assert_eq!(status, kernel::ExitStatus::Exited(1), "the first process has ID 1");
    }));
    assert!(world.executor.run(1000), "it ended");
}
