//! Record ids: their order, their version, and the time at the start of ids of versions 7 and 8.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// A record id, ordered as in a primary key: canonical UUIDs first, then all other texts by character.
///
/// A canonical UUID is in lower case with hyphens; only its 16 bytes are stored. Legacy lakes and manually written rows
/// may use any other text as an id, which is stored unchanged.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordId {
    /// A canonical UUID.
    Uuid([u8; 16]),
    /// Any other text; the server's order for it depends on the collation.
    Other(String),
}

impl RecordId {
    /// Creates an id from its text.
    pub fn new(text: &str) -> Self {
        let hyphen = |at| matches!(at, 8 | 13 | 18 | 23);
        let is_canonical = |(at, b)| if hyphen(at) { b == b'-' } else { matches!(b, b'0'..=b'9' | b'a'..=b'f') };
        let canonical = text.len() == 36 && text.bytes().enumerate().all(is_canonical);
        match Uuid::try_parse(text) {
            Ok(uuid) if canonical => Self::Uuid(uuid.into_bytes()),
            _ => Self::Other(text.to_owned()),
        }
    }

    /// Returns true if the id is not a canonical UUID.
    pub const fn is_other(&self) -> bool {
        matches!(self, Self::Other(_))
    }

    /// Returns true if the id is a UUID of version 8, in any spelling. Only the intake of this toolkit creates these.
    pub fn is_made_here(&self) -> bool {
        self.uuid().is_some_and(|uuid| uuid.get_version_num() == 8)
    }

    /// Returns the time of a canonical id of version 7 or 8, to the millisecond; `None` for all other ids.
    ///
    /// Ids in other spellings have no time, because their sort order is not chronological.
    pub fn time(&self) -> Option<DateTime<Utc>> {
        let Self::Uuid(bytes) = self else { return None };
        millis(Uuid::from_bytes(*bytes), &[7, 8]).and_then(DateTime::from_timestamp_millis)
    }

    /// Returns the UTC day of [`time`](Self::time); `None` if the id has no time.
    pub fn day(&self) -> Option<NaiveDate> {
        self.time().map(|at| at.date_naive())
    }

    /// Returns the time of `data` in a version 8 id, in any spelling, in Unix milliseconds; `None` for other ids.
    pub fn data_millis(&self) -> Option<i64> {
        self.uuid().and_then(|uuid| millis(uuid, &[8]))
    }

    /// Returns the id's text.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Uuid(bytes) => Cow::Owned(Uuid::from_bytes(*bytes).hyphenated().to_string()),
            Self::Other(text) => Cow::Borrowed(text),
        }
    }

    fn uuid(&self) -> Option<Uuid> {
        match self {
            Self::Uuid(bytes) => Some(Uuid::from_bytes(*bytes)),
            Self::Other(text) => Uuid::try_parse(text).ok(),
        }
    }
}

/// Returns the first 48 bits of a UUID (Unix milliseconds), or `None` if its version is not in `versions`.
fn millis(id: Uuid, versions: &[usize]) -> Option<i64> {
    let millis = i64::try_from(id.as_u128() >> 80).ok();
    millis.filter(|_| versions.contains(&id.get_version_num()))
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// Binary encoding of an id. Human-readable formats use the text.
#[derive(Serialize, Deserialize)]
enum Encoded<'a> {
    Uuid([u8; 16]),
    Other(Cow<'a, str>),
}

impl Serialize for RecordId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            _ if serializer.is_human_readable() => serializer.collect_str(self),
            Self::Uuid(bytes) => Encoded::Uuid(*bytes).serialize(serializer),
            Self::Other(text) => Encoded::Other(Cow::Borrowed(text)).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for RecordId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return Ok(Self::new(&String::deserialize(deserializer)?));
        }
        Ok(match Encoded::deserialize(deserializer)? {
            Encoded::Uuid(bytes) => Self::Uuid(bytes),
            Encoded::Other(text) => Self::Other(text.into_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_8_id_has_a_version_time_and_text() {
        let text = "01856aa0-c800-883a-837a-29fe66bbec99"; // 2023-01-01 in docs/ids.md
        let id = RecordId::new(text);
        assert!(id.is_made_here() && !id.is_other());
        assert_eq!((id.day(), id.data_millis()), ("2023-01-01".parse().ok(), Some(1_672_531_200_000)));
        assert_eq!((id.to_string().as_str(), serde_json::to_value(&id).unwrap()), (text, text.into()));
        let random = RecordId::new("01856aa0-c800-483a-837a-29fe66bbec99");
        assert!(!random.is_made_here() && random.time().is_none() && random.data_millis().is_none());
        let seven = RecordId::new("01856aa0-c800-783a-837a-29fe66bbec99");
        assert!(!seven.is_made_here() && seven.time() == id.time() && seven.data_millis().is_none());
    }

    #[test]
    fn an_id_in_another_spelling_is_unchanged_sorted_last_and_still_recognized_as_version_8() {
        let upper = RecordId::new("01856AA0-C800-883A-837A-29FE66BBEC99");
        assert!(upper.is_other() && upper.is_made_here() && upper.time().is_none());
        assert_eq!(upper.data_millis(), Some(1_672_531_200_000));
        assert!(RecordId::new("ffffffff-ffff-4fff-bfff-ffffffffffff") < upper && upper < RecordId::new("x"));
        assert!(!RecordId::new("x").is_made_here(), "a text that is no UUID");
    }
}
