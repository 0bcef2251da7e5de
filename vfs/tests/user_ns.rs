//! User namespaces: whose capabilities count where, who may make one, and who may write which map.
#![allow(missing_docs)]

mod support;

use proptest::prelude::*;
use std::sync::Arc;
use support::env;
use syserr::Errno;
use vfs::{Creds, Env, IdKind, UserNs, cap};

/// In `ns`, with the IDs `uid` and every capability.
fn admin(uid: u32, ns: &UserNs) -> Creds {
    Creds::user(uid, uid, &[]).entering(ns.clone())
}

/// A namespace that knows the IDs below 100 as its parent does.
fn made(env: &Arc<Env>, uid: u32, parent: &UserNs) -> UserNs {
    let ns = UserNs::create(&admin(uid, parent), env).expect("there may be more");
    for kind in [IdKind::User, IdKind::Group] {
        ns.write_map(kind, b"0 0 100\n", &admin(0, parent)).expect("whoever is root there may");
    }
    ns
}

/// What `cap_capable` of security/commoncap.c does, over a list of parents and owners.
fn model(all: &[(usize, u32)], me: usize, uid: u32, has: bool, target: usize) -> bool {
    let mut at = target;
    loop {
        if at == me {
            return has;
        }
        if at == 0 {
            return false;
        }
        let (parent, owner) = all[at];
        if parent == me && owner == uid {
            return true;
        }
        at = parent;
    }
}

proptest! {
    #[test]
    fn capabilities_count_where_linux_counts_them(
        makers in prop::collection::vec((any::<prop::sample::Index>(), 0u32..3), 1..12),
        asked in prop::collection::vec((any::<prop::sample::Index>(), 0u32..3, any::<bool>(), any::<prop::sample::Index>()), 20),
    ) {
        let env = env().1;
        let (mut all, mut spaces) = (vec![(0, 0)], vec![UserNs::INITIAL]);
        for (parent, uid) in makers {
            let parent = parent.index(spaces.len());
            spaces.push(made(&env, uid, &spaces[parent]));
            all.push((parent, uid));
        }
        for (me, uid, has, target) in asked {
            let (me, target) = (me.index(spaces.len()), target.index(spaces.len()));
            let effective = if has { 1 << cap::KILL } else { 0 };
            let creds = Creds { effective, ..admin(uid, &spaces[me]) };
            let expected = model(&all, me, uid, has, target);
            prop_assert_eq!(creds.has_in(&spaces[target], cap::KILL), expected);
            prop_assert_eq!(creds.has(cap::KILL), me == 0 && has);
        }
    }
}

#[test]
fn levels_and_numbers_are_bounded() {
    let env = env().1;
    let mut ns = UserNs::INITIAL;
    for _ in 0..33 {
        ns = made(&env, 7, &ns);
    }
    assert_eq!(UserNs::create(&admin(7, &ns), &env), Err(Errno::ENOSPC));
    // Whoever made the outermost one pays for all.
    env.user_namespaces().set_most(33);
    assert_eq!(UserNs::create(&admin(7, &UserNs::INITIAL), &env), Err(Errno::ENOSPC));
    let other = UserNs::create(&admin(8, &UserNs::INITIAL), &env);
    assert!(other.is_ok());
    drop(ns);
    assert!(UserNs::create(&admin(7, &UserNs::INITIAL), &env).is_ok());
}

#[test]
fn who_is_not_known_makes_none() {
    let env = env().1;
    let ns = UserNs::create(&admin(7, &UserNs::INITIAL), &env).expect("the first");
    assert_eq!(UserNs::create(&admin(7, &ns), &env), Err(Errno::EPERM));
    assert_eq!((ns.show_uid(7), ns.uid_in(0)), (vfs::OVERFLOW_ID, None));
}

#[test]
fn a_user_maps_itself_and_nobody_else() {
    let env = env().1;
    let user = Creds::user(1000, 1000, &[]);
    let ns = UserNs::create(&user, &env).expect("the first");
    let inside = user.entering(ns.clone());
    let write = |kind, text: &[u8], who: &Creds| ns.write_map(kind, text, who);
    for text in [&b"0 0 1"[..], b"0 1001 1", b"0 1000 2", b"0 1000 1\n1 1001 1"] {
        assert_eq!(write(IdKind::User, text, &inside), Err(Errno::EPERM));
    }
    // Somebody else, who has nothing to say here.
    assert_eq!(write(IdKind::User, b"0 1001 1", &Creds::user(1001, 1001, &[])), Err(Errno::EPERM));
    assert_eq!(write(IdKind::User, b"0 1000 1", &inside), Ok(()));
    assert_eq!(write(IdKind::User, b"0 1000 1", &inside), Err(Errno::EPERM));
    // Groups that keep others out could be left.
    assert_eq!(write(IdKind::Group, b"0 1000 1", &inside), Err(Errno::EPERM));
    assert_eq!(ns.write_setgroups(b"deny"), Ok(()));
    assert_eq!(write(IdKind::Group, b"0 1000 1", &inside), Ok(()));
    assert_eq!(ns.write_setgroups(b"allow"), Err(Errno::EPERM));
    assert!(!ns.may_set_groups());
    assert_eq!(ns.map_text(IdKind::User, &ns), "         0       1000          1\n");
    // As somebody inside of it sees it who made another.
    let below = UserNs::create(&Creds { euid: 1000, ..inside }, &env).expect("it is known");
    assert_eq!(ns.map_text(IdKind::User, &below), "         0 4294967295          1\n");
}

#[test]
fn root_of_outside_is_mapped_by_who_may_give_files_its_capabilities() {
    let env = env().1;
    let root = Creds::root();
    let without = Creds { effective: cap::ALL & !(1 << cap::SETFCAP), ..root.clone() };
    let ns = UserNs::create(&without, &env).expect("the first");
    let inside = without.entering(ns.clone());
    assert_eq!(ns.write_map(IdKind::User, b"0 0 1", &inside), Err(Errno::EPERM));
    assert_eq!(ns.write_map(IdKind::User, b"0 0 1", &without), Err(Errno::EPERM));
    assert_eq!(ns.write_map(IdKind::User, b"0 0 1", &root), Ok(()));
}
