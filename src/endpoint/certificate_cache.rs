//! Cache of signing certificates by URL, and of failures to obtain them.
//!
//! Anyone can send messages that name any certificate on an SNS host, so fetches are limited: one for each URL at a
//! time, a few at once, and none while a recent failure is known. A certificate that cannot be obtained is never a
//! reason to reject a message permanently, because SNS drops what is rejected.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use tokio::sync::Semaphore;
use url::Url;

use super::certificate::Certificate;
use super::error::Error;
use super::fetch::Fetch;

/// Maximum number of cached certificates. SNS has one per region and changes it about once a year.
const KEPT: usize = 16;

/// Maximum number of cached failures.
const FAILURES: usize = 256;

/// Maximum number of concurrent fetches, and of URLs that wait for one.
const FETCHES: usize = 4;
const WAITING: usize = 32;

/// Time before a URL is fetched again after a response that is not a certificate.
const NO_CERTIFICATE: Duration = Duration::from_secs(30);

/// Time before a URL is fetched again after a network failure or an error of the server.
const NO_RESPONSE: Duration = Duration::from_secs(2);

type FetchResult = Result<Arc<Certificate>, Error>;
type PendingFetch = Shared<BoxFuture<'static, FetchResult>>;

/// Cache of certificates by URL. The least recently used one is evicted when the cache is full.
#[derive(Debug)]
pub(super) struct CertificateCache {
    get: Arc<dyn Fetch>,
    entries: Arc<Mutex<Entries>>,
    fetches: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Entries {
    known: VecDeque<(Url, Arc<Certificate>)>,
    failed: VecDeque<Failure>,
    pending: HashMap<Url, PendingFetch>,
}

/// A recent failure to obtain a certificate.
#[derive(Debug)]
struct Failure {
    url: Url,
    until: Instant,
    why: String,
}

impl CertificateCache {
    pub(super) fn new(get: Arc<dyn Fetch>) -> Self {
        Self { get, entries: Arc::default(), fetches: Arc::new(Semaphore::new(FETCHES)) }
    }

    /// Returns the certificate at a URL, which must already be trusted.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Unavailable`] if it cannot be obtained now.
    pub(super) async fn at(&self, url: &Url) -> FetchResult {
        let pending = {
            let mut entries = lock(&self.entries);
            if let Some(known) = entries.known(url) {
                return Ok(known);
            }
            if let Some(why) = entries.failure(url, Instant::now()) {
                return Err(Error::Unavailable(why));
            }
            match entries.pending.get(url) {
                Some(pending) => pending.clone(),
                None if entries.pending.len() >= WAITING => {
                    return Err(Error::Unavailable("too many certificates are being fetched".into()));
                }
                None => {
                    let pending = self.begin(url.clone());
                    entries.pending.insert(url.clone(), pending.clone());
                    pending
                }
            }
        };
        let fetched = pending.await;
        if fetched.is_err() {
            lock(&self.entries).pending.remove(url); // still there if the fetch panicked
        }
        fetched
    }

    /// Starts a fetch, which ends even if its request is gone.
    fn begin(&self, url: Url) -> PendingFetch {
        let (get, entries, fetches) = (Arc::clone(&self.get), Arc::clone(&self.entries), Arc::clone(&self.fetches));
        let work = tokio::spawn(async move {
            let fetched = {
                let _permit = fetches.acquire().await;
                fetch(&*get, &url).await
            };
            let mut entries = lock(&entries);
            entries.pending.remove(&url);
            match fetched {
                Ok(certificate) => Ok(entries.keep(url, certificate)),
                Err((wait, why)) => {
                    entries.fail(Failure { url, until: Instant::now() + wait, why: why.clone() });
                    Err(Error::Unavailable(why))
                }
            }
        });
        let lost = |e: tokio::task::JoinError| Err(Error::Unavailable(format!("the fetch failed: {e}")));
        work.map(move |done| done.unwrap_or_else(lost)).boxed().shared()
    }
}

/// Fetches a certificate, or returns the reason why there is none and how long to wait before the next attempt.
async fn fetch(get: &dyn Fetch, url: &Url) -> Result<Certificate, (Duration, String)> {
    let fetched = get.get(url).await.map_err(|e| (NO_RESPONSE, format!("{url} cannot be fetched: {e}")))?;
    match fetched.status {
        200 => {}
        400..500 => return Err((NO_CERTIFICATE, format!("there is no certificate at {url}"))),
        status => return Err((NO_RESPONSE, format!("{url} responds with status {status}"))),
    }
    Certificate::parse(&fetched.body).map_err(|e| (NO_CERTIFICATE, format!("{url} is not a certificate: {e}")))
}

fn lock(entries: &Mutex<Entries>) -> MutexGuard<'_, Entries> {
    entries.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Entries {
    /// Returns a cached certificate, which is then the last to be evicted.
    fn known(&mut self, url: &Url) -> Option<Arc<Certificate>> {
        let at = self.known.iter().position(|(known, _)| known == url)?;
        let entry = self.known.remove(at)?;
        let certificate = Arc::clone(&entry.1);
        self.known.push_back(entry);
        Some(certificate)
    }

    /// Returns why the URL must not be fetched yet.
    fn failure(&self, url: &Url, now: Instant) -> Option<String> {
        let failed = self.failed.iter().rev().find(|failure| failure.url == *url)?;
        (now < failed.until).then(|| failed.why.clone())
    }

    fn keep(&mut self, url: Url, certificate: Certificate) -> Arc<Certificate> {
        let certificate = Arc::new(certificate);
        self.failed.retain(|failure| failure.url != url);
        if self.known.len() == KEPT {
            self.known.pop_front();
        }
        self.known.push_back((url, Arc::clone(&certificate)));
        certificate
    }

    fn fail(&mut self, failure: Failure) {
        self.failed.retain(|earlier| earlier.url != failure.url);
        if self.failed.len() == FAILURES {
            self.failed.pop_front();
        }
        self.failed.push_back(failure);
    }
}
