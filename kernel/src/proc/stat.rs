//! `/proc/PID/stat` and `statm`.

use crate::group::Stop;
use crate::ns::{Offsets, OwnClock};
use crate::usage::{TICK, ticks};
use crate::{Kernel, PidNamespace, Resource, Task};
use alloc::format;
use alloc::vec::Vec;
use arch::PAGE_SIZE;
use vfs::tty::Ptys;

/// The letter and the word for what a task does.
pub(super) fn state(kernel: &Kernel, task: &Task) -> (char, &'static str) {
    if task.has_exited() || task.is_leader() && kernel.zombie_status(task.tgid()).is_some() {
        return ('Z', "zombie");
    }
    if task.is_trace_stopped() {
        return ('t', "tracing stop");
    }
    if matches!(task.group_ref().lock().stop, Stop::Stopped(_)) {
        return ('T', "stopped");
    }
    match (task.is_sleeping(), task.is_uninterruptible()) {
        (false, _) => ('R', "running"),
        (true, false) => ('S', "sleeping"),
        (true, true) => ('D', "disk sleep"),
    }
}

/// `/proc/PID/syscall`. Only the registers of a task that its tracer stopped are known.
pub(super) fn syscall(task: &Task) -> Vec<u8> {
    let seen = task.with_stop(|s| {
        let (ip, sp) = (s.regs.ip(), s.regs.sp());
        let call = s.regs.in_syscall().then(|| (s.regs.syscall_no(), s.regs.syscall_args()));
        (call, ip, sp)
    });
    match seen {
        None => b"running\n".to_vec(),
        Some((None, ip, sp)) => format!("-1 {sp:#x} {ip:#x}\n").into_bytes(),
        Some((Some((nr, args)), ip, sp)) => {
            let mut out = format!("{nr}");
            for a in args {
                out += &format!(" {a:#x}");
            }
            out += &format!(" {sp:#x} {ip:#x}\n");
            out.into_bytes()
        }
    }
}

pub(super) fn stat(
    kernel: &Kernel,
    task: &Task,
    ptys: Option<&Ptys>,
    ns: &PidNamespace,
    clocks: Offsets,
) -> Vec<u8> {
    let group = task.group_ref();
    let mm = task.mm();
    let stats = mm.as_ref().map(|m| m.stats()).unwrap_or_default();
    let meta = mm.as_ref().map(|m| m.meta()).unwrap_or_default();
    let brk = mm.as_ref().map(|m| m.brk_range()).unwrap_or_default();
    let (tty, foreground) = ptys.and_then(|p| p.terminal_of(group.sid())).unwrap_or((0, -1));
    let foreground = if foreground > 0 { ns.number_of(foreground) } else { foreground };
    let times = if task.is_leader() { group.cpu_times() } else { task.cpu_times() };
    let children = group.usage().children;
    let (nice, policy, priority) = {
        let p = task.policy.lock();
        (p.nice, p.scheduler, p.priority)
    };
    let shown_priority = if policy == 0 || policy == 3 { 20 + nice } else { -1 - priority as i32 };
    let handlers = group.handlers();
    let start = task.start_time() - kernel.boot_time().0;
    let start = clocks.shown(OwnClock::Boottime, start).max(0) / TICK;
    let exit_code = kernel.zombie_status(task.tgid()).map_or(0, |s| s.wait_status());
    let exit_signal = if task.is_leader() { group.lock().exit_signal as i32 } else { -1 };
    let low = |s: crate::signal::SignalSet| s.0 & 0x7fff_ffff;
    let mut out = format!("{} (", ns.number_of(task.tid())).into_bytes();
    out.extend_from_slice(task.comm().as_bytes());
    let rest = format!(
        ") {} {} {} {} {tty} {foreground} {} {} {} 0 0 {} {} {} {} {shown_priority} {nice} \
         {} 0 {start} {} {} {} {} {} {} 0 0 {} {} {} {} 0 0 0 {exit_signal} 0 {priority} {policy} \
         0 0 0 {} {} {} {} {} {} {} {exit_code}\n",
        state(kernel, task).0,
        ns.number_of(group.ppid()),
        ns.number_of(group.pgid()),
        ns.number_of(group.sid()),
        0x0040_0000,
        times.faults,
        children.faults,
        ticks(times.user),
        ticks(times.system),
        ticks(children.user),
        ticks(children.system),
        group.thread_count().max(1),
        stats.size,
        stats.rss / PAGE_SIZE,
        task.limit(Resource::Rss).0,
        meta.code.start.0,
        meta.code.end.0,
        meta.start_stack.0,
        low(task.private_pending()),
        low(task.blocked()),
        low(handlers.ignored()),
        low(handlers.caught()),
        meta.data.start.0,
        meta.data.end.0,
        brk.start.0,
        meta.argv.start.0,
        meta.argv.end.0,
        meta.envv.start.0,
        meta.envv.end.0,
    );
    out.extend_from_slice(rest.as_bytes());
    out
}

/// `/proc/PID/io` (`do_io_accounting` of fs/proc/base.c). Nothing comes from a disk.
pub(super) fn io(task: &Task) -> Vec<u8> {
    let used = if task.is_leader() { task.group_ref().cpu_times() } else { task.cpu_times() };
    format!(
        "rchar: {}\nwchar: {}\nsyscr: {}\nsyscw: {}\nread_bytes: 0\nwrite_bytes: 0\n\
         cancelled_write_bytes: 0\n",
        used.read.bytes, used.written.bytes, used.read.calls, used.written.calls
    )
    .into_bytes()
}

pub(super) fn statm(task: &Task) -> Vec<u8> {
    let mm = task.mm();
    let s = mm.as_ref().map(|m| m.stats()).unwrap_or_default();
    let code = mm.as_ref().map(|m| m.meta().code.len()).unwrap_or_default();
    let pages = |bytes: u64| bytes.div_ceil(PAGE_SIZE);
    format!(
        "{} {} {} {} 0 {} 0\n",
        pages(s.size),
        pages(s.rss),
        pages(s.rss_file),
        pages(code),
        pages(s.data + s.stack)
    )
    .into_bytes()
}
