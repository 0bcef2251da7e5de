use super::msg::{MSGMNB, Msg, State as Messages, Wanted};
use super::sem::{Sem, SemBuf, State, Stop};
use super::table::{Asker, IPC_CREAT, IPC_EXCL, Object, Perm, Table};
use alloc::vec;
use alloc::vec::Vec;
use sync::Mutex;
use syserr::Errno;
use vfs::{Creds, UserNs};

fn op(num: u16, op: i16, flags: u16) -> SemBuf {
    SemBuf { num, op, flags }
}

fn values(s: &State) -> Vec<i32> {
    s.sems.iter().map(|s| s.value).collect()
}

#[test]
fn operations_happen_all_or_not_at_all() {
    let mut s = State { sems: vec![Sem::default(); 2], ..State::default() };
    let ops = [op(0, 2, 0), op(1, -1, 0)];
    assert_eq!(s.apply(&ops, 1), Err(Stop::Wait { num: 1, zero: false }));
    assert_eq!(values(&s), [0, 0]);
    assert_eq!(s.apply(&[op(1, 1, 0)], 1), Ok(()));
    assert_eq!(s.apply(&ops, 1), Ok(()));
    assert_eq!(values(&s), [2, 0]);
    assert_eq!(s.apply(&[op(0, 0, 0o4000)], 1), Err(Stop::Fail(Errno::EAGAIN)));
    assert_eq!(s.apply(&[op(0, 32_767, 0)], 1), Err(Stop::Fail(Errno::ERANGE)));
    assert_eq!(s.apply(&[op(2, 1, 0)], 1), Err(Stop::Fail(Errno::EFBIG)));
    // One call sees its own changes.
    assert_eq!(s.apply(&[op(0, -2, 0), op(0, 0, 0), op(0, 5, 0)], 1), Ok(()));
    assert_eq!(values(&s), [5, 0]);
}

#[test]
fn what_was_done_with_undo_is_given_back_once() {
    let state = State { sems: vec![Sem { value: 3, ..Sem::default() }; 2], ..State::default() };
    let perm = Mutex::new(Perm::new(0, &Creds::root(), 0o600));
    let (queue, bounds) = Default::default();
    let set = super::sem::Set { perm, state: Mutex::new(state), queue, bounds };
    set.state.lock().apply(&[op(0, -2, 0x1000), op(1, 1, 0x1000)], 7).unwrap();
    set.state.lock().apply(&[op(0, -1, 0)], 7).unwrap();
    set.undo(8);
    assert_eq!(values(&set.state.lock()), [0, 4]);
    set.undo(7);
    assert_eq!(values(&set.state.lock()), [2, 3]);
    set.undo(7);
    assert_eq!(values(&set.state.lock()), [2, 3]);
}

fn queue(kinds: &[i64]) -> Messages {
    let mut q = Messages::new(0, MSGMNB);
    for (i, kind) in kinds.iter().enumerate() {
        q.put(Msg { kind: *kind, text: vec![i as u8; i] }).unwrap();
    }
    q
}

#[test]
fn the_type_chooses_the_message() {
    let take = |kind, flags| {
        let w = Wanted { kind, size: 100, flags };
        queue(&[5, 3, 9, 3]).take(w).map(|m| (m.kind, m.text.len()))
    };
    assert_eq!(take(0, 0), Ok((5, 0)));
    assert_eq!(take(3, 0), Ok((3, 1)));
    assert_eq!(take(5, 0o20000), Ok((3, 1)));
    assert_eq!(take(-8, 0), Ok((3, 1)));
    assert_eq!(take(-2, 0), Err(Errno::ENOMSG));
    assert_eq!(take(i64::MIN, 0), Ok((3, 1)));
    assert_eq!(take(2, 0o44000), Ok((9, 2)));
    assert_eq!(take(4, 0o44000), Err(Errno::ENOMSG));
}

#[test]
fn a_queue_is_full_by_bytes_or_by_count() {
    let mut q = Messages::new(0, MSGMNB);
    q.limit = 4;
    let m = |len| Msg { kind: 1, text: vec![0; len] };
    assert_eq!(q.put(m(5)), Err(Errno::EAGAIN));
    assert_eq!(q.put(m(4)), Ok(()));
    assert_eq!(q.put(m(1)), Err(Errno::EAGAIN));
    let w = |size, flags| Wanted { kind: 0, size, flags };
    assert_eq!(q.take(w(3, 0)), Err(Errno::E2BIG));
    assert_eq!(q.take(w(3, 0o10000)), Ok(m(4)));
    for _ in 0..4 {
        assert_eq!(q.put(m(0)), Ok(()));
    }
    assert_eq!(q.put(m(0)), Err(Errno::EAGAIN));
    q.removed = true;
    assert_eq!(q.put(m(0)), Err(Errno::EIDRM));
    assert_eq!(q.take(w(0, 0)), Err(Errno::EIDRM));
}

struct Thing(Mutex<Perm>);

impl Object for Thing {
    fn perm(&self) -> &Mutex<Perm> {
        &self.0
    }
}

#[test]
fn an_old_identifier_names_nothing_new() {
    let t: Table<Thing> = Table::new(&Default::default());
    let (root, user) = (Creds::root(), Creds::user(1000, 1000, &[]));
    let get = |key, flags, creds: &Creds| {
        t.get(
            key,
            flags,
            Asker { creds, owner: &UserNs::INITIAL },
            2,
            |_| Ok(()),
            |p, _| Ok(Thing(Mutex::new(p))),
        )
    };
    assert_eq!(get(5, 0o600, &root), Err(Errno::ENOENT));
    let first = get(5, IPC_CREAT | 0o600, &root).unwrap();
    assert_eq!(get(5, 0o600, &root), Ok(first));
    assert_eq!(get(5, IPC_CREAT | IPC_EXCL, &root), Err(Errno::EEXIST));
    assert_eq!(get(5, 0o400, &user), Err(Errno::EACCES));
    assert_eq!(get(5, 0, &user), Ok(first));
    let other = get(0, 0o600, &user).unwrap();
    assert_ne!(other, first);
    assert_eq!(get(0, 0o600, &user), Err(Errno::ENOSPC));
    let object = t.find(first).unwrap();
    assert!(t.remove(&object) && !t.remove(&object));
    assert_eq!(t.find(first).map(drop), Err(Errno::EINVAL));
    let again = get(5, IPC_CREAT | 0o600, &root).unwrap();
    assert_ne!(again, first);
    assert_eq!(t.find(first).map(drop), Err(Errno::EINVAL));
    assert_eq!(t.find(-1).map(drop), Err(Errno::EINVAL));
}
