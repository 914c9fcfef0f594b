//! Result of a backfill: its counters and how they add up.

use serde::{Deserialize, Serialize};

use crate::history::{InputReport, InputReports};
use crate::outcome::{Counts, Exit, Problems, counters};
use pipeline::lake::ConditionalWrites;

counters! {
    /// Counters of a backfill. Objects are new or existing; rows are inserted, identical, conflicting or refused.
    pub enum Count {
        Read: "read", "readings", Input, "Messages read.";
        Written: "written", "new objects", Part, "New objects.";
        Existing: "existing", "existing objects", Part, "Objects that were there.";
        Unverifiable: "unverifiable", "existing objects not readable", DetailFinding, "Of the existing objects: archived, denied or no object; their rows were checked.";
        Inserted: "inserted", "inserted rows", Detail, "New rows.";
        Identical: "identical", "identical rows", Detail, "Rows that were there with the same values.";
        Conflicting: "conflicting", "conflicting rows", DetailFinding, "Rows that were there with other values; they stay.";
        Rejected: "rejected", "rejected", Finding, "Messages that are not valid readings; they are quarantined.";
        RowsRefused: "rows_refused", "rows refused by the table", DetailFinding, "Rows that a column of the table refuses; their objects are in the lake.";
        FilesRejected: "files_rejected", "files rejected", DetailFinding, "Input files that were rejected as a whole; nothing of them was stored.";
        Failed: "failed", "failed", Finding, "Messages that a store failed to take; run again.";
    }
}

/// Result of a backfill.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// The counters.
    #[serde(flatten)]
    pub counts: Counts<Count>,
    /// The input files.
    #[serde(flatten)]
    pub inputs: InputReports,
    /// Duration of the run, in seconds.
    pub seconds: f64,
    /// Support of the lake's store for conditional writes: `honoured`, `emulated` or `untested`.
    pub conditional_writes: ConditionalWrites,
    /// Address of the quarantine, which holds rejected messages.
    pub quarantine: String,
    /// Why it stopped early; `None` if it completed.
    pub stopped: Option<String>,
    /// Problems, each with its file and line.
    pub problems: Problems,
}

impl Outcome {
    /// Checks that every message is accounted for.
    ///
    /// # Errors
    ///
    /// Returns an error if the counts do not add up, which is a bug in this program.
    pub fn check(&self) -> anyhow::Result<()> {
        let of = |count| self.counts[count];
        let objects = of(Count::Written) + of(Count::Existing);
        let rows = of(Count::Inserted) + of(Count::Identical) + of(Count::Conflicting) + of(Count::RowsRefused);
        anyhow::ensure!(
            of(Count::Read) == self.counts.parts() && objects == rows && of(Count::Unverifiable) <= of(Count::Existing),
            "the counts do not add up; this is a bug in ruminate: {}",
            serde_json::to_string(self)?
        );
        Ok(())
    }

    /// Adds an input file, and counts it if it was rejected.
    pub(super) fn add_input(&mut self, report: InputReport) {
        if let Some(why) = &report.rejected {
            self.counts.add(Count::FilesRejected);
            self.problems.add("rejected_file", report.file.clone(), why.clone());
        }
        self.inputs.push(report);
    }

    /// Adds another backfill into the same lake and warehouse, as if its files had been read after these.
    pub fn merge(&mut self, other: Self) {
        self.counts.merge(&other.counts);
        self.inputs.merge(other.inputs);
        self.seconds += other.seconds;
        self.conditional_writes = self.conditional_writes.weaker(other.conditional_writes);
        self.stopped = self.stopped.take().or(other.stopped);
        self.problems.merge(other.problems);
    }
}

impl crate::outcome::CommandOutcome for Outcome {
    fn exit(&self) -> Exit {
        match (&self.stopped, self.counts.findings()) {
            (Some(_), _) => Exit::Stopped,
            (None, 0) => Exit::Clean,
            (None, _) => Exit::Findings,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::outcome::{read_back, through_json};

    #[test]
    fn an_outcome_survives_a_json_round_trip() {
        let counts =
            [(Count::Read, 3), (Count::Written, 2), (Count::Inserted, 1), (Count::Conflicting, 1), (Count::Failed, 1)];
        let mut outcome = Outcome {
            counts: Counts::from(counts),
            inputs: InputReports::default(),
            seconds: 0.1,
            conditional_writes: ConditionalWrites::Emulated,
            quarantine: "q".into(),
            stopped: Some("why".into()),
            problems: Problems::default(),
        };
        outcome.problems.add("failed", "a.json:3", "away");
        let merged = |mut one: Outcome| {
            one.merge(outcome.clone());
            one
        };
        for outcome in [outcome.clone(), merged(outcome.clone()), merged(Outcome::default())] {
            outcome.check().unwrap();
            let json = serde_json::to_vec(&outcome).unwrap();
            let back: Outcome = read_back(&json).unwrap();
            assert_eq!((serde_json::to_vec(&back).unwrap(), back.to_string()), (json, outcome.to_string()));
        }
        assert_eq!(merged(outcome.clone()).counts[Count::Read], 6);
    }

    /// Returns the outcome of messages, each counted in one of the possible results.
    fn outcome(messages: &[usize]) -> Outcome {
        let mut outcome = Outcome { quarantine: "q".into(), ..Outcome::default() };
        for what in messages {
            outcome.counts.add(Count::Read);
            match what % 4 {
                0 => [Count::Written, Count::Inserted].into_iter().for_each(|count| outcome.counts.add(count)),
                1 => [Count::Existing, Count::Conflicting].into_iter().for_each(|count| outcome.counts.add(count)),
                2 => {
                    outcome.counts.add(Count::Rejected);
                    outcome.problems.add("rejected", format!("a.json:{what}"), "why");
                }
                _ => {
                    outcome.counts.add(Count::Failed);
                    outcome.conditional_writes = outcome.conditional_writes.weaker(ConditionalWrites::Emulated);
                }
            }
        }
        outcome
    }

    proptest! {
        #[test]
        fn parts_that_come_back_from_their_json_make_the_whole(
            messages in prop::collection::vec(0..1_000_usize, 1..100),
            parts in 1..5_usize,
        ) {
            let size = messages.len().div_ceil(parts);
            let mut read = messages.chunks(size).map(|part| through_json(&outcome(part)));
            let mut merged = read.next().unwrap();
            read.for_each(|part| merged.merge(part));
            merged.check().unwrap();
            let json = |outcome: &Outcome| serde_json::to_value(outcome).unwrap();
            prop_assert_eq!(json(&merged), json(&outcome(&messages)));
        }
    }
}
