//! HTTP client for batches to SNS without the SDK. It gets the endpoint and the signing scope from a request of the
//! SDK, which is captured once and not sent.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_config::SdkConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sns::Client;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use bytes::{Bytes, BytesMut};
use hyper::Method;
use tokio::sync::OnceCell;
use url::Url;

use super::Sns;
use crate::topic::Error;
use pipeline::aws::Network;
use pipeline::aws::credentials::CredentialCache;
use pipeline::aws::http::{ApiRequest, ApiResponse, ConnectionReuse, SignedHttpClient, Timeouts};
use pipeline::error::Kind;

/// Maximum size of a response, in bytes; that of a full batch has about 4,000.
const MAX_RESPONSE_BYTES: usize = 1024 * 1024;

/// Content type of a form.
const FORM: &str = "application/x-www-form-urlencoded";

/// Maximum number of buffers kept for reuse.
const BUFFERS: usize = 256;

/// HTTP client for batches, opened with the first batch.
pub(super) struct BatchClient {
    /// Credentials for signing; `None` if the configuration has none.
    credentials: Option<SharedCredentialsProvider>,
    timeouts: Timeouts,
    network: Network,
    opened: OnceCell<(SignedHttpClient, String)>,
    buffers: Mutex<Vec<BytesMut>>,
}

impl fmt::Debug for BatchClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchClient").finish_non_exhaustive()
    }
}

impl BatchClient {
    pub(super) fn new(config: &SdkConfig, network: &Network) -> Self {
        Self {
            credentials: config.credentials_provider(),
            timeouts: Timeouts::of(config),
            network: network.clone(),
            opened: OnceCell::new(),
            buffers: Mutex::default(),
        }
    }

    /// Sends the form that `write` puts into an empty buffer.
    ///
    /// # Errors
    ///
    /// Returns an error if requests cannot be signed or there was no response.
    pub(super) async fn send(&self, sns: &Sns, write: impl FnOnce(&mut BytesMut)) -> Result<ApiResponse, Error> {
        let (client, path) = self.opened.get_or_try_init(|| self.open(sns)).await?;
        let mut form = self.buffers().pop().unwrap_or_default();
        write(&mut form);
        let body = form.freeze();
        let requested = ApiRequest {
            method: Method::POST,
            path,
            query: "",
            body: body.clone(),
            content_type: Some(FORM),
            over: ConnectionReuse::Reuse, // The sender counts and retries a batch whose response was lost.
            max_body: MAX_RESPONSE_BYTES,
        };
        let answer = client.send(&requested).await;
        drop(requested);
        self.take_back(body);
        answer.map_err(|broken| sns.broken(&broken))
    }

    async fn open(&self, sns: &Sns) -> Result<(SignedHttpClient, String), Error> {
        let request =
            CapturingClient::of(&sns.client).await.map_err(|e| e.map_or_else(|| no_way(sns), |e| sns.failure(&e)))?;
        let found = || {
            let url = Url::parse(&request.uri).ok()?;
            let scope = request.authorization.strip_prefix("AWS4-HMAC-SHA256 Credential=")?.split(',').next()?;
            let mut scope = scope.rsplit('/');
            let (Some("aws4_request"), Some("sns"), Some(region)) = (scope.next(), scope.next(), scope.next()) else {
                return None;
            };
            let host = match url.port() {
                Some(port) => format!("{}:{port}", url.host_str()?),
                None => url.host_str()?.to_owned(),
            };
            let credentials = CredentialCache::new(self.credentials.clone()?, region, "sns");
            let client = SignedHttpClient::try_new(url.scheme(), host, credentials, self.timeouts, &self.network)?;
            Some((client, url.path().to_owned()))
        };
        found().ok_or_else(|| no_way(sns))
    }

    fn buffers(&self) -> std::sync::MutexGuard<'_, Vec<BytesMut>> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the buffer of a form to the pool if it is no longer used.
    fn take_back(&self, body: Bytes) {
        let Ok(mut form) = body.try_into_mut() else { return };
        form.clear();
        let mut buffers = self.buffers();
        if buffers.len() < BUFFERS {
            buffers.push(form);
        }
    }
}

fn no_way(sns: &Sns) -> Error {
    sns.error(
        Kind::Permanent,
        "",
        "requests to this endpoint cannot be signed: check AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_SNS and the credentials",
    )
}

/// URI and authorization header of a request that the SDK would send.
#[derive(Debug)]
struct CapturedRequest {
    uri: String,
    authorization: String,
}

/// Mock HTTP client of the SDK: captures a request and sends nothing.
#[derive(Debug, Clone, Default)]
struct CapturingClient(Arc<Mutex<Option<CapturedRequest>>>);

type Refused = aws_sdk_sns::error::SdkError<
    aws_sdk_sns::operation::get_topic_attributes::GetTopicAttributesError,
    aws_smithy_runtime_api::client::orchestrator::HttpResponse,
>;

impl CapturingClient {
    async fn of(client: &Client) -> Result<CapturedRequest, Option<Refused>> {
        let probe = Self::default();
        let client = Client::from_conf(client.config().to_builder().http_client(probe.clone()).build());
        let refused = client.get_topic_attributes().topic_arn("probe").send().await.err();
        let request = probe.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        request.ok_or(refused)
    }
}

impl HttpConnector for CapturingClient {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let authorization = request.headers().get("authorization").unwrap_or_default().to_owned();
        let uri = request.uri().to_owned();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(CapturedRequest { uri, authorization });
        HttpConnectorFuture::ready(Err(ConnectorError::other("recorded".into(), None)))
    }
}

impl HttpClient for CapturingClient {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
