//! Sink of a batch: writes the undo file, then rows and journal entries in one transaction, then reads rows back.

use std::time::Duration;

use tokio::time::Instant;

use super::loader::{LoadedBatch, Loader, PendingJournal};
use crate::replay::journal_entries::BatchEntry;
use crate::replay::load_error::LoadError;
use crate::replay::order::{IdOrder, ReplayEntry, id_day};
use crate::replay::outcome::DayCounts;
use crate::replay::policy::Policy;
use crate::replay::tally::Tally;
use crate::undo::RecordedChanges;
use pipeline::record::row::{Row, TableSchema};
use pipeline::warehouse::load::{Classified, Fault, LookupOrder, Rows, Sink};
use pipeline::warehouse::{self, ChangeSet, IdempotencyToken, InsertResult, LoadResult, Reason};

/// Maximum number of entries without row changes (another row exists for the record) that wait for the next
/// transaction.
const WAITING: usize = 100;

/// Time between two checks of the throttle within a batch.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// State shared by the parts of a batch.
pub(super) struct BatchSink<'a> {
    loader: &'a Loader,
    order: IdOrder,
    /// Journal changes that wait for a transaction.
    pending: PendingJournal,
    recorded: RecordedChanges,
    /// Numbers of the part's entries, one per day.
    seqs: Vec<u64>,
    /// Time at which the throttle last accepted a part.
    passed: Option<Instant>,
    /// Start of the part.
    started: Option<Instant>,
    loaded: &'a mut LoadedBatch,
}

impl<'a> BatchSink<'a> {
    pub(super) fn new(
        loader: &'a Loader,
        order: IdOrder,
        pending: PendingJournal,
        loaded: &'a mut LoadedBatch,
    ) -> Self {
        let recorded = RecordedChanges::default();
        Self { loader, order, pending, recorded, seqs: Vec::new(), passed: None, started: None, loaded }
    }

    /// Ends the batch, completely loaded or not; pending journal changes are kept.
    pub(super) fn abort(mut self) {
        self.end_part();
        self.loaded.pending.append(self.pending);
    }

    fn end_part(&mut self) {
        self.loaded.elapsed += self.started.take().map(|started| started.elapsed()).unwrap_or_default();
    }

    /// Writes the rows and the entries in one transaction. They are written once, even if the server must be waited
    /// for.
    async fn send(&self, classified: &Classified) -> Result<InsertResult, LoadError> {
        let token = IdempotencyToken::unique();
        let change = ChangeSet {
            insert: &classified.insert,
            replace: &classified.replace,
            journal_writes: &self.pending.writes,
            journal_deletes: &self.pending.deletes,
            token: Some(&token),
            ..ChangeSet::default()
        };
        let Loader { bulk, schema, .. } = self.loader;
        match self.loader.retry_while_unavailable(|| bulk.apply(&change, schema)).await {
            Err(LoadError::Warehouse(e)) if e.reason == Reason::BadRow && classified.changes() == 0 => {
                Err(entry_refused(e))
            }
            sent => sent,
        }
    }

    /// Counts a part that was loaded, and the numbers of its entries.
    fn record_loaded(&mut self, part: &[ReplayEntry], entries: Vec<BatchEntry>) {
        let days = self.loader.by_day(self.order, part).into_iter();
        let days = days.map(|range| self.loader.places[part[range.start].place as usize].day);
        self.loaded.seqs.extend(days.zip(self.seqs.iter().copied()));
        part.iter().for_each(|entry| *self.loaded.places.entry(entry.place).or_default() += 1);
        entries.into_iter().for_each(|entry| self.loaded.tally.merge(entry.tally));
    }

    /// Records the conflict that ends the load.
    fn conflict(&mut self, entry: &ReplayEntry, conflict: &LoadResult) {
        let mut tally = Tally::default();
        let mut day = DayCounts::default();
        tally.record_loaded(&entry.key, conflict, &mut day);
        *tally.cells.at(&self.loader.places[entry.place as usize]) = day;
        self.loaded.tally.merge(tally);
        *self.loaded.places.entry(entry.place).or_default() += 1;
    }
}

/// Returns the error for a rejected transaction that contained only journal entries.
fn entry_refused(e: warehouse::Error) -> LoadError {
    let message = format!(
        "the journal cannot be written, as if ruminate_journal was altered: drop that table, or replay with --no-journal: {}",
        e.message
    );
    warehouse::Error { reason: Reason::BadSchema, message, ..e }.into()
}

impl Sink for BatchSink<'_> {
    type Entry = ReplayEntry;
    type Error = LoadError;

    fn lookup_order(&self) -> LookupOrder {
        LookupOrder::First
    }

    fn schema(&self) -> &TableSchema {
        &self.loader.schema
    }

    /// Returns true if the record may overwrite a row that another object also claims; the decision is the same in
    /// every run.
    ///
    /// Records of one id are in one batch, which uses the first of them, unless one is time-ordered and others are not.
    /// In that case the time-ordered one wins. It may exist if the day in the id is in the plan.
    fn may_overwrite(&self, entry: &ReplayEntry) -> bool {
        let is_planned = |day| self.loader.days.contains(&day);
        self.loader.policy == Policy::Overwrite
            && (self.order == IdOrder::TimeOrdered || !id_day(&entry.id).is_some_and(is_planned))
    }

    fn refusal(&self, row: &Row) -> Option<String> {
        self.loader.limits.violation(row)
    }

    fn fault(&self, e: &LoadError) -> Fault {
        match e {
            LoadError::Warehouse(e) if e.reason == Reason::BadRow => e.into(),
            _ => Fault::Fatal,
        }
    }

    /// Waits for the throttle, and numbers the entries of the part; a retry uses the same numbers.
    async fn begin(&mut self, part: &[ReplayEntry]) -> Result<(), LoadError> {
        self.end_part();
        if self.passed.is_none_or(|at| at.elapsed() >= CHECK_INTERVAL) {
            // The rows of a batch count once, regardless of the number of parts.
            let rows = if self.passed.is_none() { part.len() } else { 0 };
            self.loader.throttle.acquire(rows, self.loader.unavailable_timeout).await?;
            self.passed = Some(Instant::now());
        }
        let days = self.loader.by_day(self.order, part);
        let journal = self.loader.journal.iter();
        self.seqs = journal.flat_map(|journal| days.iter().map(|_| journal.seq())).collect();
        self.started = Some(Instant::now());
        Ok(())
    }

    async fn existing(&mut self, part: &[ReplayEntry]) -> Result<Rows, LoadError> {
        self.loader.existing(part).await
    }

    async fn apply(&mut self, part: &[ReplayEntry], classified: Classified) -> Result<InsertResult, LoadError> {
        let loader = self.loader;
        if loader.policy == Policy::Fail {
            let conflicting = |result: &&Option<LoadResult>| matches!(result, Some(LoadResult::Conflicting(_)));
            let mut results = part.iter().zip(&classified.results);
            if let Some((entry, Some(conflict))) = results.find(|(_, result)| conflicting(result)) {
                self.conflict(entry, conflict);
                return Err(LoadError::Conflict);
            }
        }
        if let Some(undo_file) = &loader.undo_file {
            let rows = classified.replace.iter().map(|(old, new)| (Some(old), new));
            undo_file.record(rows, &mut self.recorded).map_err(LoadError::Undo)?;
        }
        let entry = |range: std::ops::Range<usize>| {
            loader.batch_entry(self.order, &part[range.clone()], &classified.results[range])
        };
        let mut entries: Vec<BatchEntry> = loader.by_day(self.order, part).into_iter().map(entry).collect();
        let earlier = self.pending.writes.len();
        self.pending.writes.extend(loader.numbered(&self.seqs, &entries));
        if classified.place_taken && !self.seqs.is_empty() && earlier < WAITING {
            self.record_loaded(part, entries);
            return Ok(InsertResult::Inserted);
        }
        let sent = self.send(&classified).await;
        if !matches!(sent, Ok(InsertResult::Inserted)) {
            self.pending.writes.truncate(earlier);
            return sent;
        }
        let changed = classified.changes() > 0 || !self.pending.writes.is_empty();
        self.loaded.transactions += u64::from(changed);
        self.pending = PendingJournal::default();
        if loader.verify {
            loader.verify_rows(part, &classified, &mut entries).await?;
            self.loaded.pending.writes.extend(loader.numbered(&self.seqs, &entries));
        }
        self.record_loaded(part, entries);
        Ok(InsertResult::Inserted)
    }

    fn fail(&mut self, entry: &ReplayEntry, e: LoadError) -> Result<(), LoadError> {
        Err(match e {
            LoadError::Warehouse(e) => warehouse::Error { about: entry.key.clone(), ..e }.into(),
            e => e,
        })
    }
}
