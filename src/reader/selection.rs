//! Selection of individual objects or records, from a drift file of an audit.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use pipeline::lake::{Partition, Span};

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
    pub(crate) fn restrict_to(&mut self, span: &Span) -> u64 {
        let before = self.0.len();
        // A key that is not a path of the lake is kept; it is then reported as missing.
        let inside = |place: Partition| span.has_day(place.day) && span.has_farm(&place.farm);
        self.0.retain(|key| Partition::of_key(key).is_none_or(inside));
        (before - self.0.len()) as u64
    }

    /// Returns a hash of the keys, which identifies the selection.
    pub(crate) fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for key in &self.0 {
            hash.update(key);
            hash.update([0]);
        }
        pipeline::hex::hex(&hash.finalize())
    }
}

/// Records that a run is limited to: by the key of their object, or by their id if a finding names no object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordSelection {
    keys: BTreeSet<String>,
    ids: BTreeSet<String>,
}

impl RecordSelection {
    /// Parses a drift file, with one JSON object per line.
    ///
    /// # Errors
    /// Returns an error if a line is not JSON, or has neither a key nor an id.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut selection = Self::default();
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let value: serde_json::Value = serde_json::from_str(line).map_err(|e| format!("line {}: {e}", at + 1))?;
            let member = |name| value.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
            match (member("key"), member("id")) {
                (Some(key), _) => drop(selection.keys.insert(key)),
                (None, Some(id)) => drop(selection.ids.insert(id)),
                (None, None) => return Err(format!("line {}: it has neither a key nor an id", at + 1)),
            }
        }
        Ok(selection)
    }

    /// Returns true if it has an object with this key, or a record with this id.
    pub fn has(&self, key: &str, id: Option<&str>) -> bool {
        self.keys.contains(key) || id.is_some_and(|id| self.ids.contains(id))
    }

    /// Returns the number of objects and records.
    pub fn len(&self) -> usize {
        self.keys.len() + self.ids.len()
    }

    /// Returns true if it is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_selects_its_object_or_without_one_its_record() {
        let text = "{\"kind\":\"unreadable\",\"id\":\"1\",\"key\":\"a/b\"}\n\n{\"kind\":\"warehouse_only\",\"id\":\"2\",\"key\":null}\n";
        let selection = RecordSelection::parse(text).unwrap();
        assert_eq!(selection.len(), 2);
        assert!(selection.has("a/b", None) && selection.has("x", Some("2")) && !selection.has("x", Some("1")));
        assert!(RecordSelection::parse("{}").unwrap_err().contains("line 1"));
        assert!(RecordSelection::parse("x").is_err());
    }
}
