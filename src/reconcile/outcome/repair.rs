//! Results of a repair or of its dry run.

use serde::{Deserialize, Serialize};

use super::merge::first;
use super::planned::{PlannedChange, PlannedChanges};
use super::reasons::Reasons;
use crate::outcome::{Counts, Problems, counters};
use crate::reconcile::{Action, IntactSide};
use pipeline::lake::{ConditionalWrites, Conditions};

counters! {
    /// Counter of a repair.
    pub enum RepairCounter {
        Inserted: "inserted", "rows inserted", Detail, "Rows inserted.";
        Updated: "updated", "rows updated", Detail, "Rows updated.";
        ObjectsWritten: "objects_written", "objects written", Detail, "Objects written.";
        ObjectsReplaced: "objects_replaced", "objects replaced", Detail, "Objects that got other values.";
        IntactOverwritten: "intact_overwritten", "matched their id", Detail,
            "Replaced objects that matched their id, while their rows did not.";
        Verified: "verified", "verified", Detail, "Changes that were read back and found right.";
        Failed: "failed", "failed", Detail, "Findings that should have been repaired and could not be.";
        AlreadyEqual: "already_equal", "already equal", Detail,
            "Findings that were gone when the repair read both sides again, so that it changed nothing.";
        AlsoResolved: "also_resolved", "also resolved", Detail,
            "Further findings about replaced objects that are gone with their new values.";
        NotRepaired: "not_repaired", "not repaired", Detail, "Findings that were not repaired.";
    }
}

impl Action {
    /// Returns the counter of the action.
    pub const fn counter(self) -> RepairCounter {
        match self {
            Self::Insert => RepairCounter::Inserted,
            Self::Update => RepairCounter::Updated,
            Self::WriteObject => RepairCounter::ObjectsWritten,
            Self::ReplaceObject => RepairCounter::ObjectsReplaced,
        }
    }
}

/// Changes that `--repair both` would make after an audit without a repair.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repairable {
    /// Rows that can be inserted.
    pub inserted: u64,
    /// Rows that can be updated.
    pub updated: u64,
    /// Objects that can be written.
    pub objects_written: u64,
    /// Findings that would be left unchanged.
    pub not_repaired: u64,
}

impl Repairable {
    /// Returns the counts of a plan.
    pub(in crate::reconcile) fn of(plan: &RepairOutcome) -> Self {
        Self {
            inserted: plan[RepairCounter::Inserted],
            updated: plan[RepairCounter::Updated],
            objects_written: plan[RepairCounter::ObjectsWritten],
            not_repaired: plan[RepairCounter::NotRepaired],
        }
    }

    /// Adds the counts of another part.
    pub(super) const fn merge(&mut self, other: Self) {
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.objects_written += other.objects_written;
        self.not_repaired += other.not_repaired;
    }
}

/// Result of a repair or of its dry run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RepairOutcome {
    /// True for a dry run: nothing was changed.
    pub dry_run: bool,
    /// Counts of the repair.
    #[serde(flatten)]
    pub counts: Counts<RepairCounter>,
    /// First planned changes of each action, at most a thousand. Empty if the changes were made: the undo file has those.
    #[serde(default)]
    pub planned: PlannedChanges,
    /// Reason why nothing was changed, if the changes exceed the limit.
    pub over_budget: Option<String>,
    /// Undo file, which `ruminate undo` reverts. `None` if nothing was written.
    pub undo_file: Option<String>,
    /// Command that reverts it, without secrets. `None` if nothing was written.
    #[serde(default)]
    pub undo_command: Option<String>,
    /// Support for conditional writes by the lake's store. `None` if no object was to be written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conditional_writes: Option<ConditionalWrites>,
    /// Reason for an early stop. `None` if there was none.
    pub stopped: Option<String>,
    /// Reasons why findings were left unchanged, one line per kind.
    pub reasons: Reasons,
    /// Failed repairs, each with its key or id.
    pub problems: Problems,
}

impl RepairOutcome {
    /// Counts a change of a record or row, one side of which may be intact.
    pub(in crate::reconcile) fn add_change(&mut self, action: Action, intact: Option<IntactSide>) {
        self.counts.add(action.counter());
        let overwritten = action == Action::ReplaceObject && intact == Some(IntactSide::Lake);
        self[RepairCounter::IntactOverwritten] += u64::from(overwritten);
    }

    /// Counts a planned change, and stores it if it is one of the first.
    pub(in crate::reconcile) fn plan(&mut self, change: PlannedChange) {
        self.add_change(change.action, change.intact);
        self.planned.take(change);
    }

    /// Returns true if the changes are only planned: in a dry run, or above the limit.
    pub fn is_planned(&self) -> bool {
        self.dry_run || self.over_budget.is_some()
    }

    /// Returns the number of all changes.
    pub fn changes(&self) -> u64 {
        Action::ALL.into_iter().map(|action| self[action.counter()]).sum()
    }

    /// Adds the repair of another part of the same stores.
    pub fn merge(&mut self, other: Self) {
        self.dry_run |= other.dry_run;
        self.counts += &other.counts;
        self.planned.merge(other.planned);
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
