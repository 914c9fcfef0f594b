//! In-memory warehouse whose statements fail like those of a server.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use async_trait::async_trait;

use crate::record::row::{Row, TableSchema};
use crate::warehouse::memory::Memory;
use crate::warehouse::{Error, InsertResult, Reason, ServerStatus, Warehouse};

/// Faults of the warehouse.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Ids for which a column rejects a value.
    pub refused: BTreeSet<String>,
    /// Ids for which a statement fails with an unknown reason.
    pub unknown: BTreeSet<String>,
    /// Ids that are locked by others, with the number of statements that fail.
    pub locked: BTreeMap<String, u32>,
    /// Ids used by a row with another spelling. The value is the row that the server finds for the id, if any.
    pub folded: BTreeMap<String, Option<Row>>,
    /// If true, other writers change the rows at every statement.
    pub is_unstable: bool,
}

/// Warehouse with faults that records the number of rows of each statement.
#[derive(Debug, Default)]
pub(super) struct Faulty {
    pub rows: Memory,
    pub faults: Mutex<Faults>,
    inserts: Mutex<Vec<usize>>,
    fetches: Mutex<Vec<usize>>,
}

impl Faulty {
    pub(super) async fn with(faults: Faults) -> Self {
        let faulty = Self { faults: Mutex::new(faults), ..Self::default() };
        faulty.rows.init().await.unwrap();
        faulty
    }

    /// Returns the result of a statement with these new rows.
    pub(super) fn meet(&self, rows: &[Row]) -> Result<InsertResult, Error> {
        if rows.is_empty() {
            return Ok(InsertResult::Inserted);
        }
        self.inserts.lock().unwrap().push(rows.len());
        let fail = |reason| Err(Error::new(reason, "memory", "as planned"));
        let mut faults = self.faults.lock().unwrap();
        let locked = rows.iter().find(|row| faults.locked.get(row.id()).is_some_and(|times| *times > 0));
        if let Some(row) = locked {
            *faults.locked.get_mut(row.id()).unwrap() -= 1;
            return fail(Reason::Locked);
        }
        let any = |ids: &BTreeSet<String>| rows.iter().any(|row| ids.contains(row.id()));
        if any(&faults.refused) {
            return fail(Reason::BadRow);
        }
        if any(&faults.unknown) {
            return fail(Reason::Other);
        }
        let is_taken = faults.is_unstable || rows.iter().any(|row| faults.folded.contains_key(row.id()));
        Ok(if is_taken { InsertResult::IdTaken } else { InsertResult::Inserted })
    }

    pub(super) fn inserts(&self) -> Vec<usize> {
        std::mem::take(&mut self.inserts.lock().unwrap())
    }

    pub(super) fn fetches(&self) -> Vec<usize> {
        std::mem::take(&mut self.fetches.lock().unwrap())
    }

    pub(super) async fn count(&self) -> u64 {
        self.rows.status().await.unwrap().rows.unwrap()
    }
}

#[async_trait]
impl Warehouse for Faulty {
    fn address(&self) -> String {
        self.rows.address()
    }

    async fn init(&self) -> Result<Vec<String>, Error> {
        self.rows.init().await
    }

    async fn table_schema(&self) -> Result<TableSchema, Error> {
        self.rows.table_schema().await
    }

    async fn insert(&self, rows: &[Row], schema: &TableSchema) -> Result<InsertResult, Error> {
        match self.meet(rows)? {
            InsertResult::Inserted => self.rows.insert(rows, schema).await,
            InsertResult::IdTaken => Ok(InsertResult::IdTaken),
        }
    }

    async fn fetch(&self, ids: &[String], schema: &TableSchema) -> Result<Vec<Row>, Error> {
        self.fetches.lock().unwrap().push(ids.len());
        let mut rows = self.rows.fetch(ids, schema).await?;
        let faults = self.faults.lock().unwrap();
        rows.extend(ids.iter().filter_map(|id| faults.folded.get(id).cloned().flatten()));
        Ok(rows)
    }

    async fn replace(&self, old: &Row, new: &Row, schema: &TableSchema) -> Result<bool, Error> {
        self.rows.replace(old, new, schema).await
    }

    async fn status(&self) -> Result<ServerStatus, Error> {
        self.rows.status().await
    }
}
