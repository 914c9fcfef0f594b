//! Options of a replay, in its outcome and journal.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

/// Options of a replay.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReplayOptions {
    /// Directories of the farms; empty for all farms.
    pub farms: Vec<String>,
    /// First day of the partitions.
    pub from: Option<NaiveDate>,
    /// Last day of the partitions.
    pub to: Option<NaiveDate>,
    /// Only records processed no later than this.
    pub processed_until: Option<DateTime<Utc>>,
    /// Only records whose `data` is on this day or later.
    pub data_from: Option<NaiveDate>,
    /// Only records whose `data` is on this day or earlier.
    pub data_to: Option<NaiveDate>,
    /// If set, the lake is read in its state at that time.
    pub as_of: Option<DateTime<Utc>>,
    /// Number of objects in the drift file. `None` without one.
    pub selected_objects: Option<u64>,
    /// Number of these outside of the requested farms and days; they are not read.
    pub selected_out_of_span: u64,
    /// Handling of conflicts: `keep`, `overwrite` or `fail`.
    pub on_conflict: String,
    /// Shard, if the replay runs in shards: the start of its plan's id, and its number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<String>,
}
