//! Matches the records that a resumed run reads with the batches of an earlier session.
//!
//! Records in the id range of an earlier batch are buffered until the range is complete. If the batch consisted of
//! exactly these objects, they are done. Otherwise they are loaded again.

use std::sync::Arc;

use super::order::{IdOrder, ReplayEntry};
use super::resume::ResumeState;
use super::tally::Tally;

/// Complete set of records in the range of an earlier batch.
#[derive(Debug)]
pub(super) enum Matched {
    /// The batch consisted of exactly these objects, and its rows exist.
    Loaded {
        /// Number of its entry.
        seq: u64,
        entries: Vec<ReplayEntry>,
        tally: Box<Tally>,
    },
    /// The batch consisted of other objects: the records are loaded again, and its entry is no longer valid.
    Stale { seq: u64, entries: Vec<ReplayEntry> },
}

/// Compares records, read in id order, with the batches of an earlier session.
#[derive(Debug)]
pub(super) struct Matching {
    state: Option<Arc<ResumeState>>,
    order: IdOrder,
    buffer: Vec<ReplayEntry>,
    /// Batch whose range contains the buffered records.
    batch: Option<u64>,
}

impl Matching {
    /// Returns a matcher for an earlier session; `None` matches nothing.
    pub(super) fn new(state: Option<Arc<ResumeState>>) -> Self {
        Self { state, order: IdOrder::TimeOrdered, buffer: Vec::new(), batch: None }
    }

    /// Starts a new order; records pushed from here on are in it.
    pub(super) fn begin(&mut self, order: IdOrder) {
        self.order = order;
    }

    /// Adds a record. Returns the records of a range that is now complete, and the record itself if it is in no range.
    pub(super) fn push(&mut self, entry: ReplayEntry) -> (Option<Matched>, Option<ReplayEntry>) {
        let batch = self.state.as_ref().and_then(|state| state.batch_containing(self.order, &entry.id));
        let passed = if batch == self.batch { None } else { self.finish() };
        self.batch = batch;
        match batch {
            None => (passed, Some(entry)),
            Some(_) => {
                self.buffer.push(entry);
                (passed, None)
            }
        }
    }

    /// Returns the records of the last range, if there are any.
    pub(super) fn finish(&mut self) -> Option<Matched> {
        let entries = std::mem::take(&mut self.buffer);
        let (state, seq) = (self.state.as_ref()?, self.batch.take()?);
        Some(match state.matching_batch(self.order, &entries) {
            Some(tally) => Matched::Loaded { seq, entries, tally: Box::new(tally.clone()) },
            None => Matched::Stale { seq, entries },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry_hash::MultisetHash;
    use super::super::journal_entries::BatchEntry;
    use super::super::tests::entry;
    use super::*;

    /// Returns an earlier session with a batch of entries 2 to 4 and one of entry 6.
    fn earlier() -> Matching {
        let batch = |of: &[u32]| {
            let entries: Vec<_> = of.iter().map(|n| entry(*n, 0)).collect();
            let id = |entry: Option<&ReplayEntry>| entry.unwrap().id.clone();
            BatchEntry {
                order: IdOrder::TimeOrdered,
                first: id(entries.first()),
                last: id(entries.last()),
                rows: MultisetHash::default(),
                objects: MultisetHash::of(&entries),
                tally: Tally::default(),
            }
        };
        Matching::new(Some(Arc::new(ResumeState::of_batches(vec![(20, batch(&[2, 3, 4])), (60, batch(&[6]))]))))
    }

    /// Returns the results as text: `+n` for entries returned at once, `=seq` for loaded batches, `!seq` for stale
    /// ones.
    fn results(matching: &mut Matching, read: &[u32]) -> Vec<String> {
        let mut results = Vec::new();
        let mut push = |matched: Option<Matched>| match matched {
            None => {}
            Some(Matched::Loaded { seq, entries, .. }) => results.push(format!("={seq} {}", entries.len())),
            Some(Matched::Stale { seq, entries }) => results.push(format!("!{seq} {}", entries.len())),
        };
        let mut direct = 0;
        for n in read {
            let (matched, entry) = matching.push(entry(*n, 0));
            push(matched);
            direct += entry.map_or(0, |_| 1);
        }
        push(matching.finish());
        results.push(format!("+{direct}"));
        results
    }

    #[test]
    fn a_batch_of_the_same_objects_is_loaded_already() {
        assert_eq!(results(&mut earlier(), &[1, 2, 3, 4, 5, 6]), ["=20 3", "=60 1", "+2"]);
    }

    #[test]
    fn a_batch_of_other_objects_is_stale() {
        assert_eq!(results(&mut earlier(), &[2, 4, 6, 7]), ["!20 2", "=60 1", "+1"], "one is no longer read");
        assert_eq!(results(&mut earlier(), &[2, 3, 3, 4]), ["!20 4", "+0"], "one more is read");
    }

    #[test]
    fn entries_in_no_range_are_passed_on_immediately() {
        assert_eq!(results(&mut Matching::new(None), &[1, 2, 3]), ["+3"]);
        let mut unordered = earlier();
        unordered.begin(IdOrder::Unordered);
        assert_eq!(results(&mut unordered, &[1, 2, 3]), ["+3"], "batches of the other order");
        assert_eq!(results(&mut earlier(), &[]), ["+0"]);
    }
}
