//! Records as a warehouse stores them: column types, rows, and conversions between rows and records.
//!
//! `compare` decides whether a record and a row agree.

use chrono::{DateTime, NaiveDateTime, SubsecRound, Utc};
use serde::{Serialize, Serializer};

mod compare;

pub use compare::Difference;

use super::{Column, ColumnKind, Field, Record, Source, timestamp};

/// Type of a column of a real table, as reported by `information_schema`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// Text with a maximum length.
    Text {
        /// Maximum length in characters.
        chars: u64,
    },
    /// Binary f32, optionally rounded to a number of decimals.
    Float {
        /// Decimals of a FLOAT(m,d).
        decimals: Option<u8>,
    },
    /// Binary f64 or decimal, optionally rounded to a number of decimals.
    Double {
        /// Decimals of a DOUBLE(m,d) or DECIMAL(m,d).
        decimals: Option<u8>,
    },
    /// Integer.
    Integer,
    /// Time without zone, interpreted as UTC.
    DateTime {
        /// Fractional digits, 0 to 6.
        digits: u8,
    },
}

/// Types of the columns, in table order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableSchema(pub [ColumnType; Column::COUNT]);

impl TableSchema {
    /// Returns the type of a column.
    pub fn of(&self, column: Column) -> ColumnType {
        self.0[column.index()]
    }

    /// Returns the schema that `init` creates on MySQL: VARCHAR(255), FLOAT, INT, DATETIME.
    pub fn standard() -> Self {
        Self(Column::ALL.map(|column| match column.kind() {
            ColumnKind::Text => ColumnType::Text { chars: super::MAX_TEXT_CHARS as u64 },
            ColumnKind::Weight => ColumnType::Float { decimals: None },
            ColumnKind::Count => ColumnType::Integer,
            ColumnKind::Instant => ColumnType::DateTime { digits: 0 },
        }))
    }
}

impl ColumnType {
    /// Returns the kind of value that the type can hold, at any precision.
    pub const fn kind(self) -> ColumnKind {
        match self {
            Self::Text { .. } => ColumnKind::Text,
            Self::Float { .. } | Self::Double { .. } => ColumnKind::Weight,
            Self::Integer => ColumnKind::Count,
            Self::DateTime { .. } => ColumnKind::Instant,
        }
    }
}

/// Member of a JSON object with a value that is invalid for its column, as text.
pub const INVALID: &str = "invalid";

/// One value of a row or record.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the variants are the SQL kinds of value")]
pub enum Value {
    Null,
    Text(String),
    Float(f32),
    Double(f64),
    Integer(i64),
    DateTime(NaiveDateTime),
    /// Value in a row that is invalid for its column's type, as text: `2023-00-00`, or text in a number column
    /// of SQLite.
    Invalid(String),
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_none(),
            Self::Text(text) | Self::Invalid(text) => serializer.serialize_str(text),
            // The shortest decimal that parses to this f32, not the digits of the f32 widened to f64.
            Self::Float(value) => {
                serializer.serialize_f64(value.to_string().parse().unwrap_or_else(|_| f64::from(*value)))
            }
            // JSON has no such number. serde_json would write null, which is a different value.
            Self::Double(value) if !value.is_finite() => serializer.collect_str(value),
            Self::Double(value) => serializer.serialize_f64(*value),
            Self::Integer(value) => serializer.serialize_i64(*value),
            Self::DateTime(at) => serializer.serialize_str(&timestamp::as_row_ts(at.and_utc())),
        }
    }
}

/// A warehouse row: one value per column, in table order.
#[derive(Debug, Clone, PartialEq)]
pub struct Row(pub [Value; Column::COUNT]);

impl Row {
    /// Creates a row of NULLs.
    pub const fn nulls() -> Self {
        Self([const { Value::Null }; Column::COUNT])
    }

    /// Returns one value.
    pub fn get(&self, column: Column) -> &Value {
        &self.0[column.index()]
    }

    /// Returns the primary key; empty if it is NULL.
    pub fn id(&self) -> &str {
        match self.get(Column::IdTreatedData) {
            Value::Text(text) | Value::Invalid(text) => text,
            _ => "",
        }
    }

    /// Returns a text value; `None` if the value is not a text.
    pub fn text(&self, column: Column) -> Option<&str> {
        match self.get(column) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns a time; `None` if the value is not a time.
    pub fn instant(&self, column: Column) -> Option<NaiveDateTime> {
        match self.get(column) {
            Value::DateTime(at) => Some(*at),
            _ => None,
        }
    }

    /// Returns the record stored in this row, at the precision of its columns; f32 weights are read in their shortest
    /// form.
    ///
    /// `None` if a required value is NULL or a value is not valid in a record.
    pub fn to_record(&self) -> Option<Record> {
        let record = Record::read(&mut RowSource(self)).ok()?;
        Record::parse(&record.object_from_values()).ok()
    }

    /// Parses a row from the JSON form of [`Value`], by the types of a table's columns. A value that is invalid for its
    /// column is an object with the member [`INVALID`].
    ///
    /// # Errors
    /// Returns an error if a required value is missing or a value has another type.
    pub fn from_json(
        members: &serde_json::Map<String, serde_json::Value>,
        schema: &TableSchema,
    ) -> Result<Self, String> {
        let mut row = Self::nulls();
        for column in Column::ALL {
            let json = match members.get(column.name()) {
                Some(json) => json,
                // The file is older than the column.
                None if column.is_optional() => continue,
                None => return Err(format!("{column} is missing")),
            };
            let value = value_from_json(json, schema.of(column));
            row.0[column.index()] =
                value.ok_or_else(|| format!("{column} is of another kind than its column: {json}"))?;
        }
        Ok(row)
    }
}

/// A row as a source for a record; an `f32` is read in its shortest form.
struct RowSource<'a>(&'a Row);

/// Error for a missing or invalid value in a row.
struct NoValue;

impl Source for RowSource<'_> {
    type Error = NoValue;

    fn has(&mut self, column: Column) -> bool {
        *self.0.get(column) != Value::Null
    }

    fn text(&mut self, column: Column) -> Result<String, NoValue> {
        self.0.text(column).map(str::to_owned).ok_or(NoValue)
    }

    fn weight(&mut self, column: Column) -> Result<f64, NoValue> {
        match self.0.get(column) {
            Value::Float(value) => value.to_string().parse().map_err(|_| NoValue),
            Value::Double(value) => Ok(*value),
            _ => Err(NoValue),
        }
    }

    fn count(&mut self, column: Column) -> Result<i32, NoValue> {
        match self.0.get(column) {
            Value::Integer(value) => i32::try_from(*value).map_err(|_| NoValue),
            _ => Err(NoValue),
        }
    }

    fn instant(&mut self, column: Column) -> Result<DateTime<Utc>, NoValue> {
        self.0.instant(column).map(|at| at.and_utc()).ok_or(NoValue)
    }
}

impl Record {
    /// Returns the value of a column as a table with this schema stores it: weights in the column's binary type, times
    /// truncated.
    pub fn value(&self, column: Column, schema: &TableSchema) -> Value {
        match self.field(column) {
            Field::Absent => Value::Null,
            Field::Text(text) => Value::Text(text.to_owned()),
            Field::Weight(value) => weight(value, schema.of(column)),
            Field::Count(value) => Value::Integer(value.into()),
            Field::Instant(at) => time(at, schema.of(column)),
        }
    }

    /// Returns the row that a table with this schema stores for this record.
    pub fn to_row(&self, schema: &TableSchema) -> Row {
        Row(Column::ALL.map(|column| self.value(column, schema)))
    }
}

fn value_from_json(json: &serde_json::Value, holds: ColumnType) -> Option<Value> {
    if json.is_null() {
        return Some(Value::Null);
    }
    // Marked, so that a damaged or edited value is not mistaken for one.
    let invalid = || json.get(INVALID)?.as_str().map(|text| Value::Invalid(text.to_owned()));
    valid_from_json(json, holds).or_else(invalid)
}

fn valid_from_json(json: &serde_json::Value, holds: ColumnType) -> Option<Value> {
    Some(match holds {
        ColumnType::Text { .. } => Value::Text(json.as_str()?.to_owned()),
        ColumnType::Integer => Value::Integer(json.as_i64()?),
        // A larger number would become infinite, which JSON cannot hold and no server stores.
        ColumnType::Float { .. } => match weight(json.as_f64()?, holds) {
            Value::Float(value) if !value.is_finite() => return None,
            value => value,
        },
        ColumnType::Double { .. } => Value::Double(json.as_f64().or_else(|| infinite(json.as_str()?))?),
        ColumnType::DateTime { .. } => Value::DateTime(timestamp::parse(json.as_str()?)?.naive_utc()),
    })
}

/// Parses an infinite number: SQLite can store it, and JSON holds it as a text only.
fn infinite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_infinite())
}

#[allow(clippy::cast_possible_truncation, reason = "rounding to f32 is what a FLOAT column does")]
fn weight(value: f64, holds: ColumnType) -> Value {
    match holds {
        ColumnType::Float { .. } => Value::Float(value as f32),
        _ => Value::Double(value),
    }
}

fn time(at: DateTime<Utc>, holds: ColumnType) -> Value {
    match holds {
        ColumnType::DateTime { digits } => Value::DateTime(timestamp::truncated(at, digits)),
        _ => Value::DateTime(at.naive_utc().trunc_subsecs(6)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Reading, Rules};

    const OBJECT: &str = r#"{"id_curral":"1","id_raca":"2","id_lote":"3","peso_entrada":123456.789,"peso_medio":360.341,"data":"2023-01-01 00:00:00 UTC","quantidade_animais":"51","dia_confinamento":"66","consumo_real":9.076451,"cod_cliente":"FazendaUm"}"#;

    fn record() -> Record {
        let reading = Reading::parse(OBJECT.as_bytes()).unwrap();
        Record::from_reading(reading, Rules::default(), timestamp::parse("2026-11-22T18:49:03.6").unwrap())
    }

    #[test]
    fn an_f32_is_written_in_its_shortest_form() {
        assert_eq!(serde_json::to_string(&Value::Float(374.914)).unwrap(), "374.914");
    }

    #[test]
    fn a_value_that_its_column_cannot_have_survives_json_and_is_no_record() {
        let schema = TableSchema::standard();
        let mut row = record().to_row(&schema);
        row.0[Column::Data.index()] = Value::Invalid("2023-00-00 00:00:00".into());
        row.0[Column::PesoMedio.index()] = Value::Invalid("n/d".into());
        let members = |marked: bool| {
            let json = |column: Column| match row.get(column) {
                Value::Invalid(text) if marked => serde_json::json!({ INVALID: text }),
                value => serde_json::json!(value),
            };
            Column::ALL.map(|column| (column.name().to_owned(), json(column))).into_iter().collect()
        };
        assert_eq!(Row::from_json(&members(true), &schema).unwrap(), row);
        assert!(Row::from_json(&members(false), &schema).unwrap_err().contains("peso_medio"));
        assert_eq!(row.to_record(), None);
        let different: Vec<Column> = record().differences(&row, &schema).into_iter().map(|it| it.column).collect();
        assert_eq!(different, [Column::PesoMedio, Column::Data]);
    }

    #[test]
    fn null_and_infinite_values_survive_json() {
        let mut schema = TableSchema::standard();
        schema.0[Column::PesoMedio.index()] = ColumnType::Double { decimals: None };
        for stored in [Value::Null, Value::Double(f64::INFINITY), Value::Double(f64::NEG_INFINITY), Value::Double(0.1)]
        {
            let mut row = record().to_row(&schema);
            row.0[Column::PesoMedio.index()] = stored.clone();
            let json = |column: Column| (column.name().to_owned(), serde_json::json!(row.get(column)));
            assert_eq!(
                Row::from_json(&Column::ALL.map(json).into_iter().collect(), &schema).unwrap(),
                row,
                "{stored:?}"
            );
        }
    }

    #[test]
    fn a_number_that_a_float_column_cannot_hold_is_of_another_kind() {
        let schema = TableSchema::standard();
        let mut members = serde_json::Map::new();
        let row = record().to_row(&schema);
        members.extend(Column::ALL.map(|column| (column.name().to_owned(), serde_json::json!(row.get(column)))));
        assert_eq!(Row::from_json(&members, &schema).unwrap(), row);
        members.insert("peso_medio".into(), serde_json::json!(3.5e38));
        assert!(Row::from_json(&members, &schema).unwrap_err().contains("peso_medio"));
        members.remove("peso_medio");
        assert_eq!(Row::from_json(&members, &schema).unwrap_err(), "peso_medio is missing");
    }

    #[test]
    fn a_row_returns_the_record_at_the_precision_of_its_columns() {
        let mut record = record();
        record.reading.peso_entrada = 234.941;
        let row = record.to_row(&TableSchema::standard());
        let back = row.to_record().unwrap();
        assert_eq!(back.reading, record.reading, "f32 in its shortest form is what the farm wrote");
        assert!(back.differences(&row, &TableSchema::standard()).is_empty());
        let mut schema = TableSchema::standard();
        schema.0[Column::PesoEntrada.index()] = ColumnType::Double { decimals: None };
        record.reading.peso_entrada = 234.941_000_000_1;
        assert_eq!(record.to_row(&schema).to_record().unwrap().reading, record.reading, "a DOUBLE has all digits");
    }
}
