//! What `backfill` did.

use std::fmt;

use serde::Serialize;

use super::{Lines, count, duration};
use crate::outcome::{Exit, Problems};
use pipeline::lake::ConditionalWrites;

/// Counts of a backfill: objects are new or existing, rows inserted, identical, conflicting or refused.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Outcome {
    /// Messages read.
    pub read: u64,
    /// New objects.
    pub written: u64,
    /// Objects that were there.
    pub existing: u64,
    /// New rows.
    pub inserted: u64,
    /// Rows that were there with the same values.
    pub identical: u64,
    /// Rows that were there with other values; they stay.
    pub conflicting: u64,
    /// Rows that a column of the table refuses; their objects are in the lake.
    pub refused: u64,
    /// Messages that are no valid reading; they are in the quarantine.
    pub rejected: u64,
    /// Messages that a store failed to take; run again.
    pub failed: u64,
    /// Time of the whole run.
    pub seconds: f64,
    /// Support of the lake's store for conditional writes: `honoured`, `emulated` or `untested`.
    pub conditional_writes: ConditionalWrites,
    /// Where rejected messages are kept.
    pub quarantine: String,
    /// Why it stopped early.
    pub stopped: Option<String>,
    /// Problems, each with its file and line.
    pub problems: Problems,
    /// The first failure that no second try will mend.
    #[serde(skip)]
    pub refused_for_good: Option<String>,
}

impl Outcome {
    /// Checks that every message is accounted for.
    ///
    /// # Errors
    /// The counts do not add up: an error of this program.
    pub fn check(&self) -> anyhow::Result<()> {
        let objects = self.written + self.existing;
        let rows = self.inserted + self.identical + self.conflicting + self.refused;
        anyhow::ensure!(
            self.read == objects + self.rejected + self.failed && objects == rows,
            "the counts do not add up, which is an error of this program: {}",
            serde_json::to_string(self)?
        );
        Ok(())
    }
}

impl crate::outcome::Outcome for Outcome {
    fn exit(&self) -> Exit {
        if self.stopped.is_some() {
            Exit::Stopped
        } else if self.rejected + self.conflicting + self.refused + self.failed > 0 {
            Exit::Found
        } else {
            Exit::Clean
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.read as f64 / self.seconds.max(1e-3);
        writeln!(f, "backfill: {} readings in {} ({rate:.0}/s)", count(self.read), duration(self.seconds))?;
        let mut lines = vec![
            ("new objects", count(self.written)),
            ("existing objects", count(self.existing)),
            ("inserted rows", count(self.inserted)),
            ("identical rows", count(self.identical)),
            ("conflicting rows", count(self.conflicting)),
            ("rejected", count(self.rejected)),
        ];
        if self.refused > 0 {
            lines.push(("refused by the table", count(self.refused)));
        }
        if self.failed > 0 {
            lines.push(("failed", count(self.failed)));
        }
        write!(f, "{}", Lines(&lines))?;
        write!(f, "{}", self.problems)?;
        if self.rejected > 0 {
            writeln!(f, "  rejected messages are kept in {}", self.quarantine)?;
        }
        if let Some(warning) = self.conditional_writes.warning() {
            writeln!(f, "  {warning}")?;
        }
        if let Some(why) = &self.stopped {
            writeln!(f, "stopped early: {why}")?;
            writeln!(
                f,
                "to go on, run the same command again: what is stored already counts as existing and identical"
            )?;
        }
        Ok(())
    }
}
