//! Machine code in a stub process.

use crate::raw::{RawContext, RawTrap, Regs};
use crate::shared::reg::*;
use crate::space::Space;
use crate::{Host, HostConfig};
use arch::{Access, AddrRange};
use mm::MemoryFile;
use std::future::poll_fn;
use std::sync::Arc;

const CODE: u64 = 0x40_0000;
const STACK: u64 = 0x50_0000;

fn host() -> Host {
    Host::new(HostConfig { memory_limit: 1 << 30, ..HostConfig::default() }).unwrap()
}

fn range(start: u64, len: u64) -> AddrRange {
    AddrRange { start: start.into(), end: (start + len).into() }
}

fn space(host: &Host, code: &[u8]) -> Arc<Space> {
    let space = host.shared().new_space().unwrap();
    let memory = &host.shared().memory;
    let text = memory.allocate(4096).unwrap();
    let stack = memory.allocate(4096).unwrap();
    memory.write(text.start, code);
    space.push_op(crate::shared::op::MAP, range(CODE, 4096), Access::READ | Access::EXEC, text.start, false);
    space.push_op(crate::shared::op::MAP, range(STACK, 4096), Access::RW, stack.start, false);
    space
}

fn regs() -> Regs {
    let mut r = [0; COUNT];
    r[RIP] = CODE;
    r[RSP] = STACK + 4096;
    r[EFLAGS] = 0x202;
    r
}

async fn run(c: &mut RawContext, s: &Arc<Space>, r: &mut Regs) -> RawTrap {
    poll_fn(|cx| c.poll(cx, s, r)).await
}

#[test]
fn a_system_call_traps_with_all_registers() {
    let host = host();
    // mov eax, 39; syscall; mov rbx, rax; mov eax, 60; syscall
    let code = b"\xb8\x27\0\0\0\x0f\x05\x48\x89\xc3\xb8\x3c\0\0\0\x0f\x05";
    let s = space(&host, code);
    host.run(async move {
        let mut c = RawContext::default();
        let mut r = regs();
        for i in 0..16 {
            r[i] = 0x1111_0000 + i as u64;
        }
        r[RCX] = 5;
        let t = run(&mut c, &s, &mut r).await;
        assert!(matches!(t, RawTrap::Signal { signo: 31, code: 1, arch: 0xc000_003e, .. }), "{t:x?}");
        assert_eq!((r[ORIG_RAX], r[RIP], r[R15], r[R8]), (39, CODE + 7, 0x1111_0000, 0x1111_0009));
        assert_eq!(r[RSP], STACK + 4096);
        r[RAX] = 1234;
        run(&mut c, &s, &mut r).await;
        assert_eq!((r[ORIG_RAX], r[RBX]), (60, 1234));
    });
}
