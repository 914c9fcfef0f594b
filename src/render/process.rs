//! Text of the outcome of `process`.

use std::fmt;

use super::{LabelledRows, counted, duration, rows};
use crate::outcome::Counter as _;
use crate::process::{Count, Outcome, Requests};

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let messages = counted(self.counts[Count::Messages], "message", "messages");
        writeln!(f, "process: {messages} in {}", duration(self.seconds))?;
        let mut lines =
            rows(&self.counts, &[Count::Messages], &[Count::RowsRefused, Count::Unverifiable, Count::Conflicting]);
        lines.extend(self.endpoint.iter().flat_map(|requests| rows(requests, &[], Requests::ALL)));
        write!(f, "{}", LabelledRows(&lines))?;
        write!(f, "{}", self.problems)?;
        if self.counts[Count::Quarantined] > 0 {
            writeln!(f, "  quarantined messages are stored in {}", self.quarantine)?;
        }
        if let Some(warning) = self.conditional_writes.warning() {
            writeln!(f, "  {warning}")?;
        }
        if self.counts[Count::Failed] > self.counts[Count::RowsRefused] && self.endpoint.is_none() {
            writeln!(
                f,
                "to retry the failed messages, run the same command again: stored messages count as duplicates"
            )?;
        }
        Ok(())
    }
}
