//! Items that were not checked, and the results or options of a repair.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;

use crate::reconcile::{Action, NotChecked, Outcome, PlannedChange, Reason, RepairCounter, RepairOutcome, Repairable};
use crate::render::html::numbers;
use crate::render::html::problem_list::ProblemList;
use crate::render::html::sanitize::{self, KEY, NAME, VALUE};
use crate::render::reconcile::{action_text, intact_overwritten, intact_text, shown_of_each};

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
    /// `done`, `planned`, `possible`, `none` or `incomplete`.
    state: &'static str,
    /// What was done, in one or two sentences; flags between backticks. Empty unless a repair was requested.
    lead: String,
    lines: Vec<(&'static str, String)>,
    /// First planned changes.
    planned: Vec<PlannedRow>,
    /// Number of further planned changes; empty if none.
    more: String,
    /// Findings left unchanged: number and kind, then the reason.
    left: Vec<[String; 2]>,
    failed: ProblemList,
    /// Flags for a repair of what can be repaired.
    flags: &'static str,
}

impl Repair {
    pub(super) fn of(outcome: &Outcome) -> Self {
        let repaired = &outcome.repaired;
        let possible = outcome.repairable.unwrap_or_default();
        let flags = match (possible.inserted + possible.updated > 0, possible.objects_written > 0) {
            (true, true) => "--repair both",
            (true, false) => "--repair warehouse",
            (false, true) => "--repair lake",
            (false, false) => "",
        };
        let is_planned = repaired.is_planned();
        let (state, lines) = if outcome.carry.repair_asked {
            (if is_planned { "planned" } else { "done" }, done(repaired, is_planned))
        } else if !outcome.is_complete() {
            ("incomplete", Vec::new())
        } else if flags.is_empty() {
            ("none", Vec::new())
        } else {
            ("possible", possible_lines(possible))
        };
        let line = |Reason { count, kind, why }: Reason<'_>| {
            [format!("{count} {}", kind.name().replace('_', " ")), sanitize::shown(why, VALUE)]
        };
        let left = repaired.reasons.iter().map(line).collect();
        let mut lead = if outcome.carry.repair_asked { lead(repaired) } else { String::new() };
        if let Some(message) = intact_overwritten(repaired) {
            lead.push_str(&format!(" {}.", sanitize::sentence(&message)));
        }
        let planned = if is_planned { planned(repaired) } else { Vec::new() };
        let more = match repaired.changes().saturating_sub(planned.len() as u64) {
            n if is_planned && n > 0 => numbers::of(n, "more change", "more changes"),
            _ => String::new(),
        };
        let failed = ProblemList::of(&repaired.problems, |_| true);
        Self { state, lead, lines, planned, more, left, failed, flags }
    }
}

/// Planned change: what is written, and the values before and after.
#[derive(Debug, Serialize)]
struct PlannedRow {
    action: &'static str,
    id: String,
    /// Name, old and new value of each field that changes.
    fields: Vec<[String; 3]>,
    /// Which side is intact; empty if not known.
    intact: &'static str,
}

impl PlannedRow {
    fn of(change: &PlannedChange) -> Self {
        let PlannedChange { action, id, key, fields, intact } = change;
        let value = |value: &Value| sanitize::shown(&numbers::plain(value), NAME);
        Self {
            action: action_text(*action),
            id: sanitize::shown(id.as_deref().or(key.as_deref()).unwrap_or("–"), KEY),
            fields: fields
                .iter()
                .map(|(name, [old, new])| [sanitize::shown(name, NAME), value(old), value(new)])
                .collect(),
            intact: intact.map_or("", intact_text),
        }
    }
}

/// Returns the first planned changes of each action.
fn planned(repaired: &RepairOutcome) -> Vec<PlannedRow> {
    let actions: Vec<Action> = Action::ALL.into_iter().filter(|action| repaired[action.counter()] > 0).collect();
    let each = shown_of_each(repaired.changes(), actions.len());
    actions.into_iter().flat_map(|action| repaired.planned.of(action).take(each)).map(PlannedRow::of).collect()
}

/// Returns what a repair did. It claims that every change was verified only if none failed and none is missing.
fn lead(repaired: &RepairOutcome) -> String {
    const EXIT_CODE: &str = "The exit code is that of the audit before the repair; audit again to confirm.";
    let why = |why: &str| sanitize::sentence(&sanitize::shown(why, VALUE));
    let (verified, failed) = (repaired[RepairCounter::Verified], repaired[RepairCounter::Failed]);
    let verified_text = numbers::of(verified, "change was verified", "changes were verified");
    if let Some(over) = &repaired.over_budget {
        return format!("Not applied. {}.", why(over));
    }
    if repaired.dry_run {
        return "Planned only (dry run): nothing was changed. Run it without `--dry-run` to apply it.".into();
    }
    if let Some(stopped) = &repaired.stopped {
        return format!(
            "Stopped early: {verified_text}, {} failed. {}. Run the same command again to continue.",
            numbers::count(failed),
            why(stopped)
        );
    }
    match (verified, failed) {
        (0, 0) => format!("Nothing was changed. {EXIT_CODE}"),
        (_, 0) => format!("Applied, and every change was verified. {EXIT_CODE}"),
        (0, _) => format!("Not applied: {} failed. {EXIT_CODE}", numbers::of(failed, "change", "changes")),
        (_, _) => format!("Applied in part: {verified_text}, {} failed. {EXIT_CODE}", numbers::count(failed)),
    }
}

fn done(repaired: &RepairOutcome, is_planned: bool) -> Vec<(&'static str, String)> {
    let names = if is_planned {
        ["Rows to insert", "Rows to update", "Objects to write", "Objects to replace"]
    } else {
        ["Rows inserted", "Rows updated", "Objects written", "Objects replaced"]
    };
    let counts = Action::ALL.map(|action| numbers::count(repaired[action.counter()]));
    let mut lines: Vec<_> = names.into_iter().zip(counts).collect();
    if !is_planned {
        lines.push(("Verified", numbers::count(repaired[RepairCounter::Verified])));
        lines.push(("Failed", numbers::count(repaired[RepairCounter::Failed])));
    }
    if repaired[RepairCounter::AlreadyEqual] > 0 {
        lines.push(("Already equal", numbers::count(repaired[RepairCounter::AlreadyEqual])));
    }
    if repaired[RepairCounter::AlsoResolved] > 0 {
        lines.push(("Also resolved", numbers::count(repaired[RepairCounter::AlsoResolved])));
    }
    lines.push(("Not repaired", numbers::count(repaired[RepairCounter::NotRepaired])));
    lines
}

fn possible_lines(possible: Repairable) -> Vec<(&'static str, String)> {
    vec![
        ("Rows that can be inserted", numbers::count(possible.inserted)),
        ("Rows that can be updated", numbers::count(possible.updated)),
        ("Objects that can be written", numbers::count(possible.objects_written)),
        ("Findings to resolve manually", numbers::count(possible.not_repaired)),
    ]
}
