//! The seccomp program of the sentry.

use crate::bpf::{KILL_PROCESS, Program, fail};
use crate::shared::INTERRUPT_SIGNAL;
use crate::sys;
use linux_raw_sys::errno::{ENOSYS, EPERM};
use linux_raw_sys::general as nr;
use linux_raw_sys::ioctl;
use linux_raw_sys::prctl::PR_SET_NAME;
use std::io;

/// What the executor, the stubs' memory and the C library need, whatever the arguments.
const ALWAYS: &[u32] = &[
    nr::__NR_futex,
    nr::__NR_epoll_wait,
    nr::__NR_epoll_pwait,
    nr::__NR_epoll_pwait2,
    nr::__NR_epoll_ctl,
    nr::__NR_read,
    nr::__NR_write,
    nr::__NR_readv,
    nr::__NR_writev,
    nr::__NR_pread64,
    nr::__NR_pwrite64,
    nr::__NR_lseek,
    nr::__NR_close,
    nr::__NR_poll,
    nr::__NR_ppoll,
    nr::__NR_statx,
    nr::__NR_newfstatat,
    nr::__NR_fstat,
    nr::__NR_fstatfs,
    nr::__NR_getdents64,
    nr::__NR_readlinkat,
    // Of memory files, and of standard output when it is a file.
    nr::__NR_fallocate,
    nr::__NR_ftruncate,
    nr::__NR_fsync,
    nr::__NR_fdatasync,
    nr::__NR_getxattr,
    nr::__NR_listxattr,
    nr::__NR_munmap,
    nr::__NR_madvise,
    nr::__NR_mremap,
    nr::__NR_brk,
    nr::__NR_membarrier,
    nr::__NR_pidfd_open,
    nr::__NR_waitid,
    nr::__NR_wait4,
    nr::__NR_clock_gettime,
    nr::__NR_clock_getres,
    nr::__NR_clock_nanosleep,
    nr::__NR_gettimeofday,
    nr::__NR_getrandom,
    nr::__NR_sysinfo,
    nr::__NR_uname,
    nr::__NR_getrusage,
    nr::__NR_sched_yield,
    nr::__NR_sched_getaffinity,
    nr::__NR_getcpu,
    nr::__NR_getpid,
    nr::__NR_gettid,
    nr::__NR_getuid,
    nr::__NR_geteuid,
    nr::__NR_getgid,
    nr::__NR_getegid,
    nr::__NR_rt_sigaction,
    nr::__NR_rt_sigprocmask,
    nr::__NR_rt_sigreturn,
    nr::__NR_sigaltstack,
    nr::__NR_restart_syscall,
    nr::__NR_rseq,
    nr::__NR_set_robust_list,
    nr::__NR_exit,
    nr::__NR_exit_group,
];

/// For directories that guests may change.
const WRITABLE: &[u32] = &[
    nr::__NR_openat,
    nr::__NR_mkdirat,
    nr::__NR_mknodat,
    nr::__NR_symlinkat,
    nr::__NR_linkat,
    nr::__NR_renameat,
    nr::__NR_renameat2,
    nr::__NR_unlinkat,
    nr::__NR_fchownat,
    nr::__NR_chmod,
    nr::__NR_fchmod,
    nr::__NR_fchmodat,
    nr::__NR_utimensat,
    nr::__NR_setxattr,
    nr::__NR_removexattr,
];

/// Ways out of the process: other programs, other processes, other name spaces, other machines, the
/// host kernel's own code and settings. Nothing in the sentry comes near them, so a call is an
/// attack, and there is nothing left to save.
const WAYS_OUT: &[u32] = &[
    nr::__NR_execve,
    nr::__NR_execveat,
    nr::__NR_ptrace,
    nr::__NR_process_vm_readv,
    nr::__NR_process_vm_writev,
    nr::__NR_process_madvise,
    nr::__NR_pidfd_getfd,
    nr::__NR_kcmp,
    nr::__NR_socket,
    nr::__NR_socketpair,
    nr::__NR_connect,
    nr::__NR_bind,
    nr::__NR_listen,
    nr::__NR_accept,
    nr::__NR_accept4,
    nr::__NR_sendto,
    nr::__NR_sendmsg,
    nr::__NR_sendmmsg,
    nr::__NR_recvfrom,
    nr::__NR_recvmsg,
    nr::__NR_recvmmsg,
    nr::__NR_io_uring_setup,
    nr::__NR_io_uring_enter,
    nr::__NR_io_uring_register,
    nr::__NR_userfaultfd,
    nr::__NR_perf_event_open,
    nr::__NR_bpf,
    nr::__NR_init_module,
    nr::__NR_finit_module,
    nr::__NR_delete_module,
    nr::__NR_kexec_load,
    nr::__NR_kexec_file_load,
    nr::__NR_reboot,
    nr::__NR_mount,
    nr::__NR_umount2,
    nr::__NR_pivot_root,
    nr::__NR_chroot,
    nr::__NR_move_mount,
    nr::__NR_open_tree,
    nr::__NR_fsopen,
    nr::__NR_fsconfig,
    nr::__NR_fsmount,
    nr::__NR_fspick,
    nr::__NR_mount_setattr,
    nr::__NR_unshare,
    nr::__NR_setns,
    nr::__NR_open_by_handle_at,
    nr::__NR_name_to_handle_at,
    nr::__NR_setuid,
    nr::__NR_setgid,
    nr::__NR_setreuid,
    nr::__NR_setregid,
    nr::__NR_setresuid,
    nr::__NR_setresgid,
    nr::__NR_setfsuid,
    nr::__NR_setfsgid,
    nr::__NR_setgroups,
    nr::__NR_capset,
    nr::__NR_add_key,
    nr::__NR_request_key,
    nr::__NR_keyctl,
    nr::__NR_shmget,
    nr::__NR_shmat,
    nr::__NR_msgget,
    nr::__NR_semget,
    nr::__NR_mq_open,
    nr::__NR_modify_ldt,
    nr::__NR_iopl,
    nr::__NR_ioperm,
    nr::__NR_swapon,
    nr::__NR_swapoff,
    nr::__NR_acct,
    nr::__NR_quotactl,
    nr::__NR_syslog,
    nr::__NR_settimeofday,
    nr::__NR_clock_settime,
    nr::__NR_adjtimex,
    nr::__NR_clock_adjtime,
    nr::__NR_sethostname,
    nr::__NR_setdomainname,
];

/// Terminals are asked and set up; their input cannot be made up (`TIOCSTI`). The C library and
/// others use either generation of calls.
const IOCTLS: &[u32] = &[
    ioctl::TCGETS,
    ioctl::TCSETS,
    ioctl::TCSETSW,
    ioctl::TCSETSF,
    ioctl::TCGETS2,
    ioctl::TCSETS2,
    ioctl::TCSETSW2,
    ioctl::TCSETSF2,
    ioctl::TIOCGWINSZ,
    ioctl::TIOCSWINSZ,
    ioctl::FIONREAD,
];

/// Copies of descriptors and their flags; not whom they signal.
const FCNTLS: &[u32] =
    &[nr::F_DUPFD, nr::F_GETFD, nr::F_SETFD, nr::F_GETFL, nr::F_SETFL, nr::F_DUPFD_CLOEXEC];

/// Open flags that change files: `O_WRONLY`, `O_RDWR`, `O_CREAT`, `O_TRUNC`.
const CHANGES: u32 = nr::O_WRONLY | nr::O_RDWR | nr::O_CREAT | nr::O_TRUNC;

/// The instructions for a sentry that serves files for reading, or for changes too.
fn program(writable: bool) -> Vec<u64> {
    let mut p = Program::by_number(fail(EPERM));
    p.allow_all(ALWAYS);
    if writable {
        p.allow_all(WRITABLE);
    } else {
        p.allow_without(nr::__NR_openat, 2, CHANGES);
    }
    // No new code.
    p.allow_without(nr::__NR_mmap, 2, nr::PROT_EXEC);
    p.allow_without(nr::__NR_mprotect, 2, nr::PROT_EXEC);
    p.allow_with(nr::__NR_ioctl, 1, IOCTLS);
    p.allow_with(nr::__NR_fcntl, 1, FCNTLS);
    p.allow_with(nr::__NR_prctl, 0, &[PR_SET_NAME]);
    // Interrupts to stubs' threads; and abort(3).
    p.allow_with(nr::__NR_tgkill, 2, &[INTERRUPT_SIGNAL, nr::SIGABRT]);
    p.allow_with(nr::__NR_pidfd_send_signal, 1, &[nr::SIGKILL]);
    p.answer(WAYS_OUT, KILL_PROCESS);
    p.set_refusal(fail(ENOSYS));
    p.finish()
}

/// Puts the filter in place, for all threads.
pub(super) fn install(writable: bool) -> io::Result<()> {
    const SET_MODE_FILTER: u64 = 1;
    const TSYNC: u64 = 1;
    /// `struct sock_fprog`.
    #[repr(C)]
    struct Fprog {
        len: u16,
        filter: *const u64,
    }
    let code = program(writable);
    let prog = Fprog { len: code.len() as u16, filter: code.as_ptr() };
    let a = [SET_MODE_FILTER, TSYNC, &raw const prog as u64, 0, 0, 0];
    // SAFETY: the kernel reads the program, which lives until the call is over.
    let result = unsafe { sys::call(nr::__NR_seccomp, a) };
    match result {
        0 => Ok(()),
        // With TSYNC, the number of a thread that cannot follow.
        1.. => Err(io::Error::other("a thread has a filter of its own")),
        error => Err(io::Error::from_raw_os_error(-error as i32)),
    }
}
