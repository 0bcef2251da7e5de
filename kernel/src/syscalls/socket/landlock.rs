//! Which TCP ports landlock(7) lets be used (`security/landlock/net.c`).

use crate::TaskCx;
use syserr::Errno;
use vfs::landlock::{PortAccess, may_use_port as allowed};
use vfs::socket::{Domain, Kind, Socket};

const UNSPEC: u16 = 0;
const INET: u16 = Domain::Inet as u16;
const INET6: u16 = Domain::Inet6 as u16;
/// Sizes of `struct sockaddr_in`, and of `struct sockaddr_in6` as it once was.
const IN_SIZE: usize = 16;
const IN6_SIZE: usize = 24;

/// Whether the caller may give a socket this address, or connect it there.
///
/// # Errors
/// `EACCES`; `EINVAL`, `EAFNOSUPPORT` for an address without a port that counts.
pub(super) fn may_use_port(
    cx: &TaskCx,
    socket: &Socket,
    address: &[u8],
    access: PortAccess,
) -> Result<(), Errno> {
    let creds = cx.task.creds();
    let domain = socket.domain();
    let tcp = socket.kind() == Kind::Stream && matches!(domain, Domain::Inet | Domain::Inet6);
    if creds.landlock.is_none() || !tcp {
        return Ok(());
    }
    let family = address.first_chunk().map(|f| u16::from_ne_bytes(*f)).ok_or(Errno::EINVAL)?;
    match family {
        // Giving a connection up is always allowed.
        UNSPEC if access == PortAccess::CONNECT_TCP => return Ok(()),
        UNSPEC if domain == Domain::Inet6 => {
            let whole = address.len() >= IN6_SIZE;
            return Err(if whole { Errno::EAFNOSUPPORT } else { Errno::EINVAL });
        }
        UNSPEC | INET if address.len() < IN_SIZE => return Err(Errno::EINVAL),
        UNSPEC if address.get(4..8) != Some(&[0; 4]) => return Err(Errno::EAFNOSUPPORT),
        INET6 if address.len() < IN6_SIZE => return Err(Errno::EINVAL),
        UNSPEC | INET | INET6 => {}
        _ => return Ok(()),
    }
    if family != domain as u16 && family != UNSPEC {
        return Err(Errno::EINVAL);
    }
    let port = address.get(2..4).and_then(|p| p.first_chunk()).ok_or(Errno::EINVAL)?;
    if allowed(&creds, u16::from_be_bytes(*port), access) { Ok(()) } else { Err(Errno::EACCES) }
}
