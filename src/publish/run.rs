//! Main loop of a run: sends batches when they are due, limits how many are in flight, and records their results.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use tokio::task::JoinSet;

use super::batch::{Batch, Batcher};
use super::dead_letters::DeadLetters;
use super::entry::Entry;
use super::journal_file::Journal;
use super::live_view::{LiveStats, LiveView};
use super::pacer::Pacer;
use super::reader::{self, Counted};
use super::sender::{BatchDelivery, BatchSender, SendOutcome, SentMessage};
use super::telemetry::{Counts, Telemetry};
use super::watch::DeliveryWatch;
use super::{Count, End, Outcome, Pacing, Rest, Schedule, ScheduleEnd, Settings, Source, stop_requested};
use crate::cancellation::CancellationToken;
use crate::outcome::count;
use crate::progress::Progress;
use crate::topic::{BatchLimits, EntryError, Topic};
use pipeline::error::Kind;

/// State of an active run.
pub(super) struct PublishRun {
    settings: Settings,
    limits: BatchLimits,
    sender: Arc<BatchSender>,
    in_flight: JoinSet<BatchDelivery>,
    /// Message groups in flight, whose later messages must wait.
    groups: HashSet<String>,
    dead: DeadLetters,
    journal: Journal,
    telemetry: Telemetry,
    watch: Option<DeliveryWatch>,
    live: LiveView,
    cancel: CancellationToken,
    outcome: Outcome,
    /// Text before the place of a message: a generated message is in no file.
    place_prefix: &'static str,
    /// An error that will affect every further message.
    fatal: Option<String>,
}

/// Everything a run needs apart from the source.
pub(super) struct RunParts {
    pub topic: Arc<dyn Topic>,
    pub settings: Settings,
    pub dead: DeadLetters,
    pub journal: Journal,
    pub watch: Option<DeliveryWatch>,
}

impl PublishRun {
    pub(super) fn new(parts: RunParts, progress: &Progress, cancel: &CancellationToken) -> Self {
        let RunParts { topic, settings, dead, journal, watch } = parts;
        let outcome = Outcome {
            topic: topic.address(),
            dead_letters: settings.dead_letters.as_ref().map(|path| path.display().to_string()),
            counts: [(Count::Skipped, journal.completed().count())].into(),
            pacing: Pacing {
                schedule: settings.schedule.to_string(),
                rate: settings.schedule.constant(),
                ..Pacing::default()
            },
            resumed: settings.resume == super::Resume::Yes,
            ..Outcome::default()
        };
        Self {
            limits: topic.limits(),
            sender: Arc::new(BatchSender::new(topic, settings.retry, settings.concurrency, cancel.clone())),
            in_flight: JoinSet::new(),
            groups: HashSet::new(),
            telemetry: Telemetry::new(),
            watch,
            live: LiveView::new(progress, &settings.schedule),
            cancel: cancel.clone(),
            settings,
            dead,
            journal,
            outcome,
            place_prefix: "",
            fatal: None,
        }
    }

    /// Publishes the source and returns the final outcome.
    pub(super) async fn run(mut self, source: Source) -> anyhow::Result<Outcome> {
        let started = Instant::now();
        let pace = Pacer::new(&self.settings.schedule);
        self.live.expect(&source);
        self.place_prefix = if source.is_generated() { "generated " } else { "" };
        let generated = source.is_generated();
        source.reports().for_each(|report| self.outcome.add_input(report.clone()));
        let completed = self.journal.completed().clone();
        let (messages, reader) = reader::start(source, &self.settings, self.limits, completed, self.cancel.clone());
        let mut batches = Batcher::new(messages, self.limits, &self.settings, pace);
        while let Some(batch) = self.next(&mut batches).await? {
            self.count_read(&batch);
            let Some(batch) = self.wait(batch).await? else { break };
            self.send(batch);
        }
        if self.cancel.is_cancelled() {
            // The reading thread may have noticed the cancellation first and ended as if there were no more messages.
            self.note_interruption();
        }
        self.outcome.pacing.schedule_ended = batches.schedule_has_ended() && self.outcome.end.stopped.is_none();
        self.outcome.pacing.starved_seconds = batches.starved().as_secs_f64();
        let left = batches.left().await;
        while let Some(delivered) = self.in_flight.join_next().await {
            self.record_delivery(delivered?);
        }
        self.account_for_rest(left, reader.end().await, generated);
        let watch = self.watch.take();
        let mut outcome = self.close(started)?;
        if let Some(watch) = watch {
            let (watched, arrived) = watch.progress();
            if watched > arrived {
                tracing::info!("published; waiting for {} of {} to arrive", count(watched - arrived), count(watched));
            }
            outcome.lag = Some(watch.end().await?);
        }
        Ok(outcome)
    }

    /// Returns the next batch, or `None` if there is none or the run must end. Records results in the meantime.
    async fn next(&mut self, batches: &mut Batcher) -> anyhow::Result<Option<Batch>> {
        loop {
            if self.outcome.end.stopped.is_some() {
                return Ok(None);
            }
            tokio::select! {
                biased;
                () = stop_requested(&self.cancel) => self.note_interruption(),
                Some(delivered) = self.in_flight.join_next() => self.record_delivery(delivered?),
                () = self.live.tick() => self.show(),
                batch = batches.next() => match batch {
                    Ok(batch) => return Ok(batch),
                    Err(e) => {
                        self.outcome.end.stopped = Some(e.to_string());
                        self.outcome.end.source_failed = true;
                    }
                },
            }
        }
    }

    /// Waits until the batch is due and may be sent. Returns `None` if the run must end first.
    async fn wait(&mut self, batch: Batch) -> anyhow::Result<Option<Batch>> {
        loop {
            if self.outcome.end.stopped.is_some() {
                self.outcome.counts[Count::Unsent] += batch.entries.len() as u64;
                return Ok(None);
            }
            let early = batch.due.filter(|&due| due > Instant::now());
            let has_space = batch.entries.is_empty() || self.has_space(&batch);
            if early.is_none() && has_space {
                return Ok(Some(batch));
            }
            tokio::select! {
                biased;
                () = stop_requested(&self.cancel) => self.note_interruption(),
                Some(delivered) = self.in_flight.join_next() => self.record_delivery(delivered?),
                () = tokio::time::sleep_until(early.unwrap_or_else(Instant::now).into()), if early.is_some() => {}
                () = self.live.tick() => self.show(),
            }
        }
    }

    fn has_space(&self, batch: &Batch) -> bool {
        let overtakes = |entry: &Entry| self.groups.contains(&entry.message.group());
        self.in_flight.len() < self.settings.concurrency
            && !(self.settings.keeps_order && batch.entries.iter().any(overtakes))
    }

    /// Counts the messages of a batch as read, and records those that are not sent.
    fn count_read(&mut self, batch: &Batch) {
        self.outcome.counts[Count::Read] += batch.read();
        self.live.add(batch.read());
        for invalid in &batch.invalid {
            self.outcome.counts[Count::Invalid] += 1;
            self.outcome.problems.add(
                "invalid",
                format!("{}{}", self.place_prefix, invalid.place),
                invalid.reason.clone(),
            );
            self.journal.mark_done(invalid.index);
        }
    }

    /// Counts the messages of the input that the run did not reach.
    fn account_for_rest(&mut self, left: u64, counted: Counted, generated: bool) {
        let outcome = &mut self.outcome;
        outcome.input = counted.input;
        outcome.counts[Count::Skipped] = counted.skipped;
        counted.found.into_iter().for_each(|report| outcome.add_input(report));
        outcome.rest = Rest::new(left + counted.not_reached, counted.not_counted);
        if let (true, Schedule::Stages(stages)) = (outcome.pacing.schedule_ended, &self.settings.schedule) {
            outcome.pacing.last_rate = Some(stages.last_rate());
        }
        // A generated history can be repeated, so a load test that ends with its stages is complete.
        let meant = generated || self.settings.schedule_end == ScheduleEnd::Meant;
        if outcome.pacing.schedule_ended && !meant {
            let why = format!("the schedule ended after {}, before the input did", outcome.sent());
            outcome.end.stopped.get_or_insert(why);
        }
    }

    fn send(&mut self, batch: Batch) {
        let now = Instant::now();
        for entry in &batch.entries {
            self.telemetry.count(entry.due.unwrap_or(now), Counts { offered: 1, ..Counts::default() });
        }
        let mut entries = batch.entries;
        if let Some(max) = self.settings.drop_after {
            let late = |entry: &Entry| entry.due.is_some_and(|due| now.saturating_duration_since(due) > max);
            if entries.iter().any(late) {
                let (dropped, kept) = entries.into_iter().partition(late);
                entries = kept;
                self.drop_all(dropped);
            }
        }
        if let Some(due) = entries.last().and_then(|last| last.due) {
            let behind = now.saturating_duration_since(due).as_secs_f64();
            self.outcome.pacing.behind_seconds = Some(behind);
            self.outcome.pacing.max_behind_seconds = self.outcome.pacing.max_behind_seconds.max(behind);
        }
        if entries.is_empty() {
            return;
        }
        if self.settings.keeps_order {
            self.groups.extend(entries.iter().map(|entry| entry.message.group()));
        }
        let sender = Arc::clone(&self.sender);
        self.in_flight.spawn(async move { sender.send(entries).await });
        self.telemetry.in_flight(self.in_flight.len());
    }

    /// Drops messages for which the sender is too far behind.
    fn drop_all(&mut self, dropped: Vec<Entry>) {
        let refusal =
            EntryError { kind: Kind::Transient, code: "Dropped".into(), message: "too far behind schedule".into() };
        for entry in dropped {
            self.outcome.counts[Count::Dropped] += 1;
            self.telemetry.count(entry.due.unwrap_or_else(Instant::now), Counts { dropped: 1, ..Counts::default() });
            if self.write_dead_letter(&entry, 0, &refusal) {
                self.journal.mark_done(entry.index);
            }
        }
    }

    /// Writes a message that is not published to the dead-letter file. If that fails, returns false and ends the run;
    /// it can be resumed with that message.
    fn write_dead_letter(&mut self, entry: &Entry, attempts: u32, refusal: &EntryError) -> bool {
        match self.dead.write(entry, attempts, refusal) {
            Ok(()) => true,
            Err(why) => {
                self.outcome.end.stopped.get_or_insert(why);
                false
            }
        }
    }

    fn record_delivery(&mut self, delivered: BatchDelivery) {
        self.telemetry.in_flight(self.in_flight.len());
        self.outcome.counts[Count::Retries] += delivered.retries;
        for (code, count) in delivered.errors {
            *self.outcome.errors.entry(code).or_default() += count;
        }
        if delivered.retries > 0 {
            self.telemetry.count(Instant::now(), Counts { retries: delivered.retries, ..Counts::default() });
        }
        for sent in delivered.sent {
            self.record_message(&sent);
        }
        if let Some(why) = delivered.fatal {
            self.outcome.end.stopped.get_or_insert_with(|| why.clone());
            self.fatal.get_or_insert(why);
        }
        self.journal.save_if_due();
    }

    fn record_message(&mut self, sent: &SentMessage) {
        let SentMessage { entry, outcome, attempts, at } = sent;
        if self.settings.keeps_order {
            self.groups.remove(&entry.message.group());
        }
        match outcome {
            SendOutcome::Published { latency, service } => {
                self.outcome.counts[Count::Published] += 1;
                self.telemetry.published(*at, *latency, *service);
                if let (Some(watch), Some(id)) = (&self.watch, entry.id) {
                    watch.published(id, *at);
                }
            }
            SendOutcome::Failed(refusal) => {
                if !self.write_dead_letter(entry, *attempts, refusal) {
                    self.outcome.counts[Count::Unsent] += 1;
                    return;
                }
                self.outcome.counts[Count::Failed] += 1;
                self.telemetry.count(*at, Counts { failed: 1, ..Counts::default() });
                self.outcome.problems.add(
                    "failed",
                    format!("{}{}", self.place_prefix, entry.place()),
                    refusal.to_string(),
                );
            }
            SendOutcome::Unsent => {
                self.outcome.counts[Count::Unsent] += 1;
                return;
            }
        }
        self.journal.mark_done(entry.index);
    }

    fn note_interruption(&mut self) {
        self.outcome.end.stopped.get_or_insert_with(|| "interrupted".into());
    }

    fn show(&mut self) {
        let now = LiveStats {
            in_flight: self.in_flight.len(),
            limit: self.sender.limit(),
            arrived: self.watch.as_ref().map(DeliveryWatch::progress),
        };
        self.live.show(&self.telemetry, &self.outcome, &now);
        self.journal.save_if_due();
    }

    fn close(self, started: Instant) -> anyhow::Result<Outcome> {
        drop(self.live);
        let mut outcome = self.outcome;
        if outcome.counts[Count::Unsent] > 0 {
            outcome.end.stopped.get_or_insert_with(|| "interrupted".into());
        }
        let end = Instant::now();
        outcome.times = self.telemetry.times(started, end, outcome.counts[Count::Published]);
        let first_open = self.journal.completed().first_incomplete();
        let journal = self.journal.close(outcome.end.stopped.is_none()).map(|path| path.display().to_string());
        let can_go_on = outcome.end.stopped.is_some() || outcome.pacing.schedule_ended;
        outcome.end = End { journal, resume_skip: can_go_on.then_some(first_open), ..outcome.end };
        outcome.check()?;
        // The topic rejects permanently and nothing was sent: report an error instead of an outcome.
        match self.fatal {
            Some(why) if outcome.counts[Count::Published] + outcome.counts[Count::Failed] == 0 => anyhow::bail!(why),
            _ => Ok(outcome),
        }
    }
}
