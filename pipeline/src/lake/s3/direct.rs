//! Reads objects without the SDK. A presigned URL from the SDK provides the address and the signing parameters once;
//! [`crate::aws::http`] sends the requests.
//!
//! The SDK still reads everything that is not plain SigV4 for `s3`, such as directory buckets and multi-region access
//! points.

use std::fmt;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::presigning::PresigningConfig;
use bytes::Bytes;
use hyper::{Method, StatusCode};
use tokio::sync::OnceCell;
use url::Url;

use super::error::{Response, no_credentials, of_object, unexpected};
use super::{GetTarget, S3, reject_error_document, url_encode};
use crate::aws::Network;
use crate::aws::credentials::CredentialCache;
use crate::aws::http::{ApiRequest, ConnectionReuse, SignedHttpClient, Timeouts, TransportError};
use crate::aws::request_id::with_request_id;
use crate::aws::xml::element;
use crate::lake::{Error, Reason};

/// Key of the presigned probe URL.
const PROBE: &str = "k";

/// Setup of direct reads, determined on the first read.
pub(super) struct DirectReadSetup {
    credentials: SharedCredentialsProvider,
    timeouts: Timeouts,
    network: Network,
    /// The inner `None` means that the SDK must read.
    reader: OnceCell<Option<DirectReader>>,
}

impl fmt::Debug for DirectReadSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirectReadSetup").finish_non_exhaustive()
    }
}

impl DirectReadSetup {
    /// Creates the setup; `None` if requests are not signed.
    pub(super) fn new(config: &SdkConfig, network: &Network) -> Option<Self> {
        let credentials = config.credentials_provider()?;
        let (timeouts, network) = (Timeouts::of(config), network.clone());
        Some(Self { credentials, timeouts, network, reader: OnceCell::new() })
    }

    /// Returns the direct reader; `None` if the SDK must read, either permanently or because the setup is not yet
    /// possible.
    pub(super) async fn reader(&self, s3: &S3) -> Option<&DirectReader> {
        let found = self.reader.get_or_try_init(|| async {
            let soon = PresigningConfig::expires_in(Duration::from_secs(60)).map_err(|_| ())?;
            let request = s3.client.get_object().bucket(&s3.bucket).key(PROBE).presigned(soon).await.map_err(|_| ())?;
            let reader = DirectReader::of(request.uri(), self);
            tracing::debug!("objects are read {}", if reader.is_some() { "directly" } else { "by the SDK" });
            Ok::<_, ()>(reader)
        });
        found.await.ok()?.as_ref()
    }
}

/// Direct reader of a bucket's objects.
pub(super) struct DirectReader {
    client: SignedHttpClient,
    /// Path before the key, with slashes at both ends.
    base: String,
}

impl DirectReader {
    /// Parses a presigned URL of [`PROBE`]; `None` if it is not plain SigV4.
    fn of(presigned: &str, opening: &DirectReadSetup) -> Option<Self> {
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
        let credentials = CredentialCache::new(opening.credentials.clone(), region, "s3");
        Some(Self {
            client: SignedHttpClient::try_new(url.scheme(), host, credentials, opening.timeouts, &opening.network)?,
            base: url.path().strip_suffix(PROBE)?.to_owned(),
        })
    }

    /// Attempts once to read an object, over a new connection if `fresh` is set.
    pub(super) async fn get(&self, s3: &S3, wanted: GetTarget<'_>, whole: &str, fresh: bool) -> Result<Bytes, Error> {
        let GetTarget { key, version, max, .. } = wanted;
        let requested = ApiRequest {
            method: Method::GET,
            path: &url_encode::path(&self.base, whole),
            query: &url_encode::query(version),
            body: Bytes::new(),
            content_type: None,
            max_body: max,
            over: if fresh { ConnectionReuse::Fresh } else { ConnectionReuse::ReuseOrRetry },
        };
        let answer = match self.client.send(&requested).await {
            Ok(answer) => answer,
            Err(TransportError::Credentials(details)) => {
                return Err(s3.error(key, Reason::Credentials, no_credentials(&details)));
            }
            Err(TransportError::Network(details)) => return Err(s3.error(key, Reason::Network, details)),
            Err(TransportError::TooLarge(bytes)) => return Err(Error::too_large(key, bytes, max)),
        };
        if answer.status == StatusCode::OK {
            let etag = answer.etag.as_ref().and_then(|etag| etag.to_str().ok());
            return reject_error_document(wanted, etag, answer.body);
        }
        let details = String::from_utf8_lossy(&answer.body);
        let code = element(&details, "Code").unwrap_or_default();
        let message = element(&details, "Message");
        let response = Response {
            code: &code,
            message: message.as_deref(),
            status: answer.status.as_u16(),
            date: answer.date.as_deref(),
        };
        let (reason, message) = s3.classify_response(&response).unwrap_or_else(|| unexpected(answer.status.as_str()));
        let message = with_request_id(message, answer.request_id.as_deref());
        Err(of_object(s3.error(key, reason, message), response.status))
    }
}
