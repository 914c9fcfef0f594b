//! Recovery point, table swap, and undo files.

use serde::Serialize;

use super::page_head;
use crate::render::between;
use crate::render::html::headline::{Fact, instant, stated};
use crate::render::html::{numbers, sanitize};
use crate::replay::{Outcome, TableSwap};

/// Achieved recovery point.
#[derive(Debug, Serialize)]
pub(super) struct Recovery {
    facts: Vec<Fact>,
    note: String,
}

impl Recovery {
    pub(super) fn of(outcome: &Outcome) -> Self {
        let until = outcome.options.as_of.or(outcome.cutoff);
        let newest = outcome.newest_row_ts.map(|at| {
            let before = until.filter(|until| *until >= at).map_or_else(String::new, |until| {
                let what = if outcome.options.as_of.is_some() { "the requested time" } else { "the cutoff" };
                format!(", {} before {what}", between(at, until))
            });
            format!("{}{before}", instant(at))
        });
        let facts = stated(vec![
            Fact::text("Newest record recovered", newest.unwrap_or_default()),
            Fact::text("Newest reading recovered", outcome.newest_data.map_or_else(String::new, instant)),
            Fact::text("Cutoff", outcome.cutoff.map_or_else(String::new, instant)),
        ]);
        Self { facts, note: note(outcome) }
    }
}

fn note(outcome: &Outcome) -> String {
    if outcome.newest_row_ts.is_none() {
        return "No record was recovered, so there is no recovery point.".into();
    }
    if let Some(until) = outcome.options.processed_until {
        return format!("Records processed after {} were not replayed, as requested.", instant(until));
    }
    match page_head::missing(outcome) {
        0 => {
            "Everything that the lake had at the cutoff is in the warehouse, so the recovery point is that of the lake."
                .into()
        }
        n => format!(
            "{} which may include newer ones: the recovery point is final once they are resolved.",
            numbers::of(n, "record not recovered,", "records not recovered,")
        ),
    }
}

/// Swap to a new table.
#[derive(Debug, Serialize)]
pub(super) struct TableSwapSection {
    swapped: bool,
    shadow: String,
    table: String,
    /// New name of the old table; empty if there was none.
    old: String,
    only_in_old: String,
    added: String,
    caught_up: String,
    /// Reason why it was not swapped in; empty if unknown.
    reason: String,
}

impl TableSwapSection {
    pub(super) fn of(swap: &TableSwap) -> Self {
        let name = |name: &str| sanitize::shown(name, sanitize::VALUE);
        let many = |n: u64, one, many| if n == 0 { String::new() } else { numbers::of(n, one, many) };
        Self {
            swapped: swap.swapped,
            shadow: name(&swap.shadow),
            table: name(&swap.table),
            old: swap.old.as_deref().map_or_else(String::new, name),
            only_in_old: many(swap.only_in_old, "row of the old table is", "rows of the old table are"),
            added: many(swap.added_before_swap, "row was", "rows were"),
            reason: swap.reason.as_deref().map_or_else(String::new, name),
            caught_up: many(swap.caught_up, "object", "objects"),
        }
    }
}
