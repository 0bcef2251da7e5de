//! Task images: loading that fails at every step, forking, saving.

mod common;
use common::{exited, nr};
use kernel::testkit::{DATA, Guest, Next, Script, TEXT, World};
use kernel::{
    Comm, ForkError, LINUX_X86_64, LoadArgs, LoadImageError, LoadedTask, Registry, RestoreError,
    TaskImage,
};
use loader::{Blob, Executable, Resolve};
use std::sync::{Arc, Mutex};
use syserr::Errno;

struct Nothing;

impl Resolve for Nothing {
    fn open(&mut self, _: &[u8]) -> Result<Arc<dyn Executable>, Errno> {
        Err(Errno::ENOENT)
    }
}

fn load(world: &World, bytes: Vec<u8>) -> Result<LoadedTask, LoadImageError> {
    world.kernel.load_task_image(LoadArgs {
        filename: b"/bin/a-name-of-more-than-fifteen",
        comm: None,
        executable: Arc::new(Blob::new(bytes)),
        resolve: &mut Nothing,
        argv: vec![b"a"],
        envp: vec![b"B=c"],
        credentials: loader::Credentials::default(),
        limits: mm::Limits::DEFAULT,
        mdwe: mm::Mdwe::empty(),
        personality: 0,
        inaccessible: false,
        os: arch::Os::Linux,
    })
}

fn program() -> Vec<u8> {
    kernel::testkit::elf(62, TEXT)
}

fn used(world: &World) -> u64 {
    world.machine.vec_memory().live_pages()
}

#[test]
fn loads_and_gives_everything_back() {
    let w = World::new(Script::new()).expect("a world");
    let before = used(&w);
    let task = load(&w, program()).expect("an image");
    assert_eq!(task.image.name.as_bytes(), b"a-name-of-more-");
    assert_eq!(task.image.arch().ip(), TEXT);
    assert!(task.image.stack().expect("a stack").bottom.0 > TEXT);
    assert_eq!(task.image.memory_manager().map(|m| m.users()), Some(1));
    assert!(used(&w) > before);
    drop(task);
    assert_eq!(used(&w), before);
}

#[test]
fn a_failure_at_any_step_leaks_nothing() {
    let w = World::new(Script::new()).expect("a world");
    let before = used(&w);
    w.machine.spaces.fail_in(0);
    let e = load(&w, program()).expect_err("no address space");
    assert_eq!(e.errno(), Errno::ENOMEM);
    w.machine.spaces.fail_in(usize::MAX);
    let mut steps = 0;
    loop {
        w.machine.vec_memory().fail_in(Some(steps));
        let result = load(&w, program());
        w.machine.vec_memory().fail_in(None);
        match result {
            Ok(task) => {
                drop(task);
                break;
            }
            Err(_) => assert_eq!(used(&w), before, "leak when step {steps} fails"),
        }
        steps += 1;
    }
    assert!(steps > 1, "memory was never needed");
    assert_eq!(used(&w), before);
}

#[test]
fn damaged_files_leak_nothing() {
    let w = World::new(Script::new()).expect("a world");
    let before = used(&w);
    let whole = program();
    for len in 0..whole.len() {
        if let Err(e) = load(&w, whole[..len].to_vec()) {
            assert!([Errno::ENOEXEC, Errno::EIO, Errno::EINVAL].contains(&e.errno()), "{e}");
        }
        assert_eq!(used(&w), before);
    }
}

#[test]
fn no_table_is_enoexec() {
    static NONE: Registry = Registry::new(&[]);
    let w = World::with(arch::Arch::X86_64, Script::new(), NONE).expect("a world");
    let before = used(&w);
    let e = load(&w, program()).expect_err("no table");
    assert!(matches!(e, LoadImageError::NoSyscallTable));
    assert_eq!(e.errno(), Errno::ENOEXEC);
    assert_eq!(e.to_string(), "no syscall table found");
    assert_eq!(used(&w), before);
}

fn fork(w: &World, image: &TaskImage, share: bool) -> Result<TaskImage, ForkError> {
    image.fork(share, || w.kernel.embedder().platform.new_address_space())
}

#[test]
fn fork_shares_or_copies() {
    let w = World::new(Script::new()).expect("a world");
    let before = used(&w);
    let mut task = load(&w, program()).expect("an image");
    let shared = fork(&w, &task.image, true).expect("a thread");
    let own = fork(&w, &task.image, false).expect("a process");
    let mm = |i: &TaskImage| i.memory_manager().map(|m| (m.id(), m.users()));
    assert_eq!(mm(&shared), mm(&task.image));
    assert_eq!(mm(&shared).map(|m| m.1), Some(2));
    assert_ne!(mm(&own), mm(&task.image));
    let futex = |i: &TaskImage| i.futex().cloned();
    assert!(futex(&shared).zip(futex(&task.image)).is_some_and(|(a, b)| a.is_same(&b)));
    assert!(futex(&own).zip(futex(&task.image)).is_some_and(|(a, b)| !a.is_same(&b)));
    drop(shared);
    task.image.release();
    task.image.release();
    assert_eq!(fork(&w, &task.image, true).err(), Some(ForkError::Released));
    assert_eq!(fork(&w, &task.image, false).err(), Some(ForkError::Released));
    drop(own);
    assert_eq!(used(&w), before);
}

#[test]
fn fork_without_an_address_space_is_an_error() {
    let w = World::new(Script::new()).expect("a world");
    let task = load(&w, program()).expect("an image");
    w.machine.spaces.fail_in(0);
    assert_eq!(fork(&w, &task.image, false).err(), Some(ForkError::Memory(Errno::ENOMEM)));
    assert_eq!(task.image.memory_manager().map(|m| m.users()), Some(1));
}

/// execve(2) with memory that ends at each step in turn: the caller goes on as it was, with its
/// memory, until there is enough.
#[test]
fn execve_that_fails_at_any_step_changes_nothing() {
    const MARK: u64 = 0x1234_5678;
    let mut steps = 0;
    loop {
        let memory = Arc::new(Mutex::new(None::<Arc<mm::testkit::VecMemoryFile>>));
        let fail = |at: Option<u64>| {
            let memory = memory.clone();
            move |_: &mut Guest<'_>| {
                memory.lock().expect("memory").as_ref().expect("a machine").fail_in(at);
                Ok(Next::Go)
            }
        };
        let mut s = Script::new();
        s.store(DATA, b"/next\0");
        s.store(DATA + 64, &MARK.to_le_bytes());
        s.step(fail(Some(steps)));
        s.call(nr::EXECVE, &[DATA, 0, 0]);
        s.step(fail(None));
        s.log_result();
        s.log_word(DATA + 64);
        s.call(nr::EXIT_GROUP, &[1]);
        let next = s.here();
        s.step(fail(None));
        s.call(nr::EXIT_GROUP, &[2]);
        let w = World::new(s).expect("a world");
        *memory.lock().expect("memory") = Some(w.machine.vec_memory().clone());
        w.write_program(b"/init", TEXT).expect("a program");
        w.write_program(b"/next", next).expect("a program");
        let status = w.run(b"/init").expect("a process");
        if status == exited(2) {
            break;
        }
        assert_eq!(status, exited(1), "step {steps}");
        // Memory for the stack's strings is written as user memory is: EFAULT.
        let expected = [Errno::ENOMEM, Errno::EFAULT].map(|e| -i64::from(e.number()));
        assert!(expected.contains(&w.log()[0]), "step {steps}: {}", w.log()[0]);
        assert_eq!(w.log()[1..], [MARK as i64], "step {steps}");
        steps += 1;
    }
    assert!(steps > 1, "memory was never needed");
}

#[test]
fn a_saved_image_finds_its_table_again() {
    let w = World::new(Script::new()).expect("a world");
    let task = load(&w, program()).expect("an image");
    let saved = task.image.save();
    let mm = task.image.memory_manager().expect("memory").clone();
    let futex = task.image.futex().expect("futexes").clone();
    let back = saved.restore(Registry::LINUX, mm.clone(), futex.clone()).expect("an image");
    assert!(std::ptr::eq(back.syscall_table(), &LINUX_X86_64));
    assert_eq!(back.arch().ip(), task.image.arch().ip());
    assert_eq!(mm.users(), 2);
    drop(back);
    let e = saved.restore(Registry::new(&[]), mm, futex).expect_err("no table");
    assert!(matches!(e, RestoreError::NoSyscallTable { .. }));
}

#[test]
fn two_kernels_in_one_process() {
    let world = |code: u64| {
        let mut s = Script::new();
        s.call(nr::GETPID, &[]);
        s.log_result();
        s.call(nr::FORK, &[]);
        s.log_result();
        s.call(nr::EXIT_GROUP, &[code]);
        let w = World::new(s).expect("a world");
        w.write_program(b"/init", TEXT).expect("a program");
        w
    };
    let (a, b) = (world(1), world(2));
    assert_eq!(b.run(b"/init").expect("a process"), exited(2));
    assert_eq!(a.run(b"/init").expect("a process"), exited(1));
    assert_eq!(a.log(), b.log());
    assert_eq!(a.log()[..2], [1, 2]);
}

#[test]
fn names_are_cut() {
    assert_eq!(Comm::from_path(b"/usr/bin/0123456789abcdefg").as_bytes(), b"0123456789abcde");
    assert_eq!(Comm::new(b"a\0b").as_bytes(), b"a");
    assert_eq!(Comm::new(b"").padded(), [0; 16]);
}

#[test]
fn the_loader_gets_what_it_relies_on() {
    let w = World::new(Script::new()).expect("a world");
    w.check_mapper();
}
