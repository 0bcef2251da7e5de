//! The mapper: the thread that performs host operations.
//!
//! Only calls that show a cookie of 96 bits pass the seccomp filter. The mapper has it in
//! registers, from before any guest code runs in the process to its end, and nowhere else: it has
//! no stack, takes no signals, and reads nothing that guest code can write. So guest code, whatever
//! part of the stub it jumps into, can neither perform an operation of its own, nor keep one from
//! being performed and say that it was.
//!
//! The cookie goes where the kernel does not look: into the upper halves of mmap(2)'s `prot`,
//! `flags` and `fd`, and into arguments that munmap(2), mprotect(2), clone(2) and write(2) do not
//! have.

use crate::boot::thread_start;
use crate::shared::*;
use crate::sys;
use core::arch::global_asm;
use core::mem::offset_of;

const MAP_SHARED_FIXED: u64 = 0x11;
const MAP_POPULATE: u64 = 0x8000;
/// CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM
const THREAD_FLAGS: u64 = 0x0005_0f00;

const _: () = assert!(MEMORY_FD == 0 && MAX_OPS.is_power_of_two() && size_of::<Op>() == 32);
const _: () = assert!(POPULATE == 1 << 31);

unsafe extern "C" {
    /// Takes the cookie from [`Control`], says that the process is locked down, and performs
    /// operations for ever.
    pub fn stub_mapper() -> !;
}

global_asm!(
    // r15 = Control, r14 = Report, r13 = operations performed, r12, rbp, rbx = the cookie.
    ".pushsection .text,\"ax\",@progbits",
    ".globl stub_mapper",
    "stub_mapper:",
    "xor esp, esp",
    "mov r15, {control}",
    "mov r14, {report}",
    "xor r13d, r13d",
    "mov r12d, [r15 + {cookie}]",
    "mov ebp, [r15 + {cookie} + 4]",
    "mov ebx, [r15 + {cookie} + 8]",
    "mov dword ptr [r14 + {booted}], 1",
    "lea rdi, [r14 + {booted}]",
    "mov esi, 1",
    "mov edx, 0x7fffffff",
    "xor r10d, r10d",
    "mov eax, {nr_futex}",
    "syscall",

    "10:", // Look.
    "mov eax, [r15 + {tail}]",
    "cmp eax, r13d",
    "je 30f",
    "mov eax, r13d",
    "and eax, {ring} - 1",
    "shl eax, 5",
    "lea rax, [r15 + rax + {ops}]",
    "mov rdi, [rax + {addr}]",
    "mov rsi, [rax + {len}]",
    "mov edx, [rax + {prot}]",
    "mov ecx, [rax + {kind}]",
    "cmp ecx, {map}",
    "je 11f",
    "mov r10, r12",
    "mov r8, rbp",
    "mov r9, rbx",
    "cmp ecx, {unmap}",
    "je 13f",
    "cmp ecx, {protect}",
    "je 12f",
    "cmp ecx, {ack}",
    "je 14f",
    "cmp ecx, {thread}",
    "je 15f",
    "jmp 20f",

    "11:", // Map.
    "mov r9, [rax + {offset}]",
    "mov r10d, {shared}",
    "test edx, edx",
    "jns 2f",
    "or r10d, {populate}",
    "2:",
    "and edx, 7",
    "mov rcx, r12",
    "shl rcx, 32",
    "or rdx, rcx",
    "mov rcx, rbp",
    "shl rcx, 32",
    "or r10, rcx",
    "mov r8, rbx",
    "shl r8, 32",
    "mov eax, {nr_mmap}",
    "syscall",
    "test rax, rax",
    "jns 20f",
    // Most likely too many mappings. They are only a cache: start afresh, above the table of
    // rewritten calls. There is no room for many below it.
    "mov edi, {sites_end}",
    "mov rsi, {guest_len}",
    "mov r10, r12",
    "mov r8, rbp",
    "mov r9, rbx",
    "jmp 13f",

    "12:", // Protect; a range with a hole is unmapped.
    "and edx, 7",
    "mov eax, {nr_mprotect}",
    "syscall",
    "test rax, rax",
    "jns 20f",

    "13:", // Unmap.
    "mov eax, {nr_munmap}",
    "syscall",
    "jmp 20f",

    "14:", // Acknowledge, in the words of Control.
    "lea rsi, [rax + {addr}]",
    "mov edi, {ack_fd}",
    "mov edx, 16",
    "mov eax, {nr_write}",
    "syscall",
    "mov dword ptr [r14 + {attention}], 1",
    "jmp 20f",

    "15:", // A thread, which takes nothing of this one's along but its index.
    "mov r8, rdi",
    "inc rdi",
    "imul rsi, rdi, {stack_size}",
    "mov rdi, {stacks}",
    "add rsi, rdi",
    "mov edi, {thread_flags}",
    "mov rdx, r12",
    "mov r10, rbp",
    "mov eax, {nr_clone}",
    "syscall",
    "test rax, rax",
    "jnz 20f",
    "xor r12d, r12d",
    "xor ebp, ebp",
    "xor ebx, ebx",
    "xor edx, edx",
    "xor r10d, r10d",
    "xor r9d, r9d",
    "mov rdi, r8",
    "call {thread_start}",
    "ud2",

    "20:", // Performed.
    "inc r13d",
    "jmp 10b",

    "30:", // Tell those who wait, then sleep unless there is more.
    "mov eax, r13d",
    "xchg [r14 + {done}], eax",
    "cmp dword ptr [r14 + {waiters}], 0",
    "je 31f",
    "lea rdi, [r14 + {done}]",
    "mov esi, 1",
    "mov edx, 0x7fffffff",
    "xor r10d, r10d",
    "mov eax, {nr_futex}",
    "syscall",
    "31:",
    "lea rdi, [r15 + {tail}]",
    "xor esi, esi",
    "mov edx, r13d",
    "xor r10d, r10d",
    "mov eax, {nr_futex}",
    "syscall",
    "jmp 10b",
    ".popsection",
    control = const CONTROL_BASE,
    report = const REPORT_BASE,
    cookie = const offset_of!(Control, cookie),
    tail = const offset_of!(Control, ops_tail),
    ops = const offset_of!(Control, ops),
    ring = const MAX_OPS,
    kind = const offset_of!(Op, kind),
    prot = const offset_of!(Op, prot),
    addr = const offset_of!(Op, addr),
    len = const offset_of!(Op, len),
    offset = const offset_of!(Op, offset),
    booted = const offset_of!(Report, booted),
    done = const offset_of!(Report, ops_done),
    waiters = const offset_of!(Report, ops_waiters),
    attention = const offset_of!(Report, attention),
    map = const op::MAP,
    protect = const op::PROTECT,
    unmap = const op::UNMAP,
    thread = const op::THREAD,
    ack = const op::ACK,
    shared = const MAP_SHARED_FIXED,
    populate = const MAP_POPULATE,
    sites_end = const SITES_END,
    guest_len = const GUEST_END - SITES_END,
    stacks = const REPORT_BASE + STACKS_OFFSET,
    stack_size = const STACK_SIZE,
    thread_flags = const THREAD_FLAGS,
    ack_fd = const ACK_FD,
    nr_mmap = const sys::MMAP,
    nr_mprotect = const sys::MPROTECT,
    nr_munmap = const sys::MUNMAP,
    nr_write = const sys::WRITE,
    nr_clone = const sys::CLONE,
    nr_futex = const sys::FUTEX,
    thread_start = sym thread_start,
);
