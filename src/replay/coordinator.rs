//! Loading side of a run: receives records from the reading side, and passes them to the workers in batches.
//!
//! [`super::batching`], [`super::matching`] and [`super::days`] decide what a batch is, what an earlier session has
//! loaded, and when a day is complete. This module passes records between them and counts the results.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use chrono::NaiveDate;
use tokio::sync::mpsc;

use super::batching::{self, Batching};
use super::days::DayLedger;
use super::journal_entries::RunEntry;
use super::load::{Batch, LoadedBatch, Loader, PendingJournal};
use super::load_error::LoadError;
use super::matching::{Matched, Matching};
use super::order::{IdOrder, ReplayEntry};
use super::outcome::{Counter, Outcome};
use super::plan::Plan;
use super::reader::{LakeReader, ReadDay, ReadEnd, ReadError, ReaderEvent};
use super::session::Session;
use super::tally::{PendingRecords, Tally};
use super::workers::Workers;
use crate::cancellation::CancellationToken;
use crate::progress::Stage;
use crate::sort::Sorted;
use pipeline::lake::{Partition, UnrecognizedNames};

const INTERRUPTED: &str = "interrupted";

/// Run in progress.
pub(super) struct ReplayRun {
    loader: Arc<Loader>,
    workers: Workers<WorkerResult>,
    session: Session,
    stage: Stage,
    cancel: CancellationToken,
    tally: Tally,
    /// Number of objects that must be accounted for.
    seen: u64,
    pending: PendingRecords,
    matching: Matching,
    batching: Batching,
    days: DayLedger,
    /// Journal changes to write with the next batch.
    pending_journal: PendingJournal,
    outcome: Outcome,
    /// True once anything was loaded or counted; a later failure is then an outcome.
    has_progress: bool,
    /// Failure before the first progress.
    startup_error: Option<anyhow::Error>,
}

/// Result of one batch.
struct WorkerResult {
    /// Days of its time-ordered records; empty for other orders.
    days: BTreeSet<NaiveDate>,
    order: IdOrder,
    loaded: LoadedBatch,
    ended: Result<(), LoadError>,
}

impl ReplayRun {
    /// Returns a new run, or one that continues the earlier sessions in `session`.
    pub(super) async fn new(
        loader: Loader,
        load_concurrency: usize,
        session: Session,
        outcome: Outcome,
        (stage, cancel): (Stage, CancellationToken),
    ) -> Self {
        let days: BTreeSet<NaiveDate> = loader.places.iter().map(|partition| partition.day).collect();
        let tally = session.resume.as_ref().map(|resume| resume.tally.clone()).unwrap_or_default();
        Self {
            workers: Workers::new(load_concurrency),
            stage,
            cancel,
            seen: tally.counts[Counter::Listed],
            tally,
            pending: PendingRecords::default(),
            matching: Matching::new(session.resume.clone()),
            batching: Batching::new(loader.throttle.max_batch_rows().await),
            days: DayLedger::new(days.len()),
            pending_journal: PendingJournal::default(),
            session,
            outcome,
            has_progress: false,
            startup_error: None,
            loader: Arc::new(loader),
        }
    }

    /// Counts objects whose path is not one of the lake.
    pub(super) fn count_unrecognized(&mut self, unrecognized: &UnrecognizedNames) {
        self.seen += unrecognized.count() + unrecognized.folder_markers();
        self.tally.record_unrecognized(unrecognized);
    }

    /// Runs the reader and processes everything it sends; `halt` stops the reader if this side cannot continue.
    pub(super) async fn take_all(&mut self, reader: LakeReader, halt: &CancellationToken) -> anyhow::Result<()> {
        let (events, mut incoming) = mpsc::channel(2);
        let reader = tokio::spawn(reader.run(events));
        while let Some(event) = incoming.recv().await {
            match event {
                ReaderEvent::Day(day) => self.take_day(*day).await,
                ReaderEvent::End(end) => self.take_end(*end).await,
            }
            if self.has_stopped() {
                halt.cancel();
            }
        }
        Ok(reader.await?)
    }

    fn place(&self, number: u32) -> &Partition {
        &self.loader.places[number as usize]
    }

    fn has_stopped(&self) -> bool {
        self.outcome.stopped.is_some() || self.startup_error.is_some()
    }

    /// Stops the run; the first reason is kept.
    fn stop_because(&mut self, why: impl Into<String>) {
        self.outcome.stopped.get_or_insert_with(|| why.into());
    }

    /// Processes a day: counts its objects, and sends its records on.
    async fn take_day(&mut self, read: ReadDay) {
        let ReadDay { day, mut tally, sorted, timed, unordered } = read;
        for (&number, &count) in &timed {
            self.pending.add(&self.loader.places[number as usize], IdOrder::TimeOrdered, count);
        }
        for (&number, &count) in &unordered {
            tally.cells.at(self.place(number)).listed += count;
            self.pending.unordered_waiting += count;
        }
        let listed = tally.counts[Counter::Listed];
        self.stage.add(listed);
        self.has_progress |= listed > 0;
        self.tally.merge(tally.clone());
        let Some(sorted) = sorted else { return };
        let again = !unordered.is_empty() || tally.has_unread();
        self.days.open(day, tally, again);
        self.send_all(sorted, IdOrder::TimeOrdered).await;
        if !self.has_stopped() {
            // Its last records may still wait for a full batch.
            self.days.complete(day);
            self.show_progress();
            self.journal_finished_days();
        }
    }

    async fn take_end(&mut self, end: ReadEnd) {
        self.outcome.reading_seconds = end.seconds;
        self.seen += end.seen;
        self.pending.unordered_waiting = 0; // now among the pending ones
        for (&number, &count) in &end.waiting {
            self.pending.add(&self.loader.places[number as usize], IdOrder::Unordered, count);
        }
        if !matches!(end.error, Some(ReadError::Stopped)) && !self.has_stopped() {
            self.dispatch_batch().await; // also if the lake fails, so that complete days are not read again
        }
        match end.error {
            None => {}
            Some(ReadError::Stopped) => self.stop_because(INTERRUPTED),
            // Objects were read before the session ended, and the run can be resumed after the next login.
            Some(ReadError::Lake(e)) if e.ends_access() && (end.any_read || end.seen > 0) => {
                self.stop_because(format!("{e}: then add --resume"));
            }
            Some(ReadError::Lake(e)) if !self.has_progress && self.workers.are_idle() => {
                self.startup_error = Some(e.into());
            }
            Some(ReadError::Lake(e)) => self.stop_because(e.to_string()),
            Some(ReadError::Sort(e)) => self.stop_because(format!(
                "the records cannot be sorted on disk: {e}: free some space, or use another directory with --sort-dir"
            )),
        }
        if let (Some(unordered), false) = (end.unordered, self.has_stopped()) {
            while !self.workers.are_idle() {
                self.join_worker().await; // if two objects claim a row, the time-ordered one wins
            }
            self.send_all(unordered, IdOrder::Unordered).await;
            if !self.has_stopped() {
                self.dispatch_batch().await;
            }
        }
    }

    /// Cuts sorted records into batches; the last one waits for more records if it is not full.
    async fn send_all(&mut self, sorted: Sorted<ReplayEntry>, order: IdOrder) {
        self.matching.begin(order);
        self.batching.begin(order);
        for entry in sorted {
            let entry = match entry {
                Ok(entry) => entry,
                Err(e) => return self.stop_because(format!("sorted records cannot be read back: {e}")),
            };
            let (matched, entry) = self.matching.push(entry);
            if let Some(matched) = matched {
                self.take_matched(matched, order).await;
            }
            if let Some(entry) = entry {
                self.push(entry).await;
            }
            if self.has_stopped() {
                return;
            }
        }
        if let Some(matched) = self.matching.finish() {
            self.take_matched(matched, order).await;
        }
    }

    /// Counts what an earlier session has loaded, and loads the rest.
    async fn take_matched(&mut self, matched: Matched, order: IdOrder) {
        match matched {
            Matched::Loaded { seq, entries, tally } => {
                let mut places = HashMap::new();
                entries.iter().for_each(|entry| *places.entry(entry.place).or_default() += 1);
                self.record_loaded(order, &places, *tally);
                if let (IdOrder::TimeOrdered, Some(first)) = (order, entries.first()) {
                    self.days.resumed(self.loader.places[first.place as usize].day, seq);
                }
            }
            Matched::Stale { seq, entries } => {
                if let (Some(first), Some(last)) = (entries.first(), entries.last()) {
                    tracing::warn!(
                        "between {} and {} the lake now has other records to read than before: they are done again",
                        first.id,
                        last.id
                    );
                }
                let run = self.session.resume.as_ref().map(|resume| resume.journal.run);
                self.pending_journal.deletes.extend(run.map(|run| (run, seq)));
                for entry in entries {
                    if self.has_stopped() {
                        return;
                    }
                    self.push(entry).await;
                }
            }
        }
    }

    async fn push(&mut self, entry: ReplayEntry) {
        if self.batching.is_full_before(&entry) {
            self.dispatch_batch().await;
        }
        self.batching.push(entry);
    }

    /// Counts records that were loaded or rejected, by partition.
    fn record_loaded(&mut self, order: IdOrder, places: &HashMap<u32, u64>, tally: Tally) {
        for (&number, &count) in places {
            self.pending.remove(&self.loader.places[number as usize], order, count);
        }
        let rows: u64 = places.values().sum();
        self.stage.add(rows);
        self.has_progress |= rows > 0;
        self.tally.merge(tally);
        self.show_progress();
    }

    /// Shows the fraction done: that of the days read, less what is read and not yet loaded.
    fn show_progress(&self) {
        let done = self.tally.counts[Counter::Listed] as f64;
        let left = (self.pending.total() + self.pending.unordered_waiting) as f64;
        self.stage.set_fraction(self.days.fraction() * done / (done + left).max(1.0));
    }

    /// Sends the current batch once a worker is free.
    async fn dispatch_batch(&mut self) {
        if self.cancel.is_cancelled() {
            self.stop_because(INTERRUPTED);
        }
        while self.workers.are_busy() {
            self.join_worker().await;
        }
        if self.batching.is_empty() || self.has_stopped() {
            return;
        }
        let (order, entries) = (self.batching.order(), self.batching.take());
        let days = batching::days(order, &entries, &self.loader.places);
        self.days.batch_sent(&days);
        let batch = Batch { order, entries, pending: std::mem::take(&mut self.pending_journal) };
        let loader = Arc::clone(&self.loader);
        self.workers.start(async move {
            let mut loaded = LoadedBatch::default();
            let ended = loader.load(batch, &mut loaded).await;
            WorkerResult { days, order, loaded, ended }
        });
    }

    /// Waits for the next batch to end, and counts it.
    async fn join_worker(&mut self) {
        let WorkerResult { days, order, loaded, ended } = match self.workers.next().await {
            None => return,
            Some(Ok(result)) => result,
            Some(Err(e)) => {
                return self.stop_because(format!("a loader failed, this is a bug in ruminate: {e}"));
            }
        };
        let rows: u64 = loaded.places.values().sum();
        self.record_loaded(order, &loaded.places, loaded.tally);
        self.has_progress |= loaded.transactions > 0;
        self.pending_journal.append(loaded.pending);
        self.outcome.session_records += rows;
        self.outcome.transactions += loaded.transactions;
        self.outcome.loading_seconds += loaded.elapsed.as_secs_f64();
        self.days.batch_ended(&days, &loaded.seqs, ended.is_ok());
        match ended {
            Ok(()) => {
                let max = self.loader.throttle.max_batch_rows().await;
                self.batching.retarget(rows, loaded.elapsed, loaded.transactions, max);
            }
            Err(e) => self.fail(e),
        }
        self.journal_finished_days();
    }

    fn fail(&mut self, error: LoadError) {
        match error {
            LoadError::Warehouse(e) if !self.has_progress && !self.has_stopped() && !e.kind().is_transient() => {
                self.startup_error = Some(e.into());
            }
            error => self.stop_because(error.to_string()),
        }
    }

    /// Records the complete days; their entries are written with the next batch.
    fn journal_finished_days(&mut self) {
        let waiting = self.batching.waiting_days(&self.loader.places);
        let done = self.days.take_done(&waiting);
        if let Some(journal) = &self.loader.journal {
            let entries = done.into_iter().map(|day| journal.entry(journal.seq(), &RunEntry::Day(day)));
            self.pending_journal.writes.extend(entries);
        }
    }

    /// Waits for running batches, writes the last journal entries, and returns the outcome.
    pub(super) async fn finish(mut self, plan: &Plan, started: Instant) -> anyhow::Result<Outcome> {
        while !self.workers.are_idle() {
            self.join_worker().await;
        }
        self.journal_finished_days();
        let (loader, mut outcome) = (self.loader, self.outcome);
        outcome.seconds = started.elapsed().as_secs_f64();
        // The method may have changed: a proxy on the way to the server may not support LOAD DATA.
        if self.has_progress
            && let Ok(method) = loader.bulk.load_strategy().await
        {
            outcome.method = method.to_string();
        }
        outcome.lake_throttling = plan.lake.throttle_stats();
        outcome.from_parts = plan.parts_stats();
        outcome.pauses = loader.throttle.pauses().await;
        outcome.undo_file =
            loader.undo_file.as_ref().and_then(|undo_file| undo_file.written()).map(|path| path.display().to_string());
        self.tally.close(&self.pending, &mut outcome);
        let listed = outcome.counts[Counter::Listed];
        if let (Some(only), None) = (&plan.only, &outcome.stopped) {
            outcome.counts[Counter::NotFound] = only.len().saturating_sub(listed);
        }
        let has_ended = outcome.stopped.is_none() && self.startup_error.is_none();
        let ended = has_ended.then(|| outcome.contract());
        self.session.close(ended, self.pending_journal, (&*loader.bulk, &loader.schema)).await;
        self.stage.finish();
        if let Some(error) = self.startup_error {
            return Err(error);
        }
        outcome.check()?;
        anyhow::ensure!(
            listed == self.seen,
            "{} objects were listed and {listed} are accounted for; this is a bug in ruminate",
            self.seen,
        );
        Ok(outcome)
    }
}
