//! Sizes and offsets of everything that programs and kernel exchange, as C compilers for both
//! architectures see them in the kernel's own headers. Says so where a compiler or its headers are
//! not installed.

use arch::auxv::*;
use arch::signal::{AltStack, SIGINFO_SIZE, SigAction, SigInfo, StackT, minsigstksz, number};
use arch::{Arch, AuxEntry, SaFlags, aarch64, x86_64};
use core::mem::offset_of;
use std::io::Write;
use std::process::{Command, Stdio};

const HEADERS: &str = "
#include <stddef.h>
#include <linux/signal.h>
#include <asm/siginfo.h>
#include <asm/sigcontext.h>
#include <asm/ucontext.h>
#include <asm/ptrace.h>
#include <linux/auxvec.h>
#include <linux/elf.h>
struct kernel_sigaction { unsigned long handler, flags, restorer; sigset_t mask; };
";

/// Of the C expressions the values that `compiler` gives them; `None` when it is not there.
fn values(compiler: &str, more: &str, expressions: &[&str]) -> Option<Vec<u64>> {
    let list = expressions.join(",\n");
    let source = format!("{HEADERS}{more}\nconst unsigned long values[] = {{ {list} }};\n");
    let mut child = Command::new(compiler)
        .args(["-x", "c", "-S", "-O1", "-w", "-o", "-", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    child.stdin.take()?.write_all(source.as_bytes()).ok()?;
    let out = child.wait_with_output().ok()?;
    let errors = String::from_utf8_lossy(&out.stderr);
    if errors.contains("No such file or directory") {
        return None;
    }
    assert!(out.status.success(), "{errors}");
    let text = String::from_utf8_lossy(&out.stdout);
    let mut values = Vec::new();
    for line in text.lines().skip_while(|l| !l.starts_with("values:")) {
        let mut words = line.split_whitespace();
        let (directive, value) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        match directive {
            ".quad" | ".xword" | ".dword" => {
                let number = value.parse::<i128>().expect("a number");
                values.push(number as u64);
            }
            ".zero" => values.extend(vec![0; value.parse::<usize>().expect("a size") / 8]),
            _ => {}
        }
    }
    assert_eq!(values.len(), expressions.len(), "{text}");
    Some(values)
}

fn compare(compiler: &str, more: &str, expected: &[(&str, u64)]) {
    let expressions: Vec<&str> = expected.iter().map(|e| e.0).collect();
    let Some(found) = values(compiler, more, &expressions) else {
        return println!("skipped: {compiler} or its headers are not installed");
    };
    for ((expression, ours), theirs) in expected.iter().zip(found) {
        assert_eq!(*ours, theirs, "{compiler}: {expression}");
    }
}

/// What both architectures have in common.
fn common(arch: Arch) -> Vec<(&'static str, u64)> {
    let mut all = vec![
        ("sizeof(siginfo_t)", SIGINFO_SIZE as u64),
        ("offsetof(siginfo_t, si_code)", offset_of!(SigInfo, code) as u64),
        ("offsetof(siginfo_t, si_errno)", offset_of!(SigInfo, errno) as u64),
        ("offsetof(siginfo_t, si_pid)", 16),
        ("offsetof(siginfo_t, si_uid)", 20),
        ("offsetof(siginfo_t, si_ptr)", 24),
        ("offsetof(siginfo_t, si_status)", 24),
        ("offsetof(siginfo_t, si_utime)", 32),
        ("offsetof(siginfo_t, si_stime)", 40),
        ("offsetof(siginfo_t, si_addr)", 16),
        ("offsetof(siginfo_t, si_band)", 16),
        ("offsetof(siginfo_t, si_fd)", 24),
        ("offsetof(siginfo_t, si_call_addr)", 16),
        ("offsetof(siginfo_t, si_syscall)", 24),
        ("offsetof(siginfo_t, si_arch)", 28),
        ("offsetof(siginfo_t, si_overrun)", 20),
        ("sizeof(struct kernel_sigaction)", size_of::<SigAction>() as u64),
        ("offsetof(struct kernel_sigaction, mask)", offset_of!(SigAction, mask) as u64),
        ("sizeof(stack_t)", size_of::<StackT>() as u64),
        ("offsetof(stack_t, ss_flags)", offset_of!(StackT, flags) as u64),
        ("offsetof(stack_t, ss_size)", offset_of!(StackT, size) as u64),
        ("MINSIGSTKSZ", minsigstksz(arch)),
        ("SS_DISABLE", AltStack::DISABLED.flags.into()),
        ("(unsigned)SS_AUTODISARM", arch::signal::ss::AUTODISARM.into()),
        ("sizeof(Elf64_Off) * 2", size_of::<AuxEntry>() as u64),
        ("SA_NOCLDSTOP", SaFlags::NOCLDSTOP.bits()),
        ("SA_NOCLDWAIT", SaFlags::NOCLDWAIT.bits()),
        ("SA_SIGINFO", SaFlags::SIGINFO.bits()),
        ("SA_EXPOSE_TAGBITS", SaFlags::EXPOSE_TAGBITS.bits()),
        ("(unsigned)SA_ONSTACK", SaFlags::ONSTACK.bits()),
        ("(unsigned)SA_RESTART", SaFlags::RESTART.bits()),
        ("(unsigned)SA_NODEFER", SaFlags::NODEFER.bits()),
        ("(unsigned)SA_RESETHAND", SaFlags::RESETHAND.bits()),
        ("SIGCHLD", number::SIGCHLD.into()),
        ("SIGSYS", number::SIGSYS.into()),
        ("SIGSTKFLT", number::SIGSTKFLT.into()),
        ("SIGRTMIN", number::SIGRTMIN.into()),
    ];
    for (name, key) in [
        ("AT_EXECFD", AT_EXECFD),
        ("AT_PHDR", AT_PHDR),
        ("AT_BASE_PLATFORM", AT_BASE_PLATFORM),
        ("AT_RANDOM", AT_RANDOM),
        ("AT_HWCAP2", AT_HWCAP2),
        ("AT_EXECFN", AT_EXECFN),
        ("AT_SYSINFO_EHDR", AT_SYSINFO_EHDR),
        ("AT_MINSIGSTKSZ", AT_MINSIGSTKSZ),
        ("AT_SECURE", AT_SECURE),
    ] {
        all.push((name, key));
    }
    all
}

#[test]
fn x86_64() {
    use x86_64::frame::{RtSigFrame, SigContext, UContext};
    use x86_64::{Registers, eflags};
    let more = "
#include <sys/user.h>
#include <asm/processor-flags.h>
struct rt_sigframe { char *pretcode; struct ucontext uc; struct siginfo info; };
";
    let mut all = common(Arch::X86_64);
    all.extend([
        ("SA_RESTORER", SaFlags::RESTORER.bits()),
        ("sizeof(struct sigcontext)", size_of::<SigContext>() as u64),
        ("offsetof(struct sigcontext, rip)", offset_of!(SigContext, ip) as u64),
        ("offsetof(struct sigcontext, eflags)", offset_of!(SigContext, flags) as u64),
        ("offsetof(struct sigcontext, cs)", offset_of!(SigContext, cs) as u64),
        ("offsetof(struct sigcontext, ss)", offset_of!(SigContext, ss) as u64),
        ("offsetof(struct sigcontext, err)", offset_of!(SigContext, err) as u64),
        ("offsetof(struct sigcontext, trapno)", offset_of!(SigContext, trapno) as u64),
        ("offsetof(struct sigcontext, oldmask)", offset_of!(SigContext, oldmask) as u64),
        ("offsetof(struct sigcontext, cr2)", offset_of!(SigContext, cr2) as u64),
        ("offsetof(struct sigcontext, fpstate)", offset_of!(SigContext, fpstate) as u64),
        ("sizeof(struct ucontext)", size_of::<UContext>() as u64),
        ("offsetof(struct ucontext, uc_stack)", offset_of!(UContext, stack) as u64),
        ("offsetof(struct ucontext, uc_mcontext)", offset_of!(UContext, mcontext) as u64),
        ("offsetof(struct ucontext, uc_sigmask)", offset_of!(UContext, sigmask) as u64),
        ("sizeof(struct rt_sigframe)", size_of::<RtSigFrame>() as u64),
        ("offsetof(struct rt_sigframe, uc)", offset_of!(RtSigFrame, uc) as u64),
        ("offsetof(struct rt_sigframe, info)", offset_of!(RtSigFrame, info) as u64),
        ("FP_XSTATE_MAGIC1", arch::fpu::FP_XSTATE_MAGIC1.into()),
        ("FP_XSTATE_MAGIC2", arch::fpu::FP_XSTATE_MAGIC2.into()),
        ("offsetof(struct _fpstate_64, sw_reserved)", 464),
        ("offsetof(struct _fpx_sw_bytes, xfeatures)", 8),
        ("offsetof(struct _fpx_sw_bytes, xstate_size)", 16),
        ("offsetof(struct _xstate, xstate_hdr)", 512),
        ("UC_FP_XSTATE", x86_64::frame::UC_FP_XSTATE),
        ("UC_SIGCONTEXT_SS", x86_64::frame::UC_SIGCONTEXT_SS),
        ("UC_STRICT_RESTORE_SS", x86_64::frame::UC_STRICT_RESTORE_SS),
        ("sizeof(struct user_regs_struct)", size_of::<Registers>() as u64),
        ("offsetof(struct user_regs_struct, orig_rax)", offset_of!(Registers, orig_rax) as u64),
        ("offsetof(struct user_regs_struct, eflags)", offset_of!(Registers, eflags) as u64),
        ("offsetof(struct user_regs_struct, rsp)", offset_of!(Registers, rsp) as u64),
        ("offsetof(struct user_regs_struct, fs_base)", offset_of!(Registers, fs_base) as u64),
        ("offsetof(struct user_regs_struct, gs)", offset_of!(Registers, gs) as u64),
        ("offsetof(struct user, u_debugreg)", 848),
        ("X86_EFLAGS_ID", eflags::ID),
        ("X86_EFLAGS_NT", eflags::NT),
        ("X86_EFLAGS_AC", eflags::AC),
    ]);
    let compiler = if cfg!(target_arch = "x86_64") { "cc" } else { "x86_64-linux-gnu-gcc" };
    compare(compiler, more, &all);
}

#[test]
fn arm64() {
    use aarch64::Registers;
    use aarch64::frame::{RESERVED, RtSigFrame, UContext};
    use aarch64::{pstate, records};
    let more = "struct rt_sigframe { struct siginfo info; struct ucontext uc; };";
    let mut all = common(Arch::Aarch64);
    let regs = size_of::<RtSigFrame>() as u64;
    all.extend([
        ("sizeof(struct rt_sigframe)", regs + RESERVED as u64),
        ("offsetof(struct rt_sigframe, uc)", offset_of!(RtSigFrame, uc) as u64),
        ("offsetof(struct rt_sigframe, uc.uc_mcontext.__reserved)", regs),
        ("offsetof(struct ucontext, uc_stack)", offset_of!(UContext, stack) as u64),
        ("offsetof(struct ucontext, uc_sigmask)", offset_of!(UContext, sigmask) as u64),
        (
            "offsetof(struct ucontext, uc_mcontext.fault_address)",
            offset_of!(UContext, fault_address) as u64,
        ),
        ("offsetof(struct ucontext, uc_mcontext.regs)", offset_of!(UContext, regs) as u64),
        ("sizeof(struct fpsimd_context)", records::FPSIMD_RECORD as u64),
        ("offsetof(struct fpsimd_context, fpsr)", 8),
        ("offsetof(struct fpsimd_context, vregs)", 16),
        ("sizeof(struct esr_context)", 16),
        ("sizeof(struct extra_context)", 32),
        ("sizeof(struct sve_context)", 16),
        ("FPSIMD_MAGIC", records::FPSIMD_MAGIC.into()),
        ("ESR_MAGIC", records::ESR_MAGIC.into()),
        ("SVE_MAGIC", records::SVE_MAGIC.into()),
        ("EXTRA_MAGIC", records::EXTRA_MAGIC.into()),
        // Vectors of 256 bytes are sixteen quadwords.
        ("SVE_SIG_REGS_SIZE(16)", arch::FpuLayout::sve(256).expect("a length").size() as u64 - 528),
        ("SVE_SIG_REGS_OFFSET", 16),
        ("SVE_SIG_ZREG_OFFSET(16, 1) - SVE_SIG_ZREG_OFFSET(16, 0)", 256),
        ("SVE_SIG_PREG_OFFSET(16, 0)", 16 + 32 * 256),
        ("SVE_SIG_FFR_OFFSET(16)", 16 + 32 * 256 + 16 * 32),
        ("sizeof(struct user_pt_regs)", size_of::<Registers>() as u64),
        ("offsetof(struct user_pt_regs, sp)", offset_of!(Registers, sp) as u64),
        ("offsetof(struct user_pt_regs, pstate)", offset_of!(Registers, pstate) as u64),
        ("sizeof(struct user_fpsimd_state)", 528),
        ("PSR_MODE_MASK", pstate::MODE_MASK),
        ("PSR_MODE32_BIT", pstate::MODE32),
        ("PSR_BTYPE_MASK", pstate::BTYPE_MASK),
        ("PSR_TCO_BIT", pstate::TCO),
        ("NT_ARM_TLS", 0x401),
        ("NT_ARM_SYSTEM_CALL", 0x404),
    ]);
    compare("aarch64-linux-gnu-gcc", more, &all);
}
