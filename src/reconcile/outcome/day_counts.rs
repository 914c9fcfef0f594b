//! Counts of one farm's day, and their list in the JSON.

use chrono::NaiveDate;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::is_zero;
use crate::reconcile::FarmDays;

/// Counts of one farm's day, on both sides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayCounts {
    /// Records of the lake.
    pub lake: u64,
    /// Rows of the warehouse.
    pub warehouse: u64,
    /// Findings.
    pub drift: u64,
    /// Objects in an archive tier.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub archived: u64,
    /// Rows whose records belong to other days or farms; they do not show that this day should have records.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub out_of_window: u64,
}

impl DayCounts {
    /// Returns true if anything exists that belongs to this day.
    pub(super) fn is_a_day_of_its_farm(&self) -> bool {
        self.lake + self.drift + self.archived > 0 || self.warehouse > self.out_of_window
    }

    /// Adds the counts of the same day in another part.
    pub(super) fn merge(&mut self, other: &Self) {
        self.lake += other.lake;
        self.warehouse += other.warehouse;
        self.drift += other.drift;
        self.archived += other.archived;
        self.out_of_window += other.out_of_window;
    }
}

#[derive(Serialize)]
struct WrittenDay<'a> {
    /// Directory of the farm.
    farm: &'a str,
    /// Day of `data`.
    day: NaiveDate,
    #[serde(flatten)]
    counts: &'a DayCounts,
}

#[derive(Deserialize)]
struct ReadDay {
    farm: String,
    day: NaiveDate,
    #[serde(flatten)]
    counts: DayCounts,
}

pub(super) fn serialize<S: Serializer>(days: &FarmDays<DayCounts>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(days.iter().map(|(farm, day, counts)| WrittenDay { farm, day, counts }))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<FarmDays<DayCounts>, D::Error> {
    let mut days = FarmDays::<DayCounts>::default();
    for ReadDay { farm, day, counts } in Vec::<ReadDay>::deserialize(deserializer)? {
        days.of(&farm, day).merge(&counts);
    }
    Ok(days)
}
