//! What an audit says of the findings of an earlier one.

use serde::{Deserialize, Serialize};

/// What became of findings since an earlier audit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaselineDiff {
    /// The file that was held against.
    pub baseline: String,
    /// Findings that it has not.
    pub new: u64,
    /// Findings that it has too.
    pub persisting: u64,
    /// Findings that it has, and that are no more.
    pub resolved: u64,
}

impl BaselineDiff {
    /// Adds the comparison of another part with the same baseline, whose findings are all resolved in this part.
    pub(super) fn merge(&mut self, other: &Self) {
        self.new += other.new;
        self.resolved = self.resolved.saturating_sub(other.persisting);
        self.persisting += other.persisting;
    }
}
