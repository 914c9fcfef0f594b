//! Merges the outcomes of audits of disjoint parts of the same two stores.
//!
//! Counts, days, control totals, causes and problems are added. Samples are the first ones of all parts. Derived values
//! (gaps, patterns, unchecked items) are derived again. Values common to all parts (run, options, stores) come from the
//! first one. Otherwise the order and grouping of the parts do not matter.
//!
//! [`Outcome::merge`] is for audits that were concluded on their own, by programs that use this library; no command calls it, and
//! its tests state its laws. `ruminate merge` concludes an audit of shards instead
//! (`shard/combine.rs`, which calls `withdrawn.rs`); that adds their counts with `add_counts` and derives the rest once.
//!
//! Merging an outcome that was read from JSON gives the same result. Rounded sums have their exact value next to them,
//! and state that is not displayed is in [`Carry`](super::Carry).

use super::Outcome;
use crate::inventory::InventoryInfo;
use crate::parts::PartsStats;
use crate::reader::cache::CacheStats;

impl Outcome {
    /// Adds the outcome of another part of the same stores.
    pub fn merge(&mut self, other: Self) {
        self.add_counts(&other);
        // Every field is named, so that a new one cannot be forgotten.
        #[rustfmt::skip]
        let Self {
            // Common to all parts.
            run: _, options: _, lake: _, lake_endpoint: _, warehouse: _, server: _, stores: _, max_drift: _,
            // Added by `add_counts`.
            counts: _, skips: _, control: _, days: _, causes: _, carry: _, samples: _, problems: _,
            // Derived again.
            patterns: _, gaps: _, not_checked: _, limitations: _,
            cutoff, window_column, truth, quick, cache, from_parts, listing, snapshots, parts, repaired, repairable,
            seconds,
            stopped, halted, since_baseline,
        } = other;
        self.cutoff = [self.cutoff, cutoff].into_iter().flatten().min();
        if self.window_column.is_empty() {
            self.window_column = window_column;
        }
        merge_some(&mut self.truth, truth, |mine, theirs| mine.merge(theirs));
        self.quick |= quick;
        merge_some(&mut self.cache, cache, |mine, theirs| add_served(mine, &theirs));
        PartsStats::merge_some(&mut self.from_parts, from_parts);
        InventoryInfo::merge_some(&mut self.listing, listing);
        self.snapshots += snapshots;
        self.parts = self.parts.max(1) + parts.max(1);
        self.repaired.merge(repaired);
        merge_some(&mut self.repairable, repairable, |mine, theirs| mine.merge(theirs));
        self.seconds = self.seconds.max(seconds);
        self.stopped = first(self.stopped.take(), stopped);
        self.halted = first(self.halted.take(), halted);
        merge_some(&mut self.since_baseline, since_baseline, |mine, theirs| mine.merge(&theirs));
        if self.is_complete() {
            self.find_gaps();
        } else {
            self.gaps.clear();
        }
        self.finalize();
    }

    /// Adds the counts of another part, and nothing that is derived from them or belongs to its run.
    pub(in crate::reconcile) fn add_counts(&mut self, other: &Self) {
        self.counts += &other.counts;
        self.skips += &other.skips;
        self.control.merge(&other.control);
        self.days.merge(&other.days, |mine, theirs| mine.merge(theirs));
        for (cause, n) in &other.causes {
            *self.causes.entry(cause.clone()).or_default() += n;
        }
        self.carry.merge(&other.carry);
        self.samples.merge(&other.samples);
        self.problems.merge(other.problems.clone());
    }
}

/// Adds the cache statistics of another part.
fn add_served(mine: &mut CacheStats, theirs: &CacheStats) {
    mine.hits += theirs.hits;
    mine.misses += theirs.misses;
    mine.invalid_files += theirs.invalid_files;
    mine.files_written += theirs.files_written;
    mine.write_failures += theirs.write_failures;
}

/// Returns the smaller of two reasons, so that the order of the parts does not matter.
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
