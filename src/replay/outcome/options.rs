//! What a replay was asked for, as its outcome and the journal say it.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

/// What a replay was asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReplayOptions {
    /// Folders of the farms; empty for all.
    pub farms: Vec<String>,
    /// The first day of the partitions.
    pub from: Option<NaiveDate>,
    /// The last day of the partitions.
    pub to: Option<NaiveDate>,
    /// Only records processed no later than this.
    pub until: Option<DateTime<Utc>>,
    /// Only records whose `data` is on this day or later.
    pub data_from: Option<NaiveDate>,
    /// Only records whose `data` is on this day or earlier.
    pub data_to: Option<NaiveDate>,
    /// The lake as it was at that time.
    pub versions_at: Option<DateTime<Utc>>,
    /// How many objects a drift file names, where it is given.
    pub only: Option<u64>,
    /// Of these, how many lie outside of the farms and days that are asked for, and are not looked at.
    pub only_outside: u64,
    /// What is done with conflicts: `keep`, `overwrite` or `fail`.
    pub on_conflict: String,
}
