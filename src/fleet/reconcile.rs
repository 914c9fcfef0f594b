//! Audits in shards.

use anyhow::Context as _;
use serde_json::json;

use super::attempt::{self, Ended, Found};
use super::create::create_run;
use super::exchange::{FileWriter, RunExchange};
use super::job::{AuditJob, JobSettings};
use super::layout::{ShardSize, divide};
use super::machine::ShardStores;
use super::outcome::{INTERRUPTED, PlanOutcome};
use super::plan::{Run, Stores};
use super::store::RunStore;
use crate::cancellation::CancellationToken;
use crate::job_range::JobRange;
use crate::parts::PartsStats;
use crate::progress::Progress;
use crate::reconcile::{
    Audit, AuditShard, DriftWriter, Outcome, ShardRun, Shards, TruthOptions, combine, judge_shard, refuse_empty,
};
use pipeline::record::Rules;

impl AuditJob {
    /// Returns the audit on these stores.
    fn audit(&self, stores: &ShardStores) -> anyhow::Result<Audit> {
        Ok(Audit {
            lake: stores.lake.clone(),
            warehouse: stores.warehouse()?.bulk.clone(),
            span: self.span()?,
            rules: Rules { meta_rate: self.options.meta_rate },
            reads: stores.reads,
            halt_after: None,
            quick: self.quick,
            tolerances: self.tolerances()?,
            sort: stores.sort.clone(),
            cache: None,
            parts: self.parts,
            listing: None,
            truth: TruthOptions::default(),
            allow_empty: self.allow_empty,
        })
    }
}

/// Plans an audit: lists the lake, divides it, and writes the run.
///
/// # Errors
/// Returns an error if a side is empty, a store cannot be read, or the run has a plan already or cannot be written.
pub async fn plan_audit(
    stores: &ShardStores,
    job: AuditJob,
    named: Stores,
    to: (RunStore, ShardSize),
    progress: &Progress,
    cancel: &CancellationToken,
) -> anyhow::Result<PlanOutcome> {
    let audit = job.audit(stores)?;
    let wide = if audit.span.is_everything() { audit.span.clone() } else { audit.span.widened(1) };
    let checked = cancel.run_until_cancelled(refuse_empty(&audit, &wide)).await.transpose()?;
    if checked.is_none() {
        return Ok(PlanOutcome::interrupted());
    }
    create_run((&*audit.lake, &wide), JobSettings::Reconcile(job), named, to, divide, (progress, cancel)).await
}

/// Runs a shard of an audit.
pub(super) async fn run_shard(
    run: &Run,
    job: &AuditJob,
    stores: &ShardStores,
    (range, files): (&JobRange, FileWriter),
    progress: &Progress,
    cancel: &CancellationToken,
) -> anyhow::Result<Ended> {
    let audit = job.audit(stores)?;
    let shard = AuditShard { range: range.clone(), cutoff: run.plan.cutoff };
    let Some(judged) = judge_shard(&audit, &shard, Box::new(files), progress, cancel).await? else {
        return Ok(Err(INTERRUPTED.into()));
    };
    Ok(Ok(Found {
        counts: json!(judged.counts),
        objects: judged.counts.listed,
        lost_snapshots: judged.snapshots.saturating_sub(1),
        detail: json!(judged.from_parts),
    }))
}

/// Concludes an audit after all its shards. Returns the audit too, for a repair.
///
/// # Errors
/// Returns an error if shards are missing, with the command for each, or if files of the run do not belong together.
pub async fn merge_audit(
    run: &Run,
    job: &AuditJob,
    stores: &ShardStores,
    sink: DriftWriter,
    progress: &Progress,
    cancel: &CancellationToken,
) -> anyhow::Result<(Audit, Outcome, DriftWriter)> {
    let outcomes = attempt::read_all(run).await?;
    stores.check(&run.plan).await?;
    let audit = job.audit(stores)?;
    let runs = runs(&outcomes);
    let exchange = RunExchange::new(run.clone(), outcomes.files());
    let shards = Shards {
        ranges: run.shards.iter().map(|shard| Ok(shard.range()?.ids)).collect::<anyhow::Result<_>>()?,
        exchange: &exchange,
        cutoff: run.plan.cutoff,
        lost_snapshots: outcomes.outcomes.iter().map(|outcome| outcome.attempt.lost_snapshots).sum(),
    };
    let (mut outcome, sink) = combine(&audit, &shards, sink, progress, cancel).await?;
    outcome.seconds += runs.iter().map(|shard| shard.seconds).fold(0.0, f64::max);
    outcome.run.shards = runs;
    outcome.from_parts = from_parts(&outcomes)?;
    outcome.set_options(job.options.clone());
    outcome.max_drift = job.max_drift;
    Ok((audit, outcome, sink))
}

/// Returns the sources of the records of all shards. `None` if parts were not used.
fn from_parts(outcomes: &attempt::Outcomes) -> anyhow::Result<Option<PartsStats>> {
    let mut sum = None;
    for outcome in &outcomes.outcomes {
        let of_shard = serde_json::from_value(outcome.attempt.detail.clone());
        PartsStats::merge_some(&mut sum, of_shard.context("the statistics of parts in an outcome")?);
    }
    Ok(sum)
}

/// Returns the data about the shards for a report.
fn runs(outcomes: &attempt::Outcomes) -> Vec<ShardRun> {
    let runs = outcomes.outcomes.iter().zip(&outcomes.attempts).map(|(outcome, attempts)| ShardRun {
        objects: outcome.result.counts["listed"].as_u64().unwrap_or(0),
        started_at: outcome.attempt.started_at,
        seconds: outcome.attempt.seconds,
        attempts: *attempts,
        retries: outcome.attempt.throttle.retries,
        source: json!(outcome.attempt.source).as_str().unwrap_or_default().to_owned(),
    });
    runs.collect()
}
