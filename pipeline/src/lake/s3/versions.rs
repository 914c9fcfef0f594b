//! Read-only view of a lake at a point in time: the newest version of each key at that time, unless it was deleted.
//!
//! Stores list times in whole seconds or in milliseconds. So that both give the same view, a point in time without a
//! fraction is the end of its second.
//!
//! Versions are listed newest first within each key, over several pages. A page's token contains the position of the
//! next page and whether the key at the break is already resolved.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use aws_sdk_s3::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::operation::list_object_versions::ListObjectVersionsOutput;
use aws_sdk_s3::primitives::DateTime as Stamp;
use aws_sdk_s3::types::{
    DeleteMarkerEntry, EncodingType, ObjectVersion, ObjectVersionStorageClass, OptionalObjectAttributes,
};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::listing::{ListedNames, PagesSeen, continues};
use super::response_end::ResponseEnd;
use super::{GetTarget, S3};
use crate::lake::{
    Conditions, Depth, Error, Lake, ListPage, ObjectMeta, PutResult, ReadHints, Reason, StorageClass, ThrottleStats,
};

/// A bucket and prefix as they were at a point in time.
#[derive(Debug, Clone)]
pub(super) struct AsOfLake {
    s3: S3,
    at: DateTime<Utc>,
}

impl AsOfLake {
    /// Creates the view. Returns an error if versioning was never enabled on the bucket.
    pub(super) async fn new(s3: S3, at: DateTime<Utc>) -> Result<Self, Error> {
        let kept = s3.with_retry(|_| keeps_versions(&s3)).await?;
        if kept {
            Ok(Self { s3, at: end_of_second(at) })
        } else {
            let message = "the bucket never kept versions: without versioning nothing is known of what it was";
            Err(Error::new(Reason::NoVersions, s3.address(), message))
        }
    }

    async fn list_once(&self, prefix: &str, depth: Depth, after: Option<&VersionCursor>) -> Result<ListPage, Error> {
        let s3 = &self.s3;
        let (order, end) = (ResponseOrder::default(), ResponseEnd::default());
        let listed = s3
            .client
            .list_object_versions()
            .bucket(&s3.bucket)
            .prefix(format!("{}{prefix}", s3.prefix))
            .set_delimiter((depth == Depth::OneLevel).then(|| "/".to_owned()))
            .set_key_marker(after.map(|token| token.key.clone()))
            .set_version_id_marker(after.and_then(|token| token.version.clone()))
            .encoding_type(EncodingType::Url)
            .optional_object_attributes(OptionalObjectAttributes::RestoreStatus)
            .customize()
            .interceptor(order.clone())
            .interceptor(end.clone())
            .send()
            .await
            .map_err(|e| s3.failure(prefix, &e))?;
        s3.check_end(prefix, &end)?;
        let names = ListedNames { s3, prefix, encoded: listed.encoding_type() == Some(&EncodingType::Url) };
        let mut page = ListPage::default();
        for folder in listed.common_prefixes() {
            page.folders.extend(names.relative(folder.prefix())?);
        }
        // A key that the previous page has resolved is skipped.
        let resolved = after.filter(|token| token.resolved).map(|token| token.key.as_str());
        let broken_off = next_key(s3, prefix, &listed)?.map(|key| names.plain(key));
        let mut last_key_is_resolved = false;
        for (key, versions) in by_key(&listed, &order.read()) {
            let full = names.plain(key);
            let was_resolved = resolved == Some(&full);
            let then = versions.into_iter().find(|version| version.at() <= self.at).filter(|_| !was_resolved);
            last_key_is_resolved |= broken_off.as_ref() == Some(&full) && (was_resolved || then.is_some());
            if let (Some(VersionEntry::Object(object)), Some(key)) = (then, names.relative(Some(key))?) {
                page.objects.push(describe(key, object));
            }
        }
        page.objects.sort_unstable_by(|a, b| a.key.cmp(&b.key)); // the versions were grouped by their encoded keys
        if let Some(key) = broken_off {
            let version = listed.next_version_id_marker.clone();
            let seen = s3.check_progress(prefix, after.map(|after| after.seen), &(&key, &version))?;
            let cursor = VersionCursor { key, version, resolved: last_key_is_resolved, seen };
            page.next = Some(serde_json::to_string(&cursor).expect("texts and numbers are JSON"));
        }
        Ok(page)
    }
}

/// Returns the last instant of a second, for a time without a fraction; any other time is returned unchanged.
fn end_of_second(at: DateTime<Utc>) -> DateTime<Utc> {
    if at.timestamp_subsec_nanos() == 0 { at + TimeDelta::nanoseconds(999_999_999) } else { at }
}

/// Returns the key at which the next page starts; `None` on the last page.
fn next_key<'a>(s3: &S3, prefix: &str, listed: &'a ListObjectVersionsOutput) -> Result<Option<&'a str>, Error> {
    let entries = listed.versions().len() + listed.delete_markers().len() + listed.common_prefixes().len();
    if !continues(listed.is_truncated(), entries, listed.max_keys()) {
        return Ok(None);
    }
    let key = listed.next_key_marker().filter(|key| !key.is_empty());
    key.map(Some).ok_or_else(|| s3.endless_page(prefix, "ListObjectVersions"))
}

async fn keeps_versions(s3: &S3) -> Result<bool, Error> {
    let answer = s3.client.get_bucket_versioning().bucket(&s3.bucket).send().await.map_err(|e| s3.failure("", &e))?;
    // A bucket with suspended versioning keeps its earlier versions.
    Ok(answer.status().is_some())
}

/// A version of an object, or a delete marker.
#[derive(Debug, Clone, Copy)]
enum VersionEntry<'a> {
    Object(&'a ObjectVersion),
    Deleted(&'a DeleteMarkerEntry),
}

impl<'a> VersionEntry<'a> {
    fn key(self) -> Option<&'a str> {
        match self {
            VersionEntry::Object(it) => it.key(),
            VersionEntry::Deleted(it) => it.key(),
        }
    }

    fn at(self) -> DateTime<Utc> {
        let at = match self {
            VersionEntry::Object(it) => it.last_modified(),
            VersionEntry::Deleted(it) => it.last_modified(),
        };
        time(at).unwrap_or(DateTime::UNIX_EPOCH)
    }

    fn is_latest(self) -> bool {
        match self {
            VersionEntry::Object(it) => it.is_latest(),
            VersionEntry::Deleted(it) => it.is_latest(),
        }
        .unwrap_or_default()
    }
}

/// Groups the versions of a page by key, newest first. Times have whole seconds. Within a second, the latest version
/// comes first, then the order of the response, which the SDK does not keep.
fn by_key<'a>(listed: &'a ListObjectVersionsOutput, order: &[bool]) -> BTreeMap<&'a str, Vec<VersionEntry<'a>>> {
    let (mut objects, mut markers) = (listed.versions().iter(), listed.delete_markers().iter());
    let known = order.iter().filter_map(|&is_object| match is_object {
        true => objects.next().map(VersionEntry::Object),
        false => markers.next().map(VersionEntry::Deleted),
    });
    let mut entries: Vec<_> = known.collect();
    entries.extend(objects.map(VersionEntry::Object));
    entries.extend(markers.map(VersionEntry::Deleted));
    let mut keys: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for entry in entries {
        if let Some(key) = entry.key() {
            keys.entry(key).or_default().push(entry);
        }
    }
    for versions in keys.values_mut() {
        versions.sort_by_key(|version| (std::cmp::Reverse(version.at()), !version.is_latest()));
    }
    keys
}

fn describe(key: String, object: &ObjectVersion) -> ObjectMeta {
    let class = StorageClass::of(object.storage_class().map(ObjectVersionStorageClass::as_str));
    let restored = object.restore_status().is_some_and(|status| status.restore_expiry_date().is_some());
    ObjectMeta {
        key,
        size: object.size().unwrap_or_default().unsigned_abs(),
        etag: object.e_tag().unwrap_or_default().trim_matches('"').to_owned(),
        last_modified: time(object.last_modified()).unwrap_or(DateTime::UNIX_EPOCH),
        archived: class.is_archive() && !restored,
        class,
        restored,
        version: object.version_id().map(str::to_owned),
    }
}

fn time(at: Option<&Stamp>) -> Option<DateTime<Utc>> {
    at.and_then(|at| DateTime::from_timestamp(at.secs(), at.subsec_nanos()))
}

/// Start of the next page of a version listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct VersionCursor {
    key: String,
    version: Option<String>,
    /// True if the key's state at that time is already known.
    resolved: bool,
    seen: PagesSeen,
}

/// Returns the order of versions and delete markers in a response: true for a version.
#[derive(Debug, Clone, Default)]
struct ResponseOrder(Arc<Mutex<Vec<bool>>>);

impl ResponseOrder {
    fn read(&self) -> Vec<bool> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn of(xml: &[u8]) -> Vec<bool> {
        let tags = xml.split(|&b| b == b'<').filter_map(|tag| match tag {
            _ if tag.starts_with(b"Version>") => Some(true),
            _ if tag.starts_with(b"DeleteMarker>") => Some(false),
            _ => None,
        });
        tags.collect()
    }
}

impl Intercept for ResponseOrder {
    fn name(&self) -> &'static str {
        "Order"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let order = context.response().body().bytes().map(Self::of).unwrap_or_default();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = order;
        Ok(())
    }
}

#[async_trait]
impl Lake for AsOfLake {
    fn address(&self) -> String {
        self.s3.address()
    }

    fn identity(&self) -> String {
        self.s3.identity()
    }

    async fn list(&self, prefix: &str, depth: Depth, after: Option<&str>) -> Result<ListPage, Error> {
        let after: Option<VersionCursor> = after
            .map(|after| serde_json::from_str(after).map_err(|e| self.s3.error(prefix, Reason::Other, e.to_string())))
            .transpose()?;
        self.s3.with_retry(|_| self.list_once(prefix, depth, after.as_ref())).await
    }

    async fn get(&self, key: &str) -> Result<Bytes, Error> {
        let mut after = None;
        loop {
            // The key's own versions come before those of any longer key.
            let page = self.list(key, Depth::Recursive, after.as_deref()).await?;
            match page.objects.first() {
                Some(first) if first.key == key => return self.s3.get_wanted(GetTarget::listed(first)).await,
                None if page.next.is_some() => after = page.next,
                _ => return Err(Error::new(Reason::NotFound, key, "no such object then")),
            }
        }
    }

    async fn get_many(&self, listed: &[&ObjectMeta]) -> Vec<Result<Bytes, Error>> {
        let mut bodies = Vec::with_capacity(listed.len());
        for meta in listed {
            bodies.push(match &meta.version {
                Some(_) => self.s3.get_wanted(GetTarget::listed(meta)).await,
                None => self.get(&meta.key).await,
            });
        }
        bodies
    }

    fn read_hints(&self) -> ReadHints {
        self.s3.read_hints()
    }

    fn throttle_stats(&self) -> ThrottleStats {
        self.s3.throttle_stats()
    }

    async fn put_new(&self, key: &str, _: Bytes) -> Result<PutResult, Error> {
        Err(Error::new(Reason::ReadOnly, key, "the lake as it was can be read only"))
    }

    fn conditions(&self) -> Conditions {
        self.s3.conditions()
    }

    async fn clock(&self) -> Result<DateTime<Utc>, Error> {
        self.s3.clock().await
    }

    fn clock_precision(&self) -> TimeDelta {
        self.s3.clock_precision()
    }

    async fn as_of(&self, at: DateTime<Utc>) -> Result<Arc<dyn Lake>, Error> {
        Ok(Arc::new(Self { at: end_of_second(at).min(self.at), ..self.clone() }))
    }

    fn sibling(&self, name: &str) -> Arc<dyn Lake> {
        Arc::new(Self { s3: self.s3.sibling(name), at: self.at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_without_a_fraction_is_the_end_of_its_second() {
        let at = |text: &str| end_of_second(text.parse().unwrap()).to_rfc3339();
        assert_eq!(at("2026-03-01T12:00:00Z"), "2026-03-01T12:00:00.999999999+00:00");
        assert_eq!(at("2026-03-01T12:00:00.25Z"), "2026-03-01T12:00:00.250+00:00");
    }

    #[test]
    fn the_order_of_the_response_decides_within_a_second() {
        let xml = b"<R><VersionIdMarker/><DeleteMarker><VersionId>1</VersionId></DeleteMarker><Version/><Version></R>";
        assert_eq!(ResponseOrder::of(xml), [false, true]);
        let at = Stamp::from_secs(1_700_000_000);
        let object = |id: &str| ObjectVersion::builder().key("k").version_id(id).last_modified(at).build();
        let marker = DeleteMarkerEntry::builder().key("k").last_modified(at).build();
        let listed = |order: &[bool]| {
            let listed = ListObjectVersionsOutput::builder().versions(object("1")).delete_markers(marker.clone());
            matches!(by_key(&listed.build(), order)["k"][0], VersionEntry::Object(_))
        };
        assert!(listed(&[true, false]) && !listed(&[false, true]));
    }
}
