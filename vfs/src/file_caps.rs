//! Capabilities of files: the extended attribute `security.capability`; capabilities(7),
//! `security/commoncap.c`.

use alloc::vec::Vec;
use syserr::Errno;

use crate::notify::{Mask, happened};
use crate::{Inode, Path, UserNs, XattrSet, cap};

/// The attribute.
pub(crate) const NAME: &[u8] = b"security.capability";

/// `VFS_CAP_REVISION_*`, and the bits that hold it.
const REVISION: u32 = 0xff00_0000;
const REVISION_1: u32 = 0x0100_0000;
const REVISION_2: u32 = 0x0200_0000;
const REVISION_3: u32 = 0x0300_0000;
/// `VFS_CAP_FLAGS_EFFECTIVE`.
const EFFECTIVE: u32 = 1;
/// Words of `struct vfs_ns_cap_data`: the revision, two of each set, the root user.
const WORDS: usize = 6;

/// What a program's file adds to, and takes from, who executes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileCaps {
    /// Given.
    pub permitted: u64,
    /// Kept of those that are inheritable.
    pub inheritable: u64,
    /// They are effective at once.
    pub effective: bool,
}

/// The attribute as it is stored.
struct Stored {
    revision: u32,
    words: [u32; WORDS],
}

impl Stored {
    /// # Errors
    /// `EINVAL` for what is no such value.
    fn parse(bytes: &[u8]) -> Result<Stored, Errno> {
        let (chunks, rest) = bytes.as_chunks::<4>();
        let mut words = [0; WORDS];
        for (to, from) in words.iter_mut().zip(chunks) {
            *to = u32::from_le_bytes(*from);
        }
        let revision = words[0] & REVISION;
        let len = match revision {
            REVISION_1 => 3,
            REVISION_2 => 5,
            REVISION_3 => WORDS,
            _ => return Err(Errno::EINVAL),
        };
        if chunks.len() != len || !rest.is_empty() {
            return Err(Errno::EINVAL);
        }
        Ok(Stored { revision, words })
    }

    /// The user who is root where they count, as the file system's namespace calls it.
    fn root(&self) -> u32 {
        self.words[5]
    }

    /// The same of another root; of none, of the file system's own.
    fn with_root(&self, root: Option<u32>) -> Vec<u8> {
        let mut words = self.words;
        let (revision, len) = if root.is_some() { (REVISION_3, WORDS) } else { (REVISION_2, 5) };
        words[0] = revision | words[0] & EFFECTIVE;
        words[5] = root.unwrap_or(0);
        words.iter().take(len).flat_map(|w| w.to_le_bytes()).collect()
    }
}

/// Whether a user is root in a namespace or in one that it lies in (`rootid_owns_currentns`).
fn is_root_of(ns: &UserNs, user: u32) -> bool {
    let mut at = Some(ns);
    while let Some(ns) = at {
        if ns.uid_out(user) == Some(0) {
            return true;
        }
        at = ns.parent_ns();
    }
    false
}

fn stored(inode: &dyn Inode) -> Result<Option<Stored>, Errno> {
    match inode.get_xattr(NAME) {
        Ok(bytes) => Stored::parse(&bytes).map(Some),
        Err(Errno::ENODATA | Errno::EOPNOTSUPP) => Ok(None),
        Err(e) => Err(e),
    }
}

/// The capabilities of the program at a place that count in a user namespace.
///
/// # Errors
/// `EINVAL` for an attribute that is none; `EIO`.
pub fn file_caps(path: &Path, ns: &UserNs) -> Result<Option<FileCaps>, Errno> {
    let Some(s) = stored(&**path.inode())? else { return Ok(None) };
    let root = path.mount().super_block().user_ns().uid_in(s.root());
    if !root.is_some_and(|root| is_root_of(ns, root)) {
        return Ok(None);
    }
    let [_, permitted, inheritable, more_permitted, more_inheritable, _] = s.words.map(u64::from);
    let all = if s.revision == REVISION_1 { cap::ALL & 0xffff_ffff } else { cap::ALL };
    Ok(Some(FileCaps {
        permitted: (permitted | more_permitted << 32) & all,
        inheritable: (inheritable | more_inheritable << 32) & all,
        effective: s.words[0] & EFFECTIVE != 0,
    }))
}

/// The attribute for who is in `ns`: of the root of a namespace as that is called there
/// (`cap_inode_getsecurity`).
///
/// # Errors
/// `ENODATA`; `EINVAL` for one that is none; `EOVERFLOW` for one that does not count there.
pub(crate) fn show(path: &Path, ns: &UserNs) -> Result<Vec<u8>, Errno> {
    let s = Stored::parse(&path.inode().get_xattr(NAME)?)?;
    if s.revision == REVISION_1 {
        return Err(Errno::EINVAL);
    }
    let root = path.mount().super_block().user_ns().uid_in(s.root());
    match root.and_then(|r| ns.uid_out(r)) {
        Some(shown) if shown != 0 => Ok(s.with_root(Some(shown))),
        _ if !root.is_some_and(|r| is_root_of(ns, r)) => Err(Errno::EOVERFLOW),
        _ => Ok(s.with_root(None)),
    }
}

/// What is stored when who has `creds` sets the attribute (`cap_convert_nscap`): without rights over
/// the file system it counts only where the own root is one.
///
/// # Errors
/// `EINVAL`, `EPERM`.
pub(crate) fn to_store(creds: &crate::Creds, path: &Path, value: &[u8]) -> Result<Vec<u8>, Errno> {
    let s = Stored::parse(value)?;
    if s.revision == REVISION_1 {
        return Err(Errno::EINVAL);
    }
    may_change(creds, path)?;
    let fs_ns = path.mount().super_block().user_ns();
    if s.revision == REVISION_2 && creds.has_in(fs_ns, cap::SETFCAP) {
        return Ok(value.to_vec());
    }
    let root = creds.user_ns.uid_in(s.root()).ok_or(Errno::EINVAL)?;
    Ok(s.with_root(Some(fs_ns.uid_out(root).ok_or(Errno::EINVAL)?)))
}

/// Whether who has `creds` may set or remove the attribute.
///
/// # Errors
/// `EPERM`.
pub(crate) fn may_change(creds: &crate::Creds, path: &Path) -> Result<(), Errno> {
    let p = path.inode().perm()?;
    if creds.has_over(p.uid, p.gid, cap::SETFCAP) { Ok(()) } else { Err(Errno::EPERM) }
}

/// Stores the attribute.
///
/// # Errors
/// Those of [`Inode::set_xattr`].
pub(crate) fn store(inode: &dyn Inode, value: &[u8], how: XattrSet) -> Result<(), Errno> {
    let done = inode.set_xattr(NAME, value, how);
    if let Some(state) = inode.state() {
        state.may_have_caps();
    }
    done
}

/// Takes them from a file that changes (`cap_inode_killpriv`). That there are none is remembered.
///
/// # Errors
/// `EIO`.
pub(crate) fn remove(path: &Path) -> Result<(), Errno> {
    let inode = path.inode();
    let question = inode.state().and_then(|s| s.asks_for_caps().map(|q| (s, q)));
    let Some((state, question)) = question else { return Ok(()) };
    match inode.get_xattr(NAME) {
        Ok(_) => {}
        Err(Errno::ENODATA | Errno::EOPNOTSUPP) => {
            state.has_no_caps(question);
            return Ok(());
        }
        Err(e) => return Err(e),
    }
    match inode.remove_xattr(NAME) {
        // A host's file loses them when it is written.
        Err(Errno::EPERM | Errno::ENODATA) => Ok(()),
        done => done.map(|()| happened(path, Mask::ATTRIB)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_values_of_known_revisions() {
        let value = |magic: u32, words: usize| {
            let mut v = magic.to_le_bytes().to_vec();
            v.resize(4 * words, 7);
            v
        };
        for (magic, words, good) in [
            (REVISION_1, 3, true),
            (REVISION_2 | 1, 5, true),
            (REVISION_3, 6, true),
            (REVISION_1, 5, false),
            (REVISION_2, 6, false),
            (REVISION_3, 7, false),
            (0, 5, false),
            (0x0400_0000, 6, false),
        ] {
            assert_eq!(Stored::parse(&value(magic, words)).is_ok(), good, "{magic:x} {words}");
        }
        assert!(Stored::parse(&value(REVISION_2, 5)[..19]).is_err());
        assert!(Stored::parse(b"").is_err());
    }

    #[test]
    fn roots_come_and_go() {
        let bytes: Vec<u8> =
            [REVISION_2 | 1, 1, 2, 3, 4].iter().flat_map(|w| w.to_le_bytes()).collect();
        let with = Stored::parse(&bytes).and_then(|s| Stored::parse(&s.with_root(Some(9))));
        let Ok(with) = with else { panic!("it is a value") };
        assert_eq!((with.revision, with.root()), (REVISION_3, 9));
        assert_eq!(with.with_root(None), bytes);
    }
}
