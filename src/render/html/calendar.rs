//! Calendar of farms and days: numbers for few days, squares for many.
//!
//! | days from first to last | shown as |
//! | --- | --- |
//! | up to [`FEW_DAYS`] | a table of farms and days with the counts in it |
//! | up to [`SOME_DAYS`] | a table of farms and days, as squares |
//! | more | one calendar per farm and year; above [`FEW_STRIPS`] of them, preceded by a table of farms and months |
//!
//! In every form, a list of the days with problems follows, which is also usable without a pointing device.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::Serialize;

use super::cells::{CalendarCell, CalendarLabels, DayLinks, DayRange, Farms, Square, most};
use super::heatmap::Heatmap;
use super::year_calendar::{self, FarmCalendar};
use super::{numbers, sanitize};

/// Maximum number of days that are shown with their numbers.
const FEW_DAYS: i64 = 14;
/// Maximum number of days that are squares in one table.
const SOME_DAYS: i64 = 62;
/// Maximum number of farms in the table of days.
const FEW_FARMS: usize = 120;
/// Maximum number of year calendars without an overview.
const FEW_STRIPS: usize = 3;
/// Maximum number of days in the list of days with problems.
const LISTED: usize = 200;

/// Section of the calendar.
#[derive(Debug, Serialize)]
pub(super) struct Calendar {
    words: CalendarLabels,
    /// Where problems are concentrated, and since when.
    note: String,
    table: Option<Table>,
    overview: Option<Heatmap>,
    farms: Vec<FarmCalendar>,
    /// What is not drawn; empty if everything is.
    undrawn: String,
    days: Vec<Day>,
    /// Number of days with problems beyond those in the list; empty if none.
    more: String,
}

/// Table of few days with their numbers.
#[derive(Debug, Serialize)]
struct Table {
    days: Vec<[String; 2]>,
    rows: Vec<Row>,
}

/// Farm in the table of days.
#[derive(Debug, Serialize)]
struct Row {
    farm: String,
    cells: Vec<Square>,
}

/// Day with problems.
#[derive(Debug, Serialize)]
struct Day {
    day: String,
    farm: String,
    line: [String; 4],
}

impl Calendar {
    /// Returns the calendar of the days; `more` is added to the note.
    pub(super) fn of<C: CalendarCell>(days: &BTreeMap<(String, NaiveDate), C>, window: DayRange, more: &str) -> Self {
        let mut farms = Farms::<C>::new();
        for ((farm, day), cell) in days {
            farms.entry(farm.as_str()).or_default().insert(*day, cell.clone());
        }
        let (links, unlisted) = listed(days);
        let range = days.keys().map(|(_, day)| *day);
        let (first, last) = (range.clone().min(), range.max());
        let length = first.zip(last).map_or(0, |(first, last)| (last - first).num_days() + 1);
        let cell = |farm: &str, day| farms.get(farm).and_then(|cells| cells.get(&day)).cloned().unwrap_or_default();
        let mut calendar = Self {
            words: C::WORDS,
            note: format!("{}{more}", note(days)),
            table: None,
            overview: None,
            farms: Vec::new(),
            undrawn: String::new(),
            days: links.keys().map(|(farm, day)| Day::of(farm, *day, &cell(farm, *day))).collect(),
            more: if unlisted > 0 { numbers::count(unlisted as u64) } else { String::new() },
        };
        calendar.days.sort_by(|a, b| (&a.day, &a.farm).cmp(&(&b.day, &b.farm)));
        if let Some(first) = first.filter(|_| length <= FEW_DAYS) {
            calendar.table = Some(table(&farms, first, length));
            if farms.len() > FEW_FARMS {
                calendar.undrawn = format!("{} more farms are not drawn.", farms.len() - FEW_FARMS);
            }
        } else if length <= SOME_DAYS {
            let all = farms.values().flat_map(|cells| cells.iter().map(|(day, cell)| (*day, cell.clone()))).collect();
            calendar.overview = Some(Heatmap::days(&farms, year_calendar::range(&all, window), &links));
        } else {
            (calendar.farms, calendar.undrawn) = year_calendar::draw(&farms, window, &links);
            let strips: usize = calendar.farms.iter().map(FarmCalendar::strips).sum();
            if strips > FEW_STRIPS || calendar.farms.len() < farms.len() {
                calendar.overview = Some(Heatmap::months(&farms));
            }
        }
        calendar
    }
}

/// Returns the days with problems, each with its index in the list, and the number of days beyond the list.
fn listed<C: CalendarCell>(days: &BTreeMap<(String, NaiveDate), C>) -> (DayLinks<'_>, usize) {
    let mut found: Vec<_> = days.iter().filter(|(_, cell)| cell.is_off()).collect();
    let more = found.len().saturating_sub(LISTED);
    found.sort_by_key(|((farm, day), cell)| (std::cmp::Reverse(cell.off()), *day, farm));
    found.truncate(LISTED);
    found.sort_by_key(|((farm, day), _)| (*day, farm));
    (found.into_iter().enumerate().map(|(at, ((farm, day), _))| ((farm.as_str(), *day), at)).collect(), more)
}

fn note<C: CalendarCell>(all: &BTreeMap<(String, NaiveDate), C>) -> String {
    if all.is_empty() {
        return "No farm has a record on any day.".into();
    }
    let CalendarLabels { off, is_off, fine, .. } = C::WORDS;
    let days = || all.iter().filter(|(_, cell)| cell.is_off());
    let bad = days().count() as u64;
    let number = numbers::of(all.len() as u64, "farm-day", "farm-days");
    let distance = |cell: &C| (cell.off(), cell.sides()[0].abs_diff(cell.sides()[1]));
    let Some(((farm, day), worst)) = days().max_by_key(|(_, cell)| distance(cell)) else {
        return format!("{number}, {fine}.");
    };
    let (first, last) = (days().map(|((_, day), _)| *day).min(), days().map(|((_, day), _)| *day).max());
    let when = match (first, last) {
        (Some(first), Some(last)) if first != last => format!("from {first} to {last}; the most on {day}"),
        _ if bad > 1 => format!("all on {day}; the most"),
        _ => format!("on {day}"),
    };
    let max = numbers::of(worst.off(), off[0], off[1]);
    let farm = sanitize::shown(farm, sanitize::NAME);
    let verb = is_off[usize::from(bad != 1)];
    let where_most = concentration(all);
    format!("{} of {number} {verb}, {when} in {farm} ({max}).{where_most}", numbers::count(bad))
}

/// Returns the farm with the most problems; empty with a single farm.
fn concentration<C: CalendarCell>(days: &BTreeMap<(String, NaiveDate), C>) -> String {
    let mut farms = BTreeMap::<&str, u64>::new();
    for ((farm, _), cell) in days {
        *farms.entry(farm).or_default() += cell.off();
    }
    let all: u64 = farms.values().sum();
    match farms.iter().max_by_key(|(_, off)| **off) {
        Some((farm, off)) if farms.len() > 1 && *off > 0 => {
            let farm = sanitize::shown(farm, sanitize::NAME);
            let [one, many] = C::WORDS.off;
            format!(" Of {}, {} in {farm}.", numbers::of(all, one, many), numbers::of(*off, "is", "are"))
        }
        _ => String::new(),
    }
}

fn table<C: CalendarCell>(farms: &Farms<'_, C>, first: NaiveDate, length: i64) -> Table {
    let days: Vec<NaiveDate> = first.iter_days().take(usize::try_from(length).unwrap_or(0)).collect();
    let rows = farms.iter().take(FEW_FARMS).map(|(farm, cells)| {
        let max = most(cells.values());
        let square = |day| {
            let cell = cells.get(day).cloned().unwrap_or_default();
            Square::of(&day.to_string(), &cell, max)
        };
        Row { farm: sanitize::shown(farm, sanitize::NAME), cells: days.iter().map(square).collect() }
    });
    let head = |day: &NaiveDate| [day.format("%a").to_string(), day.to_string()];
    Table { rows: rows.collect(), days: days.iter().map(head).collect() }
}

impl Day {
    fn of<C: CalendarCell>(farm: &str, day: NaiveDate, cell: &C) -> Self {
        Self { day: day.to_string(), farm: sanitize::shown(farm, sanitize::NAME), line: cell.line() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::DayCounts;

    #[test]
    fn the_note_names_the_days_and_the_farm_with_the_most() {
        let cell = |drift| DayCounts { lake: 9, warehouse: 9, drift, ..DayCounts::default() };
        let day = |n| NaiveDate::from_ymd_opt(2024, 1, n).unwrap();
        let of = |cells: &[(&str, u32, u64)]| {
            note(&cells.iter().map(|(farm, n, drift)| (((*farm).to_owned(), day(*n)), cell(*drift))).collect())
        };
        assert_eq!(of(&[("um", 1, 2), ("um", 2, 0)]), "1 of 2 farm-days disagrees, on 2024-01-01 in um (2 findings).");
        assert_eq!(
            of(&[("um", 1, 2), ("dois", 1, 5)]),
            "2 of 2 farm-days disagree, all on 2024-01-01; the most in dois (5 findings). Of 7 findings, 5 are in dois."
        );
        assert_eq!(
            of(&[("um", 1, 2), ("um", 3, 5)]),
            "2 of 2 farm-days disagree, from 2024-01-01 to 2024-01-03; the most on 2024-01-03 in um (5 findings)."
        );
    }
}
