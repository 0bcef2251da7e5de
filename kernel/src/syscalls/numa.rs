//! Memory policies and where pages are: one node, on which everything is.

use super::process::may_inspect;
use crate::{Args, Outcome, Task, TaskCx};
use alloc::boxed::Box;
use alloc::sync::Arc;
use arch::{Addr, PAGE_SIZE, Permissions, UserMemory, UserMemoryExt};
use core::task::Poll;
use mm::{MemoryManager, NumaPolicy};
use syserr::Errno;
use vfs::cap;

/// Mode flags of policies.
const MODE_FLAGS: u32 = 0xe000;
const MPOL_MAX: u32 = 6;
/// `MAX_NUMNODES`, as distributions have it.
const MAX_NODES: u64 = 1024;
const MOVE_ALL: u32 = 4;

/// A set of nodes that user code named.
#[derive(Clone, Copy)]
struct Nodes {
    /// The one that there is, if it is in the set.
    online: u64,
    /// Whether others are.
    others: bool,
}

impl Nodes {
    fn is_empty(self) -> bool {
        self.online == 0 && !self.others
    }
}

/// Reads a node mask of `max` bits (`get_nodes` in `mm/mempolicy.c`).
fn read_nodes(cx: &TaskCx, at: u64, max: u64) -> Result<Nodes, Errno> {
    // Linux counts one bit more than it reads.
    let bits = max.wrapping_sub(1);
    if at == 0 || bits == 0 {
        return Ok(Nodes { online: 0, others: false });
    }
    if bits > PAGE_SIZE * 8 {
        return Err(Errno::EINVAL);
    }
    let mut words = cx.mm().read_vec::<u64>(Addr(at), bits.div_ceil(64) as usize)?;
    if let Some(last) = words.last_mut().filter(|_| !bits.is_multiple_of(64)) {
        *last &= (1 << (bits % 64)) - 1;
    }
    if words.iter().skip((MAX_NODES / 64) as usize).any(|&w| w != 0) {
        return Err(Errno::EINVAL);
    }
    let online = words.first().map_or(0, |w| w & 1);
    let others = words.iter().enumerate().any(|(i, &w)| w & !u64::from(i == 0) != 0);
    Ok(Nodes { online, others })
}

fn read_policy(cx: &TaskCx, mode: u64, at: u64, max: u64) -> Result<NumaPolicy, Errno> {
    let mode = mode as u32;
    let nodes = read_nodes(cx, at, max)?;
    let kind = mode & !MODE_FLAGS;
    let valid = match kind {
        // DEFAULT and LOCAL take no nodes, PREFERRED may, the others must.
        0 | 4 => nodes.is_empty(),
        1 => nodes.is_empty() || nodes.online != 0,
        _ => kind <= MPOL_MAX && nodes.online != 0,
    };
    if valid { Ok(NumaPolicy { mode, nodes: nodes.online }) } else { Err(Errno::EINVAL) }
}

/// mbind(2): the policy is stored.
pub fn sys_mbind(cx: &mut TaskCx, a: &Args) -> Outcome {
    bind(cx, a).map(|()| 0).into()
}

fn bind(cx: &TaskCx, a: &Args) -> Result<(), Errno> {
    let policy = read_policy(cx, a[2], a[3], a[4])?;
    let flags = a[5] as u32;
    if flags & !7 != 0 {
        return Err(Errno::EINVAL);
    }
    check_move(cx, flags)?;
    let policy = (policy.mode != 0).then_some(policy);
    cx.mm().set_numa_policy(Addr(a[0]), a[1], policy)
}

/// Pages that others share too are moved by who may.
fn check_move(cx: &TaskCx, flags: u32) -> Result<(), Errno> {
    let may = flags & MOVE_ALL == 0 || cx.task.creds().has(cap::SYS_NICE);
    if may { Ok(()) } else { Err(Errno::EPERM) }
}

/// set_mempolicy(2): stored.
pub fn sys_set_mempolicy(cx: &mut TaskCx, a: &Args) -> Outcome {
    read_policy(cx, a[0], a[1], a[2])
        .map(|p| {
            cx.task.policy.lock().mempolicy = p;
            0
        })
        .into()
}

/// get_mempolicy(2).
pub fn sys_get_mempolicy(cx: &mut TaskCx, a: &Args) -> Outcome {
    get_policy(cx, a).map(|()| 0).into()
}

fn get_policy(cx: &TaskCx, a: &Args) -> Result<(), Errno> {
    const NODE: u64 = 1;
    const ADDR: u64 = 2;
    const MEMS_ALLOWED: u64 = 4;
    let (mode, mask, max, addr, flags) = (a[0], a[1], a[2], a[3], a[4]);
    let mm = cx.mm();
    if flags & !7 != 0 || (mask != 0 && max == 0) {
        return Err(Errno::EINVAL);
    }
    let (value, nodes) = if flags & MEMS_ALLOWED != 0 {
        if flags & (NODE | ADDR) != 0 {
            return Err(Errno::EINVAL);
        }
        (0, 1)
    } else if flags & ADDR != 0 {
        let p = mm.numa_policy(Addr(addr))?.unwrap_or_default();
        if flags & NODE != 0 { (0, p.nodes) } else { (p.mode, p.nodes) }
    } else if addr != 0 || flags & NODE != 0 {
        return Err(Errno::EINVAL);
    } else {
        let p = cx.task.policy.lock().mempolicy;
        (p.mode, p.nodes)
    };
    crate::syscalls::abi::write_if(&**mm, mode, &value)?;
    if mask != 0 {
        let bytes = max.saturating_sub(1).div_ceil(64) * 8;
        mm.write_obj(Addr(mask), &nodes)?;
        if bytes > 8 {
            mm.zero_out(Addr(mask).wrapping_add(8), bytes.min(PAGE_SIZE) - 8, Permissions::Obey)?;
        }
    }
    Ok(())
}

/// set_mempolicy_home_node(2): the one node is everything's home already.
pub fn sys_set_mempolicy_home_node(cx: &mut TaskCx, a: &Args) -> Outcome {
    // The node has to be there, and there are no flags.
    if !a[0].is_multiple_of(PAGE_SIZE) || a[3] != 0 || a[2] != 0 {
        return Errno::EINVAL.into();
    }
    cx.mm().check_home_node(Addr(a[0]), a[1]).map(|()| 0).into()
}

/// migrate_pages(2): all pages are where they can be.
pub fn sys_migrate_pages(cx: &mut TaskCx, a: &Args) -> Outcome {
    migrate(cx, a).map(|()| 0).into()
}

fn migrate(cx: &TaskCx, a: &Args) -> Result<(), Errno> {
    read_nodes(cx, a[2], a[1])?;
    let new = read_nodes(cx, a[3], a[1])?;
    let task = inspected(cx, a[0] as i32)?;
    if new.others && !cx.task.creds().has(cap::SYS_NICE) {
        return Err(Errno::EPERM);
    }
    if new.online == 0 {
        return Err(Errno::EINVAL);
    }
    memory(&task).map(drop)
}

/// Whose pages are asked about: a process that the caller may look into, 0 for itself.
fn inspected(cx: &TaskCx, pid: i32) -> Result<Arc<Task>, Errno> {
    if pid == 0 {
        return Ok(cx.task.clone());
    }
    let task = cx.task.find(pid)?;
    may_inspect(&cx.task, &task)?;
    Ok(task)
}

fn memory(task: &Task) -> Result<Arc<MemoryManager>, Errno> {
    task.mm().ok_or(Errno::EINVAL)
}

/// move_pages(2): says where pages are, or that they are where they are to go.
pub fn sys_move_pages(cx: &mut TaskCx, a: &Args) -> Outcome {
    match PageList::new(cx, a) {
        Ok(list) => Outcome::Block(Box::pin(list.run(cx.task.clone()))),
        Err(e) => e.into(),
    }
}

/// The arrays of move_pages(2).
struct PageList {
    own: Arc<MemoryManager>,
    asked: Arc<MemoryManager>,
    count: u64,
    pages: u64,
    nodes: u64,
    status: u64,
}

impl PageList {
    fn new(cx: &TaskCx, a: &Args) -> Result<PageList, Errno> {
        let [pid, count, pages, nodes, status, flags] = *a;
        const MOVE: u32 = 2;
        if flags as u32 & !(MOVE | MOVE_ALL) != 0 {
            return Err(Errno::EINVAL);
        }
        check_move(cx, flags as u32)?;
        let asked = memory(&*inspected(cx, pid as i32)?)?;
        Ok(PageList { own: cx.mm().clone(), asked, count, pages, nodes, status })
    }

    /// Others run between pieces of a list, and the end of the task ends it.
    async fn run(self, task: Arc<Task>) -> Outcome {
        const PIECE: u64 = 1024;
        let mut at = 0u64;
        let mut pieces = core::future::poll_fn(|c| {
            let end = at.saturating_add(PIECE).min(self.count);
            while at < end {
                if let Err(e) = self.one(at) {
                    return Poll::Ready(Err(e));
                }
                at += 1;
            }
            if at == self.count {
                return Poll::Ready(Ok(0));
            }
            c.waker().wake_by_ref();
            Poll::Pending
        });
        match task.block_killable(&mut pieces).await {
            Ok(r) => r.into(),
            Err(_) => Errno::EINTR.into(),
        }
    }

    fn one(&self, i: u64) -> Result<(), Errno> {
        let place = |array: u64, size: u64| Addr(array.wrapping_add(i.wrapping_mul(size)));
        let page: u64 = self.own.read_obj(place(self.pages, 8))?;
        if self.nodes != 0 && self.own.read_obj::<i32>(place(self.nodes, 4))? != 0 {
            return Err(Errno::ENODEV);
        }
        let status = match self.asked.has_page(Addr(page)) {
            Ok(true) => 0,
            Ok(false) => -i32::from(Errno::ENOENT.number()),
            Err(e) => -i32::from(e.number()),
        };
        self.own.write_obj(place(self.status, 4), &status)
    }
}
