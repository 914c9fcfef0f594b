//! The cells of a calendar: what an outcome counts for a farm's day, and how one of them is shown as a square.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::Serialize;

use super::numbers;

/// What an outcome counts for a farm's day, as the calendar sees it.
pub(super) trait CalendarCell: Copy + Default {
    /// How the page speaks of it.
    const WORDS: CalendarLabels;

    /// What the lake has and what the warehouse has: even where nothing is off.
    fn sides(&self) -> [u64; 2];
    /// How much is off.
    fn off(&self) -> u64;
    /// What is on neither side, and is not to be.
    fn aside(&self) -> u64 {
        0
    }
    /// Adds another day's counts.
    fn add(&mut self, other: &Self);
    /// The counts in words, where something is off.
    fn details(&self) -> String;
    /// The counts as the list of days has them, under [`CalendarLabels::head`].
    fn line(&self) -> [String; 4];
    /// The one or two numbers in the table of days.
    fn shown(&self) -> [String; 2];

    /// Whether something is off.
    fn is_off(&self) -> bool {
        self.off() > 0 || self.sides()[0] != self.sides()[1]
    }
}

/// The words of a calendar.
#[derive(Debug, Serialize)]
pub(super) struct CalendarLabels {
    /// Of the table of days.
    pub caption: &'static str,
    /// Squares and what they mean.
    pub legend: &'static [(&'static [&'static str], &'static str)],
    /// Between the two numbers of a day in the table.
    pub between: &'static str,
    /// What the squares' days are days of.
    pub days: &'static str,
    /// Of the list of days that are off.
    pub list: &'static str,
    /// The list's columns after day and farm.
    pub head: [&'static str; 4],
    /// What is off, one and more of them.
    pub off: [&'static str; 2],
    /// A day on which something is off, and several: `disagrees`, `disagree`.
    pub is_off: [&'static str; 2],
    /// No day on which something is off.
    pub none: &'static str,
    /// All days are right, after their number.
    pub fine: &'static str,
    /// Farms or days that are most off.
    #[serde(rename = "most")]
    pub max: &'static str,
}

/// Cells by farm and day.
pub(super) type Farms<'a, C> = BTreeMap<&'a str, BTreeMap<NaiveDate, C>>;
/// The place of a day in the list of those that are off.
pub(super) type DayLinks<'a> = BTreeMap<(&'a str, NaiveDate), usize>;
/// The first and the last day on which something may be expected, where that is known.
pub(super) type DayRange = [Option<NaiveDate>; 2];

/// A farm's day, or month, as it is shown.
#[derive(Debug, Serialize)]
pub(super) struct Square {
    pub class: &'static str,
    pub shown: [String; 2],
    pub off: String,
    pub tip: String,
    /// The line in the list of days that are off.
    pub link: Option<usize>,
}

/// The records of a cell: of the side that has more.
pub(super) fn records<C: CalendarCell>(cell: &C) -> u64 {
    let [lake, warehouse] = cell.sides();
    lake.max(warehouse)
}

/// The largest count of some cells.
pub(super) fn most<'a, C: CalendarCell + 'a>(cells: impl Iterator<Item = &'a C>) -> u64 {
    cells.map(records).max().unwrap_or(0)
}

impl Square {
    /// A cell under its name, shaded against the farm's largest.
    pub(super) fn of<C: CalendarCell>(name: &str, cell: &C, max: u64) -> Self {
        let [one, many] = C::WORDS.off;
        let off = if cell.off() > 0 { numbers::of(cell.off(), one, many) } else { String::new() };
        Self { class: class(cell, max), shown: cell.shown(), off, tip: tip(name, cell), link: None }
    }
}

/// How much is off in some cells.
pub(super) fn off<'a, C: CalendarCell + 'a>(cells: impl Iterator<Item = &'a C>) -> u64 {
    cells.map(CalendarCell::off).sum()
}

/// What hovering or focusing shows; where nothing is off, the style sheet ends the sentence.
pub(super) fn tip<C: CalendarCell>(name: &str, cell: &C) -> String {
    if cell.is_off() {
        return format!("{name} · {}", cell.details());
    }
    match (records(cell), cell.aside()) {
        (0, 0) => name.to_owned(),
        (0, aside) => format!("{name} · {}", numbers::count(aside)),
        (n, _) => format!("{name} · {}", numbers::count(n)),
    }
}

/// The shade: `a1`–`a4` right, by volume; `d1`–`d3` off, by its share; `u` other counts and nothing off; `s` only what
/// is left aside; `g` a gap.
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
        (true, 0) if cell.aside() > 0 => "s",
        (true, 0) => "g",
        (true, 1) => "a1",
        (true, 2) => "a2",
        (true, 3) => "a3",
        (true, _) => "a4",
    }
}
