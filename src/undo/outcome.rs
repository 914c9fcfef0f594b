//! Result of an undo: how many of the changes in an undo file were reverted.

use serde::{Deserialize, Serialize};

use crate::outcome::{Counts, Exit, Problems, counters};
use pipeline::lake::{ConditionalWrites, Conditions};

counters! {
    /// Counters of an undo.
    pub enum UndoCounter {
        Changes: "changes", "changes", Input, "Changes that the file has.";
        Restored: "restored", "restored", Part, "Changes that were reverted.";
        AlreadyRestored: "already_restored", "already restored", Part, "Rows and objects that already had the old values.";
        ModifiedSince: "modified_since", "modified since", Finding,
            "Rows and objects that were modified or deleted since the change; they are not touched.";
        RowsReverted: "rows_reverted", "rows reverted", Detail, "Of the changes restored, rows that have their old values again.";
        RowsDeleted: "rows_deleted", "rows deleted", Detail, "Of the changes restored, rows that did not exist before.";
        ObjectsReverted: "objects_reverted", "objects reverted", Detail,
            "Of the changes restored, objects that have their old content again.";
        ObjectsDeleted: "objects_deleted", "objects deleted", Detail, "Of the changes restored, objects that did not exist before.";
        TruncatedLines: "truncated_lines", "truncated lines", DetailFinding,
            "Truncated lines, whose changes were not made; they do not count as changes.";
        NotProcessed: "not_processed", "not processed", Skipped, "Changes that were not processed, because the run was stopped.";
    }
}

/// Result of an undo.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// The counters.
    #[serde(flatten)]
    pub counts: Counts<UndoCounter>,
    /// Whether nothing was changed because it was a dry run.
    pub dry_run: bool,
    /// Support of the lake's store for conditional writes; `None` if no object was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conditional_writes: Option<ConditionalWrites>,
    /// Why it stopped early; `None` if it completed.
    #[serde(default)]
    pub stopped: Option<String>,
    /// Duration of the run, in seconds.
    pub seconds: f64,
    /// Changes that were not reverted, each with its id or key, and truncated lines.
    pub problems: Problems,
}

impl Outcome {
    /// Checks that every change is accounted for.
    ///
    /// # Errors
    ///
    /// Returns an error if the counts do not add up, which is a bug in this program.
    pub fn check(&self) -> anyhow::Result<()> {
        let (changes, parts) = (self[UndoCounter::Changes], self.counts.parts());
        anyhow::ensure!(changes == parts, "{changes} changes are {parts} in parts; this is a bug in ruminate");
        Ok(())
    }

    /// Adds the result of another undo file.
    pub fn merge(&mut self, other: Self) {
        self.counts += &other.counts;
        self.dry_run |= other.dry_run;
        self.conditional_writes = match (self.conditional_writes, other.conditional_writes) {
            (Some(create), Some(change)) => Some(Conditions { create, change }.weakest()),
            (one, other) => one.or(other),
        };
        self.stopped = self.stopped.take().or(other.stopped);
        self.seconds = self.seconds.max(other.seconds);
        self.problems.merge(other.problems);
    }
}

impl crate::outcome::CommandOutcome for Outcome {
    fn exit(&self) -> Exit {
        match (&self.stopped, self.counts.findings()) {
            (Some(_), _) => Exit::Stopped,
            (None, 0) => Exit::Clean,
            (None, _) => Exit::Findings,
        }
    }
}

counters! { impl Outcome { counts: UndoCounter } }

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Unread, read_back};

    #[test]
    fn an_outcome_survives_a_json_round_trip() {
        let mut outcome = Outcome { dry_run: true, stopped: Some("why".into()), seconds: 1.5, ..Outcome::default() };
        outcome[UndoCounter::Changes] = 3;
        outcome[UndoCounter::Restored] = 2;
        outcome[UndoCounter::ModifiedSince] = 1;
        outcome.problems.add("modified_since", "x", "why");
        outcome.check().unwrap();
        let other = outcome.clone();
        outcome.merge(other);
        outcome.check().unwrap();
        let json = serde_json::to_value(&outcome).unwrap();
        let back: Outcome = read_back(&serde_json::to_vec(&outcome).unwrap()).unwrap();
        assert_eq!(serde_json::to_value(&back).unwrap(), json);
        assert_eq!((back[UndoCounter::Changes], back.counts.findings()), (6, 2));
        let mut newer = json;
        newer["melted"] = 1.into();
        assert!(matches!(read_back::<Outcome>(newer.to_string().as_bytes()), Err(Unread::Newer { .. })));
    }
}
