//! What an audit sorts and puts on disk: the lake's entries by id, the warehouse's rows, natural keys by their hash.

use std::borrow::Cow;
use std::cmp::Ordering;

use chrono::DateTime;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::sort::{OrderedId, SortOrder};
use pipeline::record::row::{Row, Value};
use pipeline::record::{Column, Record};

/// What is known of an object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum ObjectState {
    /// Its record.
    Record(Box<Record>),
    /// Its name only: it was not opened, and need not be.
    IdOnly,
    /// Nothing that can be judged: it is unreadable, rejected, archived or too new.
    Unavailable,
}

/// What the lake has under an id.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct LakeEntry {
    pub id: OrderedId,
    pub key: String,
    pub state: ObjectState,
}

/// A row under the id that puts it in its place.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct WarehouseEntry {
    pub id: OrderedId,
    pub row: SpooledRow,
}

/// A natural key's hash, with an id and where it was seen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct NaturalKeyEntry {
    pub hash: u128,
    pub id: OrderedId,
    pub key: Option<String>,
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

/// A row that comes back from a disk bit by bit.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SpooledRow(pub Row);

/// A value on the disk.
#[derive(Serialize, Deserialize)]
pub(super) enum Packed<'a> {
    Null,
    Text(Cow<'a, str>),
    Single(f32),
    Double(f64),
    Integer(i64),
    /// Microseconds: no DATETIME holds more digits.
    Instant(i64),
}

impl<'a> Packed<'a> {
    pub(super) fn of(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Text(text) => Self::Text(Cow::Borrowed(text)),
            Value::Float(value) => Self::Single(*value),
            Value::Double(value) => Self::Double(*value),
            Value::Integer(value) => Self::Integer(*value),
            Value::DateTime(at) => Self::Instant(at.and_utc().timestamp_micros()),
        }
    }

    pub(super) fn into_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Text(text) => Value::Text(text.into_owned()),
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
        self.0.0.each_ref().map(Packed::of).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SpooledRow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Row(<[Packed<'_>; Column::COUNT]>::deserialize(deserializer)?.map(Packed::into_value))))
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
        row.0[Column::ConsumoReal.index()] = Value::Double(0.1 + 0.2);
        let at = DateTime::from_timestamp_micros(-1).unwrap().naive_utc();
        row.0[Column::RowTs.index()] = Value::DateTime(at);
        let bytes = postcard::to_stdvec(&SpooledRow(row.clone())).unwrap();
        assert_eq!(postcard::from_bytes::<SpooledRow>(&bytes).unwrap().0, row);
    }
}
