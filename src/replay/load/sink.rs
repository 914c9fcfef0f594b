//! The sink of a batch: the warehouse, with the journal's entries in the same transaction, the undo file before it, and
//! reading back after it.

use std::collections::HashMap;
use std::time::Instant;

use super::classify::Classified;
use super::engine::Sink;
use super::loader::{LoadedBatch, Loader, PendingJournal};
use crate::replay::journal::BatchEntry;
use crate::replay::load_error::LoadError;
use crate::replay::order::{IdOrder, ReplayEntry};
use crate::replay::outcome::DayCounts;
use crate::replay::tally::Tally;
use crate::undo::RecordedChanges;
use pipeline::record::row::Row;
use pipeline::warehouse::{ChangeSet, IdempotencyToken, InsertResult, LoadResult};

/// Entries about records whose place another row has, and which so change nothing, that may wait for the next transaction.
const WAITING: usize = 100;

/// What the parts of a batch share.
pub(super) struct BatchSink<'a> {
    loader: &'a Loader,
    order: IdOrder,
    /// What waits for a transaction.
    pending: PendingJournal,
    recorded: RecordedChanges,
    /// The numbers of the part's entries, a day each.
    seqs: Vec<u64>,
    started: Instant,
    loaded: &'a mut LoadedBatch,
}

impl<'a> BatchSink<'a> {
    pub(super) fn new(
        loader: &'a Loader,
        order: IdOrder,
        pending: PendingJournal,
        loaded: &'a mut LoadedBatch,
    ) -> Self {
        let (recorded, seqs, started) = (RecordedChanges::default(), Vec::new(), Instant::now());
        Self { loader, order, pending, recorded, seqs, started, loaded }
    }

    pub(super) fn order(&self) -> IdOrder {
        self.order
    }

    /// Numbers the entries of a part, which keep these numbers however often it is tried.
    pub(super) fn begin_part(&mut self, part: &[ReplayEntry]) {
        let days = self.loader.by_day(self.order, part);
        let journal = self.loader.journal.iter();
        self.seqs = journal.flat_map(|journal| days.iter().map(|_| journal.seq())).collect();
        self.started = Instant::now();
    }

    pub(super) fn end_part(&mut self) {
        self.loaded.elapsed += self.started.elapsed();
    }

    /// Ends the batch, wholly or not; what was pending still is.
    pub(super) fn abort(self) {
        self.loaded.pending.append(self.pending);
    }

    /// Does what is to be done and writes the entries, in one transaction: once, however often the server is waited for.
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
        self.loader.retry_while_unavailable(|| bulk.apply(&change, schema)).await
    }

    /// Counts a part that is in, and the numbers of its entries.
    fn record_loaded(&mut self, part: &[ReplayEntry], entries: Vec<BatchEntry>) {
        let days = self.loader.by_day(self.order, part).into_iter();
        let days = days.map(|range| self.loader.places[part[range.start].place as usize].day);
        self.loaded.seqs.extend(days.zip(self.seqs.iter().copied()));
        part.iter().for_each(|entry| *self.loaded.places.entry(entry.place).or_default() += 1);
        entries.into_iter().for_each(|entry| self.loaded.tally.merge(entry.tally));
    }
}

impl Sink for BatchSink<'_> {
    async fn existing(&mut self, part: &[ReplayEntry]) -> Result<HashMap<String, Row>, LoadError> {
        let loader = self.loader;
        loader.retry_while_unavailable(|| loader.existing(part)).await
    }

    async fn row_of(&mut self, id: &str) -> Result<Option<Row>, LoadError> {
        let (loader, ids) = (self.loader, [id.to_owned()]);
        let found = loader.retry_while_unavailable(|| loader.bulk.fetch(&ids, &loader.schema)).await?;
        Ok(found.into_iter().next())
    }

    async fn apply(&mut self, part: &[ReplayEntry], classified: &Classified) -> Result<InsertResult, LoadError> {
        let loader = self.loader;
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
        if classified.may_wait && !self.seqs.is_empty() && earlier < WAITING {
            self.record_loaded(part, entries);
            return Ok(InsertResult::Inserted);
        }
        let sent = self.send(classified).await;
        if !matches!(sent, Ok(InsertResult::Inserted)) {
            self.pending.writes.truncate(earlier);
            return sent;
        }
        let changed = classified.changes() > 0 || !self.pending.writes.is_empty();
        self.loaded.transactions += u64::from(changed);
        self.pending = PendingJournal::default();
        if loader.verify {
            loader.verify_rows(part, classified, &mut entries).await?;
            self.loaded.pending.writes.extend(loader.numbered(&self.seqs, &entries));
        }
        self.record_loaded(part, entries);
        Ok(InsertResult::Inserted)
    }

    fn conflict(&mut self, entry: &ReplayEntry, conflict: &LoadResult) {
        let mut tally = Tally::default();
        tally.record_loaded(&entry.key, conflict);
        let counts = DayCounts { listed: 1, conflicting: 1, ..DayCounts::default() };
        *tally.cells.at(&self.loader.places[entry.place as usize]) = counts;
        self.loaded.tally.merge(tally);
        *self.loaded.places.entry(entry.place).or_default() += 1;
    }
}
