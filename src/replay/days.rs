//! Determines when a day is complete: all its records are in batches, and all these batches are loaded.
//!
//! A complete day has a journal entry, and a resumed run does not read it again.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::journal_entries::DayEntry;
use super::tally::Tally;

/// Days that were read and are not complete.
#[derive(Debug)]
pub(super) struct DayLedger {
    days: BTreeMap<NaiveDate, DayProgress>,
    total: usize,
    read: usize,
}

/// State of a day that was read completely.
#[derive(Debug)]
struct DayProgress {
    /// Number of its batches that are not loaded.
    batches: usize,
    /// True if all its records are in batches, or wait for a batch to be filled.
    complete: bool,
    /// True if a resumed run must read it again: for unordered records, or for objects that may be readable by then.
    again: bool,
    entry: DayEntry,
}

impl DayLedger {
    /// Returns the ledger of a run that reads `total` days.
    pub(super) fn new(total: usize) -> Self {
        Self { days: BTreeMap::new(), total, read: 0 }
    }

    /// Opens a day; with `again`, no later session skips it.
    pub(super) fn open(&mut self, day: NaiveDate, tally: Tally, again: bool) {
        let entry = DayEntry { day, batches: BTreeSet::new(), tally };
        self.days.insert(day, DayProgress { batches: 0, complete: false, again, entry });
    }

    /// Marks that all records of a day were sent on.
    pub(super) fn complete(&mut self, day: NaiveDate) {
        if let Some(day) = self.days.get_mut(&day) {
            day.complete = true;
        }
        self.read += 1;
    }

    /// Returns the fraction of days that are read.
    pub(super) fn fraction(&self) -> f64 {
        self.read as f64 / self.total.max(1) as f64
    }

    /// Records that a batch of an earlier session contains records of that day.
    pub(super) fn resumed(&mut self, day: NaiveDate, seq: u64) {
        if let Some(day) = self.days.get_mut(&day) {
            day.entry.batches.insert(seq);
        }
    }

    /// Records that a batch with records of these days was sent.
    pub(super) fn batch_sent(&mut self, days: &BTreeSet<NaiveDate>) {
        for day in days {
            if let Some(day) = self.days.get_mut(day) {
                day.batches += 1;
            }
        }
    }

    /// Records that a batch with records of these days has ended, with the numbers of its entries by day. A batch that
    /// was not loaded keeps its days open for the rest of the run.
    pub(super) fn batch_ended(&mut self, days: &BTreeSet<NaiveDate>, seqs: &[(NaiveDate, u64)], is_in: bool) {
        for day in days {
            if let Some(progress) = self.days.get_mut(day) {
                progress.entry.batches.extend(seqs.iter().filter(|(of, _)| of == day).map(|(_, seq)| seq));
                progress.batches -= usize::from(is_in);
            }
        }
    }

    /// Takes the complete days, except those with records that wait for a batch. Returns the entries of those that need
    /// not be read again.
    pub(super) fn take_done(&mut self, waiting: &BTreeSet<NaiveDate>) -> Vec<DayEntry> {
        let done = |day: &NaiveDate, of: &DayProgress| of.complete && of.batches == 0 && !waiting.contains(day);
        let done: Vec<NaiveDate> = self.days.iter().filter(|(day, of)| done(day, of)).map(|(day, _)| *day).collect();
        let taken = done.iter().filter_map(|day| self.days.remove(day));
        taken.filter(|day| !day.again).map(|day| day.entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(n: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2023, 1, n).unwrap()
    }

    fn none() -> BTreeSet<NaiveDate> {
        BTreeSet::new()
    }

    #[test]
    fn a_day_is_done_when_all_its_records_and_all_its_batches_are_in() {
        let mut ledger = DayLedger::new(4);
        ledger.open(day(1), Tally::default(), false);
        let (both, first) = ([day(1), day(2)].into(), [day(1)].into());
        ledger.batch_sent(&both);
        ledger.batch_sent(&first);
        ledger.batch_ended(&both, &[(day(1), 7), (day(2), 8)], true);
        assert!(ledger.take_done(&none()).is_empty(), "records are to come");
        ledger.complete(day(1));
        assert!((ledger.fraction() - 0.25).abs() < 1e-9);
        assert!(ledger.take_done(&none()).is_empty(), "a batch is under way");
        ledger.resumed(day(1), 3);
        ledger.batch_ended(&first, &[(day(1), 9)], true);
        assert!(ledger.take_done(&first).is_empty(), "records wait for their batch to be full");
        let done = ledger.take_done(&none());
        assert_eq!(done.len(), 1);
        assert_eq!((done[0].day, done[0].batches.clone()), (day(1), [3, 7, 9].into()));
        assert!(ledger.take_done(&none()).is_empty(), "once");
    }

    #[test]
    fn a_day_with_a_batch_that_failed_or_that_must_be_read_again_has_no_entry() {
        let mut ledger = DayLedger::new(2);
        let days = [day(1), day(2)];
        ledger.open(day(1), Tally::default(), false);
        ledger.open(day(2), Tally::default(), true);
        ledger.batch_sent(&[day(1)].into());
        ledger.batch_ended(&[day(1)].into(), &[], false);
        for day in days {
            ledger.complete(day);
        }
        assert!(ledger.take_done(&none()).is_empty());
        assert_eq!(ledger.days.len(), 1, "only the day that is read again is complete");
    }

    #[test]
    fn a_day_without_records_is_done_as_soon_as_it_is_read() {
        let mut ledger = DayLedger::new(1);
        ledger.open(day(1), Tally::default(), false);
        ledger.complete(day(1));
        assert_eq!(ledger.take_done(&none()).len(), 1);
    }
}
