//! An object as a listing shows it, and the classes in which stores keep objects.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, Utc};

/// An object as a listing shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Meta {
    /// The key below the lake's prefix.
    pub key: String,
    /// Size in bytes.
    pub size: u64,
    /// The change token of this version of the object; not a content hash.
    pub etag: String,
    /// When the store took it in, by the store's clock.
    pub last_modified: DateTime<Utc>,
    /// In an archive class and not restored: it cannot be read now.
    pub archived: bool,
    /// Where the store keeps it.
    pub class: Class,
    /// A copy of an archived object can be read for now.
    pub restored: bool,
    /// Which version of the object is meant, where not the newest is.
    pub version: Option<String>,
}

/// A storage class by the store's own name, such as `STANDARD` or `GLACIER`; cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Class(Cow<'static, str>);

impl Class {
    /// Classes of S3 that are met often: no memory is taken for their names.
    const KNOWN: [&'static str; 8] = [
        "STANDARD",
        "STANDARD_IA",
        "ONEZONE_IA",
        "INTELLIGENT_TIERING",
        "GLACIER_IR",
        "GLACIER",
        "DEEP_ARCHIVE",
        "REDUCED_REDUNDANCY",
    ];

    /// The class of that name.
    pub fn of(name: &str) -> Self {
        match Self::KNOWN.iter().find(|known| **known == name) {
            Some(known) => Self(Cow::Borrowed(known)),
            None => Self(Cow::Owned(name.to_owned())),
        }
    }

    /// The store's name of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether objects of this class must be restored before they are read. What `INTELLIGENT_TIERING` has archived
    /// shows only when it is read.
    pub fn is_archive(&self) -> bool {
        matches!(self.as_str(), "GLACIER" | "DEEP_ARCHIVE")
    }
}

impl Default for Class {
    fn default() -> Self {
        Self(Cow::Borrowed(Self::KNOWN[0]))
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_keeps_its_name_and_only_archives_must_be_restored() {
        for name in Class::KNOWN.into_iter().chain(["SNOW", "OUTPOSTS"]) {
            assert_eq!(Class::of(name).to_string(), name);
            assert_eq!(Class::of(name).is_archive(), ["GLACIER", "DEEP_ARCHIVE"].contains(&name), "{name}");
        }
        assert_eq!(Class::default().as_str(), "STANDARD");
    }
}
