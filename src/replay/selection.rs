//! Which records a run is about: objects named one by one, and limits on what they hold.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use sha2::{Digest, Sha256};

use super::outcome::Counter;
use pipeline::lake::{Partition, Span};
use pipeline::record::Record;

/// The objects a run is limited to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectSelection(pub BTreeSet<String>);

impl ObjectSelection {
    /// The keys that a drift file names, one JSON object a line; none where the audit was clean, or found only rows that no
    /// object has.
    ///
    /// # Errors
    /// A line is no JSON, or no line names a key and one is no finding of an audit either.
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

    /// Leaves out the objects whose path is outside of the span, and says how many they are.
    pub(super) fn restrict_to(&mut self, span: &Span) -> u64 {
        let before = self.0.len();
        // A key that is no path of the lake stays: it will not be found.
        let inside = |place: Partition| span.has_day(place.day) && span.has_farm(&place.farm);
        self.0.retain(|key| Partition::of_key(key).is_none_or(inside));
        (before - self.0.len()) as u64
    }

    /// What tells these objects from others: a hash over their keys.
    pub(super) fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for key in &self.0 {
            hash.update(key);
            hash.update([0]);
        }
        pipeline::hex::hex(&hash.finalize())
    }
}

/// Limits on what a record holds; without any, every record is meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RecordFilter {
    /// Processed no later than this (`row_ts`).
    pub until: Option<DateTime<Utc>>,
    /// `data` on this day or later.
    pub data_from: Option<NaiveDate>,
    /// `data` on this day or earlier.
    pub data_to: Option<NaiveDate>,
}

impl RecordFilter {
    /// What a record that is left out is counted as, if it is left out.
    pub(super) fn filtered_by(&self, record: &Record) -> Option<Counter> {
        let day = record.reading.data.date_naive();
        if self.until.is_some_and(|until| record.row_ts > until) {
            Some(Counter::Until)
        } else if self.data_from.is_some_and(|from| day < from) || self.data_to.is_some_and(|to| day > to) {
            Some(Counter::Data)
        } else {
            None
        }
    }
}
