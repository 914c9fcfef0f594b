//! Ranges of objects, and objects from files that are too large for memory.
//!
//! A file is written only to a store that checks the condition itself: the emulation of [`super::conditions`] is for small
//! objects that one writer at a time creates.

use std::fs::File;
use std::io::{self, Read as _};
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::Ordering;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_types::base64;
use bytes::Bytes;
use md5::{Digest as _, Md5};

use super::S3;
use super::error::{is_unsupported, status};
use crate::lake::{ChangeResult, ConditionalWrites, Error, ObjectMeta, Reason};

/// Explanation for a store without conditional writes.
const UNCONDITIONAL: &str = "the store does not honour If-None-Match and If-Match, so that two writers could overwrite \
                             each other's files: nothing was written";

impl S3 {
    pub(super) async fn get_range_once(&self, listed: &ObjectMeta, range: Range<u64>) -> Result<Bytes, Error> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let key = &*listed.key;
        if range.end > listed.size {
            return Err(self.error(key, Reason::Other, format!("has {} bytes, not {range:?}", listed.size)));
        }
        let request = self.client.get_object().bucket(&self.bucket).key(self.path(key));
        let request = request.range(format!("bytes={}-{}", range.start, range.end - 1));
        let object = match request.if_match(format!("\"{}\"", listed.etag)).send().await {
            Ok(object) => object,
            Err(e) if status(&e) == Some(412) => {
                return Err(self.error(key, Reason::NotFound, "the object changed after it was listed"));
            }
            Err(e) => return Err(self.failure(key, &e)),
        };
        // A store that ignores the condition or the range would mix two objects.
        let same = object.e_tag().is_none_or(|etag| etag.trim_matches('"') == listed.etag);
        let body = object.body.collect().await;
        let body =
            body.map_err(|e| self.error(key, Reason::Network, format!("response body truncated: {e}")))?.into_bytes();
        if !same {
            return Err(self.error(key, Reason::NotFound, "the object changed after it was listed"));
        }
        if body.len() as u64 != range.end - range.start {
            let message = format!("only {} bytes of {range:?} arrived", body.len());
            return Err(self.error(key, Reason::Network, message));
        }
        Ok(body)
    }

    pub(super) async fn put_file_once(
        &self,
        key: &str,
        file: &Path,
        replaces: Option<&str>,
    ) -> Result<ChangeResult, Error> {
        let tested = self.test().await?;
        let checks_change =
            tested.change == ConditionalWrites::Honoured || self.support.replaces.load(Ordering::SeqCst);
        if tested.create != ConditionalWrites::Honoured || !checks_change {
            return Err(self.error("", Reason::Unconditional, UNCONDITIONAL));
        }
        let unreadable = |e: &dyn std::fmt::Display| self.error(key, Reason::Other, format!("{}: {e}", file.display()));
        let path = file.to_owned();
        let md5 = tokio::task::spawn_blocking(move || md5_of(&path)).await.map_err(|e| unreadable(&e))?;
        let md5 = md5.map_err(|e| unreadable(&e))?;
        let body = ByteStream::from_path(file).await.map_err(|e| unreadable(&e))?;
        let put = self.client.put_object().bucket(&self.bucket).key(self.path(key)).body(body);
        let put = self.prepared(put, || md5);
        let put = match replaces {
            Some(etag) => put.if_match(format!("\"{}\"", etag.trim_matches('"'))),
            None => put.if_none_match("*"),
        };
        match put.content_type("application/vnd.apache.parquet").send().await {
            Ok(_) => Ok(ChangeResult::Done),
            Err(e) if matches!(status(&e), Some(404 | 412)) && !is_missing_bucket(&e) => Ok(ChangeResult::Conflict),
            Err(e) if is_unsupported(&e) => Err(self.error("", Reason::Unconditional, UNCONDITIONAL)),
            Err(e) => Err(self.failure(key, &e)),
        }
    }
}

/// Returns the MD5 of a file in base64.
fn md5_of(path: &Path) -> io::Result<String> {
    let (mut file, mut md5, mut buffer) = (File::open(path)?, Md5::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(base64::encode(md5.finalize())),
            read => md5.update(&buffer[..read]),
        }
    }
}

/// Returns true if a 404 concerns the bucket and not the object.
fn is_missing_bucket<E: ProvideErrorMetadata, R>(e: &SdkError<E, R>) -> bool {
    e.as_service_error().and_then(ProvideErrorMetadata::code) == Some("NoSuchBucket")
}
