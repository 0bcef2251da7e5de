//! Loads and stores that survive a fault, and say which signal it was.

use std::arch::asm;
use std::arch::x86_64::__cpuid_count;
use std::ptr::{addr_of_mut, null_mut};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering::Relaxed};

static RECOVER: AtomicU64 = AtomicU64::new(0);
static SIGNAL: AtomicI32 = AtomicI32::new(0);
static CODE: AtomicI32 = AtomicI32::new(0);

extern "C" fn handler(signo: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let recover = RECOVER.load(Relaxed);
    // SAFETY: the kernel passes both structures to a handler installed with SA_SIGINFO.
    unsafe {
        if recover == 0 {
            libc::_exit(99);
        }
        SIGNAL.store(signo, Relaxed);
        CODE.store((*info).si_code, Relaxed);
        let context = context.cast::<libc::ucontext_t>();
        (*context).uc_mcontext.gregs[libc::REG_RIP as usize] = recover as i64;
    }
}

/// Catches the signals of bad accesses in this process.
pub(crate) fn install() {
    // SAFETY: the handler only touches atomics and the frame that it was given.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER;
        libc::sigaction(libc::SIGSEGV, addr_of_mut!(action), null_mut());
        libc::sigaction(libc::SIGBUS, addr_of_mut!(action), null_mut());
    }
}

fn outcome(ok: u64, value: u64) -> Result<u64, (i32, i32)> {
    RECOVER.store(0, Relaxed);
    if ok == 1 { Ok(value) } else { Err((SIGNAL.load(Relaxed), CODE.load(Relaxed))) }
}

/// Whether the processor and the kernel have protection keys, by which the host makes memory that can
/// only be executed unreadable.
pub(crate) fn has_keys() -> bool {
    const OSPKE: u32 = 1 << 4;
    static HAS_KEYS: LazyLock<bool> = LazyLock::new(|| __cpuid_count(7, 0).ecx & OSPKE != 0);
    *HAS_KEYS
}

/// Lets this thread, and the kernel for it, access memory whatever its protection key: a difference
/// that is known.
pub(crate) fn open_all_keys() {
    if has_keys() {
        // SAFETY: there is such a register, as just looked; it only denies accesses.
        unsafe { asm!("wrpkru", in("eax") 0, in("ecx") 0, in("edx") 0) };
    }
}

/// Reads a word by an instruction.
pub(crate) fn load(at: u64) -> Result<u64, (i32, i32)> {
    open_all_keys();
    let (value, ok): (u64, u64);
    // SAFETY: a load of whatever is there; if it faults, the handler goes on behind it.
    unsafe {
        asm!(
            "lea {tmp}, [rip + 2f]",
            "mov [{slot}], {tmp}",
            "xor {ok:e}, {ok:e}",
            "mov {value}, [{at}]",
            "mov {ok:e}, 1",
            "2:",
            tmp = out(reg) _,
            slot = in(reg) RECOVER.as_ptr(),
            ok = out(reg) ok,
            value = out(reg) value,
            at = in(reg) at,
        );
    }
    outcome(ok, value)
}

/// Writes a word by an instruction.
pub(crate) fn store(at: u64, value: u64) -> Result<u64, (i32, i32)> {
    open_all_keys();
    let ok: u64;
    // SAFETY: as in `load`; nothing of this process lives in what is written.
    unsafe {
        asm!(
            "lea {tmp}, [rip + 2f]",
            "mov [{slot}], {tmp}",
            "xor {ok:e}, {ok:e}",
            "mov [{at}], {value}",
            "mov {ok:e}, 1",
            "2:",
            tmp = out(reg) _,
            slot = in(reg) RECOVER.as_ptr(),
            ok = out(reg) ok,
            value = in(reg) value,
            at = in(reg) at,
        );
    }
    outcome(ok, 0)
}
