//! How long readings took from the topic to the warehouse.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use uuid::Uuid;

use super::super::count;
use super::{Percentiles, Point};

/// From publish to row, of the readings that were watched; each was seen when the warehouse was asked, not when it arrived.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
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
    pub curve: Vec<Point>,
    /// The first hundred that are missing.
    pub missing_ids: Vec<Uuid>,
    /// Looks that the warehouse did not answer, by reason.
    pub errors: BTreeMap<String, u64>,
    /// How long it was watched after the last message was published, seconds.
    pub waited_seconds: f64,
    /// Why it ended before everything had arrived.
    pub stopped: Option<String>,
}

impl fmt::Display for Lag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (arrived, watched) = (count(self.arrived), count(self.watched));
        write!(f, "{arrived} of {watched} seen: {}, within {:.0} ms", self.ms, self.resolution_ms)?;
        if self.unwatched > 0 {
            write!(f, "; {} not watched", count(self.unwatched))?;
        }
        Ok(())
    }
}
