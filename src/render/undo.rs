//! Text of an undo.

use std::fmt;

use super::{LabelledRows, count, counted, duration, rows};
use crate::outcome::Counter as _;
use crate::undo::{Outcome, UndoCounter};
use pipeline::lake::ConditionalWrites;

/// Counters of what was reverted, and their titles in a dry run.
const REVERTED: [(UndoCounter, &str); 4] = [
    (UndoCounter::RowsReverted, "rows to revert"),
    (UndoCounter::RowsDeleted, "rows to delete"),
    (UndoCounter::ObjectsReverted, "objects to revert"),
    (UndoCounter::ObjectsDeleted, "objects to delete"),
];

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.dry_run { "would be reverted (dry run)" } else { "reverted" };
        writeln!(
            f,
            "undo: {} of {} {what}, in {}",
            count(self[UndoCounter::Restored]),
            counted(self[UndoCounter::Changes], "change", "changes"),
            duration(self.seconds)
        )?;
        let mut lines: Vec<_> = REVERTED
            .into_iter()
            .filter(|(counter, _)| self[*counter] > 0)
            .map(|(counter, planned)| (if self.dry_run { planned } else { counter.spec().title }, count(self[counter])))
            .collect();
        let reverted = REVERTED.map(|(counter, _)| counter);
        let shown = [&[UndoCounter::Changes, UndoCounter::Restored][..], &reverted].concat();
        lines.extend(rows(&self.counts, &shown, &[UndoCounter::NotProcessed, UndoCounter::TruncatedLines]));
        write!(f, "{}{}", LabelledRows(&lines), self.problems)?;
        if self[UndoCounter::Restored] > 0 && !self.dry_run {
            writeln!(
                f,
                "  not checked: ids against the content of restored objects; `ruminate reconcile` checks them"
            )?;
        }
        if let Some(warning) = self.conditional_writes.and_then(ConditionalWrites::warning) {
            writeln!(f, "  {warning}")?;
        }
        if let Some(why) = &self.stopped {
            writeln!(f, "stopped early: {why}\nto resume, run the same command again")?;
        }
        Ok(())
    }
}
