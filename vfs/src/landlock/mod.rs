//! What processes forbid themselves; landlock(7).
//!
//! A ruleset says which accesses are handled, and below which files some of them are allowed. A task
//! that takes it on is in a domain: of what the domain handles it can do only what a rule allows, for
//! a file or for a directory above it, and what all domains around its own allow too. Domains are
//! part of the credentials, so they are inherited and never left.

mod access;
mod check;
mod domain;
mod refer;
mod ruleset;

pub use access::{ABI, Access, PortAccess};
pub use domain::Domain;
pub use ruleset::Ruleset;

pub(crate) use check::{check, granted, opening};
pub use check::{may_change_mounts, may_use_port};
pub(crate) use refer::{Referring, may_refer};
pub(crate) use ruleset::RuleCount;
