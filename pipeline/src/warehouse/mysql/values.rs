//! Converts values between the table's column types and the toolkit's value types, always in binary form.

use chrono::{DateTime, Utc};
use sqlx::mysql::{MySqlArguments, MySqlRow};
use sqlx::query::Query;
use sqlx::{Decode, MySql as Db, Row as _};

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
            ColumnType::DateTime { digits } => instant(row, at, digits)?,
        };
    }
    Ok(decoded)
}

/// Returns a DATETIME or TIMESTAMP: the session is in UTC, and sqlx decodes a TIMESTAMP only with its zone. A date that does not
/// exist, which a server without strict mode stores, is an error of sqlx or, if it is zero, a NULL.
fn instant(row: &MySqlRow, at: usize, digits: u8) -> Result<Value, sqlx::Error> {
    let decoded = row.try_get::<Option<DateTime<Utc>>, _>(at);
    if let Ok(Some(time)) = decoded {
        return Ok(Value::DateTime(time.naive_utc()));
    }
    let bytes = <&[u8] as Decode<Db>>::decode(row.try_get_raw(at)?).ok();
    match bytes.and_then(|bytes| impossible_time(bytes, digits)) {
        Some(text) => Ok(Value::Invalid(text)),
        None => decoded.map(|_| Value::Null),
    }
}

/// Returns the text of a time in the binary protocol, with its length in the first byte, as the server casts it to CHAR;
/// `None` for other bytes.
fn impossible_time(bytes: &[u8], digits: u8) -> Option<String> {
    let (&length, parts) = bytes.split_first().filter(|(length, parts)| usize::from(**length) == parts.len())?;
    if ![0, 4, 7, 11].contains(&length) {
        return None;
    }
    let part = |at: usize| parts.get(at).copied().unwrap_or_default();
    let year = u16::from_le_bytes([part(0), part(1)]);
    let micros = u32::from_le_bytes([part(7), part(8), part(9), part(10)]);
    let time = format!("{year:04}-{:02}-{:02} {:02}:{:02}:{:02}", part(2), part(3), part(4), part(5), part(6));
    let fraction = format!("{micros:06}");
    Some(match fraction.get(..digits.into()).filter(|shown| !shown.is_empty()) {
        Some(shown) => format!("{time}.{shown}"),
        None => time,
    })
}

/// Returns the condition for a row that still has these values: its id, then all values, one argument each.
pub(super) fn guard(schema: &TableSchema, row: &Row) -> String {
    // A FLOAT is compared as the server's own f32: bound as f32 and cast, never as decimal text.
    let guard = Column::ALL.map(|column| match schema.of(column) {
        // A comparison of the column itself with such a text is an error in strict mode.
        _ if matches!(row.get(column), Value::Invalid(_)) => format!("CAST(`{column}` AS CHAR) <=> ?"),
        // Not CAST AS DOUBLE, which MySQL has only since 8.0.17.
        ColumnType::Double { decimals: Some(_) } => format!("`{column}` + 0E0 <=> ?"),
        ColumnType::Text { .. } => format!("BINARY CONVERT(`{column}` USING utf8mb4) <=> BINARY ?"),
        _ => format!("`{column}` <=> ?"),
    });
    // Only the condition on the plain id can use the key to find the row.
    format!("`{}` = ? AND {}", Column::IdTreatedData, guard.join(" AND "))
}

pub(super) fn bind<'q>(query: Query<'q, Db, MySqlArguments>, value: &'q Value) -> Query<'q, Db, MySqlArguments> {
    match value {
        Value::Null => query.bind(None::<String>),
        Value::Text(text) | Value::Invalid(text) => query.bind(text.as_str()),
        Value::Float(value) => query.bind(*value),
        Value::Double(value) => query.bind(*value),
        Value::Integer(value) => query.bind(*value),
        Value::DateTime(at) => query.bind(*at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_that_does_not_exist_is_shown_as_the_server_shows_it() {
        for (bytes, digits, expected) in [
            (&[0][..], 0, Some("0000-00-00 00:00:00")),
            (&[0], 6, Some("0000-00-00 00:00:00.000000")),
            (&[4, 0xe7, 7, 0, 0], 0, Some("2023-00-00 00:00:00")),
            (&[7, 0xe7, 7, 2, 30, 1, 2, 3], 0, Some("2023-02-30 01:02:03")),
            (&[11, 0xe7, 7, 1, 0, 1, 2, 3, 0x40, 0xe2, 1, 0], 3, Some("2023-01-00 01:02:03.123")),
            (b"2023-01-01", 0, None),
            (&[], 0, None),
        ] {
            assert_eq!(impossible_time(bytes, digits).as_deref(), expected, "{bytes:?}");
        }
    }

    #[test]
    fn a_row_is_found_by_the_text_of_an_invalid_value() {
        let schema = TableSchema::standard();
        let mut row = Row::nulls();
        row.0[Column::Data.index()] = Value::Invalid("2023-00-00 00:00:00".into());
        let found = guard(&schema, &row);
        assert!(found.contains("CAST(`data` AS CHAR) <=> ?") && found.contains("`row_ts` <=> ?"), "{found}");
        assert!(guard(&schema, &Row::nulls()).contains("`data` <=> ?"));
    }
}
