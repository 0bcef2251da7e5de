//! What a system call of a guest costs, as a trap and rewritten: nanoseconds from one to the next.
use arch::{Access, Addr, AddrRange, Context};
use kernel::Trap;
use mm::AddressSpace;
use std::future::poll_fn;
use std::sync::Arc;
use systrap::{Host, HostConfig};

const CODE: u64 = 0x40_0000;
const ROUNDS: u32 = 20_000;

async fn measure(
    what: &str,
    context: &mut dyn kernel::Context,
    space: &Arc<dyn AddressSpace>,
    regs: &mut Context,
) {
    let mut rounds = Vec::new();
    for _ in 0..12 {
        let start = std::time::Instant::now();
        for _ in 0..ROUNDS {
            let trap = poll_fn(|cx| context.poll_switch(cx, space, regs)).await;
            match trap {
                Trap::Syscall => regs.set_return(0),
                Trap::Fault { .. } => panic!("{trap:x?} at {:?}", regs.ip()),
                _ => {}
            }
        }
        rounds.push(start.elapsed().as_nanos() as u64 / u64::from(ROUNDS));
    }
    rounds.sort_unstable();
    println!("ns per {what}: best {}, median {}", rounds[0], rounds[rounds.len() / 2]);
}

fn main() -> std::io::Result<()> {
    let host = Host::new(HostConfig { memory_limit: 64 << 20, ..HostConfig::default() })?;
    let platform = host.embedder().platform;
    let memory = platform.memory();
    let page = memory.allocate(4096).expect("64 MiB hold a page");
    // 1: mov eax, 39; syscall; jmp 1b
    let (call, jump) = (b"\xb8\x27\0\0\0\x0f\x05", b"\xeb\xf7");
    memory.write(page.start, &[&call[..], jump].concat());
    host.run(async move {
        let space = platform.new_address_space().expect("a first address space");
        let at = AddrRange { start: Addr(CODE), end: Addr(CODE + 4096) };
        space.map(at, page.start, Access::READ | Access::EXEC, false).expect("an empty space");
        let mut context = platform.new_context().expect("a first context");
        let mut regs = Context::new(platform.arch(), &platform.fpu_layout());
        regs.set_ip(CODE);
        measure("trap", &mut *context, &space, &mut regs).await;
        let end = context.hot_call().expect("a call that is made all the time");
        let mut jump_in = *call;
        let rewritten = context.rewrite_call(&space, end, &mut jump_in, call.len());
        assert!(rewritten, "a call as libraries have it");
        let copy = memory.allocate(4096).expect("64 MiB hold two pages");
        memory.write(copy.start, &[&jump_in[..], jump].concat());
        space.map(at, copy.start, Access::READ | Access::EXEC, false).expect("a page");
        measure("rewritten call", &mut *context, &space, &mut regs).await;
        let mut lives = Vec::new();
        for _ in 0..60 {
            let start = std::time::Instant::now();
            let space = platform.new_address_space().expect("an address space");
            space.map(at, page.start, Access::READ | Access::EXEC, false).expect("an empty space");
            let mut context = platform.new_context().expect("a context");
            regs.set_ip(CODE);
            for _ in 0..2 {
                poll_fn(|cx| context.poll_switch(cx, &space, &mut regs)).await;
            }
            drop((context, space));
            lives.push(start.elapsed().as_micros());
        }
        lives.sort_unstable();
        println!("us per address space: best {}, median {}", lives[0], lives[lives.len() / 2]);
    });
    Ok(())
}
