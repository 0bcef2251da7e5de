//! `/proc/PID/limits`.

use crate::limits::INFINITY;
use crate::{Resource, Task};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

fn value(v: u64) -> String {
    if v == INFINITY { "unlimited".into() } else { v.to_string() }
}

pub(super) fn text(task: &Task) -> Vec<u8> {
    let mut out =
        format!("{:<25} {:<20} {:<20} {:<10}\n", "Limit", "Soft Limit", "Hard Limit", "Units");
    for r in Resource::ALL {
        let (name, unit) = r.label();
        let (cur, max) = task.limit(r);
        out += &format!("{name:<25} {:<20} {:<20} {unit:<10}\n", value(cur), value(max));
    }
    out.into_bytes()
}
