//! State of an outcome that its JSON contains only for merging; it is not displayed.

use serde::{Deserialize, Serialize};

use crate::reconcile::FindingCounts;

/// State for merging outcomes that is not displayed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carry {
    /// Number of findings per kind and cause, by farm and day; patterns are derived from it.
    pub places: FindingCounts,
    /// Records processed within minutes before the audit started.
    pub(super) late: RecentlyProcessed,
    /// True if a repair was requested.
    pub repair_asked: bool,
}

/// Records processed so shortly before the audit that their rows may be in transit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RecentlyProcessed {
    /// Number of these records in the lake.
    pub records: u64,
    /// Number of these without a row.
    pub lake_only: u64,
}

impl Carry {
    /// Adds the state of another part.
    pub(super) fn merge(&mut self, other: &Self) {
        self.places.merge(&other.places);
        self.late.records += other.late.records;
        self.late.lake_only += other.late.lake_only;
        self.repair_asked |= other.repair_asked;
    }
}
