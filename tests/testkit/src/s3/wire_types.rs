//! Conversion between stored values and those of the S3 protocol: times, classes, restores, conditions and errors.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use s3s::dto::{
    CommonPrefix, DeleteMarkerEntry, ETag, ETagCondition, EncodingType, ListObjectVersionsInput,
    ListObjectVersionsOutput, ListObjectsV2Input, ListObjectsV2Output, Object, ObjectStorageClass, ObjectVersion,
    ObjectVersionStorageClass, OptionalObjectAttributes, RestoreStatus, StorageClass, StreamingBlob, Timestamp,
    TimestampFormat,
};
use s3s::{Body, S3Error, S3Result, s3_error};

use crate::s3::listing::{Page, url_encode};
use crate::s3::object::{self, Described, Object as Stored, Restore};
use crate::s3::versions::{self, ListedVersion};

/// Converts a page to the response of ListObjectsV2.
pub(crate) fn listed(input: ListObjectsV2Input, max_keys: usize, page: Page, times: Times) -> ListObjectsV2Output {
    let encoded = input.encoding_type.as_ref().is_some_and(|kind| kind.as_str() == EncodingType::URL);
    let text = |text: String| if encoded { url_encode(&text) } else { text };
    let attributes = input.optional_object_attributes.as_deref().unwrap_or_default();
    let with_restore = attributes.iter().any(|it| it.as_str() == OptionalObjectAttributes::RESTORE_STATUS);
    let prefixes = page.prefixes.into_iter();
    ListObjectsV2Output {
        key_count: Some((page.objects.len() + prefixes.len()) as i32),
        is_truncated: Some(page.next.is_some()),
        next_continuation_token: page.next,
        contents: Some(page.objects.into_iter().map(|(key, it)| entry(text(key), &it, with_restore, times)).collect()),
        common_prefixes: Some(prefixes.map(|it| CommonPrefix { prefix: Some(text(it)) }).collect()),
        max_keys: Some(max_keys as i32),
        prefix: Some(text(input.prefix.unwrap_or_default())),
        delimiter: input.delimiter.map(text),
        start_after: input.start_after.map(text),
        continuation_token: input.continuation_token,
        encoding_type: input.encoding_type,
        name: Some(input.bucket),
        request_charged: None,
    }
}

/// Converts a page to the response of ListObjectVersions.
pub(crate) fn listed_versions(
    input: ListObjectVersionsInput,
    page: versions::Page,
    times: Times,
) -> ListObjectVersionsOutput {
    let encoded = input.encoding_type.as_ref().is_some_and(|kind| kind.as_str() == EncodingType::URL);
    let text = |text: String| if encoded { url_encode(&text) } else { text };
    let attributes = input.optional_object_attributes.as_deref().unwrap_or_default();
    let with_restore = attributes.iter().any(|it| it.as_str() == OptionalObjectAttributes::RESTORE_STATUS);
    let (mut objects, mut markers) = (Vec::new(), Vec::new());
    for ListedVersion { key, version, is_latest } in page.versions {
        let (key, at) = (Some(text(key)), Some(times.listed(version.at)));
        match version.object {
            Some(stored) => objects.push(ObjectVersion {
                key,
                version_id: Some(version.id),
                is_latest: Some(is_latest),
                last_modified: at,
                e_tag: Some(ETag::Strong(stored.etag())),
                size: Some(stored.bytes.len() as i64),
                storage_class: Some(ObjectVersionStorageClass::from_static(stored.storage_class.as_str())),
                restore_status: restore_status(stored.restore).filter(|_| with_restore),
                ..Default::default()
            }),
            None => markers.push(DeleteMarkerEntry {
                key,
                version_id: Some(version.id),
                is_latest: Some(is_latest),
                last_modified: at,
                ..Default::default()
            }),
        }
    }
    let is_truncated = Some(page.next.is_some());
    let (next_key, next_version) = page.next.unzip();
    ListObjectVersionsOutput {
        is_truncated,
        next_key_marker: next_key.map(text),
        next_version_id_marker: next_version.flatten(),
        versions: Some(objects),
        delete_markers: Some(markers),
        common_prefixes: Some(page.prefixes.into_iter().map(|it| CommonPrefix { prefix: Some(text(it)) }).collect()),
        prefix: Some(text(input.prefix.unwrap_or_default())),
        delimiter: input.delimiter.map(text),
        key_marker: input.key_marker.map(text),
        version_id_marker: input.version_id_marker,
        max_keys: input.max_keys,
        encoding_type: input.encoding_type,
        name: Some(input.bucket),
        ..Default::default()
    }
}

/// Converts an object to a `Contents` element of a listing.
fn entry(key: String, stored: &Stored, with_restore: bool, times: Times) -> Object {
    Object {
        key: Some(key),
        e_tag: Some(ETag::Strong(stored.etag())),
        size: Some(stored.bytes.len() as i64),
        last_modified: Some(times.listed(stored.last_modified)),
        storage_class: Some(ObjectStorageClass::from_static(stored.storage_class.as_str())),
        restore_status: restore_status(stored.restore).filter(|_| with_restore),
        ..Object::default()
    }
}

/// Format of the times of objects in a listing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// True if times have milliseconds.
    pub milliseconds: bool,
    /// Time by which the store's clock is ahead of this machine's.
    pub ahead: Duration,
    /// Time by which it is behind.
    pub behind: Duration,
}

impl Times {
    fn listed(self, at: SystemTime) -> Timestamp {
        let at = at + self.ahead - self.behind;
        if self.milliseconds { Timestamp::from(at) } else { timestamp(at) }
    }
}

/// Converts a time to that of S3, in whole seconds.
pub(crate) fn timestamp(at: SystemTime) -> Timestamp {
    let seconds = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    Timestamp::from(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

/// Returns the class in responses of GET and HEAD: none for a standard object.
pub(crate) fn storage_class(stored: &Stored) -> Option<StorageClass> {
    let class = stored.storage_class;
    (class != object::StorageClass::Standard).then(|| StorageClass::from_static(class.as_str()))
}

/// Returns the requested storage class of a write.
pub(crate) fn requested_class(requested: Option<&StorageClass>) -> S3Result<object::StorageClass> {
    let Some(requested) = requested else {
        return Ok(object::StorageClass::Standard);
    };
    object::StorageClass::parse(requested.as_str())
        .ok_or_else(|| s3_error!(InvalidStorageClass, "The storage class you specified is not valid"))
}

fn restore_status(restore: Restore) -> Option<RestoreStatus> {
    match restore {
        Restore::None => None,
        Restore::InProgress => Some(RestoreStatus { is_restore_in_progress: Some(true), restore_expiry_date: None }),
        Restore::Until(at) => {
            Some(RestoreStatus { is_restore_in_progress: Some(false), restore_expiry_date: Some(timestamp(at)) })
        }
    }
}

/// Returns `x-amz-restore` of GET and HEAD.
pub(crate) fn restore_header(restore: Restore) -> S3Result<Option<String>> {
    Ok(match restore {
        Restore::None => None,
        Restore::InProgress => Some("ongoing-request=\"true\"".to_owned()),
        Restore::Until(at) => {
            let mut date = Vec::new();
            timestamp(at).format(TimestampFormat::HttpDate, &mut date).map_err(S3Error::internal_error)?;
            Some(format!("ongoing-request=\"false\", expiry-date=\"{}\"", String::from_utf8_lossy(&date)))
        }
    })
}

/// Returns the writer's headers; `None` if there are none.
pub(crate) fn described(
    content_type: Option<String>,
    metadata: Option<HashMap<String, String>>,
) -> Option<Arc<Described>> {
    let described = Described { content_type, metadata: metadata.unwrap_or_default() };
    (described != Described::default()).then(|| Arc::new(described))
}

/// Returns the content type from the writer, or the default of S3.
pub(crate) fn content_type(described: &Described) -> String {
    described.content_type.clone().unwrap_or_else(|| "binary/octet-stream".to_owned())
}

/// Reads the complete body of a PUT.
pub(crate) async fn receive(blob: Option<StreamingBlob>) -> S3Result<Bytes> {
    let Some(blob) = blob else {
        return Ok(Bytes::new());
    };
    let mut body = Body::from(blob);
    let bytes = body.store_all_limited(usize::MAX).await.map_err(|source| {
        let mut refusal = s3_error!(IncompleteBody, "The body ended early or does not match its signature: {source}");
        refusal.set_source(source);
        refusal
    })?;
    // A copy, because hyper's slice keeps the whole read buffer alive behind 400 bytes.
    Ok(Bytes::copy_from_slice(&bytes))
}

/// Checks the conditions of a GET or HEAD.
pub(crate) fn demand_match(
    found: &Stored,
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> S3Result<()> {
    if if_match.is_some_and(|condition| !holds(condition, found)) {
        return Err(precondition_failed());
    }
    if if_none_match.is_some_and(|condition| holds(condition, found)) {
        return Err(s3_error!(NotModified, "Not Modified"));
    }
    Ok(())
}

/// Checks the conditions of a PUT against the existing object.
pub(crate) fn may_write(
    existing: Option<&Stored>,
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> S3Result<()> {
    match (if_match, existing) {
        (Some(_), None) => return Err(no_such_key()),
        (Some(condition), Some(existing)) if !holds(condition, existing) => {
            return Err(precondition_failed());
        }
        _ => {}
    }
    match (if_none_match, existing) {
        (Some(ETagCondition::ETag(_)), _) => Err(s3_error!(NotImplemented, "If-None-Match of a PUT can only be *")),
        (Some(ETagCondition::Any), Some(_)) => Err(precondition_failed()),
        _ => Ok(()),
    }
}

fn holds(condition: &ETagCondition, stored: &Stored) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(etag) => etag.value() == stored.etag(),
    }
}

/// Rejects an archived object that was not restored.
pub(crate) fn demand_readable(found: &Stored) -> S3Result<()> {
    if found.is_unreadable() {
        return Err(s3_error!(InvalidObjectState, "The operation is not valid for the object's storage class"));
    }
    Ok(())
}

pub(crate) fn no_such_bucket() -> S3Error {
    s3_error!(NoSuchBucket, "The specified bucket does not exist")
}

pub(crate) fn no_such_key() -> S3Error {
    s3_error!(NoSuchKey, "The specified key does not exist.")
}

fn precondition_failed() -> S3Error {
    s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold")
}
