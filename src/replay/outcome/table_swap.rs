//! What happened when a new table was to take the place of a damaged one.

use serde::{Deserialize, Serialize};

/// The swap of a new table for the old one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TableSwap {
    /// The table that was loaded.
    pub shadow: String,
    /// The table's name that it took, once it was swapped in.
    pub table: String,
    /// What the old table is called now; `None` where there was none, or nothing was swapped.
    pub old: Option<String>,
    /// Whether the tables were swapped.
    pub swapped: bool,
    /// Why they were not, and what to do.
    pub why_not: Option<String>,
    /// Rows of the old table that the new one lacks: they are in no object of the lake.
    pub only_in_old: u64,
    /// Objects that came into the lake while it was loaded and were loaded too; the outcome's counts have them as well.
    pub caught_up: u64,
}

impl TableSwap {
    /// Adds what another swap of the same table found; the newer one says where the tables are.
    pub(super) fn merge(&mut self, newer: Self) {
        let (only_in_old, caught_up) = (newer.only_in_old, self.caught_up + newer.caught_up);
        *self = Self { only_in_old, caught_up, ..newer };
    }
}
