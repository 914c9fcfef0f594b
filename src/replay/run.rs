//! Runs a replay: one side reads and sorts, the other loads, and every object is accounted for.
//!
//! This module connects the parts. [`super::coordinator`] is the loading side, [`super::reader`] the reading side.

use std::sync::Arc;
use std::time::Instant;

use super::coordinator::ReplayRun;
use super::left::LeftRecords;
use super::load::Loader;
use super::order::Sorters;
use super::outcome::Outcome;
use super::plan::Plan;
use super::reader::LakeReader;
use super::session::Session;
use super::settings::{JournalMode, Replay};
use super::throttle::Throttle;
use crate::cancellation::CancellationToken;
use crate::progress::Progress;
use crate::sort::SortSettings;

/// Reads the planned objects and loads them.
///
/// # Errors
/// Returns an error if the warehouse's table cannot store records, or if a store fails before anything was loaded. A
/// later failure is an outcome that states where the run stopped.
pub async fn run(replay: Replay, progress: &Progress, cancel: &CancellationToken) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    let Replay { mut plan, bulk, policy, verify, undo_file, journal, .. } = replay;
    bulk.check_writable().await?;
    let schema = bulk.table_schema().await?;
    let method = bulk.load_strategy().await?;
    warn_of_nothing(&plan, journal.as_ref());
    let days = plan.partitions.iter().map(|partition| partition.day).collect();
    let header = plan.run_header(policy);
    let session = Session::open(journal, &mut plan, header, undo_file.as_ref(), (&*bulk, &schema)).await?;
    let outcome = Outcome {
        run_id: session.run_id(),
        lake: plan.lake.address(),
        warehouse: bulk.address(),
        options: plan.options(policy),
        cutoff: Some(plan.cutoff.instant()),
        method: method.to_string(),
        resumed: session.resume.is_some(),
        earlier_undo_files: session.earlier_undo_files.clone(),
        ..Outcome::default()
    };
    let sorters = sorters(&replay.sort)?;
    let stage = progress.stage("replay", "objects", None);
    let unavailable_timeout = replay.throttle.unavailable_timeout;
    let throttle = Throttle::new(Arc::clone(&bulk), replay.throttle, stage.clone(), cancel.clone()).await?;
    let places = Arc::new(plan.partitions.clone());
    let loader = Loader {
        limits: bulk.limits().await?,
        bulk,
        schema,
        policy,
        verify,
        undo_file,
        journal: session.journal.clone(),
        throttle: Arc::new(throttle),
        unavailable_timeout,
        places: Arc::clone(&places),
        days,
    };
    let (stop, halt) = (cancel.clone(), CancellationToken::default());
    let reader = plan.reader(replay.read_concurrency);
    let left = plan.range().zip(replay.left).map(|(range, to)| LeftRecords::new(to, range.ids));
    let (filter, cancel) = (plan.filter, stop.clone());
    let reading = progress.stage("lake", "objects", None);
    let reader = LakeReader { reader, places, filter, sorters, left, stage: reading, cancel, halt: halt.clone() };
    let mut run = ReplayRun::new(loader, replay.load_concurrency, session, outcome, (stage, stop)).await;
    run.count_unrecognized(&plan.unrecognized);
    run.take_all(reader, &halt).await?;
    run.finish(&plan, started).await
}

fn warn_of_nothing(plan: &Plan, journal: Option<&JournalMode>) {
    if plan.partitions.is_empty() && plan.range().is_none() && !matches!(journal, Some(JournalMode::Resume(_))) {
        tracing::warn!("the lake has no partition in this span: check --lake, --farm, --from and --to");
    }
}

fn sorters(settings: &SortSettings) -> anyhow::Result<Sorters> {
    Sorters::new(settings).map_err(|e| {
        let folder = settings.dir.display();
        anyhow::anyhow!("cannot sort in {folder}: {e}: use another --sort-dir")
    })
}
