//! A stored object: bytes, ETag, time, storage class and restore state. `store` contains the objects.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use md5::{Digest, Md5};

/// One object; cheap to clone, the bytes are shared.
#[derive(Debug, Clone)]
pub struct Object {
    /// The content.
    pub bytes: Bytes,
    /// MD5 of the content, which S3 shows in hexadecimal as the ETag of a simple PUT.
    pub md5: [u8; 16],
    /// Write time; the protocol has whole seconds.
    pub last_modified: SystemTime,
    /// Storage class.
    pub storage_class: StorageClass,
    /// Restore state of an archived object.
    pub restore: Restore,
    /// Content type from the writer, if any.
    pub described: Option<Arc<Described>>,
}

/// Headers from the writer, returned with every read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Described {
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `x-amz-meta-*`, without the prefix.
    pub metadata: HashMap<String, String>,
}

impl Object {
    /// Returns a standard object written now.
    pub fn new(bytes: Bytes) -> Self {
        Object {
            md5: Md5::digest(&bytes).into(),
            bytes,
            last_modified: SystemTime::now(),
            storage_class: StorageClass::Standard,
            restore: Restore::None,
            described: None,
        }
    }

    /// Returns the ETag without its quotes: 32 hexadecimal digits.
    pub fn etag(&self) -> String {
        pipeline::hex::hex(&self.md5)
    }

    /// Returns true if GET is rejected with InvalidObjectState.
    pub fn is_unreadable(&self) -> bool {
        self.storage_class.is_archived() && !matches!(self.restore, Restore::Until(_))
    }
}

/// Storage classes that a lake may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StorageClass {
    /// The default, which listings show but HEAD and GET do not.
    #[default]
    Standard,
    /// Infrequent access.
    StandardIa,
    /// Infrequent access in one zone.
    OnezoneIa,
    /// Moves automatically between tiers, all readable here.
    IntelligentTiering,
    /// Archived, but immediately readable.
    GlacierIr,
    /// Archived: unreadable until restored.
    Glacier,
    /// Deep archive: unreadable until restored.
    DeepArchive,
}

impl StorageClass {
    const ALL: [StorageClass; 7] = [
        StorageClass::Standard,
        StorageClass::StandardIa,
        StorageClass::OnezoneIa,
        StorageClass::IntelligentTiering,
        StorageClass::GlacierIr,
        StorageClass::Glacier,
        StorageClass::DeepArchive,
    ];

    /// Returns the name in the protocol.
    pub fn as_str(self) -> &'static str {
        match self {
            StorageClass::Standard => "STANDARD",
            StorageClass::StandardIa => "STANDARD_IA",
            StorageClass::OnezoneIa => "ONEZONE_IA",
            StorageClass::IntelligentTiering => "INTELLIGENT_TIERING",
            StorageClass::GlacierIr => "GLACIER_IR",
            StorageClass::Glacier => "GLACIER",
            StorageClass::DeepArchive => "DEEP_ARCHIVE",
        }
    }

    /// Returns the class with a name, if it is one of these.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == name)
    }

    /// Returns true if an object of this class must be restored before it is read.
    pub fn is_archived(self) -> bool {
        matches!(self, StorageClass::Glacier | StorageClass::DeepArchive)
    }
}

/// The state of an archived object's restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Restore {
    /// Not requested.
    #[default]
    None,
    /// Requested, but not complete: still unreadable.
    InProgress,
    /// Readable until this time. The server does not check the clock: the object stays readable until a test changes
    /// this.
    Until(SystemTime),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_etag_is_the_md5_of_the_bytes() {
        assert_eq!(Object::new(Bytes::from_static(b"hello")).etag(), "5d41402abc4b2a76b9719d911017c592");
        assert_eq!(Object::new(Bytes::new()).etag(), "d41d8cd98f00b204e9800998ecf8427e");
    }

    #[test]
    fn only_an_archived_object_that_was_not_restored_is_unreadable() {
        let mut object = Object::new(Bytes::new());
        for (class, restore, unreadable) in [
            (StorageClass::Standard, Restore::None, false),
            (StorageClass::GlacierIr, Restore::None, false),
            (StorageClass::Glacier, Restore::None, true),
            (StorageClass::DeepArchive, Restore::InProgress, true),
            (StorageClass::DeepArchive, Restore::Until(SystemTime::now()), false),
        ] {
            (object.storage_class, object.restore) = (class, restore);
            assert_eq!(object.is_unreadable(), unreadable, "{class:?} {restore:?}");
            assert_eq!(StorageClass::parse(class.as_str()), Some(class));
        }
    }
}
