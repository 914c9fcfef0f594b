//! Sessions of a server, of any driver: opened when first needed, checked before they serve again, closed when anything broke.
//!
//! A session goes back to the pool only from a use that ended: one whose future was dropped in the middle, that met an
//! error other than the server's own word, or that finds its server demoted, is closed. Nothing runs in the background,
//! so that a process that is frozen between two uses (as Lambda does it) finds nothing half done when it goes on.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use deadpool::managed::{self, Metrics, PoolError, RecycleError, RecycleResult};
use tokio::time::timeout;

use crate::warehouse::credentials::{CredentialProvider, Credentials};
use crate::warehouse::{Error, Reason};

/// How long it may take to open a session.
const OPEN: Duration = Duration::from_secs(5);

/// How long a session that is checked may take to answer.
const CHECK: Duration = Duration::from_secs(1);

/// A session that served within this time is not checked, by the wall clock, which goes on while a process is frozen.
const FRESH: Duration = Duration::from_secs(1);

/// Opens and checks connections; its errors are about nothing, which the pool fills in.
pub(super) trait Driver: Send + Sync + 'static {
    /// A connection.
    type Connection: Send;

    /// What connections log in with; `None` if it is always the same.
    fn login(&self) -> Option<&Arc<dyn CredentialProvider>>;

    /// Opens a connection and sets it up.
    fn connect(&self, with: Option<Credentials>) -> impl Future<Output = Result<Self::Connection, Error>> + Send;

    /// Asks the server for a sign of life.
    fn ping(&self, connection: &mut Self::Connection) -> impl Future<Output = Result<(), Error>> + Send;
}

/// At most so many sessions at once.
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
    /// A pool of at most so many, and at least one.
    pub fn new(driver: D, max: u32) -> Self {
        let pool = managed::Pool::builder(Sessions(driver));
        let pool = pool.max_size(usize::try_from(max.max(1)).unwrap_or(usize::MAX)).build();
        Self(pool.expect("only time-outs need a runtime, and the pool has none"))
    }

    /// A session that works, new or used; waits for one if all are in use. Errors are about that address.
    pub async fn get(&self, address: &str) -> Result<Session<D>, Error> {
        match self.0.get().await {
            Ok(held) => Ok(Session { held: Some(held), is_reusable: false }),
            Err(PoolError::Backend(e)) if e.about.is_empty() => Err(Error { about: address.to_owned(), ..e }),
            Err(PoolError::Backend(e)) => Err(e),
            Err(other) => Err(Error::new(Reason::Unreachable, address, format!("no session: {other}"))),
        }
    }
}

/// A session in use; it is closed after it unless it is said to be reusable.
pub(super) struct Session<D: Driver> {
    held: Option<managed::Object<Sessions<D>>>,
    /// Whether it may serve again.
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

/// A connection of the pool, and when it last served.
struct Pooled<C> {
    connection: C,
    used: SystemTime,
}

/// How the pool opens and checks sessions.
struct Sessions<D>(D);

impl<D: Driver> Sessions<D> {
    async fn open(&self, is_refused: bool) -> Result<Pooled<D::Connection>, Error> {
        let with = match self.0.login() {
            Some(credentials) => Some(credentials.credentials(is_refused).await?),
            None => None,
        };
        let silent = |_| {
            let message = format!("no answer within {} s: check host, port and network", OPEN.as_secs());
            Error::new(Reason::Unreachable, "", message)
        };
        let connection = timeout(OPEN, self.0.connect(with)).await.map_err(silent)??;
        Ok(Pooled { connection, used: SystemTime::now() })
    }
}

impl<D: Driver> managed::Manager for Sessions<D> {
    type Type = Pooled<D::Connection>;
    type Error = Error;

    async fn create(&self) -> Result<Self::Type, Error> {
        match self.open(false).await {
            // A password may have changed since it was read.
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
            Err(_) => Err(RecycleError::message("no answer to a ping")),
        }
    }
}
