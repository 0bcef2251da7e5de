use super::*;
use core::sync::atomic::{AtomicU32, Ordering};
use std::task::Wake;

#[derive(Default)]
struct Counter {
    wakes: AtomicU32,
    events: AtomicU32,
}

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::Relaxed);
    }
}

impl Notify for Counter {
    fn notify(&self, events: Events) {
        self.events.fetch_or(events.bits(), Ordering::Relaxed);
    }
}

fn counter() -> (Arc<Counter>, Waker) {
    let c = Arc::new(Counter::default());
    (c.clone(), Waker::from(c))
}

#[test]
fn tells_only_those_whose_mask_meets() {
    let q = Queue::new();
    let ((reader, r), (writer, w)) = (counter(), counter());
    q.register(Events::IN, &r);
    q.register(Events::OUT | Events::ERR, &w);
    q.notify(Events::IN);
    q.notify(Events::ERR);
    q.notify(Events::PRI);
    assert_eq!(reader.wakes.load(Ordering::Relaxed), 1);
    assert_eq!(writer.wakes.load(Ordering::Relaxed), 1);
}

#[test]
fn a_registration_stays_until_it_is_taken_back() {
    let q = Queue::new();
    let (c, waker) = counter();
    let ticket = q.register(Events::IN, &waker);
    q.notify(Events::IN);
    q.notify(Events::IN);
    q.unregister(ticket);
    q.unregister(ticket);
    q.notify(Events::IN);
    assert!(q.is_empty());
    assert_eq!(c.wakes.load(Ordering::Relaxed), 2);
    // Nothing of the waker is left behind: one reference here, one in `waker`.
    assert_eq!(Arc::strong_count(&c), 2);
}

#[test]
fn a_target_gets_the_events() {
    let q = Queue::new();
    let c = Arc::new(Counter::default());
    q.register_target(Events::all(), c.clone());
    q.notify(Events::IN | Events::HUP);
    assert_eq!(c.events.load(Ordering::Relaxed), (Events::IN | Events::HUP).bits());
}

#[test]
fn more_listeners_than_fit_inline() {
    let q = Queue::new();
    let (c, waker) = counter();
    for _ in 0..100 {
        q.register(Events::IN, &waker);
    }
    q.notify(Events::IN);
    assert_eq!(c.wakes.load(Ordering::Relaxed), 100);
}

/// A listener may change the queue that tells it: the lock is not held then.
#[test]
fn a_listener_may_unregister_itself() {
    struct Once(Arc<Queue>, Mutex<Option<Ticket>>);
    impl Notify for Once {
        fn notify(&self, _: Events) {
            if let Some(t) = self.1.lock().take() {
                self.0.unregister(t);
            }
        }
    }
    let q = Arc::new(Queue::new());
    let once = Arc::new(Once(q.clone(), Mutex::new(None)));
    let ticket = q.register_target(Events::IN, once.clone());
    *once.1.lock() = Some(ticket);
    q.notify(Events::IN);
    assert!(q.is_empty());
}

/// Register, try, sleep: whatever the interleaving, the event is seen.
#[test]
fn no_event_is_lost() {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    for _ in 0..200 {
        let q = Queue::new();
        let ready = AtomicU32::new(0);
        std::thread::scope(|s| {
            s.spawn(|| {
                let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
                let ticket = q.register(Events::IN, &waker);
                while ready.load(Ordering::Acquire) == 0 {
                    std::thread::park();
                }
                q.unregister(ticket);
            });
            ready.store(1, Ordering::Release);
            q.notify(Events::IN);
        });
        assert!(q.is_empty());
    }
}
