//! The seams' own contracts, on the hosted platform.

use arch::{Access, Addr, AddrRange, Context};
use kernel::Trap;
use kernel::testkit::{
    UserCode, check_clock, check_futex_memory, check_platform, check_random, check_spawn,
    check_timers,
};
use std::future::poll_fn;
use std::sync::Arc;
use systrap::{Host, HostConfig, MemFile};

fn host() -> Host {
    Host::new(HostConfig { memory_limit: 64 << 20, cpus: 2, spare_stubs: 1 }).unwrap()
}

#[test]
fn the_memory_file_keeps_its_promises() {
    mm::testkit::check_memory_file(|| Arc::new(MemFile::new(1 << 24).unwrap()));
}

#[test]
fn address_spaces_keep_their_promises() {
    let host = host();
    let platform = host.embedder().platform;
    mm::testkit::check_address_space(|| (platform.memory(), platform.new_address_space().unwrap()));
}

#[test]
fn futexes_over_tasks_memory() {
    let host = host();
    let platform = host.embedder().platform;
    check_futex_memory(platform.memory(), || platform.new_address_space().unwrap());
}

#[test]
fn two_hosts_in_one_process() {
    let hosts = [host(), host()];
    for host in &hosts {
        let platform = host.embedder().platform;
        let page = platform.memory().allocate(4096).unwrap();
        // mov eax, 39; syscall
        platform.memory().write(page.start, b"\xb8\x27\0\0\0\x0f\x05");
        let trap = host.run(async move {
            let space = platform.new_address_space().unwrap();
            let at = AddrRange { start: Addr(0x40_0000), end: Addr(0x40_1000) };
            space.map(at, page.start, Access::READ | Access::EXEC, false).unwrap();
            let mut context = platform.new_context().unwrap();
            let mut regs = Context::new(platform.arch(), &platform.fpu_layout());
            regs.set_ip(0x40_0000);
            let trap = poll_fn(|cx| context.poll_switch(cx, &space, &mut regs)).await;
            assert_eq!((regs.syscall_no(), regs.in_syscall()), (39, true));
            trap
        });
        assert_eq!(trap, Trap::Syscall);
    }
}

#[test]
fn clocks_timers_randomness_and_the_executor_keep_their_promises() {
    let host = host();
    let e = host.embedder();
    check_clock(&*e.clock);
    check_random(&*e.random);
    host.run(check_timers(e.clock, e.timers));
    host.run(check_spawn(e.spawn));
}

#[test]
fn the_platform_keeps_its_promises() {
    let host = host();
    host.run(check_platform(host.embedder(), UserCode::x86_64()));
}
