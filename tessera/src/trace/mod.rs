//! `--trace`: system calls as they happen, one line each, decoded from the syscall tables.

mod format;

use arch::UserMemory;
use kernel::table::{Arg, Args, Entry};
use kernel::{SyscallTracer, TaskCx};
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
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
    /// What was decoded of the calls that are under way, by thread.
    begun: HashMap<i32, String>,
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
        let mut line = format!("[{tid}] ");
        match entry.is_present() {
            true => line.push_str(entry.name),
            false => drop(write!(line, "syscall_{nr:#x}")),
        }
        line.push('(');
        for (i, (arg, value)) in entry.args.iter().zip(args).enumerate() {
            if i > 0 {
                line.push_str(", ");
            }
            if *arg == Arg::Out {
                line.push(OUT);
                continue;
            }
            let next = args.get(i + 1).copied().unwrap_or(0);
            format::argument(&mut line, *arg, *value, next, &**cx.mm());
        }
        line.push(')');
        let returns = !matches!(entry.name, "exit" | "exit_group" | "rt_sigreturn");
        let mut state = lock(&self.state);
        if returns {
            state.begun.insert(tid, line);
        } else {
            state.print(&line, "?");
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
        let Some(mut line) = state.begun.remove(&cx.task.tid()) else { return };
        if let Some(i) = entry.args.iter().position(|a| *a == Arg::Out) {
            let shown = written(args[i], result, &**cx.mm());
            line = line.replace(OUT, &shown);
        }
        let result = match result {
            None => "?".into(),
            Some(Ok(v)) if v > 0xffff_ffff => format!("{v:#x}"),
            Some(Ok(v)) => format!("{v}"),
            Some(Err(e)) => format!("-1 {e:?} ({e})"),
        };
        state.print(&line, &result);
    }
}

/// Stands for a buffer until the call has filled it; no decoded argument contains it.
const OUT: char = '\u{0}';

/// What a call wrote, or the buffer's address if it failed.
fn written(at: u64, result: Option<Result<u64, Errno>>, mem: &dyn UserMemory) -> String {
    let mut out = String::new();
    match result {
        Some(Ok(n)) => format::output(&mut out, at, n, mem),
        _ => drop(write!(out, "{at:#x}")),
    }
    out
}

impl State {
    fn print(&mut self, call: &str, result: &str) {
        // Nobody is told that the trace cannot be written: the guest goes on.
        let _ = writeln!(self.out, "{call} = {result}");
    }
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(|e| e.into_inner())
}
