//! Entries that an audit sorts on disk: lake objects by id, warehouse rows, natural keys by hash, and findings.

use std::borrow::Cow;
use std::cmp::Ordering;

use chrono::DateTime;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::verdict::DriftKind;
use crate::sort::{OrderedId, SortOrder};
use pipeline::record::row::{Row, Value};
use pipeline::record::{Column, Record};

/// State of an object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum ObjectState {
    /// The object contains this record.
    Record(Box<Record>),
    /// Only the name is known: the object was not opened, and need not be.
    IdOnly,
    /// The object cannot be compared: it is unreadable, rejected, archived or too new.
    Unavailable,
}

/// Object of the lake with an id.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct LakeEntry {
    pub id: OrderedId,
    pub key: String,
    pub state: ObjectState,
}

/// Row of the warehouse with the id by which it is sorted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct WarehouseEntry {
    pub id: OrderedId,
    pub row: SpooledRow,
}

/// Hash of a natural key, with an id and its location.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct NaturalKeyEntry {
    pub hash: u128,
    pub id: OrderedId,
    pub key: Option<String>,
}

/// Finding in the order of the drift file and of the evidence. Nothing in it depends on when the finding occurred.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct SortedFinding {
    pub kind: DriftKind,
    pub id: Option<String>,
    pub key: Option<String>,
    pub reason: Option<String>,
    /// Its binary form.
    pub bytes: Vec<u8>,
}

impl SortOrder for SortedFinding {
    fn compare(&self, other: &Self) -> Ordering {
        self.cmp(other)
    }
}

impl SortOrder for LakeEntry {
    fn compare(&self, other: &Self) -> Ordering {
        self.id.cmp(&other.id).then_with(|| self.key.cmp(&other.key))
    }
}

impl SortOrder for WarehouseEntry {
    fn compare(&self, other: &Self) -> Ordering {
        self.id.cmp(&other.id)
    }
}

impl SortOrder for NaturalKeyEntry {
    fn compare(&self, other: &Self) -> Ordering {
        self.cmp(other)
    }
}

/// Row in a serialized form without loss.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SpooledRow(pub Row);

/// Serialized value.
#[derive(Serialize, Deserialize)]
pub(super) enum EncodedValue<'a> {
    Null,
    Text(Cow<'a, str>),
    Single(f32),
    Double(f64),
    Integer(i64),
    /// Time in microseconds, the maximum precision of DATETIME.
    Instant(i64),
    Invalid(Cow<'a, str>),
}

impl<'a> EncodedValue<'a> {
    pub(super) fn of(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Text(text) => Self::Text(Cow::Borrowed(text)),
            Value::Float(value) => Self::Single(*value),
            Value::Double(value) => Self::Double(*value),
            Value::Integer(value) => Self::Integer(*value),
            Value::Invalid(text) => Self::Invalid(Cow::Borrowed(text)),
            Value::DateTime(at) => Self::Instant(at.and_utc().timestamp_micros()),
        }
    }

    pub(super) fn into_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Text(text) => Value::Text(text.into_owned()),
            Self::Invalid(text) => Value::Invalid(text.into_owned()),
            Self::Single(value) => Value::Float(value),
            Self::Double(value) => Value::Double(value),
            Self::Integer(value) => Value::Integer(value),
            Self::Instant(at) => {
                DateTime::from_timestamp_micros(at).map_or(Value::Null, |at| Value::DateTime(at.naive_utc()))
            }
        }
    }
}

impl Serialize for SpooledRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        encoded(&self.0).serialize(serializer)
    }
}

/// Returns the serialized form of a row, which is that of its [`SpooledRow`].
pub(super) fn encoded(row: &Row) -> [EncodedValue<'_>; Column::COUNT] {
    row.0.each_ref().map(EncodedValue::of)
}

impl<'de> Deserialize<'de> for SpooledRow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Row(<[EncodedValue<'_>; Column::COUNT]>::deserialize(deserializer)?.map(EncodedValue::into_value))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pipeline::record::row::TableSchema;
    use testkit::conformance::warehouse::record;

    #[test]
    fn a_row_comes_back_from_disk_bit_by_bit() {
        let mut row = record(3).to_row(&TableSchema::standard());
        row.0[Column::PesoMedio.index()] = Value::Float(f32::from_bits(0x7f7f_ffff));
        row.0[Column::IdRaca.index()] = Value::Null;
        row.0[Column::Data.index()] = Value::Invalid("2023-00-00 00:00:00".into());
        row.0[Column::ConsumoReal.index()] = Value::Double(0.1 + 0.2);
        let at = DateTime::from_timestamp_micros(-1).unwrap().naive_utc();
        row.0[Column::RowTs.index()] = Value::DateTime(at);
        let bytes = postcard::to_stdvec(&SpooledRow(row.clone())).unwrap();
        assert_eq!(postcard::from_bytes::<SpooledRow>(&bytes).unwrap().0, row);
    }
}
