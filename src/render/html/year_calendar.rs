//! Calendar for many days: squares per farm and year.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use chrono::{Datelike, NaiveDate};
use serde::Serialize;

use super::cells::{CalendarCell, DayLinks, DayRange, Farms, class, most, off, records, tip};
use super::{numbers, sanitize};

/// Maximum number of squares of days on a page.
const SQUARES: usize = 11_500;
/// Maximum number of farms with calendars, regardless of their number of days.
const FARMS: usize = 200;
/// Number of farms whose calendars are expanded initially, if there are many.
const UNFOLDED: usize = 3;

/// Calendars of a farm.
#[derive(Debug, Serialize)]
pub(super) struct FarmCalendar {
    name: String,
    /// Number of records, days with problems, and gaps.
    about: String,
    open: bool,
    years: Vec<Year>,
    /// Years without data between the first and the last; empty if none.
    silent: String,
}

/// Calendar of a year: columns are weeks, rows are weekdays from Monday.
#[derive(Debug, Serialize)]
struct Year {
    year: i32,
    /// Row of the first square, 1 to 7.
    start: u32,
    wide: bool,
    /// Column and name of each month.
    months: Vec<(u32, String)>,
    days: Vec<Mark>,
    label: String,
}

/// Square of a day.
#[derive(Debug, Serialize)]
struct Mark {
    class: &'static str,
    tip: String,
    /// Line in the list of days with problems. `None` if it is not in the list.
    link: Option<usize>,
}

impl FarmCalendar {
    pub(super) fn strips(&self) -> usize {
        self.years.len()
    }

    fn of<C: CalendarCell>(name: &str, cells: &BTreeMap<NaiveDate, C>, window: DayRange, links: &DayLinks<'_>) -> Self {
        let range = range(cells, window);
        let mut years: Vec<i32> = cells.keys().map(Datelike::year).collect();
        years.dedup();
        let silent = match years.windows(2).map(|pair| pair[1] - pair[0] - 1).sum::<i32>() {
            0 => String::new(),
            1 => "One year between has nothing at all.".into(),
            n => format!("{n} years between have nothing at all."),
        };
        let max = most(cells.values());
        let link = |day| links.get(&(name, day)).copied();
        let years = years.into_iter().filter_map(|year| Year::of(year, &range, cells, max, &link)).collect();
        Self { name: sanitize::shown(name, sanitize::NAME), about: about(cells, &range), open: true, years, silent }
    }

    fn squares(&self) -> usize {
        self.years.iter().map(|year| year.days.len()).sum()
    }
}

/// Returns the farms' calendars, farms with the most problems first if not all fit, and a note on what is not drawn.
pub(super) fn draw<C: CalendarCell>(
    farms: &Farms<'_, C>,
    window: DayRange,
    links: &DayLinks<'_>,
) -> (Vec<FarmCalendar>, String) {
    let mut order: Vec<_> = farms.iter().map(|(name, cells)| (off(cells.values()), *name, cells)).collect();
    order.sort_by_key(|(off, name, _)| (std::cmp::Reverse(*off), *name));
    let many = order.len() > UNFOLDED;
    let (mut budget, mut drawn) = (SQUARES, Vec::new());
    for (at, (off, name, cells)) in order.into_iter().take(FARMS).enumerate() {
        let mut farm = FarmCalendar::of(name, cells, window, links);
        let Some(left) = budget.checked_sub(farm.squares()) else { break };
        budget = left;
        farm.open = !many || (at < UNFOLDED && off > 0);
        drawn.push((name, farm));
    }
    let undrawn = match farms.len() - drawn.len() {
        0 => String::new(),
        n => {
            let max = C::WORDS.max;
            format!("Calendars by day are drawn for the {} farms {max}; {n} more are not.", drawn.len())
        }
    };
    drawn.sort_by_key(|(name, _)| *name);
    (drawn.into_iter().map(|(_, farm)| farm).collect(), undrawn)
}

/// Returns the days on which data is expected: the window if known, otherwise from the first to the last day.
pub(super) fn range<C: CalendarCell>(
    cells: &BTreeMap<NaiveDate, C>,
    [from, to]: DayRange,
) -> RangeInclusive<NaiveDate> {
    let first = cells.keys().next().copied().unwrap_or_default();
    let last = cells.keys().next_back().copied().unwrap_or_default();
    from.map_or(first, |from| from.min(first))..=to.map_or(last, |to| to.max(last))
}

fn about<C: CalendarCell>(cells: &BTreeMap<NaiveDate, C>, range: &RangeInclusive<NaiveDate>) -> String {
    let words = C::WORDS;
    let all = cells.values().map(records).sum();
    let bad = cells.values().filter(|cell| cell.is_off()).count() as u64;
    let days = (*range.end() - *range.start()).num_days() + 1;
    let gaps = u64::try_from(days).unwrap_or(0).saturating_sub(cells.len() as u64);
    let gaps =
        if gaps == 0 { "no gap".to_owned() } else { format!("{} without records", numbers::of(gaps, "day", "days")) };
    let bad = match bad {
        0 => words.none.to_owned(),
        1 => format!("1 day {}", words.is_off[0]),
        n => format!("{} days {}", numbers::count(n), words.is_off[1]),
    };
    let all = numbers::of(all, "record", "records");
    format!("{all} from {} to {}; {bad}; {gaps}", range.start(), range.end())
}

impl Year {
    fn of<C: CalendarCell>(
        year: i32,
        range: &RangeInclusive<NaiveDate>,
        cells: &BTreeMap<NaiveDate, C>,
        max: u64,
        link: &dyn Fn(NaiveDate) -> Option<usize>,
    ) -> Option<Self> {
        let first = NaiveDate::from_ymd_opt(year, 1, 1)?.max(*range.start());
        let last = NaiveDate::from_ymd_opt(year, 12, 31)?.min(*range.end());
        let days: Vec<NaiveDate> = first.iter_days().take_while(|day| *day <= last).collect();
        let start = first.weekday().num_days_from_monday();
        let mark = |day: &NaiveDate| {
            let cell = cells.get(day).cloned().unwrap_or_default();
            Mark { class: class(&cell, max), tip: tip(&day.to_string(), &cell), link: link(*day) }
        };
        let inside = || cells.range(first..=last).map(|(_, cell)| cell);
        let bad = inside().filter(|cell| cell.is_off()).count();
        let label = format!(
            "{year}: {} days, {bad} {}, {} without records",
            days.len(),
            C::WORDS.is_off[usize::from(bad != 1)],
            days.len() - inside().count()
        );
        let months = months(&days, start);
        Some(Self {
            year,
            start: start + 1,
            wide: days.len() > 130,
            months,
            days: days.iter().map(mark).collect(),
            label,
        })
    }
}

/// Returns the columns in which months begin; a name that would overlap the next is omitted.
fn months(days: &[NaiveDate], start: u32) -> Vec<(u32, String)> {
    let mut months: Vec<(u32, String)> = Vec::new();
    for (at, day) in (0..).zip(days) {
        if at > 0 && day.day() > 1 {
            continue;
        }
        let column = (at + start) / 7 + 1;
        if months.last().is_some_and(|(last, _)| column < last + 3) {
            months.pop();
        }
        months.push((column, day.format("%b").to_string()));
    }
    months
}
