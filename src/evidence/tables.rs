//! Tables of the evidence: findings in their order, totals, days. No cell is a formula or a control sequence.

use std::io::{self, Write};

use serde_json::Value;

use super::HashingWriter;
use crate::reconcile::{Action, ColumnTotal, Drift, IntactSide, Outcome};
use pipeline::printable;

pub(super) fn drift_lines(
    file: &mut HashingWriter,
    findings: impl Iterator<Item = io::Result<Drift>>,
) -> io::Result<()> {
    for drift in findings {
        let mut line = serde_json::to_vec(&drift?)?;
        line.push(b'\n');
        file.write_all(&line)?;
    }
    Ok(())
}

pub(super) fn drift(file: &mut HashingWriter, findings: impl Iterator<Item = io::Result<Drift>>) -> io::Result<()> {
    let mut table = csv::Writer::from_writer(file);
    table.write_record(["kind", "id", "key", "field", "lake", "warehouse", "cause", "reason", "intact", "repair"])?;
    for drift in findings {
        let drift = drift?;
        let text = |text: &Option<String>| cell(text.as_deref().unwrap_or_default());
        let mut line = |field: &str, lake: String, warehouse: String| {
            let (id, key, cause, reason) = (text(&drift.id), text(&drift.key), text(&drift.cause), text(&drift.reason));
            let (kind, field) = (drift.kind.name(), cell(field));
            let (intact, repair) = (drift.intact.map_or("", IntactSide::name), drift.repair.map_or("", Action::name));
            table.write_record([kind, &id, &key, &field, &lake, &warehouse, &cause, &reason, intact, repair])
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

/// Returns a text that no spreadsheet interprets as a formula, and no terminal as a control sequence.
///
/// A text that starts like a formula gets an apostrophe in front (OWASP, "CSV injection"). So does each part after a
/// semicolon, where spreadsheets in Portuguese separate cells, regardless of the quotes of this file. Control
/// characters, with tabs and line ends among them, are written as `\t`, `\n` or `\u{1b}`.
fn cell(text: &str) -> String {
    let text = printable::line(text);
    let mut out = String::with_capacity(text.len() + 1);
    for (at, part) in text.split(';').enumerate() {
        out.extend((at > 0).then_some(';'));
        let start = part.trim_start_matches([' ', '"', '\u{a0}']);
        if start.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠', '\'']) {
            out.push('\'');
        }
        out.push_str(part);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_wherever_a_spreadsheet_splits_it() {
        for (text, expected) in [
            ("FazendaUm", "FazendaUm"),
            ("=1+1", "'=1+1"),
            ("-2", "'-2"),
            ("'x", "''x"),
            ("a;=HYPERLINK(\"x\")", "a;'=HYPERLINK(\"x\")"),
            ("a; @x;b;;+1", "a;' @x;b;;'+1"),
            ("a;\"=1\"", "a;'\"=1\""),
            ("a\t=1", "a\\t=1"),
            ("\t=1", "\\t=1"),
            ("a\r\n=1", "a\\r\\n=1"),
            ("\u{1b}[31m\u{202e}", "\\u{1b}[31m\\u{202e}"),
            ("＝1", "'＝1"),
        ] {
            assert_eq!(cell(text), expected, "{text:?}");
        }
    }
}
