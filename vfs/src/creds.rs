//! Credentials.

use alloc::sync::Arc;

use crate::UserNs;
use crate::landlock::Domain;

/// Who a task acts as; credentials(7). Replaced as a whole, never changed in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Creds {
    /// Real user ID.
    pub uid: u32,
    /// Effective user ID.
    pub euid: u32,
    /// Saved user ID.
    pub suid: u32,
    /// User ID for file access.
    pub fsuid: u32,
    /// Real group ID.
    pub gid: u32,
    /// Effective group ID.
    pub egid: u32,
    /// Saved group ID.
    pub sgid: u32,
    /// Group ID for file access.
    pub fsgid: u32,
    /// Supplementary groups.
    pub groups: Arc<[u32]>,
    /// The user namespace, which the capabilities count in; the IDs are those of the initial one.
    pub user_ns: UserNs,
    /// Effective capabilities, as a bit set; capabilities(7).
    pub effective: u64,
    /// Permitted capabilities.
    pub permitted: u64,
    /// Inheritable capabilities.
    pub inheritable: u64,
    /// Bounding set.
    pub bounding: u64,
    /// Ambient set.
    pub ambient: u64,
    /// [`securebits`].
    pub securebits: u32,
    /// `PR_SET_NO_NEW_PRIVS`.
    pub no_new_privs: bool,
    /// What they forbid themselves; landlock(7).
    pub landlock: Option<Arc<Domain>>,
    /// Tells them from all others of the kernel: whoever changes some gives them a new one.
    pub serial: u64,
}

/// What `PR_SET_SECUREBITS` sets; capabilities(7). Each bit is locked by the one above it.
pub mod securebits {
    /// Root's programs get no capabilities for being root's.
    pub const NOROOT: u32 = 1 << 0;
    /// Capabilities do not follow user IDs.
    pub const NO_SETUID_FIXUP: u32 = 1 << 2;
    /// They stay when the last user ID stops being root's, until execve(2).
    pub const KEEP_CAPS: u32 = 1 << 4;
    /// No ambient capabilities.
    pub const NO_CAP_AMBIENT_RAISE: u32 = 1 << 6;
    /// The bits that lock others.
    pub const LOCKS: u32 = 0xaaa;
    /// What a program may set for itself, since only programs obey: `EXEC_RESTRICT_FILE` and
    /// `EXEC_DENY_INTERACTIVE`, with their locks.
    pub const UNPRIVILEGED: u32 = 0xf00;
    /// All that there are.
    pub const ALL: u32 = 0xfff;
}

/// Capability numbers that the kernel and the file systems check; capabilities(7).
pub mod cap {
    /// Change owners.
    pub const CHOWN: u32 = 0;
    /// Pass read, write and execute checks.
    pub const DAC_OVERRIDE: u32 = 1;
    /// Pass read checks, and search checks of directories.
    pub const DAC_READ_SEARCH: u32 = 2;
    /// Act as the owner of any file.
    pub const FOWNER: u32 = 3;
    /// Keep set-ID bits.
    pub const FSETID: u32 = 4;
    /// Signal any process.
    pub const KILL: u32 = 5;
    /// Set group IDs.
    pub const SETGID: u32 = 6;
    /// Set user IDs.
    pub const SETUID: u32 = 7;
    /// Set capabilities.
    pub const SETPCAP: u32 = 8;
    /// Set files immutable, and back.
    pub const LINUX_IMMUTABLE: u32 = 9;
    /// `CAP_NET_RAW`.
    pub const NET_RAW: u32 = 13;
    /// `CAP_NET_ADMIN`.
    pub const NET_ADMIN: u32 = 12;
    /// Lock memory.
    pub const IPC_LOCK: u32 = 14;
    /// Access to devices past their drivers.
    pub const SYS_RAWIO: u32 = 17;
    /// chroot(2).
    pub const SYS_CHROOT: u32 = 18;
    /// ptrace(2) any process.
    pub const SYS_PTRACE: u32 = 19;
    /// System administration.
    pub const SYS_ADMIN: u32 = 21;
    /// Hanging up terminals.
    pub const SYS_TTY_CONFIG: u32 = 26;
    /// reboot(2).
    pub const SYS_BOOT: u32 = 22;
    /// Raise priorities.
    pub const SYS_NICE: u32 = 23;
    /// Raise resource limits.
    pub const SYS_RESOURCE: u32 = 24;
    /// Read the kernel's log.
    pub const SYSLOG: u32 = 34;
    /// `CAP_AUDIT_CONTROL`.
    pub const AUDIT_CONTROL: u32 = 30;
    /// Give files capabilities.
    pub const SETFCAP: u32 = 31;
    /// Set clocks.
    pub const SYS_TIME: u32 = 25;
    /// Make device nodes.
    pub const MKNOD: u32 = 27;
    /// Take leases on the files of others.
    pub const LEASE: u32 = 28;
    /// Choose IDs of processes.
    pub const CHECKPOINT_RESTORE: u32 = 40;
    /// The highest number of Linux 6.18.
    pub const LAST: u32 = CHECKPOINT_RESTORE;
    /// Every capability.
    pub const ALL: u64 = (1 << (LAST + 1)) - 1;
}

impl Creds {
    /// The superuser with every capability.
    pub fn root() -> Creds {
        Creds::user(0, 0, &[])
    }

    /// A user without, or for ID 0 with every, capability.
    pub fn user(uid: u32, gid: u32, groups: &[u32]) -> Creds {
        let caps = if uid == 0 { cap::ALL } else { 0 };
        Creds {
            uid,
            euid: uid,
            suid: uid,
            fsuid: uid,
            gid,
            egid: gid,
            sgid: gid,
            fsgid: gid,
            groups: groups.into(),
            user_ns: UserNs::INITIAL,
            effective: caps,
            permitted: caps,
            inheritable: 0,
            bounding: cap::ALL,
            ambient: 0,
            securebits: 0,
            no_new_privs: false,
            landlock: None,
            serial: 0,
        }
    }

    /// Whether capability number `c` is effective in the initial user namespace (`capable`).
    pub fn has(&self, c: u32) -> bool {
        self.user_ns.is_initial() && self.effective >> c & 1 == 1
    }

    /// Whether it is effective in the own user namespace.
    pub fn has_here(&self, c: u32) -> bool {
        self.effective >> c & 1 == 1
    }

    /// Whether it is effective in `ns` (`ns_capable`): in the own namespace and those below it, those
    /// that are held count, and in those that the user made right inside of it, and below, all do.
    pub fn has_in(&self, ns: &UserNs, c: u32) -> bool {
        *ns == self.user_ns && self.has_here(c)
            || ns
                .below(&self.user_ns)
                .is_some_and(|inside| inside.owner_uid() == self.euid || self.has_here(c))
    }

    /// Whether these can do all that `other` can (`cred_cap_issubset`).
    pub fn covers(&self, other: &Creds) -> bool {
        if self.user_ns == other.user_ns {
            return other.permitted & !self.permitted == 0;
        }
        other.user_ns.below(&self.user_ns).is_some_and(|ns| ns.owner_uid() == self.euid)
    }

    /// The same user in another user namespace, with every capability there (`set_cred_user_ns`).
    #[must_use]
    pub fn entering(&self, ns: UserNs) -> Creds {
        Creds {
            user_ns: ns,
            securebits: 0,
            inheritable: 0,
            permitted: cap::ALL,
            effective: cap::ALL,
            bounding: cap::ALL,
            ambient: 0,
            ..self.clone()
        }
    }

    /// Whether it counts for a file of this owner and group (`capable_wrt_inode_uidgid`).
    pub fn has_over(&self, uid: u32, gid: u32, c: u32) -> bool {
        self.has_here(c) && self.user_ns.knows(uid, gid)
    }

    /// Whether a file that belongs to `uid` is theirs, or as good as (`inode_owner_or_capable`).
    pub fn owns(&self, uid: u32) -> bool {
        self.fsuid == uid || self.has_here(cap::FOWNER) && self.user_ns.uid_out(uid).is_some()
    }

    /// Whether `gid` is the file-access group or a supplementary one.
    pub fn in_group(&self, gid: u32) -> bool {
        self.fsgid == gid || self.groups.contains(&gid)
    }
}
