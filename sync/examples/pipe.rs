//! A one-slot channel whose reader is told through a wait queue.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, Wake, Waker};
use sync::waitq::{Events, Queue};
use sync::{Arc, Mutex};

#[derive(Default)]
struct Slot {
    value: Mutex<Option<u32>>,
    queue: Queue,
}

impl Slot {
    fn put(&self, v: u32) {
        *self.value.lock() = Some(v);
        self.queue.notify(Events::IN);
    }

    async fn get(&self) -> u32 {
        let mut ticket = None;
        let v = poll_fn(|cx| {
            // Register, then try: a value that comes in between is found by the try.
            ticket.get_or_insert_with(|| self.queue.register(Events::IN, cx.waker()));
            self.value.lock().take().map_or(Poll::Pending, Poll::Ready)
        })
        .await;
        ticket.into_iter().for_each(|t| self.queue.unregister(t));
        v
    }
}

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn main() {
    let slot = Arc::new(Slot::default());
    let writer = std::thread::spawn({
        let slot = slot.clone();
        move || slot.put(42)
    });
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut get = pin!(slot.get());
    let v = loop {
        match get.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(v) => break v,
            Poll::Pending => std::thread::park(),
        }
    };
    writer.join().expect("the writer does not panic");
    println!("got {v}");
}
