//! Comparison of an audit's findings with those of an earlier audit.

use serde::{Deserialize, Serialize};

/// Changes of the findings since an earlier audit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaselineDiff {
    /// File of the earlier audit.
    pub baseline: String,
    /// Number of findings that are not in the earlier audit.
    pub new: u64,
    /// Number of findings in both audits.
    pub persisting: u64,
    /// Number of findings that are only in the earlier audit.
    pub resolved: u64,
}

impl BaselineDiff {
    /// Adds the comparison of another part with the same baseline; each part counts the other's findings as resolved.
    pub(super) fn merge(&mut self, other: &Self) {
        self.new += other.new;
        self.resolved = self.resolved.saturating_sub(other.persisting);
        self.persisting += other.persisting;
    }
}
