//! statmount(2), listmount(2).

use super::buffers::end_of_memory;
use super::mount_attr::attr_bits;
use super::walk::vfs;
use crate::proc::mounts::super_options;
use crate::syscalls::misc::check_zeros;
use crate::{Args, Outcome, TaskCx};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{Addr, Permissions, UserMemory, UserMemoryExt};
use syserr::Errno;
use vfs::nsfs::Namespace;
use vfs::{Mount, MountNs, Path, Propagation, UNIQUE_ID_OFFSET, cap, split_dev};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// `struct mnt_id_req` with all that it has now.
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Request {
    size: u32,
    spare: u32,
    id: u64,
    param: u64,
    namespace: u64,
}
static_assertions::assert_eq_size!(Request, [u8; 32]);

/// The fixed part of `struct statmount`; what it names as strings are offsets behind it.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Fixed {
    size: u32,
    options: u32,
    mask: u64,
    dev: [u32; 2],
    magic: u64,
    sb_flags: u32,
    kind: u32,
    id: u64,
    parent: u64,
    old_id: u32,
    old_parent: u32,
    attrs: u64,
    propagation: u64,
    peers: u64,
    master: u64,
    from: u64,
    root: u32,
    point: u32,
    namespace: u64,
    subtype: u32,
    source: u32,
    options_count: u32,
    options_array: u32,
    security_count: u32,
    security_array: u32,
    supported: u64,
    id_maps: [u32; 4],
    spare: [u64; 43],
}
static_assertions::assert_eq_size!(Fixed, [u8; 512]);

const SB_BASIC: u64 = 1;
const MNT_BASIC: u64 = 2;
const PROPAGATE_FROM: u64 = 4;
const MNT_ROOT: u64 = 8;
const MNT_POINT: u64 = 0x10;
const FS_TYPE: u64 = 0x20;
const MNT_NS_ID: u64 = 0x40;
const MNT_OPTS: u64 = 0x80;
const FS_SUBTYPE: u64 = 0x100;
const SB_SOURCE: u64 = 0x200;
const OPT_ARRAY: u64 = 0x400;
const OPT_SEC_ARRAY: u64 = 0x800;
const SUPPORTED_MASK: u64 = 0x1000;
const UIDMAP: u64 = 0x2000;
const GIDMAP: u64 = 0x4000;
const STRINGS: u64 = MNT_ROOT
    | MNT_POINT
    | FS_TYPE
    | MNT_OPTS
    | FS_SUBTYPE
    | SB_SOURCE
    | OPT_ARRAY
    | OPT_SEC_ARRAY
    | UIDMAP
    | GIDMAP;
const SUPPORTED: u64 = 0x7fff;

/// `LSMT_ROOT`.
const ROOT: u64 = u64::MAX;

fn request(cx: &TaskCx, at: u64) -> Result<Request, Errno> {
    const FIRST: u64 = 24;
    const KNOWN: u64 = size_of::<Request>() as u64;
    let size: u32 = cx.mm().read_obj(Addr(at))?;
    let size = u64::from(size);
    if size > arch::PAGE_SIZE {
        return Err(Errno::E2BIG);
    }
    if size < FIRST {
        return Err(Errno::EINVAL);
    }
    check_zeros(cx, at, KNOWN, size)?;
    let mut r = Request::default();
    let n = size.min(KNOWN) as usize;
    let (part, _) = r.as_mut_bytes().split_at_mut(n);
    cx.mm().copy_in(Addr(at), part, Permissions::Obey)?;
    if r.spare != 0 || r.id <= UNIQUE_ID_OFFSET {
        return Err(Errno::EINVAL);
    }
    Ok(r)
}

/// The caller's mount namespace, if it is the one that is asked for.
fn namespace(cx: &TaskCx, r: &Request) -> Result<Arc<MountNs>, Errno> {
    let own = cx.task.fs().namespace();
    own.filter(|ns| r.namespace == 0 || r.namespace == ns.id()).ok_or(Errno::ENOENT)
}

fn may_see(cx: &TaskCx, ns: &MountNs, place: &Path) -> Result<(), Errno> {
    let seen = place.is_reachable_from(&cx.task.fs().root());
    let may = seen || cx.task.creds().has_in(&ns.owner(), cap::SYS_ADMIN);
    if may { Ok(()) } else { Err(Errno::EPERM) }
}

fn find(cx: &TaskCx, ns: &MountNs, id: u64) -> Result<Arc<Mount>, Errno> {
    let found = vfs(cx).mounts_from(ns, id.saturating_sub(UNIQUE_ID_OFFSET), 1).pop();
    found.filter(|m| m.unique_id() == id).ok_or(Errno::ENOENT)
}

/// The strings of the answer.
struct Strings {
    bytes: Vec<u8>,
}

impl Strings {
    /// Adds one and gives its place.
    fn add(&mut self, text: &[u8]) -> u32 {
        let at = self.bytes.len() as u32;
        self.bytes.extend_from_slice(text);
        self.bytes.push(0);
        at
    }
}

fn propagation_bits(p: Propagation) -> u64 {
    let ties = u64::from(p.peers != 0) << 20 | u64::from(p.master != 0) << 19;
    match ties | u64::from(p.unbindable) << 17 {
        0 => 1 << 18,
        bits => bits,
    }
}

/// statmount(2).
pub(crate) fn sys_statmount(cx: &mut TaskCx, a: &Args) -> Outcome {
    stat(cx, a).map(|()| 0).into()
}

fn stat(cx: &TaskCx, a: &Args) -> Result<(), Errno> {
    const FIXED: u64 = size_of::<Fixed>() as u64;
    if a[3] as u32 != 0 {
        return Err(Errno::EINVAL);
    }
    let r = request(cx, a[0])?;
    let ns = namespace(cx, &r)?;
    let (buf, room, mask) = (a[1], a[2], r.param);
    if buf.checked_add(room).is_none_or(|end| end > end_of_memory(cx)) {
        return Err(Errno::EFAULT);
    }
    if mask & STRINGS != 0 && room == FIXED {
        return Err(Errno::EOVERFLOW);
    }
    let m = find(cx, &ns, r.id)?;
    may_see(cx, &ns, &Path::of_mount(&m))?;
    let (fixed, strings) = describe(cx, &m, mask)?;
    let whole = FIXED + strings.len() as u64;
    if !strings.is_empty() && whole > room {
        return Err(Errno::EOVERFLOW);
    }
    let head = fixed.as_bytes();
    let n = head.len().min(room as usize);
    cx.mm().copy_out(Addr(buf), head.get(..n).unwrap_or(head), Permissions::Obey)?;
    if !strings.is_empty() {
        cx.mm().copy_out(Addr(buf + FIXED), &strings, Permissions::Obey)?;
    }
    Ok(())
}

fn describe(cx: &TaskCx, m: &Arc<Mount>, mask: u64) -> Result<(Fixed, Vec<u8>), Errno> {
    let root = cx.task.fs().root();
    let sb = m.super_block();
    let mut out = Fixed::read_from_bytes(&[0; 512]).map_err(|_| Errno::EINVAL)?;
    let mut text = Strings { bytes: Vec::new() };
    if mask & SB_BASIC != 0 {
        let (major, minor) = split_dev(sb.dev);
        out.dev = [major, minor];
        out.magic = sb.root.statfs()?.magic;
        out.sb_flags = sb.state.is_read_only().into();
        out.mask |= SB_BASIC;
    }
    if mask & MNT_BASIC != 0 {
        let above = m.point().map_or_else(|| m.clone(), |p| p.mount().clone());
        let p = m.propagation();
        out.id = m.unique_id();
        out.parent = above.unique_id();
        out.old_id = m.id() as u32;
        out.old_parent = above.id() as u32;
        out.attrs = attr_bits(m.flags());
        out.propagation = propagation_bits(p);
        out.peers = p.peers.into();
        out.master = p.master.into();
        out.mask |= MNT_BASIC;
    }
    if mask & PROPAGATE_FROM != 0 {
        out.from = vfs(cx).dominating_peers(m, &root).into();
        out.mask |= PROPAGATE_FROM;
    }
    if mask & MNT_NS_ID != 0 {
        out.namespace = m.namespace().map_or(0, |ns| ns.id());
        out.mask |= MNT_NS_ID;
    }
    if mask & FS_TYPE != 0 {
        out.kind = text.add(sb.kind.as_bytes());
        out.mask |= FS_TYPE;
    }
    if mask & MNT_ROOT != 0 {
        out.root = text.add(&m.root_path());
        out.mask |= MNT_ROOT;
    }
    if mask & MNT_POINT != 0 {
        out.point = text.add(&Path::of_mount(m).below(&root).unwrap_or_default());
        out.mask |= MNT_POINT;
    }
    let options = super_options(m);
    if mask & MNT_OPTS != 0 && !options.is_empty() {
        out.options = text.add(options);
        out.mask |= MNT_OPTS;
    }
    if mask & OPT_ARRAY != 0 && !options.is_empty() {
        out.options_array = text.bytes.len() as u32;
        for option in options.split(|b| *b == b',') {
            text.add(option);
            out.options_count += 1;
        }
        out.mask |= OPT_ARRAY;
    }
    if mask & SB_SOURCE != 0 {
        out.source = text.add(if sb.source.is_empty() { b"none" } else { &sb.source });
        out.mask |= SB_SOURCE;
    }
    if mask & SUPPORTED_MASK != 0 {
        out.supported = SUPPORTED;
        out.mask |= SUPPORTED_MASK;
    }
    out.size = (size_of::<Fixed>() + text.bytes.len()) as u32;
    Ok((out, text.bytes))
}

/// listmount(2).
pub(crate) fn sys_listmount(cx: &mut TaskCx, a: &Args) -> Outcome {
    list(cx, a).into()
}

fn list(cx: &TaskCx, a: &Args) -> Result<u64, Errno> {
    const REVERSE: u32 = 1;
    const COUNT_MAX: u64 = 1_000_000;
    let (to, count, flags) = (a[1], a[2], a[3] as u32);
    if flags & !REVERSE != 0 {
        return Err(Errno::EINVAL);
    }
    if count > COUNT_MAX {
        return Err(Errno::EOVERFLOW);
    }
    if to.checked_add(count * 8).is_none_or(|end| end > end_of_memory(cx)) {
        return Err(Errno::EFAULT);
    }
    let r = request(cx, a[0])?;
    let ns = namespace(cx, &r)?;
    if r.param != 0 && r.param <= UNIQUE_ID_OFFSET {
        return Err(Errno::EINVAL);
    }
    let whole = match r.id {
        ROOT => cx.task.fs().root(),
        id => Path::of_mount(&find(cx, &ns, id)?),
    };
    may_see(cx, &ns, &whole)?;
    let mut mounts = vfs(cx).mounts(&ns);
    let backwards = flags & REVERSE != 0;
    if backwards {
        mounts.reverse();
    }
    let after = |id: u64| match r.param {
        0 => true,
        last if backwards => id < last,
        last => id > last,
    };
    let mut below = Below { top: whole, known: BTreeMap::new() };
    let ids: Vec<u64> = mounts
        .iter()
        .filter(|m| m.unique_id() != r.id && after(m.unique_id()) && below.contains(m))
        .map(|m| m.unique_id())
        .take(count as usize)
        .collect();
    cx.mm().copy_out(Addr(to), ids.as_bytes(), Permissions::Obey)?;
    Ok(ids.len() as u64)
}

/// Mounts that can be reached from a place. Each is looked at once: many may lie on top of each
/// other.
struct Below {
    top: Path,
    /// What was found, by mount ID.
    known: BTreeMap<u64, bool>,
}

impl Below {
    fn contains(&mut self, mount: &Arc<Mount>) -> bool {
        let (mut at, mut passed) = (Path::of_mount(mount), Vec::new());
        let found = loop {
            let id = at.mount().id();
            if let Some(known) = self.known.get(&id) {
                break *known;
            }
            if Arc::ptr_eq(at.mount(), self.top.mount()) {
                break at.is_reachable_from(&self.top);
            }
            passed.push(id);
            match at.mount().point() {
                Some(point) => at = point,
                None => break false,
            }
        };
        self.known.extend(passed.into_iter().map(|id| (id, found)));
        found
    }
}
