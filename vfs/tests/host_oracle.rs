//! The same random calls on our file systems and, by real system calls, on a directory of the host:
//! results, errnos and contents agree, and an overlay never changes what lies beneath it.

mod support;

use proptest::prelude::*;
use support::oracle::{Kind, Op, op, run};

fn ops() -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(op(), 0..40)
}

/// Only root can become somebody else.
fn root() -> bool {
    rustix::process::geteuid().is_root()
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 4000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn tmpfs_agrees_with_the_host(ops in ops()) {
        run(Kind::Tmpfs, &[], &ops, None)?;
    }

    #[test]
    fn tmpfs_agrees_with_the_host_without_privilege(ops in ops()) {
        if root() {
            run(Kind::Tmpfs, &[], &ops, Some(1000))?;
        }
    }

    #[test]
    fn an_overlay_agrees_with_the_host(before in ops(), after in ops()) {
        run(Kind::Overlay, &before, &after, None)?;
    }

    #[test]
    fn an_overlay_agrees_with_the_host_without_privilege(before in ops(), after in ops()) {
        if root() {
            run(Kind::Overlay, &before, &after, Some(1000))?;
        }
    }
}
