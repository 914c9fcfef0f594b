//! Warehouse in a SQLite file: embedded, for the demo and for use without a server.
//!
//! Weights are stored as f64 and times as text with microseconds, so that records are stored without loss.

use std::path::Path;

use async_trait::async_trait;
use chrono::Utc;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteQueryResult, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};

use super::schema::{self, SchemaStep};
use super::{Error, InsertResult, Reason, ServerStatus, TableName, Warehouse};
use crate::record::row::{ColumnType, Row, TableSchema};
use crate::record::{Column, MAX_TEXT_CHARS};

mod bulk;
mod busy;
mod closing;
mod damage;
mod file;
mod snapshot;
mod values;

pub use closing::close_all;
use file::Missing;
use values::{bind, decode, guard};

/// Steps of `init`.
const STEPS: &[SchemaStep] = schema::steps!("sqlite", "{table}_cod_cliente_data");

/// Journal of bulk runs, which `init` does not create.
const JOURNAL: &str = schema::sql_file!("sqlite/journal.sql");

/// Ids per lookup.
const LOOKUP: usize = 1_000;

/// Table in a SQLite file.
#[derive(Debug, Clone)]
pub struct Sqlite {
    pool: SqlitePool,
    options: SqliteConnectOptions,
    table: TableName,
    address: String,
}

impl Sqlite {
    /// Opens the table in an existing file.
    ///
    /// # Errors
    /// Returns an error if the file does not exist, is not a database, or has a `-wal` or `-journal` of another
    /// database.
    pub fn open(path: &Path, table: TableName) -> Result<Self, Error> {
        Self::checked(path, table, Missing::Refused)
    }

    /// Opens the table in a file that [`Warehouse::init`] creates if it is missing.
    ///
    /// # Errors
    /// Returns an error if the file cannot be created there, or for the reasons of [`Sqlite::open`].
    pub fn create(path: &Path, table: TableName) -> Result<Self, Error> {
        Self::checked(path, table, Missing::Made)
    }

    fn checked(path: &Path, table: TableName, missing: Missing) -> Result<Self, Error> {
        let about = format!("sqlite:{} table {table}", path.display());
        file::check(path, missing).map_err(|(reason, message)| Error::new(reason, about, message))?;
        Ok(Self::new(path, table))
    }

    /// Returns the table without a check of the file; [`Sqlite::close`] or [`close_all`] make it a single file again.
    pub fn new(path: &Path, table: TableName) -> Self {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(busy::TIMEOUT)
            .disable_statement_logging();
        // One connection: SQLite supports one writer, so a second would only wait for the first.
        let pool = SqlitePoolOptions::new().max_connections(1).connect_lazy_with(options.clone());
        closing::note(path, &pool, &table);
        Self::at(options, pool, table)
    }

    fn at(options: SqliteConnectOptions, pool: SqlitePool, table: TableName) -> Self {
        Self { address: format!("sqlite:{} table {table}", options.get_filename().display()), pool, options, table }
    }

    /// Returns the pool, for tests and for the faults in the demo.
    pub fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    fn taken_or(&self, done: Result<SqliteQueryResult, sqlx::Error>) -> Result<InsertResult, Error> {
        match done {
            Ok(_) => Ok(InsertResult::Inserted),
            Err(e) if e.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation) => {
                Ok(InsertResult::IdTaken)
            }
            Err(e) => Err(self.failure(&e)),
        }
    }

    fn failure(&self, e: &sqlx::Error) -> Error {
        let code = e.as_database_error().and_then(|e| e.code()).and_then(|code| code.parse::<i32>().ok());
        let details = e.to_string();
        let primary = code.map(|code| code & 0xff);
        let reason = match primary {
            _ if code == Some(SHARED_MEMORY_SIZE) => Reason::NoSpace,
            Some(5 | 6) => Reason::Busy,
            Some(8) => Reason::ReadOnly,
            Some(13) => Reason::NoSpace,
            Some(CANNOT_OPEN) if !self.options.get_filename().exists() => Reason::NoTable,
            Some(CANNOT_OPEN | CORRUPT | 26) => Reason::BadAddress,
            Some(18..=20) => Reason::BadRow,
            _ if details.contains("no such table: ruminate_journal") => {
                return Error::new(Reason::NoTable, &self.address, "there is no journal");
            }
            _ if details.contains("no such table") => Reason::NoTable,
            _ => Reason::Other,
        };
        let message = match reason {
            Reason::Busy => busy::advice(self.options.get_filename(), &details),
            Reason::NoTable if !self.options.get_filename().exists() => {
                format!("there is no file {}: check --warehouse", self.options.get_filename().display())
            }
            Reason::NoTable => format!("no table {}: run `ruminate init`, or name another with --table", self.table),
            Reason::BadAddress if primary == Some(CORRUPT) => format!("{}: {details}", damage::ADVICE),
            Reason::BadAddress if primary == Some(CANNOT_OPEN) => {
                format!("the file cannot be opened: {WRITABLE}: {details}")
            }
            Reason::BadAddress => format!("the file cannot be opened as a SQLite database: check its path: {details}"),
            Reason::ReadOnly => format!("the file is read-only: {WRITABLE}: {details}"),
            Reason::NoSpace => {
                format!("no space left for the file and its -wal and -shm: free space, then run this again: {details}")
            }
            _ if primary == Some(IO_ERROR) => {
                format!("the file cannot be read or written: check its disk, quota and permissions: {details}")
            }
            _ => details,
        };
        Error::new(reason, &self.address, message)
    }
}

/// Primary code of a damaged file, `SQLITE_CORRUPT`.
const CORRUPT: i32 = 11;
/// Primary code of a file that cannot be opened, or whose `-wal` cannot be created, `SQLITE_CANTOPEN`.
const CANNOT_OPEN: i32 = 14;
/// What to do about a file that cannot be written.
const WRITABLE: &str = "make the file and its folder writable, or copy it to a folder that is";
/// Primary code of a failed system call, `SQLITE_IOERR`.
const IO_ERROR: i32 = 10;
/// `SQLITE_IOERR_SHMSIZE`: the `-shm` file cannot get its size, as on a disk that is so full that nothing can be read.
const SHARED_MEMORY_SIZE: i32 = IO_ERROR | 19 << 8;

fn columns() -> String {
    Column::ALL.map(Column::name).join(", ")
}

fn insert_sql(table: &TableName, rows: usize) -> String {
    let one = format!("({})", ["?"; Column::COUNT].join(", "));
    format!("INSERT INTO \"{table}\" ({}) VALUES {}", columns(), vec![one; rows].join(", "))
}

fn replace_sql(table: &TableName, old: &Row) -> String {
    let set = Column::ALL.map(|column| format!("{column} = ?")).join(", ");
    format!("UPDATE \"{table}\" SET {set} WHERE {}", guard(old))
}

fn remove_sql(table: &TableName, row: &Row) -> String {
    format!("DELETE FROM \"{table}\" WHERE {}", guard(row))
}

#[async_trait]
impl Warehouse for Sqlite {
    fn address(&self) -> String {
        self.address.clone()
    }

    async fn init(&self) -> Result<Vec<String>, Error> {
        self.wait_until_free(busy::TIMEOUT).await?;
        let made = self.options.clone().create_if_missing(true).connect().await.map_err(|e| self.failure(&e))?;
        made.close().await.map_err(|e| self.failure(&e))?;
        let mut created = Vec::new();
        for step in STEPS {
            let there: i64 = sqlx::query_scalar(step.creates.count_on_sqlite())
                .bind(step.name(&self.table))
                .bind(self.table.as_str())
                .fetch_one(&self.pool)
                .await
                .map_err(|e| self.failure(&e))?;
            if there == 0 {
                let sql = AssertSqlSafe(step.sql(&self.table));
                self.pool.execute(sqlx::raw_sql(sql)).await.map_err(|e| self.failure(&e))?;
                created.push(step.describe(&self.table));
            }
        }
        match self.find_damage().await? {
            None => Ok(created),
            Some(damage) => Err(Error::new(Reason::BadAddress, &self.address, damage)),
        }
    }

    async fn table_schema(&self) -> Result<TableSchema, Error> {
        self.wait_until_free(busy::TIMEOUT).await?;
        let found: Vec<String> = sqlx::query_scalar("SELECT name FROM pragma_table_info(?)")
            .bind(self.table.as_str())
            .fetch_all(&self.pool)
            .await
            .map_err(|e| self.failure(&e))?;
        if found.is_empty() {
            let message = format!("no table {}: run `ruminate init`, or name another with --table", self.table);
            return Err(Error::new(Reason::NoTable, &self.address, message));
        }
        if let Some(missing) = Column::ALL.into_iter().find(|column| !found.iter().any(|name| name == column.name())) {
            let message = format!("column {missing} is missing: choose another --table or fix it");
            return Err(Error::new(Reason::BadSchema, &self.address, message));
        }
        let unique: i64 = sqlx::query_scalar(
            "SELECT (SELECT COUNT(*) FROM pragma_table_info(?1) WHERE name = 'id_treated_data' AND pk = 1) + \
             (SELECT COUNT(*) FROM pragma_index_list(?1) list, pragma_index_info(list.name) info \
              WHERE list.\"unique\" = 1 AND info.seqno = 0 AND info.name = 'id_treated_data')",
        )
        .bind(self.table.as_str())
        .fetch_one(&self.pool)
        .await
        .map_err(|e| self.failure(&e))?;
        if unique == 0 {
            return Err(Error::new(
                Reason::BadSchema,
                &self.address,
                "id_treated_data has no primary or unique key: add one",
            ));
        }
        Ok(TableSchema(TableSchema::standard().0.map(|holds| match holds {
            ColumnType::Float { .. } => ColumnType::Double { decimals: None },
            ColumnType::DateTime { .. } => ColumnType::DateTime { digits: 6 },
            ColumnType::Text { .. } => ColumnType::Text { chars: MAX_TEXT_CHARS as u64 },
            other => other,
        })))
    }

    async fn insert(&self, rows: &[Row], _: &TableSchema) -> Result<InsertResult, Error> {
        let sql = insert_sql(&self.table, rows.len());
        let query = rows.iter().flat_map(|row| &row.0).fold(sqlx::query(AssertSqlSafe(sql)), bind);
        self.taken_or(query.execute(&self.pool).await)
    }

    async fn fetch(&self, ids: &[String], schema: &TableSchema) -> Result<Vec<Row>, Error> {
        let mut found = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(LOOKUP) {
            let marks = vec!["?"; chunk.len()].join(", ");
            let sql = format!("SELECT {} FROM \"{}\" WHERE id_treated_data IN ({marks})", columns(), self.table);
            let query = chunk.iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, id| query.bind(id.as_str()));
            let rows = query.fetch_all(&self.pool).await.map_err(|e| self.failure(&e))?;
            for row in &rows {
                found.push(decode(row, schema).map_err(|e| self.failure(&e))?);
            }
        }
        Ok(found)
    }

    async fn replace(&self, old: &Row, new: &Row, _: &TableSchema) -> Result<bool, Error> {
        let query = new.0.iter().chain(&old.0).fold(sqlx::query(AssertSqlSafe(replace_sql(&self.table, old))), bind);
        query.execute(&self.pool).await.map(|done| done.rows_affected() > 0).map_err(|e| self.failure(&e))
    }

    async fn status(&self) -> Result<ServerStatus, Error> {
        self.wait_until_free(busy::TIMEOUT).await?;
        let version: String =
            sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&self.pool).await.map_err(|e| self.failure(&e))?;
        let count = sqlx::query_scalar::<_, i64>(AssertSqlSafe(format!("SELECT COUNT(*) FROM \"{}\"", self.table)));
        let rows = count.fetch_one(&self.pool).await.ok().map(i64::unsigned_abs);
        Ok(ServerStatus {
            version: format!("SQLite {version}"),
            clock: Some(Utc::now().naive_utc()),
            rows,
            ..ServerStatus::default()
        })
    }

    async fn damage(&self) -> Result<Option<String>, Error> {
        self.find_damage().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_that_is_no_database_is_named() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("w.db");
        std::fs::write(&path, "this is no database, however long it may be".repeat(100)).unwrap();
        let e = Sqlite::new(&path, TableName::default()).init().await.unwrap_err();
        assert_eq!(e.reason, Reason::BadAddress, "{e}");
    }
}
