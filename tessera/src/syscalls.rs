//! `tessera syscalls`: the tables as people read them.

use crate::cli::ArchName;
use crate::{Failure, output};
use arch::Arch;
use kernel::table::{Registry, Support};
use std::fmt::Write;

/// Prints the tables: number, name, support level, note.
pub(crate) fn print(only: Option<ArchName>) -> Result<u8, Failure> {
    let only = only.map(|a| match a {
        ArchName::X86_64 => Arch::X86_64,
        ArchName::Arm64 => Arch::Aarch64,
    });
    let mut text = String::new();
    for table in Registry::LINUX.iter().filter(|t| only.is_none_or(|a| a == t.arch())) {
        let (mut full, mut partial, mut none) = (0, 0, 0);
        let _ = writeln!(text, "{:?} on {:?}", table.os(), table.arch());
        for (nr, e) in table.iter() {
            let (level, note) = match e.support {
                Support::Full => ("full", ""),
                Support::Partial(note) => ("partial", note),
                Support::None(note) => ("none", note),
            };
            match e.support {
                Support::Full => full += 1,
                Support::Partial(_) => partial += 1,
                Support::None(_) => none += 1,
            }
            let line = format!("{nr:4}  {:24} {level:8} {note}", e.name);
            let _ = writeln!(text, "{}", line.trim_end());
        }
        let _ = writeln!(text, "{full} full, {partial} partial, {none} none\n");
    }
    output::print(&text)?;
    Ok(0)
}
