//! A record as a warehouse holds it, and the comparison at the precision of the column that holds each value.
//!
//! | a column of | agrees with the lake when |
//! | --- | --- |
//! | text | the characters are the same |
//! | FLOAT | the lake's value rounded to binary f32 has the same bits |
//! | DOUBLE | the values are the same f64 |
//! | FLOAT(m,d), DOUBLE(m,d), DECIMAL(m,d) | they differ by at most half a unit of the last kept digit, and what the binary type cannot tell apart |
//! | integer | the numbers are the same |
//! | DATETIME(n) | the stored time is the lake's instant truncated **or** rounded to n digits |
//! | any, NULL | never: a record has no NULL |

use chrono::{DateTime, NaiveDateTime, SubsecRound, Utc};
use serde::{Serialize, Serializer};

use super::{Column, Reading, Record, instant};

/// What a column of a real table can hold, as `information_schema` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Text of at most so many characters.
    Text {
        /// Limit in characters.
        chars: u64,
    },
    /// A binary f32, perhaps rounded to so many decimals.
    Single {
        /// Decimals of a FLOAT(m,d).
        decimals: Option<u8>,
    },
    /// A binary f64 or a decimal, perhaps rounded to so many decimals.
    Double {
        /// Decimals of a DOUBLE(m,d) or DECIMAL(m,d).
        decimals: Option<u8>,
    },
    /// A whole number.
    Integer,
    /// A time without zone, taken as UTC, with so many fractional digits.
    Instant {
        /// Fractional digits, 0 to 6.
        digits: u8,
    },
}

/// What each of the thirteen columns holds, in table order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape(pub [Holds; 13]);

impl Shape {
    /// What one column holds.
    pub fn of(&self, column: Column) -> Holds {
        self.0[column.index()]
    }

    /// The shape that `init` creates on MySQL: VARCHAR(255), FLOAT, INT, DATETIME (DESIGN §2).
    pub fn standard() -> Self {
        Self(Column::ALL.map(|column| match column {
            Column::PesoEntrada | Column::PesoMedio | Column::ConsumoReal | Column::ConsumoMeta => {
                Holds::Single { decimals: None }
            }
            Column::QuantidadeAnimais | Column::DiaConfinamento => Holds::Integer,
            Column::Data | Column::RowTs => Holds::Instant { digits: 0 },
            _ => Holds::Text { chars: super::MAX_TEXT_CHARS as u64 },
        }))
    }
}

/// One value of a row or record.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the variants are the SQL kinds of value")]
pub enum Value {
    Null,
    Text(String),
    Single(f32),
    Double(f64),
    Integer(i64),
    Instant(NaiveDateTime),
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_none(),
            Self::Text(text) => serializer.serialize_str(text),
            // The shortest decimal that reads back to this f32, not the digits of its widening to f64.
            Self::Single(value) => {
                serializer.serialize_f64(value.to_string().parse().unwrap_or_else(|_| f64::from(*value)))
            }
            // JSON has no number for it, and would say null, which is another value.
            Self::Double(value) if !value.is_finite() => serializer.collect_str(value),
            Self::Double(value) => serializer.serialize_f64(*value),
            Self::Integer(value) => serializer.serialize_i64(*value),
            Self::Instant(at) => serializer.serialize_str(&instant::as_row_ts(at.and_utc())),
        }
    }
}

/// A row as the warehouse holds it: thirteen values in table order.
#[derive(Debug, Clone, PartialEq)]
pub struct Row(pub [Value; 13]);

impl Row {
    /// One value.
    pub fn get(&self, column: Column) -> &Value {
        &self.0[column.index()]
    }

    /// The primary key; empty where the table allows NULL and has it.
    pub fn id(&self) -> &str {
        self.text(Column::IdTreatedData).unwrap_or_default()
    }

    /// A text value, where it is one.
    pub fn text(&self, column: Column) -> Option<&str> {
        match self.get(column) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A time, where it is one.
    pub fn instant(&self, column: Column) -> Option<NaiveDateTime> {
        match self.get(column) {
            Value::Instant(at) => Some(*at),
            _ => None,
        }
    }

    /// The record this row was made from, as far as its columns kept it: f32 weights come back in their shortest form.
    ///
    /// `None` where a value is NULL or no record can have it.
    pub fn to_record(&self) -> Option<Record> {
        let text = |column| self.text(column).map(str::to_owned);
        let time = |column| self.instant(column).map(|at| at.and_utc());
        let record = Record {
            id_treated_data: text(Column::IdTreatedData)?,
            reading: Reading {
                id_curral: text(Column::IdCurral)?,
                id_raca: text(Column::IdRaca)?,
                id_lote: text(Column::IdLote)?,
                peso_entrada: self.weight(Column::PesoEntrada)?,
                peso_medio: self.weight(Column::PesoMedio)?,
                data: time(Column::Data)?,
                quantidade_animais: self.count(Column::QuantidadeAnimais)?,
                dia_confinamento: self.count(Column::DiaConfinamento)?,
                consumo_real: self.weight(Column::ConsumoReal)?,
                cod_cliente: text(Column::CodCliente)?,
            },
            consumo_meta: self.weight(Column::ConsumoMeta)?,
            row_ts: time(Column::RowTs)?,
        };
        Record::parse(&record.object_from_values()).ok()
    }

    /// Whether a table that was given this row may hold it as that one: decimals past those it keeps are rounded off.
    pub fn is_kept_as(&self, stored: &Self, shape: &Shape) -> bool {
        Column::ALL.into_iter().all(|column| match (self.get(column), stored.get(column)) {
            (Value::Single(given), Value::Single(stored)) => near((*given).into(), (*stored).into(), shape.of(column)),
            (Value::Double(given), Value::Double(stored)) => near(*given, *stored, shape.of(column)),
            (given, stored) => given == stored,
        })
    }

    /// A row from its values in the JSON that [`Value`] is written as, by the kinds of a table's columns.
    ///
    /// # Errors
    /// A value is missing or of another kind.
    pub fn from_json(members: &serde_json::Map<String, serde_json::Value>, shape: &Shape) -> Result<Self, String> {
        let mut row = Self([const { Value::Null }; 13]);
        for column in Column::ALL {
            let json = members.get(column.name()).ok_or_else(|| format!("{column} is missing"))?;
            let value = value_from_json(json, shape.of(column));
            row.0[column.index()] =
                value.ok_or_else(|| format!("{column} is of another kind than its column: {json}"))?;
        }
        Ok(row)
    }

    fn weight(&self, column: Column) -> Option<f64> {
        match self.get(column) {
            Value::Single(value) => value.to_string().parse().ok(),
            Value::Double(value) => Some(*value),
            _ => None,
        }
    }

    fn count(&self, column: Column) -> Option<i32> {
        match self.get(column) {
            Value::Integer(value) => i32::try_from(*value).ok(),
            _ => None,
        }
    }
}

/// A field in which lake and warehouse disagree.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The field.
    pub column: Column,
    /// The lake's value, as the column would hold it.
    pub lake: Value,
    /// The warehouse's value.
    pub warehouse: Value,
}

impl Record {
    /// The value of a column as a table of that shape holds it: weights in the column's binary type, times truncated.
    pub fn value(&self, column: Column, shape: &Shape) -> Value {
        if let Some(text) = self.text(column) {
            return Value::Text(text.to_owned());
        }
        let reading = &self.reading;
        let holds = shape.of(column);
        match column {
            Column::PesoEntrada => weight(reading.peso_entrada, holds),
            Column::PesoMedio => weight(reading.peso_medio, holds),
            Column::QuantidadeAnimais => Value::Integer(reading.quantidade_animais.into()),
            Column::DiaConfinamento => Value::Integer(reading.dia_confinamento.into()),
            Column::ConsumoReal => weight(reading.consumo_real, holds),
            Column::ConsumoMeta => weight(self.consumo_meta, holds),
            Column::Data => time(reading.data, holds),
            Column::RowTs => time(self.row_ts, holds),
            _ => Value::Null,
        }
    }

    /// The value of a column of text; `None` of any other.
    fn text(&self, column: Column) -> Option<&str> {
        Some(match column {
            Column::IdTreatedData => &self.id_treated_data,
            Column::IdCurral => &self.reading.id_curral,
            Column::IdRaca => &self.reading.id_raca,
            Column::IdLote => &self.reading.id_lote,
            Column::CodCliente => &self.reading.cod_cliente,
            _ => return None,
        })
    }

    /// The row a table of that shape holds for this record.
    pub fn to_row(&self, shape: &Shape) -> Row {
        Row(Column::ALL.map(|column| self.value(column, shape)))
    }

    /// The fields in which a row disagrees with this record, by the table in the module's docs.
    pub fn differences(&self, row: &Row, shape: &Shape) -> Vec<Difference> {
        Column::ALL
            .into_iter()
            .filter(|&column| !self.agrees(column, row.get(column), shape))
            .map(|column| Difference { column, lake: self.value(column, shape), warehouse: row.get(column).clone() })
            .collect()
    }

    fn agrees(&self, column: Column, stored: &Value, shape: &Shape) -> bool {
        if let Some(lake) = self.text(column) {
            return matches!(stored, Value::Text(stored) if stored == lake);
        }
        let holds = shape.of(column);
        match (self.value(column, shape), stored) {
            (Value::Integer(lake), Value::Integer(stored)) => lake == *stored,
            (Value::Single(lake), Value::Single(stored)) => near(lake.into(), (*stored).into(), holds),
            (Value::Double(lake), Value::Double(stored)) => near(lake, *stored, holds),
            (Value::Instant(lake), Value::Instant(stored)) => {
                lake == *stored || self.rounded(column, holds) == Some(*stored)
            }
            _ => false,
        }
    }

    fn rounded(&self, column: Column, holds: Holds) -> Option<NaiveDateTime> {
        let at = if column == Column::Data { self.reading.data } else { self.row_ts };
        match holds {
            Holds::Instant { digits } => Some(instant::rounded(at, digits)),
            _ => None,
        }
    }
}

fn value_from_json(json: &serde_json::Value, holds: Holds) -> Option<Value> {
    if json.is_null() {
        return Some(Value::Null);
    }
    Some(match holds {
        Holds::Text { .. } => Value::Text(json.as_str()?.to_owned()),
        Holds::Integer => Value::Integer(json.as_i64()?),
        Holds::Single { .. } => weight(json.as_f64()?, holds),
        Holds::Double { .. } => Value::Double(json.as_f64().or_else(|| infinite(json.as_str()?))?),
        Holds::Instant { .. } => Value::Instant(instant::parse(json.as_str()?)?.naive_utc()),
    })
}

/// What SQLite may hold, and JSON has as text only.
fn infinite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_infinite())
}

#[allow(clippy::cast_possible_truncation, reason = "rounding to f32 is what a FLOAT column does")]
fn weight(value: f64, holds: Holds) -> Value {
    match holds {
        Holds::Single { .. } => Value::Single(value as f32),
        _ => Value::Double(value),
    }
}

fn time(at: DateTime<Utc>, holds: Holds) -> Value {
    match holds {
        Holds::Instant { digits } => Value::Instant(instant::truncated(at, digits)),
        _ => Value::Instant(at.naive_utc().trunc_subsecs(6)),
    }
}

#[allow(clippy::float_cmp, reason = "bit equality is the point where the column keeps binary values")]
fn near(lake: f64, stored: f64, holds: Holds) -> bool {
    let (decimals, epsilon) = match holds {
        Holds::Single { decimals: Some(decimals) } => (decimals, f32::EPSILON.into()),
        Holds::Double { decimals: Some(decimals) } => (decimals, f64::EPSILON),
        _ => return lake == stored,
    };
    let half_unit = 0.5 * 10_f64.powi(-i32::from(decimals));
    // A decimal is not what its binary form says: at a tie either neighbour is right, each as far off as its own form.
    (lake - stored).abs() <= half_unit + epsilon * (lake.abs() + stored.abs())
}

#[cfg(test)]
#[allow(clippy::excessive_precision, reason = "more digits than f32 holds are the case in point")]
#[allow(clippy::cast_possible_truncation, reason = "what a FLOAT column does")]
mod tests {
    use super::*;
    use crate::record::Rules;

    fn record() -> Record {
        let reading = Reading {
            id_curral: "1".into(),
            id_raca: "2".into(),
            id_lote: "3".into(),
            peso_entrada: 123_456.789,
            peso_medio: 360.341,
            data: instant::parse("2023-01-01 00:00:00 UTC").unwrap(),
            quantidade_animais: 51,
            dia_confinamento: 66,
            consumo_real: 9.076451,
            cod_cliente: "FazendaUm".into(),
        };
        Record::treat(reading, Rules::default(), instant::parse("2026-11-22T18:49:03.6").unwrap())
    }

    fn with(column: Column, holds: Holds) -> Shape {
        let mut shape = Shape::standard();
        shape.0[column.index()] = holds;
        shape
    }

    /// The table of the module's docs, row by row: what the column holds, what is stored, whether it agrees.
    #[test]
    fn the_table_of_comparison_holds() {
        let (record, at) = (record(), |text: &str| Value::Instant(instant::parse(text).unwrap().naive_utc()));
        let single = |decimals| Holds::Single { decimals };
        let double = |decimals| Holds::Double { decimals };
        let seconds = Holds::Instant { digits: 0 };
        let cases = [
            (Column::IdLote, Holds::Text { chars: 36 }, Value::Text("3".into()), true),
            (Column::IdLote, Holds::Text { chars: 36 }, Value::Text("3 ".into()), false),
            (Column::PesoEntrada, single(None), Value::Single(123_456.789), true),
            (Column::PesoEntrada, single(None), Value::Single(123_457.0), false),
            (Column::PesoEntrada, single(None), Value::Single(f32::from_bits(123_456.789_f32.to_bits() + 1)), false),
            (Column::PesoEntrada, double(None), Value::Double(123_456.789), true),
            (Column::PesoEntrada, double(None), Value::Double(f64::from(123_456.789_f32)), false),
            (Column::PesoEntrada, double(Some(2)), Value::Double(123_456.79), true),
            (Column::PesoEntrada, double(Some(2)), Value::Double(123_456.78), false),
            (Column::PesoMedio, single(Some(1)), Value::Single(360.3), true),
            (Column::PesoMedio, single(Some(1)), Value::Single(360.4), false),
            (Column::ConsumoReal, single(Some(5)), Value::Single(9.07645), true),
            (Column::ConsumoReal, single(Some(5)), Value::Single(9.07644), false),
            (Column::QuantidadeAnimais, Holds::Integer, Value::Integer(51), true),
            (Column::QuantidadeAnimais, Holds::Integer, Value::Integer(52), false),
            (Column::RowTs, seconds, at("2026-11-22T18:49:03"), true),
            (Column::RowTs, seconds, at("2026-11-22T18:49:04"), true),
            (Column::RowTs, seconds, at("2026-11-22T18:49:05"), false),
            (Column::RowTs, Holds::Instant { digits: 6 }, at("2026-11-22T18:49:03.6"), true),
            (Column::RowTs, Holds::Instant { digits: 6 }, at("2026-11-22T18:49:04"), false),
            (Column::IdRaca, Holds::Text { chars: 255 }, Value::Null, false),
        ];
        for (column, holds, stored, agrees) in cases {
            let shape = with(column, holds);
            let mut row = record.to_row(&shape);
            row.0[column.index()] = stored.clone();
            let found: Vec<Column> = record.differences(&row, &shape).into_iter().map(|d| d.column).collect();
            assert_eq!(found.is_empty(), agrees, "{column} {holds:?} {stored:?}");
            assert!(found.iter().all(|&c| c == column));
        }
    }

    /// Servers round the decimal or its binary form, halves up or to even: at a tie both neighbours are right, no other is.
    #[test]
    fn at_a_tie_both_neighbours_agree() {
        for hundredths in (1..100_000).step_by(7) {
            let mut record = record();
            let hundredth = |number: i32| f64::from(number) / 100.0;
            record.reading.peso_entrada = (f64::from(hundredths) * 10.0 + 5.0) / 1_000.0;
            for (step, agrees) in [(-1, false), (0, true), (1, true), (2, false)] {
                let stored = hundredth(hundredths + step);
                let single = (Holds::Single { decimals: Some(2) }, Value::Single(stored as f32));
                let double = (Holds::Double { decimals: Some(2) }, Value::Double(stored));
                for (holds, value) in [single, double] {
                    let shape = with(Column::PesoEntrada, holds);
                    let mut row = record.to_row(&shape);
                    row.0[Column::PesoEntrada.index()] = value.clone();
                    assert_eq!(record.differences(&row, &shape).is_empty(), agrees, "{record:?} {value:?}");
                }
            }
        }
    }

    #[test]
    fn an_f32_is_shown_in_its_shortest_form() {
        assert_eq!(serde_json::to_string(&Value::Single(374.914)).unwrap(), "374.914");
    }

    #[test]
    fn a_row_gives_back_the_record_its_columns_kept() {
        let mut record = record();
        record.reading.peso_entrada = 234.941;
        let row = record.to_row(&Shape::standard());
        let back = row.to_record().unwrap();
        assert_eq!(back.reading, record.reading, "f32 in its shortest form is what the farm wrote");
        assert!(back.differences(&row, &Shape::standard()).is_empty());
    }
}
