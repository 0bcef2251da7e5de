//! `/proc/keys`: the keys that somebody may see; `security/keys/proc.c`.

use super::key::{Key, KeyType, permission};
use super::lookup::TaskKeyrings;
use super::{Keys, Table};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use vfs::Creds;

const SECOND: i64 = 1_000_000_000;

/// When a key expires, in the largest unit that it is a whole one of.
fn expiry(key: &Key, now: i64) -> String {
    const UNITS: [(i64, i64, char); 5] = [
        (60, 1, 's'),
        (60 * 60, 60, 'm'),
        (60 * 60 * 24, 60 * 60, 'h'),
        (60 * 60 * 24 * 7, 60 * 60 * 24, 'd'),
        (i64::MAX, 60 * 60 * 24 * 7, 'w'),
    ];
    let Some(at) = key.expiry() else { return "perm".into() };
    if now >= at {
        return "expd".into();
    }
    let left = (at - now) / SECOND;
    let unit = UNITS.iter().find(|(below, ..)| left < *below);
    unit.map_or_else(String::new, |(_, one, name)| format!("{}{name}", left / one))
}

fn line(key: &Arc<Key>, creds: &Creds, now: i64) -> Option<Vec<u8>> {
    let ns = &creds.user_ns;
    let (uid, gid) = key.owner();
    ns.uid_out(uid)?;
    let (uid, gid) = (ns.show_uid(uid), if gid == u32::MAX { -1 } else { ns.show_gid(gid) as i32 });
    let flag = |on: bool, c: char| if on { c } else { '-' };
    // All are made at once, nobody is asked for one, and none is denied.
    let flags: String =
        ['I', flag(key.is_revoked(), 'R'), '-', 'Q', '-', '-', flag(key.is_invalid(), 'i')]
            .iter()
            .collect();
    // This list holds one reference itself.
    let usage = Arc::strong_count(key) - 1;
    let mut out = format!(
        "{:08x} {flags} {usage:5} {:>4} {:08x} {uid:5} {gid:5} {:<9.9} ",
        key.serial(),
        expiry(key, now),
        key.permissions(),
        key.kind().name()
    )
    .into_bytes();
    match (key.kind(), key.description()) {
        (KeyType::Keyring, b"") => out.extend_from_slice(b"[anon]"),
        (_, description) => out.extend_from_slice(description),
    }
    let size = match key.links() {
        Ok(links) if links.is_empty() => ": empty".into(),
        Ok(links) => format!(": {}", links.len()),
        Err(_) => format!(": {}", key.bytes().map_or(0, |b| b.len())),
    };
    out.extend_from_slice(size.as_bytes());
    out.push(b'\n');
    Some(out)
}

impl Table {
    /// All keys, in the order of their numbers.
    fn all(&self) -> Vec<Arc<Key>> {
        self.by_serial.values().filter_map(|k| k.upgrade()).collect()
    }
}

impl Keys {
    /// The text of `/proc/keys` for somebody with these keyrings.
    pub(crate) fn list(&self, creds: &Creds, rings: &TaskKeyrings, now: i64) -> Vec<u8> {
        let table = self.lock();
        let mut possessed = BTreeSet::new();
        for ring in rings.own(&table, creds) {
            ring.each_possessed(creds, |k| {
                possessed.insert(k.serial());
            });
        }
        let mut out = Vec::new();
        for key in table.all() {
            if key.allows(creds, possessed.contains(&key.serial()), permission::VIEW).is_ok()
                && let Some(line) = line(&key, creds, now)
            {
                out.extend_from_slice(&line);
            }
        }
        drop(table);
        out
    }
}
