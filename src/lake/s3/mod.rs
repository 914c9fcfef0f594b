//! A lake in S3, or in a store that speaks its protocol.
//!
//! Retries are this toolkit's own ([`Retry`], by kind of error); the SDK's are off so that there is one place for them.
//! With `AWS_ENDPOINT_URL` (or `AWS_ENDPOINT_URL_S3`) set, addressing is path-style, as local stores need it.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{
    ConfigBag, Intercept, RequestChecksumCalculation, ResponseChecksumValidation, RuntimeComponents,
};
use aws_sdk_s3::error::{BoxError, DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{EncodingType, ObjectStorageClass, OptionalObjectAttributes};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use percent_encoding::percent_decode_str;

use super::{Class, Depth, Error, Lake, Meta, Page, Put, Reason};
use crate::retry::Retry;

mod versions;

/// A bucket and prefix as a lake.
#[derive(Debug, Clone)]
pub struct S3 {
    client: Client,
    bucket: String,
    prefix: String,
    retry: Retry,
}

impl S3 {
    /// The lake at `s3://bucket/prefix`; the prefix may be empty.
    pub fn new(config: &SdkConfig, bucket: impl Into<String>, prefix: &str, retry: Retry) -> Self {
        let own_endpoint = config.endpoint_url().is_some() || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some();
        let config = aws_sdk_s3::config::Builder::from(config)
            .force_path_style(own_endpoint)
            .retry_config(RetryConfig::disabled())
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .build();
        let prefix = if prefix.is_empty() { String::new() } else { format!("{}/", prefix.trim_matches('/')) };
        Self { client: Client::from_conf(config), bucket: bucket.into(), prefix, retry }
    }

    /// The prefix of that name beside this one.
    fn sibling(&self, name: &str) -> Self {
        let parent = self.prefix.trim_end_matches('/').rsplit_once('/').map_or("", |(parent, _)| parent);
        let prefix = if parent.is_empty() { format!("{name}/") } else { format!("{parent}/{name}/") };
        Self { prefix, ..self.clone() }
    }

    async fn list_once(&self, prefix: &str, depth: Depth, token: Option<&str>) -> Result<Page, Error> {
        let listed = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(format!("{}{prefix}", self.prefix))
            .set_delimiter((depth == Depth::Folders).then(|| "/".to_owned()))
            .set_continuation_token(token.map(str::to_owned))
            .encoding_type(EncodingType::Url)
            .optional_object_attributes(OptionalObjectAttributes::RestoreStatus)
            .send()
            .await
            .map_err(|e| self.failure(prefix, &e))?;
        let below = |key: Option<&str>| -> Option<String> {
            let plain = key?.replace('+', "%20"); // form encoding: a plus in a name arrives as %2B
            let key = percent_decode_str(&plain).decode_utf8_lossy().into_owned();
            key.strip_prefix(&self.prefix).filter(|key| !key.is_empty()).map(str::to_owned)
        };
        let objects = listed.contents().iter().filter_map(|object| {
            let modified = object.last_modified().and_then(|at| DateTime::from_timestamp(at.secs(), at.subsec_nanos()));
            let class = Class::of(object.storage_class().map(ObjectStorageClass::as_str));
            // A restored object can be read whatever its class (s5cmd #206).
            let restored = object.restore_status().is_some_and(|status| status.restore_expiry_date().is_some());
            Some(Meta {
                key: below(object.key())?,
                size: object.size().unwrap_or_default().unsigned_abs(),
                etag: object.e_tag().unwrap_or_default().trim_matches('"').to_owned(),
                last_modified: modified.unwrap_or(DateTime::UNIX_EPOCH),
                archived: class.is_archive() && !restored,
                class,
                restored,
                version: None,
            })
        });
        Ok(Page {
            objects: objects.collect(),
            folders: listed.common_prefixes().iter().filter_map(|folder| below(folder.prefix())).collect(),
            next: listed.next_continuation_token().map(str::to_owned),
        })
    }

    /// Gets the version that was listed.
    async fn get_version(&self, listed: &Meta) -> Result<Bytes, Error> {
        self.retry.run(Error::kind, |_| self.get_once(&listed.key, listed.version.as_deref())).await
    }

    async fn get_once(&self, key: &str, version: Option<&str>) -> Result<Bytes, Error> {
        let request = self.client.get_object().bucket(&self.bucket).key(format!("{}{key}", self.prefix));
        let object =
            request.set_version_id(version.map(str::to_owned)).send().await.map_err(|e| self.failure(key, &e))?;
        let length = object.content_length().and_then(|length| usize::try_from(length).ok());
        let body = object
            .body
            .collect()
            .await
            .map_err(|e| Error::new(Reason::Network, key, format!("body broke off: {e}")))?;
        let body = body.into_bytes();
        match length {
            Some(length) if length != body.len() => {
                Err(Error::new(Reason::Network, key, format!("{} of {length} bytes arrived", body.len())))
            }
            // An error can also arrive as the body of an answer that says 200.
            _ if body.starts_with(b"<?xml") || body.starts_with(b"<Error>") => {
                Err(Error::new(Reason::SlowDown, key, "an error document came in the object's place"))
            }
            _ => Ok(body),
        }
    }

    async fn put_once(&self, key: &str, body: Bytes) -> Result<Put, Error> {
        let sent = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(format!("{}{key}", self.prefix))
            .if_none_match("*")
            .content_type("application/json")
            .body(ByteStream::from(body))
            .send()
            .await;
        match sent {
            Ok(_) => Ok(Put::Created),
            Err(e) if status(&e) == Some(412) => Ok(Put::Exists),
            Err(e) => Err(self.failure(key, &e)),
        }
    }

    async fn clock_once(&self) -> Result<DateTime<Utc>, Error> {
        let seen = Headers::default();
        let answer = self.client.head_bucket().bucket(&self.bucket).customize().interceptor(seen.clone()).send().await;
        if let Err(e) = answer {
            return Err(match (status(&e), seen.region()) {
                (Some(301 | 400), Some(region)) => {
                    let message = format!("the bucket is in {region}: set AWS_REGION={region}");
                    Error::new(Reason::WrongRegion, self.address(), message)
                }
                (Some(404), _) => Error::new(
                    Reason::NoLake,
                    self.address(),
                    format!("no such bucket {:?}: check --lake", self.bucket),
                ),
                // The answer to HEAD has no body; that to a listing says what is wrong.
                (Some(301 | 400 | 403), None) => match self.list_once("", Depth::Folders, None).await {
                    Err(said) => said,
                    Ok(_) => self.failure("", &e),
                },
                _ => self.failure("", &e),
            });
        }
        seen.date().ok_or_else(|| Error::new(Reason::Other, self.address(), "the store sends no Date header"))
    }

    /// Turns the SDK's error into ours: the reason, and one line that says what to do.
    fn failure<E>(&self, key: &str, e: &SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let code = e.code().unwrap_or_default();
        let said = e.message().map_or_else(|| code.to_owned(), |message| format!("{code}: {message}"));
        let (reason, message) = match (code, status(e)) {
            ("NoSuchKey", _) => (Reason::NotFound, "no such object".to_owned()),
            ("NoSuchBucket", _) => (Reason::NoLake, format!("no such bucket {:?}: check --lake", self.bucket)),
            ("InvalidObjectState", _) => (Reason::Archived, "in an archive tier: restore it first".to_owned()),
            ("PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException", _)
            | (_, Some(301)) => {
                (Reason::WrongRegion, format!("the bucket is in another region: set AWS_REGION ({said})"))
            }
            ("SlowDown" | "Throttling" | "ThrottlingException" | "RequestLimitExceeded" | "TooManyRequests", _)
            | (_, Some(429 | 503)) => (Reason::SlowDown, format!("the store asks to slow down ({said})")),
            ("ConditionalRequestConflict" | "OperationAborted" | "RequestTimeout" | "InternalError", _)
            | (_, Some(408 | 409 | 500..=599)) => (Reason::Network, said),
            ("KeyTooLongError", _) => (Reason::BadKey, said),
            ("ExpiredToken" | "TokenRefreshRequired" | "InvalidToken", _) | (_, Some(401 | 403)) => {
                (Reason::Denied, format!("refused: check credentials and policy ({said})"))
            }
            (_, Some(404)) => (Reason::NotFound, "not found".to_owned()),
            (_, Some(400..=499)) if !code.is_empty() => (Reason::Other, said),
            _ => sdk_failure(e),
        };
        let about = if key.is_empty() { self.address() } else { format!("{}/{key}", self.address()) };
        Error::new(reason, about, message)
    }
}

/// A failure without an answer from the store: no credentials, no connection, no end.
fn sdk_failure<E: std::error::Error + 'static>(e: &SdkError<E, HttpResponse>) -> (Reason, String) {
    let said = DisplayErrorContext(e).to_string();
    let said = said.split(" (").next().unwrap_or(&said);
    match e {
        SdkError::TimeoutError(_) => (Reason::Network, format!("timed out: {said}")),
        SdkError::DispatchFailure(failure) if failure.is_io() || failure.is_timeout() => {
            (Reason::Network, format!("cannot connect: check the network and AWS_ENDPOINT_URL: {said}"))
        }
        SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => (
            Reason::Denied,
            format!(
                "no usable credentials or region: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and AWS_REGION: {said}"
            ),
        ),
        SdkError::ResponseError(_) => {
            (Reason::Network, format!("the answer makes no sense, is this an S3 endpoint? {said}"))
        }
        _ => (Reason::Other, said.to_owned()),
    }
}

fn status<E>(e: &SdkError<E, HttpResponse>) -> Option<u16> {
    e.raw_response().map(|response| response.status().as_u16())
}

/// What the answer's headers said: the store's clock, and the bucket's region.
#[derive(Debug, Clone, Default)]
struct Headers(Arc<Mutex<(Option<String>, Option<String>)>>);

impl Headers {
    fn date(&self) -> Option<DateTime<Utc>> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        DateTime::parse_from_rfc2822(seen.0.as_deref()?).ok().map(|at| at.to_utc())
    }

    fn region(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }
}

impl Intercept for Headers {
    fn name(&self) -> &'static str {
        "Headers"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let headers = context.response().headers();
        let header = |name| headers.get(name).map(str::to_owned);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (header("date"), header("x-amz-bucket-region"));
        Ok(())
    }
}

#[async_trait]
impl Lake for S3 {
    fn address(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.prefix).trim_end_matches('/').to_owned()
    }

    async fn list(&self, prefix: &str, depth: Depth, after: Option<&str>) -> Result<Page, Error> {
        self.retry.run(Error::kind, |_| self.list_once(prefix, depth, after)).await
    }

    async fn get(&self, key: &str) -> Result<Bytes, Error> {
        self.retry.run(Error::kind, |_| self.get_once(key, None)).await
    }

    async fn put_new(&self, key: &str, body: Bytes) -> Result<Put, Error> {
        let mut tries = 0;
        let put = self
            .retry
            .run(Error::kind, |attempt| {
                tries = attempt;
                self.put_once(key, body.clone())
            })
            .await?;
        // After a lost answer the object that is in the way may be our own.
        if put == Put::Exists && tries > 0 && self.get(key).await? == body {
            return Ok(Put::Created);
        }
        Ok(put)
    }

    async fn clock(&self) -> Result<DateTime<Utc>, Error> {
        self.retry.run(Error::kind, |_| self.clock_once()).await
    }

    async fn as_of(&self, at: DateTime<Utc>) -> Result<Arc<dyn Lake>, Error> {
        Ok(Arc::new(versions::AsOf::new(self.clone(), at).await?))
    }

    fn beside(&self, name: &str) -> Arc<dyn Lake> {
        Arc::new(self.sibling(name))
    }
}
