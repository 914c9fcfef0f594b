//! The calendar of farms and days: numbers where there are few days, squares where there are many.
//!
//! | days from first to last | shown as |
//! | --- | --- |
//! | up to [`FEW_DAYS`] | a table of farms and days with the counts in it |
//! | more | a calendar a farm and year; past [`FEW_STRIPS`] of them, a table of farms and months before it |
//!
//! Whatever the form, the days that disagree follow as a list, which is also what a reader without a pointer uses.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::Serialize;

use super::strips::{self, Farm, Overview};
use super::{numbers, text};
use crate::report::reconcile::{Cell, Outcome};

/// The most days that are shown with their numbers.
const FEW_DAYS: i64 = 14;
/// The most farms in the table of days.
const FEW_FARMS: usize = 120;
/// The most calendars of a year that need no overview.
const FEW_STRIPS: usize = 3;
/// Days that disagree and are listed.
const LISTED: usize = 200;

/// Cells by farm and day.
pub(super) type Farms<'a> = BTreeMap<&'a str, BTreeMap<NaiveDate, Cell>>;
/// The place of a day in the list of those that disagree.
pub(super) type Links<'a> = BTreeMap<(&'a str, NaiveDate), usize>;

/// The section.
#[derive(Debug, Serialize)]
pub(super) struct Calendar {
    /// Where and since when it disagrees.
    note: String,
    table: Option<Table>,
    overview: Option<Overview>,
    farms: Vec<Farm>,
    /// What is not drawn; empty if nothing.
    undrawn: String,
    days: Vec<Day>,
    /// How many days disagree besides those listed; empty if none.
    more: String,
}

/// A few days with their numbers.
#[derive(Debug, Serialize)]
struct Table {
    days: Vec<[String; 2]>,
    rows: Vec<Row>,
}

/// A farm in the table of days.
#[derive(Debug, Serialize)]
struct Row {
    farm: String,
    cells: Vec<Square>,
}

/// A farm's day, or month, as it is shown.
#[derive(Debug, Serialize)]
pub(super) struct Square {
    pub class: &'static str,
    pub lake: String,
    pub warehouse: String,
    pub found: String,
    pub tip: String,
}

/// A day that disagrees.
#[derive(Debug, Serialize)]
struct Day {
    day: String,
    farm: String,
    lake: String,
    warehouse: String,
    difference: String,
    found: String,
}

impl Calendar {
    pub(super) fn of(outcome: &Outcome) -> Self {
        let mut farms = Farms::new();
        for ((farm, day), cell) in &outcome.days {
            farms.entry(farm).or_default().insert(*day, *cell);
        }
        let (links, more) = disagreeing(outcome);
        let range = outcome.days.keys().map(|(_, day)| *day);
        let (first, last) = (range.clone().min(), range.max());
        let length = first.zip(last).map_or(0, |(first, last)| (last - first).num_days() + 1);
        let mut calendar = Self {
            note: note(outcome),
            table: None,
            overview: None,
            farms: Vec::new(),
            undrawn: String::new(),
            days: links.keys().map(|(farm, day)| Day::of(farm, *day, outcome)).collect(),
            more: if more > 0 { numbers::count(more as u64) } else { String::new() },
        };
        calendar.days.sort_by(|a, b| (&a.day, &a.farm).cmp(&(&b.day, &b.farm)));
        if let Some(first) = first.filter(|_| length <= FEW_DAYS) {
            calendar.table = Some(table(&farms, first, length));
            if farms.len() > FEW_FARMS {
                calendar.undrawn = format!("{} more farms are not drawn.", farms.len() - FEW_FARMS);
            }
        } else {
            (calendar.farms, calendar.undrawn) = strips::draw(&farms, outcome, &links);
            let strips: usize = calendar.farms.iter().map(Farm::strips).sum();
            if strips > FEW_STRIPS || calendar.farms.len() < farms.len() {
                calendar.overview = Some(Overview::of(&farms));
            }
        }
        calendar
    }
}

/// The days that disagree, each with its place in the list, and how many more there are.
fn disagreeing(outcome: &Outcome) -> (Links<'_>, usize) {
    let mut found: Vec<_> = outcome.days.iter().filter(|(_, cell)| disagrees(cell)).collect();
    let more = found.len().saturating_sub(LISTED);
    found.sort_by_key(|((farm, day), cell)| (std::cmp::Reverse(cell.drift), *day, farm));
    found.truncate(LISTED);
    found.sort_by_key(|((farm, day), _)| (*day, farm));
    (found.into_iter().enumerate().map(|(at, ((farm, day), _))| ((farm.as_str(), *day), at)).collect(), more)
}

pub(super) const fn disagrees(cell: &Cell) -> bool {
    cell.drift > 0 || cell.lake != cell.warehouse
}

fn note(outcome: &Outcome) -> String {
    if outcome.days.is_empty() {
        return "No farm has a record on any day.".into();
    }
    let days = || outcome.days.iter().filter(|(_, cell)| disagrees(cell));
    let bad = days().count() as u64;
    let all = numbers::of(outcome.days.len() as u64, "farm-day", "farm-days");
    let Some(((farm, day), worst)) = days().max_by_key(|(_, cell)| (cell.drift, cell.lake.abs_diff(cell.warehouse)))
    else {
        return format!("{all}, and the counts of both sides agree on each.");
    };
    let (first, last) = (days().map(|((_, day), _)| *day).min(), days().map(|((_, day), _)| *day).max());
    let when = match (first, last) {
        (Some(first), Some(last)) if first != last => format!("from {first} to {last}; the most"),
        _ => "all".to_owned(),
    };
    let placed: u64 = outcome.days.values().map(|cell| cell.drift).sum();
    let elsewhere = match outcome.drift().saturating_sub(placed) {
        0 => String::new(),
        n => format!(" {} to no single day.", numbers::of(n, "finding belongs", "findings belong")),
    };
    let most = numbers::of(worst.drift, "finding", "findings");
    let farm = text::shown(farm, text::VALUE);
    let where_most = concentration(outcome, placed);
    format!("{} of {all} disagree, {when} on {day} in {farm} ({most}).{where_most}{elsewhere}", numbers::count(bad))
}

/// The farm that has most of the findings, where there are several.
fn concentration(outcome: &Outcome, placed: u64) -> String {
    let mut farms = BTreeMap::<&str, u64>::new();
    for ((farm, _), cell) in &outcome.days {
        *farms.entry(farm).or_default() += cell.drift;
    }
    match farms.iter().max_by_key(|(_, drift)| **drift) {
        Some((farm, drift)) if farms.len() > 1 && *drift > 0 => {
            let [drift, placed] = [*drift, placed].map(numbers::count);
            format!(" Of {placed} findings, {drift} lie in {}.", text::shown(farm, text::VALUE))
        }
        _ => String::new(),
    }
}

fn table(farms: &Farms<'_>, first: NaiveDate, length: i64) -> Table {
    let days: Vec<NaiveDate> = first.iter_days().take(usize::try_from(length).unwrap_or(0)).collect();
    let rows = farms.iter().take(FEW_FARMS).map(|(farm, cells)| {
        let most = most(cells.values());
        let square = |day| {
            let cell = cells.get(day).copied().unwrap_or_default();
            Square::of(&day.to_string(), &cell, most)
        };
        Row { farm: text::shown(farm, text::VALUE), cells: days.iter().map(square).collect() }
    });
    let head = |day: &NaiveDate| [day.format("%a").to_string(), day.to_string()];
    Table { rows: rows.collect(), days: days.iter().map(head).collect() }
}

/// The largest count of some cells.
pub(super) fn most<'a>(cells: impl Iterator<Item = &'a Cell>) -> u64 {
    cells.map(|cell| cell.lake.max(cell.warehouse)).max().unwrap_or(0)
}

impl Square {
    /// A cell under its name, shaded against the farm's largest.
    pub(super) fn of(name: &str, cell: &Cell, most: u64) -> Self {
        let (lake, warehouse) = (numbers::count(cell.lake), numbers::count(cell.warehouse));
        let found = if cell.drift > 0 { numbers::of(cell.drift, "finding", "findings") } else { String::new() };
        let tip = tip(name, cell);
        Self { class: class(cell, most), lake, warehouse, found, tip }
    }
}

/// What hovering or focusing shows; where both sides agree, the style sheet ends the sentence.
pub(super) fn tip(name: &str, cell: &Cell) -> String {
    if !disagrees(cell) {
        return if cell.lake == 0 { name.to_owned() } else { format!("{name} · {}", numbers::count(cell.lake)) };
    }
    let (lake, warehouse) = (numbers::count(cell.lake), numbers::count(cell.warehouse));
    let found = numbers::of(cell.drift, "finding", "findings");
    format!("{name} · lake {lake} · warehouse {warehouse} · {found}")
}

/// The shade: `a1`–`a4` agreeing, by volume; `d1`–`d3` drift, by its share; `u` other counts and no finding; `g` a gap.
pub(super) const fn class(cell: &Cell, most: u64) -> &'static str {
    let n = if cell.lake > cell.warehouse { cell.lake } else { cell.warehouse };
    if cell.drift > 0 {
        let twentieths = cell.drift.saturating_mul(20) / if n == 0 { 1 } else { n };
        return match twentieths {
            0 => "d1",
            1..5 => "d2",
            _ => "d3",
        };
    }
    match (cell.lake == cell.warehouse, n.saturating_mul(4).div_ceil(if most == 0 { 1 } else { most })) {
        (false, _) => "u",
        (true, 0) => "g",
        (true, 1) => "a1",
        (true, 2) => "a2",
        (true, 3) => "a3",
        (true, _) => "a4",
    }
}

impl Day {
    fn of(farm: &str, day: NaiveDate, outcome: &Outcome) -> Self {
        let cell = outcome.days.get(&(farm.to_owned(), day)).copied().unwrap_or_default();
        #[allow(clippy::cast_precision_loss, reason = "counts")]
        let difference = cell.warehouse as f64 - cell.lake as f64;
        Self {
            day: day.to_string(),
            farm: text::shown(farm, text::VALUE),
            lake: numbers::count(cell.lake),
            warehouse: numbers::count(cell.warehouse),
            difference: numbers::signed(difference, 0),
            found: numbers::count(cell.drift),
        }
    }
}
