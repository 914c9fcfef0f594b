//! Text of a generated history.

use std::fmt;

use super::{LabelledRows, count, duration, one_line, rows};
use crate::generate::{Count, Outcome};

/// Returns the outcome as one line for the log.
pub fn line(outcome: &Outcome) -> String {
    let [readings, files] = [Count::Readings, Count::Files].map(|counter| count(outcome.counts[counter]));
    let took = duration(outcome.seconds);
    format!("{readings} readings in {files} files from {} with seed {} in {took}", outcome.start, outcome.seed)
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "generate: {}, in {}", line(self), self.out)?;
        let message = [Count::Readings, Count::Files];
        let mut lines = rows(&self.counts, &message, &[Count::Existing, Count::Replaced]);
        lines.extend(self.faults.iter().filter(|(_, n)| **n > 0).map(|(kind, n)| (&**kind, count(*n))));
        write!(f, "{}", LabelledRows(&lines))?;
        if let Some(truth) = &self.truth {
            let [ids, quarantined, refused, never] =
                [truth.ids, truth.quarantined, truth.oversized, truth.undelivered].map(count);
            writeln!(
                f,
                "  {}: {ids} ids to store, {quarantined} lines to quarantine, {refused} oversized, {never} readings not \
                 delivered",
                truth.file
            )?;
        }
        if let Some(why) = &self.stopped {
            writeln!(f, "stopped early: {}", one_line(why))?;
            writeln!(f, "to resume, run the same command again: existing files are kept")?;
        }
        Ok(())
    }
}
