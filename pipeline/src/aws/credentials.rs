//! The credentials that sign direct requests: fetched where the SDK would, kept while they hold, renewed before they end.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use chrono::Utc;
use tokio::sync::Mutex;

use super::sigv4::Signer;
use crate::error::with_causes;

/// Credentials are fetched anew so long before they end.
const EARLY: Duration = Duration::from_secs(300);

/// And after so long where they do not say when they end.
const ENDLESS: Duration = Duration::from_secs(900);

/// But not more often than this: a source may have none that last longer.
const AGAIN: Duration = Duration::from_secs(10);

/// The signing keys of a service in a region.
pub struct CredentialCache {
    source: SharedCredentialsProvider,
    region: String,
    service: &'static str,
    held: RwLock<Option<CachedSigner>>,
    /// One asks the source, the others wait for what it says.
    refresh_lock: Mutex<()>,
}

/// Credentials in use.
struct CachedSigner {
    signer: Arc<Signer>,
    /// When they end.
    until: SystemTime,
    /// When their source was last asked.
    requested_at: Instant,
}

impl CachedSigner {
    /// Whether requests can be signed without asking for others first.
    fn is_fresh(&self) -> bool {
        let left = self.until.duration_since(SystemTime::now()).unwrap_or_default();
        self.signer.is_for(Utc::now()) && (left > EARLY || self.requested_at.elapsed() < AGAIN && !left.is_zero())
    }

    /// Whether requests can be signed at all.
    fn is_valid(&self) -> bool {
        self.signer.is_for(Utc::now()) && self.until > SystemTime::now()
    }
}

impl CredentialCache {
    /// Credentials from that source, to sign requests of a service in a region.
    pub fn new(source: SharedCredentialsProvider, region: &str, service: &'static str) -> Self {
        Self { source, region: region.to_owned(), service, held: RwLock::default(), refresh_lock: Mutex::default() }
    }

    /// The signer of today, with credentials that do not end soon where there are such; else what the source said.
    pub async fn signer(&self) -> Result<Arc<Signer>, String> {
        if let Some(signer) = self.fresh_signer() {
            return Ok(signer);
        }
        let _one = self.refresh_lock.lock().await;
        if let Some(signer) = self.fresh_signer() {
            return Ok(signer);
        }
        let (requested_at, answer) = (Instant::now(), self.source.provide_credentials().await);
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let message = match answer {
            Ok(credentials) => {
                let until = credentials.expiry().unwrap_or_else(|| SystemTime::now() + ENDLESS + EARLY);
                let signer = Arc::new(Signer::new(credentials, &self.region, self.service, Utc::now()));
                *held = Some(CachedSigner { signer: Arc::clone(&signer), until, requested_at });
                return Ok(signer);
            }
            Err(e) => with_causes(&e),
        };
        // Those at hand may hold a little longer.
        match held.as_mut().filter(|held| held.is_valid()) {
            Some(held) => {
                held.requested_at = requested_at;
                Ok(Arc::clone(&held.signer))
            }
            None => Err(message),
        }
    }

    /// Lets go of credentials that the service calls expired, unless others came in the meantime.
    pub fn drop_expired(&self, expired: &Arc<Signer>) {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        if held.as_ref().is_some_and(|held| Arc::ptr_eq(&held.signer, expired)) {
            *held = None;
        }
    }

    fn fresh_signer(&self) -> Option<Arc<Signer>> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().filter(|held| held.is_fresh()).map(|held| Arc::clone(&held.signer))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use aws_credential_types::Credentials;
    use aws_credential_types::provider::error::CredentialsError;
    use aws_credential_types::provider::future::ProvideCredentials as Answer;

    use super::*;

    /// Gives credentials that last so many seconds from now, so many times; then it fails.
    #[derive(Debug)]
    struct Source {
        lasting: u64,
        times: u32,
        requests: Arc<AtomicU32>,
    }

    impl ProvideCredentials for Source {
        fn provide_credentials<'a>(&'a self) -> Answer<'a>
        where
            Self: 'a,
        {
            let number = self.requests.fetch_add(1, Ordering::SeqCst);
            if number >= self.times {
                return Answer::ready(Err(CredentialsError::not_loaded("none left")));
            }
            let until = SystemTime::now() + Duration::from_secs(self.lasting);
            Answer::ready(Ok(Credentials::new(format!("key{number}"), "secret", None, Some(until), "test")))
        }
    }

    fn keys(lasting: u64, times: u32) -> (CredentialCache, Arc<AtomicU32>) {
        let requested_at = Arc::new(AtomicU32::new(0));
        let source = Source { lasting, times, requests: Arc::clone(&requested_at) };
        (CredentialCache::new(SharedCredentialsProvider::new(source), "us-east-1", "s3"), requested_at)
    }

    #[tokio::test]
    async fn a_source_is_asked_once_by_many_and_not_for_every_request_where_its_credentials_end_soon() {
        for lasting in [3_600, 60] {
            let (credentials, requested_at) = keys(lasting, u32::MAX);
            futures::future::join_all((0..50).map(|_| async { credentials.signer().await.unwrap() })).await;
            assert_eq!(requested_at.load(Ordering::SeqCst), 1, "{lasting} s");
        }
    }

    #[tokio::test]
    async fn expired_credentials_are_dropped_once_and_a_failing_source_leaves_those_that_hold() {
        let (credentials, requested_at) = keys(60, 2);
        let first = credentials.signer().await.unwrap();
        credentials.drop_expired(&first);
        let second = credentials.signer().await.unwrap();
        credentials.drop_expired(&first);
        assert!(Arc::ptr_eq(&second, &credentials.signer().await.unwrap()), "a late complaint about the first");
        credentials.held.write().unwrap().as_mut().unwrap().requested_at = Instant::now().checked_sub(AGAIN).unwrap();
        assert!(Arc::ptr_eq(&second, &credentials.signer().await.unwrap()), "the source has none left");
        assert_eq!(requested_at.load(Ordering::SeqCst), 3);
        credentials.drop_expired(&second);
        assert!(credentials.signer().await.err().unwrap().contains("none left"));
    }
}
