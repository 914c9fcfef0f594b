//! Control totals: count, sum, minimum and maximum of each numeric column, for lake and warehouse.

use serde::Serialize;

use crate::multiset_hash::MultisetHash;
use crate::reconcile::{ColumnTotal, Counter, Outcome, Totals as Sums};
use crate::render::html::{numbers, sanitize};
use pipeline::record::Column;

/// Section of the control totals.
#[derive(Debug, Serialize)]
pub(super) struct Totals {
    /// True if the audit did not read the values.
    quick: bool,
    columns: Vec<Lines>,
    /// Columns whose totals differ.
    differing: String,
    /// Explanation of totals that may differ without a finding; empty if this is impossible.
    note: String,
    hashes: Hashes,
}

/// Hash totals: overall, and of the farm-months that differ.
#[derive(Debug, Serialize)]
struct Hashes {
    /// True if both hashes are equal.
    same: bool,
    /// Number of records and hash: lake, warehouse.
    whole: [[String; 2]; 2],
    lead: String,
    months: Vec<Month>,
    /// Number of differing farm-months beyond the list; empty if none.
    more: String,
}

/// Farm's month whose hash totals differ.
#[derive(Debug, Serialize)]
struct Month {
    farm: String,
    month: String,
    sides: [[String; 2]; 2],
}

/// Maximum number of farm-months on the page.
const MONTHS: usize = 60;

impl Hashes {
    fn of(outcome: &Outcome) -> Self {
        let shown = |sides: [MultisetHash; 2]| sides.map(|seen| [numbers::count(seen.count), seen.hex()]);
        let whole = outcome.control.hashes();
        let [distance, all] = outcome.control.differing_months();
        let lead = match (all, distance) {
            (0, _) => String::new(),
            (_, 0) => format!("So do those of each of {}.", numbers::of(all, "farm-month", "farm-months")),
            _ => format!(
                "Of {}, {}.",
                numbers::of(all, "farm-month", "farm-months"),
                numbers::of(distance, "differs", "differ")
            ),
        };
        let differing_months = outcome.control.months().filter(|(.., totals)| totals.hashes()[0] != totals.hashes()[1]);
        let month = |(farm, month, totals): (&str, String, &Sums)| Month {
            farm: sanitize::shown(farm, sanitize::NAME),
            month,
            sides: shown(totals.hashes()),
        };
        let more = distance.saturating_sub(MONTHS as u64);
        Self {
            same: whole[0] == whole[1],
            whole: shown(whole),
            lead,
            months: differing_months.take(MONTHS).map(month).collect(),
            more: if more > 0 { numbers::count(more) } else { String::new() },
        }
    }
}

/// Column with its name, unit and three lines.
#[derive(Debug, Serialize)]
struct Lines {
    name: &'static str,
    unit: &'static str,
    lake: [String; 4],
    warehouse: [String; 4],
    /// Differences, empty for equal values. `None` if no total differs.
    difference: Option<[String; 4]>,
}

impl Totals {
    pub(super) fn of(outcome: &Outcome) -> Self {
        let whole = outcome.control.whole();
        let columns: Vec<Lines> = whole.columns().map(|(column, totals)| lines(column, totals)).collect();
        let differing = columns.iter().filter(|lines| lines.difference.is_some()).count();
        let note = if outcome[Counter::DuplicateObjects] + outcome[Counter::NotCompared] > 0 {
            "These totals include rows whose object was not compared; copies of an object are counted once."
        } else {
            ""
        };
        let differing = match differing {
            0 => "All totals agree.".to_owned(),
            n => format!("Totals differ in {n} of {} columns.", columns.len()),
        };
        Self { quick: outcome.quick, columns, differing, note: note.into(), hashes: Hashes::of(outcome) }
    }
}

fn lines(column: Column, [lake, warehouse]: &[ColumnTotal; 2]) -> Lines {
    let (unit, decimals) = unit(column);
    let differences = [
        difference(as_float(lake.count), as_float(warehouse.count), 0),
        difference(lake.sum(), warehouse.sum(), decimals),
        difference(lake.min, warehouse.min, decimals),
        difference(lake.max, warehouse.max, decimals),
    ];
    let difference = differences.iter().any(|text| !text.is_empty()).then_some(differences);
    let (lake, warehouse) = (four(lake, decimals), four(warehouse, decimals));
    Lines { name: column.name(), unit, lake, warehouse, difference }
}

fn four(total: &ColumnTotal, decimals: usize) -> [String; 4] {
    let number = |value| numbers::decimal(value, decimals);
    [numbers::count(total.count), number(total.sum()), number(total.min), number(total.max)]
}

fn difference(lake: f64, warehouse: f64, decimals: usize) -> String {
    let difference = warehouse - lake;
    if difference.is_nan() || difference == 0.0 {
        String::new() // equal, or a side has no value
    } else if difference.is_finite() {
        numbers::signed(difference, decimals)
    } else {
        "one side only".into()
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts")]
const fn as_float(n: u64) -> f64 {
    n as f64
}

/// Returns the unit of a column, and the number of useful decimals.
fn unit(column: Column) -> (&'static str, usize) {
    column.unit().map_or(("", 0), |unit| (unit.name, unit.decimals))
}
