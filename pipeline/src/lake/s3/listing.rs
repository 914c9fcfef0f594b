//! Listing of a prefix, one page per request, with checks of what the store reports about the page.
//!
//! Not every store and proxy follows the protocol. A page that may be incomplete is an error, never a shorter listing.

use std::collections::HashSet;

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::{EncodingType, Object, ObjectStorageClass, OptionalObjectAttributes};
use chrono::DateTime;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

use super::S3;
use super::response_end::ResponseEnd;
use crate::lake::{Depth, Error, ListPage, ObjectMeta, Reason, StorageClass};

mod pages_seen;

pub(super) use pages_seen::PagesSeen;

/// Number of entries per page of a store that does not report it.
const PAGE_ENTRIES: usize = 1_000;

/// Maximum number of consecutive pages without an entry. S3 returns some after many deleted keys.
const EMPTY_PAGES: u32 = 1_000;

/// Start of the next page of a listing.
#[derive(Debug, Serialize, Deserialize)]
struct ListCursor {
    token: String,
    /// The last object so far.
    object: Option<String>,
    /// The last folder so far.
    folder: Option<String>,
    seen: PagesSeen,
    /// Number of consecutive pages without an entry.
    #[serde(default)]
    empty: u32,
}

impl S3 {
    pub(super) async fn list_once(&self, prefix: &str, depth: Depth, after: Option<&str>) -> Result<ListPage, Error> {
        let after: Option<ListCursor> = after
            .map(|after| serde_json::from_str(after).map_err(|e| self.error(prefix, Reason::Other, e.to_string())))
            .transpose()?;
        let end = ResponseEnd::default();
        let listed = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(format!("{}{prefix}", self.prefix))
            .set_delimiter((depth == Depth::OneLevel).then(|| "/".to_owned()))
            .set_continuation_token(after.as_ref().map(|after| after.token.clone()))
            .encoding_type(EncodingType::Url)
            .optional_object_attributes(OptionalObjectAttributes::RestoreStatus)
            .customize()
            .interceptor(end.clone())
            .send()
            .await
            .map_err(|e| self.failure(prefix, &e))?;
        self.check_end(prefix, &end)?;
        let names = ListedNames { s3: self, prefix, encoded: listed.encoding_type() == Some(&EncodingType::Url) };
        let mut page = ListPage::default();
        for object in listed.contents() {
            page.objects.extend(names.relative(object.key())?.map(|key| describe(key, object)));
        }
        for folder in listed.common_prefixes() {
            page.folders.extend(names.relative(folder.prefix())?);
        }
        let next = self.next_token(prefix, &listed)?;
        let (objects, folders) = (page.objects.last().map(|it| it.key.clone()), page.folders.last().cloned());
        let before = after.as_ref().map(|after| (after.object.as_deref(), after.folder.as_deref()));
        drop_repeated(&mut page, before.unwrap_or_default());
        if let Some(token) = next {
            let seen =
                self.check_progress(prefix, after.as_ref().map(|after| after.seen), &fingerprint(&listed, &token))?;
            let empty = self.check_empty(prefix, &listed, after.as_ref().map_or(0, |after| after.empty))?;
            let (object, folder) = after.map_or((None, None), |after| (after.object, after.folder));
            let cursor = ListCursor { token, object: objects.or(object), folder: folders.or(folder), seen, empty };
            page.next = Some(serde_json::to_string(&cursor).expect("texts and numbers are JSON"));
        }
        Ok(page)
    }

    /// Returns the token of the next page; `None` if this is the last one.
    fn next_token(&self, prefix: &str, listed: &ListObjectsV2Output) -> Result<Option<String>, Error> {
        let token = listed.next_continuation_token().filter(|token| !token.is_empty());
        let entries = listed.contents().len() + listed.common_prefixes().len();
        let continues = continues(listed.is_truncated(), entries, listed.max_keys());
        match (listed.is_truncated(), token) {
            (Some(false), _) => Ok(None),
            (_, Some(token)) => Ok(Some(token.to_owned())),
            (_, None) if continues => Err(self.endless_page(prefix, "ListObjectsV2")),
            _ => Ok(None),
        }
    }

    /// Returns the error about a page that is not the last one and has no token.
    pub(super) fn endless_page(&self, prefix: &str, request: &str) -> Error {
        let message = format!(
            "the store reports that its listing continues, but not where, so the rest of it cannot be read: it does not \
             support {request}; update the store, or copy the objects to another one or to a directory"
        );
        self.error(prefix, Reason::Other, message)
    }

    /// Returns an error if a listing returns to an earlier page.
    pub(super) fn check_progress(
        &self,
        prefix: &str,
        seen: Option<PagesSeen>,
        page: &impl std::hash::Hash,
    ) -> Result<PagesSeen, Error> {
        seen.unwrap_or_default().next(page).ok_or_else(|| {
            let message = "the store repeats pages of its listing, which never ends: it ignores the continuation token; \
                           update the store, or copy the objects to another one or to a directory";
            self.error(prefix, Reason::Other, message)
        })
    }

    /// Returns the number of consecutive pages without an entry, or an error if there are too many.
    fn check_empty(&self, prefix: &str, listed: &ListObjectsV2Output, before: u32) -> Result<u32, Error> {
        let is_empty = listed.contents().is_empty() && listed.common_prefixes().is_empty();
        let empty = if is_empty { before + 1 } else { 0 };
        if empty > EMPTY_PAGES {
            let message = format!(
                "the store returned {EMPTY_PAGES} empty pages of its listing in succession, and more are to follow: its listing \
                 does not end; update the store, or copy the objects to another one or to a directory"
            );
            return Err(self.error(prefix, Reason::Other, message));
        }
        Ok(empty)
    }

    /// Returns an error, which is retried, if the response ended before its XML did.
    pub(super) fn check_end(&self, prefix: &str, end: &ResponseEnd) -> Result<(), Error> {
        if end.is_complete() {
            return Ok(());
        }
        Err(self.error(prefix, Reason::Network, "the response is truncated"))
    }
}

/// Returns true if a page without a token is not the last one, or may not be.
pub(super) fn continues(is_truncated: Option<bool>, entries: usize, max_entries: Option<i32>) -> bool {
    let max = max_entries.and_then(|max| usize::try_from(max).ok()).filter(|max| *max > 0).unwrap_or(PAGE_ENTRIES);
    is_truncated.unwrap_or(entries >= max)
}

/// Returns what identifies a page within its listing: its first and last entries, or its token if it is empty.
fn fingerprint<'a>(listed: &'a ListObjectsV2Output, token: &'a str) -> [Option<&'a str>; 4] {
    let (objects, folders) = (listed.contents(), listed.common_prefixes());
    if objects.is_empty() && folders.is_empty() {
        return [Some(token), None, None, None];
    }
    [
        objects.first().and_then(Object::key),
        objects.last().and_then(Object::key),
        folders.first().and_then(|folder| folder.prefix()),
        folders.last().and_then(|folder| folder.prefix()),
    ]
}

/// Conversion of the names in a listing to lake keys.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListedNames<'a> {
    pub s3: &'a S3,
    /// The requested prefix, below that of the lake.
    pub prefix: &'a str,
    /// True if the store confirms that it encoded the names.
    pub encoded: bool,
}

impl ListedNames<'_> {
    /// Returns the name without encoding.
    pub(super) fn plain(self, name: &str) -> String {
        if self.encoded || !self.is_requested(name) && self.is_requested(&decoded(name)) {
            decoded(name)
        } else {
            name.to_owned()
        }
    }

    /// Returns the key below the lake's prefix; `None` for the prefix itself.
    ///
    /// # Errors
    /// Returns an error if the name does not start with the requested prefix.
    pub(super) fn relative(self, name: Option<&str>) -> Result<Option<String>, Error> {
        let Some(name) = name else { return Ok(None) };
        let plain = self.plain(name);
        if !self.is_requested(&plain) {
            let message = format!("the store listed {plain:?}, which is not below the requested prefix");
            return Err(self.s3.error(self.prefix, Reason::Other, message));
        }
        Ok(plain.strip_prefix(&self.s3.prefix).filter(|key| !key.is_empty()).map(str::to_owned))
    }

    fn is_requested(self, name: &str) -> bool {
        name.strip_prefix(&self.s3.prefix).is_some_and(|key| key.starts_with(self.prefix))
    }
}

/// Decodes a name of `encoding-type=url`, which is encoded as in a form: a plus in a key arrives as %2B.
fn decoded(name: &str) -> String {
    percent_decode_str(&name.replace('+', "%20")).decode_utf8_lossy().into_owned()
}

fn describe(key: String, object: &Object) -> ObjectMeta {
    let modified = object.last_modified().and_then(|at| DateTime::from_timestamp(at.secs(), at.subsec_nanos()));
    let class = StorageClass::of(object.storage_class().map(ObjectStorageClass::as_str));
    // Uses the restore status and not only the class: a restored object is readable (s5cmd #206).
    let restored = object.restore_status().is_some_and(|status| status.restore_expiry_date().is_some());
    ObjectMeta {
        key,
        size: object.size().unwrap_or_default().unsigned_abs(),
        etag: object.e_tag().unwrap_or_default().trim_matches('"').to_owned(),
        last_modified: modified.unwrap_or(DateTime::UNIX_EPOCH),
        archived: class.is_archive() && !restored,
        class,
        restored,
        version: None,
    }
}

/// Removes objects and folders that the store lists again, within the page or as the last entries of earlier pages.
fn drop_repeated(page: &mut ListPage, before: (Option<&str>, Option<&str>)) {
    let entries = page.objects.len() + page.folders.len();
    retain_new(&mut page.objects, before.0, |object| &object.key);
    retain_new(&mut page.folders, before.1, |folder| folder);
    let repeated = entries - page.objects.len() - page.folders.len();
    if repeated > 0 {
        tracing::warn!("the store lists {repeated} names twice on one page; each is used once");
    }
}

fn retain_new<T>(entries: &mut Vec<T>, before: Option<&str>, name: impl Fn(&T) -> &str) {
    let is_ascending = entries.is_sorted_by(|a, b| name(a) < name(b));
    if is_ascending && entries.first().is_none_or(|first| Some(name(first)) != before) {
        return;
    }
    let mut seen: HashSet<String> = before.map(str::to_owned).into_iter().collect();
    entries.retain(|entry| seen.insert(name(entry).to_owned()));
}
