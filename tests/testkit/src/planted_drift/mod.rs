//! Drift planted in a lake and its warehouse, with the findings that an audit must report.

use std::collections::BTreeMap;

use pipeline::lake::Key;
use pipeline::record::{Reading, Record, Rules, timestamp};
use serde_json::Value;

use crate::scene::{Ran, Scene};

mod damage;
mod findings;
mod stores;

pub use damage::{Case, Damage, World};
pub use findings::{Finding, Findings, assert_same, found_by_quick, found_in};
pub use stores::{archive, insert, long_ago, to_folder, to_s3, to_sqlite};

/// Every kind of finding, with the counter of the audit's JSON that it adds to.
const COUNTERS: [(&str, &str); 12] = [
    ("lake_only", "lake_only"),
    ("warehouse_only", "warehouse_only"),
    ("differing", "differing"),
    ("duplicate_object", "duplicate_objects"),
    ("logical_duplicate", "logical_duplicates"),
    ("misfiled", "misfiled"),
    ("rule_break", "rule_breaks"),
    ("forged_id", "forged_ids"),
    ("unreadable", "unreadable"),
    ("rejected", "rejected"),
    ("truth_missing", "truth_missing"),
    ("truth_unexpected", "truth_unexpected"),
];

impl World {
    /// Creates a history of N farms, pens and days.
    pub fn of(scene: &Scene, farms: u32, lots: u32, days: u32) -> Self {
        scene.history(farms, lots, days);
        let text = std::fs::read_to_string(scene.path("history.json")).unwrap();
        let processed = timestamp::parse("2025-06-01T12:00:00.654321").unwrap();
        let record =
            |line: &str| Record::from_reading(Reading::parse(line.as_bytes()).unwrap(), Rules::default(), processed);
        let keyed = |record: Record| (Key::of(&record).unwrap().to_string(), record);
        Self(text.lines().map(|line| keyed(record(line))).collect())
    }
}

impl Damage {
    /// Runs an audit and asserts that it reports this damage, finding by finding and count by count.
    #[track_caller]
    pub fn is_found_by(&self, scene: &Scene, world: &World, more: &[&str]) -> Ran {
        let file = tempfile::NamedTempFile::new().unwrap();
        let args = [&["reconcile", "--drift", file.path().to_str().unwrap()], more].concat();
        let audit = scene.run(&args);
        self.is_reported_by(&audit, &found_in(file.path()), world, &format!("{more:?}"));
        audit
    }

    /// Asserts that an audit has reported this damage.
    #[track_caller]
    pub fn is_reported_by(&self, audit: &Ran, found: &Findings, world: &World, what: &str) {
        assert_same(found, &self.findings, what);
        audit.expect(i32::from(!self.findings.is_empty()), &[]);
        assert_eq!(audit.json["gaps"], Value::from(self.gaps.clone()), "{what}");
        let records = world.0.len() as i64;
        let whole = ["lake_objects", "lake_records", "warehouse_rows", "matched"].map(|name| (name, records));
        let mut counts: BTreeMap<&str, i64> = BTreeMap::from(whole);
        for (kind, counter) in COUNTERS {
            let of_kind = self.findings.iter().filter(|finding| finding.kind == kind);
            counts.insert(counter, of_kind.count() as i64);
        }
        counts.extend(
            ["archived", "not_compared", "resolved_on_recheck", "unstable", "skipped_after_cutoff"]
                .map(|name| (name, 0)),
        );
        self.counts.iter().for_each(|(name, more)| *counts.get_mut(name).unwrap() += more);
        for (name, count) in counts {
            assert_eq!(audit.json[name].as_i64(), Some(count), "{name} of {what}: {audit:#?}");
        }
    }
}
