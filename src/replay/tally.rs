//! Counts of objects by result: per day, per batch and per run. Tallies are merged, and stored in the journal.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::order::IdOrder;
use super::outcome::{Counter, DayCounts, ObjectCounts, Outcome, SKIPPED};
use crate::outcome::{Counter as _, Problems};
use crate::reader::{ObjectContent, Skip};
use pipeline::lake::{Partition, UnrecognizedNames};
use pipeline::warehouse::{Conflict, LoadResult};

/// Counts of objects by result, with their partitions and problems; the same counts as in an outcome.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Tally {
    #[serde(flatten, with = "super::journal_counts")]
    pub counts: ObjectCounts,
    pub newest_row_ts: Option<DateTime<Utc>>,
    pub newest_data: Option<DateTime<Utc>>,
    pub cells: PartitionCounts,
    pub problems: Problems,
}

/// Counts by partition, serialized as a list of farm, day and counts.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "Vec<(String, NaiveDate, DayCounts)>", into = "Vec<(String, NaiveDate, DayCounts)>")]
pub(super) struct PartitionCounts(pub BTreeMap<Partition, DayCounts>);

impl From<Vec<(String, NaiveDate, DayCounts)>> for PartitionCounts {
    fn from(list: Vec<(String, NaiveDate, DayCounts)>) -> Self {
        Self(list.into_iter().map(|(farm, day, cell)| (Partition { day, farm }, cell)).collect())
    }
}

impl From<PartitionCounts> for Vec<(String, NaiveDate, DayCounts)> {
    fn from(cells: PartitionCounts) -> Self {
        cells.0.into_iter().map(|(partition, cell)| (partition.farm, partition.day, cell)).collect()
    }
}

impl PartitionCounts {
    pub(super) fn at(&mut self, partition: &Partition) -> &mut DayCounts {
        if !self.0.contains_key(partition) {
            self.0.insert(partition.clone(), DayCounts::default());
        }
        self.0.get_mut(partition).expect("just put there")
    }

    fn merge(&mut self, other: &Self) {
        for (partition, counts) in &other.0 {
            self.at(partition).merge(counts);
        }
    }
}

impl Tally {
    /// Adds the counts of another tally.
    pub(super) fn merge(&mut self, other: Self) {
        self.counts.merge(&other.counts);
        self.newest_row_ts = self.newest_row_ts.max(other.newest_row_ts);
        self.newest_data = self.newest_data.max(other.newest_data);
        self.cells.merge(&other.cells);
        self.problems.merge(other.problems);
    }

    /// Returns true if every counted row was read back.
    pub(super) fn is_read_back(&self) -> bool {
        self.counts[Counter::Verified] + self.counts[Counter::Mismatched] >= self.counts.recovered()
    }

    /// Returns true if there are objects that another run may be able to read.
    pub(super) fn has_unread(&self) -> bool {
        Counter::UNREAD.iter().any(|counter| self.counts[*counter] > 0)
    }

    /// Counts an object that needs attention, in total and on its day.
    fn problem(&mut self, day: &mut DayCounts, counter: Counter, key: String, reason: impl Into<String>) {
        self.counts[counter] += 1;
        day.add(counter, 1);
        self.problems.add(counter.spec().name, key, reason);
    }

    /// Records an object that contains no record to load.
    pub(super) fn record_object(&mut self, partition: Option<&Partition>, key: String, item: ObjectContent) {
        let mut day = DayCounts::from([(Counter::Listed, 1)]);
        self.counts[Counter::Listed] += 1;
        match item {
            ObjectContent::Record(_) | ObjectContent::Unopened => {
                debug_assert!(false, "a record is loaded, or skipped by a filter")
            }
            ObjectContent::Rejected(why) => self.problem(&mut day, Counter::Rejected, key, why),
            ObjectContent::Unreadable(why) => self.problem(&mut day, Counter::Unreadable, key, why),
            ObjectContent::Archived => {
                self.problem(&mut day, Counter::Archived, key, "in an archive tier: restore it, then replay again");
            }
            ObjectContent::Skipped(skip) => {
                day.skipped = 1;
                self.counts[skip] += 1;
                let kind = if skip.hides_a_record() { skip.spec().short_name() } else { SKIPPED };
                if skip != Skip::FolderMarker {
                    self.problems.add(kind, key, skip.reason());
                }
            }
        }
        if let Some(partition) = partition {
            self.cells.at(partition).merge(&day);
        }
    }

    /// Records objects at unexpected places of the lake.
    pub(super) fn record_unrecognized(&mut self, unrecognized: &UnrecognizedNames) {
        for key in unrecognized.keys() {
            self.record_object(None, key.to_owned(), ObjectContent::Skipped(Skip::Unrecognized));
        }
        self.counts[Counter::Listed] += unrecognized.unnamed() + unrecognized.folder_markers();
        self.counts[Skip::FolderMarker] += unrecognized.folder_markers();
        self.counts[Skip::Unrecognized] += unrecognized.unnamed();
        self.problems.add_unnamed(SKIPPED, unrecognized.unnamed());
    }

    /// Records a record that a filter excludes.
    pub(super) fn record_filtered(&mut self, partition: &Partition, limit: Counter) {
        self.counts[Counter::Listed] += 1;
        self.counts[limit] += 1;
        self.cells.at(partition).merge(&DayCounts::from([(Counter::Listed, 1), (limit, 1)]));
    }

    /// Records the result of loading a record, in total and on its day.
    pub(super) fn record_loaded(&mut self, key: &str, loaded: &LoadResult, day: &mut DayCounts) {
        self.counts[Counter::Listed] += 1;
        day.listed += 1;
        match loaded {
            LoadResult::Inserted => self.counts[Counter::Inserted] += 1,
            LoadResult::Identical => self.counts[Counter::Identical] += 1,
            LoadResult::Conflicting(conflict) => {
                self.problem(day, Counter::Conflicting, key.to_owned(), explain(conflict));
            }
            LoadResult::Overwritten(conflict) => {
                self.counts[Counter::Conflicting] += 1; // not of the day: the row has the lake's values now
                self.problem(day, Counter::Overwritten, key.to_owned(), explain(conflict));
            }
            LoadResult::Refused(why) => self.problem(day, Counter::Rejected, key.to_owned(), why.as_str()),
        }
    }

    /// Adds the counts to the outcome; `pending` are records that were read and not loaded.
    pub(super) fn close(self, pending: &PendingRecords, outcome: &mut Outcome) {
        let Self { mut counts, newest_row_ts, newest_data, mut cells, problems } = self;
        for (partition, pending) in pending.iter() {
            let cell = cells.at(partition);
            cell.add(Counter::NotLoaded, pending.timed + pending.unordered);
            cell.listed += pending.timed; // unordered objects were listed with their day
            counts[Counter::Listed] += pending.timed + pending.unordered;
            counts[Counter::NotLoaded] += pending.timed + pending.unordered;
        }
        outcome.counts = counts;
        (outcome.newest_row_ts, outcome.newest_data) = (newest_row_ts, newest_data);
        outcome.days = cells.0.into_iter().map(|(partition, cell)| ((partition.farm, partition.day), cell)).collect();
        outcome.problems = problems;
        outcome.problems.sort();
    }
}

/// Number of records per partition that were read and are not yet loaded.
#[derive(Debug, Default)]
pub(super) struct PendingRecords {
    partitions: HashMap<Partition, PendingPartition>,
    total: u64,
    /// Unordered records that are loaded after all days were read; they are not yet in the others.
    pub(super) unordered_waiting: u64,
}

impl PendingRecords {
    fn at(&mut self, partition: &Partition, order: IdOrder) -> &mut u64 {
        if !self.partitions.contains_key(partition) {
            self.partitions.insert(partition.clone(), PendingPartition::default());
        }
        let pending = self.partitions.get_mut(partition).expect("just put there");
        match order {
            IdOrder::TimeOrdered => &mut pending.timed,
            IdOrder::Unordered => &mut pending.unordered,
        }
    }

    /// Adds `count` records that were read.
    pub(super) fn add(&mut self, partition: &Partition, order: IdOrder, count: u64) {
        *self.at(partition, order) += count;
        self.total += count;
    }

    /// Removes `count` records that were loaded or rejected.
    pub(super) fn remove(&mut self, partition: &Partition, order: IdOrder, count: u64) {
        let left = self.at(partition, order);
        let removed = count.min(*left);
        *left -= removed;
        self.total -= removed;
    }

    /// Returns the number of records that were read and are not yet loaded.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    fn iter(&self) -> impl Iterator<Item = (&Partition, &PendingPartition)> {
        self.partitions.iter().filter(|(_, pending)| pending.timed + pending.unordered > 0)
    }
}

/// Number of records of one partition that are not yet loaded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct PendingPartition {
    timed: u64,
    unordered: u64,
}

/// Returns both values of every field that differs.
fn explain(conflict: &Conflict) -> String {
    let differs = conflict.differences.iter().map(|d| {
        let show = |value| serde_json::to_string(value).unwrap_or_default();
        format!("{} lake {} warehouse {}", d.column, show(&d.lake), show(&d.warehouse))
    });
    differs.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Objects are read concurrently, so the order in which problems occur differs between runs.
    #[test]
    fn problems_are_sorted_in_the_outcome() {
        let (mut tally, mut outcome) = (Tally::default(), Outcome::default());
        for (kind, key) in [("unreadable", "a"), ("rejected", "c"), ("rejected", "b")] {
            tally.problems.add(kind, key, "why");
        }
        tally.close(&PendingRecords::default(), &mut outcome);
        let places: Vec<&str> = outcome.problems.items().iter().map(|problem| &*problem.place).collect();
        assert_eq!(places, ["b", "c", "a"]);
    }
}
