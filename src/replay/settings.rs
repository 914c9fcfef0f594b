//! Settings of a replay: what to read, where to load it, and the throttle.

use std::sync::Arc;

use uuid::Uuid;

use super::journal_entries::RunHeader;
use super::plan::Plan;
use super::policy::Policy;
use super::resume::{ResumeState, find_unfinished_run};
use super::throttle::ThrottleSettings;
use crate::exchange::ExchangeWriter;
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
    /// Receives the records that only the merge of a replay in shards may load. `None` if the replay is not a shard.
    pub left: Option<Box<dyn ExchangeWriter>>,
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
            left: None,
        }
    }
}

/// Journal that a run writes.
#[derive(Debug)]
pub enum JournalMode {
    /// Journal of a new run.
    New,
    /// Journal of a new run with this id.
    Named(Uuid),
    /// Journal of a run that is resumed.
    Resume(Box<ResumableRun>),
}

/// Earlier session of a run, read from the journal.
#[derive(Debug)]
pub struct ResumableRun(pub(super) Arc<ResumeState>);

/// Returns the journal of the run with this id: of a new one, or of an earlier session that did not end.
///
/// # Errors
/// Returns an error if the journal cannot be read.
pub async fn journal_of_run(bulk: &dyn BulkWarehouse, run: Uuid, verify: bool) -> anyhow::Result<JournalMode> {
    bulk.open_journal(true).await?;
    let header = bulk.run_headers().await?.into_iter().find(|entry| entry.run_id == run);
    let header = header.and_then(|entry| serde_json::from_str::<RunHeader>(&entry.text).ok());
    match header.filter(|header| header.ended.is_none()) {
        None => Ok(JournalMode::Named(run)),
        Some(header) => {
            let state = ResumeState::read(bulk, run, header, verify).await?;
            Ok(JournalMode::Resume(Box::new(ResumableRun(Arc::new(state)))))
        }
    }
}

/// Returns the run that `--resume` continues: the newest unfinished run of that lake and table, if there is the table.
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
    // A new table that was swapped in, or dropped: nothing that its journal lists is in it.
    if bulk.status().await?.rows.is_none() {
        return Ok(None);
    }
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
