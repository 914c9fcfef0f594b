//! Outcome of a restore: every selected row in one count.

use serde::{Deserialize, Serialize};

use crate::outcome::{CommandOutcome, Counts, Exit, Problems, counters};

counters! {
    /// Counter of a restore.
    pub enum Counter {
        Rows: "rows", "rows", Input, "Rows of parts that were selected.";
        Restored: "restored", "restored", Part, "Objects that were written, or that a dry run would write.";
        Identical: "identical", "already stored", Part, "Objects that exist with the same bytes.";
        Differing: "differing", "existing with other bytes", Finding, "Objects that exist with other bytes, and were left as they are.";
        NoBody: "no_body", "without a body", Finding, "Rows without the original object (`compact --without-bodies`).";
        Failed: "failed", "not written", Finding, "Objects that could not be written.";
        Left: "skipped_not_reached", "not reached", Skipped, "Rows that were not reached or not completed because the run stopped.";
        Parts: "parts", "parts read", Detail, "Parts that were read.";
        NotTrusted: "not_trusted", "parts not trusted", DetailFinding, "Parts that were not trusted: nothing was restored from them.";
        Proved: "proved", "proved by MD5", Detail, "Restored objects whose MD5 is the ETag of the original.";
        NotFound: "not_found", "not in any part", DetailFinding, "Findings of the drift file whose object is in no part of the selected farms and months.";
    }
}

/// Outcome of a restore.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Outcome {
    /// Address of the lake whose parts were read.
    pub lake: String,
    /// Address of the lake that the objects were written into.
    pub to: String,
    /// The counters.
    #[serde(flatten)]
    pub counts: Counts<Counter>,
    /// True if nothing was written.
    pub dry_run: bool,
    /// Size of the restored objects, in bytes.
    pub bytes: u64,
    /// Duration of the run, in seconds.
    pub seconds: f64,
    /// Reason for an early stop. `None` if the run is complete.
    pub stopped: Option<String>,
    /// Problems, each with its key.
    pub problems: Problems,
}

counters! { impl Outcome { counts: Counter } }

impl Outcome {
    /// Records an early stop: selected rows without a result are left.
    pub(super) fn stop(&mut self) {
        self.stopped = Some("interrupted: run the same command again to restore the rest".into());
        self[Counter::Left] += self[Counter::Rows] - self.counts.parts();
    }

    /// Checks that every selected row is accounted for.
    ///
    /// # Errors
    /// Returns an error if the counts do not add up, which is a bug in this program.
    pub fn check(&self) -> anyhow::Result<()> {
        let (rows, parts) = (self[Counter::Rows], self.counts.parts());
        anyhow::ensure!(rows == parts, "{rows} rows are {parts} in parts; this is a bug in ruminate");
        Ok(())
    }

    /// Adds the outcome of a restore from other parts of the same lake.
    pub fn merge(&mut self, other: Self) {
        self.counts.merge(&other.counts);
        self.bytes += other.bytes;
        self.seconds = self.seconds.max(other.seconds);
        self.stopped = self.stopped.take().or(other.stopped);
        self.problems.merge(other.problems);
    }
}

impl CommandOutcome for Outcome {
    fn exit(&self) -> Exit {
        if self.stopped.is_some() {
            Exit::Stopped
        } else if self.counts.findings() > 0 {
            Exit::Findings
        } else {
            Exit::Clean
        }
    }
}
