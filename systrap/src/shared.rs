//! The memory that the sentry and its stub processes share: addresses, layouts, protocol words.
//!
//! Compiled into both sides. `Control` is mapped read-only in the stub; `Report` and the slots are
//! writable there, and so by guest code: the sentry reads each word of them once and believes none.
//!
//! The way of a context: the sentry fills its [`Slot`], puts the slot's index into the ready ring
//! ([`Control::ready`], [`Control::ready_tail`]) and, if nobody spins on it, wakes a sleeper. A host
//! thread of the stub takes the index by moving [`Report::ready_head`], sees to it that the host
//! operations up to [`Control::ops_tail`] are performed, loads the registers and returns to user
//! code. On the next trap it stores the registers, sets the slot's bit in [`Report::events`] and
//! rings the doorbell if the sentry sleeps.
//!
//! A guest's system call is a signal like other traps, or, if the sentry has rewritten it, a jump
//! to a [`Thunk`] and from there into the stub, which stores the same registers in the same slot:
//! whoever loads them does not ask how they came there. All registers are the guest's at that
//! moment, so what tells the host threads apart is a segment register that means nothing in 64-bit
//! code, see [`THREAD_SELECTORS`].
//!
//! Host operations are the mapper's: the first thread of a stub process, which never runs guest
//! code and keeps in its registers what the seccomp filter asks for. [`op::ACK`] is how the sentry
//! learns, from the kernel and not from shared words, how far the mapper is.

use super::handshake::{Bell, Interruption, Progress, Ready, Trapped};
use core::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
use core::sync::atomic::{AtomicU32, AtomicU64};

/// First address that guests may not have.
pub const GUEST_END: u64 = 0x7fff_0000_0000;
/// Where the addresses lie that rewritten calls jump to. The upper half of its 32 bits is what the
/// last two bytes of such a jump hold: `06`, which is no instruction.
pub const SITES_BASE: u64 = 0x6_0000;
/// Where [`Control::entries`] lies, low enough for a jump through it by index alone.
pub const ENTRIES_BASE: u64 = SITES_BASE + 4096;
/// Past the last of what rewritten calls need at [`SITES_BASE`].
pub const SITES_END: u64 = ENTRIES_BASE + 4096;
/// First address that guests may have. What lies between [`SITES_BASE`] and [`SITES_END`] is not
/// theirs.
pub const GUEST_START: u64 = 0x1_0000;
/// Where the stub's code lies in every stub process.
pub const TEXT_BASE: u64 = 0x7fff_1000_0000;
/// Room for the stub's code.
pub const TEXT_MAX: u64 = 0x1_0000;
/// A private stack for start-up.
pub const BOOT_STACK: u64 = 0x7fff_1010_0000;
/// Size of the start-up stack.
pub const BOOT_STACK_SIZE: u64 = 0x4000;
/// The template's command page; not in its children.
pub const COMMAND_BASE: u64 = 0x7fff_1020_0000;
/// The doorbell page, read-only, the same in all stubs.
pub const BELL_BASE: u64 = 0x7fff_1030_0000;
/// The code that rewritten calls come to.
pub const THUNKS_BASE: u64 = 0x7fff_1040_0000;
/// [`Control`].
pub const CONTROL_BASE: u64 = 0x7fff_2000_0000;
/// [`Report`].
pub const REPORT_BASE: u64 = 0x7fff_3000_0000;
/// Past the last address of the stub's own.
pub const STUB_END: u64 = 0x7fff_f000_0000;
/// First address that no user mapping can have.
pub const TASK_END: u64 = 0x7fff_ffff_f000;

/// Descriptor of the memory file in a stub.
pub const MEMORY_FD: u32 = 0;
/// Descriptor of the file of regions in the template.
pub const REGIONS_FD: u32 = 1;
/// Descriptor of the doorbell.
pub const DOORBELL_FD: u32 = 2;

/// Descriptor of the pipe into which the mapper writes acknowledgements.
pub const ACK_FD: u32 = 3;
/// Descriptor of the stub's own code while the template starts.
pub const IMAGE_FD: u32 = 4;

/// Contexts that one address space can have.
pub const MAX_SLOTS: usize = 16384;
/// Host threads that one stub can have.
pub const MAX_THREADS: usize = 32;
/// Host operations in flight.
pub const MAX_OPS: usize = 1024;
/// System calls of a program that can be rewritten: a page of addresses.
pub const MAX_SITES: usize = 512;
/// What the first host threads of a stub have in `es`: 64-bit code ignores the segment, and the
/// kernel keeps the selector. These are its data and code segments and that of the processor's
/// number, at privilege levels that nothing else asks for. A thread that has another selector there,
/// because there are more threads, or the guest has put it there, makes its calls plainly.
pub const THREAD_SELECTORS: [u16; 12] =
    [0x28, 0x29, 0x2a, 0x30, 0x31, 0x32, 0x20, 0x21, 0x22, 0x78, 0x79, 0x7a];
/// Selectors that a stub's thread can have are below: there are no local segments.
pub const MAX_SELECTOR: usize = 128;
/// Instructions of the seccomp program.
pub const MAX_FILTER: usize = 224;
/// Signal stack of one host thread, in bytes.
pub const STACK_SIZE: u64 = 0x8000;
/// No slot: the thread carries no context.
pub const NO_SLOT: u32 = u32::MAX;
/// The signal that interrupts a host thread (`SIGUSR2`).
pub const INTERRUPT_SIGNAL: u32 = 12;
/// Not the number of any system call; a fresh thread makes it to come into the trap handler.
pub const ENTER_NR: u64 = 0x00ff_ff00;

/// Registers in the order of `struct user_regs_struct` (`arch/x86/include/asm/user_64.h`).
pub mod reg {
    #![allow(missing_docs, reason = "the names are the registers'; the stub is not linted")]
    pub const R15: usize = 0;
    pub const R14: usize = 1;
    pub const R13: usize = 2;
    pub const R12: usize = 3;
    pub const RBP: usize = 4;
    pub const RBX: usize = 5;
    pub const R11: usize = 6;
    pub const R10: usize = 7;
    pub const R9: usize = 8;
    pub const R8: usize = 9;
    pub const RAX: usize = 10;
    pub const RCX: usize = 11;
    pub const RDX: usize = 12;
    pub const RSI: usize = 13;
    pub const RDI: usize = 14;
    pub const ORIG_RAX: usize = 15;
    pub const RIP: usize = 16;
    pub const CS: usize = 17;
    pub const EFLAGS: usize = 18;
    pub const RSP: usize = 19;
    pub const SS: usize = 20;
    pub const FS_BASE: usize = 21;
    pub const GS_BASE: usize = 22;
    pub const DS: usize = 23;
    pub const ES: usize = 24;
    pub const FS: usize = 25;
    pub const GS: usize = 26;
    pub const COUNT: usize = 27;
}

/// The page that all stubs may read.
#[repr(C, align(64))]
pub struct BellPage {
    /// Not zero while the sentry sleeps or is about to: whoever publishes rings the doorbell.
    pub sleeping: AtomicU32,
    /// The processor that the sentry was last seen on, plus one.
    pub processor: AtomicU32,
}

/// A host operation's kind.
pub mod op {
    /// mmap(2) of the memory file.
    pub const MAP: u32 = 1;
    /// mprotect(2), or munmap(2) if that fails.
    pub const PROTECT: u32 = 2;
    /// munmap(2).
    pub const UNMAP: u32 = 3;
    /// A new host thread; `addr` is its index.
    pub const THREAD: u32 = 4;
    /// Write `addr` and `len`, 16 bytes, into the pipe of acknowledgements.
    pub const ACK: u32 = 5;
}

impl BellPage {
    /// The word, as a protocol.
    pub fn bell(&self) -> Bell<'_> {
        Bell(&self.sleeping)
    }
}

/// One host operation.
#[repr(C)]
pub struct Op {
    /// One of [`op`].
    pub kind: AtomicU32,
    /// `PROT_*` bits; bit 31 asks for `MAP_POPULATE`.
    pub prot: AtomicU32,
    /// Where.
    pub addr: AtomicU64,
    /// How many bytes.
    pub len: AtomicU64,
    /// Offset in the memory file.
    pub offset: AtomicU64,
}

/// Bit of [`Op::prot`] that asks for the pages at once.
pub const POPULATE: u32 = 1 << 31;

/// What the sentry tells one stub; read-only there.
#[repr(C, align(4096))]
pub struct Control {
    /// Contexts made ready so far. The stub's threads sleep on it.
    pub ready_tail: AtomicU32,
    _pad0: u32,
    /// The newest entry of `ready`, see [`Ready::last`].
    pub ready_last: AtomicU64,
    _pad1: [u32; 12],
    /// Operations queued so far.
    pub ops_tail: AtomicU32,
    /// Processor cycles to spin for the next ready context.
    pub spin: AtomicU32,
    /// Bytes of the floating-point image, header included.
    pub xsave_size: AtomicU32,
    /// Bytes from one slot to the next.
    pub slot_size: AtomicU32,
    _pad2: [u32; 12],
    /// Instructions in `filter`.
    pub filter_len: AtomicU32,
    /// What the filter asks the mapper for, until the mapper has it in its registers.
    pub cookie: [AtomicU32; 3],
    /// The components of the floating-point image, as XSAVE takes them.
    pub features: AtomicU64,
    _pad3: [u32; 10],
    /// The seccomp program, until it is installed.
    pub filter: [AtomicU64; MAX_FILTER],
    _pad4: [u8; 4096 - 192 - MAX_FILTER * 8],
    /// Indices of ready slots.
    pub ready: [AtomicU32; MAX_SLOTS],
    /// Host operations.
    pub ops: [Op; MAX_OPS],
    /// Where rewritten calls go; mapped at [`SITES_BASE`].
    pub sites: [AtomicU64; MAX_SITES],
    /// Where thunks go, by the selector in `es`; mapped at [`ENTRIES_BASE`].
    pub entries: [AtomicU64; 512],
    /// The code there; mapped at [`THUNKS_BASE`].
    pub thunks: [Thunk; MAX_SITES],
}

/// Where in a [`Thunk`] the plain call is, to which a thread without a way of its own goes on.
pub const THUNK_PLAIN: u64 = 24;
/// Where in a [`Thunk`] the address is at which the program goes on.
pub const THUNK_END: u64 = 40;

/// The code of one rewritten call.
#[repr(C, align(64))]
pub struct Thunk(pub [AtomicU64; 8]);

/// One host thread of a stub.
#[repr(C, align(64))]
pub struct Thread {
    /// Its host thread id, 0 before it runs.
    pub tid: AtomicU32,
    /// The slot whose context it carries; [`NO_SLOT`] is stored as 0, others plus one.
    pub current: AtomicU32,
    /// The slot, plus one, whose FPU state is in its registers.
    pub fpu_of: AtomicU32,
    /// The slot, plus one, to load next.
    pub chosen: AtomicU32,
    /// The processor that it was last seen on, plus one.
    pub processor: AtomicU32,
    _pad: u32,
    /// Where the slot is that it carries.
    pub slot_at: AtomicU64,
    /// The guest's stack pointer, while registers are stored.
    pub stack: AtomicU64,
    /// Where the guest goes on, while registers are loaded.
    pub resume_at: AtomicU64,
    /// The register that is loaded last, while registers are loaded.
    pub r11: AtomicU64,
}

/// What one stub tells the sentry. Hints, all of it.
///
/// A cache line that one processor writes and the other reads costs both a transfer, which takes up to
/// some 170 ns: what is looked at together lies together, and what only the stub needs, apart.
#[repr(C, align(4096))]
pub struct Report {
    /// Ready contexts taken so far.
    pub ready_head: AtomicU32,
    _pad0: [u32; 15],
    /// Threads waiting for ready contexts: asleep in the upper half, spinning in the lower.
    pub idle: AtomicU32,
    _pad1: [u32; 15],
    /// Operations performed so far, for the stub's own threads.
    pub ops_done: AtomicU32,
    /// Threads that wait for operations to be performed.
    pub ops_waiters: AtomicU32,
    /// Set once the process is locked down and waits for contexts.
    pub booted: AtomicU32,
    /// Not zero if calls can be rewritten: [`SITES_BASE`] could be mapped.
    pub has_sites: AtomicU32,
    _pad2: [u32; 12],
    /// One bit for each word of `events` that has a bit set.
    pub summary: [AtomicU64; MAX_SLOTS / 64 / 64],
    /// Not zero: an acknowledgement is in the pipe.
    pub attention: AtomicU64,
    /// One bit for each slot that has trapped: those of the first 192 are in the line of `summary`.
    pub events: [AtomicU64; MAX_SLOTS / 64],
    /// The host threads that carry contexts.
    pub threads: [Thread; MAX_THREADS],
}

/// One context.
#[repr(C, align(64))]
pub struct Slot {
    /// Not zero: load the FPU image before running.
    pub fpu_load: AtomicU32,
    /// Not zero: do not run, or stop running.
    pub interrupt: AtomicU32,
    /// Host thread that runs it, plus one; 0 when none does.
    pub thread: AtomicU32,
    /// Signal of the trap.
    pub signo: AtomicU32,
    /// Time-stamp counter when user code was entered.
    pub started: AtomicU64,
    /// `si_code`.
    pub code: AtomicU32,
    /// `si_arch` of a system call.
    pub arch: AtomicU32,
    /// `si_addr`.
    pub addr: AtomicU64,
    /// Hardware error code.
    pub err: AtomicU64,
    /// Exception number.
    pub trapno: AtomicU64,
    /// CR2.
    pub cr2: AtomicU64,
    /// General registers.
    pub regs: [AtomicU64; reg::COUNT],
    /// Time-stamp counter when user code was left.
    pub trapped: AtomicU64,
    /// Host thread, plus one, whose registers last held the FPU state.
    pub fpu_thread: AtomicU32,
    _pad0: u32,
    /// Where the stub's own code goes on at the end of loading registers.
    pub tail: AtomicU64,
    _pad1: [u32; 4],
}

/// Offset of the FPU image in a slot.
pub const XSAVE_OFFSET: usize = 320;
/// Bytes of a stub's region that it may only read.
pub const CONTROL_SIZE: u64 = size_of::<Control>() as u64;
/// Offset of the signal stacks from the start of [`Report`].
pub const STACKS_OFFSET: u64 = size_of::<Report>() as u64;
/// Offset of the slots from the start of [`Report`].
pub const SLOTS_OFFSET: u64 = STACKS_OFFSET + MAX_THREADS as u64 * STACK_SIZE;

const _: () = assert!(size_of::<Slot>() == XSAVE_OFFSET && XSAVE_OFFSET.is_multiple_of(64));
const _: () =
    assert!(size_of::<Control>() == 8192 + MAX_SLOTS * 4 + MAX_OPS * 32 + MAX_SITES * (8 + 64));
const _: () = assert!(core::mem::offset_of!(Control, sites).is_multiple_of(4096));
const _: () = assert!(core::mem::offset_of!(Control, thunks).is_multiple_of(4096));
const _: () = assert!(MAX_SITES * 8 == 4096 && (SITES_BASE >> 16) == 6);
const _: () = assert!(GUEST_START <= SITES_BASE && MAX_SELECTOR <= 512);
const _: () = assert!(THREAD_SELECTORS.len() <= MAX_THREADS && size_of::<Thread>() == 64);
const _: () = assert!(core::mem::offset_of!(Control, ready) == 4096);
const _: () = assert!(core::mem::offset_of!(Control, filter) == 192);
const _: () = assert!(core::mem::offset_of!(Report, summary) == 192);
const _: () = assert!(core::mem::offset_of!(Report, events) == 232);
const _: () = assert!(size_of::<Report>() == 8192);
const _: () = assert!(REPORT_BASE + SLOTS_OFFSET + MAX_SLOTS as u64 * 0x8000 < STUB_END);

impl Control {
    /// The ring of ready contexts.
    #[inline(always)]
    pub fn ready_ring<'a>(&'a self, report: &'a Report) -> Ready<'a> {
        let (tail, last, entries) = (&self.ready_tail, &self.ready_last, &self.ready);
        Ready { tail, last, entries, head: &report.ready_head, idle: &report.idle }
    }

    /// How far host operations are.
    #[inline(always)]
    pub fn progress<'a>(&'a self, report: &'a Report) -> Progress<'a> {
        let (done, waiters) = (&report.ops_done, &report.ops_waiters);
        Progress { tail: &self.ops_tail, done, waiters }
    }
}

impl Report {
    /// The contexts that have trapped.
    #[inline(always)]
    pub fn trapped(&self) -> Trapped<'_> {
        Trapped { summary: &self.summary, bits: &self.events }
    }
}

impl Slot {
    /// Asks for its cache lines, for whoever reads all of it soon and writes it after that.
    #[inline(always)]
    pub fn fetch(&self) {
        let at = (&raw const *self).cast::<i8>();
        for line in 0..XSAVE_OFFSET / 64 {
            // SAFETY: it only hints at addresses, which are in the slot.
            unsafe { _mm_prefetch::<_MM_HINT_ET0>(at.add(64 * line)) };
        }
    }

    /// Its interruption.
    #[inline(always)]
    pub fn interruption(&self) -> Interruption<'_> {
        Interruption { wanted: &self.interrupt, thread: &self.thread }
    }
}

/// In [`Command::done`]: the template has started and waits for its first request.
pub const STARTED: u32 = u32::MAX;

/// What the sentry asks of the template process.
#[repr(C, align(4096))]
pub struct Command {
    /// Requests so far; the template sleeps on it.
    pub seq: AtomicU32,
    /// The last request answered, or [`STARTED`].
    pub done: AtomicU32,
    /// Process id of the new stub, or a negated error number.
    pub result: AtomicU32,
    _pad: u32,
    /// Offset of the new stub's region in the file of regions.
    pub region: AtomicU64,
    /// Bytes of the region that the stub may write.
    pub report_size: AtomicU64,
}
