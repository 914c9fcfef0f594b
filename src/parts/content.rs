//! Content of an object after parsing: a record, or the reason why there is none.

use pipeline::record::Record;

/// Prefix of the reason of an object that is not JSON. No rejection of a record starts with it.
const UNREADABLE: &str = "unreadable: ";

/// Content of an object.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// A record.
    Record(Box<Record>),
    /// JSON, but not a valid record, with the reason.
    Rejected(String),
    /// Not JSON, with the reason.
    Unreadable(String),
}

impl Content {
    /// Parses the bytes of an object.
    pub fn parse(body: &[u8]) -> Self {
        match Record::parse(body) {
            Ok(record) => Self::Record(Box::new(record)),
            Err(why) if why.is_unreadable() => Self::Unreadable(why.to_string()),
            Err(why) => Self::Rejected(why.to_string()),
        }
    }

    /// Returns true if the object holds a record.
    pub const fn is_record(&self) -> bool {
        matches!(self, Self::Record(_))
    }

    /// Returns the mark of a repair of a record; `None` if it has none.
    pub(super) fn repaired_id(&self) -> Option<&str> {
        match self {
            Self::Record(record) => record.repaired_id.as_deref(),
            _ => None,
        }
    }

    /// Returns the text of the column `rejeitado`; `None` for a record.
    pub(super) fn rejection(&self) -> Option<String> {
        match self {
            Self::Record(_) => None,
            Self::Rejected(why) => Some(why.clone()),
            Self::Unreadable(why) => Some(format!("{UNREADABLE}{why}")),
        }
    }

    /// Returns the content of a row that has a text in the column `rejeitado`.
    pub(super) fn of_rejection(text: &str) -> Self {
        match text.strip_prefix(UNREADABLE) {
            Some(why) => Self::Unreadable(why.to_owned()),
            None => Self::Rejected(text.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejections_come_back_from_their_text() {
        let bodies: [&[u8]; 6] = [b"", b"{", b"\xff", b"[]", b"{}", b"null"];
        for body in bodies {
            let content = Content::parse(body);
            let text = content.rejection().unwrap();
            assert_eq!(Content::of_rejection(&text), content, "{text}");
            assert_eq!(text.starts_with(UNREADABLE), matches!(content, Content::Unreadable(_)));
        }
    }
}
