//! Outcomes of `plan` and `shard`. The outcome of `merge` is that of the job.

use serde::{Deserialize, Serialize};

use super::index::Source;
use super::plan::{Listing, Run};
use crate::outcome::{CommandOutcome, Exit};

/// Reason of an attempt that was cancelled.
pub(super) const INTERRUPTED: &str = "interrupted";

/// Outcome of `plan`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct PlanOutcome {
    /// Job of the run.
    pub job: String,
    /// Address of the run.
    pub run: String,
    /// Id of the plan. `None` if it was not written.
    pub plan_id: Option<String>,
    /// Number of shards.
    pub shards: u32,
    /// Number of objects in the largest shard.
    pub largest_shard: u64,
    /// Listed objects, and the cost of reading them.
    pub listing: Listing,
    /// Duration, in seconds.
    pub seconds: f64,
    /// Reason for an early stop. `None` if there was none.
    pub stopped: Option<String>,
}

impl PlanOutcome {
    /// Returns the outcome of a plan that was cancelled before it was written.
    pub(super) fn interrupted() -> Self {
        Self { stopped: Some(INTERRUPTED.into()), ..Self::default() }
    }

    /// Returns the outcome of a plan that was written.
    pub(super) fn of(run: &Run, seconds: f64) -> Self {
        Self {
            job: run.plan.job.name().to_owned(),
            run: run.store.address(),
            plan_id: Some(run.plan_id.clone()),
            shards: run.plan.shards,
            largest_shard: run.shards.iter().map(|shard| shard.objects).max().unwrap_or(0),
            listing: run.plan.listing.clone(),
            seconds,
            stopped: None,
        }
    }
}

impl CommandOutcome for PlanOutcome {
    fn exit(&self) -> Exit {
        if self.stopped.is_some() { Exit::Stopped } else { Exit::Clean }
    }
}

/// Result of running a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShardState {
    /// Its outcome was written.
    Written,
    /// Another attempt had written the same result.
    AlreadyWritten,
    /// Another attempt had written another result, which counts.
    WrittenDifferently,
    /// The run has no shard of that number.
    NothingToDo,
    /// The shard was interrupted, and can be run again.
    #[default]
    Interrupted,
}

/// Outcome of `shard`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ShardReport {
    /// Job of the run.
    pub job: String,
    /// Address of the run.
    pub run: String,
    /// Id of the plan.
    pub plan_id: String,
    /// Number of the shard.
    pub shard: u32,
    /// Number of shards.
    pub shards: u32,
    /// Source of the shard's number. `None` if it did not start.
    pub source: Option<Source>,
    /// Result.
    pub state: ShardState,
    /// Number of objects that the shard listed.
    pub objects: u64,
    /// Number of objects of the shard when the run was planned.
    pub planned_objects: u64,
    /// Number of entries that it deferred to the merge.
    pub left: u64,
    /// Differences from the outcome of the first attempt.
    pub differs: Vec<String>,
    /// Reason for an interruption, and what to do.
    pub stopped: Option<String>,
    /// Duration, in seconds.
    pub seconds: f64,
}

impl ShardReport {
    /// Returns the report of a shard that has not ended.
    pub(super) fn of(run: &Run, shard: u32, source: Source) -> Self {
        Self {
            job: run.plan.job.name().to_owned(),
            run: run.store.address(),
            plan_id: run.plan_id.clone(),
            shard,
            shards: run.plan.shards,
            source: Some(source),
            planned_objects: run.shards.get(shard as usize).map_or(0, |shard| shard.objects),
            ..Self::default()
        }
    }
}

/// A shard is successful once its outcome is written, regardless of what it found: the merge concludes.
impl CommandOutcome for ShardReport {
    fn exit(&self) -> Exit {
        if self.state == ShardState::Interrupted { Exit::Stopped } else { Exit::Clean }
    }
}
