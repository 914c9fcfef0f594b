//! The tables of the evidence: findings in their order, totals, days; nothing in them begins like a formula.

use std::cmp::Ordering;
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::HashingWriter;
use crate::reconcile::{ColumnTotal, Drift, DriftKind, Outcome};
use crate::sort::{SortDir, SortOrder, Sorter};

/// Findings sorted in memory at a time; a finding takes about a kilobyte.
const RUN: usize = 20_000;

/// A finding in the order of the evidence, which is not that of finding it: objects are read many at once.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Entry {
    kind: DriftKind,
    id: Option<String>,
    key: Option<String>,
    line: String,
}

impl SortOrder for Entry {
    fn compare(&self, other: &Self) -> Ordering {
        self.cmp(other)
    }
}

pub(super) fn drift_lines(
    file: &mut HashingWriter,
    dir: &Path,
    findings: impl Iterator<Item = io::Result<Drift>>,
) -> io::Result<()> {
    let mut sorter = Sorter::in_dir(RUN, &SortDir::in_dir(dir)?)?;
    for drift in findings {
        let drift = drift?;
        let line = serde_json::to_string(&drift)?;
        sorter.push(Entry { kind: drift.kind, id: drift.id, key: drift.key, line })?;
    }
    for entry in sorter.finish()? {
        file.write_all(entry?.line.as_bytes())?;
        file.write_all(b"\n")?;
    }
    Ok(())
}

pub(super) fn drift(file: &mut HashingWriter, findings: impl Iterator<Item = io::Result<Drift>>) -> io::Result<()> {
    let mut table = csv::Writer::from_writer(file);
    table.write_record(["kind", "id", "key", "field", "lake", "warehouse", "cause", "reason"])?;
    for drift in findings {
        let drift = drift?;
        let text = |text: &Option<String>| cell(text.as_deref().unwrap_or_default());
        let mut line = |field: &str, lake: String, warehouse: String| {
            let (id, key, cause, reason) = (text(&drift.id), text(&drift.key), text(&drift.cause), text(&drift.reason));
            table.write_record([drift.kind.name(), &id, &key, &cell(field), &lake, &warehouse, &cause, &reason])
        };
        if drift.fields.is_empty() {
            line("", String::new(), String::new())?;
        }
        for (field, [lake, warehouse]) in &drift.fields {
            line(field, value(lake), value(warehouse))?;
        }
    }
    table.flush()
}

pub(super) fn totals(file: &mut HashingWriter, outcome: &Outcome) -> io::Result<()> {
    let mut table = csv::Writer::from_writer(file);
    let of_total = ["count", "sum", "min", "max"];
    let sides = ["lake", "warehouse"].into_iter().flat_map(|side| of_total.map(|what| format!("{side}_{what}")));
    table.write_record(["farm", "month", "column"].map(str::to_owned).into_iter().chain(sides))?;
    for (farm, month, totals) in outcome.control.months() {
        for (column, [lake, warehouse]) in totals.columns() {
            let place = [cell(farm), month.clone(), column.name().to_owned()];
            table.write_record(place.into_iter().chain(total_columns(lake)).chain(total_columns(warehouse)))?;
        }
    }
    table.flush()
}

fn total_columns(total: &ColumnTotal) -> [String; 4] {
    let number = |value: f64| if total.count == 0 { String::new() } else { value.to_string() };
    [total.count.to_string(), number(total.sum()), number(total.min), number(total.max)]
}

pub(super) fn hashes(file: &mut HashingWriter, outcome: &Outcome) -> io::Result<()> {
    let mut table = csv::Writer::from_writer(file);
    table.write_record([
        "farm",
        "month",
        "lake_records",
        "lake_xxh3_128",
        "warehouse_records",
        "warehouse_xxh3_128",
    ])?;
    for (farm, month, totals) in outcome.control.months() {
        let [lake, warehouse] = totals.hashes().map(|seen| [seen.count.to_string(), seen.hex()]);
        table.write_record([cell(farm), month].into_iter().chain(lake).chain(warehouse))?;
    }
    table.flush()
}

pub(super) fn days(file: &mut HashingWriter, outcome: &Outcome) -> io::Result<()> {
    let mut table = csv::Writer::from_writer(file);
    table.write_record(["farm", "day", "lake", "warehouse", "drift", "archived"])?;
    for (farm, day, of) in outcome.days.iter() {
        let counts = [of.lake, of.warehouse, of.drift, of.archived].map(|n| n.to_string());
        table.write_record([cell(farm), day.to_string()].into_iter().chain(counts))?;
    }
    table.flush()
}

fn value(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => cell(text),
        other => other.to_string(),
    }
}

/// A text that no spreadsheet takes for a formula: those that begin like one get an apostrophe in front (OWASP, "CSV
/// injection").
fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠', '\'']);
    if formula { format!("'{text}") } else { text.to_owned() }
}
