//! Bulk operations of a warehouse, as a replay needs them: atomic changes of rows and journal entries, the journal,
//! snapshots, id ranges, server load, and the swap of a shadow table.
//!
//! [`BulkWarehouse`] is implemented by all three back ends. They share one test suite,
//! `testkit::conformance::warehouse::bulk`.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::limits::ColumnLimits;
use super::{Error, InsertResult, Snapshot, TableName, Warehouse};
use crate::record::row::{Row, TableSchema};

/// Method of loading rows into a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadMethod {
    /// `LOAD DATA LOCAL INFILE`, streamed from memory.
    LoadData,
    /// Multi-row `INSERT` statements.
    Insert,
}

impl fmt::Display for LoadMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LoadData => "LOAD DATA LOCAL",
            Self::Insert => "multi-row INSERT",
        })
    }
}

/// Load method of a warehouse, and the reason for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadStrategy {
    /// The load method.
    pub kind: LoadMethod,
    /// Reason for the method, as a phrase.
    pub reason: String,
}

impl fmt::Display for LoadStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.kind, self.reason)
    }
}

/// Changes made in one transaction.
#[derive(Debug, Clone, Copy, Default)]
pub struct ChangeSet<'a> {
    /// New rows, in ascending order of id.
    pub insert: &'a [Row],
    /// Pairs of an expected row and its replacement under the same id.
    pub replace: &'a [(Row, Row)],
    /// Expected rows to delete.
    pub remove: &'a [Row],
    /// Journal entries to write; they overwrite entries of the same run and number.
    pub journal_writes: &'a [JournalEntry],
    /// Journal entries to delete, by run and number, before the writes. Missing entries are not an error.
    pub journal_deletes: &'a [(Uuid, u64)],
    /// Identifies the change across several calls of [`BulkWarehouse::apply`], the last of which may have been
    /// committed without a response.
    pub token: Option<&'a IdempotencyToken>,
}

/// Distinguishes a change from others with the same content, also after a lost connection.
#[derive(Debug)]
pub struct IdempotencyToken {
    id: String,
    lost: AtomicBool,
}

impl IdempotencyToken {
    /// Returns a token that no other change has.
    pub fn unique() -> Self {
        Self { id: format!("{:032x}", fastrand::u128(..)), lost: AtomicBool::new(false) }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Returns true if an attempt ended without a response.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    pub(super) fn mark_lost(&self) {
        self.lost.store(true, Ordering::Relaxed);
    }
}

/// A journal entry for one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    /// Run that wrote the entry.
    pub run_id: Uuid,
    /// Number of the entry in the run; 0 is the run's header.
    pub seq: u64,
    /// Content of the entry.
    pub text: String,
}

/// Load of the server, for the throttle.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LoadMetrics {
    /// Number of running threads as counted by the server, including this query's; `None` if not available.
    pub threads_running: Option<u64>,
    /// Result of the throttle query.
    pub query_value: Option<f64>,
}

/// Returns the obstacle to a swap for a column with values that no object of the lake has.
pub(super) fn lost_column(name: &str) -> String {
    format!(
        "column {name} has values that the lake lacks, and they would be lost: copy them to another table by \
         id_treated_data, and drop the column"
    )
}

/// A warehouse that supports bulk loads.
#[async_trait]
pub trait BulkWarehouse: Warehouse {
    /// Returns the load method; queries the server on the first call.
    ///
    /// # Errors
    /// Returns an error if the server cannot be reached or rejects a query.
    async fn load_strategy(&self) -> Result<LoadStrategy, Error>;

    /// Returns the limits of the columns, to check rows before they are sent.
    ///
    /// # Errors
    /// Returns an error if the server cannot be reached or rejects a query.
    async fn limits(&self) -> Result<ColumnLimits, Error>;

    /// Starts a consistent read of the table.
    ///
    /// # Errors
    /// Returns an error if the server cannot be reached or rejects the query.
    async fn snapshot(&self, schema: &TableSchema) -> Result<Box<dyn Snapshot>, Error>;

    /// Applies all of `change` or nothing.
    ///
    /// Returns [`InsertResult::IdTaken`] if an id exists, or if a row to replace or delete is no longer as expected.
    ///
    /// A lost connection is reopened. If the change has journal entries, they are looked up before it is applied again,
    /// so the result is exact. A change without journal entries is applied again directly; `IdTaken` may then refer to
    /// its own rows.
    ///
    /// # Errors
    /// Returns [`super::Reason::BadRow`] if a column rejects a value, [`super::Reason::Locked`] if others lock rows for
    /// too long, [`super::Reason::NoTable`] if there are journal entries and no journal, or another error if the server
    /// cannot be reached or rejects a statement.
    async fn apply(&self, change: &ChangeSet<'_>, schema: &TableSchema) -> Result<InsertResult, Error>;

    /// Returns up to `limit` rows with ids from `first` to `last`, both inclusive, in the server's id order.
    ///
    /// # Errors
    /// Returns an error if the server cannot be reached or rejects the query.
    async fn range(&self, first: &str, last: &str, limit: u32, schema: &TableSchema) -> Result<Vec<Row>, Error>;

    /// Returns the number of rows with ids from `first` to `last`, both inclusive.
    ///
    /// # Errors
    /// Returns an error if the server cannot be reached or rejects the query.
    async fn count(&self, first: &str, last: &str) -> Result<u64, Error>;

    /// Returns true if there is a journal. If `create` is set, a missing journal is created.
    ///
    /// # Errors
    /// Returns [`super::Reason::Privilege`] if the account may not create the journal, or another error if the server
    /// cannot be reached or rejects a statement.
    async fn open_journal(&self, create: bool) -> Result<bool, Error>;

    /// Returns the headers (number 0) of all runs on this table, last written first; empty if there is no journal.
    ///
    /// # Errors
    /// Returns an error if the server cannot be reached or rejects the query.
    async fn run_headers(&self) -> Result<Vec<JournalEntry>, Error>;

    /// Returns the journal entries of a run on this table except its header, by number; empty if there is no journal.
    ///
    /// # Errors
    /// Returns an error if the server cannot be reached or rejects the query.
    async fn run_entries(&self, run: Uuid) -> Result<Vec<JournalEntry>, Error>;

    /// Returns the load of the server; `query_value` is a user-defined query that returns one number.
    ///
    /// # Errors
    /// Returns an error if the query fails or does not return a number, or if the server cannot be reached.
    async fn load_metrics(&self, query: Option<&str>) -> Result<LoadMetrics, Error>;

    /// Returns the replication lag of this server; `None` if it is not a replica.
    ///
    /// # Errors
    /// Returns an error if replication has stopped, the account lacks the privilege, or the server cannot be reached.
    async fn replica_lag(&self) -> Result<Option<Duration>, Error>;

    /// Returns the blockers of a swap of this table with another, one line each.
    ///
    /// # Errors
    /// Returns an error if the server cannot be reached or rejects a query.
    async fn swap_blockers(&self) -> Result<Vec<String>, Error>;

    /// Creates a table like this one, or like the schema's if this one is missing. Returns true if it was created.
    ///
    /// An existing table of that name is left unchanged.
    ///
    /// # Errors
    /// Returns [`super::Reason::Privilege`] if the account may not create it, or another error if the server cannot be
    /// reached or rejects a statement.
    async fn create_like(&self, shadow: &TableName) -> Result<bool, Error>;

    /// Replaces this table with `shadow` and keeps the previous table as `old`, in one atomic step.
    ///
    /// Views of this table show the new one afterwards. Journal entries keep their table names.
    ///
    /// # Errors
    /// Returns [`super::Reason::AlreadyExists`] if a table `old` exists, or another error if the server cannot be
    /// reached or rejects a statement.
    async fn swap_tables(&self, shadow: &TableName, old: &TableName) -> Result<(), Error>;

    /// Returns the number of rows in `other` without a row of the same id in this table.
    ///
    /// # Errors
    /// Returns [`super::Reason::NoTable`] if either table is missing, or another error if the server cannot be reached
    /// or rejects the query.
    async fn count_rows_only_in(&self, other: &TableName) -> Result<u64, Error>;

    /// Returns another table of the same server, with the same sessions.
    fn with_table(&self, table: TableName) -> Arc<dyn BulkWarehouse>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_changes_have_one_token() {
        assert_ne!(IdempotencyToken::unique().id(), IdempotencyToken::unique().id());
        assert_eq!(IdempotencyToken::unique().id().len(), 32);
    }
}
