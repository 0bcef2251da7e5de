//! Which flags of clone(2) go together. The expectations are those of the host kernel (6.18).

use kernel::clone::{CloneArgs, CloneFlags as F};
use syserr::Errno;

fn check(flags: F, exit_signal: u32, is_clone3: bool, is_init: bool) -> Result<(), Errno> {
    let args = CloneArgs {
        flags,
        exit_signal,
        stack_top: 0,
        parent_tid: 8,
        child_tid: 0,
        pidfd: 8,
        tls: 0,
        set_tid: &[],
        cgroup: None,
        is_clone3,
    };
    args.validate(is_init)
}

#[test]
fn combinations() {
    const INVALID: Result<(), Errno> = Err(Errno::EINVAL);
    const THREAD: F = F::VM.union(F::SIGHAND).union(F::THREAD);
    let cases = [
        (F::empty(), 17, false, Ok(())),
        (THREAD, 0, false, Ok(())),
        (THREAD, 17, false, Ok(())),
        (THREAD, 17, true, INVALID),
        (F::THREAD, 0, false, INVALID),
        (F::THREAD | F::SIGHAND, 0, false, INVALID),
        (F::SIGHAND, 0, false, INVALID),
        (F::SIGHAND | F::VM, 0, false, Ok(())),
        (F::VM | F::SIGHAND | F::CLEAR_SIGHAND, 0, true, INVALID),
        (F::CLEAR_SIGHAND, 17, true, Ok(())),
        (F::PIDFD | F::PARENT_SETTID, 17, false, INVALID),
        (F::PIDFD | F::PARENT_SETTID, 17, true, INVALID),
        (F::PIDFD | F::DETACHED, 17, false, INVALID),
        (F::DETACHED, 17, false, Ok(())),
        (F::DETACHED, 17, true, INVALID),
        (F::PARENT, 17, true, INVALID),
        (F::PARENT, 17, false, Ok(())),
        (F::NEWNS | F::FS, 17, false, INVALID),
        (F::NEWUSER | F::FS, 17, false, INVALID),
        (F::INTO_CGROUP, 17, true, Ok(())),
        (F::empty(), 65, true, INVALID),
        (F::NEWUSER | F::THREAD | F::SIGHAND | F::VM, 0, false, INVALID),
        (F::NEWPID | F::THREAD | F::SIGHAND | F::VM, 0, false, INVALID),
        (F::NEWNET | F::NEWPID, 17, false, Ok(())),
    ];
    for (flags, signal, clone3, expected) in cases {
        assert_eq!(check(flags, signal, clone3, false), expected, "{flags:?} clone3: {clone3}");
    }
    assert_eq!(check(F::PARENT, 17, false, true), INVALID);
}
