//! What identifies a futex while somebody waits on it.

use crate::target::SharedKey;
use arch::Addr;
use syserr::Errno;

/// Whether an operation is meant for one address space or for all who map the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// `FUTEX_PRIVATE_FLAG`: keyed by address, without looking at the mapping.
    Private,
    /// Keyed by the mapped object, or by address (but apart from private ones) where the memory
    /// is private.
    Shared,
}

/// An (owner, word) pair. The word is a multiple of 4, so its lowest bits hold the kind, as in
/// Linux (`FUT_OFF_INODE`, `FUT_OFF_MMSHARED`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    owner: u64,
    word: u64,
}

const KIND_PRIVATE: u64 = 0;
const KIND_SHARED_OBJECT: u64 = 1;
const KIND_SHARED_PRIVATE_MEMORY: u64 = 2;

impl Key {
    #[inline]
    pub(crate) fn private(manager: u64, addr: Addr) -> Key {
        Key { owner: manager, word: addr.0 | KIND_PRIVATE }
    }

    pub(crate) fn shared_private_memory(manager: u64, addr: Addr) -> Key {
        Key { owner: manager, word: addr.0 | KIND_SHARED_PRIVATE_MEMORY }
    }

    pub(crate) fn shared(key: SharedKey) -> Result<Key, Errno> {
        if !key.offset.is_multiple_of(4) {
            return Err(Errno::EINVAL);
        }
        Ok(Key { owner: key.object, word: key.offset | KIND_SHARED_OBJECT })
    }

    /// A hash that a guest cannot steer without knowing `seed`: two folded 64x64-bit products.
    #[inline]
    pub(crate) fn hash(self, seed: u64) -> u64 {
        let a = fold(self.word ^ seed, 0x9e37_79b9_7f4a_7c15 ^ self.owner.rotate_left(32));
        fold(a ^ self.owner ^ 0xd6e8_feb8_6659_fd93, seed | 1)
    }
}

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let p = u128::from(a) * u128::from(b);
    (p as u64) ^ (p >> 64) as u64
}
