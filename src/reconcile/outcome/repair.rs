//! What repair did about the findings, or would do.

use serde::{Deserialize, Serialize};

use super::merge::first;
use super::reasons::Reasons;
use crate::outcome::{Counts, Problems, counters};
use pipeline::lake::{ConditionalWrites, Conditions};

counters! {
    /// What a repair counts.
    pub enum RepairCounter {
        Inserted: "inserted", "rows inserted", Detail, "Rows inserted.";
        Updated: "updated", "rows updated", Detail, "Rows updated.";
        ObjectsWritten: "objects_written", "objects written", Detail, "Objects written.";
        ObjectsReplaced: "objects_replaced", "objects replaced", Detail, "Objects that got other values.";
        Verified: "verified", "verified", Detail, "Changes that were read back and found right.";
        Failed: "failed", "failed", Detail, "Findings that should have been repaired and could not be.";
        Left: "left", "left as they are", Detail, "Findings that are left as they are.";
    }
}

/// What is done about a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A row is inserted.
    Insert,
    /// A row gets other values.
    Update,
    /// An object is written.
    WriteObject,
    /// An object gets other values.
    ReplaceObject,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Insert, Self::Update, Self::WriteObject, Self::ReplaceObject];

    /// What counts it.
    pub const fn counter(self) -> RepairCounter {
        match self {
            Self::Insert => RepairCounter::Inserted,
            Self::Update => RepairCounter::Updated,
            Self::WriteObject => RepairCounter::ObjectsWritten,
            Self::ReplaceObject => RepairCounter::ObjectsReplaced,
        }
    }
}

/// What repair did, or would do.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RepairOutcome {
    /// Only planned: nothing was changed.
    pub dry_run: bool,
    /// What was counted.
    #[serde(flatten)]
    pub counts: Counts<RepairCounter>,
    /// Why nothing was changed: it would have been more than was allowed.
    pub over_budget: Option<String>,
    /// The undo file, which `ruminate undo` reverts.
    pub undo_file: Option<String>,
    /// The command that reverts it, without secrets; `None` if nothing was written.
    #[serde(default)]
    pub undo_command: Option<String>,
    /// Support of the lake's store for conditional writes; `None` if no object was to be written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conditional_writes: Option<ConditionalWrites>,
    /// Why it ended early.
    pub stopped: Option<String>,
    /// Why findings were left, one line per kind.
    pub reasons: Reasons,
    /// What failed, each with its key or id.
    pub problems: Problems,
}

impl RepairOutcome {
    /// All changes.
    pub fn changes(&self) -> u64 {
        Action::ALL.into_iter().map(|action| self[action.counter()]).sum()
    }

    /// Adds what repair did in another part of the same stores.
    pub fn merge(&mut self, other: Self) {
        self.dry_run |= other.dry_run;
        self.counts += &other.counts;
        self.over_budget = first(self.over_budget.take(), other.over_budget);
        self.undo_file = first(self.undo_file.take(), other.undo_file);
        self.undo_command = first(self.undo_command.take(), other.undo_command);
        self.conditional_writes = match (self.conditional_writes, other.conditional_writes) {
            (Some(create), Some(change)) => Some(Conditions { create, change }.weakest()),
            (one, other) => one.or(other),
        };
        self.stopped = first(self.stopped.take(), other.stopped);
        self.reasons.merge(other.reasons);
        self.problems.merge(other.problems);
    }
}

counters! { impl RepairOutcome { counts: RepairCounter } }
