//! Classification of messages for the counters; each message has exactly one outcome.

use std::collections::HashSet;

use super::{Meaning, Verdict};

/// Outcome of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageOutcome {
    /// A new object, a new row, or both were written.
    Processed,
    /// The object and the row already existed.
    Duplicate,
    /// The message can never be processed and is in the quarantine.
    Quarantined,
    /// The record is in the lake, but a column of the table rejects a value. A retry cannot help.
    RowRefused,
    /// A store failed; the message must be redelivered.
    Failed,
}

impl MessageOutcome {
    /// Returns the outcome's name in logs: `processed`, `duplicate`, `quarantined`, `refused`, `failed`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Processed => "processed",
            Self::Duplicate => "duplicate",
            Self::Quarantined => "quarantined",
            Self::RowRefused => "refused",
            Self::Failed => "failed",
        }
    }

    /// Classifies the messages of one batch, in order.
    ///
    /// If a batch repeats a reading, one copy may write the object and another the row. Regardless of that, one copy
    /// counts as processed and the others as duplicates.
    pub fn classify(verdicts: &[Verdict]) -> Vec<Self> {
        let mut fresh: HashSet<&str> = verdicts.iter().filter_map(new_reading_id).collect();
        let outcomes = verdicts.iter().map(|verdict| Self::with(verdict, |id| fresh.remove(id)));
        outcomes.collect()
    }

    /// Classifies a message independently of its batch.
    pub fn alone(verdict: &Verdict) -> Self {
        Self::with(verdict, |_| !verdict.is_duplicate())
    }

    fn with(verdict: &Verdict, mut is_fresh: impl FnMut(&str) -> bool) -> Self {
        match verdict.meaning() {
            Meaning::Stored { id } | Meaning::Unverifiable { id, .. } | Meaning::Conflicting { id, .. }
                if is_fresh(id) =>
            {
                Self::Processed
            }
            Meaning::Stored { .. } | Meaning::Unverifiable { .. } | Meaning::Conflicting { .. } => Self::Duplicate,
            Meaning::RowRefused { .. } => Self::RowRefused,
            Meaning::Quarantined { .. } => Self::Quarantined,
            Meaning::Failed(_) => Self::Failed,
        }
    }
}

/// Returns the id of the reading for which this message wrote an object or a row; `None` if it wrote nothing.
fn new_reading_id(verdict: &Verdict) -> Option<&str> {
    match verdict.meaning() {
        Meaning::Stored { id } | Meaning::Unverifiable { id, .. } | Meaning::Conflicting { id, .. }
            if !verdict.is_duplicate() =>
        {
            Some(id)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::PutResult;
    use crate::warehouse::LoadResult;

    fn stored(id: &str, object: PutResult, row: LoadResult) -> Verdict {
        Verdict::Stored { id: id.into(), object, row, unverifiable: None }
    }

    #[test]
    fn copies_of_a_reading_that_share_the_writes_count_as_processed_once() {
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
