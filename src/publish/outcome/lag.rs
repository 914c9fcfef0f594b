//! Lag: how long readings took from the topic to the warehouse.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{PercentilePoint, Percentiles};

/// Delivery of the watched readings, from publish to warehouse row. An arrival is timed when a poll finds the row, not
/// when it was written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Lag {
    /// Distinct ids that were watched.
    pub watched: u64,
    /// Readings that were not watched, because there were too many at once.
    pub not_watched: u64,
    /// Readings whose row was found.
    pub arrived: u64,
    /// Readings whose row existed before they were published; they are not part of the lag.
    pub already_present: u64,
    /// Readings whose row was not found before the watch ended.
    pub missing: u64,
    /// Time from the topic's response to the poll that found the row.
    pub lag_ms: Percentiles,
    /// Longest time between two polls for the same reading, in milliseconds: the precision of the lags.
    pub resolution_ms: f64,
    /// Lag by percentile.
    pub lag_curve: Vec<PercentilePoint>,
    /// The first 100 missing ids.
    pub missing_ids: Vec<Uuid>,
    /// Failed warehouse polls, by reason.
    pub errors: BTreeMap<String, u64>,
    /// How long the watch lasted after the last message was published, in seconds.
    pub waited_seconds: f64,
    /// Why the watch ended before everything had arrived; `None` if everything arrived.
    pub stopped: Option<String>,
    /// Delivery of the readings that a truth file expects; `None` if there is no truth file.
    pub truth: Option<TruthDelivery>,
}

/// Readings that a truth file expects in the warehouse, and how many of them arrived before the watch ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TruthDelivery {
    /// Path of the truth file.
    pub file: String,
    /// Distinct readings that must be in the warehouse, of those looked up.
    pub ids: u64,
    /// Readings found.
    pub arrived: u64,
    /// Readings not found.
    pub missing: u64,
    /// Readings not found by injected fault; `none` for readings without one.
    pub missing_by_fault: BTreeMap<String, u64>,
    /// The first 100 missing readings.
    pub missing_readings: Vec<MissingReading>,
    /// Why not all of them were looked up; `None` if they were.
    pub stopped: Option<String>,
}

/// A reading that never arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingReading {
    /// Its id.
    pub id: Uuid,
    /// History file that contains it.
    pub file: String,
    /// Line in that file, from 1.
    pub line: u64,
    /// Fault injected into it; `None` if there is none.
    pub fault: Option<String>,
}

impl Lag {
    /// Returns the number of readings that never arrived: of those the truth file expects, or else of those watched.
    pub fn never_arrived(&self) -> u64 {
        self.truth.as_ref().map_or(self.missing, |truth| truth.missing)
    }

    /// Returns true if every expected reading was looked up.
    pub fn is_complete(&self) -> bool {
        self.truth.as_ref().is_none_or(|truth| truth.stopped.is_none())
    }
}
