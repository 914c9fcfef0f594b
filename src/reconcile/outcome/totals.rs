//! Control totals of one place: sums that auditors compare on both sides, and a hash of all values.
//!
//! The hash total is the sum of the XXH3 hashes (128 bits) of the records, independent of their order. The hash of a
//! record covers its values in the order of the table, each as one byte for its kind, followed by
//!
//! | kind | byte | then |
//! | --- | --- | --- |
//! | NULL | 0 | |
//! | text | 1 | its length in bytes as `u32`, its UTF-8 |
//! | FLOAT | 2 | the bits of the `f32` |
//! | DOUBLE, DECIMAL | 3 | the bits of the `f64` |
//! | integer | 4 | `i64` |
//! | DATETIME | 5 | microseconds since 1970 as `i64` |
//!
//! all little-endian. The lake's record is hashed as the row that it should be. If its row agrees, exactly that row is
//! hashed, because some columns accept two values (a DATETIME truncated or rounded, decimals of a FLOAT(m,d)).
//! Therefore both hash totals are equal exactly if all records and rows agree.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::ser::{SerializeMap, SerializeStruct};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use xxhash_rust::xxh3::xxh3_128;

use super::exact_sum::ExactSum;
use crate::multiset_hash::MultisetHash;
use pipeline::record::Column;
use pipeline::record::row::{Row, Value};

/// Count, sum, minimum and maximum of a numeric column on one side.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnTotal {
    /// Number of values.
    pub count: u64,
    sum: ExactSum,
    /// Minimum.
    pub min: f64,
    /// Maximum.
    pub max: f64,
}

impl Default for ColumnTotal {
    fn default() -> Self {
        Self { count: 0, sum: ExactSum::default(), min: f64::INFINITY, max: f64::NEG_INFINITY }
    }
}

impl ColumnTotal {
    /// Returns the sum of the values, which does not depend on their order.
    pub fn sum(&self) -> f64 {
        self.sum.value()
    }

    fn add(&mut self, value: f64) {
        self.count += 1;
        self.sum.add(value);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum.merge(&other.sum);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }
}

impl<'de> Deserialize<'de> for ColumnTotal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Read {
            count: u64,
            sum: f64,
            #[serde(default)]
            exact: Option<String>,
            /// `None` without values, because JSON has no number for the minimum of an empty set.
            min: Option<f64>,
            max: Option<f64>,
        }
        let Read { count, sum, exact, min, max } = Read::deserialize(deserializer)?;
        let sum = match exact {
            None => ExactSum::of(sum),
            Some(text) => {
                ExactSum::parse(&text).ok_or_else(|| D::Error::custom(format!("{text:?} is not an exact sum")))?
            }
        };
        let (min, max) = (min.unwrap_or(f64::INFINITY), max.unwrap_or(f64::NEG_INFINITY));
        Ok(Self { count, sum, min, max })
    }
}

impl Serialize for ColumnTotal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut total = serializer.serialize_struct("Total", 5)?;
        total.serialize_field("count", &self.count)?;
        total.serialize_field("sum", &self.sum())?;
        // The exact sum is only written if `sum` was rounded, for a merge.
        if ExactSum::of(self.sum()) == self.sum {
            total.skip_field("exact")?;
        } else {
            total.serialize_field("exact", &self.sum.text())?;
        }
        total.serialize_field("min", &self.min)?;
        total.serialize_field("max", &self.max)?;
        total.end()
    }
}

/// One of the two stores with totals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// Records of the lake, as the rows they should be.
    Lake,
    /// Rows of the warehouse.
    Warehouse,
}

/// Control totals of one place, on both sides.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Totals {
    /// Totals by column, in the order of [`Self::COLUMNS`]: lake, warehouse.
    columns: [[ColumnTotal; 2]; Self::COLUMNS.len()],
    /// Hash totals: lake, warehouse.
    hash: [MultisetHash; 2],
}

impl Totals {
    /// Columns with totals.
    pub const COLUMNS: [Column; Column::NUMBERS.len()] = Column::NUMBERS;

    /// Returns each column with its totals in lake and warehouse; empty if both sides are empty.
    pub fn columns(&self) -> impl Iterator<Item = (Column, &[ColumnTotal; 2])> {
        let any = self.hash.iter().any(|side| side.count > 0);
        Self::COLUMNS.into_iter().zip(&self.columns).filter(move |_| any)
    }

    /// Returns the hash totals of lake and warehouse.
    pub const fn hashes(&self) -> [MultisetHash; 2] {
        self.hash
    }

    pub(super) fn add(&mut self, sides: &[Store], row: &Row, hash: u128) {
        for side in sides {
            self.hash[*side as usize].insert_hash(hash);
        }
        for (column, totals) in Self::COLUMNS.into_iter().zip(&mut self.columns) {
            if let Some(value) = number(row.get(column)) {
                sides.iter().for_each(|side| totals[*side as usize].add(value));
            }
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.hash.iter_mut().zip(other.hash) {
            mine.merge(theirs);
        }
        for (mine, theirs) in self.columns.iter_mut().flatten().zip(other.columns.iter().flatten()) {
            mine.merge(theirs);
        }
    }

    /// Subtracts the totals of parts from these totals.
    ///
    /// Minimum and maximum are not changed, because those of the rest are unknown.
    pub(super) fn without<'a>(mut self, parts: impl Iterator<Item = &'a Self>) -> Self {
        for part in parts {
            for (mine, theirs) in self.hash.iter_mut().zip(part.hash) {
                mine.remove(theirs);
            }
            for (mine, theirs) in self.columns.iter_mut().flatten().zip(part.columns.iter().flatten()) {
                mine.count = mine.count.saturating_sub(theirs.count);
                mine.sum.subtract(&theirs.sum);
            }
        }
        for left in self.columns.iter_mut().flatten().filter(|left| left.count == 0) {
            (left.min, left.max) = (f64::INFINITY, f64::NEG_INFINITY);
        }
        self
    }

    /// Returns the totals with these hash totals, which the JSON stores separately.
    pub(super) fn with_hashes(self, hash: [MultisetHash; 2]) -> Self {
        Self { hash, ..self }
    }
}

/// Reads totals from the JSON, without their hash totals.
impl<'de> Deserialize<'de> for Totals {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut by_name = BTreeMap::<String, [ColumnTotal; 2]>::deserialize(deserializer)?;
        let columns = Self::COLUMNS.map(|column| by_name.remove(column.name()).unwrap_or_default());
        match by_name.keys().next() {
            None => Ok(Self { columns, ..Self::default() }),
            Some(name) => Err(D::Error::custom(format!("{name:?} is not a column with totals"))),
        }
    }
}

impl Serialize for Totals {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (column, totals) in self.columns() {
            map.serialize_entry(column.name(), totals)?;
        }
        map.end()
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Float(value) => Some(f64::from(*value)),
        Value::Double(value) => Some(*value),
        #[allow(clippy::cast_precision_loss, reason = "counts of head and days")]
        Value::Integer(value) => Some(*value as f64),
        Value::Null | Value::Text(_) | Value::DateTime(_) | Value::Invalid(_) => None,
    }
}

/// Returns the hash of a row over the bytes in the table above; `bytes` is a reusable buffer.
pub(super) fn hash(row: &Row, bytes: &mut Vec<u8>) -> u128 {
    bytes.clear();
    for value in &row.0 {
        match value {
            Value::Null => bytes.push(0),
            Value::Text(text) | Value::Invalid(text) => {
                bytes.push(if matches!(value, Value::Text(_)) { 1 } else { 6 });
                bytes.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
                bytes.extend_from_slice(text.as_bytes());
            }
            Value::Float(value) => {
                bytes.push(2);
                bytes.extend_from_slice(&value.to_bits().to_le_bytes());
            }
            Value::Double(value) => {
                bytes.push(3);
                bytes.extend_from_slice(&value.to_bits().to_le_bytes());
            }
            Value::Integer(value) => {
                bytes.push(4);
                bytes.extend_from_slice(&value.to_le_bytes());
            }
            Value::DateTime(at) => {
                bytes.push(5);
                bytes.extend_from_slice(&at.and_utc().timestamp_micros().to_le_bytes());
            }
        }
    }
    xxh3_128(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pipeline::record::row::TableSchema;
    use testkit::conformance::warehouse::record;

    fn hashed(row: &Row) -> u128 {
        hash(row, &mut Vec::new())
    }

    /// Tests the table above byte by byte, so that other programs can compute the same hash.
    #[test]
    fn hashed_values_are_those_of_the_table() {
        let mut row = Row::nulls();
        let mut bytes = vec![0; Column::COUNT];
        assert_eq!(hashed(&row), xxh3_128(&bytes));
        row.0[0] = Value::Text("né".into());
        row.0[1] = Value::Float(1.5);
        row.0[2] = Value::Double(-2.0);
        row.0[3] = Value::Integer(-1);
        row.0[4] = Value::DateTime(chrono::DateTime::from_timestamp_micros(1_500_000).unwrap().naive_utc());
        bytes = [1, 3, 0, 0, 0, b'n', 0xc3, 0xa9, 2, 0, 0, 0xc0, 0x3f, 3, 0, 0, 0, 0, 0, 0, 0, 0xc0, 4].to_vec();
        bytes.extend([0xff; 8]);
        bytes.extend([5, 0x60, 0xe3, 0x16, 0, 0, 0, 0, 0]);
        bytes.extend([0; 8]);
        assert_eq!(hashed(&row), xxh3_128(&bytes));
    }

    #[test]
    fn a_hash_distinguishes_all_values() {
        let row = record(1).to_row(&TableSchema::standard());
        for column in Column::ALL {
            let mut other = row.clone();
            other.0[column.index()] = Value::Null;
            assert_ne!(hashed(&other), hashed(&row), "{column}");
        }
        let mut other = row.clone();
        let Value::Float(weight) = *row.get(Column::PesoMedio) else { panic!("a FLOAT") };
        other.0[Column::PesoMedio.index()] = Value::Float(f32::from_bits(weight.to_bits() + 1));
        assert_ne!(hashed(&other), hashed(&row), "one unit in the last place");
    }
}
