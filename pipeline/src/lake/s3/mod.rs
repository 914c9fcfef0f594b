//! A lake in S3 or an S3-compatible store.
//!
//! Retries are this toolkit's own ([`RetryPolicy`], by kind of error). The SDK's retries are off, so that there is a
//! single retry layer. A limiter below it follows the store's slowdown requests. If enabled and applicable, `direct`
//! reads objects at a fraction of the SDK's cost; the SDK does everything else. `conditions` prevents overwrites, also
//! on stores that ignore conditions; `write` sends the writes, `listing` reads listings. If an endpoint is configured, addressing is path-style, as
//! local stores require, except for access points, which have their own host name.

use std::fmt::Debug;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{RequestChecksumCalculation, ResponseChecksumValidation};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};

use super::{
    ChangeResult, Conditions, Depth, Encryption, Error, Lake, ListPage, ObjectMeta, PutResult, Reason, ThrottleStats,
    Unconditional,
};
use crate::aws;
use crate::retry::RetryPolicy;

mod clock;
mod concurrency;
mod conditions;
#[cfg(feature = "direct")]
mod direct;
mod error;
mod files;
mod listing;
mod response_end;
#[cfg(feature = "direct")]
mod url_encode;
mod versions;
mod write;

use concurrency::ConcurrencyLimiter;
use conditions::Support;

/// A bucket and prefix as a lake.
#[derive(Debug, Clone)]
pub struct S3 {
    client: Client,
    bucket: String,
    prefix: String,
    /// Endpoint; `None` for AWS.
    endpoint: Option<String>,
    retry: RetryPolicy,
    limiter: Arc<ConcurrencyLimiter>,
    support: Arc<Support>,
    unconditional: Unconditional,
    encryption: Encryption,
    #[cfg(feature = "direct")]
    direct: Option<Arc<direct::DirectReadSetup>>,
}

impl S3 {
    /// Creates a lake at `s3://bucket/prefix`; the prefix may be empty, and the bucket may be the ARN of an access point.
    pub fn new(config: &SdkConfig, bucket: impl Into<String>, prefix: &str, retry: RetryPolicy) -> Self {
        let (bucket, endpoint) = (bucket.into(), aws::endpoint(config, "S3"));
        let is_access_point = bucket.starts_with("arn:");
        let config = aws_sdk_s3::config::Builder::from(config)
            .force_path_style(endpoint.is_some() && !is_access_point)
            // The access point's own region, as aws-cli does.
            .use_arn_region(true)
            .retry_config(RetryConfig::disabled())
            // `write` sends a checksum that all stores support.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .build();
        let prefix = if prefix.is_empty() { String::new() } else { format!("{}/", prefix.trim_matches('/')) };
        Self {
            client: Client::from_conf(config),
            bucket,
            prefix,
            support: Arc::new(Support::at(endpoint.as_deref())),
            unconditional: Unconditional::default(),
            encryption: Encryption::default(),
            endpoint,
            retry,
            limiter: Arc::default(),
            #[cfg(feature = "direct")]
            direct: None,
        }
    }

    /// Enables direct reads: objects are read by a leaner client than the SDK, if the setup permits it.
    #[cfg(feature = "direct")]
    #[must_use]
    pub fn direct(self, config: &SdkConfig, network: &aws::Network) -> Self {
        Self { direct: direct::DirectReadSetup::new(config, network).map(Arc::new), ..self }
    }

    /// Sets the encryption that writes request.
    #[must_use]
    pub fn with_encryption(self, encryption: Encryption) -> Self {
        Self { encryption, ..self }
    }

    /// Sets the policy for a store that does not honour conditional writes: emulate them, or do not write.
    #[must_use]
    pub fn with_unconditional(self, unconditional: Unconditional) -> Self {
        Self { unconditional, ..self }
    }

    /// Runs an operation until it succeeds, fails permanently, or attempts run out, within the limiter's concurrency.
    /// The operation receives the attempt, including whether the previous one was interrupted.
    async fn with_retry<T, F: Future<Output = Result<T, Error>>>(
        &self,
        mut operation: impl FnMut(Attempt) -> F,
    ) -> Result<T, Error> {
        let broke = AtomicBool::new(false);
        let pause = |e: &Error, attempt| {
            self.limiter.record_retry();
            broke.store(e.reason == Reason::Network, Ordering::Relaxed);
            let pause = self.retry.backoff(attempt);
            // Occasional rejections are not an overload; a long backoff would only idle the worker.
            if e.reason == Reason::SlowDown && self.limiter.is_calm() { pause / 8 } else { pause }
        };
        let one = |number| {
            let work = operation(Attempt { number, after_break: broke.load(Ordering::Relaxed) });
            async move {
                let _permit = self.limiter.acquire().await;
                let done = work.await;
                self.limiter.record_response(matches!(&done, Err(e) if e.reason == Reason::SlowDown));
                done
            }
        };
        self.retry.run_with_backoff(Error::kind, pause, one).await
    }

    async fn get_once(&self, wanted: GetTarget<'_>, this: Attempt) -> Result<Bytes, Error> {
        let GetTarget { key, version, max, .. } = wanted;
        let whole = format!("{}{key}", self.prefix);
        #[cfg(feature = "direct")]
        if let Some(direct) = &self.direct
            && let Some(reader) = direct.reader(self).await
        {
            return reader.get(self, wanted, &whole, this.after_break).await;
        }
        let _ = this.after_break; // the SDK drops a broken connection itself
        let request = self.client.get_object().bucket(&self.bucket).key(whole);
        let request = request.set_version_id(version.map(str::to_owned));
        let object = request.send().await.map_err(|e| self.get_failure(key, &e))?;
        let etag = object.e_tag().map(str::to_owned);
        let length = object.content_length().and_then(|length| usize::try_from(length).ok());
        if let Some(length) = length.filter(|length| *length > max) {
            return Err(Error::too_large(key, length as u64, max));
        }
        let body = object
            .body
            .collect()
            .await
            .map_err(|e| Error::new(Reason::Network, key, format!("response body truncated: {e}")))?;
        let body = body.into_bytes();
        match length {
            Some(length) if length != body.len() => {
                Err(Error::new(Reason::Network, key, format!("{} of {length} bytes arrived", body.len())))
            }
            _ => reject_error_document(wanted, etag.as_deref(), body),
        }
    }

    async fn get_wanted(&self, wanted: GetTarget<'_>) -> Result<Bytes, Error> {
        self.with_retry(|this| self.get_once(wanted, this)).await
    }

    /// Returns the prefix `name` next to this one.
    fn sibling(&self, name: &str) -> Self {
        let parent = self.prefix.trim_end_matches('/').rsplit_once('/').map_or("", |(parent, _)| parent);
        let prefix = if parent.is_empty() { format!("{name}/") } else { format!("{parent}/{name}/") };
        Self { prefix, ..self.clone() }
    }
}

/// One of several attempts.
#[derive(Debug, Clone, Copy)]
struct Attempt {
    /// Number of the attempt, from 0.
    number: u32,
    /// True if the previous attempt was interrupted, so that its connection must not be reused.
    after_break: bool,
}

/// The object to read: the listed version, or the newest.
#[derive(Debug, Clone, Copy)]
struct GetTarget<'a> {
    key: &'a str,
    version: Option<&'a str>,
    listed: Option<&'a ObjectMeta>,
    /// Maximum number of bytes to accept.
    max: usize,
}

impl<'a> GetTarget<'a> {
    fn listed(meta: &'a ObjectMeta) -> Self {
        Self { key: &meta.key, version: meta.version.as_deref(), listed: Some(meta), max: meta.max_bytes() }
    }
}

/// Rejects an error document in a 200 response. A body with the listed size and token is the object regardless of its
/// content; without a listing, any token is sufficient.
fn reject_error_document(wanted: GetTarget<'_>, etag: Option<&str>, body: Bytes) -> Result<Bytes, Error> {
    let etag = etag.map(|etag| etag.trim_matches('"'));
    let is_object = || match wanted.listed {
        Some(meta) => meta.size == body.len() as u64 && etag == Some(&*meta.etag),
        None => etag.is_some(),
    };
    if (body.starts_with(b"<?xml") || body.starts_with(b"<Error>")) && !is_object() {
        return Err(Error::new(Reason::SlowDown, wanted.key, "an error document came in the object's place"));
    }
    Ok(body)
}

#[async_trait]
impl Lake for S3 {
    fn address(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.prefix).trim_end_matches('/').to_owned()
    }

    fn identity(&self) -> String {
        let endpoint = self.endpoint.as_deref().map(|endpoint| format!(" at {}", endpoint.trim_end_matches('/')));
        format!("{}{}", self.address(), endpoint.unwrap_or_default())
    }

    fn location(&self) -> String {
        self.address()
    }

    async fn list(&self, prefix: &str, depth: Depth, after: Option<&str>) -> Result<ListPage, Error> {
        self.with_retry(|_| self.list_once(prefix, depth, after)).await
    }

    async fn get(&self, key: &str) -> Result<Bytes, Error> {
        self.get_within(key, usize::MAX).await
    }

    async fn get_within(&self, key: &str, max: usize) -> Result<Bytes, Error> {
        self.get_wanted(GetTarget { key, version: None, listed: None, max }).await
    }

    async fn get_many(&self, listed: &[&ObjectMeta]) -> Vec<Result<Bytes, Error>> {
        let mut bodies = Vec::with_capacity(listed.len());
        for meta in listed {
            bodies.push(self.get_wanted(GetTarget::listed(meta)).await);
        }
        bodies
    }

    async fn get_range(&self, listed: &ObjectMeta, range: Range<u64>) -> Result<Bytes, Error> {
        self.with_retry(|_| self.get_range_once(listed, range.clone())).await
    }

    async fn put_file(&self, key: &str, file: &Path, replaces: Option<&str>) -> Result<ChangeResult, Error> {
        self.with_retry(|_| self.put_file_once(key, file, replaces)).await
    }

    async fn as_of(&self, at: DateTime<Utc>) -> Result<Arc<dyn Lake>, Error> {
        Ok(Arc::new(versions::AsOfLake::new(self.clone(), at).await?))
    }

    fn throttle_stats(&self) -> ThrottleStats {
        self.limiter.throttle_stats()
    }

    async fn change_if_match(&self, key: &str, etag: &str, body: Option<Bytes>) -> Result<ChangeResult, Error> {
        let mut tries = 0;
        let changed = self
            .with_retry(|this| {
                tries = this.number;
                self.change_once(key, etag, body.clone())
            })
            .await?;
        // After a lost response, the conflicting object may be the result of this change.
        if changed == ChangeResult::Conflict && tries > 0 {
            let is_as_requested = match (self.get(key).await, &body) {
                (Ok(there), Some(body)) => there == *body,
                (Err(e), None) => e.reason == Reason::NotFound,
                _ => false,
            };
            return Ok(if is_as_requested { ChangeResult::Done } else { ChangeResult::Conflict });
        }
        Ok(changed)
    }

    async fn put_new(&self, key: &str, body: Bytes) -> Result<PutResult, Error> {
        let mut tries = 0;
        let put = self
            .with_retry(|this| {
                tries = this.number;
                self.put_once(key, body.clone())
            })
            .await?;
        // After a lost response, this write may have created the existing object. If it cannot be read, the caller
        // handles it.
        if put == PutResult::AlreadyExists
            && tries > 0
            && self.get_within(key, body.len()).await.is_ok_and(|existing| existing == body)
        {
            return Ok(PutResult::Created);
        }
        Ok(put)
    }

    fn conditions(&self) -> Conditions {
        self.support.conditions()
    }

    async fn test_conditions(&self) -> Result<Conditions, Error> {
        self.with_retry(|_| self.test()).await
    }

    async fn clock(&self) -> Result<DateTime<Utc>, Error> {
        self.with_retry(|_| self.clock_once()).await
    }

    /// Returns the time of the `Date` header, which has whole seconds (RFC 9110, 5.6.7).
    fn clock_precision(&self) -> TimeDelta {
        TimeDelta::seconds(1)
    }

    fn sibling(&self, name: &str) -> Arc<dyn Lake> {
        Arc::new(self.sibling(name))
    }
}
