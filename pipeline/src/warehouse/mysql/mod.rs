//! Warehouse in MySQL or MariaDB, with sqlx. Sessions use UTC and strict mode, and values are bound in binary form.
//!
//! Every statement that reads values has a bound argument: without one, sqlx uses the text protocol, which returns
//! FLOAT with six digits. TLS is configured by the address (`ssl-mode`, `ssl-ca`), and verified by default (`tls`).

use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::mysql::{MySqlArguments, MySqlConnectOptions, MySqlRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, ConnectOptions, MySql as Db, Row as _};
use url::{Host, Url};

use facts::IdKey;
use pool::{SessionManager, SessionPool};
use sql_files::STEPS;
use tls::Tls;
use values::{bind, decode, guard, select_list};

use super::schema::{self, ColumnInfo, SchemaObject};
use super::{CredentialProvider, Error, InsertResult, Reason, ServerStatus, TableName, Warehouse};
use crate::error::Kind;
use crate::record::Column;
use crate::record::row::{Row, TableSchema, Value};
use crate::retry::{RetryPolicy, TimeoutProfile};

#[cfg(feature = "bulk")]
mod bulk;
mod error;
mod facts;
pub(super) mod options;
mod pool;
mod repeated_ids;
mod reuse;
mod server;
#[cfg(feature = "bulk")]
mod snapshot;
mod sql_files;
mod tls;
mod values;
mod version;

#[cfg(feature = "bulk")]
pub use bulk::load_data_line;
pub use sql_files::{mysql_accounts, mysql_files};

/// Number of ids per lookup. The statement has a fixed size; unused places repeat the last id.
const LOOKUP: usize = 1_000;

/// Access options of a server.
#[derive(Debug)]
pub struct AccessOptions {
    /// Provider of credentials. `None` for the user and password of the address.
    pub credentials: Option<Arc<dyn CredentialProvider>>,
    /// Maximum number of connections.
    pub connections: u32,
    /// Retry policy for failures.
    pub retry: RetryPolicy,
    /// Timeout for opening a connection. A paused server, such as Aurora Serverless, greets after 15 seconds and more.
    pub connect_timeout: Duration,
    /// Lock timeouts. With [`TimeoutProfile::Streaming`], a server that cannot be reached at first is retried, as after
    /// a lost connection.
    pub timeout_profile: TimeoutProfile,
}

impl Default for AccessOptions {
    fn default() -> Self {
        Self {
            credentials: None,
            connections: 4,
            retry: RetryPolicy::default(),
            connect_timeout: Self::CONNECT_TIMEOUT,
            timeout_profile: TimeoutProfile::Bulk,
        }
    }
}

impl AccessOptions {
    /// Default timeout for opening a connection.
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
}

/// Table in MySQL or MariaDB.
#[derive(Debug, Clone)]
pub struct MySql {
    sessions: SessionPool,
    #[cfg(feature = "bulk")]
    loader: bulk::LoadState,
    reached: Arc<AtomicBool>,
    tls: Tls,
    /// How the table keeps ids unique; `None` before it was checked.
    id_key: Arc<Mutex<Option<IdKey>>>,
    table: TableName,
    #[cfg(feature = "bulk")]
    server: String,
    address: String,
    retry: RetryPolicy,
}

impl MySql {
    /// Returns the table at that address, with at most `connections` connections; connects on first use.
    ///
    /// # Errors
    /// Returns [`Reason::BadAddress`] if sqlx cannot parse the address's options.
    pub fn new(url: &Url, table: TableName, connections: u32, retry: RetryPolicy) -> Result<Self, Error> {
        Self::open(url, table, AccessOptions { connections, retry, ..AccessOptions::default() })
    }

    /// Returns the table at that address, with all access options; connects on first use.
    ///
    /// # Errors
    /// Returns an error for the reasons of [`MySql::new`].
    pub fn open(url: &Url, table: TableName, access: AccessOptions) -> Result<Self, Error> {
        let AccessOptions { credentials, connections, retry, connect_timeout, timeout_profile } = access;
        let shown = super::WarehouseUrl::MySql(url.clone()).to_string();
        let tls = Tls::of(url).map_err(|e| Error::new(Reason::BadAddress, &shown, e))?;
        let options = MySqlConnectOptions::from_str(url.as_str())
            .map_err(|e| Error::new(Reason::BadAddress, &shown, format!("the address cannot be read: {e}")))?
            .disable_statement_logging();
        let options = match url.host() {
            // sqlx keeps the brackets of the URL in the name of the host.
            Some(Host::Ipv6(host)) => options.host(&host.to_string()),
            _ => options,
        };
        let address = format!("{shown} table {table}");
        #[cfg(feature = "bulk")]
        let loader = bulk::LoadState::new(url, &options, &tls, (credentials.clone(), connect_timeout), connections);
        let manager = SessionManager {
            options,
            tls: tls.clone(),
            credentials,
            table: table.clone(),
            timeout_profile,
            connect_timeout,
        };
        let reached = Arc::new(AtomicBool::new(timeout_profile == TimeoutProfile::Streaming));
        Ok(Self {
            sessions: SessionPool::new(manager, address.clone(), connections),
            #[cfg(feature = "bulk")]
            loader,
            reached,
            tls,
            id_key: Arc::default(),
            table,
            #[cfg(feature = "bulk")]
            server: shown,
            address,
            retry,
        })
    }

    /// Checks before the first use that the server can be reached, without retries.
    async fn reach(&self) -> Result<(), Error> {
        if !self.reached.load(Ordering::Relaxed) {
            self.sessions.ping().await?;
            self.reached.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Returns the single number in the result of a statement.
    async fn number(&self, query: Query<'_, Db, MySqlArguments>) -> Result<i64, Error> {
        let rows = self.sessions.rows(query).await?;
        let number = rows.first().ok_or(sqlx::Error::RowNotFound).and_then(|row| row.try_get(0));
        number.map_err(|e| self.sessions.failure(&e))
    }

    async fn exists(&self, creates: SchemaObject, name: &str) -> Result<bool, Error> {
        Ok(self.number(sqlx::query(creates.count_on_mysql()).bind(name).bind(self.table.as_str())).await? > 0)
    }

    async fn described(&self) -> Result<Vec<ColumnInfo>, Error> {
        let query = sqlx::query(
            "SELECT CAST(column_name AS CHAR), LOWER(CAST(data_type AS CHAR)), CAST(character_maximum_length AS SIGNED), \
             CAST(numeric_scale AS SIGNED), CAST(datetime_precision AS SIGNED), \
             CAST(is_nullable = 'NO' AND column_default IS NULL AND extra NOT LIKE '%auto_increment%' \
             AND extra NOT LIKE '%GENERATED%' AS SIGNED), CAST(generation_expression <> '' AS SIGNED) \
             FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = ?",
        )
        .bind(self.table.as_str());
        let rows = self.sessions.rows(query).await?;
        let number = |row: &MySqlRow, at: usize| -> Result<Option<u64>, sqlx::Error> {
            Ok(row.try_get::<Option<i64>, _>(at)?.map(i64::unsigned_abs))
        };
        let described: Result<_, sqlx::Error> = rows
            .iter()
            .map(|row| {
                Ok(ColumnInfo {
                    name: row.try_get(0)?,
                    kind: row.try_get(1)?,
                    chars: number(row, 2)?,
                    decimals: number(row, 3)?,
                    digits: number(row, 4)?,
                    needed: number(row, 5)? == Some(1),
                    generated: number(row, 6)? == Some(1),
                })
            })
            .collect();
        described.map_err(|e| self.sessions.failure(&e))
    }

    /// Returns how the table keeps ids unique; checks the table on first use.
    async fn id_key(&self) -> Result<IdKey, Error> {
        let known = *self.id_key.lock().unwrap_or_else(PoisonError::into_inner);
        match known {
            Some(known) => Ok(known),
            None => self.retry.run(Error::kind, |_| self.check_table()).await,
        }
    }

    /// Returns the number of ids per lookup; fewer if the server accepts only small packets.
    #[cfg(feature = "bulk")]
    async fn lookup(&self) -> Result<usize, Error> {
        let packet = self.retry.run(Error::kind, |_| self.packet()).await?;
        Ok(if packet < bulk::SMALL_PACKET { LOOKUP / 10 } else { LOOKUP })
    }

    #[cfg(not(feature = "bulk"))]
    #[allow(clippy::unused_async, reason = "queries the server on other back ends")]
    async fn lookup(&self) -> Result<usize, Error> {
        Ok(LOOKUP)
    }

    async fn rows(
        &self,
        sql: String,
        bind: &[&str],
        limit: Option<u32>,
        schema: &TableSchema,
    ) -> Result<Vec<Row>, Error> {
        let sql: Arc<str> = sql.into();
        let run = |_| async {
            let mut query = sqlx::query(AssertSqlSafe(Arc::clone(&sql)));
            for text in bind {
                query = query.bind(*text);
            }
            if let Some(limit) = limit {
                query = query.bind(limit);
            }
            let rows = self.sessions.rows(query).await?;
            let rows: Result<Vec<Row>, _> = rows.iter().map(|row| decode(row, schema)).collect();
            rows.map_err(|e| self.sessions.failure(&e))
        };
        self.retry.run(Error::kind, run).await
    }
}

fn insert_sql(table: &TableName, rows: usize) -> String {
    let one = format!("({})", ["?"; Column::COUNT].join(", "));
    format!("INSERT INTO `{table}` ({}) VALUES {}", columns(), vec![one; rows].join(", "))
}

fn columns() -> String {
    Column::ALL.map(|column| format!("`{column}`")).join(", ")
}

fn replace_sql(table: &TableName, schema: &TableSchema, old: &Row) -> String {
    let set = Column::ALL.map(|column| format!("`{column}` = ?")).join(", ");
    format!("UPDATE `{table}` SET {set} WHERE {}", guard(schema, old))
}

#[cfg(feature = "bulk")]
fn remove_sql(table: &TableName, schema: &TableSchema, row: &Row) -> String {
    format!("DELETE FROM `{table}` WHERE {}", guard(schema, row))
}

/// Returns the values of [`replace_sql`], in its order.
fn replace_values<'a>(old: &'a Row, new: &'a Row) -> impl Iterator<Item = &'a Value> {
    new.0.iter().chain(guard_values(old))
}

/// Returns the values of [`guard`], in its order.
fn guard_values(row: &Row) -> impl Iterator<Item = &Value> {
    std::iter::once(row.get(Column::IdTreatedData)).chain(&row.0)
}

#[async_trait]
impl Warehouse for MySql {
    fn address(&self) -> String {
        self.address.clone()
    }

    async fn init(&self) -> Result<Vec<String>, Error> {
        self.reach().await?;
        self.refuse_old().await?;
        if self.exists(schema::SchemaObject::Table, self.table.as_str()).await? {
            self.check_table().await?;
        }
        let mut created = Vec::new();
        for step in STEPS {
            if !self.exists(step.creates, &step.name(&self.table)).await? {
                self.sessions.run(step.sql(&self.table)).await?;
                created.push(step.describe(&self.table));
            }
        }
        Ok(created)
    }

    async fn table_schema(&self) -> Result<TableSchema, Error> {
        self.reach().await?;
        self.retry.run(Error::kind, |_| self.refuse_old()).await?;
        let columns = self.retry.run(Error::kind, |_| self.described()).await?;
        if columns.is_empty() {
            let message = format!("no table {}: run `ruminate init`, or name another with --table", self.table);
            return Err(Error::new(Reason::NoTable, &self.address, message));
        }
        let schema = schema::table_schema(&self.address, &columns)?;
        let id_key = self.retry.run(Error::kind, |_| self.check_table()).await?;
        let before = self.id_key.lock().unwrap_or_else(PoisonError::into_inner).replace(id_key);
        #[cfg(feature = "bulk")]
        if id_key == IdKey::WithFurtherColumns && before != Some(id_key) {
            self.retry.run(Error::kind, |_| self.refuse_repeated_ids()).await?;
        }
        let _ = before; // the Lambda leaves this check to the toolkit, which has the time
        Ok(schema)
    }

    async fn insert(&self, rows: &[Row], _: &TableSchema) -> Result<InsertResult, Error> {
        let sql: Arc<str> = insert_sql(&self.table, rows.len()).into();
        let id_key = self.id_key().await?;
        let run = |_| async {
            if id_key == IdKey::WithFurtherColumns {
                return self.insert_new_ids(rows).await;
            }
            let query = rows.iter().flat_map(|row| &row.0).fold(sqlx::query(AssertSqlSafe(Arc::clone(&sql))), bind);
            match self.sessions.execute(query).await {
                Ok(_) => Ok(InsertResult::Inserted),
                Err(e) if e.reason == Reason::AlreadyExists => Ok(InsertResult::IdTaken),
                Err(e) => Err(e),
            }
        };
        // The engine retries locked rows, one by one.
        let kind = |e: &Error| match e.reason {
            Reason::Locked | Reason::Deadlock => Kind::Permanent,
            _ => e.kind(),
        };
        self.retry.run(kind, run).await
    }

    async fn fetch(&self, ids: &[String], schema: &TableSchema) -> Result<Vec<Row>, Error> {
        let mut found = Vec::with_capacity(ids.len());
        let max = self.lookup().await?;
        for chunk in ids.chunks(max) {
            let size = if chunk.len() == 1 { 1 } else { max };
            let mut bind: Vec<&str> = chunk.iter().map(String::as_str).collect();
            bind.resize(size, chunk[chunk.len() - 1].as_str());
            let marks = vec!["?"; size].join(", ");
            let sql =
                format!("SELECT {} FROM `{}` WHERE id_treated_data IN ({marks})", select_list(schema), self.table);
            found.extend(self.rows(sql, &bind, None, schema).await?);
        }
        Ok(found)
    }

    async fn replace(&self, old: &Row, new: &Row, schema: &TableSchema) -> Result<bool, Error> {
        let sql: Arc<str> = replace_sql(&self.table, schema, old).into();
        let run = |_| async {
            let query = replace_values(old, new).fold(sqlx::query(AssertSqlSafe(Arc::clone(&sql))), bind);
            self.sessions.execute(query).await.map(|rows| rows > 0)
        };
        self.retry.run(Error::kind, run).await
    }

    async fn status(&self) -> Result<ServerStatus, Error> {
        self.reach().await?;
        self.server_status().await
    }

    async fn check_writable(&self) -> Result<(), Error> {
        self.reach().await?;
        self.refuse_reader().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warehouse_that_is_shown_for_debugging_shows_no_password() {
        let url = Url::parse("mysql://ana:s3gredo@db.example/fazendas").unwrap();
        let shown = format!("{:?}", MySql::new(&url, TableName::default(), 1, RetryPolicy::NO_RETRY).unwrap());
        assert!(shown.contains("db.example") && !shown.contains("s3gredo"), "{shown}");
    }
}
