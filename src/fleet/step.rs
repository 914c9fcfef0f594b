//! A shard of any job, from its number to its outcome.

use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::attempt::{self, Attempt, Found, ShardOutcome, ShardResult, Written};
use super::exchange::FileWriter;
use super::index::Source;
use super::job::JobSettings;
use super::machine::ShardStores;
use super::outcome::{INTERRUPTED, ShardReport, ShardState};
use super::place::Place;
use super::plan::{FORMAT, Run};
use super::{attempt_failure, attempt_start, compact, reconcile, replay};
use crate::cancellation::CancellationToken;
use crate::outcome::{Exit, duration};
use crate::progress::Progress;
use crate::sort::SortDir;
use pipeline::error::Kind;
use pipeline::lake;
use pipeline::warehouse;

/// Runs a shard, unless it is complete: opens the stores, runs the job, and writes the files and then the outcome. An attempt
/// that fails leaves a record in the run.
///
/// # Errors
/// Returns an error if the shard cannot run, and a retry would not help.
pub async fn run_shard<Opening: Future<Output = anyhow::Result<ShardStores>>>(
    run: &Run,
    ((shard, source), place): ((u32, Source), Place),
    open: impl FnOnce() -> Opening,
    stop_before: Option<Duration>,
    progress: &Progress,
    cancel: &CancellationToken,
) -> anyhow::Result<ShardReport> {
    let started = Instant::now();
    let report = ShardReport::of(run, shard, source);
    if shard >= run.plan.shards {
        return Ok(ShardReport { state: ShardState::NothingToDo, ..report });
    }
    if let Some(outcome) = attempt::read_complete(run, shard).await? {
        let left = outcome.result.files.iter().map(|file| file.entries).sum();
        let seconds = started.elapsed().as_secs_f64();
        return Ok(ShardReport { state: ShardState::AlreadyWritten, left, seconds, ..report });
    }
    let timer = stop_before.map(|limit| cancel_after(limit.saturating_sub(started.elapsed()), cancel.clone()));
    let attempt = Attempt::begin(source, place);
    let start = attempt.start();
    let ran = run_attempt(run, (shard, attempt), open, progress, cancel).await;
    timer.iter().for_each(tokio::task::JoinHandle::abort);
    let seconds = started.elapsed().as_secs_f64();
    let stopped = match ran {
        Ok(Ok(done)) => return Ok(ShardReport { seconds, ..done.onto(report) }),
        Ok(Err(why)) => why,
        Err(e) if is_temporary(&e) => format!("{e:#}"),
        Err(e) => {
            attempt_failure::record(run, shard, start, (Exit::CouldNotRun, &format!("{e:#}"))).await;
            return Err(e);
        }
    };
    let stopped = match stop_before.filter(|limit| started.elapsed() >= *limit) {
        Some(limit) => too_large(limit, report.planned_objects),
        None => format!("{stopped}: run it again"),
    };
    attempt_failure::record(run, shard, start, (Exit::Stopped, &stopped)).await;
    Ok(ShardReport { stopped: Some(stopped), seconds, ..report })
}

fn cancel_after(limit: Duration, cancel: CancellationToken) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        tokio::time::sleep(limit).await;
        tracing::warn!("--stop-before was reached: finishing in-flight work");
        cancel.cancel();
    })
}

fn too_large(limit: Duration, objects: u64) -> String {
    format!(
        "--stop-before ({}) was reached before the shard was complete: run it again if the machine was busy; otherwise \
         its {objects} objects are too many for this time: plan again with --objects-per-shard {}",
        duration(limit.as_secs_f64()),
        (objects / 2).max(1)
    )
}

/// Returns true if a later attempt may succeed, because a store cannot be reached now.
pub fn is_temporary(e: &anyhow::Error) -> bool {
    e.chain().any(|cause| {
        let of_lake = cause.downcast_ref::<lake::Error>();
        let of_warehouse = cause.downcast_ref::<warehouse::Error>();
        of_lake.is_some_and(|e| e.kind() == Kind::Transient || e.reason == lake::Reason::Outage)
            || of_warehouse.is_some_and(|e| e.kind() == Kind::Transient)
    })
}

/// Returns true if the credentials expired during the attempt: it can be repeated with new ones.
fn has_lost_access(e: &anyhow::Error) -> bool {
    e.chain().any(|cause| cause.downcast_ref::<lake::Error>().is_some_and(lake::Error::ends_access))
}

/// A finished attempt.
struct Done {
    state: ShardState,
    objects: u64,
    left: u64,
    differs: Vec<String>,
}

impl Done {
    fn onto(self, report: ShardReport) -> ShardReport {
        let Self { state, objects, left, differs } = self;
        ShardReport { state, objects, left, differs, ..report }
    }
}

/// Runs an attempt. Returns the reason if it was interrupted.
async fn run_attempt<Opening: Future<Output = anyhow::Result<ShardStores>>>(
    run: &Run,
    (shard, mut attempt): (u32, Attempt),
    open: impl FnOnce() -> Opening,
    progress: &Progress,
    cancel: &CancellationToken,
) -> anyhow::Result<Result<Done, String>> {
    let started = Instant::now();
    let stores = open().await?;
    if cancel.run_until_cancelled(stores.check(&run.plan)).await.transpose()?.is_none() {
        return Ok(Err(INTERRUPTED.to_owned()));
    }
    let (id, start) = attempt.start();
    attempt_start::record(run, shard, (&id, &start)).await?;
    let dir = SortDir::in_dir(&stores.sort.dir);
    let dir = dir.with_context(|| format!("cannot write to --sort-dir {}", stores.sort.dir.display()))?;
    let files = FileWriter::new(dir.path(), &run.plan_id, shard);
    let scope = &run.shards[shard as usize];
    let ended = match &run.plan.job {
        JobSettings::Reconcile(job) => {
            let part = (scope.range()?, files.clone());
            reconcile::run_shard(run, job, &stores, part, progress, cancel).await
        }
        JobSettings::Replay(job) => {
            let part = (scope.range()?, files.clone());
            replay::run_shard(run, (shard, job), &stores, part, progress, cancel).await
        }
        JobSettings::Compact(job) => compact::run_shard(run, job, &stores, scope.months()?, progress, cancel).await,
    };
    let Found { counts, objects, lost_snapshots, detail } = match ended {
        Ok(Ok(found)) => found,
        Ok(Err(why)) => return Ok(Err(why)),
        Err(e) if has_lost_access(&e) => return Ok(Err(format!("{e:#}"))),
        Err(e) => return Err(e),
    };
    let files = files.finish(&run.store).await?;
    let left = files.iter().map(|file| file.entries).sum();
    (attempt.lost_snapshots, attempt.detail) = (lost_snapshots, detail);
    attempt.throttle = stores.lake.throttle_stats();
    attempt.seconds = started.elapsed().as_secs_f64();
    let result = ShardResult { files, counts };
    let (plan_id, sha256) = (run.plan_id.clone(), String::new());
    let outcome = ShardOutcome { format: FORMAT, plan_id, shard, result, attempt, sha256 };
    let (state, differs) = match attempt::write(run, &outcome).await? {
        Written::First => (ShardState::Written, Vec::new()),
        Written::Same => (ShardState::AlreadyWritten, Vec::new()),
        Written::Other(differs) => (ShardState::WrittenDifferently, differs),
    };
    Ok(Ok(Done { state, objects, left, differs }))
}
