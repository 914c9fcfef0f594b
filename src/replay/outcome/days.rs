//! Results of the objects per farm and day.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Counts by farm and day, sorted in that order.
pub type Days = BTreeMap<(String, NaiveDate), DayCounts>;

/// Results of the objects of one partition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DayCounts {
    /// Objects listed.
    pub listed: u64,
    /// Of these, rows with other values that were kept.
    #[serde(skip_serializing_if = "is_zero")]
    pub conflicting: u64,
    /// Objects without a valid record, and records that the table rejects.
    #[serde(skip_serializing_if = "is_zero")]
    pub rejected: u64,
    /// Objects in an archive tier.
    #[serde(skip_serializing_if = "is_zero")]
    pub archived: u64,
    /// Objects that could not be fetched or are not JSON.
    #[serde(skip_serializing_if = "is_zero")]
    pub unreadable: u64,
    /// Skipped objects.
    #[serde(skip_serializing_if = "is_zero")]
    pub skipped: u64,
    /// Records read and not loaded, because the run stopped early.
    #[serde(skip_serializing_if = "is_zero")]
    pub not_loaded: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl DayCounts {
    /// Returns the number of records that are now in the warehouse with the lake's values.
    pub fn recovered(&self) -> u64 {
        self.listed.saturating_sub(self.missing() + self.skipped)
    }

    /// Returns the number of objects whose records should be in the warehouse with the lake's values, and are not.
    pub fn missing(&self) -> u64 {
        self.conflicting + self.rejected + self.archived + self.unreadable + self.not_loaded
    }

    /// Adds the counts of another.
    pub fn merge(&mut self, other: &Self) {
        self.listed += other.listed;
        self.conflicting += other.conflicting;
        self.rejected += other.rejected;
        self.archived += other.archived;
        self.unreadable += other.unreadable;
        self.skipped += other.skipped;
        self.not_loaded += other.not_loaded;
    }
}

/// Serializes the days to a list of objects with farm, day, and number of recovered records.
pub(super) fn serialize<S: Serializer>(days: &Days, to: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Day<'a> {
        /// Directory of the farm.
        farm: &'a str,
        /// Day of the partition.
        day: NaiveDate,
        /// Records that are in the warehouse with the lake's values.
        recovered: u64,
        #[serde(flatten)]
        counts: &'a DayCounts,
    }
    to.collect_seq(days.iter().map(|((farm, day), counts)| Day {
        farm,
        day: *day,
        recovered: counts.recovered(),
        counts,
    }))
}

/// Deserializes that list; the number of recovered records follows from the counts.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Days, D::Error> {
    #[derive(Deserialize)]
    struct Day {
        farm: String,
        day: NaiveDate,
        #[serde(flatten)]
        counts: DayCounts,
    }
    let days = Vec::<Day>::deserialize(from)?;
    Ok(days.into_iter().map(|Day { farm, day, counts }| ((farm, day), counts)).collect())
}
