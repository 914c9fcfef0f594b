//! How long readings took from the topic to the warehouse.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{PercentilePoint, Percentiles};

/// From publish to row, of the readings that were watched; each was seen when the warehouse was asked, not when it arrived.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Lag {
    /// Readings that were looked for: distinct ids.
    pub watched: u64,
    /// Readings that were not, because there were too many at once to look for.
    pub unwatched: u64,
    /// Those whose row was seen.
    pub arrived: u64,
    /// Those whose row was there before they were published: they say nothing of the lag.
    pub already: u64,
    /// Those whose row was not seen until the watch ended.
    pub missing: u64,
    /// From the answer of the topic to the moment when the row was seen.
    pub ms: Percentiles,
    /// The longest time between two looks at the same reading: how coarse the lags are, milliseconds.
    pub resolution_ms: f64,
    /// The lags by percentile.
    pub curve: Vec<PercentilePoint>,
    /// The first hundred that are missing.
    pub missing_ids: Vec<Uuid>,
    /// Failed warehouse polls, by reason.
    pub errors: BTreeMap<String, u64>,
    /// How long it was watched after the last message was published, seconds.
    pub waited_seconds: f64,
    /// Why it ended before everything had arrived.
    pub stopped: Option<String>,
    /// What the truth file says must have arrived, where there is one.
    pub truth: Option<TruthDelivery>,
}

/// What a truth file says must arrive, and what of it did until the watch ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TruthDelivery {
    /// The truth file.
    pub file: String,
    /// Distinct readings that must be in the warehouse, of those looked for.
    pub ids: u64,
    /// Those that are there.
    pub arrived: u64,
    /// Those that are not.
    pub missing: u64,
    /// Those that are not, by the fault that was done to them, `none` where there was none.
    pub missing_of: BTreeMap<String, u64>,
    /// The first hundred that are missing.
    pub readings: Vec<MissingReading>,
    /// Why it was not looked for all of them.
    pub stopped: Option<String>,
}

/// A reading that never arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingReading {
    /// Its id.
    pub id: Uuid,
    /// The history file it was delivered in.
    pub file: String,
    /// The line in that file, from 1.
    pub line: u64,
    /// What was done to it.
    pub fault: Option<String>,
}

impl Lag {
    /// Readings that are known to have never arrived: of what the truth expects, where there is one, else of what was watched.
    pub fn never_arrived(&self) -> u64 {
        self.truth.as_ref().map_or(self.missing, |truth| truth.missing)
    }

    /// Whether everything that was to be looked for was.
    pub fn is_whole(&self) -> bool {
        self.truth.as_ref().is_none_or(|truth| truth.stopped.is_none())
    }
}
