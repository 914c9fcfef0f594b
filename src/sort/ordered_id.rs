//! Ids in the order of the merge, in 16 bytes if they are plain UUIDs.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use super::SortOrder;

/// An id in the order of the merge: plain UUIDs first, in the order of every server, then all others by their
/// characters.
///
/// A plain UUID is lower case with hyphens; only its 16 bytes are stored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum OrderedId {
    /// A plain UUID.
    Uuid([u8; 16]),
    /// Any other id; servers sort it by their collation.
    Other(String),
}

impl OrderedId {
    pub(crate) fn new(id: &str) -> Self {
        let hyphen = |at| matches!(at, 8 | 13 | 18 | 23);
        let plain = id.len() == 36
            && id
                .bytes()
                .enumerate()
                .all(|(at, b)| if hyphen(at) { b == b'-' } else { matches!(b, b'0'..=b'9' | b'a'..=b'f') });
        match Uuid::try_parse(id) {
            Ok(uuid) if plain => Self::Uuid(uuid.into_bytes()),
            _ => Self::Other(id.to_owned()),
        }
    }

    pub(crate) const fn is_other(&self) -> bool {
        matches!(self, Self::Other(_))
    }

    /// Returns the id as text.
    pub(crate) fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Uuid(bytes) => Cow::Owned(Uuid::from_bytes(*bytes).hyphenated().to_string()),
            Self::Other(id) => Cow::Borrowed(id),
        }
    }
}

impl fmt::Display for OrderedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// An id on disk; human-readable formats use its text.
#[derive(Serialize, Deserialize)]
enum EncodedId<'a> {
    Plain([u8; 16]),
    Text(Cow<'a, str>),
}

impl Serialize for OrderedId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            _ if serializer.is_human_readable() => serializer.collect_str(self),
            Self::Uuid(bytes) => EncodedId::Plain(*bytes).serialize(serializer),
            Self::Other(id) => EncodedId::Text(Cow::Borrowed(id)).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for OrderedId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return Ok(Self::new(&String::deserialize(deserializer)?));
        }
        Ok(match EncodedId::deserialize(deserializer)? {
            EncodedId::Plain(bytes) => Self::Uuid(bytes),
            EncodedId::Text(id) => Self::Other(id.into_owned()),
        })
    }
}

impl SortOrder for OrderedId {
    fn compare(&self, other: &Self) -> Ordering {
        self.cmp(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_uuids_come_before_all_others() {
        let plain = OrderedId::new("ffffffff-ffff-8fff-bfff-ffffffffffff");
        for other in ["", "1", "0FFFFFFF-FFFF-8FFF-BFFF-FFFFFFFFFFFF", "00000000-0000-0000-0000-00000000000 "] {
            assert!(plain < OrderedId::new(other), "{other}");
        }
    }

    #[test]
    fn an_id_survives_a_round_trip_in_every_format() {
        for text in ["01856aa0-c800-883a-837a-29fe66bbec99", "01856AA0-C800-883A-837A-29FE66BBEC99", "x ", ""] {
            let id = OrderedId::new(text);
            assert_eq!((id.text().as_ref(), id.is_other()), (text, !text.starts_with("01856a")));
            let encoded = postcard::to_stdvec(&id).unwrap();
            assert_eq!(postcard::from_bytes::<OrderedId>(&encoded).unwrap(), id);
            let json = serde_json::to_string(&id).unwrap();
            assert_eq!(json, format!("{text:?}"));
            assert_eq!(serde_json::from_str::<OrderedId>(&json).unwrap(), id);
        }
        let plain = OrderedId::new("01856aa0-c800-883a-837a-29fe66bbec99");
        assert_eq!(postcard::to_stdvec(&plain).unwrap().len(), 17);
    }
}
