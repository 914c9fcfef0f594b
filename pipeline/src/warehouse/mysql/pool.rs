//! Sessions of a server: opened when first needed, checked before they serve again, thrown away when anything broke.
//!
//! A session goes back to the pool only from a use that ended: one whose future was dropped in the middle, that met an
//! error other than the server's own word, or that finds its server demoted, is closed. Nothing runs in the background,
//! so that a process that is frozen between two uses (as Lambda does it) finds nothing half done when it goes on.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use deadpool::managed::{Manager, Metrics, Object, Pool, PoolError, RecycleError, RecycleResult};
use sqlx::mysql::{MySqlArguments, MySqlConnectOptions, MySqlConnection, MySqlRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, MySql as Db};
use tokio::time::timeout;

use super::error::classify;
use crate::retry::TimeoutProfile;
use crate::warehouse::credentials::CredentialProvider;
use crate::warehouse::{Error, Reason, TableName};

/// How long it may take to open a session.
pub(super) const OPEN: Duration = Duration::from_secs(5);

/// How long a session that is checked may take to answer.
pub(super) const CHECK: Duration = Duration::from_secs(1);

/// A session that served within this time is not checked, by the wall clock, which goes on while a process is frozen.
pub(super) const FRESH: Duration = Duration::from_secs(1);

/// What a session is set to: strict, in UTC; and what keeps a statement whose sender has gone from waiting for a lock, and
/// a session whose sender has gone from being held, for hours: seconds for locks on rows, for locks on the table, and
/// for a session that says nothing.
pub(super) fn settings(timeout_profile: TimeoutProfile) -> String {
    let (rows, table, silence) = match timeout_profile {
        TimeoutProfile::Bulk => (50, 60, 8 * 3_600),
        TimeoutProfile::Streaming => (2, 5, 3_600),
    };
    format!(
        "SET SESSION sql_mode = 'STRICT_TRANS_TABLES,STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,\
         ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00', \
         innodb_lock_wait_timeout = {rows}, lock_wait_timeout = {table}, wait_timeout = {silence}"
    )
}

/// How sessions are opened.
pub(super) struct SessionManager {
    pub options: MySqlConnectOptions,
    pub credentials: Option<Arc<dyn CredentialProvider>>,
    pub table: TableName,
    pub address: String,
    pub timeout_profile: TimeoutProfile,
}

/// Without the password, which the options show.
impl fmt::Debug for SessionManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener")
            .field("address", &self.address)
            .field("login", &self.credentials)
            .finish_non_exhaustive()
    }
}

/// At most so many sessions at once, in UTC and strict mode.
#[derive(Debug, Clone)]
pub(super) struct SessionPool {
    pool: Pool<SessionManager>,
    /// What errors are about: the table and its address.
    about: (TableName, String),
}

/// A session in use.
pub(super) struct Session {
    held: Option<Object<SessionManager>>,
    reusable: bool,
}

/// A session of the pool, and when it last served.
#[derive(Debug)]
pub(super) struct PooledSession {
    connection: MySqlConnection,
    used: SystemTime,
}

impl SessionPool {
    pub fn new(manager: SessionManager, max: u32) -> Self {
        let most = usize::try_from(max.max(1)).unwrap_or(usize::MAX);
        let about = (manager.table.clone(), manager.address.clone());
        let pool = Pool::builder(manager).max_size(most).build();
        Self { pool: pool.expect("only time-outs need a runtime, and the pool has none"), about }
    }

    /// The same sessions for another table.
    #[cfg(feature = "bulk")]
    pub fn about(&self, table: TableName, address: String) -> Self {
        Self { pool: self.pool.clone(), about: (table, address) }
    }

    /// The rows of a statement.
    pub async fn rows(&self, query: Query<'_, Db, MySqlArguments>) -> Result<Vec<MySqlRow>, Error> {
        let mut session = self.get().await?;
        let done = query.fetch_all(session.connection()).await;
        self.after(session, done)
    }

    /// Runs a statement; how many rows it changed.
    pub async fn execute(&self, query: Query<'_, Db, MySqlArguments>) -> Result<u64, Error> {
        let mut session = self.get().await?;
        let done = query.execute(session.connection()).await;
        self.after(session, done).map(|done| done.rows_affected())
    }

    /// Runs text that no statement can be prepared from.
    pub async fn run(&self, sql: String) -> Result<(), Error> {
        let mut session = self.get().await?;
        let done = session.connection().execute(sqlx::raw_sql(AssertSqlSafe(sql))).await;
        self.after(session, done).map(drop)
    }

    /// The rows of a statement as the text protocol shows them, in which every value is a text.
    #[cfg(feature = "bulk")]
    pub async fn query_text(&self, sql: String) -> Result<Vec<MySqlRow>, Error> {
        let mut session = self.get().await?;
        let done = session.connection().fetch_all(sqlx::raw_sql(AssertSqlSafe(sql))).await;
        self.after(session, done)
    }

    /// Fails where no session can be had.
    pub async fn ping(&self) -> Result<(), Error> {
        let session = self.get().await?;
        self.after(session, Ok(()))
    }

    pub fn failure(&self, e: &sqlx::Error) -> Error {
        let (reason, message) = classify(e, &self.about.0);
        Error::new(reason, &self.about.1, message)
    }

    /// A session that works, new or used; waits for one where all are in use.
    pub async fn get(&self) -> Result<Session, Error> {
        match self.pool.get().await {
            Ok(held) => Ok(Session { held: Some(held), reusable: false }),
            Err(PoolError::Backend(e)) => Err(e),
            Err(other) => Err(Error::new(Reason::Unreachable, &self.about.1, format!("no session: {other}"))),
        }
    }

    /// Ends a use; a session that never comes here is closed.
    pub fn after<T>(&self, mut session: Session, done: Result<T, sqlx::Error>) -> Result<T, Error> {
        let from_server = matches!(&done, Ok(_) | Err(sqlx::Error::Database(_)));
        let done = done.map_err(|e| self.failure(&e));
        let goes_on = |e: &Error| !matches!(e.reason, Reason::Unreachable | Reason::ReadOnly);
        session.reusable = from_server && done.as_ref().err().is_none_or(goes_on);
        done
    }
}

impl Session {
    pub fn connection(&mut self) -> &mut MySqlConnection {
        &mut self.held.as_mut().expect("held until it is dropped").connection
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        match self.held.take() {
            Some(mut held) if self.reusable => held.used = SystemTime::now(),
            Some(held) => drop(Object::take(held)),
            None => {}
        }
    }
}

impl SessionManager {
    fn failure(&self, e: &sqlx::Error) -> Error {
        let (reason, message) = classify(e, &self.table);
        Error::new(reason, &self.address, message)
    }

    async fn open(&self, refused: bool) -> Result<PooledSession, Error> {
        let mut options = self.options.clone();
        if let Some(credentials) = &self.credentials {
            let with = credentials.credentials(refused).await?;
            options = options.username(&with.user).password(&with.password);
            options = with.host.iter().fold(options, |options, host| options.host(host));
            options = with.port.iter().fold(options, |options, port| options.port(*port));
            options = with.database.iter().fold(options, |options, database| options.database(database));
        }
        let connect = async {
            let mut connection = options.connect().await?;
            connection.execute(AssertSqlSafe(settings(self.timeout_profile))).await?;
            Ok(connection)
        };
        let silent = |_| {
            let message = format!("no answer within {} s: check host, port and network", OPEN.as_secs());
            Error::new(Reason::Unreachable, &self.address, message)
        };
        let connection = timeout(OPEN, connect).await.map_err(silent)?.map_err(|e| self.failure(&e))?;
        Ok(PooledSession { connection, used: SystemTime::now() })
    }
}

impl Manager for SessionManager {
    type Type = PooledSession;
    type Error = Error;

    async fn create(&self) -> Result<PooledSession, Error> {
        match self.open(false).await {
            // A password may have changed since it was read.
            Err(e) if e.reason == Reason::Denied && self.credentials.is_some() => self.open(true).await,
            opened => opened,
        }
    }

    async fn recycle(&self, held: &mut PooledSession, _: &Metrics) -> RecycleResult<Error> {
        if held.used.elapsed().is_ok_and(|idle| idle < FRESH) {
            return Ok(());
        }
        match timeout(CHECK, held.connection.ping()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(e)) => Err(RecycleError::Backend(self.failure(&e))),
            Err(_) => Err(RecycleError::message("no answer to a ping")),
        }
    }
}
