//! Selection of individual objects or records, from a drift file of an audit.

use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead, Read as _};

use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::xxh3_128;

use pipeline::lake::{Partition, Span};

/// Maximum length of a line of a drift file; findings have a few hundred bytes.
const MAX_LINE_BYTES: u64 = 16 * 1024 * 1024;

/// Hash of a key or id (XXH3, 128 bits): two of 10^12 have the same with a probability of 10^-15.
type TextHash = u128;

/// Objects that a run is limited to: 16 bytes per key, by partition. `None` has the keys that are not a path of a lake.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectSelection(BTreeMap<Option<Partition>, HashSet<TextHash>>);

impl ObjectSelection {
    /// Reads the keys in a drift file, with one JSON object per line. The result is empty if the audit was clean, or
    /// found only rows without an object.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, if a line is not JSON, or if no line has a key and a line is not a
    /// finding of an audit.
    pub fn read(file: impl BufRead) -> Result<Self, String> {
        let (mut selection, mut findings_only) = (Self::default(), true);
        each_line(file, |_, line| {
            findings_only &= line.kind.is_some();
            line.key.into_iter().for_each(|key| selection.insert(key));
            Ok(())
        })?;
        if selection.is_empty() && !findings_only {
            return Err("no line contains a key".into());
        }
        Ok(selection)
    }

    /// Adds an object.
    pub(crate) fn insert(&mut self, key: &str) {
        self.0.entry(Partition::of_key(key)).or_default().insert(xxh3_128(key.as_bytes()));
    }

    /// Returns true if the selection has no object.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the number of keys.
    pub(crate) fn len(&self) -> u64 {
        self.0.values().map(|keys| keys.len() as u64).sum()
    }

    /// Returns true if the run includes an object.
    pub(crate) fn contains(&self, key: &str) -> bool {
        let keys = self.0.get(&Partition::of_key(key));
        keys.is_some_and(|keys| keys.contains(&xxh3_128(key.as_bytes())))
    }

    /// Returns the partitions of the keys, in order.
    pub(crate) fn partitions(&self) -> impl Iterator<Item = &Partition> {
        self.0.keys().flatten()
    }

    /// Removes the objects whose path is outside of the span, and returns their number.
    pub(crate) fn restrict_to(&mut self, span: &Span) -> u64 {
        let before = self.len();
        // A key that is not a path of the lake is kept; it is then reported as missing.
        let inside = |place: &Partition| span.has_day(place.day) && span.has_farm(&place.farm);
        self.0.retain(|place, _| place.as_ref().is_none_or(inside));
        before - self.len()
    }

    /// Returns a hash of the keys, which identifies the selection.
    pub(crate) fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for keys in self.0.values() {
            let mut keys: Vec<TextHash> = keys.iter().copied().collect();
            keys.sort_unstable();
            keys.iter().for_each(|key| hash.update(key.to_be_bytes()));
        }
        pipeline::hex::hex(&hash.finalize())
    }
}

/// Records that a run is limited to: by the key of their object, or by their id if a finding has no object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordSelection {
    objects: ObjectSelection,
    ids: HashSet<TextHash>,
}

impl RecordSelection {
    /// Reads a drift file, with one JSON object per line.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, or if a line is not JSON, or has neither a key nor an id.
    pub fn read(file: impl BufRead) -> Result<Self, String> {
        let mut selection = Self::default();
        each_line(file, |number, line| {
            match (line.key, line.id) {
                (Some(key), _) => selection.objects.insert(key),
                (None, Some(id)) => drop(selection.ids.insert(xxh3_128(id.as_bytes()))),
                (None, None) => return Err(format!("line {number}: it has neither a key nor an id")),
            }
            Ok(())
        })?;
        Ok(selection)
    }

    /// Returns true if it has an object with this key, or a record with this id.
    pub fn has(&self, key: &str, id: Option<&str>) -> bool {
        self.objects.contains(key) || id.is_some_and(|id| self.ids.contains(&xxh3_128(id.as_bytes())))
    }

    /// Removes the objects of partitions that a function does not accept. Keys that are not a path of a lake stay, and
    /// records that are selected by their id.
    pub(crate) fn retain_partitions(&mut self, is_wanted: impl Fn(&Partition) -> bool) {
        self.objects.0.retain(|place, _| place.as_ref().is_none_or(&is_wanted));
    }

    /// Removes what selects an object: its key, and the id of its record.
    pub(crate) fn remove(&mut self, key: &str, id: Option<&str>) {
        if let Some(keys) = self.objects.0.get_mut(&Partition::of_key(key)) {
            keys.remove(&xxh3_128(key.as_bytes()));
        }
        if let Some(id) = id {
            self.ids.remove(&xxh3_128(id.as_bytes()));
        }
    }

    /// Returns the number of objects and records.
    pub fn len(&self) -> u64 {
        self.objects.len() + self.ids.len() as u64
    }

    /// Returns true if it is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Members of a line of a drift file.
struct Line<'a> {
    kind: Option<&'a str>,
    key: Option<&'a str>,
    id: Option<&'a str>,
}

/// Calls a function with each line that is not empty, and its number.
fn each_line(mut file: impl BufRead, mut each: impl FnMut(u64, Line<'_>) -> Result<(), String>) -> Result<(), String> {
    let (mut number, mut line) = (0, Vec::new());
    loop {
        line.clear();
        number += 1;
        let read = file.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line).map_err(|e| e.to_string())?;
        if read == 0 {
            return Ok(());
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let value: serde_json::Value = serde_json::from_slice(&line).map_err(|e| format!("line {number}: {e}"))?;
        let member = |name| value.get(name).and_then(serde_json::Value::as_str);
        each(number, Line { kind: member("kind"), key: member("key"), id: member("id") })?;
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

    #[test]
    fn a_finding_selects_its_object_or_without_one_its_record() {
        let text = "{\"kind\":\"unreadable\",\"id\":\"1\",\"key\":\"a/b\"}\n\n{\"kind\":\"warehouse_only\",\"id\":\"2\",\"key\":null}\n";
        let selection = RecordSelection::read(text.as_bytes()).unwrap();
        assert_eq!(selection.len(), 2);
        assert!(selection.has("a/b", None) && selection.has("x", Some("2")) && !selection.has("x", Some("1")));
        assert!(RecordSelection::read(&b"{}"[..]).unwrap_err().contains("line 1"));
        assert!(RecordSelection::read(&b"x"[..]).is_err());
    }
}
