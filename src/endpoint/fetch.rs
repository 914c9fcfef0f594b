//! Fetching the URLs in a message: a signing certificate, or the confirmation of a subscription.

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

/// Timeout of a fetch, including its body.
const LONGEST: Duration = Duration::from_secs(10);
/// Maximum size of a response in bytes; certificates and confirmations have a few thousand.
const MOST_BYTES: usize = 64 * 1024;

/// Response to a fetch.
#[derive(Debug, Clone)]
pub struct FetchResponse {
    /// HTTP status.
    pub status: u16,
    /// Response body.
    pub body: Bytes,
}

/// Fetches a URL by GET, without following redirects.
#[async_trait]
pub trait Fetch: Send + Sync + fmt::Debug {
    /// Fetches `url`.
    ///
    /// # Errors
    ///
    /// Returns an error if there was no response; a retry may succeed.
    async fn get(&self, url: &Url) -> Result<FetchResponse, String>;
}

/// Fetches over the network, with the HTTP stack, root certificates and proxy variables of the AWS clients.
#[derive(Debug)]
pub struct HttpsFetcher(Connector);

impl HttpsFetcher {
    /// Creates a client and loads the system's root certificates.
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
