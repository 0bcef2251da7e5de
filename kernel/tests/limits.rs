//! What the platform and the memory file refuse, and what becomes of who asks for it.

mod common;
use common::{exited, killed, nr};
use kernel::testkit::{DATA, Script, TEXT, World};
use std::sync::atomic::Ordering::Relaxed;

fn world(script: Script) -> World {
    let world = World::new(script).expect("a world");
    world.write_program(b"/init", TEXT).expect("a program");
    world
}

#[test]
fn an_address_space_has_as_many_threads_as_the_platform_has_contexts_for_it() {
    // CLONE_VM, CLONE_FS, CLONE_FILES, CLONE_SIGHAND, CLONE_THREAD.
    const THREAD: u64 = 0x10f00;
    let mut s = Script::new();
    let threads: Vec<_> = (0..3)
        .map(|_| {
            s.call(nr::CLONE, &[THREAD, DATA + 0x1000]);
            let thread = s.jump_if_zero();
            s.log_result();
            thread
        })
        .collect();
    // A process has an address space of its own.
    s.call(nr::FORK, &[]);
    let child = s.jump_if_zero();
    s.log_result();
    s.call(nr::WAIT4, &[u64::MAX, 0, 0, 0]);
    s.call(nr::EXIT_GROUP, &[0]);
    for thread in threads {
        *thread.lock() = s.here();
    }
    s.call(nr::PAUSE, &[]);
    *child.lock() = s.here();
    s.call(nr::EXIT, &[0]);
    let w = world(s);
    w.machine.contexts_per_space.store(3, Relaxed);
    assert_eq!(w.run(b"/init").expect("a process"), exited(0));
    assert_eq!(w.log(), [2, 3, -11, 4]);
}

#[test]
fn who_makes_the_kernel_keep_too_much_is_ended() {
    let mut s = Script::new();
    s.call(nr::GETPID, &[]);
    s.log_result();
    s.call(nr::EXIT, &[0]);
    let w = world(s);
    w.machine.vec_memory().set_overhead(64 << 20);
    assert_eq!(w.run(b"/init").expect("a process"), killed(9));
    assert_eq!(w.kernel.starved(), 1);
    assert_eq!(w.log(), []);
}
