//! Guest memory in a `Vec`.
#![allow(dead_code, reason = "each test uses its part")]

use arch::{Addr, Partial, Permissions, UserMemory};
use std::sync::{Mutex, MutexGuard};
use syserr::Errno;

/// One mapping; everything else faults.
pub(crate) struct Memory {
    pub(crate) base: u64,
    bytes: Mutex<Vec<u8>>,
}

impl Memory {
    pub(crate) fn new(base: u64, len: usize) -> Memory {
        Memory { base, bytes: Mutex::new(vec![0; len]) }
    }

    pub(crate) fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.bytes.lock().unwrap()
    }

    pub(crate) fn end(&self) -> Addr {
        Addr(self.base + self.bytes().len() as u64)
    }

    pub(crate) fn get(&self, at: u64, len: usize) -> Vec<u8> {
        let mut out = vec![0; len];
        self.copy_in(Addr(at), &mut out, Permissions::Obey).unwrap();
        out
    }

    pub(crate) fn word(&self, at: u64) -> u64 {
        u64::from_le_bytes(self.get(at, 8).try_into().unwrap())
    }

    pub(crate) fn word32(&self, at: u64) -> u32 {
        u32::from_le_bytes(self.get(at, 4).try_into().unwrap())
    }

    pub(crate) fn put(&self, at: u64, bytes: &[u8]) {
        self.copy_out(Addr(at), bytes, Permissions::Obey).unwrap();
    }

    /// Copies as far as the mapping goes.
    fn part(
        &self,
        at: Addr,
        len: usize,
        copy: impl FnOnce(&mut [u8], usize),
    ) -> Result<(), Partial> {
        let mut bytes = self.bytes();
        let start = at.0.checked_sub(self.base).and_then(|o| usize::try_from(o).ok());
        let room = start.map_or(0, |s| bytes.len().saturating_sub(s));
        let done = len.min(room);
        if let Some(start) = start.filter(|_| done > 0) {
            copy(&mut bytes[start..start + done], done);
        }
        if done == len { Ok(()) } else { Err(Partial { done, errno: Errno::EFAULT }) }
    }
}

impl UserMemory for Memory {
    fn copy_in(&self, from: Addr, to: &mut [u8], _: Permissions) -> Result<(), Partial> {
        self.part(from, to.len(), |bytes, n| to[..n].copy_from_slice(bytes))
    }

    fn copy_out(&self, to: Addr, from: &[u8], _: Permissions) -> Result<(), Partial> {
        self.part(to, from.len(), |bytes, n| bytes.copy_from_slice(&from[..n]))
    }

    fn zero_out(&self, to: Addr, len: u64, perms: Permissions) -> Result<(), Partial> {
        self.copy_out(to, &vec![0; len as usize], perms)
    }

    fn load_u32(&self, at: Addr) -> Result<u32, Errno> {
        let mut word = [0; 4];
        self.copy_in(at, &mut word, Permissions::Obey)?;
        Ok(u32::from_le_bytes(word))
    }

    fn swap_u32(&self, at: Addr, new: u32) -> Result<u32, Errno> {
        let old = self.load_u32(at)?;
        self.copy_out(at, &new.to_le_bytes(), Permissions::Obey)?;
        Ok(old)
    }

    fn compare_exchange_u32(&self, at: Addr, old: u32, new: u32) -> Result<u32, Errno> {
        let was = self.load_u32(at)?;
        if was == old {
            self.copy_out(at, &new.to_le_bytes(), Permissions::Obey)?;
        }
        Ok(was)
    }
}
