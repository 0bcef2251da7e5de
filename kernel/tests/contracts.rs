//! The seams' own contracts, on the doubles.

use kernel::testkit::{
    DATA, Executor, Next, Script, SeededRandom, UserCode, World, check_clock, check_futex_memory,
    check_platform, check_random, check_spawn, check_timers,
};
use kernel::{BoxFuture, Embedder};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Runs a check on the world's executor, which it must not outlive.
fn run(world: &World, check: impl FnOnce(Embedder) -> BoxFuture<()>) {
    let ended = Arc::new(AtomicBool::new(false));
    let (tell, check) = (ended.clone(), check(world.kernel.embedder().clone()));
    world.kernel.embedder().spawn.spawn(Box::pin(async move {
        check.await;
        tell.store(true, Ordering::SeqCst);
    }));
    world.executor.run(1_000_000);
    assert!(ended.load(Ordering::SeqCst), "it never ended");
    assert_eq!(world.executor.left(), 0);
}

#[test]
fn clock_and_random() {
    check_clock(&*Executor::new().clock());
    check_random(&SeededRandom::new(1));
}

#[test]
fn futexes_over_tasks_memory() {
    let world = World::new(Script::new()).expect("a world");
    let platform = &world.kernel.embedder().platform;
    check_futex_memory(platform.memory(), || platform.new_address_space().expect("memory"));
}

#[test]
fn timers() {
    let world = World::new(Script::new()).expect("a world");
    run(&world, |e| Box::pin(check_timers(e.clock, e.timers)));
}

#[test]
fn executor() {
    let world = World::new(Script::new()).expect("a world");
    run(&world, |e| Box::pin(check_spawn(e.spawn)));
}

#[test]
fn platform() {
    for arch in [arch::Arch::X86_64, arch::Arch::Aarch64] {
        let mut code = Script::new();
        let call = code.here();
        code.step(|g| {
            let word = g.load(DATA)?;
            Ok(g.syscall(39, [word, 0, 0, 0, 0, 0]))
        });
        code.step(move |_| Ok(Next::Jump(call)));
        let spin = code.here();
        code.step(move |_| Ok(Next::Jump(spin)));
        let world = World::with(arch, code, kernel::Registry::LINUX).expect("a world");
        run(&world, |e| Box::pin(check_platform(e, UserCode { bytes: Vec::new(), call, spin })));
    }
}
