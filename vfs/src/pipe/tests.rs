use super::{DEFAULT_CAPACITY, MAX_CAPACITY, Pipe, PipeEnd, PipeMaker, PipeUsers};
use crate::{FileOps, OpenFlags, Stat};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use arch::{BufDst, BufSrc};
use sync::waitq::Events;
use syserr::Errno;

fn write(end: &impl FileOps, bytes: &[u8]) -> Result<usize, Errno> {
    end.write_at(&mut BufSrc::new(bytes), 0)
}

fn read(end: &impl FileOps, len: usize) -> Result<Vec<u8>, Errno> {
    let mut buf = vec![0; len];
    let n = end.read_at(&mut BufDst::new(&mut buf), 0)?;
    buf.truncate(n);
    Ok(buf)
}

fn maker(users: &Arc<PipeUsers>, most: usize) -> PipeMaker<'_> {
    PipeMaker { users, uid: 0, most, privileged: true }
}

fn pair() -> (PipeEnd, PipeEnd) {
    let users = Arc::default();
    Pipe::pair(1, (0, 0), 0, OpenFlags::empty(), maker(&users, MAX_CAPACITY)).unwrap()
}

fn fifo() -> Arc<Pipe> {
    Pipe::new(Stat::default())
}

#[test]
fn a_short_write_is_never_torn() {
    let (r, w) = pair();
    assert_eq!(write(&w, &vec![1; DEFAULT_CAPACITY - 100]), Ok(DEFAULT_CAPACITY - 100));
    assert_eq!(write(&w, &[2; 200]), Err(Errno::EAGAIN));
    assert_eq!(write(&w, &[2; 100]), Ok(100));
    assert_eq!(read(&r, 10), Ok(vec![1; 10]));
    assert_eq!(write(&w, &[2; 1]), Err(Errno::EAGAIN), "room comes in pages");
}

#[test]
fn a_fifo_waits_for_its_other_side() {
    let fifo = fifo();
    let r = fifo.open(OpenFlags::empty()).unwrap();
    assert!(!r.is_open());
    let w = fifo.open(OpenFlags::WRONLY).unwrap();
    assert!(r.is_open() && w.is_open());
    drop(w);
    assert!(r.is_open(), "that the writer is gone again does not matter");
    assert_eq!(read(&r, 1), Ok(vec![]));
}

#[test]
fn a_nonblocking_writer_needs_a_reader() {
    let fifo = fifo();
    let flags = OpenFlags::WRONLY | OpenFlags::NONBLOCK;
    assert_eq!(fifo.open(flags).err(), Some(Errno::ENXIO));
    let r = fifo.open(OpenFlags::NONBLOCK).unwrap();
    assert_eq!(r.readiness(), Events::empty(), "no hang-up before the first writer");
    let w = fifo.open(flags).unwrap();
    assert!(w.is_open());
    drop(w);
    assert_eq!(r.readiness(), Events::HUP);
}

#[test]
fn what_nobody_has_open_is_forgotten() {
    let fifo = fifo();
    let both = fifo.open(OpenFlags::RDWR).unwrap();
    assert!(both.is_open());
    assert_eq!(write(&both, b"abc"), Ok(3));
    drop(both);
    let both = fifo.open(OpenFlags::RDWR).unwrap();
    assert_eq!(read(&both, 1), Err(Errno::EAGAIN));
}

#[test]
fn capacity_is_limited() {
    let (_r, w) = pair();
    let users = Arc::default();
    assert_eq!(w.set_capacity(0, maker(&users, MAX_CAPACITY)), Ok(4096));
    assert_eq!(w.set_capacity(5000, maker(&users, MAX_CAPACITY)), Ok(8192));
    assert_eq!(
        w.set_capacity(MAX_CAPACITY as u32 + 1, maker(&users, MAX_CAPACITY)),
        Err(Errno::EPERM)
    );
    assert_eq!(w.set_capacity(1 << 31, maker(&users, usize::MAX)), Err(Errno::ENOMEM));
    assert_eq!(w.set_capacity(u32::MAX, maker(&users, usize::MAX)), Err(Errno::EINVAL));
}

#[test]
fn peeked_bytes_stay_until_they_are_consumed() {
    let (r, w) = pair();
    assert_eq!(r.peek(10), Err(Errno::EAGAIN));
    assert_eq!(write(&w, b"hello"), Ok(5));
    assert_eq!(r.peek(3), Ok(b"hel".to_vec()));
    r.consume(2);
    assert_eq!(read(&r, 10), Ok(b"llo".to_vec()));
    drop(w);
    assert_eq!(r.peek(3), Ok(vec![]));
}

#[test]
fn a_pipe_without_a_name_is_opened_again_without_waiting() {
    let (r, w) = pair();
    drop(w);
    let again = r.reopen(OpenFlags::empty()).unwrap();
    let again = again.as_any().downcast_ref::<PipeEnd>().unwrap();
    assert!(again.is_open());
}
