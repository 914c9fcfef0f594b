//! Selection of the records of a run by limits on their content.

use chrono::{DateTime, NaiveDate, Utc};

use super::outcome::Counter;
use pipeline::record::Record;

/// Limits on the content of a record; without limits, every record is included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RecordFilter {
    /// Only records processed no later than this (`row_ts`).
    pub until: Option<DateTime<Utc>>,
    /// Only records with `data` on this day or later.
    pub data_from: Option<NaiveDate>,
    /// Only records with `data` on this day or earlier.
    pub data_to: Option<NaiveDate>,
}

impl RecordFilter {
    /// Returns the counter of the limit that excludes the record, or `None` if it is included.
    pub(super) fn filtered_by(&self, record: &Record) -> Option<Counter> {
        let day = record.reading.data.date_naive();
        if self.until.is_some_and(|until| record.row_ts > until) {
            Some(Counter::ProcessedLater)
        } else if self.data_from.is_some_and(|from| day < from) || self.data_to.is_some_and(|to| day > to) {
            Some(Counter::DataRange)
        } else {
            None
        }
    }
}
