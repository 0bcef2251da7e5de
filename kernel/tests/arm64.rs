//! What an arm64 guest sees that an x86-64 guest sees differently.

mod common;
use arch::Arch;
use common::exited;
use kernel::testkit::{DATA, Script, TEXT, World};
use kernel::{LINUX_AARCH64, Registry};

const O_DIRECTORY: u64 = 0o40000;
const O_NOFOLLOW: u64 = 0o100000;
const O_DIRECT: u64 = 0o200000;
const O_LARGEFILE: u64 = 0o400000;
const AT_FDCWD: u64 = -100i64 as u64;

struct Guest {
    script: Script,
}

impl Guest {
    fn call(&mut self, name: &str, args: &[u64]) {
        self.script.call(LINUX_AARCH64.number(name).expect("a call"), args);
        self.script.log_result();
    }

    fn run(mut self) -> Vec<i64> {
        self.script.call(LINUX_AARCH64.number("exit_group").expect("a call"), &[0]);
        let world = World::with(Arch::Aarch64, self.script, Registry::LINUX).expect("a world");
        world.write_program(b"/init", TEXT).expect("a program");
        assert_eq!(world.run(b"/init").expect("a process"), exited(0));
        world.log()
    }
}

fn guest() -> Guest {
    let mut script = Script::new();
    script.store(DATA, b"/init\0");
    script.store(DATA + 16, b"/\0");
    script.store(DATA + 32, b"/link\0");
    Guest { script }
}

const INIT: u64 = DATA;
const ROOT: u64 = DATA + 16;
const LINK: u64 = DATA + 32;

#[test]
fn flags_of_open_have_the_numbers_of_arm64() {
    let mut g = guest();
    g.call("openat", &[AT_FDCWD, INIT, O_DIRECTORY, 0]);
    g.call("openat", &[AT_FDCWD, ROOT, O_DIRECTORY, 0]);
    g.call("symlinkat", &[INIT, AT_FDCWD, LINK]);
    g.call("openat", &[AT_FDCWD, LINK, O_NOFOLLOW, 0]);
    g.call("openat", &[AT_FDCWD, LINK, 0, 0]);
    // ENOTDIR, a descriptor, made, ELOOP, a descriptor.
    assert_eq!(g.run(), [-20, 0, 0, -40, 1]);
}

#[test]
fn flags_come_back_as_they_were_given() {
    const F_GETFL: u64 = 3;
    let mut g = guest();
    g.call("openat", &[AT_FDCWD, ROOT, O_DIRECTORY, 0]);
    g.call("fcntl", &[0, F_GETFL]);
    g.call("pipe2", &[DATA + 64, O_DIRECT]);
    g.call("fcntl", &[1, F_GETFL]);
    g.call("pipe2", &[DATA + 64, O_DIRECTORY]);
    let kept = (O_DIRECTORY | O_LARGEFILE) as i64;
    assert_eq!(g.run(), [0, kept, 0, O_DIRECT as i64, -22]);
}

#[test]
fn openat2_takes_the_numbers_of_arm64() {
    let mut g = guest();
    g.script.store(DATA + 64, &O_NOFOLLOW.to_le_bytes());
    g.script.store(DATA + 72, &[0; 16]);
    g.call("openat2", &[AT_FDCWD, INIT, DATA + 64, 24]);
    g.script.store(DATA + 64, &O_DIRECTORY.to_le_bytes());
    g.call("openat2", &[AT_FDCWD, INIT, DATA + 64, 24]);
    assert_eq!(g.run(), [0, -20]);
}

/// `include/uapi/asm-generic/stat.h`: the mode at byte 16, links at 20, size at 48.
#[test]
fn stat_is_the_generic_one() {
    let mut g = guest();
    // Guards behind its 128 bytes.
    g.script.store(DATA + 128 + 128, &[0x5a; 8]);
    g.call("newfstatat", &[AT_FDCWD, INIT, DATA + 128, 0]);
    g.script.log_word(DATA + 128 + 16);
    g.script.log_word(DATA + 128 + 48);
    g.script.log_word(DATA + 128 + 128);
    let size = kernel::testkit::elf(183, TEXT).len() as i64;
    let mode = 0o100755 | 1 << 32;
    assert_eq!(g.run(), [0, mode, size, 0x5a5a_5a5a_5a5a_5a5a]);
}

/// clone(2) has `tls` before `child_tid`.
#[test]
fn clone_takes_its_arguments_in_the_order_of_arm64() {
    const VM_THREAD: u64 = 0x100 | 0x800 | 0x10000;
    const SETTLS: u64 = 0x80000;
    const CHILD_SETTID: u64 = 0x0100_0000;
    let mut g = guest();
    let flags = VM_THREAD | SETTLS | CHILD_SETTID;
    let number = LINUX_AARCH64.number("clone").expect("a call");
    g.script.call(number, &[flags, DATA + 0x2000, 0, 0x1234_5000, DATA + 512]);
    let child = g.script.jump_if_zero();
    let yields = LINUX_AARCH64.number("sched_yield").expect("a call");
    for _ in 0..8 {
        g.script.call(yields, &[]);
    }
    g.script.log_word(DATA + 512);
    g.script.call(LINUX_AARCH64.number("exit_group").expect("a call"), &[0]);
    *child.lock() = g.script.here();
    g.script.step(|guest| {
        guest.log(guest.regs.as_aarch64().map_or(-1, |c| c.tls as i64));
        Ok(kernel::testkit::Next::Go)
    });
    g.script.call(LINUX_AARCH64.number("exit").expect("a call"), &[0]);
    let mut log = g.run();
    log.sort();
    assert_eq!(log, [2, 0x1234_5000]);
}
