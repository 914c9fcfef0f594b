//! The warehouse's memory twin, for tests of everything that stands on a warehouse.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{Error, Insert, Reason, Status, Warehouse, Window};
use crate::record::stored::{Row, Shape};
use crate::record::{Column, MAX_TEXT_CHARS};

/// Rows in a map; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    rows: Arc<Mutex<Option<BTreeMap<String, Row>>>>,
}

impl Memory {
    fn rows(&self) -> MutexGuard<'_, Option<BTreeMap<String, Row>>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops the table.
    pub fn drop_table(&self) {
        *self.rows() = None;
    }

    /// Removes a row.
    pub fn remove(&self, id: &str) -> Option<Row> {
        self.rows().as_mut()?.remove(id)
    }

    /// Writes a row whatever was there.
    pub fn overwrite(&self, row: Row) {
        self.rows().get_or_insert_default().insert(row.id().to_owned(), row);
    }
}

fn no_table() -> Error {
    Error::new(Reason::NoTable, "memory", "no table: run `ruminate init`")
}

#[async_trait]
impl Warehouse for Memory {
    fn address(&self) -> String {
        "memory".into()
    }

    async fn init(&self) -> Result<Vec<String>, Error> {
        let mut rows = self.rows();
        let created = if rows.is_none() { vec!["table".to_owned()] } else { Vec::new() };
        rows.get_or_insert_default();
        Ok(created)
    }

    async fn shape(&self) -> Result<Shape, Error> {
        self.rows().as_ref().map(|_| Shape::standard()).ok_or_else(no_table)
    }

    async fn insert(&self, rows: &[Row], _: &Shape) -> Result<Insert, Error> {
        let mut table = self.rows();
        let table = table.as_mut().ok_or_else(no_table)?;
        if rows.iter().any(|row| table.contains_key(row.id())) {
            return Ok(Insert::Taken);
        }
        let too_long = |row: &Row| {
            Column::ALL.into_iter().any(|c| row.text(c).is_some_and(|t| t.chars().count() > MAX_TEXT_CHARS))
        };
        if rows.iter().any(too_long) {
            return Err(Error::new(Reason::BadRow, "memory", "data too long for column"));
        }
        table.extend(rows.iter().map(|row| (row.id().to_owned(), row.clone())));
        Ok(Insert::Done)
    }

    async fn fetch(&self, ids: &[String], _: &Shape) -> Result<Vec<Row>, Error> {
        let table = self.rows();
        let table = table.as_ref().ok_or_else(no_table)?;
        Ok(ids.iter().filter_map(|id| table.get(id).cloned()).collect())
    }

    async fn scan(
        &self,
        after: Option<&str>,
        limit: u32,
        window: Option<&Window>,
        _: &Shape,
    ) -> Result<Vec<Row>, Error> {
        let table = self.rows();
        let table = table.as_ref().ok_or_else(no_table)?;
        let rows = table.values().filter(|row| after.is_none_or(|after| row.id() > after));
        let inside = |row: &&Row| window.is_none_or(|w| row.instant(w.column).is_some_and(|at| w.has(at)));
        Ok(rows.filter(inside).take(limit as usize).cloned().collect())
    }

    async fn replace(&self, old: &Row, new: &Row, _: &Shape) -> Result<bool, Error> {
        let mut table = self.rows();
        let table = table.as_mut().ok_or_else(no_table)?;
        match table.get_mut(old.id()) {
            Some(row) if row == old => {
                *row = new.clone();
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    async fn status(&self) -> Result<Status, Error> {
        let rows = self.rows().as_ref().map(|rows| rows.len() as u64);
        Ok(Status { version: "memory".into(), rows, ..Status::default() })
    }
}
