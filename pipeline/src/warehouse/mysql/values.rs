//! Values between a table's columns and the toolkit's few kinds, always in their binary types.

use chrono::{DateTime, Utc};
use sqlx::mysql::{MySqlArguments, MySqlRow};
use sqlx::query::Query;
use sqlx::{MySql as Db, Row as _};

use crate::record::Column;
use crate::record::stored::{Holds, Row, Shape, Value};

/// The select list, with what sqlx cannot decode into our few kinds cast by the server.
pub(super) fn select_list(shape: &Shape) -> String {
    let columns = Column::ALL.map(|column| match shape.of(column) {
        Holds::Integer => format!("CAST(`{column}` AS SIGNED)"),
        Holds::Double { decimals: Some(_) } => format!("CAST(`{column}` AS DOUBLE)"),
        _ => format!("`{column}`"),
    });
    columns.join(", ")
}

pub(super) fn decode(row: &MySqlRow, shape: &Shape) -> Result<Row, sqlx::Error> {
    let mut decoded = Row::nulls();
    for column in Column::ALL {
        let at = column.index();
        decoded.0[at] = match shape.of(column) {
            Holds::Text { .. } => row.try_get::<Option<String>, _>(at)?.map_or(Value::Null, Value::Text),
            Holds::Single { .. } => row.try_get::<Option<f32>, _>(at)?.map_or(Value::Null, Value::Single),
            Holds::Double { .. } => row.try_get::<Option<f64>, _>(at)?.map_or(Value::Null, Value::Double),
            Holds::Integer => row.try_get::<Option<i64>, _>(at)?.map_or(Value::Null, Value::Integer),
            Holds::Instant { .. } => instant(row.try_get(at)?),
        };
    }
    Ok(decoded)
}

/// DATETIME and TIMESTAMP alike: the session is in UTC, and sqlx decodes a TIMESTAMP only with its zone.
fn instant(at: Option<DateTime<Utc>>) -> Value {
    at.map_or(Value::Null, |at| Value::Instant(at.naive_utc()))
}

pub(super) fn bind<'q>(query: Query<'q, Db, MySqlArguments>, value: &'q Value) -> Query<'q, Db, MySqlArguments> {
    match value {
        Value::Null => query.bind(None::<String>),
        Value::Text(text) => query.bind(text.as_str()),
        Value::Single(value) => query.bind(*value),
        Value::Double(value) => query.bind(*value),
        Value::Integer(value) => query.bind(*value),
        Value::Instant(at) => query.bind(*at),
    }
}
