//! The warehouse: the table `historico_consumo` in MySQL, MariaDB or SQLite.
//!
//! [`WarehouseUrl`] is the address of a warehouse, by back end. [`Warehouse`] is the IO trait with the back ends [`mysql`] and
//! `sqlite`, and `memory` for tests. `BulkWarehouse` adds
//! the operations that a replay needs. [`mod@load`] loads records into rows, and returns the result of each.
//! [`crate::record::row`] compares values.
//!
//! # Adding a back end
//!
//! 1. A folder here with its implementations of [`Warehouse`] and `BulkWarehouse`, and its statements in `sql/NAME/`, which
//!    `schema::steps!` turns into the steps of `init`. It describes the columns of a table by the type names of `schema.rs`,
//!    and orders ids byte by byte (collation), which the audit checks. It passes `testkit::conformance::warehouse`; a server for its
//!    tests goes into `testkit::servers`. A client library is a cargo feature, which the Lambda lacks.
//! 2. In this file its `pub mod` and its variant of [`WarehouseUrl`] with the same name; the compiler names the matches except
//!    that of `FromStr`, and [`WarehouseUrl::FORMS`] is in the help of all commands. `url.rs` parses MySQL's addresses; another
//!    form is parsed in its own folder.
//! 3. Its arms in the toolkit's `open_url` and `open_to_init` (`src/cli/flags.rs`).
//!
//! `LoadMethod` (`bulk.rs`) has the methods of all back ends: a new one is a variant, and an arm of `LoadMethodArg`
//! (`src/cli/flags.rs`) if users may request it. `doctor` checks privileges by [`ServerStatus::grants`] and settings by their
//! MySQL names; what it should explain of another server goes into `src/doctor`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use ::url::Url;
use async_trait::async_trait;
use chrono::NaiveDateTime;

use crate::error::Kind;
use crate::place;
use crate::record::row::{Row, TableSchema};

#[cfg(feature = "bulk")]
pub mod bulk;
pub mod credentials;
#[cfg(feature = "bulk")]
pub mod limits;
pub mod load;
#[cfg(any(test, feature = "testing"))]
pub mod memory;
pub mod mysql;
pub mod rds;
mod rds_authorities;
mod schema;
#[cfg(feature = "bulk")]
mod snapshot;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod table_name;
#[cfg(feature = "bulk")]
pub mod throttle_query;
mod tls_mode;
mod url;

#[cfg(feature = "bulk")]
pub use bulk::{BulkWarehouse, ChangeSet, IdempotencyToken, JournalEntry, LoadMethod, LoadMetrics, LoadStrategy};
pub use credentials::CredentialProvider;
#[cfg(feature = "bulk")]
pub use limits::ColumnLimits;
pub use load::{Conflict, LoadResult, LoadResults, OnConflict, load, load_into};
pub use mysql::{mysql_accounts, mysql_files};
pub use rds::Rds;
pub use rds_authorities::RDS_AUTHORITIES;
#[cfg(feature = "bulk")]
pub use snapshot::{IdRange, Pages, Snapshot, TimeWindow};
pub use table_name::TableName;
pub use tls_mode::{TlsMode, is_this_machine};

/// Location of a warehouse.
#[derive(Clone, PartialEq, Eq)]
pub enum WarehouseUrl {
    /// `mysql://user:pass@host:port/db`, with options in one spelling (`?ssl-mode=VERIFY_IDENTITY&ssl-ca=…`).
    MySql(Url),
    /// `sqlite:PATH`.
    Sqlite(PathBuf),
}

impl WarehouseUrl {
    /// The forms of a warehouse's address, for help and error messages.
    pub const FORMS: &str = "mysql://user:pass@host:port/db or sqlite:PATH";

    /// Returns the address without its password, in a form that is valid in any directory.
    pub fn without_password(&self) -> String {
        match self {
            Self::Sqlite(path) => {
                let absolute = std::path::absolute(path);
                Self::Sqlite(absolute.unwrap_or_else(|_| path.clone())).to_string()
            }
            Self::MySql(url) => {
                let mut url = url.clone();
                if url.set_password(None).is_err() {
                    return url::shown(&url); // a URL with a host always can
                }
                url.to_string()
            }
        }
    }

    /// Returns the TLS mode that the address requests, if it does not verify the certificate of a server on another machine.
    pub fn unverified_tls(&self) -> Option<TlsMode> {
        match self {
            Self::Sqlite(_) => None,
            Self::MySql(url) => {
                let (_, mode) = url.query_pairs().find(|(name, _)| name == "ssl-mode")?;
                let mode: TlsMode = mode.parse().ok()?;
                let is_verified = mode >= TlsMode::VerifyCa || url.host_str().is_some_and(is_this_machine);
                (!is_verified).then_some(mode)
            }
        }
    }

    /// Returns server, database and table, regardless of account and options.
    pub fn identity(&self, table: &str) -> String {
        match self {
            Self::Sqlite(path) => {
                let whole = path.canonicalize().or_else(|_| std::path::absolute(path));
                format!("sqlite:{} table {table}", whole.unwrap_or_else(|_| path.clone()).display())
            }
            Self::MySql(url) => {
                let (host, port) = (url.host_str().unwrap_or_default(), url.port().unwrap_or(3306));
                format!("mysql://{host}:{port}{} table {table}", url.path())
            }
        }
    }
}

impl FromStr for WarehouseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = place::tidy(text).map_err(|e| format!("the warehouse's address {e}: write {}", Self::FORMS))?;
        match text.strip_prefix("sqlite:") {
            Some(path) => url::file(path).map(Self::Sqlite),
            None if url::is_server(text) => url::server(text).map(Self::MySql),
            None => Err(url::unknown(text)),
        }
    }
}

impl fmt::Display for WarehouseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MySql(url) => f.write_str(&url::shown(url)),
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
        }
    }
}

impl fmt::Debug for WarehouseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Result of an insert that must not replace rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InsertResult {
    /// All rows were inserted.
    Inserted,
    /// At least one id existed; no row was inserted.
    IdTaken,
}

/// Server information for `doctor` and for the evidence of an audit.
#[derive(Debug, Clone, Default)]
pub struct ServerStatus {
    /// Name and version of the server.
    pub version: String,
    /// The server's clock, UTC; `None` if it is not available.
    pub clock: Option<NaiveDateTime>,
    /// Number of rows in the table; `None` if there is no table.
    pub rows: Option<u64>,
    /// Settings by name: `sql_mode`, `local_infile`, `max_allowed_packet`, …
    pub settings: BTreeMap<String, String>,
    /// Privileges of the account, as MySQL's SHOW GRANTS writes them; empty if the server has none.
    pub grants: Vec<String>,
    /// What to do if the server is too old; `None` if it is supported.
    pub too_old: Option<String>,
    /// TLS of the connection; `None` if the warehouse is not a server.
    pub tls: Option<TlsStatus>,
}

/// TLS of the connections to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsStatus {
    /// The mode, requested or by default.
    pub mode: TlsMode,
    /// True for a server on this machine.
    pub is_local: bool,
    /// The cipher; `None` if the connection is not encrypted.
    pub cipher: Option<String>,
}

/// A warehouse: its schema, inserts that replace nothing, reads by id, and a conditional update.
#[async_trait]
pub trait Warehouse: Send + Sync + fmt::Debug {
    /// Returns the warehouse's address with its table, without secrets.
    fn address(&self) -> String;

    /// Creates the missing parts of the schema and returns one line per created part. An existing table keeps its columns
    /// and rows.
    ///
    /// # Errors
    /// Returns an error if the server cannot be reached or rejects a statement.
    async fn init(&self) -> Result<Vec<String>, Error>;

    /// Returns the types of the table's columns.
    ///
    /// # Errors
    /// Returns [`Reason::NoTable`] if there is no table. Returns [`Reason::BadSchema`] if columns are missing or have
    /// an unusable type, or if ids are not unique.
    async fn table_schema(&self) -> Result<TableSchema, Error>;

    /// Inserts all rows or none, in one statement. Values must have the types of [`Warehouse::table_schema`].
    ///
    /// # Errors
    /// Returns [`Reason::BadRow`] if a column rejects a value, or another error if the server cannot be reached or
    /// rejects the statement.
    async fn insert(&self, rows: &[Row], schema: &TableSchema) -> Result<InsertResult, Error>;

    /// Returns the rows with these ids, in any order; ids without a row are omitted.
    ///
    /// # Errors
    /// Returns an error if the server cannot be reached or rejects the query.
    async fn fetch(&self, ids: &[String], schema: &TableSchema) -> Result<Vec<Row>, Error>;

    /// Replaces the values of `old` by those of `new` under the same id, only if the row still equals `old`.
    ///
    /// Returns true if the row was replaced.
    ///
    /// # Errors
    /// Returns an error if the server cannot be reached or rejects the statement.
    async fn replace(&self, old: &Row, new: &Row, schema: &TableSchema) -> Result<bool, Error>;

    /// Returns information about the server.
    ///
    /// # Errors
    /// Returns an error if the server cannot be reached or rejects a query.
    async fn status(&self) -> Result<ServerStatus, Error>;

    /// Returns the first damage of the warehouse's file and what to do about it, as found in a few seconds. `None` for a server,
    /// which finds its own.
    ///
    /// # Errors
    /// Returns an error if the file cannot be checked.
    async fn damage(&self) -> Result<Option<String>, Error> {
        Ok(None)
    }

    /// Checks that the server accepts writes, before a command changes rows.
    ///
    /// # Errors
    /// Returns [`Reason::Reader`] if it is a replica that accepts none, or another error if it cannot be reached.
    async fn check_writable(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// Reason for a warehouse error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The connection failed or was lost.
    Unreachable,
    /// Too many connections; temporary.
    Busy,
    /// Other sessions held locks for longer than the lock wait timeout; temporary.
    Locked,
    /// A deadlock, for which the server rolled back this transaction; temporary.
    Deadlock,
    /// TLS is unavailable, or the certificate cannot be verified.
    Untrusted,
    /// The user or password is wrong.
    Denied,
    /// The account lacks a privilege.
    Privilege,
    /// The database does not exist.
    NoDatabase,
    /// The table does not exist.
    NoTable,
    /// The table cannot store records.
    BadSchema,
    /// The server has become read-only, as after a failover.
    ReadOnly,
    /// The server is a reader of a cluster and never accepts writes.
    Reader,
    /// A column rejects a value of this row.
    BadRow,
    /// A row with this id exists.
    AlreadyExists,
    /// No space left.
    NoSpace,
    /// The address is invalid.
    BadAddress,
    /// Any other reason; the message has the server's text.
    Other,
}

/// A warehouse failure, with a one-line message that includes what to do.
#[derive(Debug, Clone, thiserror::Error)]
#[error("warehouse {about}: {message}")]
pub struct Error {
    /// Reason for the failure.
    pub reason: Reason,
    /// Address or table that the failure concerns, without secrets.
    pub about: String,
    /// What happened and what to do.
    pub message: String,
}

impl Error {
    /// Creates an error about an address or table, with a one-line message.
    pub fn new(reason: Reason, about: impl Into<String>, message: impl Into<String>) -> Self {
        Self { reason, about: about.into(), message: message.into() }
    }

    /// Returns the kind of the error, which decides whether a retry can help.
    pub fn kind(&self) -> Kind {
        match self.reason {
            // A server that became read-only is the old primary after a failover; a new session reaches the new one.
            Reason::Unreachable | Reason::Busy | Reason::Locked | Reason::Deadlock | Reason::ReadOnly => {
                Kind::Transient
            }
            Reason::BadAddress => Kind::Usage,
            _ => Kind::Permanent,
        }
    }
}
