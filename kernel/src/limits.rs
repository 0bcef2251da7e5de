//! Resource limits; getrlimit(2).

use syserr::Errno;

/// `RLIM_INFINITY`.
pub const INFINITY: u64 = u64::MAX;

/// A resource that can be limited, with the numbers of x86-64 and arm64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Resource {
    /// Processor time, in seconds.
    Cpu = 0,
    /// Size of a file, in bytes.
    Fsize = 1,
    /// Data, in bytes.
    Data = 2,
    /// Stack, in bytes.
    Stack = 3,
    /// Core file, in bytes.
    Core = 4,
    /// Resident memory; not enforced, as in Linux.
    Rss = 5,
    /// Tasks of the user.
    Nproc = 6,
    /// Open files, one more than the highest descriptor.
    Nofile = 7,
    /// Locked memory, in bytes.
    Memlock = 8,
    /// Address space, in bytes.
    As = 9,
    /// File locks; not enforced, as in Linux.
    Locks = 10,
    /// Queued signals of the user.
    Sigpending = 11,
    /// Bytes in message queues.
    Msgqueue = 12,
    /// Ceiling of the nice value.
    Nice = 13,
    /// Ceiling of the real-time priority.
    Rtprio = 14,
    /// Real-time processor time without a blocking call, in microseconds.
    Rttime = 15,
}

impl Resource {
    /// Every resource, in numeric order.
    pub const ALL: [Resource; 16] = {
        use Resource::*;
        [
            Cpu, Fsize, Data, Stack, Core, Rss, Nproc, Nofile, Memlock, As, Locks, Sigpending,
            Msgqueue, Nice, Rtprio, Rttime,
        ]
    };

    /// The resource with a number.
    ///
    /// # Errors
    /// `EINVAL` when there is none.
    pub fn from_raw(raw: u32) -> Result<Resource, Errno> {
        Resource::ALL.get(raw as usize).copied().ok_or(Errno::EINVAL)
    }

    /// Name and unit as in `/proc/PID/limits`.
    pub const fn label(self) -> (&'static str, &'static str) {
        match self {
            Resource::Cpu => ("Max cpu time", "seconds"),
            Resource::Fsize => ("Max file size", "bytes"),
            Resource::Data => ("Max data size", "bytes"),
            Resource::Stack => ("Max stack size", "bytes"),
            Resource::Core => ("Max core file size", "bytes"),
            Resource::Rss => ("Max resident set", "bytes"),
            Resource::Nproc => ("Max processes", "processes"),
            Resource::Nofile => ("Max open files", "files"),
            Resource::Memlock => ("Max locked memory", "bytes"),
            Resource::As => ("Max address space", "bytes"),
            Resource::Locks => ("Max file locks", "locks"),
            Resource::Sigpending => ("Max pending signals", "signals"),
            Resource::Msgqueue => ("Max msgqueue size", "bytes"),
            Resource::Nice => ("Max nice priority", ""),
            Resource::Rtprio => ("Max realtime priority", ""),
            Resource::Rttime => ("Max realtime timeout", "us"),
        }
    }
}

/// Soft and hard limit of one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is enforced (`rlim_cur`).
    pub cur: u64,
    /// How far an unprivileged process may raise it (`rlim_max`).
    pub max: u64,
}

impl Limit {
    /// No limit.
    pub const NONE: Limit = Limit { cur: INFINITY, max: INFINITY };

    const fn both(v: u64) -> Limit {
        Limit { cur: v, max: v }
    }
}

/// The limits of a thread group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitSet([Limit; 16]);

impl Default for LimitSet {
    /// `INIT_RLIMITS` of `include/asm-generic/resource.h`, with the counts of a machine with some
    /// memory.
    fn default() -> LimitSet {
        let mut set = LimitSet([Limit::NONE; 16]);
        set.set(Resource::Stack, Limit { cur: 8 << 20, max: INFINITY });
        set.set(Resource::Core, Limit { cur: 0, max: INFINITY });
        set.set(Resource::Nproc, Limit::both(31_000));
        set.set(Resource::Nofile, Limit { cur: 1024, max: 1 << 20 });
        set.set(Resource::Memlock, Limit::both(8 << 20));
        set.set(Resource::Sigpending, Limit::both(31_000));
        set.set(Resource::Msgqueue, Limit::both(819_200));
        set.set(Resource::Nice, Limit::both(0));
        set.set(Resource::Rtprio, Limit::both(0));
        set
    }
}

impl LimitSet {
    /// The limit of `r`.
    pub fn get(&self, r: Resource) -> Limit {
        self.0.get(r as usize).copied().unwrap_or(Limit::NONE)
    }

    /// Replaces the limit of `r`.
    pub fn set(&mut self, r: Resource, limit: Limit) {
        if let Some(l) = self.0.get_mut(r as usize) {
            *l = limit;
        }
    }

    /// The limits that memory calls obey.
    pub fn memory(&self, creds: &vfs::Creds) -> mm::Limits {
        mm::Limits {
            as_: self.get(Resource::As).cur,
            data: self.get(Resource::Data).cur,
            memlock: self.get(Resource::Memlock).cur,
            stack: self.get(Resource::Stack).cur,
            can_lock: creds.has(vfs::cap::IPC_LOCK),
            can_map_low: creds.has(17),
            is_admin: creds.has(vfs::cap::SYS_ADMIN),
        }
    }
}
