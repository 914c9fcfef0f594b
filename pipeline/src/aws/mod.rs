//! AWS client configuration: the standard credential chain, one HTTP stack, timeouts, and requests without the SDK.
//!
//! | file | owns |
//! | --- | --- |
//! | `network.rs` | how AWS is reached: proxies and certificate authorities |
//! | `proxy.rs` | which request goes through which proxy |
//! | `authorities.rs` | trusted certificate authorities |
//! | `client.rs` | the SDK's HTTP client |
//! | `connector.rs` | connections of requests without the SDK |
//! | `http.rs` | signed requests over kept connections to one host |
//! | `credentials.rs` | the credentials that sign them |
//! | `no_credentials.rs` | why there are none |
//! | `sigv4.rs` | SigV4 |
//! | `unreachable.rs` | why there is no connection or no response |
//! | `clock_skew.rs` | difference between this machine's clock and the service's |
//! | `request_id.rs` | the id of a request that failed |
//! | `xml.rs` | the elements of a response |

use std::ops::Deref;
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::service_config::ServiceConfigKey;

use crate::retry::TimeoutProfile;
use client::{ReconnectingClient, https};

mod authorities;
mod client;
pub mod clock_skew;
#[cfg(feature = "direct")]
mod connector;
#[cfg(feature = "direct")]
pub mod credentials;
#[cfg(feature = "direct")]
pub mod http;
mod network;
pub mod no_credentials;
mod proxy;
pub mod request_id;
#[cfg(feature = "direct")]
pub mod sigv4;
pub mod unreachable;
#[cfg(feature = "direct")]
pub mod xml;

pub use authorities::Authorities;
pub use client::connector;
pub use network::{Error, Network};
pub use proxy::Proxies;

/// Idle time (wall clock) after which connections may have died unnoticed while the process was frozen. Networks drop
/// silent connections after some minutes (a NAT gateway after 350 s).
const STALE: Duration = Duration::from_secs(60);

/// Maximum number of idle connections of a client whose process may be frozen. Each may be dead and cost an attempt,
/// but reopening most connections for each batch of 10 took 50 % more CPU (benches/RESULTS.md).
const KEPT: usize = 16;

/// Configuration of the AWS clients.
#[derive(Debug, Clone)]
pub struct Config {
    /// Region, credentials, endpoint, timeouts and HTTP client of the SDK.
    pub sdk: SdkConfig,
    /// How AWS is reached, for requests without the SDK.
    pub network: Network,
}

impl Deref for Config {
    type Target = SdkConfig;

    fn deref(&self) -> &SdkConfig {
        &self.sdk
    }
}

/// Loads region, credentials and endpoint from the standard AWS sources, and how AWS is reached.
///
/// An attempt of a request may take a minute with [`TimeoutProfile::Bulk`], its body included, and 3 s with
/// [`TimeoutProfile::Streaming`]; connecting 5 s and 1 s.
///
/// # Errors
/// Returns an error if a proxy's address is invalid, or if the certificate authorities cannot be read.
pub async fn config(timeout_profile: TimeoutProfile) -> Result<Config, Error> {
    let network = Network::from_environment().await?;
    let (connect, attempt) = match timeout_profile {
        TimeoutProfile::Bulk => (5, 60),
        TimeoutProfile::Streaming => (1, 3),
    };
    let timeouts = TimeoutConfig::builder().connect_timeout(Duration::from_secs(connect));
    let timeouts = timeouts.operation_attempt_timeout(Duration::from_secs(attempt)).build();
    let http = match timeout_profile {
        TimeoutProfile::Bulk => https(&network, usize::MAX),
        TimeoutProfile::Streaming => {
            let network = network.clone();
            SharedHttpClient::new(ReconnectingClient::new(move || https(&network, KEPT), STALE))
        }
    };
    let sdk = aws_config::defaults(BehaviorVersion::latest()).http_client(http).timeout_config(timeouts).load().await;
    Ok(Config { sdk, network })
}

/// Returns the configured endpoint of a service, such as `S3`: that of the code, of `AWS_ENDPOINT_URL_S3`, of the
/// profile's `[services]` section, `AWS_ENDPOINT_URL`, or the profile's `endpoint_url`. `None` for that of AWS.
pub fn endpoint(config: &SdkConfig, service: &str) -> Option<String> {
    let general = config.endpoint_url().map(str::to_owned);
    if config.get_origin("endpoint_url").is_client_config() {
        return general;
    }
    let key = ServiceConfigKey::builder().service_id(service).env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
    let own = config.service_config().zip(key.ok()).and_then(|(settings, key)| settings.load_config(key));
    own.or(general)
}
