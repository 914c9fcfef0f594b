//! Wait until an object is old enough that no later write can have its change token.
//!
//! A directory's token is a time and a size, and file systems have clocks of some milliseconds, some of seconds. An object
//! that is read when it is older than that cannot be replaced under the same token any more.

use std::time::Instant;

use chrono::{DateTime, Utc};

use pipeline::lake::Lake;

/// The age of objects in a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct TokenAge {
    /// Objects newer than this may still change under their token when the run starts.
    young: DateTime<Utc>,
    /// When they no longer can.
    until: Instant,
}

impl TokenAge {
    /// Starts a run with that cutoff.
    pub(super) fn new(lake: &dyn Lake, cutoff: DateTime<Utc>) -> Self {
        let precision = lake.token_precision();
        Self { young: cutoff - precision, until: Instant::now() + precision.to_std().unwrap_or_default() }
    }

    /// Waits until an object with that time can be read.
    pub(super) async fn wait(self, modified: DateTime<Utc>) {
        if modified > self.young {
            tokio::time::sleep_until(self.until.into()).await;
        }
    }
}
