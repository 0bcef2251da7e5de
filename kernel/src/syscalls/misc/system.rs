//! The system's names and numbers.

use crate::ns::{OwnClock, PidNamespace, UtsNs};
use crate::signal::{SIGHUP, SIGINT, SIGKILL, SigInfo};
use crate::{Args, ClockId, ExitStatus, Outcome, TaskCx};
use alloc::vec::Vec;
use arch::{Addr, Arch, Permissions, UserMemory, UserMemoryExt};
use sync::atomic::Ordering;
use syserr::Errno;
use vfs::cap;
use vfs::nsfs::Namespace;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

const NAME_MAX: u64 = 64;

/// `UNAME26` of personality(2): programs that do not know that there are versions after 2.6.
const UNAME26: u32 = 0x2_0000;

/// The release as one of 2.6, with 60 added to the second number, and what follows the numbers as it
/// is (`override_release`).
fn release_26(release: &[u8]) -> Vec<u8> {
    let mut parts = release.split(|b| *b == b'.');
    let minor = parts.nth(1).and_then(|p| core::str::from_utf8(p).ok()?.parse::<u32>().ok());
    let numbers = release.iter().take_while(|b| b.is_ascii_digit() || **b == b'.').count();
    let rest = release.get(numbers..).unwrap_or_default();
    let mut out = alloc::format!("2.6.{}", minor.unwrap_or(0).wrapping_add(60)).into_bytes();
    out.extend_from_slice(rest);
    out
}

/// uname(2).
pub fn sys_uname(cx: &mut TaskCx, a: &Args) -> Outcome {
    let uts = cx.namespaces().uts.names();
    let machine: &[u8] = match cx.image.arch.arch() {
        Arch::X86_64 => b"x86_64",
        Arch::Aarch64 => b"aarch64",
    };
    let old = cx.task.policy.lock().personality & UNAME26 != 0;
    let release = if old { release_26(&uts.release) } else { uts.release.clone() };
    let fields = [b"Linux", &*uts.host, &*release, &*uts.version, machine, &*uts.domain];
    let mut out = [[0u8; 65]; 6];
    for (to, from) in out.iter_mut().zip(fields) {
        for (t, f) in to.iter_mut().take(64).zip(from) {
            *t = *f;
        }
    }
    cx.mm().write_obj(Addr(a[0]), &out).map(|()| 0).into()
}

fn read_name(cx: &TaskCx, uts: &UtsNs, a: &Args) -> Result<Vec<u8>, Errno> {
    if !cx.task.creds().has_in(&uts.owner(), cap::SYS_ADMIN) {
        return Err(Errno::EPERM);
    }
    let len = a[1] as i32;
    if len < 0 || len as u64 > NAME_MAX {
        return Err(Errno::EINVAL);
    }
    cx.mm().read_vec::<u8>(Addr(a[0]), len as usize)
}

/// sethostname(2).
pub fn sys_sethostname(cx: &mut TaskCx, a: &Args) -> Outcome {
    let uts = cx.namespaces().uts.clone();
    read_name(cx, &uts, a).map(|n| uts.set_host(n)).map(|()| 0).into()
}

/// setdomainname(2).
pub fn sys_setdomainname(cx: &mut TaskCx, a: &Args) -> Outcome {
    let uts = cx.namespaces().uts.clone();
    read_name(cx, &uts, a).map(|n| uts.set_domain(n)).map(|()| 0).into()
}

/// `struct sysinfo`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct SysInfo {
    uptime: i64,
    loads: [u64; 3],
    totalram: u64,
    freeram: u64,
    sharedram: u64,
    bufferram: u64,
    totalswap: u64,
    freeswap: u64,
    procs: u16,
    pad: u16,
    pad2: u32,
    totalhigh: u64,
    freehigh: u64,
    mem_unit: u32,
    pad3: u32,
}

static_assertions::const_assert_eq!(size_of::<SysInfo>(), 112);

/// sysinfo(2).
pub fn sys_sysinfo(cx: &mut TaskCx, a: &Args) -> Outcome {
    let kernel = cx.kernel();
    let total = kernel.memory_total();
    let up = kernel.now(ClockId::Monotonic) - kernel.boot_time().0;
    let up = cx.task.clock_offsets().shown(OwnClock::Boottime, up);
    let mut info = SysInfo::new_zeroed();
    info.uptime = up.max(0) / 1_000_000_000;
    info.totalram = total;
    let memory = kernel.embedder().platform.memory();
    info.freeram = total.saturating_sub(memory.used()).saturating_sub(memory.overhead());
    info.procs = kernel.task_count().min(usize::from(u16::MAX)) as u16;
    info.mem_unit = 1;
    cx.mm().write_obj(Addr(a[0]), &info).map(|()| 0).into()
}

/// syslog(2): an empty log, to those who may read it.
pub fn sys_syslog(cx: &mut TaskCx, a: &Args) -> Outcome {
    let action = a[0] as i32;
    // Reading all and asking for the size are free where dmesg is not restricted.
    let free = action == 3 || action == 10;
    if !free && !cx.task.creds().has(cap::SYS_ADMIN) {
        return Errno::EPERM.into();
    }
    match action {
        2..=4 if a[1] == 0 || (a[2] as i32) < 0 => Errno::EINVAL.into(),
        8 if !(1..=8).contains(&(a[2] as i32)) => Errno::EINVAL.into(),
        // The size of the buffer, `CONFIG_LOG_BUF_SHIFT` as distributions have it; it is empty.
        10 => Outcome::Done(Ok(1 << 18)),
        0..=9 => Outcome::Done(Ok(0)),
        _ => Errno::EINVAL.into(),
    }
}

const REBOOT_MAGIC: u32 = 0xfee1_dead;
const REBOOT_MAGIC2: [u32; 4] = [672_274_793, 85_072_278, 369_367_448, 537_993_216];

/// reboot(2): ends every process; there is nothing to boot again.
pub fn sys_reboot(cx: &mut TaskCx, a: &Args) -> Outcome {
    let ns = cx.task.pid_ns().clone();
    if !cx.task.creds().has_in(ns.owner(), cap::SYS_BOOT) {
        return Errno::EPERM.into();
    }
    if a[0] as u32 != REBOOT_MAGIC || !REBOOT_MAGIC2.contains(&(a[1] as u32)) {
        return Errno::EINVAL.into();
    }
    if !ns.is_initial() {
        return reboot_namespace(cx, &ns, a[2] as u32);
    }
    match a[2] as u32 {
        // RESTART, HALT, POWER_OFF.
        0x0123_4567 | 0xcdef_0123 | 0x4321_fedc => {
            cx.kernel().kill_all();
            Outcome::Done(Ok(0))
        }
        // CAD_ON, CAD_OFF.
        0x89ab_cdef | 0 => Outcome::Done(Ok(0)),
        _ => Errno::EINVAL.into(),
    }
}

/// The first process of a namespace ends as if by a signal that tells its parent what was asked for
/// (`reboot_pid_ns` in `kernel/pid_namespace.c`).
fn reboot_namespace(cx: &mut TaskCx, ns: &PidNamespace, command: u32) -> Outcome {
    let signo = match command {
        // RESTART, RESTART2.
        0x0123_4567 | 0xa1b2_c3d4 => SIGHUP,
        // HALT, POWER_OFF.
        0xcdef_0123 | 0x4321_fedc => SIGINT,
        _ => return Errno::EINVAL.into(),
    };
    ns.reboot.store(signo, Ordering::Relaxed);
    if let Some(init) = ns.init().and_then(|id| cx.kernel().process(id)) {
        // SIGKILL is never refused.
        let _ = init.post(SIGKILL, SigInfo::kernel(SIGKILL));
    }
    cx.exit_thread(ExitStatus::Exited(0));
    Outcome::Keep
}

/// rseq(2): not there. Contexts move between host threads without passing through this kernel, so
/// a processor number could not be kept true; C libraries do without.
pub fn sys_rseq(_: &mut TaskCx, _: &Args) -> Outcome {
    Errno::ENOSYS.into()
}

impl TaskCx {
    /// Copies bytes out to a user address given as a register.
    pub(crate) fn put(&self, at: u64, bytes: &[u8]) -> Result<(), Errno> {
        Ok(self.mm().copy_out(Addr(at), bytes, Permissions::Obey)?)
    }
}
