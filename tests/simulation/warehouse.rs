//! A warehouse that is used by one process of a simulation: each call has its place in the schedule of faults.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{self, StreamExt};
use pipeline::record::row::{Row, TableSchema};
use pipeline::warehouse::{
    BulkWarehouse, ChangeSet, ColumnLimits, Error, IdRange, InsertResult, JournalEntry, LoadMetrics, LoadStrategy,
    Pages, Reason, ServerStatus, Snapshot, TableName, TimeWindow, Warehouse,
};
use uuid::Uuid;

use crate::faults::{Access, Process, Trouble};

/// The warehouse of one process.
#[derive(Debug, Clone)]
pub struct SimulatedWarehouse {
    pub table: Arc<dyn BulkWarehouse>,
    pub process: Arc<Process>,
    pub changes: Arc<Changes>,
}

/// Changes that were committed with a journal entry, by their tokens: a repeated change is looked up, as the trait
/// requires.
#[derive(Debug, Default)]
pub struct Changes {
    committed: Mutex<BTreeSet<String>>,
    anonymous: AtomicU64,
}

impl Changes {
    /// Returns the token of a change; a change without one is only repeated by its own call.
    fn token(&self, change: &ChangeSet<'_>) -> String {
        let number = || format!("change {}", self.anonymous.fetch_add(1, Ordering::Relaxed));
        change.token.map_or_else(number, |token| format!("{token:?}"))
    }

    async fn apply(
        &self,
        table: &dyn BulkWarehouse,
        (change, token): (&ChangeSet<'_>, &str),
        schema: &TableSchema,
    ) -> Result<InsertResult, Error> {
        let is_known = |token: &str| self.committed.lock().unwrap_or_else(PoisonError::into_inner).contains(token);
        if !change.journal_writes.is_empty() && is_known(token) {
            return Ok(InsertResult::Inserted);
        }
        let done = table.apply(change, schema).await?;
        if done == InsertResult::Inserted {
            self.committed.lock().unwrap_or_else(PoisonError::into_inner).insert(token.to_owned());
        }
        Ok(done)
    }
}

fn error(trouble: Trouble) -> Error {
    let (reason, message) = match trouble {
        Trouble::Network | Trouble::Expired => (Reason::Unreachable, "simulated: connection lost"),
        Trouble::Busy => (Reason::Busy, "simulated: too many connections"),
    };
    Error::new(reason, "memory", message)
}

impl SimulatedWarehouse {
    async fn call<T, F: Future<Output = Result<T, Error>>>(
        &self,
        operation: &'static str,
        access: Access,
        work: impl FnMut() -> F,
    ) -> Result<T, Error> {
        self.process.call((operation, ""), access, error, work).await
    }

    async fn read<T, F: Future<Output = Result<T, Error>>>(
        &self,
        operation: &'static str,
        work: impl FnMut() -> F,
    ) -> Result<T, Error> {
        self.call(operation, Access::Read, work).await
    }
}

#[async_trait]
impl Warehouse for SimulatedWarehouse {
    fn address(&self) -> String {
        self.table.address()
    }

    async fn init(&self) -> Result<Vec<String>, Error> {
        self.call("rows init", Access::Write, || self.table.init()).await
    }

    async fn table_schema(&self) -> Result<TableSchema, Error> {
        self.read("rows table_schema", || self.table.table_schema()).await
    }

    async fn insert(&self, rows: &[Row], schema: &TableSchema) -> Result<InsertResult, Error> {
        self.call("rows insert", Access::RepeatedWrite, || self.table.insert(rows, schema)).await
    }

    async fn fetch(&self, ids: &[String], schema: &TableSchema) -> Result<Vec<Row>, Error> {
        self.read("rows fetch", || self.table.fetch(ids, schema)).await
    }

    async fn replace(&self, old: &Row, new: &Row, schema: &TableSchema) -> Result<bool, Error> {
        self.call("rows replace", Access::Write, || self.table.replace(old, new, schema)).await
    }

    async fn status(&self) -> Result<ServerStatus, Error> {
        self.read("rows status", || self.table.status()).await
    }

    async fn check_writable(&self) -> Result<(), Error> {
        self.read("rows check_writable", || self.table.check_writable()).await
    }
}

#[async_trait]
impl BulkWarehouse for SimulatedWarehouse {
    async fn load_strategy(&self) -> Result<LoadStrategy, Error> {
        self.read("rows load_strategy", || self.table.load_strategy()).await
    }

    async fn snapshot(&self, schema: &TableSchema) -> Result<Box<dyn Snapshot>, Error> {
        let inner = self.read("rows snapshot", || self.table.snapshot(schema)).await?;
        Ok(Box::new(LostSnapshot { inner, after: self.process.snapshot_end() }))
    }

    async fn limits(&self) -> Result<ColumnLimits, Error> {
        self.read("rows limits", || self.table.limits()).await
    }

    async fn apply(&self, change: &ChangeSet<'_>, schema: &TableSchema) -> Result<InsertResult, Error> {
        let token = self.changes.token(change);
        let work = || self.changes.apply(&*self.table, (change, &token), schema);
        self.call("rows apply", Access::RepeatedWrite, work).await
    }

    async fn range(&self, first: &str, last: &str, limit: u32, schema: &TableSchema) -> Result<Vec<Row>, Error> {
        self.read("rows range", || self.table.range(first, last, limit, schema)).await
    }

    async fn count(&self, first: &str, last: &str) -> Result<u64, Error> {
        self.read("rows count", || self.table.count(first, last)).await
    }

    async fn open_journal(&self, create: bool) -> Result<bool, Error> {
        self.call("rows open_journal", Access::RepeatedWrite, || self.table.open_journal(create)).await
    }

    async fn run_headers(&self) -> Result<Vec<JournalEntry>, Error> {
        self.read("rows run_headers", || self.table.run_headers()).await
    }

    async fn run_entries(&self, run: Uuid) -> Result<Vec<JournalEntry>, Error> {
        self.read("rows run_entries", || self.table.run_entries(run)).await
    }

    async fn load_metrics(&self, query: Option<&str>) -> Result<LoadMetrics, Error> {
        self.read("rows load_metrics", || self.table.load_metrics(query)).await
    }

    async fn replica_lag(&self) -> Result<Option<Duration>, Error> {
        self.read("rows replica_lag", || self.table.replica_lag()).await
    }

    async fn swap_blockers(&self) -> Result<Vec<String>, Error> {
        self.read("rows swap_blockers", || self.table.swap_blockers()).await
    }

    async fn create_like(&self, shadow: &TableName) -> Result<bool, Error> {
        self.call("rows create_like", Access::Write, || self.table.create_like(shadow)).await
    }

    async fn swap_tables(&self, shadow: &TableName, old: &TableName) -> Result<(), Error> {
        self.call("rows swap_tables", Access::Write, || self.table.swap_tables(shadow, old)).await
    }

    async fn count_rows_only_in(&self, other: &TableName) -> Result<u64, Error> {
        self.read("rows count_rows_only_in", || self.table.count_rows_only_in(other)).await
    }

    fn with_table(&self, table: TableName) -> Arc<dyn BulkWarehouse> {
        Arc::new(Self { table: self.table.with_table(table), ..self.clone() })
    }
}

/// A snapshot whose connection may be lost after some pages.
struct LostSnapshot {
    inner: Box<dyn Snapshot>,
    after: Option<usize>,
}

impl Snapshot for LostSnapshot {
    fn scan(&mut self, ids: IdRange, limit: u32, page: usize, windows: &[TimeWindow]) -> Pages<'_> {
        let pages = self.inner.scan(ids, limit, page, windows);
        match self.after.take() {
            None => pages,
            Some(after) => pages.take(after).chain(stream::once(async { Err(error(Trouble::Network)) })).boxed(),
        }
    }
}
