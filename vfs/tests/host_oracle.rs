//! The same random calls on our file systems and, by real system calls, on a directory of the host:
//! results, errnos and contents agree, and an overlay never changes what lies beneath it.

#[path = "../../arch/tests/common/oracle.rs"]
mod oracle;
mod support;

use oracle::Oracle;
use proptest::prelude::*;
use support::oracle::{Kind, Op, op, run};

fn ops() -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(op(), 0..40)
}

/// Calls before an overlay is made, or just before, and calls after, as root or as `user`.
fn agree(name: &'static str, kind: Kind, user: Option<u32>) {
    // Only root can become somebody else.
    let possible = user.is_none() || rustix::process::geteuid().is_root();
    let mut oracle = Oracle::new(name, 256);
    if possible {
        oracle.run(&(ops(), ops()), |(before, after)| {
            run(kind, &before, &after, user).err().map(|e| e.to_string())
        });
    }
    oracle.finish();
}

#[test]
fn tmpfs_agrees_with_the_host() {
    agree("tmpfs", Kind::Tmpfs, None);
}

#[test]
fn tmpfs_agrees_with_the_host_without_privilege() {
    agree("tmpfs without privilege", Kind::Tmpfs, Some(1000));
}

#[test]
fn an_overlay_agrees_with_the_host() {
    agree("overlay", Kind::Overlay, None);
}

#[test]
fn an_overlay_agrees_with_the_host_without_privilege() {
    agree("overlay without privilege", Kind::Overlay, Some(1000));
}
