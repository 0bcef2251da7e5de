//! `--trace`: system calls as they happen, one line each, decoded from the syscall tables.

mod format;
mod names;
mod structs;
mod text;

use kernel::table::{Args, Entry};
use kernel::{SyscallTracer, TaskCx};
use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::sync::Mutex;
use syserr::Errno;

/// Prints calls as strace(1) does: decoded when the call begins, except what it writes.
pub(crate) struct Tracer {
    /// Names to print; everything if empty.
    only: HashSet<String>,
    state: Mutex<State>,
}

struct State {
    out: Box<dyn Write + Send>,
    /// The calls that are under way, by thread.
    begun: HashMap<i32, Begun>,
}

/// What was decoded when a call began.
struct Begun {
    /// Thread and name.
    head: String,
    /// `None` for what can be read only afterwards.
    args: Vec<Option<String>>,
}

impl Tracer {
    /// Prints to `out` the calls named in the comma-separated `list`, all if it is empty.
    pub(crate) fn new(list: &str, out: Box<dyn Write + Send>) -> Tracer {
        let only =
            list.split(',').map(str::trim).filter(|n| !n.is_empty()).map(Into::into).collect();
        Tracer { only, state: Mutex::new(State { out, begun: HashMap::new() }) }
    }

    fn wanted(&self, entry: &Entry) -> bool {
        self.only.is_empty() || self.only.contains(entry.name)
    }
}

impl SyscallTracer for Tracer {
    fn enter(&self, cx: &TaskCx, nr: u64, entry: &Entry, args: &Args) {
        if !self.wanted(entry) {
            return;
        }
        let tid = cx.task.tid();
        let head = match entry.is_present() {
            true => format!("[{tid}] {}", entry.name),
            false => format!("[{tid}] syscall_{nr:#x}"),
        };
        let shown = entry.args.iter().take(format::arity(entry, args));
        let decoded = shown.enumerate().map(|(i, arg)| {
            let mut text = String::new();
            format::input(&mut text, *arg, i, args, &**cx.mm());
            (!arg.is_output()).then_some(text)
        });
        let begun = Begun { head, args: decoded.collect() };
        let returns = !matches!(entry.name, "exit" | "exit_group" | "rt_sigreturn");
        let mut state = lock(&self.state);
        if returns {
            state.begun.insert(tid, begun);
        } else {
            let args: Vec<_> = begun.args.into_iter().flatten().collect();
            state.print(&begun.head, &args, "?");
        }
    }

    fn exit(
        &self,
        cx: &TaskCx,
        _: u64,
        entry: &Entry,
        args: &Args,
        result: Option<Result<u64, Errno>>,
    ) {
        let mut state = lock(&self.state);
        let Some(Begun { head, args: begun }) = state.begun.remove(&cx.task.tid()) else { return };
        let mut shown = Vec::new();
        for (i, (arg, text)) in entry.args.iter().zip(begun).enumerate() {
            shown.push(text.unwrap_or_else(|| {
                let mut text = String::new();
                match result {
                    Some(Ok(n)) => format::output(&mut text, *arg, i, args, n, &**cx.mm()),
                    _ => format::input(&mut text, *arg, i, args, &**cx.mm()),
                }
                text
            }));
        }
        let mut value = String::new();
        match result {
            // The registers are the new program's.
            None if matches!(entry.name, "execve" | "execveat") => value.push('0'),
            None => value.push('?'),
            Some(Ok(v)) => format::result(&mut value, entry.name, v),
            Some(Err(e)) => text::push(&mut value, format_args!("-1 {e:?} ({e})")),
        }
        state.print(&head, &shown, &value);
    }
}

impl State {
    fn print(&mut self, head: &str, args: &[String], result: &str) {
        let call = format!("{head}({})", args.join(", "));
        // Nobody is told that the trace cannot be written: the guest goes on.
        let _ = writeln!(self.out, "{call:<39} = {result}");
    }
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(|e| e.into_inner())
}
