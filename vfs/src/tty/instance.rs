//! Instances of devpts: each shows the pseudo-terminals that were made through it.

use super::devpts::DEV;
use super::options::Options;
use super::pair::Pair;
use crate::{Creds, SetAttr};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use sync::Mutex;
use syserr::Errno;

/// Whose a node is, and who may do what with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mode: u32,
}

impl Owner {
    pub(super) fn change(&mut self, set: &SetAttr) {
        self.uid = set.uid.unwrap_or(self.uid);
        self.gid = set.gid.unwrap_or(self.gid);
        self.mode = set.mode.unwrap_or(self.mode) & 0o7777;
    }
}

/// The terminals of one devpts, and whose they are.
///
/// A terminal keeps its instance, and is in there until its master is closed.
pub(super) struct Instance {
    /// Its device number.
    pub(super) dev: u64,
    options: Mutex<Options>,
    pub(super) root: Mutex<Owner>,
    pub(super) ptmx: Mutex<Owner>,
    pairs: Mutex<BTreeMap<u32, Arc<Pair>>>,
}

impl Instance {
    /// The one that a kernel begins with.
    pub(super) fn first() -> Arc<Instance> {
        Instance::new(DEV, Options::first(), (0, 0))
    }

    /// One without terminals, whose `ptmx` belongs to user and group `root`.
    pub(super) fn new(dev: u64, options: Options, root: (u32, u32)) -> Arc<Instance> {
        let ptmx = Owner { uid: root.0, gid: root.1, mode: options.ptmx_mode };
        Arc::new(Instance {
            dev,
            options: Mutex::new(options),
            root: Mutex::new(Owner { mode: 0o755, ..ptmx }),
            ptmx: Mutex::new(ptmx),
            pairs: Mutex::default(),
        })
    }

    /// Is there from the beginning, and has what was reserved for it.
    pub(super) fn is_first(&self) -> bool {
        self.dev == DEV
    }

    /// Other options, as remounting gives them.
    pub(super) fn set_options(&self, options: Options) {
        self.ptmx.lock().mode = options.ptmx_mode;
        *self.options.lock() = options;
    }

    /// Makes a terminal for `creds` with the lowest number that is free.
    ///
    /// # Errors
    /// `ENOSPC` when there are as many as the options allow.
    pub(super) fn add(
        &self,
        creds: &Creds,
        make: impl FnOnce(u32, Owner) -> Arc<Pair>,
    ) -> Result<Arc<Pair>, Errno> {
        let (owner, most) = {
            let o = self.options.lock();
            let (uid, gid) = (o.uid.unwrap_or(creds.fsuid), o.gid.unwrap_or(creds.fsgid));
            (Owner { uid, gid, mode: o.mode }, o.max)
        };
        let mut pairs = self.pairs.lock();
        let taken = pairs.keys().zip(0..).take_while(|(have, n)| *have == n).count();
        let number = u32::try_from(taken).ok().filter(|n| *n < most).ok_or(Errno::ENOSPC)?;
        let pair = make(number, owner);
        pairs.insert(number, pair.clone());
        Ok(pair)
    }

    pub(super) fn pair(&self, number: u32) -> Option<Arc<Pair>> {
        self.pairs.lock().get(&number).cloned()
    }

    pub(super) fn numbers(&self) -> Vec<u32> {
        self.pairs.lock().keys().copied().collect()
    }

    pub(super) fn remove(&self, number: u32) {
        let pair = self.pairs.lock().remove(&number);
        drop(pair);
    }
}
