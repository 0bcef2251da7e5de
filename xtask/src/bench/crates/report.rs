//! The two tables: operations beside gVisor's, and how cost grows.

use super::aims::{Aim, OPERATIONS};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The least time of each row.
#[derive(Default)]
pub(super) struct Report {
    least: BTreeMap<String, f64>,
    /// The same of gVisor's packages, where they were measured in this run.
    peer: BTreeMap<String, f64>,
    /// Rows in the order in which they came.
    order: Vec<String>,
}

impl Report {
    /// Adds a sample.
    pub(super) fn add(&mut self, row: String, ns: f64) {
        if let Some(least) = self.least.get_mut(&row) {
            *least = least.min(ns);
        } else {
            self.order.push(row.clone());
            self.least.insert(row, ns);
        }
    }

    /// Adds a sample of gVisor's packages.
    pub(super) fn add_peer(&mut self, row: String, ns: f64) {
        let least = self.peer.entry(row).or_insert(ns);
        *least = least.min(ns);
    }

    /// Both tables in Markdown. Operations that nothing measured are shown as such.
    pub(super) fn show(&self, wanted: impl Fn(&str) -> bool) -> String {
        let mut out = String::from(
            "| operation | ns | gVisor ns, here | ratio | gVisor ns, elsewhere | ratio | aim ns | |\n",
        );
        out += "|---|---|---|---|---|---|---|---|\n";
        for o in OPERATIONS.iter().filter(|o| wanted(o.row)) {
            let ns = self.least.get(o.row).copied();
            let aim = match o.aim {
                Aim::Ns(ns) => Some(ns),
                Aim::Row(row) => self.least.get(row).copied(),
            };
            let verdict = match (ns, aim) {
                (None, _) => "missing",
                (Some(ns), Some(aim)) if ns > aim => "above",
                _ => "",
            };
            let package = o.row.split('/').next().unwrap_or_default();
            let here = self.peer.get(o.row).copied();
            let _ = writeln!(
                out,
                "| {package}: {} | {} | {} | {} | {} | {} | {} | {verdict} |",
                o.label,
                number(ns),
                number(here),
                ratio(ns, here),
                number(Some(o.gvisor)),
                ratio(ns, Some(o.gvisor)),
                number(aim),
            );
        }
        out += "\n| how cost grows | ns by argument |\n|---|---|\n";
        for (group, members) in self.groups() {
            let cells: Vec<_> =
                members.iter().map(|(arg, ns)| format!("{arg}: {}", number(Some(*ns)))).collect();
            let _ = writeln!(out, "| {group} | {} |", cells.join(", "));
        }
        out
    }

    /// Rows with arguments by what they measure, and rows of their own that no operation names.
    fn groups(&self) -> Vec<(&str, Vec<(&str, f64)>)> {
        let mut groups: Vec<(&str, Vec<(&str, f64)>)> = Vec::new();
        for row in &self.order {
            let ns = self.least[row];
            let Some(i) = row.find('/') else { continue };
            let (group, arg) = match row[i + 1..].rfind('/') {
                Some(j) => (&row[..i + 1 + j], &row[i + j + 2..]),
                None if OPERATIONS.iter().all(|o| o.row != row) => (row.as_str(), "–"),
                None => continue,
            };
            match groups.iter_mut().find(|g| g.0 == group) {
                Some(g) => g.1.push((arg, ns)),
                None => groups.push((group, vec![(arg, ns)])),
            }
        }
        groups
    }
}

/// How often the one goes into the other.
fn ratio(ns: Option<f64>, of: Option<f64>) -> String {
    ns.zip(of).map_or("–".into(), |(ns, of)| format!("{:.2}", ns / of))
}

/// Nanoseconds with three digits that count, thousands grouped.
fn number(ns: Option<f64>) -> String {
    let Some(ns) = ns else { return "–".into() };
    if ns < 100.0 {
        return format!("{ns:.1}");
    }
    let digits = format!("{ns:.0}");
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nothing_measured_is_seen() {
        let mut r = Report::default();
        for ns in [300.0, 200.0, 250.0] {
            r.add("mm/mmap_munmap".into(), ns);
        }
        for ns in [500.0, 400.0] {
            r.add_peer("mm/mmap_munmap".into(), ns);
        }
        r.add("mm/mmap_munmap_among/10".into(), 90.0);
        r.add("mm/mmap_munmap_among/100000".into(), 1_400.0);
        let shown = r.show(|row| row.contains("mmap_munmap") || row.contains("wake"));
        let line = |part: &str| shown.lines().find(|l| l.contains(part)).expect(part).to_string();
        assert!(
            line("one page").ends_with("| 200 | 400 | 0.50 | 909 | 0.22 | 250 |  |"),
            "{shown}"
        );
        assert!(line("the same among").ends_with("| 1,400 | – | – | 1,354 | 1.03 | 350 | above |"));
        assert!(line("wake nobody").ends_with("| – | – | – | 26.0 | – | 10.0 | missing |"));
        assert!(line("| mm/mmap_munmap_among |").ends_with("| 10: 90.0, 100000: 1,400 |"));
    }
}
