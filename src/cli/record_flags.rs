//! Flags of `replay` and `plan replay` that select records by their content.

use anyhow::ensure;
use chrono::{DateTime, NaiveDate, Utc};

use super::times::{day, end_of_period};
use crate::replay::RecordFilter;

/// Limits on records.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct RecordFlags {
    /// Only records processed (row_ts) at or before this RFC 3339 timestamp, or on or before this day
    #[arg(long, value_name = "TIMESTAMP|DATE", value_parser = end_of_period)]
    processed_until: Option<DateTime<Utc>>,
    /// Only records whose field `data` (the reading's date) is on or after this day, regardless of their path
    #[arg(long, value_name = "DATE", value_parser = day)]
    data_from: Option<NaiveDate>,
    /// Only records whose field `data` (the reading's date) is on or before this day
    #[arg(long, value_name = "DATE", value_parser = day)]
    data_to: Option<NaiveDate>,
}

impl RecordFlags {
    /// Returns the limits.
    ///
    /// # Errors
    /// Returns an error if no day is within them.
    pub(super) fn filter(&self) -> anyhow::Result<RecordFilter> {
        if let (Some(from), Some(to)) = (self.data_from, self.data_to) {
            ensure!(from <= to, "--data-from {from} is after --data-to {to}");
        }
        Ok(RecordFilter { until: self.processed_until, data_from: self.data_from, data_to: self.data_to })
    }
}
