//! Journal of a run in one session, from opening to closing; the run is new or resumed.

use std::path::Path;
use std::sync::Arc;

use super::journal_entries::{Journal, RunHeader};
use super::load::PendingJournal;
use super::plan::Plan;
use super::resume::ResumeState;
use super::settings::JournalMode;
use crate::undo::UndoFile;
use pipeline::record::row::TableSchema;
use pipeline::warehouse::{BulkWarehouse, ChangeSet};

/// Session of a run.
#[derive(Debug)]
pub(super) struct Session {
    /// Destination of its entries. `None` if no journal is written.
    pub journal: Option<Journal>,
    /// Progress of earlier sessions of the run.
    pub resume: Option<Arc<ResumeState>>,
    pub header: RunHeader,
    /// Undo files of earlier sessions.
    pub earlier_undo_files: Vec<String>,
}

impl Session {
    /// Opens the journal and writes the header. Removes the days that an earlier session completed from the plan.
    pub(super) async fn open(
        mode: Option<JournalMode>,
        plan: &mut Plan,
        header: RunHeader,
        undo_file: Option<&UndoFile>,
        (bulk, schema): (&dyn BulkWarehouse, &TableSchema),
    ) -> anyhow::Result<Self> {
        let (journal, resume) = match mode {
            None => (None, None),
            Some(JournalMode::New) => {
                bulk.open_journal(true).await?;
                (Some(Journal::new(header.started_at)), None)
            }
            Some(JournalMode::Named(run)) => {
                bulk.open_journal(true).await?;
                (Some(Journal::session(run)), None)
            }
            Some(JournalMode::Resume(earlier)) => (Some(earlier.0.journal.clone()), Some(earlier.0)),
        };
        let mut session = Self { journal, resume, header, earlier_undo_files: Vec::new() };
        if let Some(resume) = &session.resume {
            plan.cutoff = plan.cutoff.resumed(resume.header.cutoff);
            plan.partitions.retain(|partition| !resume.days.contains(&partition.day));
            session.header = resume.header.clone();
        }
        session.name_undo_files(undo_file);
        if let Some(journal) = &session.journal {
            let forget = session.resume.as_ref().map_or(&[][..], |resume| &resume.stale_entries);
            let entries = [journal.entry(0, &session.header)];
            bulk.apply(
                &ChangeSet { journal_writes: &entries, journal_deletes: forget, ..ChangeSet::default() },
                schema,
            )
            .await?;
        }
        Ok(session)
    }

    /// Records the existing undo files, and adds this session's own to the header.
    fn name_undo_files(&mut self, undo_file: Option<&UndoFile>) {
        let there = self.header.undo_files.iter().filter(|path| Path::new(path).exists());
        self.earlier_undo_files = there.cloned().collect();
        if let Some(undo) = undo_file {
            let path = std::path::absolute(undo.path()).unwrap_or_else(|_| undo.path().into()).display().to_string();
            self.earlier_undo_files.retain(|earlier| *earlier != path);
            if !self.header.undo_files.contains(&path) {
                self.header.undo_files.push(path);
            }
        }
    }

    /// Returns the run's id; empty if no journal is written.
    pub(super) fn run_id(&self) -> String {
        self.journal.as_ref().map(|journal| journal.run.to_string()).unwrap_or_default()
    }

    /// Writes pending entries. If the run has ended, only the header remains, with its counts.
    ///
    /// The rows are stored even if this fails: without these entries, a resumed run reads some days again.
    pub(super) async fn close(
        &mut self,
        ended: Option<serde_json::Value>,
        mut pending: PendingJournal,
        (bulk, schema): (&dyn BulkWarehouse, &TableSchema),
    ) {
        let Some(journal) = &self.journal else { return };
        self.header.ended = ended;
        let closed = async {
            if self.header.ended.is_some() {
                pending.deletes =
                    bulk.run_entries(journal.run).await?.into_iter().map(|entry| (entry.run_id, entry.seq)).collect();
                pending.writes = vec![journal.entry(0, &self.header)];
            }
            let change = ChangeSet {
                journal_writes: &pending.writes,
                journal_deletes: &pending.deletes,
                ..ChangeSet::default()
            };
            bulk.apply(&change, schema).await
        };
        if let Err(e) = closed.await {
            tracing::warn!("the last notes of the journal could not be written: {e}");
        }
    }
}
