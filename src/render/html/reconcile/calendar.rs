//! Calendar of an audit: the days of `data`, and whether both sides agree.

use crate::reconcile::{self, Outcome};
use crate::render::html::calendar::Calendar;
use crate::render::html::cells::{CalendarCell, CalendarLabels};
use crate::render::html::numbers;
use pipeline::record::Column;

/// Returns the calendar of the audit.
pub(super) fn calendar(outcome: &Outcome) -> Calendar {
    // Days without records are known to be gaps only if the window applies to `data`.
    let window = if outcome.window_column == Column::Data.name() {
        let to = outcome.options.to.map(|to| outcome.cutoff.map_or(to, |cutoff| to.min(cutoff.date_naive())));
        [outcome.options.from, to]
    } else {
        [None, None]
    };
    let placed: u64 = outcome.days.iter().map(|(.., cell)| cell.drift).sum();
    let elsewhere = match outcome.drift().saturating_sub(placed) {
        0 => String::new(),
        n => format!(" {} to no single day.", numbers::of(n, "finding belongs", "findings belong")),
    };
    let days = outcome.days.iter().map(|(farm, day, cell)| ((farm.to_owned(), day), *cell)).collect();
    Calendar::of(&days, window, &elsewhere)
}

impl CalendarCell for reconcile::DayCounts {
    const WORDS: CalendarLabels = CalendarLabels {
        caption: "Records in the lake; if the warehouse has another number, it follows after the bar. Days are taken from the field `data`.",
        legend: &[
            (&["a1", "a2", "a3", "a4"], "both sides agree, few to many records"),
            (&["d1", "d2", "d3"], "findings: under 5 %, under 25 %, more"),
            (&["u"], "counts differ, no finding"),
            (&["g"], "no records"),
        ],
        between: "|",
        days: "Days are taken from the field `data`.",
        list: "Days that disagree, as a list",
        head: ["Lake", "Warehouse", "Difference", "Findings"],
        off: ["finding", "findings"],
        is_off: ["disagrees", "disagree"],
        none: "no differences",
        fine: "and the counts of both sides agree on each",
        max: "with the most findings",
    };

    fn sides(&self) -> [u64; 2] {
        [self.lake, self.warehouse]
    }

    fn off(&self) -> u64 {
        self.drift
    }

    fn add(&mut self, other: &Self) {
        self.lake += other.lake;
        self.warehouse += other.warehouse;
        self.drift += other.drift;
    }

    fn details(&self) -> String {
        let [lake, warehouse] = self.sides().map(numbers::count);
        format!("lake {lake} · warehouse {warehouse} · {}", numbers::of(self.drift, "finding", "findings"))
    }

    fn line(&self) -> [String; 4] {
        let [lake, warehouse] = self.sides().map(numbers::count);
        #[allow(clippy::cast_precision_loss, reason = "counts")]
        let difference = self.warehouse as f64 - self.lake as f64;
        [lake, warehouse, numbers::signed(difference, 0), numbers::count(self.drift)]
    }

    fn shown(&self) -> [String; 2] {
        let [lake, warehouse] = self.sides().map(numbers::count);
        if lake == warehouse { [lake, String::new()] } else { [lake, warehouse] }
    }
}
