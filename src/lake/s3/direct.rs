//! Reading objects without the SDK: where it would go and how it would sign is asked of the SDK once, by a presigned
//! address; the requests themselves are signed here and go over connections kept here.
//!
//! What is no plain SigV4 for `s3`, such as directory buckets and access points of many regions, stays the SDK's.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::presigning::PresigningConfig;
use bytes::{Bytes, BytesMut};
use chrono::Utc;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, ETAG, HOST, HeaderValue, USER_AGENT};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::sync::OnceCell;
use tower_service::Service;
use url::Url;

use super::failure::no_credentials;
use super::keys::Keys;
use super::sign::{self, NO_BODY, Signer};
use super::{S3, Wanted, no_error};
use crate::lake::{Error, Reason};

/// A connection idle for longer is not trusted: S3 and what lies between close it without a word.
const IDLE: Duration = Duration::from_secs(15);

/// An error document is not longer.
const MOST_SAID: usize = 64 << 10;

/// The address of this key is asked of the SDK.
const PROBE: &str = "k";

/// Whether and how to read directly: found out at the first read.
pub(super) struct Opening {
    credentials: SharedCredentialsProvider,
    connect: Duration,
    attempt: Duration,
    /// `None` in it: the SDK is to read.
    wire: OnceCell<Option<Wire>>,
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening").finish_non_exhaustive()
    }
}

impl Opening {
    /// `None` where requests are not signed.
    pub(super) fn new(config: &SdkConfig) -> Option<Self> {
        let timeouts = config.timeout_config();
        let or = |time: Option<Duration>, seconds| time.unwrap_or(Duration::from_secs(seconds));
        Some(Self {
            credentials: config.credentials_provider()?,
            connect: or(timeouts.and_then(|t| t.connect_timeout()), 5),
            attempt: or(timeouts.and_then(|t| t.operation_attempt_timeout()), 60),
            wire: OnceCell::new(),
        })
    }

    /// The way to the bucket; `None` where the SDK is to read: for good, or for now because it cannot say yet.
    pub(super) async fn wire(&self, s3: &S3) -> Option<&Wire> {
        let found = self.wire.get_or_try_init(|| async {
            let soon = PresigningConfig::expires_in(Duration::from_secs(60)).map_err(|_| ())?;
            let request = s3.client.get_object().bucket(&s3.bucket).key(PROBE).presigned(soon).await.map_err(|_| ())?;
            let wire = Wire::of(request.uri(), self);
            tracing::debug!("objects are read {}", if wire.is_some() { "directly" } else { "by the SDK" });
            Ok::<_, ()>(wire)
        });
        found.await.ok()?.as_ref()
    }
}

/// A way to a bucket's objects.
pub(super) struct Wire {
    /// Where to connect.
    origin: Uri,
    host: String,
    /// The path before the key, with slashes at both ends.
    base: String,
    keys: Keys,
    connector: HttpsConnector<HttpConnector>,
    connect: Duration,
    attempt: Duration,
    idle: Mutex<Vec<(Connection, Instant)>>,
}

type Connection = SendRequest<Empty<Bytes>>;

/// What went wrong on the way: a connection that broke, or no credentials.
enum Broken {
    /// Before any answer, on a connection that had been idle: it may have been dead all along.
    Stale,
    On(String),
    Credentials(String),
}

struct Answer {
    status: StatusCode,
    etag: Option<HeaderValue>,
    body: Bytes,
}

impl Answer {
    fn says_expired(&self) -> bool {
        let code = || element(&String::from_utf8_lossy(&self.body), "Code");
        !self.status.is_success()
            && code().is_some_and(|code| matches!(&*code, "ExpiredToken" | "TokenRefreshRequired" | "InvalidToken"))
    }
}

impl Wire {
    /// Takes a presigned address of [`PROBE`] apart; `None` for what is not plain.
    fn of(presigned: &str, opening: &Opening) -> Option<Self> {
        let url = Url::parse(presigned).ok()?;
        let of = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        if of("X-Amz-Algorithm")? != "AWS4-HMAC-SHA256" || of("X-Amz-S3session-Token").is_some() {
            return None;
        }
        let credential = of("X-Amz-Credential")?;
        let mut scope = credential.rsplit('/');
        let (Some("aws4_request"), Some("s3"), Some(region)) = (scope.next(), scope.next(), scope.next()) else {
            return None;
        };
        let host = match url.port() {
            Some(port) => format!("{}:{port}", url.host_str()?),
            None => url.host_str()?.to_owned(),
        };
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        http.enforce_http(false);
        http.set_connect_timeout(Some(opening.connect));
        let tls = HttpsConnectorBuilder::new().with_provider_and_native_roots(rustls::crypto::ring::default_provider());
        Some(Self {
            origin: format!("{}://{host}", url.scheme()).parse().ok()?,
            base: url.path().strip_suffix(PROBE)?.to_owned(),
            host,
            keys: Keys::new(opening.credentials.clone(), region),
            connector: tls.ok()?.https_or_http().enable_http1().wrap_connector(http),
            connect: opening.connect,
            attempt: opening.attempt,
            idle: Mutex::default(),
        })
    }

    /// One try to read an object; over a connection of its own where the one before broke.
    pub(super) async fn get(&self, s3: &S3, wanted: Wanted<'_>, whole: &str, fresh: bool) -> Result<Bytes, Error> {
        let Wanted { key, version, .. } = wanted;
        let (path, query) = (sign::path(&self.base, whole), sign::query(version));
        let work = async {
            match self.signed_exchange(&path, &query, fresh).await? {
                // They may have been renewed before their time: once more with what their source has now.
                (answer, signer) if answer.says_expired() => {
                    self.keys.drop_expired(&signer);
                    Ok(self.signed_exchange(&path, &query, fresh).await?.0)
                }
                (answer, _) => Ok(answer),
            }
        };
        let answer = match tokio::time::timeout(self.attempt, work).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(Broken::Credentials(said))) => return Err(s3.error(key, Reason::Denied, no_credentials(&said))),
            Ok(Err(Broken::On(said))) => return Err(s3.error(key, Reason::Network, said)),
            Ok(Err(Broken::Stale)) => return Err(s3.error(key, Reason::Network, "the connection broke")),
            Err(_) => return Err(s3.error(key, Reason::Network, format!("timed out after {:?}", self.attempt))),
        };
        if answer.status == StatusCode::OK {
            let etag = answer.etag.as_ref().and_then(|etag| etag.to_str().ok());
            return no_error(wanted, etag, answer.body);
        }
        let said = String::from_utf8_lossy(&answer.body);
        let code = element(&said, "Code").unwrap_or_default();
        let status = answer.status.as_u16();
        let judged = s3.judge(&code, element(&said, "Message").as_deref(), Some(status));
        let (reason, message) = judged
            .unwrap_or_else(|| (Reason::Other, format!("the answer makes no sense, is this an S3 endpoint? {status}")));
        Err(s3.error(key, reason, message))
    }

    /// An exchange, again over a new connection where a kept one was dead; and by whose signature.
    async fn signed_exchange(&self, path: &str, query: &str, fresh: bool) -> Result<(Answer, Arc<Signer>), Broken> {
        let signer = self.keys.signer().await.map_err(Broken::Credentials)?;
        let answer = match self.exchange(&signer, path, query, fresh).await {
            Err(Broken::Stale) => self.exchange(&signer, path, query, true).await?,
            done => done?,
        };
        Ok((answer, signer))
    }

    async fn exchange(&self, signer: &Signer, path: &str, query: &str, fresh: bool) -> Result<Answer, Broken> {
        let (mut connection, reused) = match if fresh { None } else { self.kept().await } {
            Some(connection) => (connection, true),
            None => (self.connect().await.map_err(Broken::On)?, false),
        };
        let request = self.request(signer, path, query)?;
        let response = connection.send_request(request).await.map_err(|e| {
            // An answer that was begun and not understood is no dead connection.
            if reused && !e.is_parse() { Broken::Stale } else { Broken::On(format!("no answer: {e}")) }
        })?;
        let (answer, at_end) = receive(response).await.map_err(|e| Broken::On(format!("body broke off: {e}")))?;
        if at_end && !connection.is_closed() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push((connection, Instant::now()));
        }
        Ok(answer)
    }

    fn request(&self, signer: &Signer, path: &str, query: &str) -> Result<Request<Empty<Bytes>>, Broken> {
        let signed = signer.sign(&self.host, path, query, Utc::now());
        let uri = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        let mut request = Request::get(uri)
            .header(HOST, self.host.as_str())
            .header("x-amz-content-sha256", HeaderValue::from_static(NO_BODY))
            .header("x-amz-date", signed.date)
            .header(AUTHORIZATION, signed.authorization)
            .header(USER_AGENT, HeaderValue::from_static(concat!("ruminate/", env!("CARGO_PKG_VERSION"))));
        if let Some(token) = signer.token() {
            request = request.header("x-amz-security-token", token);
        }
        request.body(Empty::new()).map_err(|e| Broken::On(format!("no request can be made of this key: {e}")))
    }

    /// A connection that was kept and seems alive.
    async fn kept(&self) -> Option<Connection> {
        loop {
            let (mut connection, since) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            if since.elapsed() < IDLE && connection.ready().await.is_ok() {
                return Some(connection);
            }
        }
    }

    async fn connect(&self) -> Result<Connection, String> {
        let mut connector = self.connector.clone();
        let opened = tokio::time::timeout(self.connect * 2, connector.call(self.origin.clone())).await;
        let cannot = |e: &dyn fmt::Display| format!("cannot connect: check the network and AWS_ENDPOINT_URL: {e}");
        let stream = opened.map_err(|e| cannot(&e))?.map_err(|e| cannot(&Chain(&*e)))?;
        let (connection, driver) = http1::handshake(stream).await.map_err(|e| cannot(&e))?;
        tokio::spawn(driver);
        Ok(connection)
    }
}

/// The body whole, and whether it was read to its end, so that the connection can be used again.
async fn receive(response: Response<Incoming>) -> Result<(Answer, bool), hyper::Error> {
    let (head, mut body) = response.into_parts();
    let most = if head.status == StatusCode::OK { usize::MAX } else { MOST_SAID };
    let length = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let (mut first, mut rest) = (Bytes::new(), BytesMut::new());
    while first.len() + rest.len() < most {
        let Some(frame) = body.frame().await else { break };
        let Ok(data) = frame?.into_data() else { continue };
        if first.is_empty() {
            first = data;
            if length == Some(first.len()) {
                break; // the usual: one piece, and it is all
            }
        } else {
            rest.extend_from_slice(&data);
        }
    }
    let at_end = length.is_none_or(|length| length == first.len() + rest.len());
    let body = if rest.is_empty() { first } else { Bytes::from([&first[..], &rest[..]].concat()) };
    let etag = head.headers.get(ETAG).cloned();
    Ok((Answer { status: head.status, etag, body }, at_end))
}

/// The text of the first element of that name.
fn element(xml: &str, name: &str) -> Option<String> {
    let rest = xml.split_once(&format!("<{name}>"))?.1;
    let text = rest.split_once(&format!("</{name}>"))?.0;
    let plain = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
    Some(plain.replace("&amp;", "&"))
}

/// An error with what caused it.
pub(super) struct Chain<'a>(pub &'a (dyn std::error::Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(e) = source {
            write!(f, ": {e}")?;
            source = e.source();
        }
        Ok(())
    }
}
