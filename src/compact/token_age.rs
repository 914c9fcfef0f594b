//! Wait until an object is old enough that no later write can have its change token.
//!
//! In a directory a token consists of times and a size, and the clocks of file systems have a precision of milliseconds
//! or seconds. An object that is older than this when it is read can no longer be replaced under the same token.

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use pipeline::lake::Lake;

/// The age of objects in a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct TokenAge {
    /// Objects newer than this may still change under their token when the run starts.
    young: DateTime<Utc>,
    /// Time from which they can no longer change.
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
            tokio::time::sleep_until(self.until).await;
        }
    }
}
