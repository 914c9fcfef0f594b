//! JSON form of a finding: a line of the drift file, a sample in the outcome.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::action::Action;
use super::finding::{Finding, Stability};
use super::intact::IntactSide;
use super::truth_location::TruthLocation;
use super::verdict::DriftKind;

/// Finding as JSON: its kind, id and key, and the fields with the values of lake and warehouse.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// Kind of finding.
    pub kind: DriftKind,
    /// Id of the record. `None` if not known.
    pub id: Option<String>,
    /// Key of the object. `None` without an object.
    pub key: Option<String>,
    /// Fields that differ: name → [lake, warehouse].
    pub fields: BTreeMap<String, [Value; 2]>,
    /// Cause that explains every difference. `None` if there is no single cause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Only side whose values match the id of version 8. `None` if both or neither do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intact: Option<IntactSide>,
    /// Short reason, if the fields do not show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Planned change of the requested repair. `None` if none is requested or planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repair: Option<Action>,
    /// Location in a truth file. `None` without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truth: Option<TruthLocation>,
}

impl Drift {
    /// Returns a finding about a record.
    pub fn new(kind: DriftKind, id: impl Into<String>, key: Option<String>) -> Self {
        let fields = BTreeMap::new();
        Self {
            kind,
            id: Some(id.into()),
            key,
            fields,
            cause: None,
            intact: None,
            reason: None,
            repair: None,
            truth: None,
        }
    }

    /// Returns the finding with a reason.
    #[must_use]
    pub fn with_reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Returns the finding with the planned change of a repair.
    #[must_use]
    pub fn with_repair(self, repair: Option<Action>) -> Self {
        Self { repair, ..self }
    }

    /// Returns the finding with one more field.
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
            intact: finding.intact,
            reason: match (finding.stability, &finding.reason) {
                (Stability::Confirmed, reason) => reason.clone(),
                (Stability::Unstable, None) => Some(UNSTABLE.to_owned()),
                (Stability::Unstable, Some(reason)) => Some(format!("{UNSTABLE}; {reason}")),
            },
            repair: None,
            truth: finding.truth.clone(),
        }
    }
}

/// Reason of a finding that was different on every recheck.
const UNSTABLE: &str = "unstable: different at every recheck";
