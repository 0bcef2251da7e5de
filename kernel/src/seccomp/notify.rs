//! System calls that wait for what a filter's listener says of them; seccomp_unotify(2).

use super::data::Data;
use crate::block::{Blocked, wait_on};
use crate::{Outcome, Resource, Task};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use core::sync::atomic::Ordering::Relaxed;
use sync::waitq::{Events, Queue};
use sync::{Mutex, MutexGuard};
use syserr::{Errno, Restart};
use vfs::File;

/// What a filter and its listener share.
pub(crate) struct Notifier {
    /// Whoever waits for an answer is interrupted only by its end
    /// (`SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV`).
    killable: bool,
    state: Mutex<State>,
    /// Of the listener.
    pub(super) queue: Queue,
}

#[derive(Default)]
struct State {
    next: u64,
    requests: BTreeMap<u64, Request>,
    /// Those that nobody has received, oldest first.
    fresh: BTreeSet<u64>,
    /// How many have been received and not answered.
    sent: usize,
    /// How many receivers need not wait, though a request may have gone since
    /// (`notification.requests`).
    announced: usize,
    /// There is no listener any more.
    closed: bool,
    /// Nobody has the filter any more.
    abandoned: bool,
}

/// A system call that waits.
struct Request {
    tid: i32,
    data: Data,
    stage: Stage,
    files: VecDeque<Arc<Addition>>,
    queue: Arc<Queue>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Fresh,
    Sent,
    Answered(Answer),
}

/// What becomes of a system call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is made.
    Continue,
    /// This is its result.
    Result(u64),
}

/// The answer where there is no listener.
const NOBODY: Answer = Answer::Result(Errno::ENOSYS.to_return());

/// What a listener receives.
pub(super) struct Received {
    pub(super) id: u64,
    pub(super) tid: i32,
    pub(super) data: Data,
}

/// A file on its way to who waits.
pub(super) struct Addition {
    pub(super) file: Arc<File>,
    /// The descriptor that it is to have.
    pub(super) at: Option<i32>,
    pub(super) cloexec: bool,
    /// Its descriptor is the answer.
    pub(super) answers: bool,
    result: Mutex<Option<Result<i32, Errno>>>,
    queue: Queue,
}

impl Addition {
    pub(super) fn new(file: Arc<File>, at: Option<i32>, cloexec: bool, answers: bool) -> Addition {
        Addition { file, at, cloexec, answers, result: Mutex::new(None), queue: Queue::new() }
    }

    fn finish(&self, result: Result<i32, Errno>) {
        *self.result.lock() = Some(result);
        self.queue.notify(Events::IN);
    }

    /// Takes the file into the table of who waits.
    fn receive(&self, task: &Task) -> Result<i32, Errno> {
        let limit = task.limit(Resource::Nofile).0;
        match self.at {
            None => task.files().install(self.file.clone(), 0, limit, self.cloexec),
            Some(fd) => {
                task.files().replace(fd, self.file.clone(), limit, self.cloexec)?;
                Ok(fd)
            }
        }
    }

    /// Waits until it is done.
    pub(super) async fn wait(&self) -> Result<i32, Errno> {
        wait_on(&self.queue, Events::IN, || *self.result.lock()).await
    }

    pub(super) fn result(&self) -> Option<Result<i32, Errno>> {
        *self.result.lock()
    }
}

impl State {
    fn begin(&mut self, tid: i32, data: Data) -> (u64, Arc<Queue>) {
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        let queue = Arc::new(Queue::new());
        let files = VecDeque::new();
        let request = Request { tid, data, stage: Stage::Fresh, files, queue: queue.clone() };
        self.requests.insert(id, request);
        self.fresh.insert(id);
        self.announced += 1;
        (id, queue)
    }

    fn set_stage(&mut self, id: u64, stage: Stage) {
        let Some(r) = self.requests.get_mut(&id) else { return };
        self.sent += usize::from(stage == Stage::Sent);
        self.sent -= usize::from(r.stage == Stage::Sent);
        r.stage = stage;
        if stage == Stage::Fresh {
            self.fresh.insert(id);
        } else {
            self.fresh.remove(&id);
        }
    }

    /// The request with an ID, which has been received and not answered.
    fn open(&mut self, id: u64) -> Result<&mut Request, Errno> {
        let r = self.requests.get_mut(&id).ok_or(Errno::ENOENT)?;
        if r.stage == Stage::Sent { Ok(r) } else { Err(Errno::EINPROGRESS) }
    }

    fn answer(&mut self, id: u64, answer: Answer) {
        self.set_stage(id, Stage::Answered(answer));
        if let Some(r) = self.requests.get(&id) {
            r.queue.notify(Events::IN);
        }
    }
}

impl Notifier {
    /// Requests are counted from `first`.
    pub(crate) fn new(killable: bool, first: u64) -> Arc<Notifier> {
        let state = State { next: first, ..State::default() };
        Arc::new(Notifier { killable, state: Mutex::new(state), queue: Queue::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Whether there is no listener any more.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    pub(super) fn readiness(&self) -> Events {
        let s = self.lock();
        let mut e = Events::empty();
        e.set(Events::IN | Events::RDNORM, !s.fresh.is_empty());
        e.set(Events::OUT | Events::WRNORM, s.sent > 0);
        e.set(Events::HUP, s.abandoned);
        e
    }

    /// Nobody has the filter any more.
    pub(super) fn abandon(&self) {
        self.lock().abandoned = true;
        self.queue.notify(Events::HUP);
    }

    /// There is no listener any more: whoever waits goes on.
    pub(super) fn close(&self) {
        let mut s = self.lock();
        s.closed = true;
        let waiting = |r: &Request| !matches!(r.stage, Stage::Answered(_));
        let ids: alloc::vec::Vec<u64> =
            s.requests.iter().filter(|(_, r)| waiting(r)).map(|(id, _)| *id).collect();
        for id in ids {
            s.answer(id, NOBODY);
        }
    }

    /// The oldest request that nobody has received; `None` while a receiver has to wait.
    pub(super) fn receive(&self) -> Option<Result<Received, Errno>> {
        let mut s = self.lock();
        if !s.abandoned {
            s.announced = s.announced.checked_sub(1)?;
        }
        let Some(id) = s.fresh.first().copied() else { return Some(Err(Errno::ENOENT)) };
        s.set_stage(id, Stage::Sent);
        let received = s.requests.get(&id).map(|r| Received { id, tid: r.tid, data: r.data });
        drop(s);
        self.queue.notify(Events::OUT | Events::WRNORM);
        received.map(Ok)
    }

    /// What was received did not arrive: it is there for the next.
    pub(super) fn put_back(&self, id: u64) {
        let mut s = self.lock();
        if s.requests.contains_key(&id) {
            s.set_stage(id, Stage::Fresh);
            s.announced += 1;
            drop(s);
            self.queue.notify(Events::IN | Events::RDNORM);
        }
    }

    /// Whether a request has been received and not answered.
    pub(super) fn is_open(&self, id: u64) -> bool {
        self.lock().open(id).is_ok()
    }

    /// Answers a request.
    ///
    /// # Errors
    /// `ENOENT` when it has gone, `EINPROGRESS` when it was not received, or answered already.
    pub(super) fn answer(&self, id: u64, answer: Answer) -> Result<(), Errno> {
        let mut s = self.lock();
        s.open(id)?;
        s.answer(id, answer);
        Ok(())
    }

    /// Sends a file to who waits.
    ///
    /// # Errors
    /// As [`Notifier::answer`]; `EBUSY` when it is to be the answer and others are on their way.
    pub(super) fn add(&self, id: u64, addition: &Arc<Addition>) -> Result<(), Errno> {
        let mut s = self.lock();
        let r = s.open(id)?;
        if addition.answers && !r.files.is_empty() {
            return Err(Errno::EBUSY);
        }
        r.files.push_back(addition.clone());
        if addition.answers {
            // Taken back should the file not get there.
            s.answer(id, Answer::Continue);
        } else {
            r.queue.notify(Events::IN);
        }
        Ok(())
    }

    /// Whoever sends a file no longer waits until it is there. What became of it, if it is.
    pub(super) fn give_up(&self, id: u64, addition: &Arc<Addition>) -> Option<Result<i32, Errno>> {
        let mut s = self.lock();
        let r = s.requests.get_mut(&id);
        let place = |r: &mut Request| r.files.iter().position(|f| Arc::ptr_eq(f, addition));
        let taken = r.and_then(|r| place(r).and_then(|i| r.files.remove(i)));
        match taken {
            Some(_) if addition.answers => s.set_stage(id, Stage::Sent),
            Some(_) => {}
            None => return addition.result(),
        }
        None
    }
}

/// A request as who waits has it: when that ends, it is gone.
struct Waiting<'a> {
    notifier: &'a Notifier,
    id: u64,
    queue: Arc<Queue>,
}

enum Step {
    Add(Arc<Addition>),
    End(Answer),
}

impl Waiting<'_> {
    fn next(&self) -> Option<Step> {
        let mut s = self.notifier.lock();
        let r = s.requests.get_mut(&self.id)?;
        match (r.files.pop_front(), r.stage) {
            (Some(file), _) => Some(Step::Add(file)),
            (None, Stage::Answered(a)) => Some(Step::End(a)),
            _ => None,
        }
    }

    /// Whether signals are to wait for the answer.
    fn is_killable(&self) -> bool {
        let stage = |s: &State| s.requests.get(&self.id).map(|r| r.stage);
        self.notifier.killable && stage(&self.notifier.lock()) == Some(Stage::Sent)
    }

    fn add(&self, task: &Task, addition: &Addition) {
        let result = addition.receive(task);
        if addition.answers {
            let mut s = self.notifier.lock();
            let stage = match result {
                Ok(fd) => Stage::Answered(Answer::Result(fd as u64)),
                Err(_) if s.closed => Stage::Answered(NOBODY),
                Err(_) => Stage::Sent,
            };
            s.set_stage(self.id, stage);
        }
        addition.finish(result);
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut s = self.notifier.lock();
        s.set_stage(self.id, Stage::Answered(Answer::Continue));
        let files = s.requests.remove(&self.id).map(|r| r.files).unwrap_or_default();
        drop(s);
        for f in files {
            f.finish(Err(Errno::ESRCH));
        }
    }
}

/// Asks the listener about a call. What happens instead of the call, if it is not made.
pub(crate) async fn ask(task: &Arc<Task>, notifier: &Notifier, data: Data) -> Option<Outcome> {
    let waiting = {
        let mut s = notifier.lock();
        if s.closed {
            return Some(Errno::ENOSYS.into());
        }
        let (id, queue) = s.begin(task.tid(), data);
        Waiting { notifier, id, queue }
    };
    notifier.queue.notify(Events::IN | Events::RDNORM);
    task.waits.fetch_add(1, Relaxed);
    task.asleep.store(true, Relaxed);
    let answer = wait(task, &waiting).await;
    task.asleep.store(false, Relaxed);
    match answer {
        None => Some(Outcome::Restart(Restart::Sys)),
        Some(Answer::Continue) => None,
        // What looks like an error is one, so that it says whether the call was interrupted.
        Some(Answer::Result(value)) => Some(syserr::decode_return(value).into()),
    }
}

/// The answer; `None` when a signal came first.
async fn wait(task: &Arc<Task>, waiting: &Waiting<'_>) -> Option<Answer> {
    loop {
        let killable = waiting.is_killable();
        let step = wait_on(&waiting.queue, Events::IN, || waiting.next());
        let step = match killable {
            true => task.block_killable(step).await,
            false => task.block(None, step).await,
        };
        match step {
            Ok(Step::Add(addition)) => waiting.add(task, &addition),
            Ok(Step::End(answer)) => return Some(answer),
            Err(Blocked::Interrupted) if !killable && waiting.is_killable() => {}
            Err(_) => return None,
        }
    }
}
