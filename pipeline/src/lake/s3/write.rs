//! Writes of objects: condition, checksum and encryption of each PUT.
//!
//! Every PUT has a checksum, because buckets with Object Lock require one. `Content-MD5` is the one that all stores
//! support, except directory buckets, which support only the newer ones.

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ServerSideEncryption};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::base64;
use bytes::Bytes;
use md5::{Digest as _, Md5};

use super::S3;
use super::error::{is_unsupported, status};
use crate::lake::{Encryption, Error};

/// Ending of the names of directory buckets.
const DIRECTORY_BUCKET: &str = "--x-s3";

/// Condition of a write.
#[derive(Debug, Clone, Copy)]
pub(super) enum If<'a> {
    /// The object must not exist.
    Free,
    /// The object must have this change token.
    Match(&'a str),
    /// No condition, because the object was checked before.
    LookedUp,
}

/// Response to a write that reached the store.
#[derive(Debug)]
pub(super) enum Sent {
    /// The write succeeded; with the new object's change token.
    Done(Option<String>),
    /// The condition does not hold.
    Refused,
    /// The store does not support the condition.
    Unsupported,
}

impl S3 {
    /// Writes an object, or deletes it if there is no body.
    pub(super) async fn send(&self, key: &str, condition: If<'_>, body: Option<Bytes>) -> Result<Sent, Error> {
        let quoted = |etag: &str| format!("\"{etag}\"");
        let (none_match, only_match) = match condition {
            If::Free => (Some("*".to_owned()), None),
            If::Match(etag) => (None, Some(quoted(etag))),
            If::LookedUp => (None, None),
        };
        match body {
            Some(body) => {
                let put = self.client.put_object().bucket(&self.bucket).key(self.path(key));
                let put = put.set_if_none_match(none_match).set_if_match(only_match);
                let put = self.prepared(put, || base64::encode(Md5::digest(&body)));
                let sent = put.content_type("application/json").body(ByteStream::from(body)).send().await;
                self.judged(key, condition, sent.map(|put| put.e_tag))
            }
            None => {
                let delete = self.client.delete_object().bucket(&self.bucket).key(self.path(key));
                let sent = delete.set_if_match(only_match).send().await;
                self.judged(key, condition, sent.map(|_| None))
            }
        }
    }

    /// Adds a checksum of the body and the encryption headers. `md5` is called only if it is needed.
    pub(super) fn prepared(&self, put: PutObjectFluentBuilder, md5: impl FnOnce() -> String) -> PutObjectFluentBuilder {
        let put = if self.bucket.ends_with(DIRECTORY_BUCKET) {
            put.checksum_algorithm(ChecksumAlgorithm::Crc32)
        } else {
            put.content_md5(md5())
        };
        encrypted(put, &self.encryption)
    }

    fn judged<E>(
        &self,
        key: &str,
        condition: If<'_>,
        sent: Result<Option<String>, SdkError<E, HttpResponse>>,
    ) -> Result<Sent, Error>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        match (sent, condition) {
            (Ok(etag), _) => Ok(Sent::Done(etag)),
            (Err(e), If::Free | If::Match(_)) if status(&e) == Some(412) => Ok(Sent::Refused),
            (Err(e), If::Match(_)) if status(&e) == Some(404) => Ok(Sent::Refused),
            (Err(e), If::Free | If::Match(_)) if is_unsupported(&e) => Ok(Sent::Unsupported),
            (Err(e), _) => Err(self.failure(key, &e)),
        }
    }

    pub(super) fn path(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }
}

/// Adds the encryption headers.
fn encrypted(put: PutObjectFluentBuilder, encryption: &Encryption) -> PutObjectFluentBuilder {
    match encryption {
        Encryption::Bucket => put,
        Encryption::Aes256 => put.server_side_encryption(ServerSideEncryption::Aes256),
        Encryption::Kms { key } => {
            put.server_side_encryption(ServerSideEncryption::AwsKms).set_ssekms_key_id(key.clone())
        }
        Encryption::KmsDsse { key } => {
            put.server_side_encryption(ServerSideEncryption::AwsKmsDsse).set_ssekms_key_id(key.clone())
        }
    }
}
