//! What the manifests promise: dependencies that are used, and a minimum Rust version.

use crate::shell::root;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Crates that others depend on one at a time, each after those that it uses.
pub(crate) const LIBRARIES: &[&str] =
    &["syserr", "sync", "arch", "mm", "futex", "loader", "vfs", "kernel"];

/// One line of a manifest's dependency tables.
#[derive(Debug, PartialEq)]
struct Dependency<'a> {
    table: &'a str,
    name: &'a str,
}

/// The dependencies of a manifest. Its tables are written one dependency a line.
fn dependencies(manifest: &str) -> Vec<Dependency<'_>> {
    let mut table = "";
    let mut found = Vec::new();
    for line in manifest.lines() {
        if let Some(head) = line.strip_prefix('[') {
            table = head.trim_end_matches(']').trim_matches('[');
        } else if table.ends_with("dependencies") {
            let name = line.split(['.', '=', ' ']).next().unwrap_or_default();
            if !name.is_empty() && !name.starts_with('#') {
                found.push(Dependency { table, name });
            }
        }
    }
    found
}

/// Demands that each crate uses what its manifest names, that the workspace names nothing that no
/// crate uses, and that each library states the workspace's minimum Rust version.
///
/// # Errors
/// All that is wrong, in one message.
pub(crate) fn check() -> Result<(), String> {
    let workspace = read(&root().join("Cargo.toml"))?;
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for entry in root().read_dir().map_err(|e| e.to_string())?.flatten() {
        let dir = entry.path();
        let Ok(manifest) = std::fs::read_to_string(dir.join("Cargo.toml")) else { continue };
        let krate = entry.file_name().to_string_lossy().into_owned();
        for d in dependencies(&manifest) {
            used.insert(d.name.to_string());
            // A crate that depends on itself turns features on for its tests.
            if d.name != krate && !places(d.table).iter().any(|p| names(&dir.join(p), d.name)) {
                wrong.push(format!("{krate}: nothing uses {} of [{}]", d.name, d.table));
            }
        }
        if LIBRARIES.contains(&&*krate) && !manifest.contains("rust-version.workspace = true") {
            wrong.push(format!("{krate}: no rust-version"));
        }
    }
    for d in dependencies(&workspace) {
        if !used.contains(d.name) {
            wrong.push(format!("the workspace names {}, which no crate uses", d.name));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// Where a crate uses the dependencies of a table.
fn places(table: &str) -> &'static [&'static str] {
    if table.ends_with("build-dependencies") {
        &["build.rs"]
    } else if table.ends_with("dev-dependencies") {
        &["src", "tests", "benches", "examples"]
    } else {
        &["src", "fuzz_targets"]
    }
}

/// Whether a file, or one below a folder, says the crate's name in a path, a use or a macro.
fn names(place: &Path, dependency: &str) -> bool {
    let word = dependency.replace('-', "_");
    sources(place).iter().any(|file| {
        std::fs::read_to_string(file).is_ok_and(|text| {
            text.lines().filter(|l| !l.trim_start().starts_with("//!")).any(|l| {
                l.match_indices(&word).any(|(at, _)| {
                    let before = l[..at].chars().next_back();
                    let after = &l[at + word.len()..];
                    !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
                        && (after.starts_with("::") || l.trim_start().starts_with("use "))
                })
            })
        })
    })
}

fn sources(place: &Path) -> Vec<PathBuf> {
    let Ok(entries) = place.read_dir() else { return vec![place.into()] };
    entries.flatten().flat_map(|e| sources(&e.path())).collect()
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_a_manifest() {
        let manifest = "[package]\nname = \"x\"\n[dependencies]\n# why\narch.workspace = true\n\
                        mm = { path = \"..\" }\n\n[target.\"cfg(loom)\".dev-dependencies]\n\
                        loom = \"0.7\"\n[[bench]]\nname = \"b\"\n";
        let d = |table, name| Dependency { table, name };
        let dev = "target.\"cfg(loom)\".dev-dependencies";
        let expected = [d("dependencies", "arch"), d("dependencies", "mm"), d(dev, "loom")];
        assert_eq!(dependencies(manifest), expected);
    }
}
