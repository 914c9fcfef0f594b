//! The AWS side of every client: the standard credential chain, one HTTP stack, time-outs.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

/// How long one attempt of a request may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Much at once, by somebody who waits: 5 s to connect, a minute an attempt, its body included.
    Bulk,
    /// A few small objects before a deadline, perhaps over a connection that died unnoticed: 1 s to connect, 3 s an attempt.
    Stream,
}

impl Patience {
    fn timeouts(self) -> TimeoutConfig {
        let (connect, attempt) = match self {
            Self::Bulk => (5, 60),
            Self::Stream => (1, 3),
        };
        let timeouts = TimeoutConfig::builder().connect_timeout(Duration::from_secs(connect));
        timeouts.operation_attempt_timeout(Duration::from_secs(attempt)).build()
    }
}

/// Loads region, credentials and endpoint from where the AWS tools look for them.
pub async fn config(patience: Patience) -> SdkConfig {
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
    loader.timeout_config(patience.timeouts()).load().await
}
