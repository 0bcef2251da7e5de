//! Machine code in stub processes.

mod hostile;
mod runs;
mod sites;

use crate::raw::{RawContext, RawTrap, Regs};
use crate::shared::op;
use crate::shared::reg::*;
use crate::space::Space;
use crate::{Host, HostConfig};
use arch::{Access, AddrRange};
use mm::{FileRange, MemoryFile};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

const CODE: u64 = 0x40_0000;
const STACK: u64 = 0x50_0000;
const RX: Access = Access::READ.union(Access::EXEC);
const SIGSYS: u32 = 31;

fn host() -> Host {
    Host::new(HostConfig { memory_limit: 1 << 30, cpus: 2, spare_stubs: 1 }).unwrap()
}

fn range(start: u64, len: u64) -> AddrRange {
    AddrRange { start: start.into(), end: (start + len).into() }
}

/// An address space with `code` and a stack of one page.
fn space(host: &Host, code: &[u8]) -> Arc<Space> {
    space_of(host.shared(), code).0
}

fn space_of(host: &Arc<crate::host::Shared>, code: &[u8]) -> (Arc<Space>, FileRange) {
    let space = host.new_space().unwrap();
    let text = host.memory.allocate(4096).unwrap();
    let stack = host.memory.allocate(4096).unwrap();
    host.memory.write(text.start, code);
    space.push_op(op::MAP, range(CODE, 4096), RX, text.start, false);
    space.push_op(op::MAP, range(STACK, 4096), Access::RW, stack.start, false);
    (space, stack)
}

fn regs() -> Regs {
    let mut r = [0; COUNT];
    r[RIP] = CODE;
    r[RSP] = STACK + 4096;
    r[EFLAGS] = 0x202;
    r
}

/// Once all that was queued has taken effect.
async fn flushed(s: &Space) {
    poll_fn(|cx| if s.wait_flushed(cx.waker()) { Poll::Pending } else { Poll::Ready(()) }).await;
}

async fn run_once(c: &mut RawContext, s: &Arc<Space>, r: &mut Regs) -> RawTrap {
    poll_fn(|cx| c.poll(cx, s, r)).await
}

/// Goes on after the end of a time slice.
async fn run(c: &mut RawContext, s: &Arc<Space>, r: &mut Regs) -> RawTrap {
    loop {
        let trap = run_once(c, s, r).await;
        if trap != RawTrap::Interrupted {
            return trap;
        }
    }
}

fn signal_of(t: RawTrap) -> u32 {
    match t {
        RawTrap::Signal { signo, .. } => signo,
        other => panic!("{other:?}"),
    }
}
