//! The findings of a drift file as a set, for comparison with the expected ones.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

/// A finding of the drift file, without values and reasons.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    pub kind: String,
    pub id: Option<String>,
    pub key: Option<String>,
    pub fields: Vec<String>,
}

pub type Findings = BTreeSet<Finding>;

/// Columns that a one-sided finding contains for identification.
const ABOUT: [&str; 5] = ["cod_cliente", "data", "id_curral", "id_lote", "row_ts"];

impl Finding {
    pub fn new(kind: &str, id: &str, key: Option<&str>, fields: &[&str]) -> Self {
        let fields = fields.iter().map(ToString::to_string).collect();
        Self { kind: kind.into(), id: Some(id.into()), key: key.map(str::to_owned), fields }
    }

    pub fn lake_only(id: &str, key: &str) -> Self {
        Self::new("lake_only", id, Some(key), &ABOUT)
    }

    pub fn warehouse_only(id: &str) -> Self {
        Self::new("warehouse_only", id, None, &ABOUT)
    }

    pub fn differing(id: &str, key: &str, fields: &[&str]) -> Self {
        Self::new("differing", id, Some(key), fields)
    }

    /// Returns true if names alone show it.
    fn shows_in_names(&self) -> bool {
        match &*self.kind {
            "lake_only" | "warehouse_only" | "duplicate_object" => true,
            "differing" => self.fields == ["id_treated_data"],
            "rule_break" => self.key.is_none(),
            _ => false,
        }
    }
}

/// Returns the findings of `--quick`, which opens only objects without a row, and copies.
pub fn found_by_quick(findings: &Findings) -> Findings {
    let copies: Vec<_> = findings.iter().filter(|finding| finding.kind == "duplicate_object").collect();
    let is_copy = |finding: &Finding| copies.iter().any(|copy| copy.key == finding.key);
    let is_found = |finding: &&Finding| finding.shows_in_names() || finding.kind == "forged_id" && is_copy(finding);
    findings.iter().filter(is_found).cloned().collect()
}

/// Returns the findings of a drift file; asserts that none is listed twice.
pub fn found_in(file: &Path) -> Findings {
    let mut found = Findings::new();
    for line in std::fs::read_to_string(file).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| line[name].as_str().map(str::to_owned);
        let fields = line["fields"].as_object().unwrap().keys().cloned().collect();
        let finding = Finding { kind: text("kind").unwrap(), id: text("id"), key: text("key"), fields };
        assert!(found.insert(finding), "twice: {line}");
    }
    found
}

/// Asserts that exactly the planted findings were reported.
#[track_caller]
pub fn assert_same(found: &Findings, planted: &Findings, what: &str) {
    let missed: Vec<_> = planted.difference(found).take(5).collect();
    let false_ones: Vec<_> = found.difference(planted).take(5).collect();
    assert!(
        missed.is_empty() && false_ones.is_empty(),
        "{what}: {} found, {} planted; missed: {missed:#?}; not planted: {false_ones:#?}",
        found.len(),
        planted.len()
    );
}
