//! PID namespaces; pid_namespaces(7), `kernel/pid_namespace.c`.
//!
//! Inside the kernel every task, process group and session is named by its ID in the initial
//! namespace. One that is in a deeper namespace has a number there too, and in each namespace on
//! the way: a namespace is a map between those numbers and the IDs, which only the edges look at,
//! where numbers come in from user code or go out to it. In the initial namespace the map is the
//! identity, and there is none.
//!
//! Lock order: a namespace's map is a leaf.

use super::Namespaces;
use crate::Task;
use crate::tree::Pids;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use sync::Mutex;
use sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};
use sync::waitq::{Events, Queue};
use syserr::Errno;
use vfs::nsfs::{Namespace, NamespaceKind, NamespaceRef, NsHead};
use vfs::{Env, UserNs};

/// How many namespaces may lie in each other below the initial one (`MAX_PID_NS_LEVEL`).
pub(crate) const MAX_LEVEL: u32 = 32;

/// Of how many IDs that are no more a namespace knows what they were called.
const REMEMBERED: usize = 256;

/// A PID namespace.
pub struct PidNamespace {
    parent: Option<Arc<PidNamespace>>,
    /// 0 for the initial one.
    level: u32,
    head: NsHead,
    map: Mutex<Map>,
    /// The ID of its first process, 0 until there is one.
    init: AtomicI32,
    /// No new processes: the first one ends, or could not be made.
    closed: AtomicBool,
    /// The signal by which the first process is said to have ended, after reboot(2); 0 for none.
    pub(crate) reboot: AtomicU32,
    /// How many tasks there are. Other IDs are those of process groups and sessions alone.
    tasks: AtomicU32,
    /// Told when a task is no more.
    pub(crate) gone: Queue,
}

/// Tells whether the caller may choose numbers in a namespace (`checkpoint_restore_ns_capable`).
pub(crate) type MayChoose<'a> = &'a dyn Fn(&PidNamespace) -> bool;

/// Both ways between numbers and IDs. Empty in the initial namespace.
#[derive(Default)]
struct Map {
    pids: Pids,
    ids: BTreeMap<i32, i32>,
    numbers: BTreeMap<i32, i32>,
    /// IDs that were released last, and what they were called.
    gone: VecDeque<(i32, i32)>,
}

impl PidNamespace {
    /// The initial namespace of a kernel.
    pub(crate) fn initial() -> Arc<PidNamespace> {
        PidNamespace::with(None, NsHead::initial(NamespaceKind::Pid))
    }

    fn with(parent: Option<Arc<PidNamespace>>, head: NsHead) -> Arc<PidNamespace> {
        Arc::new(PidNamespace {
            level: parent.as_ref().map_or(0, |p| p.level + 1),
            parent,
            head,
            map: Mutex::new(Map { pids: Pids::below(), ..Map::default() }),
            init: AtomicI32::new(0),
            closed: AtomicBool::new(false),
            reboot: AtomicU32::new(0),
            tasks: AtomicU32::new(0),
            gone: Queue::new(),
        })
    }

    /// A namespace below this one, that belongs to `owner`.
    ///
    /// # Errors
    /// `ENOSPC` when it lies too deep, or there are too many; `EINVAL` when this one belongs to
    /// none that `owner` lies in.
    pub(crate) fn below(
        self: &Arc<Self>,
        owner: &UserNs,
        env: &Arc<Env>,
    ) -> Result<Arc<PidNamespace>, Errno> {
        if !owner.is_within(self.owner()) {
            return Err(Errno::EINVAL);
        }
        if self.level >= MAX_LEVEL {
            return Err(Errno::ENOSPC);
        }
        let head = NsHead::new(NamespaceKind::Pid, owner, env)?;
        Ok(PidNamespace::with(Some(self.clone()), head))
    }

    /// Whether it is the one that there is from the start.
    pub fn is_initial(&self) -> bool {
        self.level == 0
    }

    /// How many namespaces it lies in.
    pub fn level(&self) -> u32 {
        self.level
    }

    /// The user namespace that it belongs to.
    pub fn owner(&self) -> &UserNs {
        self.head.owner()
    }

    /// The one that it lies in.
    pub fn parent(&self) -> Option<&Arc<PidNamespace>> {
        self.parent.as_ref()
    }

    /// It, and all that it lies in.
    pub(crate) fn lineage(self: &Arc<Self>) -> impl Iterator<Item = &Arc<PidNamespace>> {
        core::iter::successors(Some(self), |ns| ns.parent.as_ref())
    }

    /// Whether it is `other`, or lies in it.
    pub(crate) fn is_within(self: &Arc<Self>, other: &Arc<PidNamespace>) -> bool {
        self.lineage().any(|ns| Arc::ptr_eq(ns, other))
    }

    /// The number of an ID here, 0 when it has none.
    pub fn number_of(&self, id: i32) -> i32 {
        if self.is_initial() {
            return id;
        }
        self.map.lock().numbers.get(&id).copied().unwrap_or(0)
    }

    /// The numbers of an ID here, and in each namespace from here to `own`, which lies in this one.
    pub(crate) fn numbers_down_to(&self, own: &Arc<PidNamespace>, id: i32) -> Vec<i32> {
        let below = own.lineage().take_while(|ns| ns.level >= self.level);
        let mut numbers: Vec<i32> = below.map(|ns| ns.number_of(id)).collect();
        numbers.reverse();
        numbers
    }

    /// The ID that has a number here. In the initial namespace that is the number, of whatever is.
    pub fn id_of(&self, number: i32) -> Option<i32> {
        if self.is_initial() {
            return (number > 0).then_some(number);
        }
        self.map.lock().ids.get(&number).copied().filter(|id| *id != 0)
    }

    /// The number that an ID had here not long ago; 0 when it had none.
    fn number_before(&self, id: i32) -> i32 {
        let map = self.map.lock();
        map.gone.iter().rev().find(|(i, _)| *i == id).map_or(0, |(_, number)| *number)
    }

    /// Whether an ID of a task has a number here.
    pub(crate) fn sees(&self, id: i32) -> bool {
        self.number_of(id) != 0
    }

    /// All IDs with their numbers, in order of the numbers. Only of one below the initial.
    pub(crate) fn ids(&self) -> Vec<(i32, i32)> {
        self.map.lock().ids.iter().map(|(n, id)| (*n, *id)).collect()
    }

    /// The number that was handed out last; `/proc/sys/kernel/ns_last_pid`. Only of one below the
    /// initial.
    pub(crate) fn last(&self) -> i32 {
        self.map.lock().pids.last()
    }

    /// One more than the highest number. Only of one below the initial.
    pub(crate) fn max(&self) -> i32 {
        self.map.lock().pids.max()
    }

    /// Sets what [`PidNamespace::max`] says. Only of one below the initial.
    ///
    /// # Errors
    /// `EINVAL`.
    pub(crate) fn set_max(&self, max: i32) -> Result<(), Errno> {
        self.map.lock().pids.set_max(max)
    }

    /// The next number follows `last`. Only of one below the initial.
    pub(crate) fn set_last(&self, last: i32) {
        self.map.lock().pids.set_last(last);
    }

    /// The ID of the first process, if there is one below the initial namespace.
    pub(crate) fn init(&self) -> Option<i32> {
        let init = self.init.load(Ordering::Relaxed);
        (init != 0).then_some(init)
    }

    /// Whether there is a first process, or was.
    pub(crate) fn is_populated(&self) -> bool {
        self.is_initial() || self.init().is_some()
    }

    /// No new processes from now on.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// Whether there can be no new processes.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// How many tasks are here or below.
    pub(crate) fn tasks(&self) -> u32 {
        self.tasks.load(Ordering::Relaxed)
    }

    /// Whether somebody may choose a number.
    ///
    /// # Errors
    /// `EINVAL` for one that is none, or not 1 before there is a first process; `EPERM`.
    pub(crate) fn check_chosen(
        &self,
        number: i32,
        initial_max: i32,
        may: MayChoose<'_>,
    ) -> Result<(), Errno> {
        let early = number != 1 && !self.is_initial() && self.init().is_none();
        let max = if self.is_initial() { initial_max } else { self.max() };
        if !(1..max).contains(&number) || early {
            return Err(Errno::EINVAL);
        }
        if may(self) { Ok(()) } else { Err(Errno::EPERM) }
    }

    /// Takes a number for an ID that is not known yet: `chosen`, or the next.
    ///
    /// # Errors
    /// `EEXIST` for a number that is taken; `EAGAIN` when all are.
    fn reserve(&self, chosen: Option<i32>) -> Result<i32, Errno> {
        let mut map = self.map.lock();
        let Map { pids, ids, .. } = &mut *map;
        let number = match chosen {
            Some(n) if ids.contains_key(&n) => return Err(Errno::EEXIST),
            Some(n) => {
                pids.chosen();
                n
            }
            None => pids.next(|n| ids.contains_key(&n))?,
        };
        ids.insert(number, 0);
        Ok(number)
    }

    /// Gives a number back that was not used; the next first process is number 1 again.
    fn cancel(&self, number: i32) {
        let mut map = self.map.lock();
        map.ids.remove(&number);
        if map.ids.is_empty() {
            map.pids.restart();
        }
    }

    fn bind(&self, number: i32, id: i32) {
        let mut map = self.map.lock();
        map.ids.insert(number, id);
        map.numbers.insert(id, number);
        self.tasks.fetch_add(1, Ordering::Relaxed);
        if number == 1 {
            self.init.store(id, Ordering::Relaxed);
        }
    }

    fn release(&self, number: i32, id: i32) {
        let mut map = self.map.lock();
        map.ids.remove(&number);
        map.numbers.remove(&id);
        if map.gone.len() == REMEMBERED {
            map.gone.pop_front();
        }
        map.gone.push_back((id, number));
        // Without a first process there will never be another (`free_pid`).
        if map.ids.is_empty() {
            self.close();
        }
    }

    fn task_gone(&self) {
        self.tasks.fetch_sub(1, Ordering::Relaxed);
        self.gone.notify(Events::IN);
    }
}

impl Namespace for PidNamespace {
    fn head(&self) -> Option<&NsHead> {
        Some(&self.head)
    }

    fn parent(&self) -> Option<NamespaceRef> {
        self.parent.clone().map(|p| p as NamespaceRef)
    }
}

impl core::fmt::Debug for PidNamespace {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("PidNamespace")
            .field("level", &self.level)
            .field("ino", &self.head.ino())
            .finish()
    }
}

/// What an ID is called in the namespaces that its task is in; `struct pid`. Numbers stay what they
/// were when the ID is no more.
#[derive(Debug)]
pub(crate) struct Numbers {
    ns: Arc<PidNamespace>,
    /// From the level below the initial one on.
    numbers: Box<[i32]>,
}

impl Numbers {
    /// Takes a number in `ns` and in each that it lies in, but for the initial one: `chosen` holds
    /// those that are asked for, deepest first.
    ///
    /// # Errors
    /// As `alloc_pid` in `kernel/pid.c`: `EINVAL`, `EPERM`, `EEXIST`, `EAGAIN`, and `ENOMEM` when
    /// the first process of one of them has ended.
    pub(crate) fn reserve(
        ns: &Arc<PidNamespace>,
        chosen: &[i32],
        may: MayChoose<'_>,
    ) -> Result<Numbers, Errno> {
        let mut taken = Vec::with_capacity(ns.level as usize);
        let mut chosen = chosen.iter().copied();
        for at in ns.lineage().filter(|ns| !ns.is_initial()) {
            let wanted = chosen.next();
            let checked = wanted.map_or(Ok(()), |n| at.check_chosen(n, i32::MAX, may));
            match checked.and_then(|()| at.reserve(wanted)) {
                Ok(n) => taken.push(n),
                Err(e) => {
                    ns.lineage().zip(taken).for_each(|(ns, n)| ns.cancel(n));
                    return Err(e);
                }
            }
        }
        taken.reverse();
        let numbers = Numbers { ns: ns.clone(), numbers: taken.into() };
        if ns.lineage().any(|ns| ns.is_closed()) {
            numbers.cancel();
            return Err(Errno::ENOMEM);
        }
        Ok(numbers)
    }

    /// Gives numbers back that were never bound.
    pub(crate) fn cancel(&self) {
        self.each().for_each(|(ns, n)| ns.cancel(n));
    }

    /// Whether it is of the initial namespace, where an ID is its own number.
    pub(crate) fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    fn each(&self) -> impl Iterator<Item = (&Arc<PidNamespace>, i32)> {
        self.ns.lineage().zip(self.numbers.iter().rev().copied())
    }

    /// The numbers are those of `id` from now on.
    pub(crate) fn bind(&self, id: i32) {
        self.each().for_each(|(ns, n)| ns.bind(n, id));
    }

    /// The task that they are of is no more; a process group or session may be.
    pub(crate) fn task_gone(&self) {
        self.each().for_each(|(ns, _)| ns.task_gone());
    }

    /// The numbers are free again.
    pub(crate) fn release(&self, id: i32) {
        self.each().for_each(|(ns, n)| ns.release(n, id));
    }
}

impl Task {
    /// The namespace that it has its number from.
    pub fn pid_ns(&self) -> &Arc<PidNamespace> {
        self.group_ref().pid_ns()
    }

    /// Whether children go to another namespace than the own one.
    pub(crate) fn sends_children_away(&self) -> bool {
        let other = |n: &Arc<Namespaces>| !Arc::ptr_eq(&n.pid, self.pid_ns());
        self.resources.lock().namespaces.as_ref().is_some_and(other)
    }

    /// What its namespace calls an ID; 0 when that is outside.
    pub fn number_of(&self, id: i32) -> i32 {
        self.pid_ns().number_of(id)
    }

    /// What its namespace calls who did something and may have ended since; 0 for who was outside.
    pub(crate) fn number_of_past(&self, id: i32) -> i32 {
        match self.number_of(id) {
            // Somebody outside may have the ID by now.
            0 if id != 0 && self.kernel().task(id).is_none() => self.pid_ns().number_before(id),
            number => number,
        }
    }

    /// The task that its namespace calls `number`.
    ///
    /// # Errors
    /// `ESRCH`.
    pub(crate) fn find(&self, number: i32) -> Result<Arc<Task>, Errno> {
        self.pid_ns().id_of(number).and_then(|id| self.kernel().task(id)).ok_or(Errno::ESRCH)
    }
}
