//! Text of the outcome of a repair.

use std::fmt;

use super::{intact_text, shown_of_each, where_all_are};
use crate::reconcile::{Action, Drift, DriftKind, Outcome, PlannedChange, Reason, RepairCounter, RepairOutcome};
use crate::render::{LabelledRows, count, one_line, password_hint};
use pipeline::lake::ConditionalWrites;

/// Maximum number of findings named with the reason why they were not repaired.
const NAMED: usize = 3;

/// Returns the text of an audit's repair.
pub(crate) fn text(audit: &Outcome) -> String {
    RepairText { repaired: &audit.repaired, audit: Some(audit) }.to_string()
}

impl fmt::Display for RepairOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        RepairText { repaired: self, audit: None }.fmt(f)
    }
}

/// A repair, with the audit whose findings were to be repaired, if known.
struct RepairText<'a> {
    repaired: &'a RepairOutcome,
    audit: Option<&'a Outcome>,
}

impl RepairText<'_> {
    fn write_counts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |counter| count(self.repaired[counter]);
        let is_planned = self.repaired.is_planned();
        let (title, [inserted, updated, written, replaced]) = match is_planned {
            true => {
                let title =
                    if self.repaired.dry_run { "planned repair (dry run)" } else { "planned repair (not made)" };
                (title, ["insert rows", "update rows", "write objects", "replace objects"])
            }
            false => ("repaired", ["rows inserted", "rows updated", "objects written", "objects replaced"]),
        };
        writeln!(f, "{title}:")?;
        let mut lines = vec![
            (inserted, of(RepairCounter::Inserted)),
            (updated, of(RepairCounter::Updated)),
            (written, of(RepairCounter::ObjectsWritten)),
        ];
        if self.repaired[RepairCounter::ObjectsReplaced] > 0 {
            lines.push((replaced, of(RepairCounter::ObjectsReplaced)));
        }
        if !is_planned {
            lines.push(("verified", of(RepairCounter::Verified)));
            lines.push(("failed", of(RepairCounter::Failed)));
        }
        if self.repaired[RepairCounter::AlreadyEqual] > 0 {
            lines.push(("already equal", of(RepairCounter::AlreadyEqual)));
        }
        if self.repaired[RepairCounter::AlsoResolved] > 0 {
            lines.push(("also resolved", of(RepairCounter::AlsoResolved)));
        }
        lines.push(("not repaired", of(RepairCounter::NotRepaired)));
        write!(f, "{}", LabelledRows(&lines))?;
        match intact_overwritten(self.repaired) {
            Some(message) => writeln!(f, "  {message}"),
            None => Ok(()),
        }
    }

    /// Writes the first planned changes of each action.
    fn write_planned(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let repaired = self.repaired;
        let number = |action: Action| repaired[action.counter()];
        let actions: Vec<Action> = Action::ALL.into_iter().filter(|action| number(*action) > 0).collect();
        let each = shown_of_each(repaired.changes(), actions.len());
        for action in actions {
            let mut listed = 0;
            for change in repaired.planned.of(action).take(each) {
                writeln!(f, "  {}", one_line(&ChangeLine(change).to_string()))?;
                listed += 1;
            }
            if number(action) > listed {
                let (more, place) = (count(number(action) - listed), where_all_are(self.audit));
                writeln!(f, "  … and {more} more {} ({place})", to_do(action))?;
            }
        }
        Ok(())
    }

    /// Writes why findings were not repaired, and the first of them.
    fn write_reasons(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Reason { count: n, kind, why } in self.repaired.reasons.iter() {
            writeln!(f, "  {} {}: {}", count(n), kind.name().replace('_', " "), one_line(why))?;
            let first = self.audit.into_iter().flat_map(|audit| audit.samples.of(kind)).filter(|_| is_named(kind));
            for drift in first.take(NAMED) {
                writeln!(f, "    {}", one_line(place(drift)))?;
            }
        }
        Ok(())
    }
}

/// Planned change in one line: the side that is written, and its values before and after.
struct ChangeLine<'a>(&'a PlannedChange);

impl fmt::Display for ChangeLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PlannedChange { action, id, key, fields, intact } = self.0;
        write!(f, "{} {}", action_text(*action), id.as_deref().or(key.as_deref()).unwrap_or("–"))?;
        for (name, [old, new]) in fields {
            write!(f, "  {name}: {old} → {new}")?;
        }
        match intact {
            Some(side) => write!(f, "  ({})", intact_text(*side)),
            None => Ok(()),
        }
    }
}

/// Returns what is still to be done by an action.
const fn to_do(action: Action) -> &'static str {
    match action {
        Action::Insert => "rows to insert",
        Action::Update => "rows to update",
        Action::WriteObject => "objects to write",
        Action::ReplaceObject => "objects to replace",
    }
}

/// Returns an action as an infinitive.
pub(crate) const fn action_text(action: Action) -> &'static str {
    match action {
        Action::Insert => "insert row",
        Action::Update => "update row",
        Action::WriteObject => "write object",
        Action::ReplaceObject => "replace object",
    }
}

/// Returns how many of the replaced objects match their id, unlike their rows. `None` if there are none.
pub(crate) fn intact_overwritten(repaired: &RepairOutcome) -> Option<String> {
    let n = repaired[RepairCounter::IntactOverwritten];
    let is_planned = repaired.is_planned();
    let text = match (n, is_planned) {
        (0, _) => return None,
        (1, true) => "1 of the objects to replace matches its id; the row does not".to_owned(),
        (_, true) => format!("{} of the objects to replace match their id; the rows do not", count(n)),
        (1, false) => "1 of the replaced objects matched its id; the row does not".to_owned(),
        (_, false) => format!("{} of the replaced objects matched their id; the rows do not", count(n)),
    };
    let instead = match is_planned {
        true => "--repair warehouse would repair the rows instead",
        false => "the undo file has the earlier values",
    };
    Some(format!("{text}: {instead}"))
}

/// Returns true if the findings of a kind must be resolved manually, so that their places are needed.
fn is_named(kind: DriftKind) -> bool {
    !matches!(kind, DriftKind::LakeOnly | DriftKind::WarehouseOnly | DriftKind::Differing)
}

/// Returns the key of a finding's object, or its id.
fn place(drift: &Drift) -> &str {
    drift.key.as_deref().or(drift.id.as_deref()).unwrap_or("–")
}

impl fmt::Display for RepairText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_counts(f)?;
        if self.repaired.is_planned() {
            self.write_planned(f)?;
        }
        self.write_reasons(f)?;
        let repaired = self.repaired;
        if let Some(why) = &repaired.over_budget {
            writeln!(f, "  {}", one_line(why))?;
        }
        if let Some(warning) = repaired.conditional_writes.and_then(ConditionalWrites::warning) {
            writeln!(f, "  {warning}")?;
        }
        if let Some(file) = &repaired.undo_file {
            writeln!(f, "  undo file: {file}")?;
        }
        if let Some(command) = &repaired.undo_command {
            writeln!(f, "  to revert, run: {command}{}", password_hint(command))?;
        }
        if let Some(why) = &repaired.stopped {
            writeln!(f, "  repair stopped early: {}", one_line(why))?;
            writeln!(f, "  to resume, run the same command again")?;
        }
        write!(f, "{}", repaired.problems)
    }
}
