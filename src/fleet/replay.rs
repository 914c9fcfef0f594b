//! Replays in shards: each loads the objects of its range, with its own journal and its share of the rate.
//!
//! The merge loads the records that the shards deferred, and adds up their outcomes. Existing rows are always kept,
//! because the undo file of a shard would remain on its machine.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, bail};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::attempt::{self, Ended, Found};
use super::create::create_run;
use super::exchange::{FileWriter, RunExchange};
use super::job::{JobSettings, ReplayJob};
use super::layout::{ShardSize, divide};
use super::machine::ShardStores;
use super::outcome::PlanOutcome;
use super::plan::{Run, Stores};
use super::store::RunStore;
use crate::cancellation::CancellationToken;
use crate::exchange::ExchangeWriter;
use crate::job_range::JobRange;
use crate::outcome::ShardTimes;
use crate::progress::Progress;
use crate::replay::{
    Counter, JournalMode, LeftObjects, Outcome, Plan, Policy, Replay, ReplayShard, ReplaySource, ThrottleLimits,
    ThrottleSettings, journal_of_run, run as replay,
};

/// Number of objects that the merge loads in one replay.
const LEFT_AT_ONCE: usize = 200_000;

impl ReplayJob {
    fn source(&self, stores: &ShardStores) -> anyhow::Result<ReplaySource> {
        let (span, filter, parts) = (self.span()?, self.filter(), self.parts);
        Ok(ReplaySource { span, filter, parts, ..ReplaySource::of(stores.lake.clone()) })
    }

    fn replay(
        &self,
        plan: Plan,
        stores: &ShardStores,
        journal: JournalMode,
        rate: Option<u64>,
    ) -> anyhow::Result<Replay> {
        let limits = ThrottleLimits { rows_per_second: rate, ..ThrottleLimits::default() };
        let warehouse = stores.warehouse()?;
        Ok(Replay {
            verify: self.verify,
            policy: Policy::Keep,
            read_concurrency: stores.reads,
            load_concurrency: warehouse.connections,
            sort: stores.sort.clone(),
            journal: Some(journal),
            throttle: ThrottleSettings { limits, ..ThrottleSettings::default() },
            ..Replay::new(plan, warehouse.bulk.clone())
        })
    }
}

/// Plans a replay: lists the lake, divides it, and writes the run.
///
/// # Errors
/// Returns an error if the lake is empty, a store cannot be read, or the run has a plan already or cannot be written.
pub async fn plan_replay(
    stores: &ShardStores,
    job: ReplayJob,
    named: Stores,
    to: (RunStore, ShardSize),
    progress: &Progress,
    cancel: &CancellationToken,
) -> anyhow::Result<PlanOutcome> {
    let source = job.source(stores)?;
    let look = async { if job.allow_empty { Ok(None) } else { Plan::new(source).await?.empty().await } };
    let Some(empty) = cancel.run_until_cancelled(look).await.transpose()? else {
        return Ok(PlanOutcome::interrupted());
    };
    if let Some(empty) = empty {
        bail!(
            "nothing to replay from lake \"{}\": {empty}; if that is intended, add --allow-empty",
            stores.lake.address()
        );
    }
    let source = (&*stores.lake, &job.span()?);
    create_run(source, JobSettings::Replay(job), named, to, divide, (progress, cancel)).await
}

/// Returns the id of a shard's run in the journal, the same for every attempt.
fn run_id(run: &Run, name: &str) -> Uuid {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&Sha256::digest(format!("{}/{name}", run.plan_id))[..16]);
    uuid::Builder::from_bytes(bytes)
        .with_variant(uuid::Variant::RFC4122)
        .with_version(uuid::Version::Custom)
        .into_uuid()
}

/// Loads a shard of a replay.
pub(super) async fn run_shard(
    run: &Run,
    (shard, job): (u32, &ReplayJob),
    stores: &ShardStores,
    (range, files): (&JobRange, FileWriter),
    progress: &Progress,
    cancel: &CancellationToken,
) -> anyhow::Result<Ended> {
    let name = format!("{}/{shard}", run.plan_id.get(..12).unwrap_or(&run.plan_id));
    let run_id = run_id(run, &shard.to_string());
    let shard = ReplayShard { range: Arc::new(range.clone()), cutoff: run.plan.cutoff, name };
    let plan = Plan::of_shard(job.source(stores)?, shard).await?;
    let journal = journal_of_run(&*stores.warehouse()?.bulk, run_id, job.verify).await?;
    let files: Box<dyn ExchangeWriter> = Box::new(files);
    let loading =
        Replay { left: Some(files), ..job.replay(plan, stores, journal, job.rate_of_a_shard(run.plan.shards))? };
    let outcome = replay(loading, progress, cancel).await?;
    if let Some(why) = outcome.stopped {
        return Ok(Err(why));
    }
    let (counts, objects) = (outcome.counts.of_any_attempt(), outcome.counts[Counter::Listed]);
    Ok(Ok(Found { counts, objects, detail: serde_json::to_value(&outcome)?, ..Found::default() }))
}

/// Loads the records that the shards deferred, and returns the outcome of the complete replay.
///
/// # Errors
/// Returns an error if shards are missing, with the command for each, or if files of the run do not belong together.
pub async fn merge_replay(
    run: &Run,
    job: &ReplayJob,
    stores: &ShardStores,
    progress: &Progress,
    cancel: &CancellationToken,
) -> anyhow::Result<Outcome> {
    let outcomes = attempt::read_all(run).await?;
    stores.check(&run.plan).await?;
    let began = Instant::now();
    let mut merged: Option<Outcome> = None;
    for outcome in &outcomes.outcomes {
        let part: Outcome = serde_json::from_value(outcome.attempt.detail.clone())
            .with_context(|| format!("the outcome of shard {} is not that of a replay", outcome.shard))?;
        match &mut merged {
            None => merged = Some(part),
            Some(merged) => merged.merge(part),
        }
    }
    let mut merged = merged.unwrap_or_default();
    let exchange = RunExchange::new(run.clone(), outcomes.files());
    let numbers: Vec<u32> = (0..run.plan.shards).collect();
    let mut left = LeftObjects::read(&exchange, &numbers, &stores.sort).await?;
    let mut round = 0;
    while let Some(objects) = left.next(LEFT_AT_ONCE)? {
        let source = ReplaySource { only: Some(objects), ..job.source(stores)? };
        let plan = Plan::new(source).await?.with_cutoff(run.plan.cutoff);
        let journal =
            journal_of_run(&*stores.warehouse()?.bulk, run_id(run, &format!("merge {round}")), job.verify).await?;
        let outcome = replay(job.replay(plan, stores, journal, job.rows_per_second)?, progress, cancel).await?;
        let is_stopped = outcome.stopped.is_some();
        merged.merge(outcome);
        round += 1;
        if is_stopped {
            break;
        }
    }
    (merged.options.shard, merged.options.selected_objects, merged.options.selected_out_of_span) = (None, None, 0);
    merged.run_id.clone_from(&run.plan_id);
    // A merged replay has no sessions; those of its shards are not counted.
    merged.resumed = false;
    merged.allow_empty = job.allow_empty;
    merged.session_records = merged.counts.recovered() + merged.counts.kept();
    merged.shards = ShardTimes::of(outcomes.outcomes.iter().map(|outcome| outcome.attempt.seconds));
    merged.seconds = merged.shards.map_or(0.0, |shards| shards.longest_seconds) + began.elapsed().as_secs_f64();
    merged.problems.sort();
    merged.check()?;
    Ok(merged)
}
