//! Text of an undo.

use std::fmt;

use super::{LabelledRows, count, duration, rows};
use crate::undo::{Outcome, UndoCounter};
use pipeline::lake::ConditionalWrites;

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.dry_run { "would be reverted (dry run)" } else { "reverted" };
        writeln!(
            f,
            "undo: {} of {} changes {what}, in {}",
            count(self[UndoCounter::Restored]),
            count(self[UndoCounter::Changes]),
            duration(self.seconds)
        )?;
        let lines = rows(&self.counts, &[UndoCounter::Changes], &[UndoCounter::NotProcessed]);
        write!(f, "{}{}", LabelledRows(&lines), self.problems)?;
        if self[UndoCounter::Restored] > 0 && !self.dry_run {
            writeln!(f, "  not checked: ids against the content of what was restored; `ruminate reconcile` does")?;
        }
        if let Some(warning) = self.conditional_writes.and_then(ConditionalWrites::warning) {
            writeln!(f, "  {warning}")?;
        }
        if self[UndoCounter::NotProcessed] > 0 {
            writeln!(f, "stopped early: interrupted\nto resume, run the same command again")?;
        }
        Ok(())
    }
}
