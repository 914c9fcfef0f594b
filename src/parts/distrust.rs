//! Reasons not to trust a part.

use pipeline::lake::{Error, Reason};

/// Reason not to trust a part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// It was replaced while it was read.
    #[error("it was replaced while it was read")]
    Replaced,
    /// It could not be read.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// It is not what was written.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// It belongs to another lake.
    #[error("it belongs to another lake: {0}")]
    OtherLake(String),
    /// It was copied from another place in this folder.
    #[error("it is {0}, copied to another place")]
    OtherSpan(String),
    /// It has another version of the format.
    #[error("it has format {0}, which this version does not read: `ruminate compact` writes it again")]
    OtherFormat(u32),
    /// It has the format of a newer version, which this one cannot write.
    #[error("it has format {0} of a newer version: use that version")]
    NewerFormat(u32),
    /// The store lists no ETag for it, so it cannot be noticed that it was replaced.
    #[error("the store lists no ETag for it")]
    NoEtag,
    /// It has the columns of another version.
    #[error("it was written by a version with other columns: `ruminate compact` writes it again")]
    OtherColumns,
    /// Its records were read by other rules, and it has no original objects.
    #[error("its records follow other parsing rules ({0}), and it has no bodies: `ruminate compact` writes it again")]
    OtherRules(String),
}

impl Distrust {
    /// Returns true if nothing is known about the part, because the store or the disk failed.
    pub const fn is_failure(&self) -> bool {
        matches!(self, Self::Unreadable(_))
    }

    /// Returns true if the part belongs to this lake and place, and to no newer version, so that a compaction may replace it.
    pub const fn is_replaceable(&self) -> bool {
        let stays = matches!(self, Self::OtherLake(_) | Self::OtherSpan(_) | Self::NewerFormat(_) | Self::NoEtag);
        !stays && !self.is_failure()
    }
}

impl From<Error> for Distrust {
    fn from(e: Error) -> Self {
        if e.reason == Reason::NotFound { Self::Replaced } else { Self::Unreadable(e.to_string()) }
    }
}

impl From<std::io::Error> for Distrust {
    fn from(e: std::io::Error) -> Self {
        Self::Unreadable(format!("no temporary file for it: {e}"))
    }
}
