//! A replay ready to run: what to read, where to load it, and how gently.

use std::sync::Arc;

use super::plan::Plan;
use super::policy::Policy;
use super::resume::{ResumeState, find_unfinished_run};
use super::throttle::ThrottleSettings;
use crate::sort::SortSettings;
use crate::undo::UndoFile;
use pipeline::warehouse::BulkWarehouse;

/// A replay ready to run.
pub struct Replay {
    /// What to read.
    pub plan: Plan,
    /// Where to load.
    pub bulk: Arc<dyn BulkWarehouse>,
    /// What to do with conflicts.
    pub policy: Policy,
    /// Whether to read every loaded row back and compare it.
    pub verify: bool,
    /// Reads at once.
    pub read_concurrency: usize,
    /// Batches loaded at once.
    pub load_concurrency: usize,
    /// How much is sorted in memory, and where the rest goes.
    pub sort: SortSettings,
    /// Where overwritten rows are written down.
    pub undo_file: Option<UndoFile>,
    /// Whether a journal is kept, and a run found in it.
    pub journal: Option<JournalMode>,
    /// What the run waits for.
    pub throttle: ThrottleSettings,
}

impl Replay {
    /// A replay as it is without any flag.
    pub fn new(plan: Plan, bulk: Arc<dyn BulkWarehouse>) -> Self {
        Self {
            plan,
            bulk,
            policy: Policy::default(),
            verify: false,
            read_concurrency: 256,
            load_concurrency: 4,
            sort: SortSettings { memory: 64_000_000, dir: std::env::temp_dir() },
            undo_file: None,
            journal: Some(JournalMode::New),
            throttle: ThrottleSettings::default(),
        }
    }
}

/// The journal a run keeps.
#[derive(Debug)]
pub enum JournalMode {
    /// A new run's.
    New,
    /// That of a run that goes on.
    Resume(Box<ResumableRun>),
}

/// An earlier session of a run, as the journal has it.
#[derive(Debug)]
pub struct ResumableRun(pub(super) Arc<ResumeState>);

/// The run that `--resume` goes on with: the newest one of that lake and table that has not ended.
///
/// # Errors
/// There is one and it was asked for other things; the journal cannot be read.
pub async fn find_resumable_run(
    bulk: &dyn BulkWarehouse,
    plan: &Plan,
    policy: Policy,
    verify: bool,
) -> anyhow::Result<Option<ResumableRun>> {
    let lake = plan.lake.identity();
    if !bulk.open_journal(false).await? {
        return Ok(None);
    }
    let Some((run, header)) = find_unfinished_run(bulk, &lake).await? else { return Ok(None) };
    let changed = header.changed_options(&plan.run_header(policy));
    anyhow::ensure!(
        changed.is_empty(),
        "run {run} of {} has not ended and was asked for other things ({}): give the same to go on with it, or leave \
         --resume away to begin anew, which is safe",
        header.started_at.format("%Y-%m-%d %H:%M UTC"),
        changed.join("; ")
    );
    Ok(Some(ResumableRun(Arc::new(ResumeState::read(bulk, run, header, verify).await?))))
}
