//! What divan prints, read back: a tree of names with a column of the fastest times.

/// A row of the tree that has a time.
#[derive(Debug, PartialEq)]
pub(super) struct Measured {
    /// Names from below the root on, joined by `/`.
    pub(super) name: String,
    /// Its fastest sample, for one iteration.
    pub(super) nanoseconds: f64,
}

/// All rows with a time.
pub(super) fn parse(text: &str) -> Vec<Measured> {
    let mut path: Vec<&str> = Vec::new();
    let mut rows = Vec::new();
    for line in text.lines() {
        let Some((depth, rest)) = branch(line) else { continue };
        let cell = rest.split('│').next().unwrap_or(rest).trim_end();
        let (name, time) = match timed(cell) {
            Some((name, ns)) => (name, Some(ns)),
            None => (cell, None),
        };
        path.truncate(depth);
        path.push(name);
        if let Some(nanoseconds) = time {
            rows.push(Measured { name: path.join("/"), nanoseconds });
        }
    }
    rows
}

/// How deep a line hangs in the tree, and what stands after its branch. `None` for lines that do
/// not begin a row, such as those with throughputs.
fn branch(line: &str) -> Option<(usize, &str)> {
    let mut rest = line;
    for depth in 0.. {
        if let Some(leaf) = rest.strip_prefix("├─ ").or_else(|| rest.strip_prefix("╰─ ")) {
            return Some((depth, leaf));
        }
        rest = rest.strip_prefix("│  ").or_else(|| rest.strip_prefix("   "))?;
    }
    None
}

/// A name and the time after it.
fn timed(cell: &str) -> Option<(&str, f64)> {
    let (front, unit) = cell.rsplit_once(' ')?;
    let scale = match unit {
        "ps" => 1e-3,
        "ns" => 1.0,
        "µs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        _ => return None,
    };
    let (name, number) = front.trim_end().rsplit_once(' ')?;
    Some((name.trim_end(), number.parse::<f64>().ok()? * scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_with_arguments_and_throughputs() {
        let text = "\
Timer precision: 10 ns
operations      fastest       │ slowest       │ median        │ mean          │ samples │ iters
├─ copy_in                    │               │               │               │         │
│  ├─ 64        12.5 ns       │ 25.19 ns      │ 12.77 ns      │ 13 ns         │ 100     │ 12800
│  │            5.12 GB/s     │ 2.54 GB/s     │ 5.011 GB/s    │ 4.9 GB/s      │         │
│  ╰─ 1048576   14.2 µs       │ 25.19 µs      │ 12.77 µs      │ 13 µs         │ 100     │ 100
│               73.8 GB/s     │ 2.54 GB/s     │ 5.011 GB/s    │ 4.9 GB/s      │         │
╰─ table_lookup 0.812 ns      │ 1.2 ns        │ 0.9 ns        │ 0.9 ns        │ 100     │ 819200
";
        let row = |name: &str, nanoseconds| Measured { name: name.into(), nanoseconds };
        let expected = [row("copy_in/64", 12.5), row("copy_in/1048576", 14_200.0)];
        assert_eq!(parse(text)[..2], expected);
        assert_eq!(parse(text)[2..], [row("table_lookup", 0.812)]);
    }
}
