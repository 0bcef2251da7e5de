//! Rewriting a program's hot system calls, for a platform that has a shorter way for them.

use super::TaskCx;
use crate::CallCode;
use arch::{Addr, PAGE_SIZE, Permissions, UserMemory};

/// Rewrites the call that ends at `end`, in this process's own copy of the page. Only program text
/// that the program itself cannot write is touched. A program that is traced is left as it is.
pub(super) fn rewrite(cx: &mut TaskCx, end: Addr) {
    let Some(mm) = cx.image.memory_manager() else { return };
    let mut code = CallCode::default();
    let start = Addr(end.0.wrapping_sub(code.len() as u64));
    let one_page = start.0 / PAGE_SIZE == (end.0 - 1) / PAGE_SIZE;
    if cx.task.is_traced() || !one_page || !mm.is_program_text(start) {
        return;
    }
    if mm.copy_in(start, &mut code, Permissions::Obey).is_err() {
        return;
    }
    if let Some(new) = cx.context.rewrite_call(mm.address_space(), end, &code) {
        // Without memory for the copy, the call stays as it is.
        let _ = mm.replace_text(start, &code, &new);
    }
}
