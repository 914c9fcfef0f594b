//! Journal entries of a part: one entry per day, with the tally of its records.

use std::collections::HashMap;
use std::ops::Range;

use super::loader::Loader;
use crate::replay::entry_hash::MultisetHash;
use crate::replay::journal_entries::{BatchEntry, RunEntry};
use crate::replay::order::{IdOrder, ReplayEntry};
use crate::replay::outcome::DayCounts;
use crate::replay::tally::Tally;
use crate::sort::OrderedId;
use pipeline::warehouse::{JournalEntry, LoadResult};

impl Loader {
    /// Splits a time-ordered part by days, so that loading one day again does not affect another.
    pub(super) fn by_day(&self, order: IdOrder, part: &[ReplayEntry]) -> Vec<Range<usize>> {
        let day = |entry: &ReplayEntry| (order == IdOrder::TimeOrdered).then(|| self.places[entry.place as usize].day);
        let mut from = 0;
        let lengths = part.chunk_by(|a, b| day(a) == day(b)).map(<[ReplayEntry]>::len);
        let ranges = lengths.map(|length| {
            from += length;
            from - length..from
        });
        ranges.collect()
    }

    /// Returns the entries in the journal's format, with these numbers; empty if no journal is written.
    pub(super) fn numbered(&self, seqs: &[u64], entries: &[BatchEntry]) -> Vec<JournalEntry> {
        let Some(journal) = &self.journal else { return Vec::new() };
        let numbered = seqs.iter().zip(entries);
        numbered.map(|(&seq, entry)| journal.entry(seq, &RunEntry::Batch(entry.clone()))).collect()
    }

    /// Returns the entry for the records of a day.
    pub(super) fn batch_entry(
        &self,
        order: IdOrder,
        entries: &[ReplayEntry],
        results: &[Option<LoadResult>],
    ) -> BatchEntry {
        let (tally, rows) = self.tally(order, entries, results);
        let objects = if self.journal.is_some() { MultisetHash::of(entries) } else { MultisetHash::default() };
        let id = |entry: Option<&ReplayEntry>| entry.map_or_else(|| OrderedId::new(""), |entry| entry.id.clone());
        BatchEntry { order, first: id(entries.first()), last: id(entries.last()), rows, objects, tally }
    }

    /// Returns the tally of these entries, and the ids of the rows that exist after loading.
    fn tally(&self, order: IdOrder, entries: &[ReplayEntry], results: &[Option<LoadResult>]) -> (Tally, MultisetHash) {
        let mut tally = Tally::default();
        let mut rows = MultisetHash::default();
        let mut last = None;
        let mut days: HashMap<u32, DayCounts> = HashMap::new();
        for (entry, result) in entries.iter().zip(results) {
            let loaded = result.as_ref().unwrap_or(&LoadResult::Inserted);
            tally.record_loaded(&entry.key, loaded, days.entry(entry.place).or_default());
            if !matches!(loaded, LoadResult::Conflicting(_) | LoadResult::Refused(_)) {
                tally.newest_row_ts = tally.newest_row_ts.max(Some(entry.record.row_ts));
                tally.newest_data = tally.newest_data.max(Some(entry.record.reading.data));
            }
            if !matches!(loaded, LoadResult::Refused(_)) && last != Some(&entry.id) {
                rows.insert(entry.record.id_treated_data.as_bytes());
                last = Some(&entry.id);
            }
        }
        for (place, mut day) in days {
            if order == IdOrder::Unordered {
                day.listed = 0; // already counted with its day
            }
            if day != DayCounts::default() {
                *tally.cells.at(&self.places[place as usize]) = day;
            }
        }
        (tally, rows)
    }
}
