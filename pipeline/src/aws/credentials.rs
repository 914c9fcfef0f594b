//! Cache of the credentials that sign direct requests: from the SDK's provider chain, renewed before they expire.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use chrono::Utc;
use tokio::sync::Mutex;

use super::no_credentials::why_unusable;
use super::sigv4::Signer;

/// Credentials are renewed this long before they expire.
const RENEWAL_MARGIN: Duration = Duration::from_secs(300);

/// Lifetime of credentials without an expiry time.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(900);

/// Minimum time between renewals, for sources whose credentials expire sooner than [`RENEWAL_MARGIN`].
const MIN_RENEWAL_INTERVAL: Duration = Duration::from_secs(10);

/// Signing keys of a service in a region, derived from cached credentials.
pub struct CredentialCache {
    source: SharedCredentialsProvider,
    region: String,
    service: &'static str,
    held: RwLock<Option<CachedSigner>>,
    /// Serializes renewals: one caller requests credentials, the others wait for its result.
    refresh_lock: Mutex<()>,
}

/// Credentials in use.
struct CachedSigner {
    signer: Arc<Signer>,
    /// Expiry time.
    until: SystemTime,
    /// When they were last requested from their source.
    requested_at: Instant,
}

impl CachedSigner {
    /// Returns true if requests can be signed without a renewal.
    fn is_fresh(&self) -> bool {
        let left = self.until.duration_since(SystemTime::now()).unwrap_or_default();
        self.signer.is_for(Utc::now())
            && (left > RENEWAL_MARGIN || self.requested_at.elapsed() < MIN_RENEWAL_INTERVAL && !left.is_zero())
    }

    /// Returns true if requests can be signed at all.
    fn is_valid(&self) -> bool {
        self.signer.is_for(Utc::now()) && self.until > SystemTime::now()
    }
}

impl CredentialCache {
    /// Creates a cache for a credentials source, to sign requests of a service in a region.
    pub fn new(source: SharedCredentialsProvider, region: &str, service: &'static str) -> Self {
        Self { source, region: region.to_owned(), service, held: RwLock::default(), refresh_lock: Mutex::default() }
    }

    /// Returns the current signer. Renews credentials that expire soon; if the renewal fails, credentials that are
    /// still valid are used.
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
                let until =
                    credentials.expiry().unwrap_or_else(|| SystemTime::now() + DEFAULT_LIFETIME + RENEWAL_MARGIN);
                let signer = Arc::new(Signer::new(credentials, &self.region, self.service, Utc::now()));
                *held = Some(CachedSigner { signer: Arc::clone(&signer), until, requested_at });
                return Ok(signer);
            }
            Err(e) => why_unusable(&e),
        };
        // The cached credentials may still be valid for a while.
        match held.as_mut().filter(|held| held.is_valid()) {
            Some(held) => {
                held.requested_at = requested_at;
                Ok(Arc::clone(&held.signer))
            }
            None => Err(message),
        }
    }

    /// Drops credentials that the service rejected as expired, unless they were renewed in the meantime.
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

    /// Source whose credentials last a fixed number of seconds; it fails after a fixed number of calls.
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
                return Answer::ready(Err(CredentialsError::provider_error("none left")));
            }
            let until = SystemTime::now() + Duration::from_secs(self.lasting);
            Answer::ready(Ok(Credentials::new(format!("key{number}"), "secret", None, Some(until), "test")))
        }
    }

    fn cache(lasting: u64, times: u32) -> (CredentialCache, Arc<AtomicU32>) {
        let requested = Arc::new(AtomicU32::new(0));
        let source = Source { lasting, times, requests: Arc::clone(&requested) };
        (CredentialCache::new(SharedCredentialsProvider::new(source), "us-east-1", "s3"), requested)
    }

    #[tokio::test]
    async fn a_source_is_called_once_for_many_requests_even_if_its_credentials_expire_soon() {
        for lasting in [3_600, 60] {
            let (credentials, requested) = cache(lasting, u32::MAX);
            futures::future::join_all((0..50).map(|_| async { credentials.signer().await.unwrap() })).await;
            assert_eq!(requested.load(Ordering::SeqCst), 1, "{lasting} s");
        }
    }

    #[tokio::test]
    async fn expired_credentials_are_dropped_once_and_a_failing_source_leaves_those_that_hold() {
        let (credentials, requested) = cache(60, 2);
        let first = credentials.signer().await.unwrap();
        credentials.drop_expired(&first);
        let second = credentials.signer().await.unwrap();
        credentials.drop_expired(&first);
        assert!(Arc::ptr_eq(&second, &credentials.signer().await.unwrap()), "a late complaint about the first");
        credentials.held.write().unwrap().as_mut().unwrap().requested_at =
            Instant::now().checked_sub(MIN_RENEWAL_INTERVAL).unwrap();
        assert!(Arc::ptr_eq(&second, &credentials.signer().await.unwrap()), "the source has none left");
        assert_eq!(requested.load(Ordering::SeqCst), 3);
        credentials.drop_expired(&second);
        assert!(credentials.signer().await.err().unwrap().contains("none left"));
    }
}
