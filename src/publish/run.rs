//! The loop of a run: batches go out when they are due, at most so many at once, and what became of them is taken down.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::batch::{Batch, Batches, Read};
use super::courier::{Courier, Delivered, Fate};
use super::dead::DeadLetters;
use super::entry::{self, OnInvalid};
use super::latency::Latencies;
use super::pace::Pacer;
use super::{Settings, Source, wished};
use crate::progress::{Progress, Stage};
use crate::report::publish::Outcome;
use crate::stop::Stop;
use crate::topic::{Limits, Topic};

/// Messages read ahead: enough to fill batches from, and a bound to memory however large they are.
const AHEAD: usize = 512;

/// A run under way.
pub(super) struct Run {
    settings: Settings,
    limits: Limits,
    courier: Arc<Courier>,
    in_flight: JoinSet<Delivered>,
    dead: DeadLetters,
    latency: Latencies,
    service: Latencies,
    stage: Stage,
    stop: Stop,
    outcome: Outcome,
    /// The place of the first message that is to be sent again.
    first_unsent: Option<u64>,
}

impl Run {
    pub(super) fn new(
        topic: Arc<dyn Topic>,
        settings: Settings,
        dead: DeadLetters,
        progress: &Progress,
        stop: &Stop,
    ) -> Self {
        let mut limits = topic.limits();
        if let Some(rate) = settings.rate {
            limits.entries = limits.entries.min(rate.batch());
        }
        let outcome = Outcome {
            topic: topic.address(),
            dead_letters: settings.dead_letters.as_ref().map(|path| path.display().to_string()),
            rate: settings.rate.map(super::Rate::per_second),
            ..Outcome::default()
        };
        Self {
            courier: Arc::new(Courier::new(topic, settings.retry, stop.clone())),
            in_flight: JoinSet::new(),
            latency: Latencies::new(),
            service: Latencies::new(),
            stage: progress.stage("publish", None),
            stop: stop.clone(),
            first_unsent: None,
            settings,
            limits,
            dead,
            outcome,
        }
    }

    /// Publishes the source and closes the account.
    pub(super) async fn of(mut self, source: Source) -> anyhow::Result<Outcome> {
        let begun = Instant::now();
        let messages = read(source, &self.settings, self.limits, self.stop.clone());
        let mut pacer = self.settings.rate.map(Pacer::new);
        let mut batches = Batches::new(messages, self.limits);
        while let Some(batch) = self.next(&mut batches).await? {
            let Some(due) = self.wait(pacer.as_mut(), &batch).await? else { break };
            self.send(batch, due);
        }
        if self.stop.is_set() {
            self.asked_to_stop(); // the reading thread may have seen it first, and ended as if there were no more
        }
        while let Some(delivered) = self.in_flight.join_next().await {
            self.take_down(delivered?)?;
        }
        self.close(begun, pacer.as_ref())
    }

    /// The next batch, unless there is none or the run is to end; settles what comes back meanwhile.
    async fn next(&mut self, batches: &mut Batches) -> anyhow::Result<Option<Batch>> {
        loop {
            if self.outcome.stopped.is_some() {
                return Ok(None);
            }
            tokio::select! {
                biased;
                () = wished(&self.stop) => self.asked_to_stop(),
                Some(delivered) = self.in_flight.join_next() => self.take_down(delivered?)?,
                batch = batches.next(), if self.in_flight.len() < self.settings.concurrency => match batch {
                    Ok(batch) => return Ok(batch),
                    Err(e) => self.outcome.stopped = Some(e.to_string()),
                },
            }
        }
    }

    /// Waits until the batch is due; none when the run is to end first.
    async fn wait(&mut self, pacer: Option<&mut Pacer>, batch: &Batch) -> anyhow::Result<Option<Option<Instant>>> {
        let Some(pacer) = pacer.filter(|_| !batch.entries.is_empty()) else { return Ok(Some(None)) };
        loop {
            tokio::select! {
                biased;
                () = wished(&self.stop) => self.asked_to_stop(),
                Some(delivered) = self.in_flight.join_next() => self.take_down(delivered?)?,
                due = pacer.admit(batch.entries.len(), batch.starved) => return Ok(Some(Some(due))),
            }
            if self.outcome.stopped.is_some() {
                return Ok(None);
            }
        }
    }

    fn send(&mut self, batch: Batch, due: Option<Instant>) {
        self.outcome.read += batch.read();
        self.stage.add(batch.read());
        for invalid in batch.invalid {
            self.outcome.invalid += 1;
            self.outcome.problems.add("invalid", invalid.place, invalid.reason);
        }
        if !batch.entries.is_empty() {
            let courier = Arc::clone(&self.courier);
            self.in_flight.spawn(async move { courier.deliver(batch.entries, due).await });
        }
    }

    fn take_down(&mut self, delivered: Delivered) -> anyhow::Result<()> {
        self.outcome.retries += delivered.retries;
        if delivered.retries > 0 {
            self.stage.note(format!("{} sent again", self.outcome.retries));
        }
        for settled in &delivered.settled {
            match &settled.fate {
                Fate::Published { latency, service } => {
                    self.outcome.published += 1;
                    self.latency.add(*latency);
                    self.service.add(*service);
                }
                Fate::Dead(refusal) => {
                    self.outcome.failed += 1;
                    self.outcome.problems.add("failed", settled.entry.place(), refusal.to_string());
                    self.dead.bury(settled, refusal)?;
                }
                Fate::Unsent => {
                    self.outcome.unsent += 1;
                    let index = settled.entry.index;
                    self.first_unsent = Some(self.first_unsent.map_or(index, |first| first.min(index)));
                }
            }
        }
        if let Some(why) = delivered.hopeless {
            self.outcome.stopped.get_or_insert_with(|| why.clone());
            self.outcome.hopeless.get_or_insert(why);
        }
        self.dead.flush()
    }

    fn asked_to_stop(&mut self) {
        self.outcome.stopped.get_or_insert_with(|| "asked to stop".into());
    }

    fn close(mut self, begun: Instant, pacer: Option<&Pacer>) -> anyhow::Result<Outcome> {
        self.stage.finish();
        let mut outcome = self.outcome;
        if outcome.unsent > 0 {
            outcome.stopped.get_or_insert_with(|| "asked to stop".into());
        }
        outcome.seconds = begun.elapsed().as_secs_f64();
        outcome.rate_per_second = outcome.published as f64 / outcome.seconds.max(1e-6);
        outcome.latency_ms = self.latency.percentiles();
        outcome.service_ms = self.service.percentiles();
        outcome.behind_seconds = pacer.map(|pacer| pacer.behind().as_secs_f64());
        if outcome.stopped.is_some() {
            outcome.resume_skip = Some(self.first_unsent.take().unwrap_or(self.settings.skip + outcome.read));
        }
        outcome.skipped = self.settings.skip;
        outcome.check()?;
        // Nothing went out and the topic refuses for good: it could not run.
        match outcome.hopeless.take() {
            Some(why) if outcome.published + outcome.failed == 0 => anyhow::bail!(why),
            _ => Ok(outcome),
        }
    }
}

/// Reads and judges messages in a thread of its own, a little ahead.
fn read(source: Source, settings: &Settings, limits: Limits, stop: Stop) -> mpsc::Receiver<Read> {
    let (send, receive) = mpsc::channel(AHEAD);
    let (skip, on_invalid): (u64, OnInvalid) = (settings.skip, settings.on_invalid);
    tokio::task::spawn_blocking(move || {
        let mut index = 0;
        let fed = source.feed(&mut |message| {
            let this = index;
            index += 1;
            if stop.is_set() || send.is_closed() {
                return ControlFlow::Break(());
            }
            if this < skip {
                return ControlFlow::Continue(());
            }
            match send.blocking_send(Ok(entry::ready(this, message, on_invalid, limits))) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()), // nobody listens once the run has ended
            }
        });
        if let Err(e) = fed {
            let _ = send.blocking_send(Err(e)); // as above
        }
        if index < skip && !stop.is_set() {
            tracing::warn!("only {index} messages were there to skip, not {skip}: nothing was published");
        }
    });
    receive
}
