//! One finding as JSON: a line of the drift file, a sample in the outcome.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::finding::{Finding, Stability};
use super::truth_location::TruthLocation;
use super::verdict::DriftKind;

/// A finding: its kind, the id and key it is about, and the fields with the lake's and the warehouse's value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// What kind of finding.
    pub kind: DriftKind,
    /// The record's id, where it is known.
    pub id: Option<String>,
    /// The object's key, where there is an object.
    pub key: Option<String>,
    /// The fields at issue: name → [lake, warehouse].
    pub fields: BTreeMap<String, [Value; 2]>,
    /// What plainly explains every field that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// A word on why, where the fields do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Where a truth file tells of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(rename = "told")]
    pub truth: Option<TruthLocation>,
}

impl Drift {
    /// A finding about a record.
    pub fn new(kind: DriftKind, id: impl Into<String>, key: Option<String>) -> Self {
        Self { kind, id: Some(id.into()), key, fields: BTreeMap::new(), cause: None, reason: None, truth: None }
    }

    /// The same with a reason.
    #[must_use]
    pub fn with_reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// The same with one more field.
    #[must_use]
    pub fn with_field(mut self, name: &str, lake: Value, warehouse: Value) -> Self {
        self.fields.insert(name.to_owned(), [lake, warehouse]);
        self
    }
}

impl From<&Finding> for Drift {
    fn from(finding: &Finding) -> Self {
        let json = |value| serde_json::to_value(value).unwrap_or(Value::Null);
        let fields = finding.fields.iter();
        Self {
            kind: finding.kind,
            id: finding.id.clone(),
            key: finding.key.clone(),
            fields: fields
                .map(|field| (field.column.name().to_owned(), [json(&field.lake), json(&field.warehouse)]))
                .collect(),
            cause: finding.cause().map(|cause| cause.to_string()),
            reason: match (finding.stability, &finding.reason) {
                (Stability::Confirmed, reason) => reason.clone(),
                (Stability::Unstable, None) => Some(UNSTABLE.to_owned()),
                (Stability::Unstable, Some(reason)) => Some(format!("{UNSTABLE}; {reason}")),
            },
            truth: finding.truth.clone(),
        }
    }
}

/// The reason of a finding that was different on every recheck.
const UNSTABLE: &str = "still moving: it was another at every look";
