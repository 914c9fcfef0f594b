//! The outcome of a whole out of the outcomes of its parts: audits of disjoint parts of the same two stores.
//!
//! Counts, days, control totals, causes and problems add up. Samples are again the first of all. What is derived from
//! these (gaps, patterns, what was not checked) is derived again. What is the same for all parts (run, options, stores) is
//! taken from the first one. The order and the grouping of the parts do not matter otherwise.
//!
//! The JSON of an outcome has its sums as `f64` and not the days of each kind of finding. An outcome that came back from
//! its JSON is merged with rounded sums, and has no patterns of its own to contribute.

use super::{Outcome, RecentlyProcessed};
use crate::reader::cache::CacheStats;

impl RecentlyProcessed {
    fn merge(&mut self, other: Self) {
        self.records += other.records;
        self.lake_only += other.lake_only;
    }
}

impl Outcome {
    /// Adds the outcome of another part of the same stores.
    pub fn merge(&mut self, other: Self) {
        self.cutoff = [self.cutoff, other.cutoff].into_iter().flatten().min();
        if self.window_column.is_empty() {
            self.window_column = other.window_column;
        }
        self.counts += &other.counts;
        merge_some(&mut self.truth, other.truth, |mine, theirs| mine.merge(theirs));
        self.quick |= other.quick;
        merge_some(&mut self.cache, other.cache, |mine, theirs| add_served(mine, &theirs));
        self.snapshots += other.snapshots;
        self.parts = self.parts.max(1) + other.parts.max(1);
        self.repaired.merge(other.repaired);
        self.seconds = self.seconds.max(other.seconds);
        self.stopped = first(self.stopped.take(), other.stopped);
        self.halted = first(self.halted.take(), other.halted);
        merge_some(&mut self.since, other.since, |mine, theirs| mine.merge(&theirs));
        self.control.merge(&other.control);
        self.days.merge(&other.days, |mine, theirs| mine.merge(theirs));
        for (cause, n) in other.causes {
            *self.causes.entry(cause).or_default() += n;
        }
        self.places.merge(&other.places);
        self.late.merge(other.late);
        self.samples.merge(&other.samples);
        self.problems.merge(other.problems);
        self.repair_asked |= other.repair_asked;
        if self.is_whole() {
            self.find_gaps();
        } else {
            self.gaps.clear();
        }
        self.finalize();
    }
}

/// Adds up how the caches of two parts served.
fn add_served(mine: &mut CacheStats, theirs: &CacheStats) {
    mine.hits += theirs.hits;
    mine.read += theirs.read;
    mine.not_believed += theirs.not_believed;
    mine.written += theirs.written;
    mine.not_written += theirs.not_written;
}

/// The smaller of two reasons, so that it does not matter which part had which.
pub(super) fn first(one: Option<String>, other: Option<String>) -> Option<String> {
    [one, other].into_iter().flatten().min()
}

fn merge_some<T>(mine: &mut Option<T>, theirs: Option<T>, merge: impl FnOnce(&mut T, T)) {
    match (mine.as_mut(), theirs) {
        (Some(mine), Some(theirs)) => merge(mine, theirs),
        (None, theirs) => *mine = theirs,
        (Some(_), None) => {}
    }
}
