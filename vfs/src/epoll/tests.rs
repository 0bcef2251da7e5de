use super::{EXCLUSIVE, Epoll, Event};
use crate::eventfd::EventFd;
use crate::{File, OpenFlags};
use alloc::sync::Arc;
use alloc::vec::Vec;
use sync::waitq::Events;
use syserr::Errno;

const IN: Event = Event { events: 1, data: 7 };

fn poll() -> Arc<File> {
    File::anonymous(Arc::new(Epoll::new()), OpenFlags::RDWR, "[eventpoll]")
}

fn counter(count: u32) -> Arc<File> {
    File::anonymous(Arc::new(EventFd::new(count, false)), OpenFlags::RDWR, "[eventfd]")
}

fn ep(f: &Arc<File>) -> &Epoll {
    f.downcast().unwrap()
}

fn take(f: &Arc<File>) -> Vec<u64> {
    let mut got = Vec::new();
    let n = ep(f).take(100, |e| {
        got.push(e.data);
        Ok(())
    });
    assert_eq!(n, Ok(got.len()));
    got
}

#[test]
fn a_poll_of_polls_is_ready_when_one_below_is() {
    let (outer, inner, c) = (poll(), poll(), counter(1));
    ep(&outer).add(&inner, 3, Event { events: 1, data: 1 }).unwrap();
    assert!(take(&outer).is_empty());
    ep(&inner).add(&c, 4, IN).unwrap();
    assert_eq!(outer.readiness() & Events::IN, Events::IN);
    assert_eq!(take(&outer), [1]);
    let mut buf = [0; 8];
    c.read(&mut arch::BufDst::new(&mut buf)).unwrap();
    assert!(take(&outer).is_empty());
}

#[test]
fn circles_are_refused() {
    let (a, b, c) = (poll(), poll(), poll());
    assert_eq!(ep(&a).add(&a, 1, IN), Err(Errno::EINVAL));
    ep(&a).add(&b, 1, IN).unwrap();
    ep(&b).add(&c, 1, IN).unwrap();
    assert_eq!(ep(&c).add(&a, 1, IN), Err(Errno::ELOOP));
}

#[test]
fn five_polls_in_a_row_are_the_most() {
    let polls: Vec<_> = (0..7).map(|_| poll()).collect();
    let mut made = 0;
    for pair in polls.windows(2).rev() {
        match ep(&pair[0]).add(&pair[1], 1, IN) {
            Ok(()) => made += 1,
            Err(e) => {
                assert_eq!(e, Errno::ELOOP);
                break;
            }
        }
    }
    assert_eq!(made, 4);
}

#[test]
fn a_closed_description_is_watched_no_more() {
    let (p, c) = (poll(), counter(1));
    ep(&p).add(&c, 5, IN).unwrap();
    assert_eq!(take(&p), [7]);
    drop(c);
    assert!(take(&p).is_empty());
    for _ in 0..1000 {
        ep(&p).add(&counter(0), 5, IN).unwrap();
    }
    assert!(ep(&p).items.lock().len() < 600, "dead watches are swept");
}

#[test]
fn what_cannot_be_delivered_stays() {
    let (p, c) = (poll(), counter(1));
    ep(&p).add(&c, 5, Event { events: 1 | super::EDGE, data: 7 }).unwrap();
    assert_eq!(ep(&p).take(1, |_| Err(Errno::EFAULT)), Err(Errno::EFAULT));
    assert_eq!(take(&p), [7]);
    assert!(take(&p).is_empty());
}

#[test]
fn exclusive_watches_are_checked() {
    let (p, c) = (poll(), counter(1));
    let exclusive = |events| Event { events: events | EXCLUSIVE, data: 0 };
    assert_eq!(ep(&p).add(&poll(), 4, exclusive(1)), Err(Errno::EINVAL));
    assert_eq!(ep(&p).add(&c, 5, exclusive(1 | Events::PRI.bits())), Err(Errno::EINVAL));
    ep(&p).add(&c, 5, exclusive(1)).unwrap();
    assert_eq!(ep(&p).modify(&c, 5, IN), Err(Errno::EINVAL));
}
