//! Fills batches, and adjusts their size so that a transaction takes about 1 second.
//!
//! Records arrive in id order. All records with one id go into the same batch, which decides which of them becomes the
//! row.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use chrono::NaiveDate;

use super::order::{IdOrder, ReplayEntry};
use pipeline::lake::Partition;

/// Minimum and maximum rows per transaction; larger ones gain nothing (benches/RESULTS.md).
const ROWS: RangeInclusive<usize> = 500..=20_000;

/// Rows in the first batches.
const FIRST: usize = 10_000;

/// Target duration of a transaction.
const TARGET: Duration = Duration::from_millis(1_000);

/// Batch that is being filled.
#[derive(Debug)]
pub(super) struct Batching {
    current: Vec<ReplayEntry>,
    order: IdOrder,
    /// Rows that a batch should currently have.
    target: usize,
}

impl Batching {
    /// Returns an empty batch of at most `max` rows.
    pub(super) fn new(max: usize) -> Self {
        let mut batching = Self { current: Vec::new(), order: IdOrder::TimeOrdered, target: FIRST };
        batching.limit(max);
        batching
    }

    /// Starts a new order; records pushed from here on are in it.
    pub(super) fn begin(&mut self, order: IdOrder) {
        self.order = order;
    }

    /// Returns the order of the current records.
    pub(super) fn order(&self) -> IdOrder {
        self.order
    }

    /// Returns true if the batch must be taken before this record is added.
    pub(super) fn is_full_before(&self, next: &ReplayEntry) -> bool {
        self.current.len() >= self.target && self.current.last().is_some_and(|last| last.id != next.id)
    }

    /// Adds a record to the batch.
    pub(super) fn push(&mut self, entry: ReplayEntry) {
        self.current.push(entry);
    }

    /// Returns true if the batch is empty.
    pub(super) fn is_empty(&self) -> bool {
        self.current.is_empty()
    }

    /// Takes the records of the batch, and leaves it empty.
    pub(super) fn take(&mut self) -> Vec<ReplayEntry> {
        std::mem::take(&mut self.current)
    }

    /// Returns the days whose time-ordered records wait for their batch to be filled.
    pub(super) fn waiting_days(&self, places: &[Partition]) -> BTreeSet<NaiveDate> {
        days(self.order, &self.current, places)
    }

    /// Adjusts the size of the next batches to the duration of the last transactions; a batch has at most `max` rows.
    pub(super) fn retarget(&mut self, rows: u64, elapsed: Duration, transactions: u64, max: usize) {
        if rows >= *ROWS.start() as u64 && transactions > 0 {
            let per_transaction = elapsed.as_secs_f64() / transactions as f64;
            let ideal = rows as f64 / transactions as f64 * TARGET.as_secs_f64() / per_transaction.max(1e-3);
            self.target = (self.target + ideal.min(1e6) as usize) / 2;
        }
        self.limit(max);
    }

    fn limit(&mut self, max: usize) {
        self.target = self.target.clamp(*ROWS.start(), *ROWS.end()).min(max);
    }
}

/// Returns the days of time-ordered records; an empty set for other orders.
pub(super) fn days(order: IdOrder, entries: &[ReplayEntry], places: &[Partition]) -> BTreeSet<NaiveDate> {
    let entries = entries.iter().filter(|_| order == IdOrder::TimeOrdered);
    entries.map(|entry| places[entry.place as usize].day).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::entry;
    use super::*;

    #[test]
    fn a_batch_is_full_at_its_target_but_never_between_records_of_one_id() {
        let mut batching = Batching::new(3);
        let ids = [1, 2, 3, 3, 3, 4];
        let full: Vec<bool> = ids
            .map(|n| {
                let next = entry(n, 0);
                let full = batching.is_full_before(&next);
                batching.push(next);
                full
            })
            .into();
        assert_eq!(full, [false, false, false, false, false, true]);
        assert_eq!((batching.take().len(), batching.is_empty()), (6, true));
        assert!(!batching.is_full_before(&entry(9, 0)), "an empty batch is never full");
    }

    #[test]
    fn a_target_follows_the_time_of_a_transaction_between_its_bounds() {
        let mut batching = Batching::new(usize::MAX);
        assert_eq!(batching.target, FIRST);
        batching.retarget(10_000, Duration::from_secs(2), 1, usize::MAX);
        assert_eq!(batching.target, 7_500, "half of the way to 5,000");
        batching.retarget(400, Duration::from_secs(9), 1, usize::MAX);
        assert_eq!(batching.target, 7_500, "a small batch is not representative");
        batching.retarget(10_000, Duration::from_millis(1), 1, usize::MAX);
        assert_eq!(batching.target, *ROWS.end());
        (0..20).for_each(|_| batching.retarget(500, Duration::from_secs(60), 1, usize::MAX));
        assert_eq!(batching.target, *ROWS.start());
        batching.retarget(0, Duration::ZERO, 0, 7);
        assert_eq!(batching.target, 7, "a rate of rows allows less");
    }

    #[test]
    fn days_wait_only_where_records_are_time_ordered() {
        let day = |n| NaiveDate::from_ymd_opt(2023, 1, n).unwrap();
        let places = [1, 2].map(|n| Partition { day: day(n), farm: "a".into() });
        let mut batching = Batching::new(9);
        [entry(1, 0), entry(2, 1), entry(3, 1)].into_iter().for_each(|entry| batching.push(entry));
        assert_eq!(batching.waiting_days(&places), [day(1), day(2)].into());
        batching.begin(IdOrder::Unordered);
        assert!(batching.waiting_days(&places).is_empty());
    }
}
