//! What of an outcome is in its JSON for a merge only: no page and no text shows it.

use serde::{Deserialize, Serialize};

use crate::reconcile::FindingCounts;

/// State that the merge of outcomes needs beyond what they show.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carry {
    /// Findings of each kind and cause by farm and day, from which patterns are derived.
    pub places: FindingCounts,
    /// What was processed within minutes before the audit began.
    pub(super) late: RecentlyProcessed,
    /// Whether a repair was requested.
    pub repair_asked: bool,
}

/// What was processed so shortly before the audit that its row may be on the way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RecentlyProcessed {
    /// Records of the lake.
    pub records: u64,
    /// Of these, findings of the lake only.
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
