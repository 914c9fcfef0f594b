//! Result of `generate`: what was written, and the number of readings per fault.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::WriteResult;
use crate::outcome::{Counts, Exit, counters};

counters! {
    /// Counters of a generated history.
    pub enum Count {
        Readings: "readings", "readings", Detail, "Lines that stand for a reading, faulty ones included.";
        Farms: "farms", "farms", Detail, "Farms that have a file.";
        Files: "files", "files", Detail, "Files of the history, those that were there included.";
        Bytes: "bytes", "bytes", Detail, "Bytes of all files.";
        Existing: "existing", "files that were there", Detail, "Files that were there with the same content.";
        Replaced: "replaced", "files replaced", Detail, "Files that took the place of others.";
    }
}

/// Result of a generate run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// The counters.
    #[serde(flatten)]
    pub counts: Counts<Count>,
    /// Duration of the run, in seconds.
    pub seconds: f64,
    /// Number of readings per fault, including faults with 0.
    pub faults: BTreeMap<Cow<'static, str>, u64>,
    /// The output directory or file, `-` for stdout.
    pub out: String,
    /// The first day.
    pub start: String,
    /// The seed.
    pub seed: u64,
    /// The truth file; `None` if none was requested or the run stopped early.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truth: Option<TruthSummary>,
    /// Why it stopped early; `None` if it completed.
    pub stopped: Option<String>,
    /// Whether the reader of the stream closed it before its end.
    #[serde(skip)]
    pub unread: bool,
}

/// Totals of a truth file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TruthSummary {
    /// Path of the truth file.
    pub file: String,
    /// Distinct ids that must be stored.
    pub ids: u64,
    /// Lines that are not a valid reading.
    pub quarantined: u64,
    /// Lines that are too large for a topic.
    pub refused: u64,
    /// Readings that are never delivered.
    pub never: u64,
}

impl Outcome {
    /// Counts a file of `bytes` bytes. `files` is 0 for a unit of a stream whose complete day is missing.
    pub(super) fn count(&mut self, written: WriteResult, files: u64, bytes: usize) {
        self.counts[Count::Files] += files;
        self.counts[Count::Bytes] += bytes as u64;
        match written {
            WriteResult::New => {}
            WriteResult::Unchanged => self.counts.add(Count::Existing),
            WriteResult::Replaced => self.counts.add(Count::Replaced),
        }
    }

    /// Adds another part of the same history. Both parts may have files of the same farms, so the number of farms is
    /// the larger one.
    pub fn merge(&mut self, other: Self) {
        let farms = self.counts[Count::Farms].max(other.counts[Count::Farms]);
        self.counts.merge(&other.counts);
        self.counts[Count::Farms] = farms;
        self.seconds += other.seconds;
        for (fault, n) in other.faults {
            *self.faults.entry(fault).or_default() += n;
        }
        match (&mut self.truth, other.truth) {
            (Some(truth), Some(other)) => truth.merge(&other),
            (truth, other) => *truth = truth.take().or(other),
        }
        self.stopped = self.stopped.take().or(other.stopped);
        self.unread |= other.unread;
    }
}

impl TruthSummary {
    fn merge(&mut self, other: &Self) {
        self.file = format!("{}, {}", self.file, other.file);
        self.ids += other.ids;
        self.quarantined += other.quarantined;
        self.refused += other.refused;
        self.never += other.never;
    }
}

impl crate::outcome::CommandOutcome for Outcome {
    fn exit(&self) -> Exit {
        if self.stopped.is_some() { Exit::Stopped } else { Exit::Clean }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::read_back;

    #[test]
    fn an_outcome_survives_a_json_round_trip() {
        let part = Outcome {
            counts: Counts::from([(Count::Readings, 90), (Count::Farms, 2), (Count::Files, 6), (Count::Bytes, 9_000)]),
            seconds: 0.1,
            faults: [("late".into(), 3)].into(),
            truth: Some(TruthSummary { file: "a.ndjson".into(), ids: 90, ..TruthSummary::default() }),
            ..Outcome::default()
        };
        let mut merged = part.clone();
        merged.merge(Outcome { stopped: Some("asked to stop".into()), ..part.clone() });
        assert_eq!((merged.counts[Count::Readings], merged.counts[Count::Farms], merged.faults["late"]), (180, 2, 6));
        for outcome in [part, merged] {
            let json = serde_json::to_vec(&outcome).unwrap();
            let back: Outcome = read_back(&json).unwrap();
            assert_eq!((serde_json::to_vec(&back).unwrap(), back.to_string()), (json, outcome.to_string()));
        }
    }
}
