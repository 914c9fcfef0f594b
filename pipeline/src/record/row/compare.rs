//! Comparison of a record with its row, at the precision of each column.
//!
//! | column type | agrees with the lake if |
//! | --- | --- |
//! | text | the characters are equal |
//! | FLOAT | the lake's value, rounded to binary f32, has the same bits |
//! | DOUBLE | both are the same f64 |
//! | FLOAT(m,d), DOUBLE(m,d), DECIMAL(m,d) | they differ by at most half a unit of the last stored digit, plus the rounding of the binary type |
//! | integer | the numbers are equal |
//! | DATETIME(n) | the stored time is the lake's instant truncated **or** rounded to n digits |
//! | any, with NULL | the record lacks this optional field |

use super::{ColumnType, Row, TableSchema, Value, time, weight};
use crate::record::{Column, Field, Record, timestamp};

/// A field whose lake and warehouse values differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The field that differs.
    pub column: Column,
    /// Lake value, as the column would store it.
    pub lake: Value,
    /// Warehouse value.
    pub warehouse: Value,
}

impl Record {
    /// Returns the fields in which a row differs from this record, by the table in the module documentation.
    pub fn differences(&self, row: &Row, schema: &TableSchema) -> Vec<Difference> {
        Column::ALL
            .into_iter()
            .filter(|&column| !self.agrees(column, row.get(column), schema))
            .map(|column| Difference { column, lake: self.value(column, schema), warehouse: row.get(column).clone() })
            .collect()
    }

    fn agrees(&self, column: Column, stored: &Value, schema: &TableSchema) -> bool {
        let holds = schema.of(column);
        match (self.field(column), stored) {
            (Field::Absent, Value::Null) => true,
            (Field::Text(lake), Value::Text(stored)) => lake == stored,
            (Field::Count(lake), Value::Integer(stored)) => i64::from(lake) == *stored,
            (Field::Weight(lake), stored) => match (weight(lake, holds), stored) {
                (Value::Float(lake), Value::Float(stored)) => near(lake.into(), (*stored).into(), holds),
                (Value::Double(lake), Value::Double(stored)) => near(lake, *stored, holds),
                _ => false,
            },
            (Field::Instant(lake), stored) => {
                let rounded = || match holds {
                    ColumnType::DateTime { digits } => *stored == Value::DateTime(timestamp::rounded(lake, digits)),
                    _ => false,
                };
                *stored == time(lake, holds) || rounded()
            }
            _ => false,
        }
    }
}

impl Row {
    /// Returns true if a table may have stored this row as that one: decimals that do not fit are rounded.
    pub fn is_stored_as(&self, stored: &Self, schema: &TableSchema) -> bool {
        Column::ALL.into_iter().all(|column| match (self.get(column), stored.get(column)) {
            (Value::Float(given), Value::Float(stored)) => near((*given).into(), (*stored).into(), schema.of(column)),
            (Value::Double(given), Value::Double(stored)) => near(*given, *stored, schema.of(column)),
            (given, stored) => given == stored,
        })
    }
}

#[allow(clippy::float_cmp, reason = "bit equality is the point where the column keeps binary values")]
fn near(lake: f64, stored: f64, holds: ColumnType) -> bool {
    let (decimals, epsilon) = match holds {
        ColumnType::Float { decimals: Some(decimals) } => (decimals, f32::EPSILON.into()),
        ColumnType::Double { decimals: Some(decimals) } => (decimals, f64::EPSILON),
        _ => return lake == stored,
    };
    let half_unit = 0.5 * 10_f64.powi(-i32::from(decimals));
    // A decimal differs slightly from its binary form: at a tie both neighbours are correct, within the error of their
    // own binary form.
    (lake - stored).abs() <= half_unit + epsilon * (lake.abs() + stored.abs())
}

#[cfg(test)]
#[allow(clippy::excessive_precision, reason = "more digits than f32 holds are the case in point")]
#[allow(clippy::cast_possible_truncation, reason = "what a FLOAT column does")]
mod tests {
    use super::*;
    use crate::record::{Reading, Rules};

    fn record() -> Record {
        let message = r#"{"id_curral":"1","id_raca":"2","id_lote":"3","peso_entrada":123456.789,"peso_medio":360.341,"data":"2023-01-01 00:00:00 UTC","quantidade_animais":"51","dia_confinamento":"66","consumo_real":9.076451,"cod_cliente":"FazendaUm"}"#;
        let reading = Reading::parse(message.as_bytes()).unwrap();
        Record::from_reading(reading, Rules::default(), timestamp::parse("2026-11-22T18:49:03.6").unwrap())
    }

    fn with(column: Column, holds: ColumnType) -> TableSchema {
        let mut schema = TableSchema::standard();
        schema.0[column.index()] = holds;
        schema
    }

    /// Checks the table of the module docs row by row: column type, stored value, expected result.
    #[test]
    fn the_comparison_table_is_correct() {
        let (record, at) = (record(), |text: &str| Value::DateTime(timestamp::parse(text).unwrap().naive_utc()));
        let single = |decimals| ColumnType::Float { decimals };
        let double = |decimals| ColumnType::Double { decimals };
        let seconds = ColumnType::DateTime { digits: 0 };
        let cases = [
            (Column::IdLote, ColumnType::Text { chars: 36 }, Value::Text("3".into()), true),
            (Column::IdLote, ColumnType::Text { chars: 36 }, Value::Text("3 ".into()), false),
            (Column::PesoEntrada, single(None), Value::Float(123_456.789), true),
            (Column::PesoEntrada, single(None), Value::Float(123_457.0), false),
            (Column::PesoEntrada, single(None), Value::Float(f32::from_bits(123_456.789_f32.to_bits() + 1)), false),
            (Column::PesoEntrada, double(None), Value::Double(123_456.789), true),
            (Column::PesoEntrada, double(None), Value::Double(f64::from(123_456.789_f32)), false),
            (Column::PesoEntrada, double(Some(2)), Value::Double(123_456.79), true),
            (Column::PesoEntrada, double(Some(2)), Value::Double(123_456.78), false),
            (Column::PesoMedio, single(Some(1)), Value::Float(360.3), true),
            (Column::PesoMedio, single(Some(1)), Value::Float(360.4), false),
            (Column::ConsumoReal, single(Some(5)), Value::Float(9.07645), true),
            (Column::ConsumoReal, single(Some(5)), Value::Float(9.07644), false),
            (Column::QuantidadeAnimais, ColumnType::Integer, Value::Integer(51), true),
            (Column::QuantidadeAnimais, ColumnType::Integer, Value::Integer(52), false),
            (Column::RowTs, seconds, at("2026-11-22T18:49:03"), true),
            (Column::RowTs, seconds, at("2026-11-22T18:49:04"), true),
            (Column::RowTs, seconds, at("2026-11-22T18:49:05"), false),
            (Column::RowTs, ColumnType::DateTime { digits: 6 }, at("2026-11-22T18:49:03.6"), true),
            (Column::RowTs, ColumnType::DateTime { digits: 6 }, at("2026-11-22T18:49:04"), false),
            (Column::IdRaca, ColumnType::Text { chars: 255 }, Value::Null, false),
        ];
        for (column, holds, stored, agrees) in cases {
            let schema = with(column, holds);
            let mut row = record.to_row(&schema);
            row.0[column.index()] = stored.clone();
            let found: Vec<Column> = record.differences(&row, &schema).into_iter().map(|d| d.column).collect();
            assert_eq!(found.is_empty(), agrees, "{column} {holds:?} {stored:?}");
            assert!(found.iter().all(|&c| c == column));
        }
    }

    #[test]
    fn a_row_may_be_stored_with_rounded_decimals_and_no_other_change() {
        let (double, single) = (Value::Double, Value::Float);
        for (holds, given, rounded, other) in [
            (ColumnType::Double { decimals: Some(2) }, double(7.126), double(7.13), double(7.12)),
            (ColumnType::Float { decimals: Some(1) }, single(360.341), single(360.3), single(360.4)),
        ] {
            let schema = with(Column::PesoEntrada, holds);
            let row = |value: &Value| {
                let mut row = record().to_row(&schema);
                row.0[Column::PesoEntrada.index()] = value.clone();
                row
            };
            assert!([&given, &rounded].into_iter().all(|stored| row(&given).is_stored_as(&row(stored), &schema)));
            assert!(!row(&given).is_stored_as(&row(&other), &schema), "{other:?}");
            let mut changed = row(&given);
            changed.0[Column::IdLote.index()] = Value::Text("4".into());
            assert!(!row(&given).is_stored_as(&changed, &schema), "another text");
        }
    }

    /// Servers round the decimal or its binary form, half up or half to even. At a tie both neighbours are correct, and
    /// no other value is.
    #[test]
    fn at_a_tie_both_neighbours_agree() {
        for hundredths in (1..100_000).step_by(7) {
            let mut record = record();
            let hundredth = |number: i32| f64::from(number) / 100.0;
            record.reading.peso_entrada = (f64::from(hundredths) * 10.0 + 5.0) / 1_000.0;
            for (step, agrees) in [(-1, false), (0, true), (1, true), (2, false)] {
                let stored = hundredth(hundredths + step);
                let single = (ColumnType::Float { decimals: Some(2) }, Value::Float(stored as f32));
                let double = (ColumnType::Double { decimals: Some(2) }, Value::Double(stored));
                for (holds, value) in [single, double] {
                    let schema = with(Column::PesoEntrada, holds);
                    let mut row = record.to_row(&schema);
                    row.0[Column::PesoEntrada.index()] = value.clone();
                    assert_eq!(record.differences(&row, &schema).is_empty(), agrees, "{record:?} {value:?}");
                }
            }
        }
    }
}
