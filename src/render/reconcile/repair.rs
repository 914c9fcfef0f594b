//! Text of the outcome of a repair.

use std::fmt;

use crate::reconcile::{RepairCounter, RepairOutcome};
use crate::render::{LabelledRows, count, one_line, password_hint};
use pipeline::lake::ConditionalWrites;

impl fmt::Display for RepairOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let planned = self.dry_run || self.over_budget.is_some();
        let (title, [inserted, updated, written, replaced]) = if planned {
            let what = ["insert rows", "update rows", "write objects", "replace objects"];
            ("planned repairs (dry run)", what)
        } else {
            ("repaired", ["rows inserted", "rows updated", "objects written", "objects replaced"])
        };
        writeln!(f, "{title}:")?;
        let mut lines = vec![
            (inserted, count(self[RepairCounter::Inserted])),
            (updated, count(self[RepairCounter::Updated])),
            (written, count(self[RepairCounter::ObjectsWritten])),
        ];
        if self[RepairCounter::ObjectsReplaced] > 0 {
            lines.push((replaced, count(self[RepairCounter::ObjectsReplaced])));
        }
        if !planned {
            lines.push(("verified", count(self[RepairCounter::Verified])));
            lines.push(("failed", count(self[RepairCounter::Failed])));
        }
        lines.push(("not repaired", count(self[RepairCounter::NotRepaired])));
        write!(f, "{}", LabelledRows(&lines))?;
        for reason in self.reasons.iter() {
            writeln!(f, "  {}", one_line(&reason.to_string()))?;
        }
        if let Some(why) = &self.over_budget {
            writeln!(f, "  {}", one_line(why))?;
        }
        if let Some(warning) = self.conditional_writes.and_then(ConditionalWrites::warning) {
            writeln!(f, "  {warning}")?;
        }
        if let Some(file) = &self.undo_file {
            writeln!(f, "  undo file: {file}")?;
        }
        if let Some(command) = &self.undo_command {
            writeln!(f, "  to revert, run: {command}{}", password_hint(command))?;
        }
        if let Some(why) = &self.stopped {
            writeln!(f, "  repair stopped early: {}", one_line(why))?;
            writeln!(f, "  to resume, run the same command again")?;
        }
        write!(f, "{}", self.problems)
    }
}
