//! Text of an undo.

use std::fmt;

use super::{Lines, count, duration, rows};
use crate::undo::{Count, Outcome};
use pipeline::lake::ConditionalWrites;

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.dry_run { "would be put back; nothing was changed" } else { "put back" };
        writeln!(
            f,
            "undo: {} of {} changes {what}, in {}",
            count(self.counts[Count::Restored]),
            count(self.counts[Count::Changes]),
            duration(self.seconds)
        )?;
        let lines = rows(&self.counts, &[Count::Changes], &[Count::Left]);
        write!(f, "{}{}", Lines(&lines), self.problems)?;
        if let Some(warning) = self.conditional_writes.and_then(ConditionalWrites::warning) {
            writeln!(f, "  {warning}")?;
        }
        if self.counts[Count::Left] > 0 {
            writeln!(f, "stopped early: asked to stop\nto go on, run the same command again")?;
        }
        Ok(())
    }
}
