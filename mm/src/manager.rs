//! The manager itself: creation, users, teardown.

use crate::config::{Layout, Limits, MmConfig, Tuning};
use crate::flags::{Mdwe, MlockallFlags};
use crate::hot::Hot;
use crate::meta::Meta;
use crate::pma::Pmas;
use crate::range_map::RangeMap;
use crate::seam::{AddressSpace, MappingSpace, MemoryFile};
use crate::state::{Counters, State, Tx, range};
use crate::users::Users;
use crate::{MapCountLimit, Overcommit};
use alloc::sync::{Arc, Weak};
use arch::AddrRange;
use smallvec::SmallVec;
use sync::atomic::AtomicU32;
use sync::{Mutex, RwLock};

/// One Linux address space.
///
/// Counted twice: as an `Arc`, by whoever looks at it, and by its *users*, the tasks that run in
/// it. When the last user goes, everything is unmapped; the object may live on, empty.
pub struct MemoryManager {
    me: Weak<MemoryManager>,
    pub(crate) memory: Arc<dyn MemoryFile>,
    pub(crate) space: Arc<dyn AddressSpace>,
    pub(crate) overcommit: Option<Arc<dyn Overcommit>>,
    pub(crate) max_map_count: MapCountLimit,
    pub(crate) tuning: Tuning,
    pub(crate) meta: Mutex<Meta>,
    pub(crate) membarrier: AtomicU32,
    users: Users,
    pub(crate) hot: Hot,
    state: RwLock<State>,
}

impl core::fmt::Debug for MemoryManager {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("MemoryManager").field("users", &self.users()).finish_non_exhaustive()
    }
}

impl MemoryManager {
    /// An empty address space with one user, the caller.
    pub fn new(config: MmConfig) -> Arc<MemoryManager> {
        let state = State {
            vmas: RangeMap::default(),
            pmas: Pmas::new(config.memory.clone()),
            installed: RangeMap::default(),
            writable: RangeMap::default(),
            counters: Counters::default(),
            layout: config.layout,
            limits: config.limits,
            brk: AddrRange::default(),
            epoch: 0,
            cow_hint: (0, 0),
            lock_future: MlockallFlags::empty(),
            mdwe: Mdwe::empty(),
            ever_pinned: false,
        };
        MemoryManager::with_state(config, state, Meta::default())
    }

    pub(crate) fn with_state(config: MmConfig, state: State, meta: Meta) -> Arc<MemoryManager> {
        Arc::new_cyclic(|me| MemoryManager {
            me: me.clone(),
            memory: config.memory,
            space: config.space,
            overcommit: config.overcommit,
            max_map_count: config.max_map_count,
            tuning: config.tuning,
            meta: Mutex::new(meta),
            membarrier: AtomicU32::new(0),
            users: Users::one(),
            hot: Hot::default(),
            state: RwLock::new(state),
        })
    }

    /// The configuration of a child over `space`.
    pub(crate) fn child_config(
        &self,
        space: Arc<dyn AddressSpace>,
        layout: Layout,
        limits: Limits,
    ) -> MmConfig {
        MmConfig {
            memory: self.memory.clone(),
            space,
            layout,
            limits,
            max_map_count: self.max_map_count.clone(),
            overcommit: self.overcommit.clone(),
            tuning: self.tuning,
        }
    }

    /// Identifies this address space among those that are alive.
    pub fn id(&self) -> u64 {
        self.me.as_ptr() as usize as u64
    }

    /// Where its memory comes from.
    pub fn memory(&self) -> &Arc<dyn MemoryFile> {
        &self.memory
    }

    /// Its page tables.
    pub fn address_space(&self) -> &Arc<dyn AddressSpace> {
        &self.space
    }

    /// Where mappings may lie.
    pub fn layout(&self) -> Layout {
        self.read().layout
    }

    /// Says where mappings may lie from now on; what exists stays.
    pub fn set_layout(&self, layout: impl Into<Layout>) {
        self.lock().st.layout = layout.into();
    }

    /// Sets the limits that apply in faults: `RLIMIT_STACK`, `RLIMIT_AS`, `RLIMIT_MEMLOCK`.
    pub fn set_limits(&self, limits: Limits) {
        self.lock().st.limits = limits;
    }

    pub(crate) fn mapping_space(&self) -> Weak<dyn MappingSpace> {
        self.me.clone()
    }

    pub(crate) fn read(&self) -> sync::RwLockReadGuard<'_, State> {
        self.state.read()
    }

    pub(crate) fn lock(&self) -> Tx<'_> {
        let st = self.state.write();
        self.hot.clear();
        Tx {
            mm: self,
            st,
            retired: SmallVec::new(),
            mapped_now: (0, 0),
            eager: false,
            garbage: SmallVec::new(),
        }
    }

    /// One more user; refused when the last one is gone already (or the count is full).
    #[must_use]
    pub fn inc_users(&self) -> bool {
        self.users.come()
    }

    /// One user fewer; at zero everything is unmapped and given back. At zero already, nothing.
    pub fn dec_users(&self) {
        if self.users.go() {
            self.tear_down();
        }
    }

    /// Users there are.
    pub fn users(&self) -> u32 {
        self.users.count()
    }

    /// Unmaps everything, then tells the objects with no lock held.
    fn tear_down(&self) {
        let mut tx = self.lock();
        let st = &mut *tx.st;
        let vmas = core::mem::take(&mut st.vmas);
        let installed = core::mem::take(&mut st.installed);
        st.writable = RangeMap::default();
        let memory = if let (Some(first), Some(last)) =
            (installed.ending_after(0), installed.starting_before(u64::MAX))
        {
            self.space.unmap(range(first.start, last.end));
            st.pmas.clear(|lo, hi| !installed.is_free(lo, hi))
        } else {
            st.pmas.clear(|_, _| false)
        };
        let committed = st.counters.committed;
        st.counters = Counters {
            peak_rss: st.counters.peak_rss,
            peak_total: st.counters.peak_total,
            ..Counters::default()
        };
        tx.uncharge(committed);
        let held = !memory.is_empty();
        if held {
            self.space.retire(&memory);
        }
        drop(tx);
        if held {
            // Nobody will run here again, so nothing else makes the queue take effect.
            self.space.flush();
        }
        let space = self.mapping_space();
        for e in vmas.marked() {
            if let Some(o) = &e.value.object {
                o.object.remove_mapping(&e.mapping(&space));
            }
        }
        drop(vmas);
        let executable = self.meta.lock().executable.take();
        drop(executable);
    }
}

impl Drop for MemoryManager {
    /// An address space whose users never said goodbye: its objects hold only weak references,
    /// but its memory must not be freed under a mapping.
    fn drop(&mut self) {
        if self.users.is_alive() {
            self.tear_down();
        }
    }
}
