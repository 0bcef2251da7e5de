//! Addresses in the caller's memory.

use alloc::vec::Vec;
use arch::{Addr, Permissions, UserMemory, UserMemoryExt};
use syserr::Errno;

/// `sizeof(struct sockaddr_storage)`.
const MAX: i32 = 128;

/// Reads an address that the caller passes (`move_addr_to_kernel`).
pub(super) fn read(mem: &dyn UserMemory, at: u64, len: i32) -> Result<Vec<u8>, Errno> {
    if !(0..=MAX).contains(&len) {
        return Err(Errno::EINVAL);
    }
    mem.read_vec(Addr(at), len as usize)
}

/// Writes an address, cut to the room that `len_at` tells of, and its whole length to `len_at`
/// (`move_addr_to_user`).
pub(super) fn write(
    mem: &dyn UserMemory,
    address: &[u8],
    at: u64,
    len_at: u64,
) -> Result<(), Errno> {
    let room: i32 = mem.read_obj(Addr(len_at))?;
    let room = usize::try_from(room).map_err(|_| Errno::EINVAL)?;
    let part = address.get(..room).unwrap_or(address);
    if !part.is_empty() {
        mem.copy_out(Addr(at), part, Permissions::Obey)?;
    }
    mem.write_obj(Addr(len_at), &(address.len() as i32))
}
