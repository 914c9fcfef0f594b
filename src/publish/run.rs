//! The loop of a run: batches go out when they are due, at most so many at once, and what became of them is taken down.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use tokio::task::JoinSet;

use super::batch::{Batch, Batches};
use super::courier::{Courier, Delivered, Fate, Settled};
use super::dead::DeadLetters;
use super::entry::Entry;
use super::journal::Journal;
use super::live::{Live, Now};
use super::pace::Pace;
use super::reader::{self, Counted};
use super::telemetry::{Counts, Telemetry};
use super::watch::Watch;
use super::{Count, End, Outcome, Pacing, Rest, Schedule, ScheduleEnd, Settings, Source, wished};
use crate::outcome::count;
use crate::progress::Progress;
use crate::stop::Stop;
use crate::topic::{Limits, Refusal, Topic};
use pipeline::error::Kind;

/// A run under way.
pub(super) struct Run {
    settings: Settings,
    limits: Limits,
    courier: Arc<Courier>,
    in_flight: JoinSet<Delivered>,
    /// What may not be overtaken by what follows, because it is in flight.
    groups: HashSet<String>,
    dead: DeadLetters,
    journal: Journal,
    telemetry: Telemetry,
    watch: Option<Watch>,
    live: Live,
    stop: Stop,
    outcome: Outcome,
    /// The failure that no other message will escape.
    hopeless: Option<String>,
}

/// What is needed beside the source.
pub(super) struct Parts {
    pub topic: Arc<dyn Topic>,
    pub settings: Settings,
    pub dead: DeadLetters,
    pub journal: Journal,
    pub watch: Option<Watch>,
}

impl Run {
    pub(super) fn new(parts: Parts, progress: &Progress, stop: &Stop) -> Self {
        let Parts { topic, settings, dead, journal, watch } = parts;
        let outcome = Outcome {
            topic: topic.address(),
            dead_letters: settings.dead_letters.as_ref().map(|path| path.display().to_string()),
            counts: [(Count::Skipped, journal.settled().count())].into(),
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
            courier: Arc::new(Courier::new(topic, settings.retry, stop.clone())),
            in_flight: JoinSet::new(),
            groups: HashSet::new(),
            telemetry: Telemetry::new(),
            watch,
            live: Live::new(progress, &settings.schedule),
            stop: stop.clone(),
            settings,
            dead,
            journal,
            outcome,
            hopeless: None,
        }
    }

    /// Publishes the source and closes the account.
    pub(super) async fn of(mut self, source: Source) -> anyhow::Result<Outcome> {
        let begun = Instant::now();
        let pace = Pace::new(&self.settings.schedule);
        let generated = source.is_generated();
        let settled = self.journal.settled().clone();
        let (messages, reader) = reader::start(source, &self.settings, self.limits, settled, self.stop.clone());
        let mut batches = Batches::new(messages, self.limits, &self.settings, pace);
        while let Some(batch) = self.next(&mut batches).await? {
            self.account_for(&batch);
            let Some(batch) = self.wait(batch).await? else { break };
            self.send(batch);
        }
        if self.stop.is_set() {
            self.asked_to_stop(); // the reading thread may have seen it first, and ended as if there were no more
        }
        self.outcome.pacing.schedule_ended = batches.schedule_has_ended() && self.outcome.end.stopped.is_none();
        self.outcome.pacing.starved_seconds = batches.starved().as_secs_f64();
        let left = batches.left().await;
        while let Some(delivered) = self.in_flight.join_next().await {
            self.take_down(delivered?);
        }
        self.account_for_rest(left, reader.end().await, generated);
        let watch = self.watch.take();
        let mut outcome = self.close(begun)?;
        if let Some(watch) = watch {
            let (watched, arrived) = watch.so_far();
            if watched > arrived {
                tracing::info!("published; waiting for {} of {} to arrive", count(watched - arrived), count(watched));
            }
            outcome.lag = Some(watch.end().await?);
        }
        Ok(outcome)
    }

    /// The next batch, unless there is none or the run is to end; settles what comes back meanwhile.
    async fn next(&mut self, batches: &mut Batches) -> anyhow::Result<Option<Batch>> {
        loop {
            if self.outcome.end.stopped.is_some() {
                return Ok(None);
            }
            tokio::select! {
                biased;
                () = wished(&self.stop) => self.asked_to_stop(),
                Some(delivered) = self.in_flight.join_next() => self.take_down(delivered?),
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

    /// Waits until the batch is due and there is room for it; none when the run is to end first.
    async fn wait(&mut self, batch: Batch) -> anyhow::Result<Option<Batch>> {
        loop {
            if self.outcome.end.stopped.is_some() {
                self.outcome.counts[Count::Unsent] += batch.entries.len() as u64;
                return Ok(None);
            }
            let early = batch.due.filter(|&due| due > Instant::now());
            let room = batch.entries.is_empty() || self.has_room(&batch);
            if early.is_none() && room {
                return Ok(Some(batch));
            }
            tokio::select! {
                biased;
                () = wished(&self.stop) => self.asked_to_stop(),
                Some(delivered) = self.in_flight.join_next() => self.take_down(delivered?),
                () = tokio::time::sleep_until(early.unwrap_or_else(Instant::now).into()), if early.is_some() => {}
                () = self.live.tick() => self.show(),
            }
        }
    }

    fn has_room(&self, batch: &Batch) -> bool {
        let overtakes = |entry: &Entry| self.groups.contains(&entry.message.group());
        self.in_flight.len() < self.settings.concurrency
            && !(self.settings.keeps_order && batch.entries.iter().any(overtakes))
    }

    /// The batch was read: counts it, and what of it is not sent.
    fn account_for(&mut self, batch: &Batch) {
        self.outcome.counts[Count::Read] += batch.read();
        self.live.add(batch.read());
        for invalid in &batch.invalid {
            self.outcome.counts[Count::Invalid] += 1;
            self.outcome.problems.add("invalid", invalid.place.clone(), invalid.reason.clone());
            self.journal.settle(invalid.index);
        }
    }

    /// The run has ended: counts what of the input it did not reach.
    fn account_for_rest(&mut self, left: u64, counted: Counted, generated: bool) {
        let outcome = &mut self.outcome;
        outcome.input = counted.input;
        outcome.counts[Count::Skipped] = counted.skipped;
        outcome.rest = Rest::new(left + counted.not_reached, counted.not_counted);
        if let (true, Schedule::Stages(stages)) = (outcome.pacing.schedule_ended, &self.settings.schedule) {
            outcome.pacing.last_rate = Some(stages.last_rate());
        }
        // A generated history is as long as it is asked for, and none of it is anybody's: a load test ends with its stages.
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
        if let Some(most) = self.settings.drop_after {
            let late = |entry: &Entry| entry.due.is_some_and(|due| now.saturating_duration_since(due) > most);
            if entries.iter().any(late) {
                let (dropped, kept) = entries.into_iter().partition(late);
                entries = kept;
                self.drop_all(dropped);
            }
        }
        if let Some(due) = entries.last().and_then(|last| last.due) {
            let behind = now.saturating_duration_since(due).as_secs_f64();
            self.outcome.pacing.behind_seconds = Some(behind);
            self.outcome.pacing.most_behind_seconds = self.outcome.pacing.most_behind_seconds.max(behind);
        }
        if entries.is_empty() {
            return;
        }
        if self.settings.keeps_order {
            self.groups.extend(entries.iter().map(|entry| entry.message.group()));
        }
        let courier = Arc::clone(&self.courier);
        self.in_flight.spawn(async move { courier.deliver(entries).await });
        self.telemetry.in_flight(self.in_flight.len());
    }

    /// The sender is so far behind that these are not sent any more.
    fn drop_all(&mut self, dropped: Vec<Entry>) {
        let refusal =
            Refusal { kind: Kind::Transient, code: "Dropped".into(), message: "too far behind schedule".into() };
        for entry in dropped {
            self.outcome.counts[Count::Dropped] += 1;
            self.telemetry.count(entry.due.unwrap_or_else(Instant::now), Counts { dropped: 1, ..Counts::default() });
            if self.bury(&entry, 0, &refusal) {
                self.journal.settle(entry.index);
            }
        }
    }

    /// Keeps a message that is not published; where that cannot be done the run ends, and can go on with that message.
    fn bury(&mut self, entry: &Entry, attempts: u32, refusal: &Refusal) -> bool {
        match self.dead.bury(entry, attempts, refusal) {
            Ok(()) => true,
            Err(why) => {
                self.outcome.end.stopped.get_or_insert(why);
                false
            }
        }
    }

    fn take_down(&mut self, delivered: Delivered) {
        self.outcome.counts[Count::Retries] += delivered.retries;
        for (code, count) in delivered.errors {
            *self.outcome.errors.entry(code).or_default() += count;
        }
        if delivered.retries > 0 {
            self.telemetry.count(Instant::now(), Counts { retries: delivered.retries, ..Counts::default() });
        }
        for settled in delivered.settled {
            self.settle(&settled);
        }
        if let Some(why) = delivered.hopeless {
            self.outcome.end.stopped.get_or_insert_with(|| why.clone());
            self.hopeless.get_or_insert(why);
        }
        self.journal.keep();
    }

    fn settle(&mut self, settled: &Settled) {
        let Settled { entry, fate, attempts, at } = settled;
        if self.settings.keeps_order {
            self.groups.remove(&entry.message.group());
        }
        match fate {
            Fate::Published { latency, service } => {
                self.outcome.counts[Count::Published] += 1;
                self.telemetry.published(*at, *latency, *service);
                if let (Some(watch), Some(id)) = (&self.watch, entry.id) {
                    watch.published(id, *at);
                }
            }
            Fate::Dead(refusal) => {
                if !self.bury(entry, *attempts, refusal) {
                    self.outcome.counts[Count::Unsent] += 1;
                    return;
                }
                self.outcome.counts[Count::Failed] += 1;
                self.telemetry.count(*at, Counts { failed: 1, ..Counts::default() });
                self.outcome.problems.add("failed", entry.place(), refusal.to_string());
            }
            Fate::Unsent => {
                self.outcome.counts[Count::Unsent] += 1;
                return;
            }
        }
        self.journal.settle(entry.index);
    }

    fn asked_to_stop(&mut self) {
        self.outcome.end.stopped.get_or_insert_with(|| "interrupted".into());
    }

    fn show(&mut self) {
        let now = Now {
            in_flight: self.in_flight.len(),
            limit: self.courier.limit(),
            arrived: self.watch.as_ref().map(Watch::so_far),
        };
        self.live.show(&self.telemetry, &self.outcome, &now);
        self.journal.keep();
    }

    fn close(self, begun: Instant) -> anyhow::Result<Outcome> {
        self.live.finish();
        let mut outcome = self.outcome;
        if outcome.counts[Count::Unsent] > 0 {
            outcome.end.stopped.get_or_insert_with(|| "interrupted".into());
        }
        let end = Instant::now();
        outcome.times = self.telemetry.times(begun, end, outcome.counts[Count::Published]);
        let first_open = self.journal.settled().first_open();
        let journal = self.journal.close(outcome.end.stopped.is_none()).map(|path| path.display().to_string());
        let can_go_on = outcome.end.stopped.is_some() || outcome.pacing.schedule_ended;
        outcome.end = End { journal, resume_skip: can_go_on.then_some(first_open), ..outcome.end };
        outcome.check()?;
        // Nothing went out and the topic refuses for good: it could not run.
        match self.hopeless {
            Some(why) if outcome.counts[Count::Published] + outcome.counts[Count::Failed] == 0 => anyhow::bail!(why),
            _ => Ok(outcome),
        }
    }
}
