//! The names of a directory.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use sync::{Mutex, RwLock};
use syserr::Errno;

use super::Node;
use super::node::Data;
use crate::{Create, DirEntry, FileFlags, Inode, Nanos, RenameFlags, mode};

/// Positions of the lower's entries start here.
const LOWER_FIRST: u64 = 1 << 62;
/// Listings of the lower with more entries are not kept once they were read to the end.
const LISTING_KEPT: usize = 4096;
/// The most links to one file; what ext4 allows.
const LINKS_MAX: u32 = 65_000;

struct Named {
    node: Arc<Node>,
    /// Where the entry stands in the order of reading.
    place: u64,
}

#[derive(Default)]
struct Names {
    by_name: BTreeMap<Arc<[u8]>, Named>,
    by_place: BTreeMap<u64, Arc<[u8]>>,
    next: u64,
    /// Names that the lower has and this directory does not.
    hidden: BTreeSet<Arc<[u8]>>,
    parent: Weak<Node>,
    dead: bool,
}

impl Names {
    fn put(&mut self, name: &[u8], node: Arc<Node>) -> Option<Arc<Node>> {
        let name: Arc<[u8]> = name.into();
        self.next = self.next.max(2) + 1;
        let place = self.next;
        let old = self.by_name.insert(name.clone(), Named { node, place });
        if let Some(o) = &old {
            self.by_place.remove(&o.place);
        }
        self.by_place.insert(place, name);
        old.map(|o| o.node)
    }

    fn take(&mut self, name: &[u8]) -> Option<Arc<Node>> {
        let old = self.by_name.remove(name)?;
        self.by_place.remove(&old.place);
        Some(old.node)
    }
}

#[derive(Default)]
pub(super) struct Dir {
    names: RwLock<Names>,
    /// The lower's entries, and its time of change when they were read.
    listing: Mutex<Option<(Nanos, Arc<[DirEntry]>)>>,
}

impl Dir {
    pub(super) fn merged(parent: Weak<Node>) -> Dir {
        Dir { names: RwLock::new(Names { parent, ..Names::default() }), ..Dir::default() }
    }

    /// Size as tmpfs reports it: 20 bytes an entry.
    pub(super) fn size(&self) -> u64 {
        self.names.read().by_name.len() as u64 * 20
    }
}

impl Node {
    fn lower_node(&self, names: &Names, name: &[u8]) -> Result<Arc<Node>, Errno> {
        match &self.lower {
            Some(l) if !names.hidden.contains(name) => {
                Node::above(&self.fs, l.inode.lower_child(name)?, Some(self))
            }
            _ => Err(Errno::ENOENT),
        }
    }

    pub(crate) fn find(&self, name: &[u8]) -> Result<Arc<Node>, Errno> {
        let names = self.dir()?.names.read();
        match names.by_name.get(name) {
            Some(n) => Ok(n.node.clone()),
            None => self.lower_node(&names, name),
        }
    }

    /// Whether the lower's answer still holds for a name that is not this directory's own.
    pub(super) fn still_valid(&self, name: &[u8], child: Option<&Arc<dyn Inode>>) -> bool {
        let (Ok(dir), Some(lower)) = (self.dir(), &self.lower) else { return true };
        {
            let names = dir.names.read();
            if names.by_name.contains_key(name) || names.hidden.contains(name) {
                return true;
            }
        }
        match child.map(|c| Node::of(c)) {
            None => lower.inode.revalidate(name, None),
            Some(Ok(n)) => match &n.lower {
                Some(l) => {
                    let beneath: Arc<dyn Inode> = l.inode.clone();
                    lower.inode.revalidate(name, Some(&beneath))
                }
                None => false,
            },
            Some(Err(_)) => false,
        }
    }

    /// Enters a node under a name that is free.
    fn enter(&self, name: &[u8], node: &Arc<Node>) -> Result<(), Errno> {
        let mut names = self.dir()?.names.write();
        if names.dead {
            return Err(Errno::ENOENT);
        }
        if names.by_name.contains_key(name) {
            return Err(Errno::EEXIST);
        }
        names.put(name, node.clone());
        Ok(())
    }

    fn links(&self, by: i32) -> Result<(), Errno> {
        self.update(|a| a.nlink = a.nlink.saturating_add_signed(by))
    }

    /// Notes a change of names, and of how many subdirectories there are.
    fn names_changed(&self, subdirectories: i32) -> Result<(), Errno> {
        let now = self.fs.env.now();
        self.update(|a| {
            a.nlink = a.nlink.saturating_add_signed(subdirectories);
            a.mtime = now;
            a.ctime = now;
        })
    }

    fn adopt(&self, child: &Node) {
        if let Data::Dir(d) = &child.data {
            d.names.write().parent = self.this.clone();
        }
    }

    pub(crate) fn make(&self, name: &[u8], what: &Create<'_>) -> Result<Arc<Node>, Errno> {
        if self.dir()?.names.read().dead {
            return Err(Errno::ENOENT);
        }
        let node = Node::create(&self.fs, what)?;
        let inherited = self.file_flags().unwrap_or_default() & FileFlags::INHERITED;
        if !inherited.is_empty() {
            node.update(|a| a.flags = inherited)?;
        }
        self.adopt(&node);
        self.names_changed(i32::from(node.kind == mode::IFDIR))?;
        self.enter(name, &node)?;
        Ok(node)
    }

    pub(super) fn add_link(&self, name: &[u8], target: &Node) -> Result<(), Errno> {
        if target.attr()?.nlink >= LINKS_MAX {
            return Err(Errno::EMLINK);
        }
        self.names_changed(0)?;
        let now = self.fs.env.now();
        target.take_name()?;
        target.update(|a| {
            a.nlink += 1;
            a.ctime = now;
        })?;
        let entered = self.enter(name, &target.arc()?);
        if entered.is_err() {
            target.links(-1)?;
            target.give_name()?;
        }
        entered
    }

    /// Every name of a file but the first counts as an inode, as in tmpfs (`shmem_link`): names are
    /// the kernel's own memory too.
    fn take_name(&self) -> Result<(), Errno> {
        if self.counts_names() && self.attr()?.nlink > 0 { self.fs.take_inode() } else { Ok(()) }
    }

    fn give_name(&self) -> Result<(), Errno> {
        if self.counts_names() && self.attr()?.nlink > 0 {
            self.fs.give_inode();
        }
        Ok(())
    }

    fn counts_names(&self) -> bool {
        self.lower.is_none() && self.kind != mode::IFDIR
    }

    fn is_empty(&self) -> Result<bool, Errno> {
        let names = self.dir()?.names.read();
        if !names.by_name.is_empty() {
            return Ok(false);
        }
        let mut empty = true;
        self.each_lower(&names, 0, &mut |e| {
            empty = e.name == b"." || e.name == b"..";
            empty
        })?;
        Ok(empty)
    }

    /// Makes a directory refuse new names.
    fn kill(&self) -> Result<(), Errno> {
        if !self.is_empty()? {
            return Err(Errno::ENOTEMPTY);
        }
        self.dir()?.names.write().dead = true;
        Ok(())
    }

    /// One name of a file is gone.
    fn lost_name(&self) -> Result<(), Errno> {
        let now = self.fs.env.now();
        let directory = self.kind == mode::IFDIR;
        let mut left = 0;
        self.update(|a| {
            a.nlink = if directory { 0 } else { a.nlink.saturating_sub(1) };
            a.ctime = now;
            left = a.nlink;
        })?;
        if left == 0 {
            self.let_go();
        }
        self.give_name()
    }

    pub(super) fn drop_name(&self, name: &[u8], child: &Node) -> Result<(), Errno> {
        let directory = child.kind == mode::IFDIR;
        if directory {
            child.kill()?;
        }
        self.names_changed(-i32::from(directory))?;
        let mut names = self.dir()?.names.write();
        let old = names.take(name);
        // A name of our own covers none of the lower's, or one that is hidden already.
        if self.lower.is_some() && old.is_none() {
            names.hidden.insert(name.into());
        }
        drop(names);
        drop(old);
        child.lost_name()
    }

    pub(super) fn move_name(
        &self,
        name: &[u8],
        to: &Node,
        new_name: &[u8],
        flags: RenameFlags,
        left: &Create<'_>,
    ) -> Result<(), Errno> {
        let node = self.find(name)?;
        let replaced = match to.find(new_name) {
            Ok(n) => Some(n),
            Err(Errno::ENOENT) => None,
            Err(e) => return Err(e),
        };
        if to.dir()?.names.read().dead {
            return Err(Errno::ENOENT);
        }
        let exchange = flags.contains(RenameFlags::EXCHANGE);
        let whiteout = if flags.contains(RenameFlags::WHITEOUT) {
            Some(Node::create(&self.fs, left)?)
        } else {
            None
        };
        let is_dir = |n: &Node| i32::from(n.kind == mode::IFDIR);
        let back = replaced.as_ref().map_or(0, |r| is_dir(r));
        match &replaced {
            Some(r) if !exchange && r.kind == mode::IFDIR => r.kill()?,
            _ => {}
        }
        self.names_changed(if exchange { back } else { 0 } - is_dir(&node))?;
        to.names_changed(is_dir(&node) - back)?;
        {
            let mut names = self.dir()?.names.write();
            let old = names.take(name);
            if self.lower.is_some() && old.is_none() {
                names.hidden.insert(name.into());
            }
            if let Some(other) = replaced.as_ref().filter(|_| exchange) {
                names.put(name, other.clone());
            } else if let Some(w) = whiteout {
                names.put(name, w);
            }
            drop(names);
            drop(old);
        }
        let old = {
            let mut names = to.dir()?.names.write();
            let old = names.put(new_name, node.clone());
            // What was replaced lies beneath, and must not come back when this name goes.
            if to.lower.is_some() && old.is_none() && replaced.is_some() {
                names.hidden.insert(new_name.into());
            }
            old
        };
        drop(old);
        to.adopt(&node);
        let now = self.fs.env.now();
        node.update(|a| a.ctime = now)?;
        if let Some(r) = replaced {
            if exchange {
                self.adopt(&r);
                r.update(|a| a.ctime = now)?;
            } else {
                r.lost_name()?;
            }
        }
        Ok(())
    }

    /// What the lower lists, read once and kept as long as the lower does not change.
    fn lower_listing(&self, from: u64) -> Result<Option<Arc<[DirEntry]>>, Errno> {
        let (Some(lower), Data::Dir(dir)) = (&self.lower, &self.data) else { return Ok(None) };
        let changed = lower.inode.stat()?.mtime;
        {
            let kept = dir.listing.lock();
            // In the middle of reading, positions must go on meaning what they meant.
            if let Some((at, l)) = &*kept
                && (*at == changed || from > 0)
            {
                return Ok(Some(l.clone()));
            }
        }
        let mut all = Vec::new();
        lower.inode.lower_list(0, &mut |e| {
            if e.name != b"." && e.name != b".." {
                all.push(e.clone());
            }
            true
        })?;
        let all: Arc<[DirEntry]> = all.into();
        *dir.listing.lock() = Some((changed, all.clone()));
        Ok(Some(all))
    }

    fn each_lower(
        &self,
        names: &Names,
        from: u64,
        emit: &mut dyn FnMut(&DirEntry) -> bool,
    ) -> Result<(), Errno> {
        let Some(listing) = self.lower_listing(from)? else { return Ok(()) };
        let skip = usize::try_from(from).unwrap_or(usize::MAX);
        for (i, e) in listing.iter().enumerate().skip(skip) {
            if names.hidden.contains(&*e.name) || names.by_name.contains_key(&*e.name) {
                continue;
            }
            let next = LOWER_FIRST + i as u64 + 1;
            if !emit(&DirEntry { next, ..e.clone() }) {
                return Ok(());
            }
        }
        if listing.len() > LISTING_KEPT
            && let Data::Dir(dir) = &self.data
        {
            *dir.listing.lock() = None;
        }
        Ok(())
    }

    pub(super) fn list(
        &self,
        from: u64,
        emit: &mut dyn FnMut(&DirEntry) -> bool,
    ) -> Result<(), Errno> {
        let names = self.dir()?.names.read();
        if names.dead {
            return Err(Errno::ENOENT);
        }
        let directory =
            |ino, name: &[u8], next| DirEntry { ino, kind: mode::IFDIR, name: name.to_vec(), next };
        if from < 1 && !emit(&directory(self.ino, b".", 1)) {
            return Ok(());
        }
        let up = names.parent.upgrade().map_or(self.ino, |p| p.ino);
        if from < 2 && !emit(&directory(up, b"..", 2)) {
            return Ok(());
        }
        for (place, name) in names.by_place.range(from.saturating_add(1)..) {
            let Some(n) = names.by_name.get(name) else { continue };
            let entry =
                DirEntry { ino: n.node.ino, kind: n.node.kind, name: name.to_vec(), next: *place };
            if !emit(&entry) {
                return Ok(());
            }
        }
        self.each_lower(&names, from.saturating_sub(LOWER_FIRST), emit)
    }

    /// Lets go of a tree level by level: nesting can be deeper than the stack.
    pub(super) fn drop_children(&mut self) {
        let Data::Dir(d) = &mut self.data else { return };
        let mut todo: Vec<Arc<Node>> = take_nodes(d);
        while let Some(n) = todo.pop() {
            if let Some(mut n) = Arc::into_inner(n)
                && let Data::Dir(d) = &mut n.data
            {
                todo.append(&mut take_nodes(d));
            }
        }
    }
}

fn take_nodes(d: &Dir) -> Vec<Arc<Node>> {
    let mut names = d.names.write();
    names.by_place.clear();
    core::mem::take(&mut names.by_name).into_values().map(|n| n.node).collect()
}
