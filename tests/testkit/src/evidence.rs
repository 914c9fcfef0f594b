//! Comparison of the evidence of two audits that must have the same result.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

/// Files of evidence that are the same for every run.
const SAME: [&str; 5] = ["drift.ndjson", "drift.csv", "totals.csv", "hashes.csv", "days.csv"];

/// Asserts that two directories of evidence are the same except for the run's id, times and command.
#[track_caller]
pub fn assert_same_evidence(one: &Path, other: &Path, what: &str) {
    for name in SAME {
        let read = |dir: &Path| std::fs::read_to_string(dir.join(name)).unwrap();
        let (one, other) = (read(one), read(other));
        let differs = one.lines().zip(other.lines()).find(|(one, other)| one != other);
        assert!(
            one == other,
            "{what}: {name} has {} and {} lines; {differs:#?}",
            one.lines().count(),
            other.lines().count()
        );
    }
    let audit = |dir: &Path| {
        let mut audit: Value = serde_json::from_slice(&std::fs::read(dir.join("audit.json")).unwrap()).unwrap();
        for (object, name) in [("", "run"), ("", "seconds"), ("", "cutoff"), ("options", "command")] {
            let object = if object.is_empty() { &mut audit } else { &mut audit[object] };
            object.as_object_mut().unwrap().remove(name).unwrap_or_else(|| panic!("no {name}"));
        }
        audit
    };
    let (one, other) = (flat(&audit(one)), flat(&audit(other)));
    let differs: Vec<_> = one.iter().filter(|(path, value)| other.get(*path) != Some(value)).take(5).collect();
    assert!(one == other, "{what}: audit.json: {differs:#?}");
}

/// Returns the values of a JSON by path.
fn flat(json: &Value) -> BTreeMap<String, Value> {
    fn walk(path: &str, json: &Value, found: &mut BTreeMap<String, Value>) {
        match json {
            Value::Object(map) => map.iter().for_each(|(name, value)| walk(&format!("{path}.{name}"), value, found)),
            Value::Array(list) => {
                list.iter().enumerate().for_each(|(at, value)| walk(&format!("{path}[{at}]"), value, found));
            }
            value => drop(found.insert(path.to_owned(), value.clone())),
        }
    }
    let mut found = BTreeMap::new();
    walk("", json, &mut found);
    found
}
