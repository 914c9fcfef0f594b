//! Result of replacing a damaged table with a new one.

use serde::{Deserialize, Serialize};

/// Swap of a new table for the old one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TableSwap {
    /// Name under which the new table was loaded.
    pub shadow: String,
    /// Table name that it received in the swap.
    pub table: String,
    /// New name of the old table. `None` if there was no old table, or no swap.
    pub old: Option<String>,
    /// True if the tables were swapped.
    pub swapped: bool,
    /// Why they were not swapped, and what to do.
    pub reason: Option<String>,
    /// Rows of the old table that the new one lacks: no object in the lake contains them.
    pub only_in_old: u64,
    /// Rows that others added to the old table before the swap and after they were counted; no object in the lake
    /// contains them.
    pub added_before_swap: u64,
    /// Objects that arrived during the load and were also loaded; they are included in the outcome's counts.
    pub caught_up: u64,
}

impl TableSwap {
    /// Adds the result of another swap of the same table; the newer one determines where the tables are.
    pub(super) fn merge(&mut self, newer: Self) {
        let (only_in_old, caught_up) = (newer.only_in_old, self.caught_up + newer.caught_up);
        *self = Self { only_in_old, caught_up, ..newer };
    }
}
