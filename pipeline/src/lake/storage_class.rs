//! Storage classes of objects, by their names in S3, and which of them are archives. A store with other names adds its
//! archives to `is_archive`.

use std::borrow::Cow;
use std::fmt;

/// A storage class, by the store's name for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StorageClass(Cow<'static, str>);

impl StorageClass {
    /// Returns the class with a name; `None` or an empty name is `STANDARD`.
    pub fn of(name: Option<&str>) -> Self {
        const KNOWN: [&str; 8] = [
            "STANDARD",
            "STANDARD_IA",
            "ONEZONE_IA",
            "INTELLIGENT_TIERING",
            "GLACIER_IR",
            "GLACIER",
            "DEEP_ARCHIVE",
            "REDUCED_REDUNDANCY",
        ];
        let name = name.filter(|name| !name.is_empty()).unwrap_or(KNOWN[0]);
        Self(KNOWN.into_iter().find(|known| *known == name).map_or_else(|| Cow::Owned(name.to_owned()), Cow::Borrowed))
    }

    /// Returns the name of the class.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns true if objects of this class need a restore before they can be read.
    pub fn is_archive(&self) -> bool {
        matches!(self.as_str(), "GLACIER" | "DEEP_ARCHIVE")
    }
}

impl Default for StorageClass {
    fn default() -> Self {
        Self::of(None)
    }
}

impl fmt::Display for StorageClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
