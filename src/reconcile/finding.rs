//! Finding of an audit as a repair needs it: its kind, its stability, and the values of both sides.
//!
//! Values are those of the record and the row, in the types of the columns. Findings are stored on disk in a lossless
//! binary form. Their JSON form for users and other programs is [`super::Drift`].

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::cause::Cause;
use super::entries::EncodedValue;
use super::intact::IntactSide;
use super::truth_location::TruthLocation;
use super::verdict::DriftKind;
use pipeline::record::row::{Difference, Value};
use pipeline::record::{Column, IdCheck, Record};

/// Stability of a difference over its rechecks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stability {
    /// A recheck found the same difference, or none is required.
    Confirmed,
    /// Every recheck found a different state.
    Unstable,
}

/// Relation of an object to another one with its id, and which of the two has the values of the id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CopyState {
    /// Not a copy, or not known.
    NoCopy,
    /// A copy that nothing requires.
    Removable,
    /// A copy that has the values of its id, of an object that was changed.
    OnlyIntact,
}

/// Finding of an audit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Kind of finding.
    pub kind: DriftKind,
    /// Whether rechecks found the same difference.
    pub stability: Stability,
    /// Id of the record. `None` if not known.
    pub id: Option<String>,
    /// Key of the object. `None` without an object.
    pub key: Option<String>,
    /// Columns that differ, with the values of record and row; NULL for a missing side.
    #[serde(with = "fields")]
    pub fields: Vec<Difference>,
    /// Reason, if the fields do not show it.
    pub reason: Option<String>,
    /// Location in a truth file. `None` without one.
    #[serde(with = "location")]
    pub truth: Option<TruthLocation>,
    /// True if the id of its object is not that of the object's content.
    pub forged: bool,
    /// Whether its object is a copy of another one.
    pub copy: CopyState,
    /// Only side whose values match the id. `None` if both or neither do, or if not known.
    pub intact: Option<IntactSide>,
    /// Kinds of the other findings about its object that are gone once the object has the values of its row.
    pub resolves: Vec<DriftKind>,
}

impl Finding {
    /// Returns a finding about a record.
    pub(super) fn new(kind: DriftKind, id: impl Into<String>, key: Option<String>) -> Self {
        Self { id: Some(id.into()), ..Self::without_id(kind, key) }
    }

    /// Returns a finding about an object or message whose record is not known.
    pub(super) const fn without_id(kind: DriftKind, key: Option<String>) -> Self {
        let stability = Stability::Confirmed;
        Self {
            kind,
            stability,
            id: None,
            key,
            fields: Vec::new(),
            reason: None,
            truth: None,
            forged: false,
            copy: CopyState::NoCopy,
            intact: None,
            resolves: Vec::new(),
        }
    }

    /// Returns the finding with a reason.
    #[must_use]
    pub(super) fn with_reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Returns the finding with the state of its object's id.
    #[must_use]
    pub(super) fn of_record(self, record: &Record) -> Self {
        Self { forged: record.check_id() == IdCheck::Forged, ..self }
    }

    /// Returns the finding with one more column.
    #[must_use]
    pub(super) fn with_field(mut self, column: Column, lake: Value, warehouse: Value) -> Self {
        self.fields.push(Difference { column, lake, warehouse });
        self
    }

    /// Returns the values of a column on both sides.
    pub fn field(&self, column: Column) -> Option<&Difference> {
        self.fields.iter().find(|field| field.column == column)
    }

    /// Returns the cause that explains every field in which a record and its row differ.
    pub fn cause(&self) -> Option<Cause> {
        if self.kind == DriftKind::Differing { Cause::of(&self.fields) } else { None }
    }

    /// Returns the id of its row, which may be written differently from that of its record.
    pub(super) fn row_id(&self) -> &str {
        match self.field(Column::IdTreatedData).map(|field| &field.warehouse) {
            Some(Value::Text(id)) => id,
            _ => self.id.as_deref().unwrap_or_default(),
        }
    }

    /// Returns true if both sides still differ as in the audit: in the same columns, with the same values.
    pub(super) fn is_unchanged(&self, now: &[Difference]) -> bool {
        // Columns within a tolerance are not part of the finding.
        !self.fields.is_empty() && self.fields.iter().all(|field| now.contains(field))
    }
}

/// Serialized fields: the index of the column in the table, and both values.
mod fields {
    use super::{Column, Deserialize, Deserializer, Difference, EncodedValue, Serializer};

    pub(super) fn serialize<S: Serializer>(fields: &[Difference], serializer: S) -> Result<S::Ok, S::Error> {
        let encoded = fields.iter().map(|Difference { column, lake, warehouse }| {
            (column.index(), EncodedValue::of(lake), EncodedValue::of(warehouse))
        });
        serializer.collect_seq(encoded)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Difference>, D::Error> {
        let encoded = Vec::<(usize, EncodedValue<'_>, EncodedValue<'_>)>::deserialize(deserializer)?;
        let field = |(column, lake, warehouse): (usize, EncodedValue<'_>, EncodedValue<'_>)| {
            let column = *Column::ALL.get(column)?;
            Some(Difference { column, lake: lake.into_value(), warehouse: warehouse.into_value() })
        };
        let fields: Option<Vec<_>> = encoded.into_iter().map(field).collect();
        fields.ok_or_else(|| serde::de::Error::custom("a column that no table has"))
    }
}

/// Serialized location with all its members; its JSON omits those that are missing.
mod location {
    use super::{Deserialize, Deserializer, Serialize, Serializer, TruthLocation};

    type EncodedLocation = (Option<String>, u64, Option<String>, Option<String>);

    pub(super) fn serialize<S: Serializer>(location: &Option<TruthLocation>, serializer: S) -> Result<S::Ok, S::Error> {
        let encoded = location.clone().map(|TruthLocation { file, line, fault, kind }| (file, line, fault, kind));
        encoded.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<TruthLocation>, D::Error> {
        let encoded = Option::<EncodedLocation>::deserialize(deserializer)?;
        Ok(encoded.map(|(file, line, fault, kind)| TruthLocation { file, line, fault, kind }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_comes_back_from_disk_bit_by_bit() {
        let location = TruthLocation { file: Some("a".into()), line: 3, fault: None, kind: Some("text".into()) };
        let finding = Finding {
            stability: Stability::Unstable,
            truth: Some(location),
            intact: Some(IntactSide::Warehouse),
            copy: CopyState::OnlyIntact,
            resolves: vec![DriftKind::ForgedId],
            ..Finding::new(DriftKind::Differing, "x", Some("key".into()))
                .with_field(Column::PesoMedio, Value::Float(0.1), Value::Null)
                .with_field(Column::ConsumoReal, Value::Double(0.1 + 0.2), Value::Text("=1".into()))
                .with_reason("why")
        };
        for finding in [finding, Finding::without_id(DriftKind::Unreadable, None)] {
            let bytes = postcard::to_stdvec(&finding).unwrap();
            assert_eq!(postcard::from_bytes::<Finding>(&bytes).unwrap(), finding);
        }
    }

    #[test]
    fn what_has_changed_since_the_audit_is_seen_in_any_column() {
        let field = |column, lake| Difference { column, lake: Value::Integer(lake), warehouse: Value::Null };
        let finding = Finding::new(DriftKind::Differing, "x", None);
        assert!(!finding.is_unchanged(&[]), "a finding without fields shows nothing");
        let finding = Finding { fields: vec![field(Column::DiaConfinamento, 1)], ..finding };
        let other = field(Column::QuantidadeAnimais, 5);
        assert!(finding.is_unchanged(&[other.clone(), field(Column::DiaConfinamento, 1)]));
        assert!(!finding.is_unchanged(&[other, field(Column::DiaConfinamento, 2)]));
        assert_eq!(finding.row_id(), "x");
        let other = finding.with_field(Column::IdTreatedData, Value::Text("x".into()), Value::Text("X".into()));
        assert_eq!(other.row_id(), "X");
    }
}
