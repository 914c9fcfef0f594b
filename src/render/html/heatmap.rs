//! Table of squares: farms in rows, days or months in columns.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use chrono::{Datelike, NaiveDate};
use serde::Serialize;

use super::cells::{CalendarCell, DayLinks, Farms, Square, most, off, records};
use super::{numbers, sanitize};

/// Maximum number of squares.
const SQUARES: usize = 4_000;
/// Maximum number of farms.
const ROWS: usize = 400;
/// Maximum number of consecutive months that are shown including empty ones.
const MONTHS_IN_A_ROW: usize = 120;

/// Heatmap of farms by day or by month.
#[derive(Debug, Serialize)]
pub(super) struct Heatmap {
    /// `day` or `month`.
    unit: &'static str,
    /// Column groups with their number of columns: years of months, months of days.
    groups: Vec<(String, usize)>,
    rows: Vec<Row>,
    /// What was omitted; empty if nothing.
    left: String,
}

/// Squares of a farm.
#[derive(Debug, Serialize)]
struct Row {
    farm: String,
    cells: Vec<Square>,
    records: String,
}

type Month = (i32, u32);

impl Heatmap {
    /// Returns the heatmap of farms by month.
    pub(super) fn months<C: CalendarCell>(farms: &Farms<'_, C>) -> Self {
        let sums: BTreeMap<&str, BTreeMap<Month, C>> =
            farms.iter().map(|(farm, days)| (*farm, by_month(days))).collect();
        let columns: Vec<Column<Month>> = all_months(&sums)
            .into_iter()
            .map(|month| Column { at: month, group: month.0.to_string(), name: format!("{}-{:02}", month.0, month.1) })
            .collect();
        Self::of("month", &sums, &columns, |_, _| None)
    }

    /// Returns the heatmap of farms by day, with links to the list of days with problems.
    pub(super) fn days<C: CalendarCell>(
        farms: &Farms<'_, C>,
        days: RangeInclusive<NaiveDate>,
        links: &DayLinks<'_>,
    ) -> Self {
        let columns: Vec<Column<NaiveDate>> = days
            .start()
            .iter_days()
            .take_while(|day| days.contains(day))
            .map(|day| Column {
                at: day,
                group: day.format("%b %Y").to_string(),
                name: day.format("%a %F").to_string(),
            })
            .collect();
        Self::of("day", farms, &columns, |farm, day| links.get(&(farm, day)).copied())
    }

    fn of<C: CalendarCell, K: Ord + Copy>(
        unit: &'static str,
        farms: &BTreeMap<&str, BTreeMap<K, C>>,
        columns: &[Column<K>],
        link: impl Fn(&str, K) -> Option<usize>,
    ) -> Self {
        let mut order: Vec<_> = farms.iter().collect();
        let rows = (SQUARES / columns.len().max(1)).clamp(1, ROWS);
        if order.len() > rows {
            order.sort_by_key(|(_, cells)| std::cmp::Reverse(off(cells.values())));
        }
        let left = match order.len().saturating_sub(rows) {
            0 => String::new(),
            n => format!("The {rows} farms {}; {n} more are not shown.", C::WORDS.max),
        };
        order.truncate(rows);
        order.sort_by_key(|(farm, _)| **farm);
        let row = |(farm, cells): (&&str, &BTreeMap<K, C>)| {
            let max = most(cells.values());
            let square = |column: &Column<K>| {
                let cell = cells.get(&column.at).cloned().unwrap_or_default();
                Square { link: link(farm, column.at), ..Square::of(&column.name, &cell, max) }
            };
            Row {
                farm: sanitize::shown(farm, sanitize::NAME),
                cells: columns.iter().map(square).collect(),
                records: numbers::count(cells.values().map(records).sum()),
            }
        };
        Self { unit, groups: groups(columns), rows: order.into_iter().map(row).collect(), left }
    }
}

/// Column with its name.
struct Column<K> {
    at: K,
    group: String,
    name: String,
}

fn groups<K>(columns: &[Column<K>]) -> Vec<(String, usize)> {
    let mut groups: Vec<(String, usize)> = Vec::new();
    for column in columns {
        match groups.last_mut() {
            Some((last, n)) if *last == column.group => *n += 1,
            _ => groups.push((column.group.clone(), 1)),
        }
    }
    groups
}

fn by_month<C: CalendarCell>(days: &BTreeMap<NaiveDate, C>) -> BTreeMap<Month, C> {
    let mut months = BTreeMap::<Month, C>::new();
    for (day, cell) in days {
        months.entry((day.year(), day.month())).or_default().add(cell);
    }
    months
}

/// Returns the months from the first to the last, or only those with data if there are too many.
fn all_months<C>(sums: &BTreeMap<&str, BTreeMap<Month, C>>) -> Vec<Month> {
    let mut months: Vec<Month> = sums.values().flat_map(|cells| cells.keys().copied()).collect();
    months.sort_unstable();
    months.dedup();
    let (Some(first), Some(last)) = (months.first().copied(), months.last().copied()) else { return months };
    let next = |(year, month): &Month| Some(if *month == 12 { (year + 1, 1) } else { (*year, month + 1) });
    let row: Vec<Month> =
        std::iter::successors(Some(first), next).take_while(|month| *month <= last).take(MONTHS_IN_A_ROW + 1).collect();
    if row.len() > MONTHS_IN_A_ROW { months } else { row }
}
