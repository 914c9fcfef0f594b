//! Text of a backfill's outcome.

use std::fmt;

use super::{LabelledRows, counted, duration, input_line, one_line, rate, rows};
use crate::backfill::{Count, Outcome};

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let read = self.counts[Count::Read];
        let (took, rate) = (duration(self.seconds), rate(read as f64 / self.seconds.max(1e-3)));
        writeln!(f, "backfill: {} in {took} ({rate})", counted(read, "message", "messages"))?;
        let mut lines = rows(
            &self.counts,
            &[Count::Read],
            &[Count::Unverifiable, Count::RowsRefused, Count::FilesRejected, Count::Failed],
        );
        lines.extend(input_line(&self.inputs));
        write!(f, "{}", LabelledRows(&lines))?;
        write!(f, "{}", self.problems)?;
        if self.counts[Count::Rejected] > 0 {
            writeln!(f, "  rejected messages are quarantined in {}", self.quarantine)?;
        }
        if let Some(warning) = self.conditional_writes.warning() {
            writeln!(f, "  {warning}")?;
        }
        if let Some(why) = &self.stopped {
            writeln!(f, "stopped early: {}", one_line(why))?;
            writeln!(f, "to resume, run the same command again: stored messages count as existing and identical")?;
        }
        Ok(())
    }
}
