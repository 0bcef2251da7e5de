//! The table of descriptors against a map.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use support::Guest;
use syserr::Errno;
use vfs::{AT_FDCWD, FdTable, File, OpenFlags, OpenHow};

#[derive(Clone, Debug)]
enum Op {
    Install(i32, bool),
    Dup(i32, i32, bool, bool),
    Close(i32),
    CloseRange(u32, u32, bool),
    Mark(i32, bool),
    Fork,
    Exec,
}

const LIMIT: u64 = 150;

fn op() -> impl Strategy<Value = Op> {
    let fd = || prop_oneof![6 => 0i32..12, 2 => 60i32..70, 1 => -1i32..160];
    prop_oneof![
        5 => (fd(), any::<bool>()).prop_map(|(a, c)| Op::Install(a, c)),
        3 => (fd(), fd(), any::<bool>(), any::<bool>()).prop_map(|(a, b, c, s)| Op::Dup(a, b, c, s)),
        3 => fd().prop_map(Op::Close),
        1 => (0u32..70, 0u32..140, any::<bool>()).prop_map(|(a, b, m)| Op::CloseRange(a, b, m)),
        2 => (fd(), any::<bool>()).prop_map(|(a, c)| Op::Mark(a, c)),
        1 => Just(Op::Fork),
        1 => Just(Op::Exec),
    ]
}

type Model = BTreeMap<i32, (usize, bool)>;

fn id(f: &Arc<File>) -> usize {
    Arc::as_ptr(f).addr()
}

fn apply(t: &FdTable, m: &mut Model, g: &Guest, op: &Op) -> Result<(), TestCaseError> {
    match *op {
        Op::Install(from, c) => {
            let f = g.vfs.open(&g.cx(), AT_FDCWD, b"/f", OpenHow::default()).unwrap();
            let key = id(&f);
            let want = match (from..).find(|fd| !m.contains_key(fd)) {
                _ if from < 0 || from as u64 >= LIMIT => Err(Errno::EINVAL),
                Some(fd) if (fd as u64) < LIMIT => Ok(fd),
                _ => Err(Errno::EMFILE),
            };
            prop_assert_eq!(t.install(f, from, LIMIT, c), want);
            if let Ok(fd) = want {
                m.insert(fd, (key, c));
            }
        }
        Op::Dup(a, b, c, same_ok) => {
            let bad = b < 0 || b as u64 >= LIMIT;
            let want = match m.get(&a) {
                _ if a == b && !same_ok => Err(Errno::EINVAL),
                None => Err(Errno::EBADF),
                Some(_) if a == b => Ok(b),
                Some(_) if bad => Err(Errno::EBADF),
                Some((key, _)) => {
                    m.insert(b, (*key, c));
                    Ok(b)
                }
            };
            prop_assert_eq!(t.dup_to(a, b, LIMIT, c, same_ok), want);
        }
        Op::Close(fd) => {
            prop_assert_eq!(t.close(fd), m.remove(&fd).map(|_| ()).ok_or(Errno::EBADF));
        }
        Op::CloseRange(a, b, mark) => {
            let r = t.close_range(a, b, mark);
            prop_assert_eq!(r.is_ok(), a <= b);
            let inside = |fd: &i32| (a as i32..=b as i32).contains(fd);
            if mark {
                m.iter_mut().filter(|(fd, _)| inside(fd)).for_each(|(_, e)| e.1 = true);
            } else {
                m.retain(|fd, _| !inside(fd));
            }
        }
        Op::Mark(fd, c) => {
            let there = m.get_mut(&fd).map(|e| e.1 = c).ok_or(Errno::EBADF);
            prop_assert_eq!(t.set_cloexec(fd, c), there);
        }
        Op::Fork => {}
        Op::Exec => {
            t.exec();
            m.retain(|_, e| !e.1);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn agrees_with_a_map(ops in prop::collection::vec(op(), 1..80)) {
        let g = Guest::tmpfs();
        let how = OpenHow { flags: OpenFlags::CREAT, mode: 0o600, ..OpenHow::default() };
        g.vfs.open(&g.cx(), AT_FDCWD, b"/f", how).unwrap();
        let mut t = FdTable::new();
        let mut m = Model::new();
        for op in &ops {
            if matches!(op, Op::Fork) {
                t = t.fork();
            }
            apply(&t, &mut m, &g, op)?;
            let fds: Vec<i32> = m.keys().copied().collect();
            prop_assert_eq!(t.descriptors(), fds);
            for (fd, (key, cloexec)) in &m {
                prop_assert_eq!(id(&t.get(*fd).unwrap()), *key);
                prop_assert_eq!(t.cloexec(*fd), Ok(*cloexec));
            }
        }
    }
}

#[test]
fn a_description_knows_whether_its_open_made_the_file() {
    let g = Guest::tmpfs();
    let open = |flags| {
        let how = OpenHow { flags, mode: 0o600, ..OpenHow::default() };
        g.vfs.open(&g.cx(), AT_FDCWD, b"/f", how).unwrap()
    };
    let file = open(OpenFlags::CREAT);
    assert!(file.was_created());
    assert!(!open(OpenFlags::CREAT).was_created());
    assert!(!open(OpenFlags::empty()).was_created());
    assert!(file.was_created());
}
