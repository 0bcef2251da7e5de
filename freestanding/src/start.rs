//! What a C library would have done: entry, memory, the end.

use core::alloc::{GlobalAlloc, Layout};
use core::arch::{asm, global_asm};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

global_asm!(
    ".globl _start",
    "_start:",
    "xor ebp, ebp",
    "and rsp, -16",
    "call {main}",
    "ud2",
    main = sym main
);

extern "C" fn main() -> ! {
    exit(crate::run().err().unwrap_or(0))
}

pub(crate) fn exit(code: i32) -> ! {
    // SAFETY: exit_group(2) does not return.
    unsafe { asm!("syscall", in("rax") 231, in("rdi") code, options(noreturn)) }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    exit(101)
}

const HEAP: usize = 8 << 20;

/// Gives memory from one array and takes none back: the process is short.
struct Bump;

#[repr(align(4096))]
struct Heap(core::cell::UnsafeCell<[u8; HEAP]>);

// SAFETY: every byte is handed out once, by an atomic counter.
unsafe impl Sync for Heap {}

static MEMORY: Heap = Heap(core::cell::UnsafeCell::new([0; HEAP]));
static NEXT: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Bump = Bump;

// SAFETY: blocks are inside the array, aligned, and never overlap.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = NEXT.fetch_add(layout.size() + layout.align(), Relaxed);
        let aligned = start.next_multiple_of(layout.align());
        if aligned + layout.size() > HEAP {
            return core::ptr::null_mut();
        }
        // SAFETY: the block lies inside the array.
        unsafe { MEMORY.0.get().cast::<u8>().add(aligned) }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}
