//! Calendar of the recovered records, by the days in the lake's paths.

use std::collections::BTreeSet;

use crate::outcome::Counter as _;
use crate::render::html::calendar::Calendar;
use crate::render::html::cells::{CalendarCell, CalendarLabels};
use crate::render::html::{numbers, sanitize};
use crate::replay::{Counter, DayCounts, Outcome};

/// Maximum number of farms without data that are named.
const NAMED: usize = 12;

/// Returns the calendar of the run.
pub(super) fn calendar(outcome: &Outcome) -> Calendar {
    let options = &outcome.options;
    // With a file of keys, or for future days, missing days are not gaps.
    let window = if options.selected_objects.is_some() {
        [None, None]
    } else {
        [options.from, options.to.map(|to| outcome.cutoff.map_or(to, |cutoff| to.min(cutoff.date_naive())))]
    };
    Calendar::of(&outcome.days, window, &nothing(outcome))
}

/// Returns what is not known yet, or the requested farms without data.
fn nothing(outcome: &Outcome) -> String {
    if outcome.stopped.is_some() && outcome.shards.is_none() {
        return " Days that had not been listed when it stopped are not shown.".into();
    }
    let there: BTreeSet<&str> = outcome.days.keys().map(|(farm, _)| farm.as_str()).collect();
    let silent: Vec<_> = outcome.options.farms.iter().filter(|farm| !there.contains(farm.as_str())).collect();
    let names =
        silent.iter().take(NAMED).map(|farm| sanitize::shown(farm, sanitize::NAME)).collect::<Vec<_>>().join(", ");
    match silent.len() {
        0 => String::new(),
        n if n > NAMED => format!(" Nothing was listed for {names} and {} more of the requested farms.", n - NAMED),
        _ => format!(" Nothing was listed for {names}, although requested."),
    }
}

impl CalendarCell for DayCounts {
    const WORDS: CalendarLabels = CalendarLabels {
        caption: "Records recovered; if the lake has more, its count follows. Days are taken from the lake's paths.",
        legend: &[
            (&["a1", "a2", "a3", "a4"], "all recovered, few to many records"),
            (&["d1", "d2", "d3"], "incomplete: under 5 %, under 25 % missing, more"),
            (&["s"], "only skipped objects"),
            (&["g"], "nothing in the lake"),
        ],
        between: "of",
        days: "Days are taken from the lake's paths.",
        list: "Incomplete days, as a list",
        head: ["In the lake", "Recovered", "Missing", "Why"],
        off: ["record missing", "records missing"],
        is_off: ["is incomplete", "are incomplete"],
        none: "no incomplete day",
        fine: "all fully recovered",
        max: "with the most missing records",
    };

    fn sides(&self) -> [u64; 2] {
        [self.recovered() + self.missing(), self.recovered()]
    }

    fn off(&self) -> u64 {
        self.missing()
    }

    fn skipped(&self) -> u64 {
        self.skipped
    }

    fn add(&mut self, other: &Self) {
        self.merge(other);
    }

    fn details(&self) -> String {
        let [there, back] = self.sides().map(numbers::count);
        format!("{back} of {there} back · {}", why(self))
    }

    fn line(&self) -> [String; 4] {
        let [there, back] = self.sides().map(numbers::count);
        [there, back, numbers::count(self.missing()), why(self)]
    }

    fn shown(&self) -> [String; 2] {
        let [there, back] = self.sides().map(numbers::count);
        if there == back { [back, String::new()] } else { [back, there] }
    }
}

/// Returns the kinds of missing records.
fn why(cell: &DayCounts) -> String {
    let kind = |counter: Counter| counter.spec().short_name().replace('_', " ");
    let kinds = cell.missing_by_counter().map(|(counter, n)| format!("{} {}", numbers::count(n), kind(counter)));
    kinds.collect::<Vec<_>>().join(", ")
}
