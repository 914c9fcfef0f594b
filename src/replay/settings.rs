//! Settings of a replay: what to read, where to load it, and the throttle.

use std::sync::Arc;

use super::plan::Plan;
use super::policy::Policy;
use super::resume::{ResumeState, find_unfinished_run};
use super::throttle::ThrottleSettings;
use crate::sort::SortSettings;
use crate::undo::UndoFile;
use pipeline::warehouse::BulkWarehouse;

/// Replay that is ready to run.
pub struct Replay {
    /// Objects to read.
    pub plan: Plan,
    /// Warehouse to load into.
    pub bulk: Arc<dyn BulkWarehouse>,
    /// Handling of conflicts.
    pub policy: Policy,
    /// If true, every loaded row is read back and compared.
    pub verify: bool,
    /// Number of concurrent reads.
    pub read_concurrency: usize,
    /// Number of batches loaded concurrently.
    pub load_concurrency: usize,
    /// Memory limit of the sort, and the directory for what exceeds it.
    pub sort: SortSettings,
    /// File in which overwritten rows are recorded. `None` records nothing.
    pub undo_file: Option<UndoFile>,
    /// Journal of the run. `None` if no journal is written.
    pub journal: Option<JournalMode>,
    /// Limits that the run must not exceed.
    pub throttle: ThrottleSettings,
}

impl Replay {
    /// Returns a replay with the default settings.
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

/// Journal that a run writes.
#[derive(Debug)]
pub enum JournalMode {
    /// Journal of a new run.
    New,
    /// Journal of a run that is resumed.
    Resume(Box<ResumableRun>),
}

/// Earlier session of a run, read from the journal.
#[derive(Debug)]
pub struct ResumableRun(pub(super) Arc<ResumeState>);

/// Returns the run that `--resume` continues: the newest unfinished run of that lake and table.
///
/// # Errors
/// Returns an error if that run has different settings, or if the journal cannot be read.
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
        "unfinished run {run} of {} used other options ({}): use the same options to resume it, or omit --resume to start \
         over, which is safe",
        header.started_at.format("%Y-%m-%d %H:%M UTC"),
        changed.join("; ")
    );
    Ok(Some(ResumableRun(Arc::new(ResumeState::read(bulk, run, header, verify).await?))))
}
