//! POSIX access control lists: acl(5), `fs/posix_acl.c`.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use syserr::Errno;

use crate::{Creds, Perm, UserNs, mode};

/// Version of lists in extended attributes; `POSIX_ACL_XATTR_VERSION`.
const VERSION: u32 = 2;

const USER_OBJ: u16 = 1;
const USER: u16 = 2;
const GROUP_OBJ: u16 = 4;
const GROUP: u16 = 8;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;

/// Which of the two lists of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AclKind {
    /// Who may do what with the file; `system.posix_acl_access`.
    Access,
    /// What files that are made in the directory begin with; `system.posix_acl_default`.
    Default,
}

impl AclKind {
    /// The extended attribute that holds it.
    pub fn name(self) -> &'static [u8] {
        match self {
            AclKind::Access => b"system.posix_acl_access",
            AclKind::Default => b"system.posix_acl_default",
        }
    }

    /// The list that an extended attribute holds.
    pub fn of(name: &[u8]) -> Option<AclKind> {
        [AclKind::Access, AclKind::Default].into_iter().find(|k| k.name() == name)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    tag: u16,
    bits: u16,
    /// User or group, of the entries that name one.
    id: u32,
}

/// A list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl {
    entries: Box<[Entry]>,
}

/// Bits of `old` that `mode` and an entry have in common, in the place of `shift`.
fn common(bits: u16, mode: u32, shift: u32) -> u16 {
    bits & (mode >> shift) as u16 & 7
}

impl Acl {
    /// Reads an attribute in which users and groups are called as in `ns`; `None` for a list without
    /// entries. Whether it makes sense is [`Acl::check`]'s to say.
    ///
    /// # Errors
    /// `EINVAL`, also for who is not known there; `EOPNOTSUPP` for another version.
    pub fn parse(value: &[u8], ns: &UserNs) -> Result<Option<Acl>, Errno> {
        if value.is_empty() {
            return Ok(None);
        }
        let (head, rest) = value.split_first_chunk::<4>().ok_or(Errno::EINVAL)?;
        if u32::from_le_bytes(*head) != VERSION {
            return Err(Errno::EOPNOTSUPP);
        }
        let (entries, []) = rest.as_chunks::<8>() else { return Err(Errno::EINVAL) };
        let read = |e: &[u8; 8]| {
            let [t0, t1, b0, b1, id @ ..] = *e;
            let (tag, bits) = (u16::from_le_bytes([t0, t1]), u16::from_le_bytes([b0, b1]));
            let id = u32::from_le_bytes(id);
            let id = match tag {
                USER_OBJ | GROUP_OBJ | MASK | OTHER => Some(u32::MAX),
                USER => ns.uid_in(id),
                GROUP => ns.gid_in(id),
                _ => None,
            };
            id.map(|id| Entry { tag, bits, id }).ok_or(Errno::EINVAL)
        };
        let entries: Vec<Entry> = entries.iter().map(read).collect::<Result<_, _>>()?;
        Ok((!entries.is_empty()).then(|| Acl { entries: entries.into() }))
    }

    /// The list as an attribute, for somebody in `ns`; who is not known there is nobody.
    pub fn bytes(&self, ns: &UserNs) -> Vec<u8> {
        let mut out = VERSION.to_le_bytes().to_vec();
        for e in &self.entries {
            out.extend_from_slice(&e.tag.to_le_bytes());
            out.extend_from_slice(&e.bits.to_le_bytes());
            let id = match e.tag {
                USER => ns.uid_out(e.id),
                GROUP => ns.gid_out(e.id),
                _ => None,
            };
            out.extend_from_slice(&id.unwrap_or(u32::MAX).to_le_bytes());
        }
        out
    }

    /// Bytes of memory that it takes.
    pub(crate) fn size(&self) -> u64 {
        (size_of::<Acl>() + size_of_val(&*self.entries)) as u64
    }

    /// Whether the entries are of the right kinds, in the right order (`posix_acl_valid`).
    ///
    /// # Errors
    /// `EINVAL`.
    pub fn check(&self) -> Result<(), Errno> {
        let (mut last, mut named, mut masked) = (0, false, false);
        for e in &self.entries {
            let many = matches!(e.tag, USER | GROUP);
            let in_order = e.tag > last || many && e.tag == last;
            if !in_order || e.bits & !7 != 0 || many && e.id == u32::MAX {
                return Err(Errno::EINVAL);
            }
            named |= many;
            masked |= e.tag == MASK;
            last = e.tag;
        }
        let has = |tag| self.entries.iter().any(|e| e.tag == tag);
        let whole = has(USER_OBJ) && has(GROUP_OBJ) && has(OTHER) && (masked || !named);
        if whole { Ok(()) } else { Err(Errno::EINVAL) }
    }

    /// The permission bits that stand for it, and whether they say all that it says
    /// (`posix_acl_equiv_mode`).
    pub fn mode(&self) -> (u32, bool) {
        let (mut mode, mut all) = (0, true);
        for e in &self.entries {
            let bits = u32::from(e.bits & 7);
            match e.tag {
                USER_OBJ => mode |= bits << 6,
                GROUP_OBJ => mode |= bits << 3,
                OTHER => mode |= bits,
                MASK => {
                    mode = mode & !0o070 | bits << 3;
                    all = false;
                }
                _ => all = false,
            }
        }
        (mode, all)
    }

    /// The list after the permission bits were changed to those of `mode` (`posix_acl_chmod`).
    #[must_use]
    pub fn with_mode(&self, mode: u32) -> Acl {
        let group = if self.has_mask() { MASK } else { GROUP_OBJ };
        let mut new = self.clone();
        for e in &mut new.entries {
            match e.tag {
                USER_OBJ => e.bits = (mode >> 6) as u16 & 7,
                OTHER => e.bits = mode as u16 & 7,
                tag if tag == group => e.bits = (mode >> 3) as u16 & 7,
                _ => {}
            }
        }
        new
    }

    /// The list and the permission bits of a file that is made, with `wanted` bits, in a directory
    /// that has this as its default; no list where the bits say it all (`posix_acl_create`).
    pub fn inherited(&self, wanted: u32) -> (Option<Arc<Acl>>, u32) {
        let group = if self.has_mask() { MASK } else { GROUP_OBJ };
        let mut new = self.clone();
        for e in &mut new.entries {
            match e.tag {
                USER_OBJ => e.bits = common(e.bits, wanted, 6),
                OTHER => e.bits = common(e.bits, wanted, 0),
                tag if tag == group => e.bits = common(e.bits, wanted, 3),
                _ => {}
            }
        }
        let (bits, all) = new.mode();
        let mode = wanted & !0o777 | bits;
        ((!all).then(|| Arc::new(new)), mode)
    }

    fn has_mask(&self) -> bool {
        self.entries.iter().any(|e| e.tag == MASK)
    }

    /// Whether who is not the owner may do all of `want` (`MAY_*` bits; `posix_acl_permission`).
    pub(crate) fn allows(&self, p: &Perm, creds: &Creds, want: u32) -> bool {
        let want = want as u16 & 7;
        let mask = self.entries.iter().find(|e| e.tag == MASK).map_or(7, |e| e.bits);
        let grants = |e: &Entry| e.bits & want == want;
        let mut member = false;
        for e in &self.entries {
            match e.tag {
                USER if e.id == creds.fsuid => return e.bits & mask & want == want,
                GROUP_OBJ | GROUP => {
                    let gid = if e.tag == GROUP { e.id } else { p.gid };
                    if creds.in_group(gid) {
                        member = true;
                        if grants(e) {
                            return mask & want == want;
                        }
                    }
                }
                OTHER => return !member && grants(e),
                _ => {}
            }
        }
        false
    }
}

/// What a new file in a directory gets: permission bits and lists.
#[derive(Clone, Debug, Default)]
pub struct Inherited {
    /// Type and permission bits.
    pub mode: u32,
    /// The file's own list.
    pub access: Option<Arc<Acl>>,
    /// Of a directory, the default list that it passes on.
    pub default: Option<Arc<Acl>>,
}

impl Inherited {
    /// For a file of type and permission bits `wanted` in a directory with the default list
    /// `default`; without one the umask counts.
    pub(crate) fn of(default: Option<Arc<Acl>>, wanted: u32, umask: u32) -> Inherited {
        match default {
            _ if wanted & mode::IFMT == mode::IFLNK => {
                Inherited { mode: wanted, ..Inherited::default() }
            }
            None => Inherited { mode: wanted & !umask, ..Inherited::default() },
            Some(acl) => {
                let (access, mode) = acl.inherited(wanted);
                let directory = wanted & mode::IFMT == mode::IFDIR;
                Inherited { mode, access, default: directory.then_some(acl) }
            }
        }
    }
}
