//! Fetching what a message points to: a signing certificate, or the address that confirms a subscription.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::byte_stream::ByteStream;
use bytes::{Bytes, BytesMut};
use pipeline::error::with_causes;
use url::Url;

/// How long a fetch may take, its body included.
const LONGEST: Duration = Duration::from_secs(10);
/// The most bytes an answer may have; certificates and confirmations have a few thousand.
const MOST_BYTES: usize = 64 * 1024;

/// What came back.
#[derive(Debug, Clone)]
pub struct FetchResponse {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
}

/// Fetches an address by GET; redirects are not followed.
#[async_trait]
pub trait Fetch: Send + Sync + fmt::Debug {
    /// Fetches it.
    ///
    /// # Errors
    /// No answer came; another try may help.
    async fn get(&self, url: &Url) -> Result<FetchResponse, String>;
}

/// Over the network, with the AWS clients' own HTTP stack, certificates and proxy variables.
#[derive(Debug)]
pub struct HttpsFetcher(Connector);

impl HttpsFetcher {
    /// A client; loads the system's root certificates.
    pub fn new() -> Self {
        let builder = Connector::builder().tls_provider(Provider::Rustls(CryptoMode::Ring));
        Self(builder.proxy_config(ProxyConfig::from_env()).build())
    }

    async fn fetch(&self, url: &Url) -> Result<FetchResponse, String> {
        let request = HttpRequest::get(url.as_str()).map_err(|e| e.to_string())?;
        let response = self.0.call(request).await.map_err(|e| with_causes(&e))?;
        let status = response.status().as_u16();
        let mut stream = ByteStream::new(response.into_body());
        let mut body = BytesMut::new();
        while let Some(chunk) = stream.next().await {
            body.extend_from_slice(&chunk.map_err(|e| with_causes(&e))?);
            if body.len() > MOST_BYTES {
                return Err(format!("the answer has more than {MOST_BYTES} bytes"));
            }
        }
        Ok(FetchResponse { status, body: body.freeze() })
    }
}

impl Default for HttpsFetcher {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Fetch for HttpsFetcher {
    async fn get(&self, url: &Url) -> Result<FetchResponse, String> {
        let late = |_| Err(format!("no answer within {} s", LONGEST.as_secs()));
        tokio::time::timeout(LONGEST, self.fetch(url)).await.unwrap_or_else(late)
    }
}
