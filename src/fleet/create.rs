//! Creation of a run, the same for every job: lists the lake, divides it, and writes the plan.

use std::time::Instant;

use super::attempt::INTERRUPTED;
use super::clock;
use super::job::JobSettings;
use super::layout::ShardSize;
use super::outcome::PlanOutcome;
use super::plan::{Run, RunPlan, Stores};
use super::shards::Shard;
use super::store::RunStore;
use super::survey::Survey;
use crate::cancellation::CancellationToken;
use crate::progress::Progress;
use crate::reader::Cutoff;
use pipeline::lake::{Lake, Span};

/// Creates a run of a job over the objects of a span.
///
/// # Errors
/// Returns an error if the lake cannot be read, its clock differs from this machine's, or the run has a plan already or
/// cannot be written.
pub(super) async fn create_run(
    (lake, span): (&dyn Lake, &Span),
    job: JobSettings,
    stores: Stores,
    (store, size): (RunStore, ShardSize),
    divide: impl FnOnce(&Survey, ShardSize) -> Vec<Shard>,
    (progress, cancel): (&Progress, &CancellationToken),
) -> anyhow::Result<PlanOutcome> {
    let started = Instant::now();
    clock::check(lake, None).await?;
    let cutoff = Cutoff::of(lake).await?.instant();
    let Some(survey) = Survey::of(lake, span, progress, cancel).await? else {
        return Ok(PlanOutcome { stopped: Some(INTERRUPTED.into()), ..PlanOutcome::default() });
    };
    let shards = divide(&survey, size);
    let plan = RunPlan::new(job, stores, cutoff, survey.listing, shards.len());
    let run = Run::create(store, plan, shards).await?;
    Ok(PlanOutcome::of(&run, started.elapsed().as_secs_f64()))
}
