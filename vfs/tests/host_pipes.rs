//! The same random calls on our pipes, event counters and polls, and on those of the host kernel.

use arch::{BufDst, BufSrc};
use proptest::prelude::*;
use rustix::event::{EventfdFlags, PollFd, PollFlags, epoll, eventfd, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::pipe::{PipeFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with};
use std::sync::Arc;
use vfs::epoll::{Epoll, Event};
use vfs::eventfd::EventFd;
use vfs::pipe::{Pipe, PipeEnd, PipeMaker, PipeUsers};
use vfs::{File, OpenFlags};

/// One end or counter, here and on the host.
struct Pair {
    ours: Arc<File>,
    host: OwnedFd,
}

#[derive(Clone, Debug)]
enum Op {
    Write { at: usize, len: usize },
    Read { at: usize, len: usize },
    Count { at: usize, value: u64 },
    Resize { at: usize, bytes: usize },
    Close { at: usize },
    Add { at: usize, events: u32 },
    Modify { at: usize, events: u32 },
    Remove { at: usize },
    Wait { max: usize },
}

const ENDS: usize = 8;

fn op() -> impl Strategy<Value = Op> {
    let at = 0..ENDS;
    let len = prop_oneof![Just(0), 1..20usize, 4000..4200usize, Just(4096), 1..70_000usize];
    let value = prop_oneof![0..5u64, Just(u64::MAX), Just(u64::MAX - 1), Just(u64::MAX - 3)];
    let flag = |bit| prop_oneof![Just(0u32), Just(bit)];
    let events =
        (flag(1), flag(4), flag(1 << 31), prop_oneof![4 => Just(0u32), 1 => Just(1 << 30)])
            .prop_map(|(i, o, e, s)| i | o | e | s);
    let bytes = prop_oneof![Just(1usize), Just(5000), Just(65_536), Just(131_072), Just(1 << 20)];
    prop_oneof![
        6 => (at.clone(), len.clone()).prop_map(|(at, len)| Op::Write { at, len }),
        6 => (at.clone(), len).prop_map(|(at, len)| Op::Read { at, len }),
        2 => (at.clone(), value).prop_map(|(at, value)| Op::Count { at, value }),
        1 => (at.clone(), bytes).prop_map(|(at, bytes)| Op::Resize { at, bytes }),
        1 => at.clone().prop_map(|at| Op::Close { at }),
        3 => (at.clone(), events.clone()).prop_map(|(at, events)| Op::Add { at, events }),
        2 => (at.clone(), events).prop_map(|(at, events)| Op::Modify { at, events }),
        1 => at.prop_map(|at| Op::Remove { at }),
        4 => (1..6usize).prop_map(|max| Op::Wait { max }),
    ]
}

fn maker(users: &Arc<PipeUsers>) -> PipeMaker<'_> {
    PipeMaker { users, uid: 0, most: usize::MAX, privileged: true }
}

fn pipe(flags: OpenFlags) -> (Pair, Pair) {
    let users = Arc::default();
    let (r, w) = Pipe::pair(1, (0, 0), 0, flags, maker(&users)).unwrap();
    let direct = flags.contains(OpenFlags::DIRECT);
    let host = if direct { PipeFlags::DIRECT } else { PipeFlags::empty() };
    let (hr, hw) = pipe_with(host | PipeFlags::NONBLOCK).unwrap();
    let r = File::anonymous(Arc::new(r), OpenFlags::NONBLOCK | flags, "pipe");
    let wf = OpenFlags::NONBLOCK | OpenFlags::WRONLY | flags;
    let w = File::anonymous(Arc::new(w), wf, "pipe");
    (Pair { ours: r, host: hr }, Pair { ours: w, host: hw })
}

fn counter(semaphore: bool) -> Pair {
    let ours = EventFd::new(2, semaphore);
    let flags = OpenFlags::RDWR | OpenFlags::NONBLOCK;
    let ours = File::anonymous(Arc::new(ours), flags, "[eventfd]");
    let flag = if semaphore { EventfdFlags::SEMAPHORE } else { EventfdFlags::empty() };
    Pair { ours, host: eventfd(2, flag | EventfdFlags::NONBLOCK).unwrap() }
}

type Outcome<T> = Result<T, i32>;

fn ours<T>(r: Result<T, syserr::Errno>) -> Outcome<T> {
    r.map_err(|e| i32::from(e.number()))
}

fn host<T>(r: rustix::io::Result<T>) -> Outcome<T> {
    r.map_err(|e| e.raw_os_error())
}

fn check_poll(p: &Pair) -> Result<(), TestCaseError> {
    let mut fds = [PollFd::new(&p.host, PollFlags::IN | PollFlags::OUT | PollFlags::RDNORM)];
    poll(&mut fds, Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap();
    let asked = sync::waitq::Events::IN
        | sync::waitq::Events::OUT
        | sync::waitq::Events::RDNORM
        | sync::waitq::Events::ERR
        | sync::waitq::Events::HUP;
    let got = p.ours.readiness() & asked;
    prop_assert_eq!(got.bits(), u32::from(fds[0].revents().bits()));
    Ok(())
}

struct World {
    ends: Vec<Option<Pair>>,
    ours: Epoll,
    host: OwnedFd,
    serial: u8,
}

impl World {
    fn new() -> World {
        let (a, b) = pipe(OpenFlags::empty());
        let (c, d) = pipe(OpenFlags::empty());
        let (e, f) = pipe(OpenFlags::DIRECT);
        let ends = [a, b, c, d, e, f, counter(false), counter(true)].map(Some).into();
        let host = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        World { ends, ours: Epoll::new(), host, serial: 0 }
    }

    fn step(&mut self, op: &Op) -> Result<(), TestCaseError> {
        let at = match *op {
            Op::Wait { max } => return self.wait(max),
            Op::Close { at } => {
                self.ends[at] = None;
                return self.check();
            }
            Op::Write { at, .. }
            | Op::Read { at, .. }
            | Op::Count { at, .. }
            | Op::Resize { at, .. }
            | Op::Add { at, .. }
            | Op::Modify { at, .. }
            | Op::Remove { at } => at,
        };
        let Some(p) = &self.ends[at] else { return Ok(()) };
        let is_counter = at >= 6;
        let flags = |e: u32| epoll::EventFlags::from_bits_retain(e);
        let data = at as u64;
        match *op {
            Op::Write { len, .. } if !is_counter && p.ours.flags().writable() => {
                self.serial = self.serial.wrapping_add(1);
                let start = self.serial;
                let bytes: Vec<u8> = (0..len).map(|i| (i as u8).wrapping_add(start)).collect();
                let a = ours(p.ours.write(&mut BufSrc::new(&bytes), u64::MAX));
                prop_assert_eq!(a, host(rustix::io::write(&p.host, &bytes)));
            }
            Op::Read { len, .. } if p.ours.flags().readable() => {
                let (mut a, mut b) = (vec![0; len], vec![0; len]);
                let ra = ours(p.ours.read(&mut BufDst::new(&mut a)));
                prop_assert_eq!(ra, host(rustix::io::read(&p.host, &mut b)));
                prop_assert_eq!(a, b);
            }
            Op::Count { value, .. } if is_counter => {
                let bytes = value.to_ne_bytes();
                let a = ours(p.ours.write(&mut BufSrc::new(&bytes), u64::MAX));
                prop_assert_eq!(a, host(rustix::io::write(&p.host, &bytes)));
            }
            Op::Resize { bytes, .. } if !is_counter => {
                let end: &PipeEnd = p.ours.downcast().unwrap();
                let a = ours(end.set_capacity(bytes as u32, maker(&Arc::default())));
                prop_assert_eq!(a, host(fcntl_setpipe_size(&p.host, bytes)));
                prop_assert_eq!(end.capacity(), fcntl_getpipe_size(&p.host).unwrap());
            }
            Op::Add { events, .. } => {
                let a = ours(self.ours.add(&p.ours, at as i32, Event { events, data }));
                let tag = epoll::EventData::new_u64(data);
                prop_assert_eq!(a, host(epoll::add(&self.host, &p.host, tag, flags(events))));
            }
            Op::Modify { events, .. } => {
                let a = ours(self.ours.modify(&p.ours, at as i32, Event { events, data }));
                let tag = epoll::EventData::new_u64(data);
                prop_assert_eq!(a, host(epoll::modify(&self.host, &p.host, tag, flags(events))));
            }
            Op::Remove { .. } => {
                let a = ours(self.ours.remove(&p.ours, at as i32));
                prop_assert_eq!(a, host(epoll::delete(&self.host, &p.host)));
            }
            _ => {}
        }
        self.check()
    }

    fn wait(&self, max: usize) -> Result<(), TestCaseError> {
        let mut got = Vec::new();
        let n = self.ours.take(max, |e| {
            got.push((e.data, e.events));
            Ok(())
        });
        prop_assert_eq!(ours(n), Ok(got.len()));
        let none = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        let empty =
            epoll::Event { flags: epoll::EventFlags::empty(), data: epoll::EventData::new_u64(0) };
        let mut events = [empty; 8];
        let n = epoll::wait(self.host.as_fd(), &mut events[..max], Some(&none)).unwrap();
        let theirs: Vec<(u64, u32)> = events[..n]
            .iter()
            .map(|e| {
                let (data, flags) = (e.data, e.flags);
                (data.u64(), flags.bits())
            })
            .collect();
        prop_assert_eq!(got, theirs);
        Ok(())
    }

    fn check(&self) -> Result<(), TestCaseError> {
        for p in self.ends.iter().flatten() {
            check_poll(p)?;
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pipes_and_polls_agree_with_the_host(ops in prop::collection::vec(op(), 0..80)) {
        let mut world = World::new();
        for op in &ops {
            world.step(op)?;
        }
    }
}
