//! Wait until an object is old enough that no later write can have its change token.
//!
//! A directory's token is a time and a size, and file systems have clocks of some milliseconds, some of seconds. An object
//! that is read when it is older than that cannot be replaced under the same token any more.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

/// Precision of the clocks of file systems.
const PRECISION: Duration = Duration::from_secs(2);

/// The age of objects in a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settle {
    /// Objects newer than this may still change under their token when the run starts.
    young: DateTime<Utc>,
    /// When they no longer can.
    until: Instant,
}

impl Settle {
    /// Starts a run with that cutoff.
    pub(super) fn new(cutoff: DateTime<Utc>) -> Self {
        let precision = TimeDelta::from_std(PRECISION).unwrap_or_default();
        Self { young: cutoff - precision, until: Instant::now() + PRECISION }
    }

    /// Waits until an object with that time can be read.
    pub(super) async fn wait(self, modified: DateTime<Utc>) {
        if modified > self.young {
            tokio::time::sleep_until(self.until.into()).await;
        }
    }
}
