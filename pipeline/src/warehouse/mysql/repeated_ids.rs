//! Inserts into tables whose key does not keep ids unique: existing ids are looked up in the same transaction.
//!
//! The lookup locks the gaps between ids, so that no other session can insert the same id before the transaction ends.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, Executor as _};

use super::values::bind;
use super::{LOOKUP, MySql, insert_sql};
use crate::record::Column;
use crate::record::row::{Row, Value};
use crate::warehouse::{Error, InsertResult, TableName};

/// Isolation level in which a lookup locks gaps; for the next transaction only.
pub(super) const ISOLATION: &str = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ";

/// Returns the statement that finds any of `ids` ids, and locks their gaps. The older spelling of FOR SHARE is the only
/// one that MySQL 5.7 and MariaDB know.
pub(super) fn lookup_sql(table: &TableName, ids: usize) -> String {
    let marks = vec!["?"; ids].join(", ");
    format!("SELECT 1 FROM `{table}` WHERE id_treated_data IN ({marks}) LIMIT 1 LOCK IN SHARE MODE")
}

/// Returns the ids of rows in chunks of a fixed size; the last id fills the last chunk.
pub(super) fn id_chunks(rows: &[Row]) -> impl Iterator<Item = (usize, Vec<&Value>)> {
    let size = if rows.len() == 1 { 1 } else { LOOKUP };
    rows.chunks(size).map(move |rows| {
        let mut ids: Vec<&Value> = rows.iter().map(|row| row.get(Column::IdTreatedData)).collect();
        ids.resize(size, ids[ids.len() - 1]);
        (size, ids)
    })
}

impl MySql {
    /// Inserts all rows, or none if an id exists.
    pub(super) async fn insert_new_ids(&self, rows: &[Row]) -> Result<InsertResult, Error> {
        let mut session = self.sessions.get().await?;
        let connection = session.connection();
        let done: Result<InsertResult, sqlx::Error> = async {
            connection.execute(ISOLATION).await?;
            connection.execute("START TRANSACTION").await?;
            for (size, ids) in id_chunks(rows) {
                let sql: Arc<str> = lookup_sql(&self.table, size).into();
                let query = ids.into_iter().fold(sqlx::query(AssertSqlSafe(sql)), bind);
                if query.fetch_optional(&mut *connection).await?.is_some() {
                    connection.execute("ROLLBACK").await?;
                    return Ok(InsertResult::IdTaken);
                }
            }
            let sql: Arc<str> = insert_sql(&self.table, rows.len()).into();
            let query = rows.iter().flat_map(|row| &row.0).fold(sqlx::query(AssertSqlSafe(sql)), bind);
            query.execute(&mut *connection).await?;
            connection.execute("COMMIT").await?;
            Ok(InsertResult::Inserted)
        }
        .await;
        match done {
            Ok(done) => self.sessions.after(session, Ok(done)),
            // The session is closed, which ends its transaction.
            Err(e) => Err(self.sessions.failure(&e)),
        }
    }

    /// Returns an error if two rows of the table have the same id; reads the complete key.
    #[cfg(feature = "bulk")]
    pub(super) async fn refuse_repeated_ids(&self) -> Result<(), Error> {
        use sqlx::Row as _;
        let sql: Arc<str> = format!(
            "SELECT id_treated_data FROM `{}` GROUP BY id_treated_data HAVING COUNT(*) > ? LIMIT 1",
            self.table
        )
        .into();
        let rows = self.sessions.rows(sqlx::query(AssertSqlSafe(sql)).bind(1)).await?;
        let Some(row) = rows.first() else { return Ok(()) };
        let id: String = row.try_get(0).map_err(|e| self.sessions.failure(&e))?;
        let message =
            format!("{id} has several rows, which the key of this partitioned table permits: keep one of them");
        Err(Error::new(crate::warehouse::Reason::BadSchema, &self.address, message))
    }
}
