//! Platforms and their contexts.

use crate::testkit::{DATA, TEXT};
use crate::{BoxFuture, Embedder, Trap};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{Access, Addr, AddrRange, PAGE_SIZE};
use core::future::poll_fn;
use mm::{AddressSpace, FileRange};

/// User code for [`check_platform`].
pub struct UserCode {
    /// What is mapped at [`TEXT`], at most a page; empty for a platform whose code is elsewhere.
    pub bytes: Vec<u8>,
    /// Where code begins that loads the word at [`DATA`] as first argument and makes system call 39
    /// with it, over and over.
    pub call: u64,
    /// Where code begins that never traps.
    pub spin: u64,
}

impl UserCode {
    /// The code for processors: x86-64.
    pub fn x86_64() -> UserCode {
        // mov rdi, [DATA]; mov eax, 39; syscall; jmp back. Then a jump to itself.
        let mut bytes = [0x48, 0x8b, 0x3c, 0x25].to_vec();
        bytes.extend_from_slice(&(DATA as u32).to_le_bytes());
        bytes.extend_from_slice(b"\xb8\x27\0\0\0\x0f\x05\xeb\xef\xeb\xfe");
        UserCode { bytes, call: TEXT, spin: TEXT + 17 }
    }
}

/// One user thread for the checks.
struct Thread {
    context: Box<dyn crate::Context>,
    regs: arch::Context,
    space: Arc<dyn AddressSpace>,
    /// What was mapped.
    pages: Vec<FileRange>,
}

impl Thread {
    async fn run(&mut self) -> Trap {
        poll_fn(|cx| self.context.poll_switch(cx, &self.space, &mut self.regs)).await
    }

    /// Runs to the next trap that is not a spurious interruption.
    async fn trap(&mut self) -> Trap {
        loop {
            match self.run().await {
                Trap::Interrupted => {}
                other => {
                    self.regs.save_orig();
                    return other;
                }
            }
        }
    }
}

fn page(at: u64) -> AddrRange {
    AddrRange { start: Addr(at), end: Addr(at + PAGE_SIZE) }
}

/// Maps a fresh page that begins with `bytes`.
fn map(e: &Embedder, t: &mut Thread, at: u64, bytes: &[u8], access: Access) {
    let memory = e.platform.memory();
    let r = memory.allocate(PAGE_SIZE).expect("a page");
    memory.write(r.start, bytes);
    t.space.map(page(at), r.start, access, false).expect("room in the tables");
    t.pages.push(r);
}

fn thread(e: &Embedder, code: &UserCode) -> Thread {
    let space = e.platform.new_address_space().expect("an address space");
    let context = e.platform.new_context().expect("a context");
    let mut regs = arch::Context::new(e.platform.arch(), &e.platform.fpu_layout());
    regs.set_ip(code.call);
    let mut t = Thread { context, regs, space, pages: Vec::new() };
    map(e, &mut t, TEXT, &code.bytes, Access::READ | Access::EXEC);
    t
}

/// Checks a [`Platform`](crate::Platform), its contexts and their
/// [`Interrupt`](crate::Interrupt)s, on its own executor: system calls and faults come out with
/// their registers and go on where they were, each address space has its own memory, and user code
/// that never traps can be interrupted, before it runs and while it does. Memory that it takes is
/// given back.
///
/// # Panics
/// When a promise is broken. It never ends when an interruption is lost.
pub async fn check_platform(e: Embedder, code: UserCode) {
    let p = &e.platform;
    assert!(p.cpus() >= 1);
    let user = p.user_range();
    assert!(user.start.is_page_aligned() && user.end.is_page_aligned());
    assert!(user.contains(Addr(TEXT)) && user.contains(Addr(DATA)));
    let used = p.memory().used();
    let (mut a, mut b) = (thread(&e, &code), thread(&e, &code));
    for (t, value) in [(&mut a, 11u64), (&mut b, 22)] {
        faults_then_calls(&e, t, value).await;
    }
    // The other one has not changed it.
    for (t, value) in [(&mut a, 11), (&mut b, 22)] {
        t.regs.set_ip(code.call);
        assert_eq!(t.trap().await, Trap::Syscall);
        assert_eq!(t.regs.syscall_args().first(), Some(&value), "memory of another address space");
    }
    interrupts(&e, &mut a, code.spin).await;
    for t in [a, b] {
        t.space.unmap(page(TEXT));
        t.space.unmap(page(DATA));
        t.space.retire(&t.pages);
        t.space.flush();
        poll_fn(|cx| t.space.poll_flushed(cx)).await;
    }
    assert_eq!(p.memory().used(), used, "memory is lost");
}

async fn faults_then_calls(e: &Embedder, t: &mut Thread, value: u64) {
    let start = t.regs.ip();
    let fault = t.trap().await;
    let Trap::Fault { addr, access, .. } = fault else { panic!("{fault:?} in place of a fault") };
    assert_eq!(addr, Addr(DATA));
    assert!(access.contains(Access::READ));
    assert_eq!(t.regs.ip(), start, "a fault leaves the instruction pointer where it was");
    map(e, t, DATA, &value.to_le_bytes(), Access::RW);
    let mut last = 0;
    for _ in 0..3 {
        assert_eq!(t.trap().await, Trap::Syscall);
        assert_eq!(t.regs.syscall_no(), 39);
        assert_eq!(t.regs.syscall_args().first(), Some(&value));
        assert!(t.context.user_time() >= last, "user time went back");
        last = t.context.user_time();
        t.context.pull_fpu(&mut t.regs);
        t.context.push_fpu(&t.regs);
    }
}

async fn interrupts(e: &Embedder, t: &mut Thread, spin: u64) {
    t.regs.set_ip(spin);
    let interrupt = t.context.interrupter();
    interrupt.interrupt();
    assert_eq!(t.run().await, Trap::Interrupted, "interrupted before it ran");
    let soon = e.clock.now(crate::ClockId::Monotonic) + 2_000_000;
    let timers = e.timers.clone();
    let later: BoxFuture<()> = Box::pin(async move {
        let mut armed = false;
        poll_fn(|cx| {
            if core::mem::replace(&mut armed, true) {
                return core::task::Poll::Ready(());
            }
            timers.arm(soon, cx.waker().clone());
            core::task::Poll::Pending
        })
        .await;
        interrupt.interrupt();
    });
    e.spawn.spawn(later);
    assert_eq!(t.run().await, Trap::Interrupted, "interrupted while it ran");
    assert_eq!(t.regs.ip(), spin);
}
