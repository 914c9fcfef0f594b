//! A bucket as it was at a time: of each key the newest version that was there, unless that is a delete marker.
//!
//! S3 tells times in whole seconds, and a listing names versions and markers apart. Where a version and a marker share
//! their second and neither is the latest, which came first is not known, and the version counts.

use std::cmp::Reverse;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_s3::operation::list_object_versions::ListObjectVersionsOutput;
use aws_sdk_s3::types::{EncodingType, OptionalObjectAttributes};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use percent_encoding::percent_decode_str;

use super::S3;
use crate::lake::{Class, Depth, Error, Lake, Meta, Page, Pressure, Put, Reason};

/// A bucket at a time.
#[derive(Debug, Clone)]
struct AsOf {
    s3: S3,
    at: DateTime<Utc>,
}

/// Where a listing goes on: the store's two markers, and whether the first one's key is settled.
type Cursor = (String, Option<String>, bool);

/// A version or a delete marker.
struct Entry {
    key: String,
    at: DateTime<Utc>,
    latest: bool,
    /// `None` for a marker.
    object: Option<Meta>,
}

/// Opens the bucket at that time.
pub(super) async fn open(s3: &S3, at: DateTime<Utc>) -> Result<Arc<dyn Lake>, Error> {
    let versioned = s3.tried(|_| async {
        let asked = s3.client.get_bucket_versioning().bucket(&s3.bucket).send().await;
        Ok(asked.map_err(|e| s3.failure("", &e))?.status().is_some())
    });
    if !versioned.await? {
        let message = format!(
            "the bucket {:?} keeps no versions, so it cannot be read as of {}: versioning was never enabled",
            s3.bucket,
            at.to_rfc3339()
        );
        return Err(s3.error("", Reason::ReadOnly, message));
    }
    Ok(Arc::new(AsOf { s3: s3.clone(), at }))
}

impl AsOf {
    async fn page(&self, prefix: &str, depth: Depth, after: Option<&Cursor>) -> Result<Page, Error> {
        let s3 = &self.s3;
        let listed = s3
            .client
            .list_object_versions()
            .bucket(&s3.bucket)
            .prefix(format!("{}{prefix}", s3.prefix))
            .set_delimiter((depth == Depth::Folders).then(|| "/".to_owned()))
            .set_key_marker(after.map(|(key, ..)| key.clone()))
            .set_version_id_marker(after.and_then(|(_, version, _)| version.clone()))
            .encoding_type(EncodingType::Url)
            .optional_object_attributes(OptionalObjectAttributes::RestoreStatus)
            .send()
            .await
            .map_err(|e| s3.failure(prefix, &e))?;
        let settled = after.filter(|(_, _, settled)| *settled).map(|(key, ..)| key.as_str());
        let (objects, last) = self.choose(self.entries(&listed), settled);
        let next = listed.next_key_marker().filter(|_| listed.is_truncated() == Some(true)).map(|marker| {
            let key = percent_decode_str(&marker.replace('+', "%20")).decode_utf8_lossy().into_owned();
            let settled = last.as_ref() == Some(&key) || settled == Some(key.as_str());
            let cursor: Cursor = (key, listed.next_version_id_marker().map(str::to_owned), settled);
            serde_json::to_string(&cursor).map_err(|e| s3.error(prefix, Reason::Other, e.to_string()))
        });
        let folders = listed.common_prefixes().iter().filter_map(|folder| s3.below(folder.prefix()));
        Ok(Page { objects, folders: folders.collect(), next: next.transpose()? })
    }

    /// What a page names, by key and then the newest first.
    fn entries(&self, listed: &ListObjectVersionsOutput) -> Vec<Entry> {
        let time = |at: Option<&aws_sdk_s3::primitives::DateTime>| {
            at.and_then(|at| DateTime::from_timestamp(at.secs(), at.subsec_nanos())).unwrap_or(DateTime::UNIX_EPOCH)
        };
        let objects = listed.versions().iter().filter_map(|version| {
            let key = self.s3.below(version.key())?;
            let class = version.storage_class().map_or_else(Class::default, |class| Class::of(class.as_str()));
            let restored = version.restore_status().is_some_and(|status| status.restore_expiry_date().is_some());
            let at = time(version.last_modified());
            let object = Meta {
                key: key.clone(),
                size: version.size().unwrap_or_default().unsigned_abs(),
                etag: version.e_tag().unwrap_or_default().trim_matches('"').to_owned(),
                last_modified: at,
                archived: class.is_archive() && !restored,
                class,
                restored,
                version: version.version_id().map(str::to_owned),
            };
            Some(Entry { key, at, latest: version.is_latest() == Some(true), object: Some(object) })
        });
        let markers = listed.delete_markers().iter().filter_map(|marker| {
            let latest = marker.is_latest() == Some(true);
            Some(Entry { key: self.s3.below(marker.key())?, at: time(marker.last_modified()), latest, object: None })
        });
        let mut entries: Vec<Entry> = objects.chain(markers).collect();
        // Stable: of several versions within a second, the store's order stays, which is the newest first.
        entries.sort_by(|a, b| {
            let rank = |e: &Entry| (Reverse(e.at), Reverse(e.latest), e.object.is_none());
            a.key.cmp(&b.key).then_with(|| rank(a).cmp(&rank(b)))
        });
        entries
    }

    /// The objects that were there, and the last key (with the prefix) that is settled.
    fn choose(&self, entries: Vec<Entry>, settled: Option<&str>) -> (Vec<Meta>, Option<String>) {
        let mut settled = settled.and_then(|key| key.strip_prefix(&self.s3.prefix)).map(str::to_owned);
        let mut objects = Vec::new();
        for entry in entries {
            if entry.at > self.at || settled.as_ref() == Some(&entry.key) {
                continue;
            }
            settled = Some(entry.key);
            objects.extend(entry.object);
        }
        let last = settled.map(|key| format!("{}{key}", self.s3.prefix));
        (objects, last)
    }

    /// The version of a key that was there.
    async fn find(&self, key: &str) -> Result<Meta, Error> {
        let mut after = None;
        loop {
            let page = self.list(key, Depth::Everything, after.as_deref()).await?;
            // It is the first of those that begin with it.
            match page.objects.into_iter().next() {
                Some(object) if object.key == key => return Ok(object),
                None if page.next.is_some() => after = page.next,
                _ => return Err(self.s3.error(key, Reason::NotFound, format!("no such object at {}", self.at))),
            }
        }
    }
}

#[async_trait]
impl Lake for AsOf {
    fn address(&self) -> String {
        format!("{} as of {}", self.s3.address(), self.at.to_rfc3339())
    }

    async fn list(&self, prefix: &str, depth: Depth, after: Option<&str>) -> Result<Page, Error> {
        let cursor: Option<Cursor> = match after.map(serde_json::from_str).transpose() {
            Ok(cursor) => cursor,
            Err(e) => return Err(self.s3.error(prefix, Reason::Other, format!("no place in this listing: {e}"))),
        };
        self.s3.tried(|_| self.page(prefix, depth, cursor.as_ref())).await
    }

    async fn get(&self, key: &str) -> Result<Bytes, Error> {
        let meta = self.find(key).await?;
        self.get_listed(&meta).await
    }

    async fn get_listed(&self, meta: &Meta) -> Result<Bytes, Error> {
        self.s3.get_version(&meta.key, meta.version.as_deref()).await
    }

    async fn as_of(&self, at: DateTime<Utc>) -> Result<Arc<dyn Lake>, Error> {
        Ok(Arc::new(Self { at: at.min(self.at), ..self.clone() }))
    }

    fn pressure(&self) -> Pressure {
        self.s3.pressure()
    }

    async fn put_new(&self, key: &str, _: Bytes) -> Result<Put, Error> {
        Err(self.s3.error(key, Reason::ReadOnly, "a lake as of a time is read only"))
    }

    async fn clock(&self) -> Result<DateTime<Utc>, Error> {
        self.s3.clock().await
    }

    fn beside(&self, name: &str) -> Arc<dyn Lake> {
        self.s3.beside(name)
    }
}
