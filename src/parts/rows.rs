//! Rows of a part: an object's listing entry, its content, and its body.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::content::Content;
use pipeline::lake::ObjectMeta;
use pipeline::record::{Column, Field, Record};

/// An object as a row.
#[derive(Debug, Clone, PartialEq)]
pub struct PartRow {
    /// The key below the lake's prefix.
    pub key: String,
    /// The change token.
    pub etag: String,
    /// Size in bytes.
    pub size: u64,
    /// Time of the last write, truncated to microseconds.
    pub modified: DateTime<Utc>,
    /// The content.
    pub content: Content,
    /// The original bytes; `None` if the part has none.
    pub body: Option<Bytes>,
    /// Fields that are not columns, as a JSON object, if the part has no body; `None` if the object has none.
    pub extra: Option<String>,
}

impl PartRow {
    /// Creates the row of an object that was read.
    pub fn new(meta: ObjectMeta, content: Content, body: Bytes) -> Self {
        let ObjectMeta { key, etag, size, last_modified, .. } = meta;
        let modified = truncated(last_modified);
        Self { key, etag, size, modified, content, body: Some(body), extra: None }
    }

    /// Returns the row without its body, but with its fields that are not columns. An object without a record keeps its
    /// body.
    #[must_use]
    pub fn without_body(self) -> Self {
        if !self.content.is_record() {
            return self;
        }
        let extra = self.body.as_deref().map_or(self.extra, Record::unknown_members);
        Self { body: None, extra, ..self }
    }

    /// Returns the listing entry of the object.
    pub fn meta(&self) -> ObjectMeta {
        ObjectMeta {
            key: self.key.clone(),
            size: self.size,
            etag: self.etag.clone(),
            last_modified: self.modified,
            class: pipeline::lake::StorageClass::default(),
            restored: false,
            archived: false,
            version: None,
        }
    }
}

/// Returns a time with the precision of the column `modificado`.
pub(super) fn truncated(at: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(at.timestamp_micros()).unwrap_or(at)
}

/// Returns the hash of an object's `(key, etag, size)`.
pub(crate) fn hash_of_object(key: &str, etag: &str, size: u64) -> u128 {
    let mut hash = Xxh3::new();
    push(&mut hash, key.as_bytes());
    push(&mut hash, etag.as_bytes());
    hash.update(&size.to_le_bytes());
    hash.digest128()
}

/// Returns the hash of an object's key and content: its columns, or the reason why there are none.
///
/// Each value is one byte for its kind, followed by its bits in little-endian order, or by length and text.
pub(crate) fn hash_of_record(key: &str, content: &Content) -> u128 {
    let mut bytes = Vec::with_capacity(320);
    let text = |bytes: &mut Vec<u8>, kind: u8, text: &str| {
        bytes.push(kind);
        bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    };
    text(&mut bytes, 1, key);
    let record = match content {
        Content::Record(record) => record,
        Content::Rejected(why) => {
            text(&mut bytes, 6, why);
            return xxh3_128(&bytes);
        }
        Content::Unreadable(why) => {
            text(&mut bytes, 7, why);
            return xxh3_128(&bytes);
        }
    };
    for column in Column::ALL {
        match record.field(column) {
            Field::Absent => bytes.push(0),
            Field::Text(value) => text(&mut bytes, 1, value),
            Field::Weight(value) => {
                bytes.push(3);
                bytes.extend_from_slice(&value.to_bits().to_le_bytes());
            }
            Field::Count(value) => {
                bytes.push(4);
                bytes.extend_from_slice(&value.to_le_bytes());
            }
            Field::Instant(at) => {
                bytes.push(5);
                bytes.extend_from_slice(&at.timestamp_micros().to_le_bytes());
            }
        }
    }
    match &record.repaired_id {
        None => bytes.push(0),
        Some(id) => text(&mut bytes, 1, id),
    }
    xxh3_128(&bytes)
}

fn push(hash: &mut Xxh3, bytes: &[u8]) {
    hash.update(&(bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}
