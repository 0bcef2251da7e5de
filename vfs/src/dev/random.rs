//! Device control of `/dev/random` and `/dev/urandom`; random(4).

use crate::{Caller, cap};
use arch::{Addr, UserMemoryExt};
use syserr::Errno;

const RNDGETENTCNT: u32 = 0x8004_5200;
const RNDADDTOENTCNT: u32 = 0x4004_5201;
const RNDADDENTROPY: u32 = 0x4008_5203;
const RNDZAPENTCNT: u32 = 0x5204;
const RNDCLEARPOOL: u32 = 0x5206;
const RNDRESEEDCRNG: u32 = 0x5207;

/// Bits that the pool holds (`POOL_BITS`): it is always full.
pub const POOL_BITS: i32 = 256;

/// What is added is taken and changes nothing: the bytes are the embedder's.
///
/// # Errors
/// `EPERM`, `EFAULT`; `EINVAL` also for what is no command of the devices.
pub(super) fn ioctl(caller: &dyn Caller, cmd: u32, arg: Addr) -> Result<u64, Errno> {
    let mem = caller.memory();
    match cmd {
        RNDGETENTCNT => mem.write_obj(arg, &POOL_BITS)?,
        RNDADDTOENTCNT | RNDADDENTROPY | RNDZAPENTCNT | RNDCLEARPOOL | RNDRESEEDCRNG => {
            if !caller.creds().has(cap::SYS_ADMIN) {
                return Err(Errno::EPERM);
            }
            // Bits, and for the second command the length of what follows in bytes.
            let [bits, len] = match cmd {
                RNDADDTOENTCNT => [mem.read_obj(arg)?, 0],
                RNDADDENTROPY => mem.read_obj::<[i32; 2]>(arg)?,
                _ => [0; 2],
            };
            if bits < 0 {
                return Err(Errno::EINVAL);
            }
            if len < 0 {
                return Err(Errno::EFAULT);
            }
        }
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}
