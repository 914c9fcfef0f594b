//! The calendar of what came back: the days of the lake's folders.

use std::collections::BTreeSet;

use crate::render::html::calendar::Calendar;
use crate::render::html::cells::{CalendarCell, CalendarLabels};
use crate::render::html::{numbers, sanitize};
use crate::replay::{DayCounts, Outcome};

/// The most farms without anything that are named.
const NAMED: usize = 12;

/// The days of the run.
pub(super) fn calendar(outcome: &Outcome) -> Calendar {
    let options = &outcome.options;
    // A file of keys, or days yet to come, leave no gap.
    let window = if options.only.is_some() {
        [None, None]
    } else {
        [options.from, options.to.map(|to| outcome.cutoff.map_or(to, |cutoff| to.min(cutoff.date_naive())))]
    };
    Calendar::of(&outcome.days, window, &nothing(outcome))
}

/// What is not known yet, or the farms that were asked for and have nothing.
fn nothing(outcome: &Outcome) -> String {
    if outcome.stopped.is_some() {
        return " Days that had not been listed when it stopped are not shown.".into();
    }
    let there: BTreeSet<&str> = outcome.days.keys().map(|(farm, _)| farm.as_str()).collect();
    let silent: Vec<_> = outcome.options.farms.iter().filter(|farm| !there.contains(farm.as_str())).collect();
    let names =
        silent.iter().take(NAMED).map(|farm| sanitize::shown(farm, sanitize::NAME)).collect::<Vec<_>>().join(", ");
    match silent.len() {
        0 => String::new(),
        n if n > NAMED => format!(" Nothing was listed for {names} and {} more of the farms asked for.", n - NAMED),
        _ => format!(" Nothing was listed for {names}, though asked for."),
    }
}

impl CalendarCell for DayCounts {
    const WORDS: CalendarLabels = CalendarLabels {
        caption: "Records that are back; where the lake has more of them, their number follows. Days are those of the lake's folders.",
        legend: &[
            (&["a1", "a2", "a3", "a4"], "all back, few to many records"),
            (&["d1", "d2", "d3"], "incomplete: under 5 %, under 25 % missing, more"),
            (&["s"], "only objects left aside"),
            (&["g"], "nothing in the lake"),
        ],
        between: "of",
        days: "Days are those of the lake's folders.",
        list: "Incomplete days, as a list",
        head: ["In the lake", "Back", "Missing", "Why"],
        off: ["record missing", "records missing"],
        is_off: ["is incomplete", "are incomplete"],
        none: "none is incomplete",
        fine: "and each is back whole",
        max: "that miss most",
    };

    fn sides(&self) -> [u64; 2] {
        [self.recovered() + self.missing(), self.recovered()]
    }

    fn off(&self) -> u64 {
        self.missing()
    }

    fn aside(&self) -> u64 {
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

/// The kinds of what is missing.
fn why(cell: &DayCounts) -> String {
    let kinds = [
        (cell.conflicting, "conflicting"),
        (cell.rejected, "rejected"),
        (cell.archived, "archived"),
        (cell.unreadable, "unreadable"),
        (cell.pending, "pending"),
    ];
    let kinds = kinds.into_iter().filter(|(n, _)| *n > 0).map(|(n, kind)| format!("{} {kind}", numbers::count(n)));
    kinds.collect::<Vec<_>>().join(", ")
}
