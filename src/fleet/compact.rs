//! Compactions in shards: each writes the parts of its months.
//!
//! Shards leave nothing to the merge, which adds up their outcomes: a part is complete when its shard is.

use std::time::Instant;

use anyhow::Context as _;
use serde_json::json;

use super::attempt::{self, Ended, Found};
use super::create::create_run;
use super::job::{CompactJob, JobSettings};
use super::layout::{ShardSize, divide_months};
use super::machine::ShardStores;
use super::outcome::PlanOutcome;
use super::plan::{Run, Stores};
use super::shards::ShardMonths;
use super::store::RunStore;
use crate::cancellation::CancellationToken;
use crate::compact::{self, CompactShard, Compaction, Counter, Outcome};
use crate::outcome::ShardTimes;
use crate::progress::Progress;
use crate::reader::Skip;

impl CompactJob {
    fn compaction(&self, stores: &ShardStores) -> anyhow::Result<Compaction> {
        Ok(Compaction {
            reads: stores.reads,
            span: self.span()?,
            bodies: self.bodies,
            verification: self.verification,
            on_deleted: self.on_deleted,
            allow_empty: self.allow_empty,
            ..Compaction::of(stores.lake.clone())
        })
    }
}

/// Plans a compaction: lists the lake, divides its months, and writes the run.
///
/// # Errors
/// Returns an error if the lake is empty, parts cannot be written, or the run has a plan already or cannot be written.
pub async fn plan_compaction(
    stores: &ShardStores,
    job: CompactJob,
    named: Stores,
    to: (RunStore, ShardSize),
    progress: &Progress,
    cancel: &CancellationToken,
) -> anyhow::Result<PlanOutcome> {
    let compaction = job.compaction(stores)?;
    let Some(months) = cancel.run_until_cancelled(compact::months(&compaction)).await.transpose()? else {
        return Ok(PlanOutcome::interrupted());
    };
    let source = (&*stores.lake, &compaction.whole_months());
    let divide = |survey: &_, size| divide_months(survey, months, size);
    create_run(source, JobSettings::Compact(job), named, to, divide, (progress, cancel)).await
}

/// Compacts the months of a shard.
pub(super) async fn run_shard(
    run: &Run,
    job: &CompactJob,
    stores: &ShardStores,
    months: &ShardMonths,
    progress: &Progress,
    cancel: &CancellationToken,
) -> anyhow::Result<Ended> {
    let shard = CompactShard {
        months: months.months.iter().cloned().collect(),
        strays: months.strays,
        cutoff: run.plan.cutoff,
    };
    let compaction = Compaction { shard: Some(shard), ..job.compaction(stores)? };
    let outcome = compact::run(&compaction, progress, cancel).await?;
    if let Some(why) = outcome.stopped {
        return Ok(Err(why));
    }
    // Parts that this attempt wrote are unchanged for the next.
    let counts = json!({
        "listed": outcome[Counter::Listed],
        "in_parts": outcome[Counter::InParts],
        "rejected": outcome[Counter::Rejected],
        "archived": outcome[Counter::Archived],
        "unreadable": outcome[Counter::Unreadable],
        "unrecognized": outcome[Skip::Unrecognized],
        "skipped": outcome.skipped(),
    });
    let objects = outcome[Counter::Listed];
    Ok(Ok(Found { counts, objects, detail: serde_json::to_value(&outcome)?, ..Found::default() }))
}

/// Returns the outcome of the complete compaction.
///
/// # Errors
/// Returns an error if shards are missing, with the command for each, or if files of the run do not belong together.
pub async fn merge_compaction(run: &Run, stores: &ShardStores) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    let outcomes = attempt::read_all(run).await?;
    stores.check(&run.plan).await?;
    let mut merged: Option<Outcome> = None;
    for outcome in &outcomes.outcomes {
        let part: Outcome = serde_json::from_value(outcome.attempt.detail.clone())
            .with_context(|| format!("the outcome of shard {} is not that of a compaction", outcome.shard))?;
        match &mut merged {
            None => merged = Some(part),
            Some(merged) => merged.merge(part),
        }
    }
    let mut merged = merged.unwrap_or_default();
    merged.shards = ShardTimes::of(outcomes.outcomes.iter().map(|outcome| outcome.attempt.seconds));
    merged.seconds = merged.shards.map_or(0.0, |shards| shards.longest_seconds) + started.elapsed().as_secs_f64();
    merged.problems.sort();
    merged.check()?;
    Ok(merged)
}
