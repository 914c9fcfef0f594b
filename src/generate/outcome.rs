//! Result of `generate`: what was written, and the number of readings per fault.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::WriteResult;
use crate::outcome::{Counts, Exit, counters};

counters! {
    /// Counters of a generated history.
    pub enum Count {
        Readings: "readings", "readings", Detail, "Lines that represent a reading, including faulty ones.";
        Farms: "farms", "farms", Detail, "Farms that have a file.";
        Files: "files", "files", Detail, "Files of the history, those that were there included.";
        Bytes: "bytes", "bytes", Detail, "Bytes of all files.";
        Existing: "existing", "files unchanged", Detail, "Files that were there with the same content.";
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
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unread: bool,
    /// What only a merge needs.
    pub carry: Carry,
}

/// State that the merge of outcomes needs beyond what they show.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carry {
    /// The numbers of the farms that have a file.
    pub(super) farms: Farms,
}

/// Farms by their numbers, written as the first and the last of each run of numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(u32, u32)>", into = "Vec<(u32, u32)>")]
pub(super) struct Farms(pub BTreeSet<u32>);

impl From<Farms> for Vec<(u32, u32)> {
    fn from(farms: Farms) -> Self {
        let mut runs = Self::new();
        for farm in farms.0 {
            match runs.last_mut().filter(|(_, last)| *last + 1 == farm) {
                Some((_, last)) => *last = farm,
                None => runs.push((farm, farm)),
            }
        }
        runs
    }
}

impl From<Vec<(u32, u32)>> for Farms {
    fn from(runs: Vec<(u32, u32)>) -> Self {
        Self(runs.into_iter().flat_map(|(first, last)| first..=last).collect())
    }
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
    pub oversized: u64,
    /// Readings that are never delivered.
    pub undelivered: u64,
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

    /// Counts the farms that have a file.
    pub(super) fn have_files(&mut self, farms: BTreeSet<u32>) {
        self.counts[Count::Farms] = farms.len() as u64;
        self.carry.farms = Farms(farms);
    }

    /// Adds another part of the same history. A farm that both have files of counts once.
    pub fn merge(&mut self, other: Self) {
        self.counts.merge(&other.counts);
        let mut farms = std::mem::take(&mut self.carry.farms.0);
        farms.extend(other.carry.farms.0);
        self.have_files(farms);
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
        self.oversized += other.oversized;
        self.undelivered += other.undelivered;
    }
}

impl crate::outcome::CommandOutcome for Outcome {
    fn exit(&self) -> Exit {
        if self.stopped.is_some() { Exit::Stopped } else { Exit::Clean }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::outcome::{read_back, through_json};

    #[test]
    fn an_outcome_survives_a_json_round_trip() {
        let part = Outcome {
            counts: Counts::from([(Count::Readings, 90), (Count::Farms, 2), (Count::Files, 6), (Count::Bytes, 9_000)]),
            carry: Carry { farms: Farms([4, 5].into()) },
            seconds: 0.1,
            faults: [("late".into(), 3)].into(),
            truth: Some(TruthSummary { file: "a.ndjson".into(), ids: 90, ..TruthSummary::default() }),
            ..Outcome::default()
        };
        let mut merged = part.clone();
        merged.merge(Outcome { stopped: Some("interrupted".into()), ..part.clone() });
        assert_eq!((merged.counts[Count::Readings], merged.counts[Count::Farms], merged.faults["late"]), (180, 2, 6));
        for outcome in [part, merged] {
            let json = serde_json::to_vec(&outcome).unwrap();
            let back: Outcome = read_back(&json).unwrap();
            assert_eq!((serde_json::to_vec(&back).unwrap(), back.to_string()), (json, outcome.to_string()));
        }
    }

    /// Returns the outcome of files, each of a farm with a number of readings.
    fn outcome(files: &[(u32, u64)]) -> Outcome {
        let mut outcome = Outcome { out: "dir".into(), seed: 7, ..Outcome::default() };
        for (_, readings) in files {
            let written = if readings % 5 == 0 { WriteResult::Replaced } else { WriteResult::New };
            outcome.count(written, 1, *readings as usize * 100);
            outcome.counts[Count::Readings] += readings;
            *outcome.faults.entry("late".into()).or_default() += readings % 3;
        }
        outcome.have_files(files.iter().map(|(farm, _)| *farm).collect());
        let ids = files.iter().map(|(_, readings)| readings).sum();
        outcome.truth = Some(TruthSummary { ids, quarantined: files.len() as u64, ..TruthSummary::default() });
        outcome
    }

    proptest! {
        #[test]
        fn parts_that_come_back_from_their_json_make_the_whole(
            files in prop::collection::vec((0..20_u32, 0..50_u64), 1..100),
            parts in 1..5_usize,
        ) {
            let size = files.len().div_ceil(parts);
            let mut read = files.chunks(size).map(|part| through_json(&outcome(part)));
            let mut merged = read.next().unwrap();
            read.for_each(|part| merged.merge(part));
            let json = |mut outcome: Outcome| {
                outcome.truth.as_mut().unwrap().file.clear(); // each part has another file
                serde_json::to_value(&outcome).unwrap()
            };
            prop_assert_eq!(json(merged), json(outcome(&files)));
        }
    }
}
