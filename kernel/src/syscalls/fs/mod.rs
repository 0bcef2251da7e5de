//! System calls on files and names.

mod attr;
pub(crate) mod buffers;
mod cachestat;
mod copy;
pub(crate) mod descriptors;
mod dir;
pub(crate) mod fcntl;
pub(crate) mod file_attr;
mod handle;
mod lease;
mod locks;
mod mount;
mod mount_api;
mod mount_attr;
mod names;
mod open;
mod open_flags;
mod pump;
mod quota;
pub(crate) mod rw;
pub(crate) mod sigio;
mod stat;
mod statmount;
mod swap;
pub(crate) mod terminal;
#[cfg(test)]
mod tests;
mod times;
pub(crate) mod transfer;
mod types;
pub(crate) mod walk;
mod xattr;

pub(crate) use attr::*;
pub(crate) use cachestat::sys_cachestat;
pub(crate) use copy::*;
pub(crate) use descriptors::*;
pub(crate) use dir::*;
pub(crate) use fcntl::*;
pub(crate) use file_attr::{sys_file_getattr, sys_file_setattr};
pub(crate) use handle::{sys_name_to_handle_at, sys_open_by_handle_at};
pub(crate) use locks::*;
pub(crate) use mount::*;
pub(crate) use mount_api::{
    sys_fsconfig, sys_fsmount, sys_fsopen, sys_fspick, sys_move_mount, sys_open_tree,
};
pub(crate) use mount_attr::{sys_mount_setattr, sys_open_tree_attr};
pub(crate) use names::*;
pub(crate) use open::*;
pub(crate) use open_flags::translate;
pub(crate) use quota::{sys_quotactl, sys_quotactl_fd};
pub(crate) use rw::*;
pub(crate) use stat::*;
pub(crate) use statmount::{sys_listmount, sys_statmount};
pub(crate) use swap::{sys_swapoff, sys_swapon};
pub(crate) use terminal::sys_vhangup;
pub(crate) use times::*;
pub(crate) use types::{sys_sysfs, sys_ustat};
pub(crate) use xattr::*;
