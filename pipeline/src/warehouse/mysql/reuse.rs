//! Pool of sessions for any driver: opened on demand, checked before they are reused, closed after any failure.
//!
//! A session returns to the pool only after a completed use. It is closed if its future was dropped, if an error other
//! than a server message occurred, or if its server was demoted. Nothing runs in the background. A process that is
//! frozen between two uses (as by Lambda) therefore has no unfinished work when it continues.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use deadpool::managed::{self, Metrics, PoolError, RecycleError, RecycleResult};
use tokio::time::timeout;

use crate::warehouse::credentials::{CredentialProvider, Credentials};
use crate::warehouse::{Error, Reason};

/// Timeout for checking a session.
const CHECK: Duration = Duration::from_secs(1);

/// A session used within this time is not checked. Measured with the wall clock, which continues while a process is
/// frozen.
const FRESH: Duration = Duration::from_secs(1);

/// Opens and checks connections; the pool adds the address to its errors.
pub(super) trait Driver: Send + Sync + 'static {
    /// Connection of the driver.
    type Connection: Send;

    /// Returns the provider of credentials. `None` if they never change.
    fn login(&self) -> Option<&Arc<dyn CredentialProvider>>;

    /// Returns the timeout for opening a connection.
    fn connect_timeout(&self) -> Duration;

    /// Opens a connection and configures it.
    fn connect(&self, with: Option<Credentials>) -> impl Future<Output = Result<Self::Connection, Error>> + Send;

    /// Checks that the server responds.
    fn ping(&self, connection: &mut Self::Connection) -> impl Future<Output = Result<(), Error>> + Send;
}

/// Pool with a maximum number of sessions.
pub(super) struct Pool<D: Driver>(managed::Pool<Sessions<D>>);

impl<D: Driver> Clone for Pool<D> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<D: Driver> fmt::Debug for Pool<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pool").field(&self.0.status()).finish()
    }
}

impl<D: Driver> Pool<D> {
    /// Returns a pool of at most `max` sessions; at least 1.
    pub fn new(driver: D, max: u32) -> Self {
        let pool = managed::Pool::builder(Sessions(driver));
        let pool = pool.max_size(usize::try_from(max.max(1)).unwrap_or(usize::MAX)).build();
        Self(pool.expect("only time-outs need a runtime, and the pool has none"))
    }

    /// Returns a working session, new or reused; waits if all are in use. Errors contain that address.
    pub async fn get(&self, address: &str) -> Result<Session<D>, Error> {
        match self.0.get().await {
            Ok(held) => Ok(Session { held: Some(held), is_reusable: false }),
            Err(PoolError::Backend(e)) if e.about.is_empty() => Err(Error { about: address.to_owned(), ..e }),
            Err(PoolError::Backend(e)) => Err(e),
            Err(other) => Err(Error::new(Reason::Unreachable, address, format!("no session: {other}"))),
        }
    }
}

/// Session in use; it is closed afterwards unless it is marked as reusable.
pub(super) struct Session<D: Driver> {
    held: Option<managed::Object<Sessions<D>>>,
    /// True if it may be reused.
    pub is_reusable: bool,
}

impl<D: Driver> Session<D> {
    pub fn connection(&mut self) -> &mut D::Connection {
        &mut self.held.as_mut().expect("held until it is dropped").connection
    }
}

impl<D: Driver> Drop for Session<D> {
    fn drop(&mut self) {
        match self.held.take() {
            Some(mut held) if self.is_reusable => held.used = SystemTime::now(),
            Some(held) => drop(managed::Object::take(held)),
            None => {}
        }
    }
}

/// Connection of the pool, with the time of its last use.
struct Pooled<C> {
    connection: C,
    used: SystemTime,
}

/// Opens and checks the sessions of the pool.
struct Sessions<D>(D);

impl<D: Driver> Sessions<D> {
    async fn open(&self, is_refused: bool) -> Result<Pooled<D::Connection>, Error> {
        let with = match self.0.login() {
            Some(credentials) => Some(credentials.credentials(is_refused).await?),
            None => None,
        };
        let limit = self.0.connect_timeout();
        let silent = |_| {
            let message = format!(
                "no response within {} s: check host, port and network, or raise --connect-timeout",
                limit.as_secs_f64()
            );
            Error::new(Reason::Unreachable, "", message)
        };
        let connection = timeout(limit, self.0.connect(with)).await.map_err(silent)??;
        Ok(Pooled { connection, used: SystemTime::now() })
    }
}

impl<D: Driver> managed::Manager for Sessions<D> {
    type Type = Pooled<D::Connection>;
    type Error = Error;

    async fn create(&self) -> Result<Self::Type, Error> {
        match self.open(false).await {
            // The password may have changed since it was read.
            Err(e) if e.reason == Reason::Denied && self.0.login().is_some() => self.open(true).await,
            opened => opened,
        }
    }

    async fn recycle(&self, held: &mut Self::Type, _: &Metrics) -> RecycleResult<Error> {
        if held.used.elapsed().is_ok_and(|idle| idle < FRESH) {
            return Ok(());
        }
        match timeout(CHECK, self.0.ping(&mut held.connection)).await {
            Ok(alive) => alive.map_err(RecycleError::Backend),
            Err(_) => Err(RecycleError::message("no response to a ping")),
        }
    }
}
