//! An assembler of seccomp programs, and the program of a stub process.
//!
//! A guest's own system calls come from outside the stub's code: two comparisons, and they trap.
//! From inside, the stub may wait, wake, ring, return from its handler, and take guest memory or
//! permissions away from itself. What gives the process something, and what tells the sentry that
//! something was taken away, asks for the mapper's cookie in argument bits that the kernel ignores:
//! the upper halves of mmap(2)'s `prot`, `flags` and `fd`, and registers that mprotect(2),
//! clone(2) and write(2) do not have. Guest code that jumps to one of the stub's `syscall`
//! instructions does not know it. Everything else traps, and a trap inside the handler ends the
//! process.

use crate::shared::{
    ACK_FD, DOORBELL_FD, ENTER_NR, GUEST_END, MAX_FILTER, MEMORY_FD, TEXT_BASE, TEXT_MAX,
};
use linux_raw_sys::general as nr;

const LD_ABS: u16 = 0x20;
const LDX_MEM: u16 = 0x61;
const ST: u16 = 0x02;
const JEQ: u16 = 0x15;
const JGT: u16 = 0x25;
const JGE: u16 = 0x35;
const JGT_X: u16 = 0x2d;
const JSET: u16 = 0x45;
const JA: u16 = 0x05;
const ADD_X: u16 = 0x0c;
const AND: u16 = 0x54;
const RET: u16 = 0x06;

const ALLOW: u32 = 0x7fff_0000;
const TRAP: u32 = 0x0003_0000;
pub(crate) const KILL_PROCESS: u32 = 0x8000_0000;

/// What makes a call fail with an error number.
pub(crate) const fn fail(errno: u32) -> u32 {
    0x0005_0000 | errno
}

const ARCH_X86_64: u32 = 0xc000_003e;
/// Offsets in `struct seccomp_data`.
const NR: u32 = 0;
const ARCH: u32 = 4;
const IP_LO: u32 = 8;
const IP_HI: u32 = 12;

const fn arg_lo(i: u32) -> u32 {
    16 + 8 * i
}

const fn arg_hi(i: u32) -> u32 {
    20 + 8 * i
}

/// One `struct sock_filter`, packed as the kernel reads it on a little-endian machine.
fn insn(code: u16, jt: u8, jf: u8, k: u32) -> u64 {
    u64::from(code) | u64::from(jt) << 16 | u64::from(jf) << 24 | u64::from(k) << 32
}

/// Assembles instructions; a condition that is not met ends in the refusal.
pub(crate) struct Program {
    code: Vec<u64>,
    refusal: u32,
}

impl Program {
    /// A program with nothing but the architecture's check and the call's number in the
    /// accumulator; what is refused, `refusal` answers.
    pub(crate) fn by_number(refusal: u32) -> Program {
        let mut p = Program { code: Vec::new(), refusal: KILL_PROCESS };
        p.need_word(ARCH, ARCH_X86_64);
        p.load(NR);
        // The numbers of the x32 ABI are calls by other names.
        p.refuse(JGE, 0x4000_0000);
        p.refusal = refusal;
        p
    }

    /// From here on, `refusal` answers what is refused.
    pub(crate) fn set_refusal(&mut self, refusal: u32) {
        self.refusal = refusal;
    }

    /// The instructions, with the refusal of everything that no case named.
    pub(crate) fn finish(mut self) -> Vec<u64> {
        self.trap();
        self.code
    }

    /// These calls end in `action`.
    pub(crate) fn answer(&mut self, numbers: &[u32], action: u32) {
        for &number in numbers {
            self.code.push(insn(JEQ, 0, 1, number));
            self.code.push(insn(RET, 0, 0, action));
        }
    }

    /// These calls are allowed.
    pub(crate) fn allow_all(&mut self, numbers: &[u32]) {
        self.answer(numbers, ALLOW);
    }

    /// The call is allowed if the lower half of an argument is one of `words`.
    pub(crate) fn allow_with(&mut self, number: u32, argument: u32, words: &[u32]) {
        self.case(number, |p| {
            p.load(arg_lo(argument));
            for (left, word) in (0..words.len()).rev().zip(words) {
                // To behind the refusal.
                p.code.push(insn(JEQ, left as u8 + 1, 0, *word));
            }
            p.trap();
        });
    }

    /// The call is allowed if the lower half of an argument has none of `bits`.
    pub(crate) fn allow_without(&mut self, number: u32, argument: u32, bits: u32) {
        self.case(number, |p| {
            p.load(arg_lo(argument));
            p.refuse(JSET, bits);
        });
    }

    fn load(&mut self, at: u32) {
        self.code.push(insn(LD_ABS, 0, 0, at));
    }

    /// Refuses unless the condition holds.
    fn need(&mut self, jump: u16, k: u32) {
        self.code.push(insn(jump, 1, 0, k));
        self.trap();
    }

    /// Refuses if the condition holds.
    fn refuse(&mut self, jump: u16, k: u32) {
        self.code.push(insn(jump, 0, 1, k));
        self.trap();
    }

    fn need_word(&mut self, at: u32, k: u32) {
        self.load(at);
        self.need(JEQ, k);
    }

    /// The lower halves of these arguments are these words.
    fn need_low_words(&mut self, arguments: [u32; 3], words: [u32; 3]) {
        for (argument, word) in arguments.into_iter().zip(words) {
            self.need_word(arg_lo(argument), word);
        }
    }

    fn allow(&mut self) {
        self.code.push(insn(RET, 0, 0, ALLOW));
    }

    fn trap(&mut self) {
        self.code.push(insn(RET, 0, 0, self.refusal));
    }

    /// The range in arguments 0 and 1 ends at or below `GUEST_END`, which is 32-bit aligned but
    /// for its upper half.
    fn need_guest_range(&mut self) {
        const END_HI: u32 = (GUEST_END >> 32) as u32;
        for i in 0..2 {
            self.load(arg_hi(i));
            self.refuse(JGT, END_HI);
        }
        // M[0] = sum of the lower halves; a carry shows as a sum below an addend.
        self.load(arg_lo(1));
        self.code.push(insn(0x07, 0, 0, 0)); // tax
        self.load(arg_lo(0));
        self.code.push(insn(ADD_X, 0, 0, 0));
        self.code.push(insn(ST, 0, 0, 0));
        self.code.push(insn(LDX_MEM, 0, 0, 0));
        self.load(arg_lo(0));
        // No carry: A > X is false. M[1] = carry.
        self.code.push(insn(JGT_X, 2, 0, 0));
        self.code.push(insn(0x00, 0, 0, 0)); // A = 0
        self.code.push(insn(JA, 0, 0, 1));
        self.code.push(insn(0x00, 0, 0, 1)); // A = 1
        self.code.push(insn(ST, 0, 0, 1));
        self.load(arg_hi(0));
        self.code.push(insn(0x07, 0, 0, 0));
        self.load(arg_hi(1));
        self.code.push(insn(ADD_X, 0, 0, 0));
        self.code.push(insn(LDX_MEM, 0, 0, 1));
        self.code.push(insn(ADD_X, 0, 0, 0));
        self.refuse(JGT, END_HI);
        // Exactly at the end only if the lower half is zero.
        self.code.push(insn(JEQ, 0, 3, END_HI));
        self.code.push(insn(0x60, 0, 0, 0)); // A = M[0]
        self.code.push(insn(JEQ, 1, 0, 0));
        self.code.push(insn(JA, 0, 0, 1));
        self.code.push(insn(JA, 0, 0, 1));
        self.trap();
    }

    /// `body` for the system call `number`, which is in the accumulator.
    fn case(&mut self, number: u32, body: impl FnOnce(&mut Program)) {
        let mut inner = Program { code: Vec::new(), refusal: self.refusal };
        body(&mut inner);
        inner.allow();
        self.code.push(insn(JEQ, 0, inner.code.len() as u8, number));
        self.code.append(&mut inner.code);
    }
}

/// The program for a stub whose mapper shows `cookie`.
pub(crate) fn stub_filter(cookie: [u32; 3]) -> Vec<u64> {
    const IP: u32 = (TEXT_BASE >> 32) as u32;
    let mut p = Program { code: Vec::with_capacity(MAX_FILTER), refusal: TRAP };
    p.need_word(IP_HI, IP);
    p.load(IP_LO);
    p.need(JGE, TEXT_BASE as u32);
    p.refuse(JGE, (TEXT_BASE + TEXT_MAX) as u32);
    p.need_word(ARCH, ARCH_X86_64);
    p.load(NR);
    for free in [nr::__NR_rt_sigreturn, nr::__NR_gettid, nr::__NR_sigaltstack] {
        p.case(free, |_| {});
    }
    p.case(nr::__NR_rt_sigprocmask, |_| {});
    p.case(nr::__NR_futex, |p| {
        // Shared FUTEX_WAIT and FUTEX_WAKE.
        p.load(arg_lo(1));
        p.refuse(JGT, 1);
    });
    p.case(nr::__NR_write, |p| {
        p.load(arg_lo(0));
        p.case(DOORBELL_FD, |p| p.need_word(arg_lo(2), 8));
        p.need(JEQ, ACK_FD);
        p.need_low_words([3, 4, 5], cookie);
        p.need_word(arg_lo(2), 16);
    });
    p.case(nr::__NR_mmap, |p| {
        for (arg, word) in [2, 3, 4].into_iter().zip(cookie) {
            p.need_word(arg_hi(arg), word);
        }
        p.need_word(arg_lo(4), MEMORY_FD);
        p.load(arg_lo(3));
        p.code.push(insn(AND, 0, 0, !0x8000));
        p.need(JEQ, 0x11);
        p.load(arg_lo(2));
        p.refuse(JGT, 7);
        p.need_guest_range();
    });
    p.case(nr::__NR_munmap, Program::need_guest_range);
    p.case(nr::__NR_mprotect, |p| {
        const PROT_WRITE: u32 = 2;
        p.need_guest_range();
        p.load(arg_lo(2));
        p.code.push(insn(JSET, 1, 0, PROT_WRITE));
        p.allow();
        p.need_low_words([3, 4, 5], cookie);
    });
    p.case(nr::__NR_clone, |p| {
        p.need_low_words([2, 3, 5], cookie);
        p.need_word(arg_lo(0), 0x0005_0f00);
        p.need_word(arg_hi(0), 0);
    });
    debug_assert_ne!(ENTER_NR as u32, nr::__NR_futex);
    p.trap();
    debug_assert!(p.code.len() <= MAX_FILTER, "{}", p.code.len());
    p.code
}
