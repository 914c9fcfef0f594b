//! Sessions of sqlx, and the statements that they run; [`super::reuse`] opens and reuses them.

use std::sync::Arc;
use std::time::Duration;

use sqlx::mysql::{MySqlArguments, MySqlConnectOptions, MySqlConnection, MySqlRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, MySql as Db};

use super::error::classify;
use super::reuse::{self, Driver, Pool};
use super::tls::Tls;
use crate::retry::TimeoutProfile;
use crate::warehouse::credentials::{CredentialProvider, Credentials};
use crate::warehouse::{Error, Reason, TableName};

/// Returns the settings of a session: strict mode, UTC, and short timeouts for row locks, table locks and idle
/// sessions. With the timeouts, an abandoned statement does not wait for a lock for hours, and an abandoned session is
/// closed. Time limits of statements and of idle transactions, which the server may set for all sessions, are off: an
/// audit reads for hours in one statement. Only the server that has such a variable executes the comment around it.
pub(super) fn settings(timeout_profile: TimeoutProfile) -> String {
    let (rows, table, silence) = match timeout_profile {
        TimeoutProfile::Bulk => (10, 10, 8 * 3_600),
        TimeoutProfile::Streaming => (2, 5, 3_600),
    };
    format!(
        "SET SESSION sql_mode = 'STRICT_TRANS_TABLES,STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,\
         ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00', \
         innodb_lock_wait_timeout = {rows}, lock_wait_timeout = {table}, wait_timeout = {silence}, \
         net_read_timeout = 600, net_write_timeout = 600 \
         /*!50708 , max_execution_time = 0 */ /*M!100300 , max_statement_time = 0, idle_transaction_timeout = 0, \
         idle_readonly_transaction_timeout = 0, idle_write_transaction_timeout = 0 */"
    )
}

/// Opens and checks sessions.
pub(super) struct SessionManager {
    pub options: MySqlConnectOptions,
    pub tls: Tls,
    pub credentials: Option<Arc<dyn CredentialProvider>>,
    pub table: TableName,
    pub timeout_profile: TimeoutProfile,
    pub connect_timeout: Duration,
}

/// Pool of sessions in UTC and strict mode.
#[derive(Debug, Clone)]
pub(super) struct SessionPool {
    pool: Pool<SessionManager>,
    /// Subject of errors: the table and its address.
    about: (TableName, String),
}

/// Session in use.
pub(super) type Session = reuse::Session<SessionManager>;

impl SessionPool {
    pub fn new(manager: SessionManager, address: String, max: u32) -> Self {
        let about = (manager.table.clone(), address);
        Self { pool: Pool::new(manager, max), about }
    }

    /// Returns the same pool for another table.
    #[cfg(feature = "bulk")]
    pub fn about(&self, table: TableName, address: String) -> Self {
        Self { pool: self.pool.clone(), about: (table, address) }
    }

    /// Returns the rows of a statement.
    pub async fn rows(&self, query: Query<'_, Db, MySqlArguments>) -> Result<Vec<MySqlRow>, Error> {
        let mut session = self.get().await?;
        let done = query.fetch_all(session.connection()).await;
        self.after(session, done)
    }

    /// Runs a statement; returns the number of changed rows.
    pub async fn execute(&self, query: Query<'_, Db, MySqlArguments>) -> Result<u64, Error> {
        let mut session = self.get().await?;
        let done = query.execute(session.connection()).await;
        self.after(session, done).map(|done| done.rows_affected())
    }

    /// Runs SQL text that cannot be prepared.
    pub async fn run(&self, sql: String) -> Result<(), Error> {
        let mut session = self.get().await?;
        let done = session.connection().execute(sqlx::raw_sql(AssertSqlSafe(sql))).await;
        self.after(session, done).map(drop)
    }

    /// Returns the rows of a statement with the text protocol, in which every value is text.
    #[cfg(feature = "bulk")]
    pub async fn query_text(&self, sql: String) -> Result<Vec<MySqlRow>, Error> {
        let mut session = self.get().await?;
        let done = session.connection().fetch_all(sqlx::raw_sql(AssertSqlSafe(sql))).await;
        self.after(session, done)
    }

    /// Returns an error if no session can be opened.
    pub async fn ping(&self) -> Result<(), Error> {
        let session = self.get().await?;
        self.after(session, Ok(()))
    }

    pub fn failure(&self, e: &sqlx::Error) -> Error {
        let (reason, message) = classify(e, &self.about.0);
        Error::new(reason, &self.about.1, message)
    }

    /// Returns a working session, new or reused; waits if all are in use.
    pub async fn get(&self) -> Result<Session, Error> {
        self.pool.get(&self.about.1).await
    }

    /// Ends the use of a session; a session that is not passed here is closed.
    pub fn after<T>(&self, mut session: Session, done: Result<T, sqlx::Error>) -> Result<T, Error> {
        let from_server = matches!(&done, Ok(_) | Err(sqlx::Error::Database(_)));
        let done = done.map_err(|e| self.failure(&e));
        let is_usable = |e: &Error| !matches!(e.reason, Reason::Unreachable | Reason::ReadOnly);
        session.is_reusable = from_server && done.as_ref().err().is_none_or(is_usable);
        done
    }
}

impl SessionManager {
    fn failure(&self, e: &sqlx::Error) -> Error {
        let (reason, message) = classify(e, &self.table);
        Error::new(reason, "", message)
    }
}

impl Driver for SessionManager {
    type Connection = MySqlConnection;

    fn login(&self) -> Option<&Arc<dyn CredentialProvider>> {
        self.credentials.as_ref()
    }

    fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    async fn connect(&self, with: Option<Credentials>) -> Result<MySqlConnection, Error> {
        let mut options = self.options.clone();
        if let Some(with) = with {
            options = options.username(&with.user).password(&with.password);
            options = with.host.iter().fold(options, |options, host| options.host(host));
            options = with.port.iter().fold(options, |options, port| options.port(*port));
            options = with.database.iter().fold(options, |options, database| options.database(database));
        }
        let mut connection = self.tls.apply(options).connect().await.map_err(|e| self.failure(&e))?;
        let set = connection.execute(AssertSqlSafe(settings(self.timeout_profile))).await;
        set.map(|_| connection).map_err(|e| self.failure(&e))
    }

    async fn ping(&self, connection: &mut MySqlConnection) -> Result<(), Error> {
        connection.ping().await.map_err(|e| self.failure(&e))
    }
}
