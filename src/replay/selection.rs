//! Selection of the records of a run: individual objects, and limits on their content.

use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead, Read as _};

use chrono::{DateTime, NaiveDate, Utc};
use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::xxh3_128;

use super::outcome::Counter;
use pipeline::lake::{Partition, Span};
use pipeline::record::Record;

/// Maximum length of a line of a drift file; findings have a few hundred bytes.
const MAX_LINE_BYTES: u64 = 16 * 1024 * 1024;

/// Hash of a key (XXH3, 128 bits): two of 10^12 keys have the same with a probability of 10^-15.
type KeyHash = u128;

/// Objects that a run is limited to: 16 bytes per key, by partition. `None` are keys that are no path of a lake.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectSelection(BTreeMap<Option<Partition>, HashSet<KeyHash>>);

impl ObjectSelection {
    /// Reads the keys in a drift file, with one JSON object per line. The result is empty if the audit was clean, or
    /// found only rows without an object.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, if a line is not JSON, or if no line has a key and a line is not a
    /// finding of an audit.
    pub fn read(mut file: impl BufRead) -> Result<Self, String> {
        let mut selection = Self::default();
        let (mut findings_only, mut number, mut line) = (true, 0, Vec::new());
        loop {
            line.clear();
            number += 1;
            let read = file.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line).map_err(|e| e.to_string())?;
            if read == 0 {
                break;
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            let value: serde_json::Value = serde_json::from_slice(&line).map_err(|e| format!("line {number}: {e}"))?;
            let member = |name| value.get(name).and_then(serde_json::Value::as_str);
            findings_only &= member("kind").is_some();
            if let Some(key) = member("key") {
                selection.insert(key);
            }
        }
        if selection.is_empty() && !findings_only {
            return Err("no line names a key".into());
        }
        Ok(selection)
    }

    /// Adds an object.
    pub(super) fn insert(&mut self, key: &str) {
        self.0.entry(Partition::of_key(key)).or_default().insert(xxh3_128(key.as_bytes()));
    }

    /// Returns true if the run is limited to no object at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the number of keys.
    pub(super) fn len(&self) -> u64 {
        self.0.values().map(|keys| keys.len() as u64).sum()
    }

    /// Returns true if the run includes an object.
    pub(super) fn contains(&self, key: &str) -> bool {
        let keys = self.0.get(&Partition::of_key(key));
        keys.is_some_and(|keys| keys.contains(&xxh3_128(key.as_bytes())))
    }

    /// Returns the partitions of the keys, in order.
    pub(super) fn partitions(&self) -> impl Iterator<Item = &Partition> {
        self.0.keys().flatten()
    }

    /// Removes the objects whose path is outside of the span, and returns their number.
    pub(super) fn restrict_to(&mut self, span: &Span) -> u64 {
        let before = self.len();
        // A key that is not a path of the lake is kept; it is then reported as missing.
        let inside = |place: &Partition| span.has_day(place.day) && span.has_farm(&place.farm);
        self.0.retain(|place, _| place.as_ref().is_none_or(inside));
        before - self.len()
    }

    /// Returns a hash of the keys, which identifies the selection.
    pub(super) fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for keys in self.0.values() {
            let mut keys: Vec<KeyHash> = keys.iter().copied().collect();
            keys.sort_unstable();
            keys.iter().for_each(|key| hash.update(key.to_be_bytes()));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drift_file_is_read_line_by_line_into_keys_and_their_partitions() {
        let key = |day: u32, n: u32| format!("fazenda_um/2023/01/{day:02}/historico_consumo_{n}.json");
        let mut text = String::from("\n{\"kind\":\"warehouse_only\",\"key\":null}\n");
        for n in 0..1_000 {
            text += &format!("{{\"kind\":\"misfiled\",\"key\":\"{}\"}}\n", key(1 + n % 3, n));
        }
        text += "{\"kind\":\"unreadable\",\"key\":\"stray.json\"}";
        let mut only = ObjectSelection::read(text.as_bytes()).unwrap();
        assert_eq!((only.len(), only.partitions().count()), (1_001, 3));
        assert!(only.contains(&key(2, 1)) && only.contains("stray.json") && !only.contains(&key(1, 1)));
        let twice = ObjectSelection::read(format!("{text}\n{text}").as_bytes()).unwrap();
        assert_eq!((twice.digest(), &twice), (only.digest(), &only));
        let span = Span { from: "2023-01-02".parse().ok(), ..Span::default() };
        assert_eq!((only.restrict_to(&span), only.len()), (334, 667));
        assert_ne!(twice.digest(), only.digest());
        assert!(ObjectSelection::read(&b"{\"kind\":\"lake_only\"}\n{"[..]).unwrap_err().contains("line 2"));
        assert!(ObjectSelection::read(&b"{\"id\":\"x\"}"[..]).is_err());
        assert!(ObjectSelection::read(&b""[..]).unwrap().is_empty());
    }
}
