//! In-memory implementation of [`BulkWarehouse`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::{Database, Memory, insert, no_table, replace};
use crate::record::MAX_TEXT_CHARS;
use crate::record::row::{ColumnType, Row, TableSchema};
use crate::warehouse::bulk::{BulkWarehouse, ChangeSet, JournalEntry, LoadMethod, LoadMetrics, LoadStrategy};
use crate::warehouse::limits::{Charset, ColumnLimit, ColumnLimits};
use crate::warehouse::{Error, InsertResult, Reason, Snapshot, TableName};

/// Journal entries by table, run and number.
#[derive(Debug, Clone, Default)]
pub(super) struct Journal {
    entries: BTreeMap<(String, Uuid, u64), StoredEntry>,
    written: u64,
}

#[derive(Debug, Clone)]
struct StoredEntry {
    /// Number of entries written before it.
    order: u64,
    text: String,
}

impl Journal {
    fn of(&self, table: &TableName) -> impl Iterator<Item = (u64, JournalEntry)> {
        self.entries.iter().filter(|((name, ..), _)| name == table.as_str()).map(|((_, run, seq), written)| {
            (written.order, JournalEntry { run_id: *run, seq: *seq, text: written.text.clone() })
        })
    }
}

fn no_journal() -> Error {
    Error::new(Reason::NoTable, "memory", "there is no journal")
}

/// Checks the complete change before anything is changed.
fn apply(database: &mut Database, name: &str, change: &ChangeSet<'_>) -> Result<InsertResult, Error> {
    let speaks = !change.journal_writes.is_empty() || !change.journal_deletes.is_empty();
    if speaks && database.journal.is_none() {
        return Err(no_journal());
    }
    if !change.insert.is_empty() || !change.replace.is_empty() || !change.remove.is_empty() {
        let table = database.tables.get_mut(name).ok_or_else(no_table)?;
        let is_as_expected = |(old, _): &(Row, Row)| table.get(old.id()) == Some(old);
        let there = |row: &Row| table.get(row.id()) == Some(row);
        if !change.replace.iter().all(is_as_expected)
            || !change.remove.iter().all(there)
            || insert(table, change.insert)? == InsertResult::IdTaken
        {
            return Ok(InsertResult::IdTaken);
        }
        for (old, new) in change.replace {
            replace(table, old, new);
        }
        for row in change.remove {
            table.remove(row.id());
        }
    }
    if let Some(journal) = database.journal.as_mut() {
        for &(run, seq) in change.journal_deletes {
            journal.entries.remove(&(name.to_owned(), run, seq));
        }
        for entry in change.journal_writes {
            journal.written += 1;
            let written = StoredEntry { order: journal.written, text: entry.text.clone() };
            journal.entries.insert((name.to_owned(), entry.run_id, entry.seq), written);
        }
    }
    Ok(InsertResult::Inserted)
}

#[async_trait]
impl BulkWarehouse for Memory {
    async fn load_strategy(&self) -> Result<LoadStrategy, Error> {
        Ok(LoadStrategy { kind: LoadMethod::Insert, reason: "the rows are in memory".into() })
    }

    async fn snapshot(&self, _: &TableSchema) -> Result<Box<dyn Snapshot>, Error> {
        self.reading()
    }

    async fn limits(&self) -> Result<ColumnLimits, Error> {
        let text = ColumnLimit::Text { chars: MAX_TEXT_CHARS as u64, set: Charset::Any };
        Ok(ColumnLimits(
            TableSchema::standard()
                .0
                .map(|holds| if matches!(holds, ColumnType::Text { .. }) { text } else { ColumnLimit::Unknown }),
        ))
    }

    async fn apply(&self, change: &ChangeSet<'_>, _: &TableSchema) -> Result<InsertResult, Error> {
        apply(&mut self.database(), self.table.as_str(), change)
    }

    async fn range(&self, first: &str, last: &str, limit: u32, _: &TableSchema) -> Result<Vec<Row>, Error> {
        let inside = |row: &&Row| (first..=last).contains(&row.id());
        self.with_rows(|table| Ok(table.values().filter(inside).take(limit as usize).cloned().collect()))
    }

    async fn count(&self, first: &str, last: &str) -> Result<u64, Error> {
        self.with_rows(|table| Ok(table.keys().filter(|id| (first..=last).contains(&id.as_str())).count() as u64))
    }

    async fn open_journal(&self, create: bool) -> Result<bool, Error> {
        let mut database = self.database();
        if create {
            database.journal.get_or_insert_default();
        }
        Ok(database.journal.is_some())
    }

    async fn run_headers(&self) -> Result<Vec<JournalEntry>, Error> {
        let database = self.database();
        let mut heads: Vec<(u64, JournalEntry)> = database
            .journal
            .iter()
            .flat_map(|journal| journal.of(&self.table))
            .filter(|(_, entry)| entry.seq == 0)
            .collect();
        heads.sort_by_key(|(order, _)| std::cmp::Reverse(*order));
        Ok(heads.into_iter().map(|(_, note)| note).collect())
    }

    async fn run_entries(&self, run: Uuid) -> Result<Vec<JournalEntry>, Error> {
        let database = self.database();
        let entries = database.journal.iter().flat_map(|journal| journal.of(&self.table)).map(|(_, entry)| entry);
        Ok(entries.filter(|note| note.run_id == run && note.seq > 0).collect())
    }

    async fn load_metrics(&self, query: Option<&str>) -> Result<LoadMetrics, Error> {
        match query {
            None => Ok(LoadMetrics::default()),
            Some(query) => Err(Error::new(Reason::Other, "memory", format!("queries are not supported: {query:?}"))),
        }
    }

    async fn replica_lag(&self) -> Result<Option<Duration>, Error> {
        Ok(None)
    }

    async fn swap_blockers(&self) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }

    async fn create_like(&self, shadow: &TableName) -> Result<bool, Error> {
        let mut database = self.database();
        let new = !database.tables.contains_key(shadow.as_str());
        database.tables.entry(shadow.to_string()).or_default();
        Ok(new)
    }

    async fn swap_tables(&self, shadow: &TableName, old: &TableName) -> Result<(), Error> {
        let mut database = self.database();
        let tables = &mut database.tables;
        if tables.contains_key(old.as_str()) {
            return Err(Error::new(Reason::AlreadyExists, "memory", format!("there is a table {old} already")));
        }
        let new = tables.remove(shadow.as_str()).ok_or_else(no_table)?;
        if let Some(before) = tables.insert(self.table.to_string(), new) {
            tables.insert(old.to_string(), before);
        }
        Ok(())
    }

    async fn count_rows_only_in(&self, other: &TableName) -> Result<u64, Error> {
        let database = self.database();
        let table = |name: &TableName| database.tables.get(name.as_str()).ok_or_else(no_table);
        let (here, there) = (table(&self.table)?, table(other)?);
        Ok(there.keys().filter(|id| !here.contains_key(*id)).count() as u64)
    }

    fn with_table(&self, table: TableName) -> Arc<dyn BulkWarehouse> {
        Arc::new(Self { table, ..self.clone() })
    }
}
