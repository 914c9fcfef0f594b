//! Selection of the records of a run: individual objects, and limits on their content.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use sha2::{Digest, Sha256};

use super::outcome::Counter;
use pipeline::lake::{Partition, Span};
use pipeline::record::Record;

/// Objects that a run is limited to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectSelection(pub BTreeSet<String>);

impl ObjectSelection {
    /// Parses the keys in a drift file, with one JSON object per line. The result is empty if the audit was clean, or
    /// found only rows without an object.
    ///
    /// # Errors
    /// Returns an error if a line is not JSON, or if no line has a key and a line is not a finding of an audit.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut keys = BTreeSet::new();
        let mut findings_only = true;
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let value: serde_json::Value = serde_json::from_str(line).map_err(|e| format!("line {}: {e}", at + 1))?;
            let member = |name| value.get(name).and_then(serde_json::Value::as_str);
            findings_only &= member("kind").is_some();
            keys.extend(member("key").map(str::to_owned));
        }
        if keys.is_empty() && !findings_only {
            return Err("no line names a key".into());
        }
        Ok(Self(keys))
    }

    /// Removes the objects whose path is outside of the span, and returns their number.
    pub(super) fn restrict_to(&mut self, span: &Span) -> u64 {
        let before = self.0.len();
        // A key that is not a path of the lake is kept; it is then reported as missing.
        let inside = |place: Partition| span.has_day(place.day) && span.has_farm(&place.farm);
        self.0.retain(|key| Partition::of_key(key).is_none_or(inside));
        (before - self.0.len()) as u64
    }

    /// Returns a hash of the keys, which identifies the selection.
    pub(super) fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for key in &self.0 {
            hash.update(key);
            hash.update([0]);
        }
        pipeline::hex::hex(&hash.finalize())
    }
}

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
