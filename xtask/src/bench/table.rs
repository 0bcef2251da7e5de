//! The table of medians and ratios.

use std::fmt;

/// What a row's figures count.
#[derive(Clone, Copy)]
pub(super) enum Unit {
    Nanoseconds,
    Milliseconds,
    Mebibytes,
    Percent,
}

impl Unit {
    fn suffix(self) -> &'static str {
        match self {
            Unit::Nanoseconds => "ns",
            Unit::Milliseconds => "ms",
            Unit::Mebibytes => "MiB",
            Unit::Percent => "%",
        }
    }
}

struct Row {
    name: String,
    unit: Unit,
    samples: Vec<Vec<f64>>,
}

/// Samples by row and column; printed as medians.
pub(super) struct Table {
    columns: Vec<&'static str>,
    rows: Vec<Row>,
}

impl Table {
    pub(super) fn new(columns: Vec<&'static str>) -> Table {
        Table { columns, rows: Vec::new() }
    }

    pub(super) fn add(&mut self, name: &str, unit: Unit, column: usize, value: f64) {
        let columns = self.columns.len();
        let i = self.rows.iter().position(|r| r.name == name).unwrap_or_else(|| {
            self.rows.push(Row { name: name.into(), unit, samples: vec![Vec::new(); columns] });
            self.rows.len() - 1
        });
        self.rows[i].samples[column].push(value);
    }
}

fn median(samples: &[f64]) -> f64 {
    let mut s = samples.to_vec();
    s.sort_by(f64::total_cmp);
    match s.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => s[n / 2],
        n => (s[n / 2 - 1] + s[n / 2]) / 2.0,
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| row |")?;
        for c in &self.columns {
            write!(f, " {c} |")?;
        }
        for c in self.columns.iter().filter(|c| **c != "tessera") {
            write!(f, " tessera / {c} |")?;
        }
        writeln!(f)?;
        writeln!(f, "|---|{}", "---|".repeat(2 * self.columns.len() - 1))?;
        for r in &self.rows {
            write!(f, "| {} |", r.name)?;
            let medians: Vec<f64> = r.samples.iter().map(|s| median(s)).collect();
            for m in &medians {
                let digits = if *m < 100.0 { 1 } else { 0 };
                write!(f, " {m:.digits$} {} |", r.unit.suffix())?;
            }
            let ours = self.columns.iter().position(|c| *c == "tessera").map(|i| medians[i]);
            for (c, m) in self.columns.iter().zip(&medians) {
                if *c != "tessera" {
                    write!(f, " {:.2} |", ours.unwrap_or(f64::NAN) / m)?;
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
