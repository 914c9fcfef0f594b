//! Text of a generated history.

use std::fmt;

use super::{LabelledRows, count, counted, duration, one_line, rows};
use crate::generate::{Count, Outcome};

/// Returns the outcome as one line for the log.
pub fn line(outcome: &Outcome) -> String {
    let readings = counted(outcome.counts[Count::Readings], "reading", "readings");
    let files = counted(outcome.counts[Count::Files], "file", "files");
    let took = duration(outcome.seconds);
    format!("{readings} in {files} from {} with seed {} in {took}", outcome.start, outcome.seed)
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "generate: {}, in {}", line(self), self.out)?;
        let message = [Count::Readings, Count::Files];
        let mut lines = rows(&self.counts, &message, &[Count::Existing, Count::Replaced]);
        lines.extend(self.faults.iter().filter(|(_, n)| **n > 0).map(|(kind, n)| (&**kind, count(*n))));
        write!(f, "{}", LabelledRows(&lines))?;
        if let Some(truth) = &self.truth {
            let (ids, never) = (counted(truth.ids, "id", "ids"), counted(truth.undelivered, "reading", "readings"));
            let (quarantined, oversized) =
                (counted(truth.quarantined, "line", "lines"), counted(truth.oversized, "line", "lines"));
            writeln!(f, "  truth file {}: {ids} to store, {quarantined} to quarantine", truth.file)?;
            writeln!(f, "  {oversized} too large for a topic, {never} not delivered")?;
        }
        if let Some(why) = &self.stopped {
            writeln!(f, "stopped early: {}", one_line(why))?;
            writeln!(f, "to resume, run the same command again: existing files are kept")?;
        }
        Ok(())
    }
}
