//! Progress of an earlier session of a run, as far as its rows still exist.
//!
//! A journal entry is valid only if its id range contains exactly its rows. Days that are not complete are read again.
//! A batch covers its objects only if they are the same ones: an object that has become readable changes the required
//! rows of its range ([`super::matching`]). Invalid entries are loaded again, which does not change correct rows.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde::Deserialize;
use uuid::Uuid;

use super::entry_hash::MultisetHash;
use super::journal_entries::{BatchEntry, DayEntry, Journal, RunEntry, RunHeader};
use super::order::{IdOrder, ReplayEntry};
use super::tally::Tally;
use crate::sort::OrderedId;
use pipeline::record::row::{Row, TableSchema};
use pipeline::warehouse::{self, BulkWarehouse};

/// Batches by the first id of their range; ranges do not overlap.
#[derive(Debug, Clone, Default)]
pub(super) struct BatchIndex(BTreeMap<OrderedId, (u64, BatchEntry)>);

impl BatchIndex {
    /// Returns the number of the batch whose range contains an id.
    fn at(&self, id: &OrderedId) -> Option<u64> {
        let (_, (seq, batch)) = self.0.range(..=id).next_back()?;
        (*id <= batch.last).then_some(*seq)
    }

    /// Adds a batch, and returns true, if its range is free.
    fn insert(&mut self, seq: u64, batch: BatchEntry) -> bool {
        let before = self.0.range(..=&batch.last).next_back();
        let free = before.is_none_or(|(_, (_, before))| before.last < batch.first);
        if free {
            self.0.insert(batch.first.clone(), (seq, batch));
        }
        free
    }
}

/// Progress of an earlier session of a run, as far as its rows still exist.
#[derive(Debug)]
pub(super) struct ResumeState {
    pub journal: Journal,
    pub header: RunHeader,
    /// Counts of the completed days.
    pub tally: Tally,
    /// Completed days, which are not read again.
    pub days: BTreeSet<NaiveDate>,
    /// Batches of other days and of unordered records; they are validated when their objects are read.
    time_ordered: BatchIndex,
    unordered: BatchIndex,
    /// Entries that are no longer valid.
    pub stale_entries: Vec<(Uuid, u64)>,
}

/// Returns the newest run from that lake if it has not ended. Older runs are ignored, because the newest one replaces
/// them.
///
/// # Errors
/// Returns an error if the journal cannot be read, or if that run was recorded by a version with another format.
pub(super) async fn find_unfinished_run(
    bulk: &dyn BulkWarehouse,
    lake: &str,
) -> anyhow::Result<Option<(Uuid, RunHeader)>> {
    for entry in bulk.run_headers().await? {
        let run = entry.run_id;
        match (serde_json::from_str::<RunHeader>(&entry.text), serde_json::from_str::<AnyHeader>(&entry.text)) {
            (Ok(header), _) if header.lake == lake => {
                return Ok(Some((run, header)).filter(|(_, header)| header.ended.is_none()));
            }
            (Err(_), Ok(other)) if other.lake == lake && other.ended.is_some() => return Ok(None),
            (Err(e), Ok(other)) if other.lake == lake => anyhow::bail!(
                "unfinished run {run} was recorded by ruminate {} in another format ({e}): resume it with that version, or \
                 omit --resume to start over, which is safe",
                other.version
            ),
            (Ok(_), _) | (Err(_), Ok(_)) => {}
            (Err(e), Err(_)) => {
                tracing::warn!("journal header of run {run} cannot be read, so the run is ignored: {e}")
            }
        }
    }
    Ok(None)
}

/// The members of a header that every version of the journal has.
#[derive(Deserialize)]
struct AnyHeader {
    lake: String,
    version: String,
    ended: Option<serde_json::Value>,
}

impl ResumeState {
    fn new(run: Uuid, header: RunHeader) -> Self {
        Self {
            journal: Journal::session(run),
            header,
            tally: Tally::default(),
            days: BTreeSet::new(),
            time_ordered: BatchIndex::default(),
            unordered: BatchIndex::default(),
            stale_entries: Vec::new(),
        }
    }

    /// Reads the journal of a run, and checks that its rows exist. With `verify`, a batch is valid only if it was read
    /// back.
    ///
    /// # Errors
    /// Returns an error if the warehouse cannot be read.
    pub(super) async fn read(
        bulk: &dyn BulkWarehouse,
        run: Uuid,
        head: RunHeader,
        verify: bool,
    ) -> Result<Self, warehouse::Error> {
        let (mut batches, mut days) = (BTreeMap::new(), Vec::new());
        let mut before = Self::new(run, head);
        let schema = bulk.table_schema().await?;
        for entry in bulk.run_entries(run).await? {
            match serde_json::from_str(&entry.text) {
                Ok(RunEntry::Batch(batch)) if verify && !batch.tally.is_read_back() => {
                    before.stale_entries.push((run, entry.seq))
                }
                Ok(RunEntry::Batch(batch)) if rows_match(bulk, &batch, &schema).await? => {
                    drop(batches.insert(entry.seq, batch))
                }
                Ok(RunEntry::Day(day)) => days.push((entry.seq, day)),
                Ok(RunEntry::Batch(batch)) => {
                    tracing::warn!(
                        "rows between {} and {} do not match the journal: reloading them",
                        batch.first,
                        batch.last
                    );
                    before.stale_entries.push((run, entry.seq));
                }
                Err(e) => {
                    tracing::warn!("journal entry {} cannot be read, so its records are loaded again: {e}", entry.seq);
                    before.stale_entries.push((run, entry.seq));
                }
            }
        }
        before.adopt(batches, days);
        Ok(before)
    }

    /// Counts the complete days, and keeps the batches of all other days for matching.
    fn adopt(&mut self, mut batches: BTreeMap<u64, BatchEntry>, days: Vec<(u64, DayEntry)>) {
        let run = self.journal.run;
        for (seq, day) in days {
            if self.days.contains(&day.day) || !day.batches.iter().all(|batch| batches.contains_key(batch)) {
                self.stale_entries.push((run, seq));
                continue;
            }
            self.tally.merge(day.tally);
            for batch in day.batches.iter().filter_map(|seq| batches.remove(seq)) {
                self.tally.merge(batch.tally);
            }
            self.days.insert(day.day);
        }
        for (seq, batch) in batches {
            let ranges = if batch.order == IdOrder::TimeOrdered { &mut self.time_ordered } else { &mut self.unordered };
            if !ranges.insert(seq, batch) {
                self.stale_entries.push((run, seq)); // two sessions loaded the same records
            }
        }
    }

    /// Returns the state of an earlier session that loaded these batches.
    #[cfg(test)]
    pub(super) fn of_batches(batches: Vec<(u64, BatchEntry)>) -> Self {
        let header = RunHeader {
            lake: String::new(),
            options: super::outcome::ReplayOptions::default(),
            only: None,
            cutoff: chrono::DateTime::UNIX_EPOCH,
            started_at: chrono::DateTime::UNIX_EPOCH,
            version: String::new(),
            undo_files: Vec::new(),
            ended: None,
        };
        let mut state = Self::new(Uuid::nil(), header);
        state.adopt(batches.into_iter().collect(), Vec::new());
        state
    }

    /// Returns the number of the batch whose range contains a record.
    pub(super) fn batch_containing(&self, order: IdOrder, id: &OrderedId) -> Option<u64> {
        self.of(order).at(id)
    }

    /// Returns the tally of a batch if it consisted of exactly these entries.
    pub(super) fn matching_batch(&self, order: IdOrder, entries: &[ReplayEntry]) -> Option<&Tally> {
        let first = &entries.first()?.id;
        let (_, (_, batch)) = self.of(order).0.range(..=first).next_back()?;
        (batch.objects == MultisetHash::of(entries)).then_some(&batch.tally)
    }

    fn of(&self, order: IdOrder) -> &BatchIndex {
        match order {
            IdOrder::TimeOrdered => &self.time_ordered,
            IdOrder::Unordered => &self.unordered,
        }
    }
}

/// Returns true if the range of a batch contains exactly its rows. Ids that are not plain UUIDs never match, because
/// the server sorts them differently.
async fn rows_match(
    bulk: &dyn BulkWarehouse,
    batch: &BatchEntry,
    schema: &TableSchema,
) -> Result<bool, warehouse::Error> {
    if batch.first.is_other() || batch.last.is_other() {
        return Ok(batch.rows.count == 0);
    }
    let (first, last) = (batch.first.text(), batch.last.text());
    if bulk.count(&first, &last).await? != batch.rows.count {
        return Ok(false);
    }
    let max = u32::try_from(batch.rows.count + 1).unwrap_or(u32::MAX);
    let rows = bulk.range(&first, &last, max, schema).await?;
    Ok(MultisetHash::of_texts(rows.iter().map(Row::id)) == batch.rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_include_their_ends_and_do_not_overlap() {
        let id = |text: &str| OrderedId::new(text);
        let batch = |first, last| BatchEntry {
            order: IdOrder::TimeOrdered,
            first: id(first),
            last: id(last),
            rows: MultisetHash::default(),
            objects: MultisetHash::default(),
            tally: Tally::default(),
        };
        let mut batches = BatchIndex::default();
        assert!(batches.insert(1, batch("b", "d")) && batches.insert(2, batch("f", "f")));
        for (first, last) in [("a", "b"), ("c", "c"), ("d", "e"), ("a", "z"), ("f", "g")] {
            assert!(!batches.insert(3, batch(first, last)), "{first} {last}");
        }
        let at: Vec<u64> = "abcdefg".chars().map(|c| batches.at(&id(&c.to_string())).unwrap_or(0)).collect();
        assert_eq!(at, [0, 1, 1, 1, 0, 2, 0]);
    }
}
