//! The warehouse: the table `historico_consumo` in MySQL, or in SQLite when embedded.
//!
//! [`Warehouse`] is the small IO trait with its back ends [`mysql`] and `sqlite`, and for tests `memory`, and `BulkWarehouse` what a replay
//! needs beyond it; [`load`] is the one way by which records become rows, and says of each what became of it. Comparison of values is [`crate::record::row`]'s.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use chrono::NaiveDateTime;

use crate::error::Kind;
use crate::record::row::{Row, TableSchema};

#[cfg(feature = "bulk")]
pub mod bulk;
pub mod credentials;
#[cfg(feature = "bulk")]
pub mod limits;
mod load;
#[cfg(any(test, feature = "testing"))]
pub mod memory;
pub mod mysql;
pub mod rds;
mod schema;
#[cfg(feature = "bulk")]
mod snapshot;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod table_name;
mod url;

#[cfg(feature = "bulk")]
pub use bulk::{BulkWarehouse, ChangeSet, IdempotencyToken, JournalEntry, LoadMethod, LoadMetrics, LoadStrategy};
pub use credentials::CredentialProvider;
#[cfg(feature = "bulk")]
pub use limits::ColumnLimits;
pub use load::{Conflict, LoadResult, LoadResults, OnConflict, load, load_into};
pub use rds::Rds;
pub use schema::mysql_files;
#[cfg(feature = "bulk")]
pub use snapshot::{Pages, Snapshot, TimeWindow};
pub use table_name::TableName;
pub use url::WarehouseUrl;

/// What became of a batch of rows that must not replace any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InsertResult {
    /// All are in.
    Inserted,
    /// At least one id was taken; none is in.
    IdTaken,
}

/// What the server says of itself, for `doctor` and for the evidence of an audit.
#[derive(Debug, Clone, Default)]
pub struct ServerStatus {
    /// The server's name and version.
    pub version: String,
    /// The server's clock, UTC.
    pub clock: Option<NaiveDateTime>,
    /// Rows in the table; `None` where there is no table.
    pub rows: Option<u64>,
    /// Settings by name: `sql_mode`, `local_infile`, `max_allowed_packet`, …
    pub settings: BTreeMap<String, String>,
    /// What the account may do, as the server words it.
    pub grants: Vec<String>,
}

/// A warehouse: its schema, inserts that replace nothing, reads by id, and a guarded update.
#[async_trait]
pub trait Warehouse: Send + Sync + fmt::Debug {
    /// The warehouse's address with its table, without secrets.
    fn address(&self) -> String;

    /// Creates what is missing of the schema and says, a line each, what it created; never alters a table that exists.
    ///
    /// # Errors
    /// The server cannot be reached or refuses.
    async fn init(&self) -> Result<Vec<String>, Error>;

    /// What the real columns hold.
    ///
    /// # Errors
    /// [`Reason::NoTable`]; [`Reason::BadSchema`] where columns are missing, of a type that cannot hold them, or ids are not unique.
    async fn table_schema(&self) -> Result<TableSchema, Error>;

    /// Inserts all rows or none, in one statement; values must be of the kinds that [`Warehouse::table_schema`] names.
    ///
    /// # Errors
    /// [`Reason::BadRow`] where a column refuses a value; the server cannot be reached or refuses.
    async fn insert(&self, rows: &[Row], schema: &TableSchema) -> Result<InsertResult, Error>;

    /// The rows with these ids, in any order; ids without a row are left out.
    ///
    /// # Errors
    /// The server cannot be reached or refuses.
    async fn fetch(&self, ids: &[String], schema: &TableSchema) -> Result<Vec<Row>, Error>;

    /// Replaces the values of `old` by those of `new` under the same id, only if the row still is as `old` says.
    ///
    /// Returns whether it was.
    ///
    /// # Errors
    /// The server cannot be reached or refuses.
    async fn replace(&self, old: &Row, new: &Row, schema: &TableSchema) -> Result<bool, Error>;

    /// What the server says of itself.
    ///
    /// # Errors
    /// The server cannot be reached or refuses.
    async fn status(&self) -> Result<ServerStatus, Error>;
}

/// Why the warehouse could not do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// No connection, or it broke.
    Unreachable,
    /// Too many connections: passing.
    Busy,
    /// A lock wait that took too long, or a deadlock: passing.
    Locked,
    /// No TLS, or a certificate that cannot be verified.
    Untrusted,
    /// Wrong user or password.
    Denied,
    /// The account lacks a privilege.
    Privilege,
    /// No such database.
    NoDatabase,
    /// No such table.
    NoTable,
    /// The table cannot hold records.
    BadSchema,
    /// The server is read-only.
    ReadOnly,
    /// A column refuses a value of this row.
    BadRow,
    /// A row of this id is there.
    AlreadyExists,
    /// No space left.
    NoSpace,
    /// The address makes no sense.
    BadAddress,
    /// Anything else, as the server says.
    Other,
}

/// A failure of the warehouse, in one line that says what to do.
#[derive(Debug, Clone, thiserror::Error)]
#[error("warehouse {about}: {message}")]
pub struct Error {
    /// What went wrong.
    pub reason: Reason,
    /// The address or table it is about, without secrets.
    pub about: String,
    /// What happened and what to do.
    pub message: String,
}

impl Error {
    /// A failure about a key or address, in one line.
    pub fn new(reason: Reason, about: impl Into<String>, message: impl Into<String>) -> Self {
        Self { reason, about: about.into(), message: message.into() }
    }

    /// Whether another try can help.
    pub fn kind(&self) -> Kind {
        match self.reason {
            // A server that has become read-only is the old primary after a failover: a new session finds the new one.
            Reason::Unreachable | Reason::Busy | Reason::Locked | Reason::ReadOnly => Kind::Transient,
            Reason::BadAddress => Kind::Usage,
            _ => Kind::Permanent,
        }
    }
}
