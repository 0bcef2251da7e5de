//! getrandom(2).

use crate::{Args, Outcome, TaskCx};
use arch::{Addr, Permissions, UserMemory};
use syserr::Errno;

/// The most that one call gives, in bytes: the length is cut to 31 bits.
const MAX: u64 = 0x7fff_f000;

/// getrandom(2). Randomness is there from the start, so nothing blocks.
pub fn sys_getrandom(cx: &mut TaskCx, a: &Args) -> Outcome {
    let flags = a[2] as u32;
    // GRND_RANDOM and GRND_INSECURE contradict each other.
    if flags & !7 != 0 || flags & 6 == 6 {
        return Errno::EINVAL.into();
    }
    let len = a[1].min(MAX);
    let mut buf = [0; 512];
    let mut done = 0;
    while done < len {
        let n = (len - done).min(buf.len() as u64) as usize;
        let (part, _) = buf.split_at_mut(n);
        cx.kernel().embedder().random.fill(part);
        let copied = cx.mm().copy_out(Addr(a[0]).wrapping_add(done), part, Permissions::Obey);
        match copied {
            Ok(()) => done += n as u64,
            Err(p) if done + p.done as u64 == 0 => return p.errno.into(),
            Err(p) => return Outcome::Done(Ok(done + p.done as u64)),
        }
    }
    Outcome::Done(Ok(done))
}
