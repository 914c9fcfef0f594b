//! AWS client configuration: the standard credential chain, one HTTP stack, timeouts, and requests without the SDK.
//!
//! | file | owns |
//! | --- | --- |
//! | `http.rs` | signed requests over kept connections to one host |
//! | `credentials.rs` | the credentials that sign them |
//! | `sigv4.rs` | SigV4 |
//! | `request_id.rs` | the id of a request that failed |
//! | `xml.rs` | the elements of a response |

use std::fmt;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::{HttpClient, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

use crate::retry::TimeoutProfile;

#[cfg(feature = "direct")]
pub mod credentials;
#[cfg(feature = "direct")]
pub mod http;
pub mod request_id;
#[cfg(feature = "direct")]
pub mod sigv4;
#[cfg(feature = "direct")]
pub mod xml;

/// Idle time (wall clock) after which connections may have died unnoticed while the process was frozen. Networks drop
/// silent connections after some minutes (a NAT gateway after 350 s).
const STALE: Duration = Duration::from_secs(60);

/// Maximum number of idle connections of a client whose process may be frozen. Each may be dead and cost an attempt,
/// but reopening most connections for each batch of 10 took 50 % more CPU (benches/RESULTS.md).
const KEPT: usize = 16;

/// Loads region, credentials and endpoint from the standard AWS sources.
///
/// An attempt of a request may take a minute with [`TimeoutProfile::Bulk`], its body included, and 3 s with
/// [`TimeoutProfile::Streaming`]; connecting 5 s and 1 s.
pub async fn config(timeout_profile: TimeoutProfile) -> SdkConfig {
    let (connect, attempt) = match timeout_profile {
        TimeoutProfile::Bulk => (5, 60),
        TimeoutProfile::Streaming => (1, 3),
    };
    let timeouts = TimeoutConfig::builder().connect_timeout(Duration::from_secs(connect));
    let timeouts = timeouts.operation_attempt_timeout(Duration::from_secs(attempt)).build();
    let http = match timeout_profile {
        TimeoutProfile::Bulk => https(usize::MAX),
        TimeoutProfile::Streaming => SharedHttpClient::new(ReconnectingClient::new(|| https(KEPT), STALE)),
    };
    aws_config::defaults(BehaviorVersion::latest()).http_client(http).timeout_config(timeouts).load().await
}

/// Creates an HTTPS client that keeps up to `kept` idle connections per host.
fn https(kept: usize) -> SharedHttpClient {
    let tls = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
    tls.pool_max_idle_per_host(kept).build_https()
}

/// A client that is recreated, with new connections, after a period without requests.
struct ReconnectingClient<F> {
    make: F,
    after: Duration,
    held: RwLock<(SharedHttpClient, SystemTime)>,
}

impl<F: Fn() -> SharedHttpClient> ReconnectingClient<F> {
    fn new(make: F, after: Duration) -> Self {
        let held = RwLock::new((make(), SystemTime::now()));
        Self { make, after, held }
    }

    fn client(&self) -> SharedHttpClient {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let now = SystemTime::now();
        if now.duration_since(held.1).is_ok_and(|silence| silence > self.after) {
            held.0 = (self.make)();
        }
        held.1 = now;
        held.0.clone()
    }
}

impl<F> fmt::Debug for ReconnectingClient<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewed").field("after", &self.after).finish_non_exhaustive()
    }
}

impl<F: Fn() -> SharedHttpClient + Send + Sync + 'static> HttpClient for ReconnectingClient<F> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        self.client().http_connector(settings, components)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn a_client_is_recreated_only_after_an_idle_period() {
        let made = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&made);
        let make = move || {
            count.fetch_add(1, Ordering::Relaxed);
            https(KEPT)
        };
        let client = ReconnectingClient::new(make, Duration::from_millis(300));
        for _ in 0..3 {
            client.client();
        }
        assert_eq!(made.load(Ordering::Relaxed), 1);
        std::thread::sleep(Duration::from_millis(320));
        client.client();
        client.client();
        assert_eq!(made.load(Ordering::Relaxed), 2);
    }
}
