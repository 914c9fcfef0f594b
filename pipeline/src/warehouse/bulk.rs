//! What a replay needs of a warehouse beyond [`Warehouse`]: rows and the note that speaks of them in one transaction,
//! the journal of such notes, readings of a whole table, ranges of ids, signs of the server's strain, and a shadow table that takes another's place.
//!
//! [`BulkWarehouse`] is implemented by the three back ends; one suite, `testkit::conformance::warehouse::bulk`, holds for all.

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

/// A warehouse that supports bulk loads.
#[async_trait]
pub trait BulkWarehouse: Warehouse {
    /// Returns the load method; queries the server on the first call.
    ///
    /// # Errors
    /// Returns an error if the server cannot be reached or rejects a query.
    async fn load_strategy(&self) -> Result<LoadStrategy, Error>;

    /// What the columns refuse, to judge rows by before they are sent.
    ///
    /// # Errors
    /// The server cannot be reached or refuses.
    async fn limits(&self) -> Result<ColumnLimits, Error>;

    /// Starts a consistent read of the table.
    ///
    /// # Errors
    /// Returns an error if the server cannot be reached or rejects the query.
    async fn snapshot(&self, schema: &TableSchema) -> Result<Box<dyn Snapshot>, Error>;

    /// Does everything that `change` says, or nothing.
    ///
    /// [`InsertResult::Taken`] where an id was taken or a row that was to be replaced or to go is no longer as it was said to be.
    ///
    /// A connection that is lost is opened again, and a change that has notes is then looked for before it is done once
    /// more, so that what is said of it is true. A change without notes is simply done once more: `Taken` may then speak
    /// of its own rows.
    ///
    /// # Errors
    /// [`super::Reason::BadRow`] where a column refuses a value, [`super::Reason::Locked`] where others hold rows for
    /// too long, [`super::Reason::NoTable`] where there are notes and no journal; the server cannot be reached or refuses.
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

    /// Whether there is a journal; with `create` it is made where there is none.
    ///
    /// # Errors
    /// [`super::Reason::Privilege`] where it is to be made and the account may not; the server cannot be reached or refuses.
    async fn open_journal(&self, create: bool) -> Result<bool, Error>;

    /// The heads (number 0) of all runs on this table, the one written last first; none where there is no journal.
    ///
    /// # Errors
    /// The server cannot be reached or refuses.
    async fn run_headers(&self) -> Result<Vec<JournalEntry>, Error>;

    /// The notes of a run on this table but its head, by number; none where there is no journal.
    ///
    /// # Errors
    /// The server cannot be reached or refuses.
    async fn run_entries(&self, run: Uuid) -> Result<Vec<JournalEntry>, Error>;

    /// How strained the server is; `query_value` is a statement of the user's whose one value is a number.
    ///
    /// # Errors
    /// The query fails or answers with no number; the server cannot be reached or refuses.
    async fn load_metrics(&self, query: Option<&str>) -> Result<LoadMetrics, Error>;

    /// How far behind its source this server is; `None` where it follows none.
    ///
    /// # Errors
    /// Replication has stopped, or the account may not ask; the server cannot be reached.
    async fn replica_lag(&self) -> Result<Option<Duration>, Error>;

    /// What stands against another table taking this one's place, a line each.
    ///
    /// # Errors
    /// The server cannot be reached or refuses.
    async fn swap_blockers(&self) -> Result<Vec<String>, Error>;

    /// Makes a table like this one, or like the schema's where there is none; whether it was not there.
    ///
    /// A table of that name stays as it is.
    ///
    /// # Errors
    /// [`super::Reason::Privilege`]; the server cannot be reached or refuses.
    async fn create_like(&self, shadow: &TableName) -> Result<bool, Error>;

    /// Puts `shadow` in this table's place and keeps what was there as `old`, at once for everybody.
    ///
    /// Views of this table show the new one afterwards. Notes of the journal stay under the names they were written for.
    ///
    /// # Errors
    /// [`super::Reason::Taken`] where there is a table `old` already; the server cannot be reached or refuses.
    async fn swap_tables(&self, shadow: &TableName, old: &TableName) -> Result<(), Error>;

    /// How many rows of `other` have no row of the same id here.
    ///
    /// # Errors
    /// [`super::Reason::NoTable`] where either is not there; the server cannot be reached or refuses.
    async fn count_rows_only_in(&self, other: &TableName) -> Result<u64, Error>;

    /// Another table of the same server, over the same sessions.
    fn with_table(&self, table: TableName) -> Arc<dyn BulkWarehouse>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_changes_have_one_mark() {
        assert_ne!(IdempotencyToken::unique().id(), IdempotencyToken::unique().id());
        assert_eq!(IdempotencyToken::unique().id().len(), 32);
    }
}
