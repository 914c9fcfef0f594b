//! What a message comes to in the counts, each message in exactly one of them.

use std::collections::HashSet;

use super::{Meaning, Verdict};

/// What a message came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageOutcome {
    /// It brought a new object, a new row, or both.
    Processed,
    /// All of it was there before.
    Duplicate,
    /// It can never be processed, and is kept in the quarantine.
    Quarantined,
    /// It is in the lake, but a column of the table refuses one of its values; another try cannot help.
    RowRefused,
    /// A store failed; it has to come again.
    Failed,
}

impl MessageOutcome {
    /// Its name in logs: `processed`, `duplicate`, `quarantined`, `refused`, `failed`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Processed => "processed",
            Self::Duplicate => "duplicate",
            Self::Quarantined => "quarantined",
            Self::RowRefused => "refused",
            Self::Failed => "failed",
        }
    }

    /// The fates of the messages of one batch, in their order.
    ///
    /// Within a batch the same reading may be written by one message and inserted by its twin: however they shared the
    /// work, one of them counts as processed and the others as duplicates.
    pub fn classify(verdicts: &[Verdict]) -> Vec<Self> {
        let mut fresh: HashSet<&str> = verdicts.iter().filter_map(new_reading_id).collect();
        let outcomes = verdicts.iter().map(|verdict| Self::with(verdict, |id| fresh.remove(id)));
        outcomes.collect()
    }

    /// The fate of a message on its own.
    pub fn alone(verdict: &Verdict) -> Self {
        Self::with(verdict, |_| !verdict.is_duplicate())
    }

    fn with(verdict: &Verdict, mut is_fresh: impl FnMut(&str) -> bool) -> Self {
        match verdict.meaning() {
            Meaning::Stored { id } | Meaning::Conflicting { id, .. } if is_fresh(id) => Self::Processed,
            Meaning::Stored { .. } | Meaning::Conflicting { .. } => Self::Duplicate,
            Meaning::RowRefused { .. } => Self::RowRefused,
            Meaning::Quarantined { .. } => Self::Quarantined,
            Meaning::Failed(_) => Self::Failed,
        }
    }
}

/// The id of the reading to which this message brought something new.
fn new_reading_id(verdict: &Verdict) -> Option<&str> {
    match verdict.meaning() {
        Meaning::Stored { id } | Meaning::Conflicting { id, .. } if !verdict.is_duplicate() => Some(id),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::PutResult;
    use crate::warehouse::LoadResult;

    fn stored(id: &str, object: PutResult, row: LoadResult) -> Verdict {
        Verdict::Stored { id: id.into(), object, row }
    }

    #[test]
    fn twins_that_share_the_work_count_once() {
        let verdicts = [
            stored("a", PutResult::AlreadyExists, LoadResult::Inserted),
            stored("a", PutResult::Created, LoadResult::Identical),
            stored("b", PutResult::AlreadyExists, LoadResult::Identical),
            stored("c", PutResult::Created, LoadResult::Refused("too long".into())),
        ];
        assert_eq!(
            MessageOutcome::classify(&verdicts),
            [
                MessageOutcome::Processed,
                MessageOutcome::Duplicate,
                MessageOutcome::Duplicate,
                MessageOutcome::RowRefused
            ]
        );
    }
}
