//! Rewriting a program's hot system calls, for a platform that has a shorter way for them.

use super::TaskCx;
use arch::{Addr, PAGE_SIZE, Permissions, UserMemory};

/// How much of the text before the end of a call, and behind it, a platform gets to see, in bytes.
const BEFORE: u64 = 16;
const BEHIND: u64 = 144;

/// Rewrites the call that ends at `end`, in this process's own copy of the page. Only program text
/// that the program itself cannot write is touched. A program that is traced is left as it is.
pub(super) fn rewrite(cx: &mut TaskCx, end: Addr) {
    let Some(mm) = cx.image.memory_manager() else { return };
    if cx.task.is_traced() || !mm.is_program_text(Addr(end.0.wrapping_sub(1))) {
        return;
    }
    let page = Addr(end.0 - 1).round_down();
    let start = Addr(end.0.saturating_sub(BEFORE).max(page.0));
    let stop = end.0.saturating_add(BEHIND).min(page.0.saturating_add(PAGE_SIZE));
    let mut old = [0; (BEFORE + BEHIND) as usize];
    let Some(old) = old.get_mut(..(stop - start.0) as usize) else { return };
    if mm.copy_in(start, old, Permissions::Obey).is_err() {
        return;
    }
    let mut new = [0; (BEFORE + BEHIND) as usize];
    let Some(new) = new.get_mut(..old.len()) else { return };
    new.copy_from_slice(old);
    let at = (end.0 - start.0) as usize;
    if cx.context.rewrite_call(mm.address_space(), end, new, at) {
        // Without memory for the copy, the call stays as it is.
        let _ = mm.replace_text(start, old, new);
    }
}
