//! Converts values between SQLite and the toolkit's value types. SQLite does not enforce the types of columns, so a row can hold
//! any value.

use chrono::NaiveDateTime;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Decode, Row as _, Sqlite as Db, Type, TypeInfo as _, ValueRef as _};

use crate::record::row::{ColumnType, Row, TableSchema, Value};
use crate::record::{Column, timestamp};

pub(super) fn decode(row: &SqliteRow, schema: &TableSchema) -> Result<Row, sqlx::Error> {
    let mut decoded = Row::nulls();
    for column in Column::ALL {
        let at = column.index();
        decoded.0[at] = match schema.of(column) {
            ColumnType::Text { .. } => value::<String>(row, at, Value::Text)?,
            ColumnType::Integer => value::<i64>(row, at, Value::Integer)?,
            ColumnType::DateTime { .. } => date_time(row, at)?,
            _ => value::<f64>(row, at, Value::Double)?,
        };
    }
    Ok(decoded)
}

fn value<'r, T>(row: &'r SqliteRow, at: usize, valid: impl FnOnce(T) -> Value) -> Result<Value, sqlx::Error>
where
    T: Decode<'r, Db> + Type<Db>,
{
    match row.try_get::<Option<T>, _>(at) {
        Ok(value) => Ok(value.map_or(Value::Null, valid)),
        Err(sqlx::Error::ColumnDecode { .. }) => Ok(Value::Invalid(text(row, at)?)),
        Err(e) => Err(e),
    }
}

/// Returns a point in time. The form that this toolkit writes is parsed here: sqlx tries formats, which takes a tenth of
/// an audit's instructions.
fn date_time(row: &SqliteRow, at: usize) -> Result<Value, sqlx::Error> {
    if row.try_get_raw(at)?.type_info().name() == "TEXT"
        && let Some(time) = timestamp::digits(row.try_get_unchecked(at)?)
    {
        return Ok(Value::DateTime(time));
    }
    value::<NaiveDateTime>(row, at, Value::DateTime)
}

/// Returns a value as text; a BLOB that is not text as `x'…'`.
fn text(row: &SqliteRow, at: usize) -> Result<String, sqlx::Error> {
    row.try_get_unchecked::<String, _>(at).or_else(|_| {
        let bytes = row.try_get_unchecked::<Vec<u8>, _>(at)?;
        Ok(format!("x'{}'", crate::hex::hex(&bytes)))
    })
}

pub(super) fn bind<'q>(query: Query<'q, Db, SqliteArguments>, value: &'q Value) -> Query<'q, Db, SqliteArguments> {
    match value {
        Value::Null => query.bind(None::<String>),
        Value::Text(text) | Value::Invalid(text) => query.bind(text.as_str()),
        Value::Float(value) => query.bind(f64::from(*value)),
        Value::Double(value) => query.bind(*value),
        Value::Integer(value) => query.bind(*value),
        Value::DateTime(at) => query.bind(*at),
    }
}

/// Returns the condition for a row that still has these values, one argument each.
pub(super) fn guard(row: &Row) -> String {
    let guard = Column::ALL.map(|column| match row.get(column) {
        Value::Invalid(_) => format!("? IN (CAST({column} AS TEXT), 'x''' || lower(hex({column})) || '''')"),
        _ => format!("{column} IS ?"),
    });
    guard.join(" AND ")
}

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, Executor as _};

    use super::*;
    use crate::record::{Reading, Record, Rules};
    use crate::warehouse::sqlite::Sqlite;
    use crate::warehouse::{TableName, Warehouse as _};

    const READING: &str = r#"{"id_curral":"1","id_raca":"2","id_lote":"3","peso_entrada":234.5,"peso_medio":360.5,"data":"2023-01-01 00:00:00 UTC","quantidade_animais":"51","dia_confinamento":"66","consumo_real":9.5,"cod_cliente":"FazendaUm"}"#;

    /// Forms of another program; the last one is only parsed by sqlx.
    #[tokio::test]
    async fn times_of_other_programs_are_read() {
        let pool = sqlx::SqlitePool::connect("sqlite::memory:").await.unwrap();
        let expected = timestamp::digits("2026-11-22 18:49:03.5").unwrap();
        for sql in ["'2026-11-22 18:49:03.5'", "'2026-11-22T18:49:03.500000'", "'2026-11-22T18:49:03.5Z'"] {
            let row = pool.fetch_one(AssertSqlSafe(format!("SELECT {sql}"))).await.unwrap();
            assert_eq!(date_time(&row, 0).unwrap(), Value::DateTime(expected), "{sql}");
        }
        let row = pool.fetch_one("SELECT NULL").await.unwrap();
        assert_eq!(date_time(&row, 0).unwrap(), Value::Null);
    }

    #[tokio::test]
    async fn a_value_that_its_column_cannot_have_is_read_as_text_and_can_be_replaced() {
        let home = tempfile::tempdir().unwrap();
        let table = Sqlite::create(&home.path().join("w.db"), TableName::default()).unwrap();
        table.init().await.unwrap();
        let schema = table.table_schema().await.unwrap();
        let reading = Reading::parse(READING.as_bytes()).unwrap();
        let row_ts = timestamp::parse("2026-11-22T18:49:03.6").unwrap();
        let good = Record::from_reading(reading, Rules::default(), row_ts).to_row(&schema);
        table.insert(std::slice::from_ref(&good), &schema).await.unwrap();
        for (column, sql, expected) in [
            (Column::PesoMedio, "'n/d'", "n/d"),
            (Column::Data, "''", ""),
            (Column::Data, "'2023-02-30 00:00:00'", "2023-02-30 00:00:00"),
            (Column::CodCliente, "x'ff00'", "x'ff00'"),
            (Column::CodCliente, "x'4661'", "Fa"),
            (Column::QuantidadeAnimais, "51.5", "51.5"),
            (Column::QuantidadeAnimais, "1e300", "1.0e+300"),
        ] {
            table
                .pool()
                .execute(AssertSqlSafe(format!("UPDATE historico_consumo SET {column} = {sql}")))
                .await
                .unwrap();
            let ids = [good.id().to_owned()];
            let found = table.fetch(&ids, &schema).await.unwrap();
            assert_eq!(*found[0].get(column), Value::Invalid(expected.into()), "{column} {sql}");
            assert!(table.replace(&found[0], &good, &schema).await.unwrap(), "{column} {sql}");
            assert_eq!(table.fetch(&ids, &schema).await.unwrap(), std::slice::from_ref(&good), "{column} {sql}");
        }
    }
}
