//! Control totals: count, sum, smallest and largest value of each numeric column, the lake's above the warehouse's.

use serde::Serialize;

use crate::record::Column;
use crate::report::html::numbers;
use crate::report::reconcile::{Outcome, Total, Totals as Sums};

/// The section.
#[derive(Debug, Serialize)]
pub(super) struct Totals {
    columns: Vec<Lines>,
    /// Columns whose totals differ.
    differing: String,
    /// Why totals may differ without a finding, where that can be.
    note: String,
}

/// One column: its name, its unit and the three lines.
#[derive(Debug, Serialize)]
struct Lines {
    name: &'static str,
    unit: &'static str,
    lake: [String; 4],
    warehouse: [String; 4],
    /// Differences, empty where there is none; `None` where no total differs.
    difference: Option<[String; 4]>,
}

impl Totals {
    pub(super) fn of(outcome: &Outcome) -> Self {
        let columns: Vec<Lines> = Sums::COLUMNS.into_iter().filter_map(|column| lines(outcome, column)).collect();
        let differing = columns.iter().filter(|lines| lines.difference.is_some()).count();
        let note = if outcome.settled > 0 || outcome.duplicate_objects + outcome.unjudged > 0 {
            "Rows without a judged object, and what a second look settled, are in these totals as first read; \
             copies of an object are counted once."
        } else {
            ""
        };
        let differing = match differing {
            0 => "All totals agree.".to_owned(),
            n => format!("Totals differ in {n} of {} columns.", columns.len()),
        };
        Self { columns, differing, note: note.into() }
    }
}

fn lines(outcome: &Outcome, column: Column) -> Option<Lines> {
    let [lake, warehouse] = outcome.totals.0.get(column.name())?;
    let (unit, decimals) = unit(column);
    let differences = [
        difference(as_float(lake.count), as_float(warehouse.count), 0.0, 0),
        difference(lake.sum, warehouse.sum, noise(lake, warehouse), decimals),
        difference(lake.min, warehouse.min, 0.0, decimals),
        difference(lake.max, warehouse.max, 0.0, decimals),
    ];
    let difference = differences.iter().any(|text| !text.is_empty()).then_some(differences);
    let (lake, warehouse) = (four(lake, decimals), four(warehouse, decimals));
    Some(Lines { name: column.name(), unit, lake, warehouse, difference })
}

fn four(total: &Total, decimals: usize) -> [String; 4] {
    let number = |value| numbers::decimal(value, decimals);
    [numbers::count(total.count), number(total.sum), number(total.min), number(total.max)]
}

fn difference(lake: f64, warehouse: f64, noise: f64, decimals: usize) -> String {
    let difference = warehouse - lake;
    if difference.is_nan() || difference.abs() <= noise {
        String::new() // both sides have no value, or the order of adding explains it
    } else if difference.is_finite() {
        numbers::signed(difference, decimals)
    } else {
        "one side only".into()
    }
}

/// What the order of adding can change in a sum: a few units in the last place for each doubling of the values.
fn noise(lake: &Total, warehouse: &Total) -> f64 {
    let values = as_float(lake.count.max(warehouse.count)).max(1.0);
    lake.sum.abs().max(warehouse.sum.abs()) * f64::EPSILON * 4.0 * values.sqrt()
}

#[allow(clippy::cast_precision_loss, reason = "counts")]
const fn as_float(n: u64) -> f64 {
    n as f64
}

/// The unit of a column, and the decimals worth showing.
const fn unit(column: Column) -> (&'static str, usize) {
    match column {
        Column::QuantidadeAnimais => ("head", 0),
        Column::DiaConfinamento => ("days on feed", 0),
        Column::ConsumoReal | Column::ConsumoMeta => ("kg per animal and day", 3),
        _ => ("kg per animal", 3),
    }
}
