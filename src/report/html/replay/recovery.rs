//! How recent the warehouse is again, and what can be taken back: recovery point, cut-over, undo.

use chrono::TimeDelta;
use serde::Serialize;

use super::verdict;
use crate::report::html::head::{Fact, instant, stated};
use crate::report::html::{numbers, text};
use crate::report::replay::{CutOver, Outcome};

/// The recovery point that was achieved.
#[derive(Debug, Serialize)]
pub(super) struct Recovery {
    facts: Vec<Fact>,
    note: String,
}

impl Recovery {
    pub(super) fn of(outcome: &Outcome) -> Self {
        let until = outcome.asked.versions_at.or(outcome.fence);
        let newest = outcome.newest_row_ts.map(|at| {
            let before = until.filter(|until| *until >= at).map_or_else(String::new, |until| {
                let what = if outcome.asked.versions_at.is_some() { "the time asked for" } else { "the fence" };
                format!(", {} before {what}", distance(until - at))
            });
            format!("{}{before}", instant(at))
        });
        let facts = stated(vec![
            Fact::said("Newest record back", newest.unwrap_or_default()),
            Fact::said("Newest reading back", outcome.newest_data.map_or_else(String::new, instant)),
            Fact::said("Fence", outcome.fence.map_or_else(String::new, instant)),
        ]);
        Self { facts, note: note(outcome) }
    }
}

fn note(outcome: &Outcome) -> String {
    if outcome.newest_row_ts.is_none() {
        return "No record is back, so there is no recovery point.".into();
    }
    if let Some(until) = outcome.asked.until {
        return format!("As asked, nothing that was processed after {} was brought back.", instant(until));
    }
    match verdict::missing(outcome) {
        0 => "Nothing that had reached the lake here by the fence is missing: the recovery point is the lake's own."
            .into(),
        n => format!(
            "{} among which there may be newer ones: the recovery point holds once they are settled.",
            numbers::of(n, "record is not back,", "records are not back,")
        ),
    }
}

/// A length of time in its two largest units.
fn distance(time: TimeDelta) -> String {
    let (days, hours, minutes) = (time.num_days(), time.num_hours() % 24, time.num_minutes() % 60);
    match (days, time.num_hours(), time.num_minutes()) {
        (0, 0, 0) => format!("{} s", time.num_seconds()),
        (0, 0, _) => format!("{minutes} min {} s", time.num_seconds() % 60),
        (0, ..) => format!("{hours} h {minutes} min"),
        (1, ..) => format!("1 day {hours} h"),
        _ => format!("{} days {hours} h", numbers::count(days.unsigned_abs())),
    }
}

/// The cut-over to a new table.
#[derive(Debug, Serialize)]
pub(super) struct Swap {
    swapped: bool,
    shadow: String,
    table: String,
    /// What the old table is called now; empty where there was none.
    old: String,
    only_in_old: String,
    caught_up: String,
}

impl Swap {
    pub(super) fn of(swap: &CutOver) -> Self {
        let name = |name: &str| text::shown(name, text::VALUE);
        let many = |n: u64, one, many| if n == 0 { String::new() } else { numbers::of(n, one, many) };
        Self {
            swapped: swap.swapped,
            shadow: name(&swap.shadow),
            table: name(&swap.table),
            old: swap.old.as_deref().map_or_else(String::new, name),
            only_in_old: many(swap.only_in_old, "row of the old table is", "rows of the old table are"),
            caught_up: many(swap.caught_up, "object that came", "objects that came"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_has_two_units() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (252, "4 min 12 s"),
            (7_265, "2 h 1 min"),
            (90_000, "1 day 1 h"),
            (172_800, "2 days 0 h"),
            (200_000_000, "2,314 days 19 h"),
        ] {
            assert_eq!(distance(TimeDelta::seconds(seconds)), text);
        }
    }
}
