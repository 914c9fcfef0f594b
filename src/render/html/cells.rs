//! Cells of a calendar: the counts of a farm's day, and their form as a square.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::Serialize;

use super::numbers;

/// Counts of a farm's day, in the form used by the calendar.
pub(super) trait CalendarCell: Clone + Default {
    /// Labels of the calendar.
    const WORDS: CalendarLabels;

    /// Returns the counts of lake and warehouse, also without problems.
    fn sides(&self) -> [u64; 2];
    /// Returns the number of problems.
    fn off(&self) -> u64;
    /// Returns the number of objects that are on neither side, as intended.
    fn skipped(&self) -> u64 {
        0
    }
    /// Adds the counts of another day.
    fn add(&mut self, other: &Self);
    /// Describes the problems as text; only used if there are any.
    fn details(&self) -> String;
    /// Returns the counts for the list of days, under [`CalendarLabels::head`].
    fn line(&self) -> [String; 4];
    /// Returns the one or two numbers for the table of days.
    fn shown(&self) -> [String; 2];

    /// Returns true if there are problems.
    fn is_off(&self) -> bool {
        self.off() > 0 || self.sides()[0] != self.sides()[1]
    }
}

/// Labels of a calendar.
#[derive(Debug, Serialize)]
pub(super) struct CalendarLabels {
    /// Caption of the table of days.
    pub caption: &'static str,
    /// Squares with their meanings.
    pub legend: &'static [(&'static [&'static str], &'static str)],
    /// Separator of the two numbers of a day in the table.
    pub between: &'static str,
    /// Kind of days that the squares show.
    pub days: &'static str,
    /// Title of the list of days with problems.
    pub list: &'static str,
    /// Columns of the list after day and farm.
    pub head: [&'static str; 4],
    /// Name of a problem, singular and plural.
    pub off: [&'static str; 2],
    /// Predicate for days with problems, singular and plural: `disagrees`, `disagree`.
    pub is_off: [&'static str; 2],
    /// Text if no day has problems.
    pub none: &'static str,
    /// Text after the number of days, if all are correct.
    pub fine: &'static str,
    /// Text for the farms or days with the most problems.
    #[serde(rename = "most")]
    pub max: &'static str,
}

/// Cells by farm and day.
pub(super) type Farms<'a, C> = BTreeMap<&'a str, BTreeMap<NaiveDate, C>>;
/// Index of each day in the list of days with problems.
pub(super) type DayLinks<'a> = BTreeMap<(&'a str, NaiveDate), usize>;
/// First and last day on which data is expected, if known.
pub(super) type DayRange = [Option<NaiveDate>; 2];

/// Farm's day or month, as displayed.
#[derive(Debug, Serialize)]
pub(super) struct Square {
    pub class: &'static str,
    pub shown: [String; 2],
    pub off: String,
    pub tip: String,
    /// Line in the list of days with problems. `None` if it is not in the list.
    pub link: Option<usize>,
}

/// Returns the number of records of a cell, of the side with more.
pub(super) fn records<C: CalendarCell>(cell: &C) -> u64 {
    let [lake, warehouse] = cell.sides();
    lake.max(warehouse)
}

/// Returns the largest count among cells.
pub(super) fn most<'a, C: CalendarCell + 'a>(cells: impl Iterator<Item = &'a C>) -> u64 {
    cells.map(records).max().unwrap_or(0)
}

impl Square {
    /// Returns the square of a cell, shaded relative to the farm's maximum.
    pub(super) fn of<C: CalendarCell>(name: &str, cell: &C, max: u64) -> Self {
        let [one, many] = C::WORDS.off;
        let off = if cell.off() > 0 { numbers::of(cell.off(), one, many) } else { String::new() };
        Self { class: class(cell, max), shown: cell.shown(), off, tip: tip(name, cell), link: None }
    }
}

/// Returns the number of problems in cells.
pub(super) fn off<'a, C: CalendarCell + 'a>(cells: impl Iterator<Item = &'a C>) -> u64 {
    cells.map(CalendarCell::off).sum()
}

/// Returns the tooltip; without problems, the style sheet completes the sentence.
pub(super) fn tip<C: CalendarCell>(name: &str, cell: &C) -> String {
    if cell.is_off() {
        return format!("{name} · {}", cell.details());
    }
    match (records(cell), cell.skipped()) {
        (0, 0) => name.to_owned(),
        (0, skipped) => format!("{name} · {}", numbers::count(skipped)),
        (n, _) => format!("{name} · {}", numbers::count(n)),
    }
}

/// Returns the shade: `a1`–`a4` for correct cells, by volume; `d1`–`d3` for problems, by their fraction; `u` for
/// differing counts without problems; `s` for skipped objects only; `g` for a gap.
pub(super) fn class<C: CalendarCell>(cell: &C, max: u64) -> &'static str {
    let n = records(cell);
    if cell.off() > 0 {
        return match cell.off().saturating_mul(20) / n.max(1) {
            0 => "d1",
            1..5 => "d2",
            _ => "d3",
        };
    }
    let [lake, warehouse] = cell.sides();
    match (lake == warehouse, n.saturating_mul(4).div_ceil(max.max(1))) {
        (false, _) => "u",
        (true, 0) if cell.skipped() > 0 => "s",
        (true, 0) => "g",
        (true, 1) => "a1",
        (true, 2) => "a2",
        (true, 3) => "a3",
        (true, _) => "a4",
    }
}
