//! Fetching the URLs in a message: a signing certificate, or the confirmation of a subscription.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::byte_stream::ByteStream;
use bytes::{Bytes, BytesMut};
use pipeline::aws::{Network, connector};
use pipeline::error::with_causes;
use url::Url;

/// Timeout of a fetch, including its body.
const LONGEST: Duration = Duration::from_secs(10);
/// Maximum size of a response in bytes; certificates and confirmations have a few thousand.
const MAX_BYTES: usize = 64 * 1024;

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

/// Fetches over the network as the AWS clients do: with their HTTP stack, proxies and certificate authorities.
#[derive(Debug)]
pub struct HttpsFetcher(SharedHttpConnector);

impl HttpsFetcher {
    /// Creates a client and loads the trusted certificates.
    pub fn new(network: &Network) -> Self {
        Self(connector(network))
    }

    async fn fetch(&self, url: &Url) -> Result<FetchResponse, String> {
        let request = HttpRequest::get(url.as_str()).map_err(|e| e.to_string())?;
        let response = self.0.call(request).await.map_err(|e| with_causes(&e))?;
        let status = response.status().as_u16();
        let mut stream = ByteStream::new(response.into_body());
        let mut body = BytesMut::new();
        while let Some(chunk) = stream.next().await {
            body.extend_from_slice(&chunk.map_err(|e| with_causes(&e))?);
            if body.len() > MAX_BYTES {
                return Err(format!("the response has more than {MAX_BYTES} bytes"));
            }
        }
        Ok(FetchResponse { status, body: body.freeze() })
    }
}

#[async_trait]
impl Fetch for HttpsFetcher {
    async fn get(&self, url: &Url) -> Result<FetchResponse, String> {
        let late = |_| Err(format!("no response within {} s", LONGEST.as_secs()));
        tokio::time::timeout(LONGEST, self.fetch(url)).await.unwrap_or_else(late)
    }
}
