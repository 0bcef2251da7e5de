//! `/proc/PID/status` and `smaps_rollup`.

use super::stat::state;
use crate::{Kernel, PidNamespace, Resource, Task};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use arch::Addr;
use vfs::UserNs;

/// `1,3-5` of a set of processors.
fn list(mask: u64) -> String {
    let mut out = String::new();
    let mut cpu = 0;
    while cpu < 64 {
        if mask >> cpu & 1 == 0 {
            cpu += 1;
            continue;
        }
        let run = (!(mask >> cpu)).trailing_zeros().min(64 - cpu);
        if !out.is_empty() {
            out.push(',');
        }
        out += &match run {
            1 => format!("{cpu}"),
            n => format!("{cpu}-{}", cpu + n - 1),
        };
        cpu += run;
    }
    out
}

pub(super) fn status(kernel: &Kernel, task: &Task, reader: &UserNs, ns: &PidNamespace) -> Vec<u8> {
    let group = task.group_ref();
    let (letter, word) = state(kernel, task);
    let c = task.creds();
    let (uid, gid) = (|id| reader.show_uid(id), |id| reader.show_gid(id));
    let (files, fs) = {
        let r = task.resources.lock();
        (r.files.clone(), r.fs.clone())
    };
    let number = |id| ns.number_of(id);
    let mut name = b"Name:\t".to_vec();
    // As in `proc_task_name`, so that a name is one line.
    name.extend(task.comm().as_bytes().iter().flat_map(|b| match b {
        b'\n' => b"\\n".as_slice(),
        b'\\' => b"\\\\",
        b => core::slice::from_ref(b),
    }));
    name.push(b'\n');
    let used = task.cpu_times();
    let mut out = String::new();
    if let Some(fs) = fs {
        out += &format!("Umask:\t{:04o}\n", fs.umask());
    }
    out += &format!(
        "State:\t{letter} ({word})\nTgid:\t{}\nNgid:\t0\nPid:\t{}\nPPid:\t{}\nTracerPid:\t{}\n\
         Uid:\t{}\t{}\t{}\t{}\nGid:\t{}\t{}\t{}\t{}\nFDSize:\t{}\nGroups:\t",
        number(task.tgid()),
        number(task.tid()),
        number(group.ppid()),
        number(task.tracer_tid()),
        uid(c.uid),
        uid(c.euid),
        uid(c.suid),
        uid(c.fsuid),
        gid(c.gid),
        gid(c.egid),
        gid(c.sgid),
        gid(c.fsgid),
        files.map_or(0, |f| f.capacity().max(64)),
    );
    let groups: Vec<String> = c.groups.iter().map(|g| format!("{}", gid(*g))).collect();
    out += &groups.join(" ");
    // Also behind the last one, and behind none.
    out.push(' ');
    // In the namespace that is looked into, and in each from there to the task's own.
    let ids = [task.tgid(), task.tid(), group.pgid(), group.sid()];
    for (line, id) in ["\nNStgid:", "\nNSpid:", "\nNSpgid:", "\nNSsid:"].into_iter().zip(ids) {
        out += line;
        for number in ns.numbers_down_to(task.pid_ns(), id) {
            out += &format!("\t{number}");
        }
    }
    out += "\nKthread:\t0\n";
    memory(task, &mut out);
    signals(task, &mut out);
    let (mode, filters) = {
        let s = task.seccomp.lock();
        (s.mode(), s.filters())
    };
    let cpus = kernel.embedder().platform.cpus().min(64) as u32;
    let all = u64::MAX >> (64 - cpus.max(1));
    let allowed = task.policy.lock().affinity & all;
    out += &format!(
        "CapInh:\t{:016x}\nCapPrm:\t{:016x}\nCapEff:\t{:016x}\nCapBnd:\t{:016x}\nCapAmb:\t{:016x}\n\
         NoNewPrivs:\t{}\nSeccomp:\t{mode}\nSeccomp_filters:\t{filters}\n\
         Speculation_Store_Bypass:\tvulnerable\nSpeculationIndirectBranch:\talways enabled\n\
         Cpus_allowed:\t{allowed:x}\nCpus_allowed_list:\t{}\nMems_allowed:\t1\n\
         Mems_allowed_list:\t0\nvoluntary_ctxt_switches:\t{}\nnonvoluntary_ctxt_switches:\t{}\n",
        c.inheritable,
        c.permitted,
        c.effective,
        c.bounding,
        c.ambient,
        u8::from(c.no_new_privs),
        list(allowed),
        used.waits,
        used.interruptions,
    );
    name.extend(out.into_bytes());
    name
}

fn memory(task: &Task, out: &mut String) {
    let Some(mm) = task.mm() else { return };
    let s = mm.stats();
    let code = mm.meta().code.len();
    let lines = [
        ("VmPeak", s.peak_size),
        ("VmSize", s.size),
        ("VmLck", s.locked),
        ("VmPin", s.pinned),
        ("VmHWM", s.peak_rss),
        ("VmRSS", s.rss),
        ("RssAnon", s.rss_anon),
        ("RssFile", s.rss_file),
        ("RssShmem", 0),
        ("VmData", s.data),
        ("VmStk", s.stack),
        ("VmExe", code),
        ("VmLib", s.exec.saturating_sub(code)),
        ("VmPTE", 0),
        ("VmSwap", 0),
    ];
    for (name, bytes) in lines {
        *out += &format!("{name}:\t{:8} kB\n", bytes / 1024);
    }
    *out += &format!(
        "HugetlbPages:\t       0 kB\nCoreDumping:\t{}\nTHP_enabled:\t1\n\
         untag_mask:\t0xffffffffffffffff\n",
        u8::from(task.group_ref().lock().dump.is_some()),
    );
}

fn signals(task: &Task, out: &mut String) {
    let group = task.group_ref();
    let handlers = group.handlers();
    let (shared, queued) = {
        let state = group.lock();
        (state.pending.set(), state.pending.len())
    };
    *out += &format!(
        "Threads:\t{}\nSigQ:\t{queued}/{}\nSigPnd:\t{:016x}\nShdPnd:\t{:016x}\nSigBlk:\t{:016x}\n\
         SigIgn:\t{:016x}\nSigCgt:\t{:016x}\n",
        group.thread_count().max(1),
        task.limit(Resource::Sigpending).0,
        task.private_pending().0,
        shared.0,
        task.blocked().0,
        handlers.ignored().0,
        handlers.caught().0,
    );
}

/// Sums of `smaps`.
pub(super) fn rollup(task: &Task) -> Vec<u8> {
    let Some(mm) = task.mm() else { return Vec::new() };
    let (mut first, mut end) = (None, Addr::NULL);
    let (mut rss, mut pss, mut shared, mut anonymous, mut referenced) = (0, 0, 0, 0, 0);
    loop {
        let vmas = mm.vmas_from(end, 64, true);
        let Some(last) = vmas.last() else { break };
        end = last.range.end;
        for v in &vmas {
            first.get_or_insert(v.range.start);
            rss += v.resident / 1024;
            referenced += v.referenced / 1024;
            pss += v.proportional / 1024;
            shared += v.shared / 1024;
            anonymous += v.anonymous / 1024;
        }
    }
    let Some(first) = first else { return Vec::new() };
    let mut out = format!(
        "{:08x}-{:08x} ---p 00000000 00:00 0                                  [rollup]\n",
        first.0, end.0
    );
    let lines = [
        ("Rss", rss),
        ("Pss", pss),
        ("Shared_Clean", shared),
        ("Shared_Dirty", 0),
        ("Private_Clean", 0),
        ("Private_Dirty", rss - shared.min(rss)),
        ("Referenced", referenced),
        ("Anonymous", anonymous),
        ("Swap", 0),
        ("SwapPss", 0),
        ("Locked", 0),
    ];
    for (name, kb) in lines {
        out += &format!("{:<16}{kb:8} kB\n", format!("{name}:"));
    }
    out.into_bytes()
}
