//! Converts values between the table's column types and the toolkit's value types, always in binary form.

use chrono::{DateTime, Utc};
use sqlx::mysql::{MySqlArguments, MySqlRow};
use sqlx::query::Query;
use sqlx::{MySql as Db, Row as _};

use crate::record::Column;
use crate::record::row::{ColumnType, Row, TableSchema, Value};

/// Returns the select list; the server casts types that sqlx cannot decode into our value types.
pub(super) fn select_list(schema: &TableSchema) -> String {
    let columns = Column::ALL.map(|column| match schema.of(column) {
        ColumnType::Integer => format!("CAST(`{column}` AS SIGNED)"),
        // Not CAST AS DOUBLE, which MySQL has only since 8.0.17.
        ColumnType::Double { decimals: Some(_) } => format!("`{column}` + 0E0"),
        _ => format!("`{column}`"),
    });
    columns.join(", ")
}

pub(super) fn decode(row: &MySqlRow, schema: &TableSchema) -> Result<Row, sqlx::Error> {
    let mut decoded = Row::nulls();
    for column in Column::ALL {
        let at = column.index();
        decoded.0[at] = match schema.of(column) {
            ColumnType::Text { .. } => row.try_get::<Option<String>, _>(at)?.map_or(Value::Null, Value::Text),
            ColumnType::Float { .. } => row.try_get::<Option<f32>, _>(at)?.map_or(Value::Null, Value::Float),
            ColumnType::Double { .. } => row.try_get::<Option<f64>, _>(at)?.map_or(Value::Null, Value::Double),
            ColumnType::Integer => row.try_get::<Option<i64>, _>(at)?.map_or(Value::Null, Value::Integer),
            ColumnType::DateTime { .. } => instant(row.try_get(at)?),
        };
    }
    Ok(decoded)
}

/// Converts DATETIME and TIMESTAMP: the session is in UTC, and sqlx decodes a TIMESTAMP only with its zone.
fn instant(at: Option<DateTime<Utc>>) -> Value {
    at.map_or(Value::Null, |at| Value::DateTime(at.naive_utc()))
}

pub(super) fn bind<'q>(query: Query<'q, Db, MySqlArguments>, value: &'q Value) -> Query<'q, Db, MySqlArguments> {
    match value {
        Value::Null => query.bind(None::<String>),
        Value::Text(text) => query.bind(text.as_str()),
        Value::Float(value) => query.bind(*value),
        Value::Double(value) => query.bind(*value),
        Value::Integer(value) => query.bind(*value),
        Value::DateTime(at) => query.bind(*at),
    }
}
