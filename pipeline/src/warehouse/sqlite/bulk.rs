//! [`BulkWarehouse`] in a SQLite file.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, Row as _, Sqlite as Db, Transaction};
use uuid::Uuid;

use super::{JOURNAL, STEPS, Sqlite, bind, columns, decode, insert_sql, remove_sql, replace_sql};
use crate::record::Column;
use crate::record::row::{Row, TableSchema};
use crate::warehouse::bulk::{
    BulkWarehouse, ChangeSet, JournalEntry, LoadMethod, LoadMetrics, LoadStrategy, lost_column,
};
use crate::warehouse::limits::ColumnLimits;
use crate::warehouse::schema::SchemaObject;
use crate::warehouse::{Error, InsertResult, Reason, Snapshot, TableName, throttle_query};

/// Rows per statement; SQLite accepts 32,766 values.
const ROWS: usize = 1_000;

/// Instructions of SQLite between two checks whether a query is still wanted.
const OPS: i32 = 10_000;

impl Sqlite {
    /// Executes the statements of a change within a transaction, which the caller ends.
    async fn change(&self, within: &mut Transaction<'_, Db>, change: &ChangeSet<'_>) -> Result<InsertResult, Error> {
        for (run, seq) in change.journal_deletes {
            let sql = "DELETE FROM ruminate_journal WHERE table_name = ? AND run_id = ? AND seq = ?";
            let query = sqlx::query(sql).bind(self.table.as_str()).bind(run.to_string()).bind(seq.cast_signed());
            query.execute(&mut **within).await.map_err(|e| self.failure(&e))?;
        }
        for rows in change.insert.chunks(ROWS) {
            let sql = AssertSqlSafe(insert_sql(&self.table, rows.len()));
            let query = rows.iter().flat_map(|row| &row.0).fold(sqlx::query(sql), bind);
            if self.taken_or(query.execute(&mut **within).await)? == InsertResult::IdTaken {
                return Ok(InsertResult::IdTaken);
            }
        }
        for (old, new) in change.replace {
            let sql: Arc<str> = replace_sql(&self.table, old).into();
            let query = new.0.iter().chain(&old.0).fold(sqlx::query(AssertSqlSafe(Arc::clone(&sql))), bind);
            if query.execute(&mut **within).await.map_err(|e| self.failure(&e))?.rows_affected() == 0 {
                return Ok(InsertResult::IdTaken);
            }
        }
        for row in change.remove {
            let sql: Arc<str> = remove_sql(&self.table, row).into();
            let query = row.0.iter().fold(sqlx::query(AssertSqlSafe(Arc::clone(&sql))), bind);
            if query.execute(&mut **within).await.map_err(|e| self.failure(&e))?.rows_affected() == 0 {
                return Ok(InsertResult::IdTaken);
            }
        }
        for entry in change.journal_writes {
            // A replaced row gets a new rowid, which keeps the order of writing.
            let sql = "INSERT OR REPLACE INTO ruminate_journal (table_name, run_id, seq, at, note) \
                       VALUES (?, ?, ?, strftime('%Y-%m-%d %H:%M:%f', 'now'), ?)";
            let query = sqlx::query(sql).bind(self.table.as_str()).bind(entry.run_id.to_string());
            let query = query.bind(entry.seq.cast_signed()).bind(entry.text.as_str());
            query.execute(&mut **within).await.map_err(|e| self.failure(&e))?;
        }
        Ok(InsertResult::Inserted)
    }

    /// Runs one SELECT on a separate connection that cannot write. If the call is cancelled, the query stops, and no connection
    /// of the pool remains read-only.
    async fn select_read_only(&self, query: &str) -> Result<Vec<SqliteRow>, sqlx::Error> {
        let mut connection = self.options.clone().connect().await?;
        let wanted = Arc::new(());
        let is_wanted = Arc::downgrade(&wanted);
        connection.lock_handle().await?.set_progress_handler(OPS, move || is_wanted.strong_count() > 0);
        connection.execute("PRAGMA query_only = ON").await?;
        let rows = sqlx::query(AssertSqlSafe(query)).fetch_all(&mut connection).await;
        let _ = connection.close().await;
        drop(wanted);
        rows
    }

    async fn query_strings(&self, sql: &str, bind: &[&str]) -> Result<Vec<String>, Error> {
        let query = bind.iter().fold(sqlx::query_scalar(AssertSqlSafe(sql)), |query, text| query.bind(*text));
        query.fetch_all(&self.pool).await.map_err(|e| self.failure(&e))
    }

    async fn exists(&self, table: &str) -> Result<bool, Error> {
        let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name = ? COLLATE NOCASE";
        Ok(!self.query_strings(sql, &[table]).await?.is_empty())
    }

    async fn read_entries(&self, filter: &str, run: &str) -> Result<Vec<JournalEntry>, Error> {
        if !self.exists("ruminate_journal").await? {
            return Ok(Vec::new());
        }
        let sql = format!("SELECT run_id, seq, note FROM ruminate_journal WHERE table_name = ?1 AND {filter}");
        let query = sqlx::query(AssertSqlSafe(sql)).bind(self.table.as_str()).bind(run);
        let rows = query.fetch_all(&self.pool).await.map_err(|e| self.failure(&e))?;
        rows.iter().map(|row| note(row).map_err(|e| self.failure(&e))).collect()
    }

    /// Renames tables within one transaction, and recreates the schema's index for each under its own name.
    async fn rename(&self, connection: &mut SqliteConnection, names: &[[&TableName; 2]]) -> Result<(), sqlx::Error> {
        let mut within = connection.begin().await?;
        for [from, to] in names {
            within.execute(AssertSqlSafe(format!("ALTER TABLE \"{from}\" RENAME TO \"{to}\""))).await?;
        }
        for step in STEPS.iter().filter(|step| step.creates == SchemaObject::Index) {
            for [from, _] in names {
                within.execute(AssertSqlSafe(format!("DROP INDEX IF EXISTS \"{}\"", step.name(from)))).await?;
            }
            for [_, to] in names {
                within.execute(sqlx::raw_sql(AssertSqlSafe(step.sql(to)))).await?;
            }
        }
        within.commit().await
    }
}

/// Returns a name as an SQL identifier.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn note(row: &SqliteRow) -> Result<JournalEntry, sqlx::Error> {
    let run = row.try_get::<String, _>(0)?.parse().map_err(|e| sqlx::Error::Decode(Box::new(e)))?;
    Ok(JournalEntry { run_id: run, seq: row.try_get::<i64, _>(1)?.unsigned_abs(), text: row.try_get(2)? })
}

/// Returns a value as a number, regardless of its type.
fn number(row: &SqliteRow) -> Option<f64> {
    let value = row.try_get_unchecked::<String, _>(0).ok().and_then(|text| text.trim().parse().ok());
    value.or_else(|| row.try_get_unchecked::<f64, _>(0).ok())
}

#[async_trait]
impl BulkWarehouse for Sqlite {
    async fn load_strategy(&self) -> Result<LoadStrategy, Error> {
        Ok(LoadStrategy { kind: LoadMethod::Insert, reason: "the only one for SQLite".into() })
    }

    async fn snapshot(&self, schema: &TableSchema) -> Result<Box<dyn Snapshot>, Error> {
        self.reading(schema).await
    }

    async fn limits(&self) -> Result<ColumnLimits, Error> {
        Ok(ColumnLimits::default())
    }

    async fn apply(&self, change: &ChangeSet<'_>, _: &TableSchema) -> Result<InsertResult, Error> {
        // Starts as a writer: a transaction that starts as a reader cannot wait for another writer.
        let mut within = self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(|e| self.failure(&e))?;
        let done = self.change(&mut within, change).await;
        let ended =
            if matches!(done, Ok(InsertResult::Inserted)) { within.commit().await } else { within.rollback().await };
        ended.map_err(|e| self.failure(&e)).and(done)
    }

    async fn range(&self, first: &str, last: &str, limit: u32, schema: &TableSchema) -> Result<Vec<Row>, Error> {
        let sql = format!(
            "SELECT {} FROM \"{}\" WHERE id_treated_data BETWEEN ? AND ? ORDER BY id_treated_data LIMIT ?",
            columns(),
            self.table
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(first).bind(last).bind(limit);
        let rows = query.fetch_all(&self.pool).await.map_err(|e| self.failure(&e))?;
        rows.iter().map(|row| decode(row, schema).map_err(|e| self.failure(&e))).collect()
    }

    async fn count(&self, first: &str, last: &str) -> Result<u64, Error> {
        let sql = format!("SELECT COUNT(*) FROM \"{}\" WHERE id_treated_data BETWEEN ? AND ?", self.table);
        let query = sqlx::query_scalar::<_, i64>(AssertSqlSafe(sql)).bind(first).bind(last);
        query.fetch_one(&self.pool).await.map(i64::unsigned_abs).map_err(|e| self.failure(&e))
    }

    async fn open_journal(&self, create: bool) -> Result<bool, Error> {
        if create {
            self.pool.execute(sqlx::raw_sql(JOURNAL)).await.map_err(|e| self.failure(&e))?;
        }
        self.exists("ruminate_journal").await
    }

    async fn run_headers(&self) -> Result<Vec<JournalEntry>, Error> {
        self.read_entries("seq = 0 AND ?2 = '' ORDER BY rowid DESC", "").await
    }

    async fn run_entries(&self, run: Uuid) -> Result<Vec<JournalEntry>, Error> {
        self.read_entries("seq > 0 AND run_id = ?2 ORDER BY seq", &run.to_string()).await
    }

    async fn load_metrics(&self, query: Option<&str>) -> Result<LoadMetrics, Error> {
        let Some(query) = query else { return Ok(LoadMetrics::default()) };
        let failed = |what: String| Error::new(Reason::Other, &self.address, format!("the query {query:?} {what}"));
        throttle_query::check(query).map_err(|why| failed(format!("is not run: {why}")))?;
        if !throttle_query::is_single(query) {
            return Err(failed("is not run: it has several statements".into()));
        }
        let rows = self.select_read_only(query).await;
        let rows = rows.map_err(|e| failed(format!("fails: {}", self.failure(&e).message)))?;
        let answer = rows.first().and_then(number).ok_or_else(|| failed("returned no number".into()))?;
        Ok(LoadMetrics { threads_running: None, query_value: Some(answer) })
    }

    async fn replica_lag(&self) -> Result<Option<Duration>, Error> {
        Ok(None)
    }

    async fn swap_blockers(&self) -> Result<Vec<String>, Error> {
        let table = self.table.as_str();
        let ours: Vec<String> = STEPS.iter().map(|step| step.name(&self.table)).collect();
        let mut found = Vec::new();
        for view in
            self.query_strings("SELECT name FROM sqlite_master WHERE type = 'view' AND name = ?", &[table]).await?
        {
            found.push(format!("{view} is a view"));
        }
        for trigger in self
            .query_strings("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", &[table])
            .await?
        {
            found.push(format!("trigger {trigger} is not moved to the new table"));
        }
        let sql = "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL";
        for index in self.query_strings(sql, &[table]).await?.into_iter().filter(|name| !ours.contains(name)) {
            found.push(format!("index {index} is not moved to the new table"));
        }
        // Hidden columns are generated, and computed again for each row.
        let sql = "SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0";
        for name in
            self.query_strings(sql, &[table]).await?.into_iter().filter(|name| Column::from_name(name).is_none())
        {
            let sql =
                format!("SELECT CAST(EXISTS (SELECT 1 FROM \"{table}\" WHERE {} IS NOT NULL) AS TEXT)", quoted(&name));
            if self.query_strings(&sql, &[]).await?.first().is_some_and(|there| there == "1") {
                found.push(lost_column(&name));
            }
        }
        let sql = "SELECT owner.name || ' to ' || key.\"table\" FROM sqlite_master owner, \
                   pragma_foreign_key_list(owner.name) key \
                   WHERE owner.type = 'table' AND (owner.name = ?1 OR key.\"table\" = ?1)";
        for key in self.query_strings(sql, &[table]).await? {
            found.push(format!("a foreign key leads from {key}"));
        }
        Ok(found)
    }

    async fn create_like(&self, shadow: &TableName) -> Result<bool, Error> {
        if self.exists(shadow.as_str()).await? {
            return Ok(false);
        }
        // SQLite stores each table's CREATE statement; the text after the name is the same for the shadow table.
        let sql = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?";
        let made = self.query_strings(sql, &[self.table.as_str()]).await?;
        let like = made.first().and_then(|made| made.find('(').map(|at| &made[at..]));
        for step in STEPS.iter().filter(|step| step.creates.is_for_shadow_tables()) {
            let sql = match (step.creates, like) {
                (SchemaObject::Table, Some(like)) => format!("CREATE TABLE \"{shadow}\" {like}"),
                _ => step.sql(shadow),
            };
            self.pool.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.map_err(|e| self.failure(&e))?;
        }
        Ok(true)
    }

    async fn swap_tables(&self, shadow: &TableName, old: &TableName) -> Result<(), Error> {
        if self.exists(old.as_str()).await? {
            return Err(Error::new(Reason::AlreadyExists, &self.address, format!("there is a table {old} already")));
        }
        let both = [[&self.table, old], [shadow, &self.table]];
        let names = if self.exists(self.table.as_str()).await? { &both[..] } else { &both[1..] };
        let mut connection = self.pool.acquire().await.map_err(|e| self.failure(&e))?;
        // Rename behavior before SQLite 3.25: otherwise, views would follow the old table to its new name.
        let legacy = |on: &str| AssertSqlSafe(format!("PRAGMA legacy_alter_table = {on}"));
        connection.execute(legacy("ON")).await.map_err(|e| self.failure(&e))?;
        let renamed = self.rename(&mut connection, names).await;
        connection.execute(legacy("OFF")).await.map_err(|e| self.failure(&e))?;
        renamed.map_err(|e| self.failure(&e))
    }

    async fn count_rows_only_in(&self, other: &TableName) -> Result<u64, Error> {
        let sql = format!(
            "SELECT COUNT(*) FROM \"{other}\" o WHERE NOT EXISTS \
             (SELECT 1 FROM \"{}\" h WHERE h.id_treated_data = o.id_treated_data)",
            self.table
        );
        let number = sqlx::query_scalar::<_, i64>(AssertSqlSafe(sql)).fetch_one(&self.pool).await;
        number.map(i64::unsigned_abs).map_err(|e| self.failure(&e))
    }

    fn with_table(&self, table: TableName) -> Arc<dyn BulkWarehouse> {
        Arc::new(Self::at(self.options.clone(), self.pool.clone(), table))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::warehouse::Warehouse as _;

    #[tokio::test]
    async fn a_cancelled_query_leaves_no_read_only_connection() {
        let home = tempfile::tempdir().unwrap();
        let table = Sqlite::create(&home.path().join("w.db"), TableName::default()).unwrap();
        table.init().await.unwrap();
        let endless = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT COUNT(*) FROM n";
        let cancelled = tokio::time::timeout(Duration::from_millis(200), table.select_read_only(endless)).await;
        assert!(cancelled.is_err());
        let rows = table.select_read_only("SELECT 7").await.unwrap();
        assert_eq!(rows.first().and_then(number), Some(7.0));
        assert!(table.select_read_only("CREATE TABLE x (y)").await.is_err());
        table.pool.execute("CREATE TABLE x (y)").await.unwrap();
        table.close().await;
    }
}
