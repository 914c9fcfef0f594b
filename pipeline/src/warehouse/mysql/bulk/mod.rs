//! [`BulkWarehouse`] on MySQL and MariaDB.
//!
//! If the server allows it, rows are loaded by LOAD DATA LOCAL INFILE with mysql_async, which can send a file from
//! memory. Otherwise rows are loaded by INSERT, which is also used for exact errors if some rows fail. All other
//! statements use the sessions of sqlx, and so does everything if mysql_async cannot connect.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::AssertSqlSafe;
use sqlx::mysql::MySqlConnectOptions;
use url::Url;
use uuid::Uuid;

use super::MySql;
use super::tls::Tls;
use super::values::select_list;
use crate::record::row::{Row, TableSchema};
use crate::warehouse::bulk::{BulkWarehouse, ChangeSet, JournalEntry, LoadMethod, LoadMetrics, LoadStrategy};
use crate::warehouse::credentials::CredentialProvider;
use crate::warehouse::limits::ColumnLimits;
use crate::warehouse::{Error, InsertResult, Reason, Snapshot, TableName};
use load_pool::{LoadSessionManager, LoadSessionPool};

mod journal;
mod limits;
mod load_data_format;
mod load_metrics;
mod load_pool;
mod session;
mod table_swap;
mod transaction;

pub use load_data_format::encode as load_data_line;

/// Packet size below which a lookup of 1,000 ids does not fit, in bytes.
pub(super) const SMALL_PACKET: usize = 128 * 1024;

/// State of bulk loading on a server: its own sessions, and the detected load method.
#[derive(Debug, Clone)]
pub(super) struct LoadState {
    sessions: LoadSessionPool,
    /// Load method requested by the user.
    requested: Option<LoadMethod>,
    strategy: Arc<Mutex<Option<LoadStrategy>>>,
    /// Maximum packet size of the server, in bytes; 0 before it was read.
    packet: Arc<AtomicUsize>,
}

impl LoadState {
    pub fn new(
        url: &Url,
        options: &MySqlConnectOptions,
        tls: &Tls,
        access: (Option<Arc<dyn CredentialProvider>>, Duration),
        max: u32,
    ) -> Self {
        let sessions = LoadSessionManager::pool(url, options, tls, access, max);
        Self { sessions, requested: None, strategy: Arc::default(), packet: Arc::default() }
    }

    fn known(&self) -> Option<LoadStrategy> {
        self.strategy.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_strategy(&self, kind: LoadMethod, why: String) -> LoadStrategy {
        let method = LoadStrategy { kind, reason: why };
        *self.strategy.lock().unwrap_or_else(PoisonError::into_inner) = Some(method.clone());
        method
    }

    /// Switches permanently to INSERT if LOAD DATA is rejected, unless LOAD DATA was explicitly requested.
    fn fall_back_to_insert(&self, why: String, address: &str) -> Result<LoadStrategy, Error> {
        if self.requested == Some(LoadMethod::LoadData) {
            let message = format!("{} was requested but is unavailable: {why}", LoadMethod::LoadData);
            return Err(Error::new(Reason::Other, address, message));
        }
        tracing::warn!("rows are loaded by {}: {why}", LoadMethod::Insert);
        Ok(self.set_strategy(LoadMethod::Insert, why))
    }
}

impl MySql {
    /// Returns the same table, restricted to one load method.
    #[must_use]
    pub fn with_load_method(mut self, method: Option<LoadMethod>) -> Self {
        self.loader.requested = method;
        self.loader.strategy = Arc::default();
        self
    }

    async fn load_method(&self) -> Result<LoadStrategy, Error> {
        if let Some(cached) = self.loader.known() {
            return Ok(cached);
        }
        if self.loader.requested == Some(LoadMethod::Insert) {
            return Ok(self.loader.set_strategy(LoadMethod::Insert, "requested by --load-method".into()));
        }
        let ask = |_| async { self.number(sqlx::query("SELECT CAST(@@GLOBAL.local_infile AS SIGNED)")).await };
        if self.retry.run(Error::kind, ask).await? == 0 {
            let why = "local_infile is OFF: SET GLOBAL local_infile = ON enables LOAD DATA";
            return self.loader.fall_back_to_insert(why.into(), &self.address);
        }
        let open = |_| self.loader.sessions.get(&self.address);
        match self.retry.run(Error::kind, open).await {
            Ok(mut fast) => {
                fast.is_reusable = true;
                Ok(self.loader.set_strategy(LoadMethod::LoadData, "local_infile is ON on the server".into()))
            }
            Err(e) if e.kind().is_transient() => Err(e),
            // The other driver could connect.
            Err(e) => self
                .loader
                .fall_back_to_insert(format!("no session for LOAD DATA can be had: {}", e.message), &self.address),
        }
    }

    /// Returns the maximum packet size of the server, in bytes.
    pub(super) async fn packet(&self) -> Result<usize, Error> {
        let known = self.loader.packet.load(Ordering::Relaxed);
        if known > 0 {
            return Ok(known);
        }
        let bytes = self.number(sqlx::query("SELECT CAST(@@SESSION.max_allowed_packet AS SIGNED)")).await?;
        let bytes = usize::try_from(bytes).unwrap_or_default().max(1_024);
        self.loader.packet.store(bytes, Ordering::Relaxed);
        Ok(bytes)
    }
}

/// Returns the integers in a text.
fn numbers(text: &str) -> Vec<u64> {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
}

#[async_trait]
impl BulkWarehouse for MySql {
    async fn load_strategy(&self) -> Result<LoadStrategy, Error> {
        self.reach().await?;
        self.load_method().await
    }

    async fn snapshot(&self, schema: &TableSchema) -> Result<Box<dyn Snapshot>, Error> {
        self.retry.run(Error::kind, |_| self.reading(schema)).await
    }

    async fn limits(&self) -> Result<ColumnLimits, Error> {
        self.read_limits().await
    }

    async fn apply(&self, change: &ChangeSet<'_>, schema: &TableSchema) -> Result<InsertResult, Error> {
        self.change(change, schema).await
    }

    async fn range(&self, first: &str, last: &str, limit: u32, schema: &TableSchema) -> Result<Vec<Row>, Error> {
        let sql = format!(
            "SELECT {} FROM `{}` WHERE id_treated_data BETWEEN ? AND ? ORDER BY id_treated_data LIMIT ?",
            select_list(schema),
            self.table
        );
        self.rows(sql, &[first, last], Some(limit), schema).await
    }

    async fn count(&self, first: &str, last: &str) -> Result<u64, Error> {
        let sql: Arc<str> =
            format!("SELECT COUNT(*) FROM `{}` WHERE id_treated_data BETWEEN ? AND ?", self.table).into();
        let run = |_| async { self.number(sqlx::query(AssertSqlSafe(Arc::clone(&sql))).bind(first).bind(last)).await };
        self.retry.run(Error::kind, run).await.map(i64::unsigned_abs)
    }

    async fn open_journal(&self, create: bool) -> Result<bool, Error> {
        self.reach().await?;
        let there = self.journal_exists().await?;
        if create && !there {
            self.create_journal().await?;
        }
        Ok(there || create)
    }

    async fn run_headers(&self) -> Result<Vec<JournalEntry>, Error> {
        self.read_entries("seq = 0 AND ''", "").await
    }

    async fn run_entries(&self, run: Uuid) -> Result<Vec<JournalEntry>, Error> {
        self.read_entries("seq > 0 AND run_id", &run.to_string()).await
    }

    async fn load_metrics(&self, query: Option<&str>) -> Result<LoadMetrics, Error> {
        self.read_load_metrics(query).await
    }

    async fn replica_lag(&self) -> Result<Option<Duration>, Error> {
        self.reach().await?;
        self.lag().await
    }

    async fn swap_blockers(&self) -> Result<Vec<String>, Error> {
        self.swap_blockers().await
    }

    async fn create_like(&self, shadow: &TableName) -> Result<bool, Error> {
        self.create_shadow(shadow).await
    }

    async fn swap_tables(&self, shadow: &TableName, old: &TableName) -> Result<(), Error> {
        self.rename(shadow, old).await
    }

    async fn count_rows_only_in(&self, other: &TableName) -> Result<u64, Error> {
        let sql: Arc<str> = format!(
            "SELECT COUNT(*) FROM `{other}` o LEFT JOIN `{}` h ON h.id_treated_data = o.id_treated_data \
             WHERE h.id_treated_data IS NULL",
            self.table
        )
        .into();
        let run = |_| async { self.number(sqlx::query(AssertSqlSafe(Arc::clone(&sql)))).await };
        self.retry.run(Error::kind, run).await.map(i64::unsigned_abs)
    }

    fn with_table(&self, table: TableName) -> Arc<dyn BulkWarehouse> {
        let address = format!("{} table {table}", self.server);
        let sessions = self.sessions.about(table.clone(), address.clone());
        Arc::new(Self { sessions, table, address, id_key: Arc::default(), ..self.clone() })
    }
}
