//! The whole tree of one kernel.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use sync::{Mutex, RwLock};

use crate::landlock::RuleCount;
use crate::locks::{LeaseRules, LockGraph};
use crate::memfs::MemFs;
use crate::nsfs::{NamespaceKind, NsHead};
use crate::tree::{Dcache, Dentry, MountTable};
use crate::{
    Changes, Env, FileSystemType, Mount, MountFlags, MountNs, Path, Settings, SpecialFiles,
    SuperBlock, SuperState, Validity,
};

/// The most names that are kept without being used.
const DENTRIES_MAX: usize = 32_768;

/// The tree of names and mounts of one kernel, and the operations on it.
///
/// Path operations take who walks ([`crate::PathCx`]), a directory descriptor (or
/// [`crate::AT_FDCWD`]) and a path, as the `*at` system calls do.
pub struct Vfs {
    pub(crate) env: Arc<Env>,
    pub(crate) mounts: MountTable,
    pub(crate) dcache: Dcache,
    /// One rename of directories at a time, so that ancestors stand still; `s_vfs_rename_mutex`.
    pub(crate) renaming: Mutex<()>,
    pub(crate) types: RwLock<BTreeMap<&'static str, Arc<dyn FileSystemType>>>,
    pub(crate) special: RwLock<Option<Arc<dyn SpecialFiles>>>,
    locks: LockGraph,
    pub(crate) leases: LeaseRules,
    pub(crate) settings: Settings,
    /// Files that memfd_create(2) makes.
    pub(crate) unnamed: Arc<MemFs>,
    net: Arc<crate::socket::Net>,
    pub(crate) landlock_rules: RuleCount,
    root: Path,
    /// The mount namespace that everything begins in.
    pub(crate) namespace: Arc<MountNs>,
}

impl Vfs {
    /// A tree whose top is the root of `top`.
    pub fn new(env: Arc<Env>, top: Arc<SuperBlock>, flags: MountFlags) -> Arc<Vfs> {
        let mounts = MountTable::default();
        // What pivot_root(2) exchanges is mounted over something, which nobody ever sees.
        let beneath = Arc::new(SuperBlock {
            kind: "rootfs",
            source: b"rootfs".to_vec(),
            options: Vec::new(),
            dev: 0,
            validity: Validity::Always,
            root: top.root.clone(),
            state: SuperState::default(),
        });
        let dentry = Dentry::new(None, b"", Some(top.root.clone()));
        let root = Path { mount: mounts.new_mount(dentry.clone(), beneath, flags), dentry };
        let dentry = Dentry::new(None, b"", Some(top.root.clone()));
        let mount = mounts.new_mount(dentry, top, flags);
        let unnamed = MemFs::private(&env);
        let net = crate::socket::Net::new(&env);
        Arc::new_cyclic(|me| {
            let namespace = MountNs::new(NsHead::initial(NamespaceKind::Mnt), me.clone());
            mounts.found(&namespace, &root.mount);
            mounts.add_first(&root, &mount);
            Vfs {
                env,
                unnamed,
                mounts,
                dcache: Dcache::new(DENTRIES_MAX),
                renaming: Mutex::new(()),
                types: RwLock::default(),
                special: RwLock::default(),
                locks: LockGraph::default(),
                leases: LeaseRules::default(),
                settings: Settings::default(),
                net,
                landlock_rules: RuleCount::default(),
                root,
                namespace,
            }
        })
    }

    /// Memory and time.
    pub fn env(&self) -> &Arc<Env> {
        &self.env
    }

    /// The top of the tree.
    pub fn root(&self) -> Path {
        self.covered(self.root.clone())
    }

    /// Names and ports of the sockets of this kernel.
    pub fn net(&self) -> &Arc<crate::socket::Net> {
        &self.net
    }

    /// Who waits for whose record lock.
    pub fn lock_graph(&self) -> &LockGraph {
        &self.locks
    }

    /// How files behave that could behave otherwise.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How long leases last that are being broken.
    pub fn lease_rules(&self) -> &LeaseRules {
        &self.leases
    }

    /// Sets who opens FIFOs and device nodes.
    pub fn set_special_files(&self, special: Arc<dyn SpecialFiles>) {
        *self.special.write() = Some(special);
    }

    /// Makes a file system type known to mount(2), in place of one of that name.
    pub fn register_type(&self, t: Arc<dyn FileSystemType>) {
        self.types.write().insert(t.name(), t);
    }

    /// The types that mount(2) knows, for `/proc/filesystems`.
    pub fn types(&self) -> Vec<&'static str> {
        self.types.read().keys().copied().collect()
    }

    /// Every mount of a namespace, oldest first, for `/proc/PID/mounts` and `mountinfo`.
    pub fn mounts(&self, ns: &MountNs) -> Vec<Arc<Mount>> {
        self.mounts.of(ns, 0, usize::MAX)
    }

    /// The file system of a device number, if it shows in any namespace.
    pub fn super_block(&self, dev: u64) -> Option<Arc<SuperBlock>> {
        self.mounts.super_block(dev)
    }

    /// At most `count` mounts of a namespace with IDs from `id` on, oldest first.
    pub fn mounts_from(&self, ns: &MountNs, id: u64, count: usize) -> Vec<Arc<Mount>> {
        self.mounts.of(ns, id, count)
    }

    /// The most mounts that there can be; `fs.mount-max`.
    pub fn mount_max(&self) -> u32 {
        self.mounts.max()
    }

    /// Sets what [`Vfs::mount_max`] says.
    ///
    /// # Errors
    /// `EINVAL` for 0.
    pub fn set_mount_max(&self, to: u32) -> Result<(), syserr::Errno> {
        if to == 0 {
            return Err(syserr::Errno::EINVAL);
        }
        self.mounts.set_max(to);
        Ok(())
    }

    /// How often the tree of mounts has changed, and who is told when it does.
    pub fn mount_changes(&self) -> Arc<Changes> {
        self.mounts.changes().clone()
    }

    /// The nearest peer group that `m` hears from of which something shows below `root`; 0 for none.
    pub fn dominating_peers(&self, m: &Mount, root: &Path) -> u32 {
        self.mounts.dominating(m, root)
    }
}

impl Drop for Vfs {
    fn drop(&mut self) {
        for m in self.mounts.all() {
            m.super_block().root.unmounted();
        }
    }
}
