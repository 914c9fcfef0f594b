//! Items that were not checked, and the results or options of a repair.

use std::borrow::Cow;

use serde::Serialize;

use crate::reconcile::{Counter, NotChecked, Outcome, Reason, RepairCounter, RepairOutcome};
use crate::render::html::numbers;
use crate::render::html::problem_list::ProblemList;
use crate::render::html::sanitize::{self, VALUE};

/// Item that was not checked, with the reason.
#[derive(Debug, Serialize)]
pub(super) struct Unchecked {
    title: Cow<'static, str>,
    count: String,
    any: bool,
    why: Cow<'static, str>,
    todo: Cow<'static, str>,
}

/// Returns everything that was possibly not checked, with its count.
pub(super) fn not_checked(outcome: &Outcome) -> Vec<Unchecked> {
    let line = |of: NotChecked| Unchecked {
        title: of.item,
        count: numbers::count(of.count),
        any: of.count > 0,
        why: of.reason,
        todo: of.action,
    };
    outcome.not_checked().into_iter().map(line).collect()
}

/// Section of the repair.
#[derive(Debug, Serialize)]
pub(super) struct Repair {
    /// `done`, `planned`, `possible` or `none`.
    state: &'static str,
    lines: Vec<(&'static str, String)>,
    /// Findings left unchanged: number and kind, then the reason.
    left: Vec<[String; 2]>,
    failed: ProblemList,
    /// Flags for a repair of what can be repaired.
    flags: &'static str,
}

impl Repair {
    pub(super) fn of(outcome: &Outcome) -> Self {
        let repaired = &outcome.repaired;
        let (rows, objects) =
            (outcome[Counter::LakeOnly] + outcome[Counter::Differing], outcome[Counter::WarehouseOnly]);
        let flags = match (rows > 0, objects > 0) {
            (true, true) => "--repair both",
            (true, false) => "--repair warehouse",
            (false, true) => "--repair lake",
            (false, false) => "",
        };
        let (state, lines) = if outcome.carry.repair_asked {
            (if repaired.dry_run { "planned" } else { "done" }, done(repaired))
        } else if flags.is_empty() || outcome.stopped.is_some() {
            ("none", Vec::new())
        } else {
            ("possible", possible(outcome))
        };
        let line = |Reason { count, kind, why }: Reason<'_>| {
            [format!("{count} {}", kind.name().replace('_', " ")), sanitize::shown(why, VALUE)]
        };
        let left = repaired.reasons.iter().map(line).collect();
        Self { state, lines, left, failed: ProblemList::of(&repaired.problems, |_| true), flags }
    }
}

fn done(repaired: &RepairOutcome) -> Vec<(&'static str, String)> {
    let names = if repaired.dry_run {
        ["Rows to insert", "Rows to update", "Objects to write"]
    } else {
        ["Rows inserted", "Rows updated", "Objects written"]
    };
    let counts =
        [repaired[RepairCounter::Inserted], repaired[RepairCounter::Updated], repaired[RepairCounter::ObjectsWritten]]
            .map(numbers::count);
    let mut lines: Vec<_> = names.into_iter().zip(counts).collect();
    if !repaired.dry_run {
        lines.push(("Verified", numbers::count(repaired[RepairCounter::Verified])));
        lines.push(("Failed", numbers::count(repaired[RepairCounter::Failed])));
    }
    lines.push(("Not repaired", numbers::count(repaired[RepairCounter::NotRepaired])));
    lines
}

fn possible(outcome: &Outcome) -> Vec<(&'static str, String)> {
    let left =
        outcome.drift() - outcome[Counter::LakeOnly] - outcome[Counter::Differing] - outcome[Counter::WarehouseOnly];
    vec![
        ("Rows that can be inserted", numbers::count(outcome[Counter::LakeOnly])),
        ("Rows that can be updated", numbers::count(outcome[Counter::Differing])),
        ("Objects that can be written", numbers::count(outcome[Counter::WarehouseOnly])),
        ("Findings to resolve manually", numbers::count(left)),
    ]
}
