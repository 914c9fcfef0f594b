//! Which records a run is about: objects named one by one, and limits on what they hold.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use sha2::{Digest, Sha256};

use crate::record::Record;

/// The objects a run is limited to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Only(pub BTreeSet<String>);

impl Only {
    /// The keys that a drift file names, one JSON object a line.
    ///
    /// # Errors
    /// A line is no JSON, or no line names a key.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut keys = BTreeSet::new();
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let value: serde_json::Value = serde_json::from_str(line).map_err(|e| format!("line {}: {e}", at + 1))?;
            if let Some(key) = value.get("key").and_then(serde_json::Value::as_str) {
                keys.insert(key.to_owned());
            }
        }
        if keys.is_empty() {
            return Err("no line names a key".into());
        }
        Ok(Self(keys))
    }

    /// What tells these objects from others: a hash over their keys.
    pub(super) fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for key in &self.0 {
            hash.update(key);
            hash.update([0]);
        }
        crate::hex::hex(&hash.finalize())
    }
}

/// Limits on what a record holds; without any, every record is meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Filter {
    /// Processed no later than this (`row_ts`).
    pub until: Option<DateTime<Utc>>,
    /// `data` on this day or later.
    pub data_from: Option<NaiveDate>,
    /// `data` on this day or earlier.
    pub data_to: Option<NaiveDate>,
}

/// The limit that leaves a record out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beyond {
    Until,
    Data,
}

impl Filter {
    /// The limit that leaves this record out, if one does.
    pub(super) fn beyond(&self, record: &Record) -> Option<Beyond> {
        let day = record.reading.data.date_naive();
        if self.until.is_some_and(|until| record.row_ts > until) {
            Some(Beyond::Until)
        } else if self.data_from.is_some_and(|from| day < from) || self.data_to.is_some_and(|to| day > to) {
            Some(Beyond::Data)
        } else {
            None
        }
    }
}
