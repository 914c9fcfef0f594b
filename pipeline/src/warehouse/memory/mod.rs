//! In-memory warehouse for tests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{Error, InsertResult, Reason, ServerStatus, TableName, Warehouse};
use crate::record::row::{Row, TableSchema};
use crate::record::{Column, MAX_TEXT_CHARS};

#[cfg(feature = "bulk")]
mod bulk;
#[cfg(feature = "bulk")]
mod snapshot;

/// Rows in maps; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    database: Arc<Mutex<Database>>,
    table: TableName,
}

type Table = BTreeMap<String, Row>;

#[derive(Debug, Clone, Default)]
struct Database {
    /// Tables by name.
    tables: BTreeMap<String, Table>,
    #[cfg(feature = "bulk")]
    journal: Option<bulk::Journal>,
}

impl Memory {
    fn database(&self) -> MutexGuard<'_, Database> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_rows<T>(&self, work: impl FnOnce(&mut Table) -> Result<T, Error>) -> Result<T, Error> {
        self.database().tables.get_mut(self.table.as_str()).ok_or_else(no_table).and_then(work)
    }

    /// Returns another table in the same memory.
    #[must_use]
    pub fn renamed(&self, table: &TableName) -> Self {
        Self { table: table.clone(), ..self.clone() }
    }

    /// Drops the table.
    pub fn drop_table(&self) {
        self.database().tables.remove(self.table.as_str());
    }

    /// Removes a row.
    pub fn remove(&self, id: &str) -> Option<Row> {
        self.database().tables.get_mut(self.table.as_str())?.remove(id)
    }

    /// Writes a row, and overwrites an existing one.
    pub fn overwrite(&self, row: Row) {
        self.database().tables.entry(self.table.to_string()).or_default().insert(row.id().to_owned(), row);
    }
}

fn no_table() -> Error {
    Error::new(Reason::NoTable, "memory", "no table: run `ruminate init`")
}

/// Inserts all rows or none.
fn insert(table: &mut Table, rows: &[Row]) -> Result<InsertResult, Error> {
    if rows.iter().any(|row| table.contains_key(row.id())) {
        return Ok(InsertResult::IdTaken);
    }
    let too_long =
        |row: &Row| Column::ALL.into_iter().any(|c| row.text(c).is_some_and(|t| t.chars().count() > MAX_TEXT_CHARS));
    if rows.iter().any(too_long) {
        return Err(Error::new(Reason::BadRow, "memory", "data too long for column"));
    }
    table.extend(rows.iter().map(|row| (row.id().to_owned(), row.clone())));
    Ok(InsertResult::Inserted)
}

fn replace(table: &mut Table, old: &Row, new: &Row) -> bool {
    let found = table.get_mut(old.id()).filter(|row| *row == old);
    found.map(|row| *row = new.clone()).is_some()
}

#[async_trait]
impl Warehouse for Memory {
    fn address(&self) -> String {
        "memory".into()
    }

    async fn init(&self) -> Result<Vec<String>, Error> {
        let mut database = self.database();
        let there = database.tables.contains_key(self.table.as_str());
        database.tables.entry(self.table.to_string()).or_default();
        Ok(if there { Vec::new() } else { vec!["table".to_owned()] })
    }

    async fn table_schema(&self) -> Result<TableSchema, Error> {
        self.with_rows(|_| Ok(TableSchema::standard()))
    }

    async fn insert(&self, rows: &[Row], _: &TableSchema) -> Result<InsertResult, Error> {
        self.with_rows(|table| insert(table, rows))
    }

    async fn fetch(&self, ids: &[String], _: &TableSchema) -> Result<Vec<Row>, Error> {
        self.with_rows(|table| Ok(ids.iter().filter_map(|id| table.get(id).cloned()).collect()))
    }

    async fn replace(&self, old: &Row, new: &Row, _: &TableSchema) -> Result<bool, Error> {
        self.with_rows(|table| Ok(replace(table, old, new)))
    }

    async fn status(&self) -> Result<ServerStatus, Error> {
        let rows = self.database().tables.get(self.table.as_str()).map(|rows| rows.len() as u64);
        Ok(ServerStatus { version: "memory".into(), rows, ..ServerStatus::default() })
    }
}
