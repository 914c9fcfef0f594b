//! The work of a replay: one side reads and sorts, the other loads, and every object is accounted for.
//!
//! This file puts the parts together. The loading side is [`super::coordinator`]'s, the reading side [`super::read`]'s.

use std::sync::Arc;
use std::time::Instant;

use super::coordinator::ReplayRun;
use super::load::Loader;
use super::order::Sorters;
use super::outcome::Outcome;
use super::plan::Plan;
use super::read::LakeReader;
use super::session::Session;
use super::settings::{JournalMode, Replay};
use super::throttle::Throttle;
use crate::progress::Progress;
use crate::sort::SortSettings;
use crate::stop::Stop;

/// Reads what is planned and loads it.
///
/// # Errors
/// The warehouse's table cannot hold records, or a store refuses before anything was loaded. A failure later on is an
/// outcome that says where it stopped.
pub async fn run(replay: Replay, progress: &Progress, stop: &Stop) -> anyhow::Result<Outcome> {
    let begun = Instant::now();
    let Replay { mut plan, bulk, policy, verify, undo, journal, .. } = replay;
    let shape = bulk.shape().await?;
    let method = bulk.method().await?;
    warn_of_nothing(&plan, journal.as_ref());
    let days = plan.partitions.iter().map(|partition| partition.day).collect();
    let header = plan.run_header(policy);
    let session = Session::open(journal, &mut plan, header, undo.as_ref(), (&*bulk, &shape)).await?;
    let outcome = Outcome {
        run: session.run_id(),
        lake: plan.lake.address(),
        warehouse: bulk.address(),
        asked: plan.options(policy),
        fence: Some(plan.cutoff.instant()),
        method: format!("{}: {}", method.kind, method.why),
        resumed: session.resume.is_some(),
        undo_earlier: session.undo_earlier.clone(),
        ..Outcome::default()
    };
    let sorters = sorters(&replay.sort)?;
    let stage = progress.stage("replay", None);
    let unavailable_timeout = replay.throttle.unavailable_timeout;
    let throttle = Throttle::new(Arc::clone(&bulk), replay.throttle, stage.clone(), stop.clone()).await?;
    let places = Arc::new(plan.partitions.clone());
    let loader = Loader {
        limits: bulk.limits().await?,
        bulk,
        shape,
        policy,
        verify,
        undo,
        journal: session.journal.clone(),
        throttle: Arc::new(throttle),
        unavailable_timeout,
        places: Arc::clone(&places),
        days,
    };
    let (stop, halt) = (stop.clone(), Stop::default());
    let reader = plan.reader(replay.read_concurrency);
    let reader = LakeReader { reader, places, filter: plan.filter, sorters, stop: stop.clone(), halt: halt.clone() };
    let mut run = ReplayRun::new(loader, replay.load_concurrency, session, outcome, (stage, stop)).await;
    run.count_unrecognized(std::mem::take(&mut plan.unrecognized));
    run.take_all(reader, &halt).await?;
    run.finish(&plan, begun).await
}

fn warn_of_nothing(plan: &Plan, journal: Option<&JournalMode>) {
    if plan.partitions.is_empty() && !matches!(journal, Some(JournalMode::Resume(_))) {
        tracing::warn!("the lake has no partition in this span: check --lake, --farm, --from and --to");
    }
}

fn sorters(settings: &SortSettings) -> anyhow::Result<Sorters> {
    Sorters::new(settings).map_err(|e| {
        let folder = settings.folder.display();
        anyhow::anyhow!("cannot sort in {folder}: {e}: use another --sort-dir")
    })
}
