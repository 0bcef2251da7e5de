//! The auxiliary vector.
//!
//! Source: getauxval(3), `create_elf_tables` in `fs/binfmt_elf.c`.

use crate::abi::Phdr;
use crate::load::LoadArgs;
use alloc::vec::Vec;
use arch::auxv::*;
use arch::{AuxEntry, PAGE_SIZE};

/// The identity that a program starts with, in its own user namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Credentials {
    /// Real user id.
    pub uid: u32,
    /// Effective user id.
    pub euid: u32,
    /// Real group id.
    pub gid: u32,
    /// Effective group id.
    pub egid: u32,
    /// Whether the program gains privileges: the C library then distrusts its environment.
    pub secure: bool,
}

/// What a program is told about the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Platform<'a> {
    /// `AT_HWCAP`.
    pub hwcap: u64,
    /// `AT_HWCAP2`.
    pub hwcap2: u64,
    /// `AT_PLATFORM`, such as `b"x86_64"`; left out when `None`.
    pub name: Option<&'a [u8]>,
    /// `AT_MINSIGSTKSZ`, in bytes; left out when zero.
    pub minsigstksz: u64,
    /// `AT_CLKTCK`, in ticks per second.
    pub clktck: u64,
    /// `AT_RSEQ_FEATURE_SIZE`, in bytes; left out with `AT_RSEQ_ALIGN` when zero, for a kernel
    /// without rseq(2).
    pub rseq_feature_size: u64,
    /// `AT_RSEQ_ALIGN`, in bytes.
    pub rseq_align: u64,
}

impl Default for Platform<'_> {
    fn default() -> Self {
        Platform {
            hwcap: 0,
            hwcap2: 0,
            name: None,
            minsigstksz: 0,
            clktck: 100,
            rseq_feature_size: 0,
            rseq_align: 0,
        }
    }
}

/// The auxiliary vector of a program, some of whose values are only known once it is mapped.
pub(crate) struct Vector {
    list: Vec<AuxEntry>,
    /// How many entries are the loader's own; the embedder's follow.
    own: usize,
}

impl Vector {
    /// The vector in Linux's order, with its end. Addresses are zero.
    pub(crate) fn new(args: &LoadArgs<'_>, c: &Credentials, phnum: usize) -> Vector {
        let p = &args.platform;
        let all = [
            (AT_SYSINFO_EHDR, 0, args.vdso.is_some()),
            (AT_MINSIGSTKSZ, p.minsigstksz, p.minsigstksz != 0),
            (AT_HWCAP, p.hwcap, true),
            (AT_PAGESZ, PAGE_SIZE, true),
            (AT_CLKTCK, p.clktck, true),
            (AT_PHDR, 0, true),
            (AT_PHENT, size_of::<Phdr>() as u64, true),
            (AT_PHNUM, phnum as u64, true),
            (AT_BASE, 0, true),
            (AT_FLAGS, 0, true),
            (AT_ENTRY, 0, true),
            (AT_UID, c.uid.into(), true),
            (AT_EUID, c.euid.into(), true),
            (AT_GID, c.gid.into(), true),
            (AT_EGID, c.egid.into(), true),
            (AT_SECURE, c.secure.into(), true),
            (AT_RANDOM, 0, true),
            (AT_HWCAP2, p.hwcap2, true),
            (AT_EXECFN, 0, true),
            (AT_PLATFORM, 0, p.name.is_some()),
            (AT_EXECFD, args.execfd.unwrap_or(0).into(), args.execfd.is_some()),
            (AT_RSEQ_FEATURE_SIZE, p.rseq_feature_size, p.rseq_feature_size != 0),
            (AT_RSEQ_ALIGN, p.rseq_align, p.rseq_feature_size != 0),
        ];
        let extra = || args.extra_auxv.iter().filter(|e| e.key != AT_NULL);
        let mut list = Vec::with_capacity(all.len() + args.extra_auxv.len() + 1);
        for (key, value, there) in all {
            if there && !extra().any(|e| e.key == key) {
                list.push(AuxEntry { key, value });
            }
        }
        let own = list.len();
        list.extend(extra());
        list.push(AuxEntry { key: AT_NULL, value: 0 });
        Vector { list, own }
    }

    /// Sets the value of an entry, unless the embedder has put its own in place.
    pub(crate) fn set(&mut self, key: u64, value: u64) {
        let own = self.list.iter_mut().take(self.own);
        for entry in own.filter(|e| e.key == key) {
            entry.value = value;
        }
    }

    /// The entries without the end.
    pub(crate) fn entries(&self) -> &[AuxEntry] {
        self.list.split_last().map_or(&[], |(_, entries)| entries)
    }

    /// The entries with the end.
    pub(crate) fn into_entries(self) -> Vec<AuxEntry> {
        self.list
    }
}
