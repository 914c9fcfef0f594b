//! Counts in the journal's format: with short names, and only if they are not 0.
//!
//! An entry with an unknown counter is ignored: its records are loaded again, which is safe.

use serde::de::Error as _;
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serializer};
use std::collections::BTreeMap;

use super::outcome::{Counter, ObjectCounts};
use crate::outcome::{Counter as _, Spec};
use crate::reader::Skip;

/// Returns a counter's name in the journal.
fn name(spec: &Spec) -> &'static str {
    spec.short_name()
}

pub(super) fn serialize<S: Serializer>(counts: &ObjectCounts, to: S) -> Result<S::Ok, S::Error> {
    let mut map = to.serialize_map(None)?;
    for (spec, n) in counts.iter().filter(|(_, n)| *n > 0) {
        map.serialize_entry(name(&spec), &n)?;
    }
    map.end()
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<ObjectCounts, D::Error> {
    let mut counts = ObjectCounts::default();
    for (named, n) in BTreeMap::<String, serde_json::Value>::deserialize(from)? {
        let n = n.as_u64().ok_or_else(|| D::Error::custom(format!("{named} is not a count")))?;
        let own = Counter::ALL.iter().find(|counter| name(&counter.spec()) == named);
        let skip = Skip::ALL.iter().find(|skip| name(&skip.spec()) == named);
        match (own, skip) {
            (Some(counter), _) => counts[*counter] = n,
            (None, Some(skip)) => counts[*skip] = n,
            (None, None) => return Err(D::Error::custom(format!("unknown counter {named}"))),
        }
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::super::tally::Tally;
    use super::*;

    #[test]
    fn counts_come_back_from_their_entry() {
        let entry = r#"{"listed":9,"inserted":1,"identical":1,"conflicting":1,"rejected":0,"archived":0,"unreadable":1,
            "unrecognized":1,"after_cutoff":1,"future_dated":1,"processed_later":1,"data_range":1,"overwritten":1,"verified":2,
            "mismatched":1,
            "newest_row_ts":"2023-01-05T12:00:00.5Z","newest_data":null,"cells":[["fazenda_um","2023-01-01",{"listed":9}]],
            "problems":{"items":[],"omitted":0,"by_kind":{}}}"#;
        let tally: Tally = serde_json::from_str(entry).unwrap();
        let counts = &tally.counts;
        assert!(counts.add_up());
        assert_eq!((counts[Skip::Unrecognized], counts[Skip::AfterCutoff], counts[Skip::FutureDated]), (1, 1, 1));
        assert_eq!((counts[Counter::ProcessedLater], counts[Counter::DataRange], counts[Counter::Verified]), (1, 1, 2));
        assert_eq!(tally.newest_row_ts.unwrap().to_rfc3339(), "2023-01-05T12:00:00.500+00:00");
        let written = serde_json::to_string(&tally).unwrap();
        for name in ["\"unrecognized\":1", "\"after_cutoff\":1", "\"processed_later\":1"] {
            assert!(written.contains(name), "{written}");
        }
        assert_eq!(serde_json::from_str::<Tally>(&written).unwrap().counts, tally.counts);
    }

    #[test]
    fn an_entry_with_a_counter_of_a_newer_version_is_not_read() {
        let e = serde_json::from_str::<Tally>(r#"{"listed":1,"encrypted":1}"#).unwrap_err().to_string();
        assert!(e.contains("unknown counter encrypted"), "{e}");
    }
}
