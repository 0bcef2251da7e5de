//! Capabilities and the ways to new ones.

use rustix::process::DumpableBehavior;
use rustix::thread::{CapabilitySet, CapabilitySets};
use std::io;

/// What a sentry that has it uses to read files of all users.
const READ: CapabilitySet = CapabilitySet::DAC_READ_SEARCH;

/// And to change them on behalf of a guest's root user.
const WRITE: CapabilitySet = CapabilitySet::DAC_READ_SEARCH
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::CHOWN);

/// Gives up all capabilities but those that files are served with, programs that would give new
/// ones, and being looked into by other processes of the user.
pub(super) fn drop_all(writable: bool) -> io::Result<()> {
    rustix::thread::set_no_new_privs(true)?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    for capability in CapabilitySet::all().iter().take(64) {
        // Needs CAP_SETPCAP, without which there is no way to gain any from the set either; and
        // fails for those that the host does not know.
        let _ = rustix::thread::remove_capability_from_bounding_set(capability);
    }
    rustix::thread::clear_ambient_capability_set()?;
    let keep = if writable { WRITE } else { READ };
    let now = rustix::thread::capabilities(None)?;
    let sets = CapabilitySets {
        effective: now.effective & keep,
        permitted: now.permitted & keep,
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, sets)?;
    Ok(())
}
