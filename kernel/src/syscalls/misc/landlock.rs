//! landlock_create_ruleset(2), landlock_add_rule(2), landlock_restrict_self(2).

use super::check_zeros;
use crate::syscalls::fs::{file, install};
use crate::{Args, Outcome, TaskCx};
use alloc::sync::Arc;
use arch::{Addr, PAGE_SIZE, Permissions, UserMemory, UserMemoryExt};
use syserr::Errno;
use vfs::landlock::{ABI, Access, Domain, PortAccess, Ruleset};
use vfs::{File, OpenFlags, cap};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `struct landlock_path_beneath_attr`.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, packed)]
struct PathBeneath {
    allowed_access: u64,
    parent_fd: i32,
}
static_assertions::const_assert_eq!(size_of::<PathBeneath>(), 12);

/// `struct landlock_net_port_attr`.
type NetPort = [u64; 2];

/// landlock_create_ruleset(2).
pub fn sys_landlock_create_ruleset(cx: &mut TaskCx, a: &Args) -> Outcome {
    create(cx, a).into()
}

fn create(cx: &TaskCx, a: &Args) -> Result<u64, Errno> {
    const VERSION: u32 = 1;
    const ERRATA: u32 = 2;
    // Only TCP is taken for TCP; what is out of its mount is seen through the mount.
    const MENDED: u64 = 0b101;
    let [attr, size, flags, ..] = *a;
    match (flags as u32, attr, size) {
        (0, 0, _) => return Err(Errno::EFAULT),
        (0, ..) => {}
        (VERSION, 0, 0) => return Ok(ABI),
        (ERRATA, 0, 0) => return Ok(MENDED),
        _ => return Err(Errno::EINVAL),
    }
    if size < 8 {
        return Err(Errno::EINVAL);
    }
    if size > PAGE_SIZE {
        return Err(Errno::E2BIG);
    }
    // `struct landlock_ruleset_attr`: files, ports.
    let mut known = [0u8; 16];
    let given = known.len().min(size as usize);
    check_zeros(cx, attr, known.len() as u64, size)?;
    cx.mm().copy_in(Addr(attr), known.split_at_mut(given).0, Permissions::Obey)?;
    let [files, ports]: [u64; 2] = zerocopy::transmute!(known);
    let files = Access::from_bits(files).ok_or(Errno::EINVAL)?;
    let ports = PortAccess::from_bits(ports).ok_or(Errno::EINVAL)?;
    if files.is_empty() && ports.is_empty() {
        return Err(Errno::ENOMSG);
    }
    let ruleset = cx.kernel().vfs().landlock_ruleset(files, ports);
    let file = File::anonymous(Arc::new(ruleset), OpenFlags::RDWR, "[landlock-ruleset]");
    install(cx, file, true)
}

/// The file of a ruleset.
fn ruleset(cx: &TaskCx, fd: u64) -> Result<Arc<File>, Errno> {
    let file = file(cx, fd)?;
    if file.downcast::<Ruleset>().is_some() { Ok(file) } else { Err(Errno::EBADFD) }
}

/// landlock_add_rule(2).
pub fn sys_landlock_add_rule(cx: &mut TaskCx, a: &Args) -> Outcome {
    add(cx, a).map(|()| 0).into()
}

fn add(cx: &TaskCx, a: &Args) -> Result<(), Errno> {
    const PATH_BENEATH: u32 = 1;
    const NET_PORT: u32 = 2;
    if a[3] as u32 != 0 {
        return Err(Errno::EINVAL);
    }
    let file = ruleset(cx, a[0])?;
    let ruleset: &Ruleset = file.downcast().ok_or(Errno::EBADFD)?;
    match a[1] as u32 {
        PATH_BENEATH => add_path(cx, ruleset, a[2]),
        NET_PORT => add_port(cx, ruleset, a[2]),
        _ => Err(Errno::EINVAL),
    }
}

fn add_port(cx: &TaskCx, ruleset: &Ruleset, attr: u64) -> Result<(), Errno> {
    let [allowed, port]: NetPort = cx.mm().read_obj(Addr(attr))?;
    if allowed == 0 {
        return Err(Errno::ENOMSG);
    }
    let allowed = PortAccess::from_bits(allowed).filter(|a| ruleset.handles_ports(*a));
    let allowed = allowed.ok_or(Errno::EINVAL)?;
    ruleset.allow_port(u16::try_from(port).map_err(|_| Errno::EINVAL)?, allowed)
}

fn add_path(cx: &TaskCx, ruleset: &Ruleset, attr: u64) -> Result<(), Errno> {
    let attr: PathBeneath = cx.mm().read_obj(Addr(attr))?;
    if attr.allowed_access == 0 {
        return Err(Errno::ENOMSG);
    }
    let allowed = Access::from_bits(attr.allowed_access).filter(|a| ruleset.handles(*a));
    let allowed = allowed.ok_or(Errno::EINVAL)?;
    let parent = cx.task.files().get(attr.parent_fd)?;
    ruleset.allow(parent.path(), allowed)
}

/// landlock_restrict_self(2).
pub fn sys_landlock_restrict_self(cx: &mut TaskCx, a: &Args) -> Outcome {
    restrict(cx, a).map(|()| 0).into()
}

fn restrict(cx: &TaskCx, a: &Args) -> Result<(), Errno> {
    let creds = cx.task.creds();
    if !creds.no_new_privs && !creds.has_here(cap::SYS_ADMIN) {
        return Err(Errno::EPERM);
    }
    if a[1] as u32 != 0 {
        return Err(Errno::EINVAL);
    }
    let file = ruleset(cx, a[0])?;
    let ruleset: &Ruleset = file.downcast().ok_or(Errno::EBADFD)?;
    let landlock = Some(Domain::new(creds.landlock.as_ref(), ruleset)?);
    cx.task.set_creds(vfs::Creds { landlock, ..(*creds).clone() });
    Ok(())
}
