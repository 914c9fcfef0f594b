//! Requests without the SDK, signed here and sent over reused connections. For frequent requests, where the SDK's cost
//! per request matters. Callers choose the requests and interpret the responses.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use bytes::{Bytes, BytesMut};
use chrono::Utc;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, DATE, ETAG, HOST, HeaderValue, PROXY_AUTHORIZATION, USER_AGENT,
};
use hyper::{Method, Request, Response, StatusCode};

use super::connector::{Connection, Connector};
use super::credentials::CredentialCache;
use super::network::Network;
use super::request_id::{received, request_id};
use super::sigv4::{RequestToSign, Signer};
use super::xml::element;
use crate::error::with_causes;

/// Maximum idle time of a reused connection. AWS and middleboxes close idle connections silently.
const IDLE: Duration = Duration::from_secs(15);

/// Maximum size read from an error response, in bytes.
const MAX_ERROR_BODY: usize = 64 << 10;

/// Timeouts of a connection attempt and of a complete exchange.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// Maximum time to connect.
    pub connect: Duration,
    /// Maximum time from the request to the end of the response.
    pub attempt: Duration,
}

impl Timeouts {
    /// Returns the timeouts of the configuration; the defaults are 5 s to connect and 60 s per attempt.
    pub fn of(config: &SdkConfig) -> Self {
        let timeouts = config.timeout_config();
        let or = |time: Option<Duration>, seconds| time.unwrap_or(Duration::from_secs(seconds));
        Self {
            connect: or(timeouts.and_then(|t| t.connect_timeout()), 5),
            attempt: or(timeouts.and_then(|t| t.operation_attempt_timeout()), 60),
        }
    }
}

/// A client of one host.
pub struct SignedHttpClient {
    host: String,
    credentials: CredentialCache,
    connector: Connector,
    timeouts: Timeouts,
    idle: Mutex<Vec<(Connection, Instant)>>,
}

/// A request.
#[derive(Debug, Clone)]
pub struct ApiRequest<'a> {
    /// HTTP method: `GET` or `POST`.
    pub method: Method,
    /// Percent-encoded path.
    pub path: &'a str,
    /// Percent-encoded query with at most one parameter.
    pub query: &'a str,
    /// Request body.
    pub body: Bytes,
    /// Media type of the body; `None` if no header is sent.
    pub content_type: Option<&'static str>,
    /// Connection to use.
    pub over: ConnectionReuse,
    /// Maximum size of a successful response's body, in bytes.
    pub max_body: usize,
}

/// Choice between a reused and a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionReuse {
    /// Reuse a connection. If it is dead, retry immediately on a new one; the request must be safe to execute twice.
    ReuseOrRetry,
    /// Reuse a connection. Retry on a new one only if the request was not sent.
    Reuse,
    /// Open a new connection.
    Fresh,
}

/// A response.
#[derive(Debug)]
pub struct ApiResponse {
    /// HTTP status.
    pub status: StatusCode,
    /// Entity tag.
    pub etag: Option<HeaderValue>,
    /// Id of the request, needed for AWS support.
    pub request_id: Option<String>,
    /// The service's clock, from the `Date` header; `None` for a successful request.
    pub date: Option<String>,
    /// Body; truncated unless the status is 200.
    pub body: Bytes,
}

/// Reason why there is no response.
#[derive(Debug)]
pub enum TransportError {
    /// No credentials to sign with.
    Credentials(String),
    /// Network failure, while sending or receiving.
    Network(String),
    /// The body has more bytes than accepted, this many; it was not read.
    TooLarge(u64),
}

/// Error of one attempt, by whether a new connection could help.
enum AttemptError {
    /// The request was not sent.
    Unsent,
    /// A reused connection failed before any response; it may have been dead already.
    StaleConnection,
    Fatal(TransportError),
}

impl From<TransportError> for AttemptError {
    fn from(broken: TransportError) -> Self {
        Self::Fatal(broken)
    }
}

impl ApiResponse {
    fn is_expired_credentials(&self) -> bool {
        let known = |code: &str| {
            matches!(code, "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" | "InvalidToken")
        };
        !self.status.is_success() && element(&String::from_utf8_lossy(&self.body), "Code").is_some_and(|c| known(&c))
    }
}

impl SignedHttpClient {
    /// Returns a client of `http://HOST` or `https://HOST`; `None` if the scheme is another one, or TLS cannot be set up.
    pub fn try_new(
        scheme: &str,
        host: String,
        credentials: CredentialCache,
        timeouts: Timeouts,
        network: &Network,
    ) -> Option<Self> {
        let origin = format!("{scheme}://{host}").parse().ok()?;
        let connector = Connector::try_new(origin, network, timeouts.connect)?;
        Some(Self { host, credentials, connector, timeouts, idle: Mutex::default() })
    }

    /// Sends a request and returns its response. Credentials that were rejected as expired are renewed once.
    pub async fn send(&self, requested: &ApiRequest<'_>) -> Result<ApiResponse, TransportError> {
        let work = async {
            match self.signed_exchange(requested).await? {
                (answer, signer) if answer.is_expired_credentials() => {
                    self.credentials.drop_expired(&signer);
                    Ok(self.signed_exchange(requested).await?.0)
                }
                (answer, _) => Ok(answer),
            }
        };
        let limit = self.timeouts.attempt;
        let timed_out = |_| Err(TransportError::Network(format!("timed out after {limit:?}")));
        tokio::time::timeout(limit, work).await.unwrap_or_else(timed_out)
    }

    /// Sends a request, again over a new connection if a reused one was dead. Returns the response and the signer.
    async fn signed_exchange(&self, requested: &ApiRequest<'_>) -> Result<(ApiResponse, Arc<Signer>), TransportError> {
        let signer = self.credentials.signer().await.map_err(TransportError::Credentials)?;
        let broke = || TransportError::Network("connection lost".into());
        let mut over = requested.over;
        loop {
            over = match self.exchange(&signer, requested, over).await {
                Ok(answer) => return Ok((answer, signer)),
                Err(AttemptError::Fatal(broken)) => return Err(broken),
                Err(AttemptError::Unsent) if over != ConnectionReuse::Fresh => ConnectionReuse::Fresh,
                Err(AttemptError::StaleConnection) if over == ConnectionReuse::ReuseOrRetry => ConnectionReuse::Fresh,
                Err(AttemptError::Unsent | AttemptError::StaleConnection) => return Err(broke()),
            };
        }
    }

    async fn exchange(
        &self,
        signer: &Signer,
        requested: &ApiRequest<'_>,
        over: ConnectionReuse,
    ) -> Result<ApiResponse, AttemptError> {
        let (mut connection, reused) = match if over == ConnectionReuse::Fresh { None } else { self.take_idle().await }
        {
            Some(connection) => (connection, true),
            None => (self.connector.connect().await.map_err(TransportError::Network)?, false),
        };
        let request = self.request(signer, requested)?;
        let response = connection.try_send_request(request).await.map_err(|mut refused| {
            let (unsent, e) = (refused.take_message().is_some(), refused.into_error());
            match e {
                _ if unsent => AttemptError::Unsent,
                // A response that started and cannot be parsed does not mean a dead connection.
                e if reused && !e.is_parse() => AttemptError::StaleConnection,
                e => TransportError::Network(format!("no response: {}", with_causes(&e))).into(),
            }
        })?;
        let (answer, at_end) = receive(response, requested.max_body).await?;
        if at_end && !connection.is_closed() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push((connection, Instant::now()));
        }
        Ok(answer)
    }

    fn request(&self, signer: &Signer, requested: &ApiRequest<'_>) -> Result<Request<Full<Bytes>>, TransportError> {
        let ApiRequest { method, path, query, body, content_type, .. } = requested;
        let signable = RequestToSign { method: method.as_str(), host: &self.host, path, query, body };
        let signed = signer.sign(&signable, Utc::now());
        let mut uri = if query.is_empty() { (*path).to_owned() } else { format!("{path}?{query}") };
        let forward_proxy = self.connector.forward_proxy();
        if forward_proxy.is_some() {
            // A proxy needs the complete URI (RFC 9112, 3.2.2).
            uri = format!("{}{uri}", self.connector.origin().to_string().trim_end_matches('/'));
        }
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header(HOST, self.host.as_str())
            .header("x-amz-content-sha256", signed.body)
            .header("x-amz-date", signed.date)
            .header(AUTHORIZATION, signed.authorization)
            .header(USER_AGENT, HeaderValue::from_static(concat!("ruminate/", env!("CARGO_PKG_VERSION"))));
        if let Some(token) = signer.token() {
            request = request.header("x-amz-security-token", token);
        }
        if let Some(Some(login)) = forward_proxy {
            request = request.header(PROXY_AUTHORIZATION, login);
        }
        if let Some(content_type) = content_type {
            request = request.header(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        let impossible = |e| TransportError::Network(format!("cannot create a request for this key: {e}"));
        request.body(Full::new(body.clone())).map_err(impossible)
    }

    /// Returns an idle connection that still seems open.
    async fn take_idle(&self) -> Option<Connection> {
        loop {
            let (mut connection, since) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            if since.elapsed() < IDLE && connection.ready().await.is_ok() {
                return Some(connection);
            }
        }
    }
}

/// Reads the body, of at most `max` bytes. The flag is true if it was read to its end, so that the connection can be
/// reused.
async fn receive(response: Response<Incoming>, max: usize) -> Result<(ApiResponse, bool), TransportError> {
    let (head, mut body) = response.into_parts();
    let header = |name: &str| head.headers.get(name)?.to_str().ok();
    received(head.status.as_u16(), header);
    let is_ok = head.status == StatusCode::OK;
    let length = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if let Some(length) = length.filter(|length| is_ok && *length > max) {
        return Err(TransportError::TooLarge(length as u64));
    }
    let (mut first, mut rest) = (Bytes::new(), BytesMut::new());
    while is_ok || first.len() + rest.len() < MAX_ERROR_BODY {
        let Some(frame) = body.frame().await else { break };
        let frame = frame.map_err(|e| TransportError::Network(format!("response body truncated: {e}")))?;
        let Ok(data) = frame.into_data() else { continue };
        if is_ok && first.len() + rest.len() + data.len() > max {
            return Err(TransportError::TooLarge((first.len() + rest.len() + data.len()) as u64));
        }
        if first.is_empty() {
            first = data;
            if length == Some(first.len()) {
                break; // the usual case: the body is a single chunk
            }
        } else {
            rest.extend_from_slice(&data);
        }
    }
    let at_end = length.is_none_or(|length| length == first.len() + rest.len());
    let body = if rest.is_empty() { first } else { Bytes::from([&first[..], &rest[..]].concat()) };
    let etag = head.headers.get(ETAG).cloned();
    let (request_id, date) = match head.status {
        StatusCode::OK => (None, None), // not needed for successful requests
        _ => (request_id(header).map(str::to_owned), header(DATE.as_str()).map(str::to_owned)),
    };
    Ok((ApiResponse { status: head.status, etag, request_id, date, body }, at_end))
}
