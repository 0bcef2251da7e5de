//! The syscall tables: complete by number, and an embedder's own beside them.

mod common;
use arch::{Arch, Os};
use common::{exited, nr};
use kernel::testkit::{DATA, Script, TEXT, World};
use kernel::{
    Args, Entry, LINUX_AARCH64, LINUX_X86_64, Outcome, Registry, SLOTS, Support, SyscallTable,
    TaskCx,
};
use std::collections::BTreeMap;
use syserr::Errno;

const ENOSYS: i64 = -38;

/// `#define __NR_name number` of a header of the host's C library.
fn header(path: &str, prefix: &str) -> BTreeMap<u64, String> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let line = |l: &str| {
        let (name, number) = l.strip_prefix(prefix)?.split_once(char::is_whitespace)?;
        Some((number.trim().parse().ok()?, name.to_string()))
    };
    text.lines().filter_map(line).collect()
}

#[test]
fn every_number_of_x86_64_has_its_name() {
    let known = header("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "#define __NR_");
    assert!(known.len() > 350);
    for (nr, name) in &known {
        assert_eq!(LINUX_X86_64.lookup(*nr).name, name, "{nr}");
    }
    // The header's gap is the table's, but for what is newer than the header.
    for nr in 0..=450 {
        if !known.contains_key(&nr) {
            let name = LINUX_X86_64.lookup(nr).name;
            assert!(name.is_empty() || name == "uretprobe" || name == "uprobe", "{nr}: {name}");
        }
    }
}

#[test]
fn every_number_of_arm64_has_its_name() {
    let path = "/usr/include/asm-generic/unistd.h";
    let mut known = header(path, "#define __NR_");
    known.extend(header(path, "#define __NR3264_").into_iter().map(|(nr, name)| {
        // Names of 64-bit machines, as at the end of the header.
        let name = if name == "fstatat" { "newfstatat".into() } else { name };
        (nr, name)
    }));
    // For machines of 32 bits; and what is no call.
    known.retain(|nr, name| {
        !(244..260).contains(nr) && !(403..424).contains(nr) && name != "syscalls"
    });
    assert!(known.len() > 290);
    for (nr, name) in &known {
        let name = match name.as_str() {
            "sync_file_range2" => "sync_file_range",
            other => other,
        };
        assert_eq!(LINUX_AARCH64.lookup(*nr).name, name, "{nr}");
    }
}

/// What is newer than the C library's headers.
#[test]
fn the_newest_numbers_are_the_same_on_both() {
    macro_rules! newest {
        ($($name:ident)*) => {
            [$((stringify!($name).trim_start_matches("__NR_"), linux_raw_sys::general::$name)),*]
        };
    }
    let newest = newest! {
        __NR_cachestat __NR_fchmodat2 __NR_map_shadow_stack __NR_futex_wake __NR_futex_wait
        __NR_futex_requeue __NR_statmount __NR_listmount __NR_lsm_get_self_attr
        __NR_lsm_set_self_attr __NR_lsm_list_modules __NR_mseal __NR_setxattrat __NR_getxattrat
        __NR_listxattrat __NR_removexattrat __NR_open_tree_attr __NR_file_getattr
        __NR_file_setattr
    };
    for ((name, number), expected) in newest.into_iter().zip(451..) {
        assert_eq!(number, expected);
        for table in Registry::LINUX.iter() {
            assert_eq!(table.lookup(number.into()).name, name);
        }
    }
}

/// Each call that is not there, each number without a call, and numbers beyond the table.
#[test]
fn what_is_not_there_is_enosys() {
    let mut s = Script::new();
    let mut calls = 0;
    let gaps = (0..SLOTS as u64).filter(|nr| match LINUX_X86_64.lookup(*nr).support {
        Support::None(why) => why.is_empty(),
        _ => false,
    });
    for nr in gaps.chain([SLOTS as u64, 4096, u64::from(u32::MAX), 1 << 30]) {
        s.call(nr, &[1, DATA, 8, DATA, 8, 0]);
        s.log_result();
        calls += 1;
    }
    s.call(nr::EXIT_GROUP, &[0]);
    let (status, log) = common::run(s);
    assert_eq!(status, exited(0));
    assert_eq!(log, vec![ENOSYS; calls]);
    assert!(calls > 150);
}

/// Counts the calls of a task in its auxiliary map.
fn count(cx: &mut TaskCx, _: &Args) -> Outcome {
    let n = cx.task.aux(|aux| match aux.get_mut::<u64>("count") {
        Some(n) => {
            *n += 1;
            *n
        }
        None => {
            aux.insert("count", 1u64);
            1
        }
    });
    Outcome::Done(Ok(n))
}

fn busy(_: &mut TaskCx, _: &Args) -> Outcome {
    Outcome::Done(Err(Errno::EBUSY))
}

const fn entry(name: &'static str, handler: kernel::Handler) -> Entry {
    Entry { name, args: &[], support: Support::Full, handler }
}

/// One added, one replaced, one hidden.
static MINE: SyscallTable = LINUX_X86_64
    .with(&[(500, entry("count", count)), (39, entry("getpid", busy))])
    .without(&["getppid"]);
static MINE_ONLY: Registry = Registry::new(&[&MINE, &LINUX_AARCH64]);

fn calls_of_mine() -> Script {
    let mut s = Script::new();
    for number in [nr::GETPID, nr::GETPPID, 500, 500] {
        s.call(number, &[]);
        s.log_result();
    }
    s.call(nr::FORK, &[]);
    // Both go on here: a task starts with an empty map.
    s.call(500, &[]);
    s.log_result();
    for _ in 0..8 {
        s.call(nr::YIELD, &[]);
    }
    s.call(nr::EXIT_GROUP, &[0]);
    s
}

#[test]
fn an_embedder_adds_replaces_and_hides() {
    let run = |tables| {
        let world = World::with(Arch::X86_64, calls_of_mine(), tables).expect("a world");
        world.write_program(b"/init", TEXT).expect("a program");
        assert_eq!(world.run(b"/init").expect("a process"), exited(0));
        let mut log = world.log();
        log[4..].sort();
        log
    };
    assert_eq!(run(MINE_ONLY), [-i64::from(Errno::EBUSY.number()), ENOSYS, 1, 2, 1, 3]);
    // Ours has not changed.
    assert_eq!(run(Registry::LINUX), [1, 0, ENOSYS, ENOSYS, ENOSYS, ENOSYS]);
    assert_eq!((MINE.number("count"), LINUX_X86_64.number("count")), (Some(500), None));
}

const OWN: Os = Os::Other(7);
/// Another operating system: three calls, of which one starts programs as Linux does.
static OWN_TABLE: SyscallTable = SyscallTable::new(
    OWN,
    Arch::X86_64,
    &[
        (0, entry("count", count)),
        (1, *LINUX_X86_64.lookup(nr::EXECVE)),
        (2, *LINUX_X86_64.lookup(nr::EXIT_GROUP)),
    ],
);
static WITH_OWN: Registry = Registry::new(&[&OWN_TABLE, &LINUX_X86_64]);

#[test]
fn an_operating_system_of_their_own() {
    let mut s = Script::new();
    s.call(0, &[]);
    s.log_result();
    s.store(DATA, b"/next\0");
    s.call(1, &[DATA, 0, 0]);
    let next = s.here();
    s.call(0, &[]);
    s.log_result();
    s.call(nr::GETPID, &[]);
    s.log_result();
    s.call(2, &[5]);
    let world = World::with(Arch::X86_64, s, WITH_OWN).expect("a world");
    world.write_program(b"/init", TEXT).expect("a program");
    world.write_program(b"/next", next).expect("a program");
    assert_eq!(world.run_for(OWN, b"/init").expect("a process"), exited(5));
    // The task and its map stay; so does the operating system.
    assert_eq!(world.log(), [1, 2, ENOSYS]);
}

#[test]
fn an_operating_system_that_nobody_knows() {
    let world = World::with(Arch::X86_64, Script::new(), WITH_OWN).expect("a world");
    world.write_program(b"/init", TEXT).expect("a program");
    let e = world.run_for(Os::Other(8), b"/init").expect_err("no table");
    assert_eq!((e.to_string().as_str(), e.errno()), ("no syscall table found", Errno::ENOEXEC));
}
