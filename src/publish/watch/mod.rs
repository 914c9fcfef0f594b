//! From publish to row: looks into the warehouse for the ids that were published, and measures how long they took.
//!
//! Ids wait in a queue in the order of their next look; a look is one read by primary key of some hundreds of them. A reading counts as
//! arrived when the answer that has its row comes, so a lag is never told shorter than it was, and at most one interval of
//! looks longer. The interval grows with the number of ids that wait, so that the warehouse is asked for a bounded number of keys a
//! second. What is remembered is bounded, too: past that, only ids whose last bits are nought are watched, and ids end in a hash.
//! In the end a truth file is looked up (`truth.rs`), which needs no memory and leaves none out.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::Utc;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::cancellation::CancellationToken;
use crate::outcome::duration;
use crate::publish::Lag;
use pipeline::record::row::TableSchema;
use pipeline::warehouse::Warehouse;

mod poll_queue;
mod truth;

use poll_queue::{INTERVAL, PendingId, PollQueue};

/// How long it waits after the warehouse gave no answer.
const AWAY: Duration = Duration::from_secs(1);

/// How a warehouse is watched.
#[derive(Debug, Clone)]
pub struct WatchOptions {
    /// The warehouse that readings are to arrive in.
    pub warehouse: Arc<dyn Warehouse>,
    /// How long to wait for the rest after the last message was published.
    pub timeout: Duration,
    /// The truth file that says which readings must arrive.
    pub truth: Option<PathBuf>,
}

/// A watch under way.
#[derive(Debug)]
pub(super) struct DeliveryWatch {
    published: mpsc::UnboundedSender<(Uuid, Instant)>,
    task: JoinHandle<Lag>,
    seen: Arc<WatchProgress>,
}

/// What has been seen so far, for who looks on.
#[derive(Debug, Default)]
pub(super) struct WatchProgress {
    watched: AtomicU64,
    arrived: AtomicU64,
}

impl DeliveryWatch {
    /// Begins to watch.
    ///
    /// # Errors
    /// The warehouse cannot be read, or its table holds no records; the truth file proves nothing.
    pub(super) async fn begin(watched: WatchOptions, cancel: &CancellationToken) -> anyhow::Result<Self> {
        if let Some(path) = watched.truth.clone() {
            tokio::task::spawn_blocking(move || truth::check(&path)).await??;
        }
        let schema = watched.warehouse.table_schema().await?;
        let (published, receive) = mpsc::unbounded_channel();
        let seen = Arc::<WatchProgress>::default();
        let queue = PollQueue::new(Utc::now().naive_utc(), Arc::clone(&seen));
        let looker = Poller { watched, schema, cancel: stop.clone(), queue, receive };
        Ok(Self { published, task: tokio::spawn(looker.run()), seen })
    }

    /// That reading has just been published. Cheap, and never waits.
    pub(super) fn published(&self, id: Uuid, at: Instant) {
        let _ = self.published.send((id, at)); // the task outlives the sender but where it has panicked, which `end` tells
    }

    /// Readings watched, and those of them that have arrived.
    pub(super) fn progress(&self) -> (u64, u64) {
        (self.seen.watched.load(Ordering::Relaxed), self.seen.arrived.load(Ordering::Relaxed))
    }

    /// Everything is published: waits for the rest, and tells.
    ///
    /// # Errors
    /// The task panicked: an error of this program.
    pub(super) async fn end(self) -> anyhow::Result<Lag> {
        drop(self.published);
        Ok(self.task.await?)
    }
}

/// Looks for what is in the queue.
struct Poller {
    watched: WatchOptions,
    schema: TableSchema,
    cancel: CancellationToken,
    queue: PollQueue,
    receive: mpsc::UnboundedReceiver<(Uuid, Instant)>,
}

impl Poller {
    async fn run(mut self) -> Lag {
        let (why, waited) = self.watch().await;
        let mut lag = self.queue.into_lag(why, waited);
        if let Some(path) = self.watched.truth {
            lag.truth = Some(truth::await_readings(path, &*self.watched.warehouse, &self.schema, &self.cancel).await);
        }
        lag
    }

    /// Looks until everything has arrived, or time is up: why it ended before, and how long it waited for the rest.
    async fn watch(&mut self) -> (Option<String>, Duration) {
        let mut ended: Option<Instant> = None;
        loop {
            if ended.is_none() && self.receive.is_closed() && self.receive.is_empty() {
                ended = Some(Instant::now());
            }
            let last = ended.map(|ended| ended + self.watched.timeout);
            let waited = |ended: Option<Instant>| ended.map_or(Duration::ZERO, |ended| ended.elapsed());
            let why = if ended.is_some() && self.queue.is_empty() {
                Some(None)
            } else if last.is_some_and(|last| Instant::now() >= last) {
                Some(Some(format!("not seen within {}", duration(self.watched.timeout.as_secs_f64()))))
            } else if ended.is_some() && self.cancel.is_cancelled() {
                Some(Some("asked to stop".to_owned()))
            } else {
                None
            };
            if let Some(why) = why {
                return (why, waited(ended));
            }
            let looked_for = self.queue.take(Instant::now());
            if looked_for.is_empty() {
                self.wait_for_next_poll(last).await;
            } else {
                self.poll(looked_for).await;
            }
        }
    }

    /// Waits for the next look, or for something to look for.
    async fn wait_for_next_poll(&mut self, last: Option<Instant>) {
        let next = self.queue.next().unwrap_or_else(|| Instant::now() + INTERVAL);
        let next = last.map_or(next, |last| next.min(last)).min(Instant::now() + INTERVAL);
        tokio::select! {
            () = tokio::time::sleep_until(next.into()) => {}
            Some((id, at)) = self.receive.recv() => self.queue.add(id, at),
        }
        self.receive_all();
    }

    fn receive_all(&mut self) {
        while let Ok((id, at)) = self.receive.try_recv() {
            self.queue.add(id, at);
        }
    }

    async fn poll(&mut self, looked_for: Vec<PendingId>) {
        let ids: Vec<String> = looked_for.iter().map(|one| one.id.hyphenated().to_string()).collect();
        let rows = self.watched.warehouse.fetch(&ids, &self.schema).await;
        let now = Instant::now();
        match rows {
            Ok(rows) => self.queue.record_rows(looked_for, &rows, now),
            Err(why) => {
                self.queue.requeue(looked_for, &why);
                let _ = self.cancel.run_until_cancelled(tokio::time::sleep(AWAY)).await; // stopped or rested: the loop looks
            }
        }
        self.receive_all();
    }
}

#[cfg(test)]
mod tests {
    use super::poll_queue::tests::{id, rows};
    use super::*;
    use pipeline::warehouse::memory::Memory;

    fn watched(warehouse: &Memory, timeout: Duration) -> WatchOptions {
        WatchOptions { warehouse: Arc::new(warehouse.clone()), timeout, truth: None }
    }

    #[tokio::test]
    async fn it_waits_for_the_rest_and_no_longer_than_it_may() {
        let (warehouse, cancel) = (Memory::default(), CancellationToken::default());
        assert!(DeliveryWatch::begin(watched(&warehouse, INTERVAL), &cancel).await.is_err(), "no table");
        warehouse.init().await.unwrap();
        let watch = DeliveryWatch::begin(watched(&warehouse, Duration::from_secs(60)), &cancel).await.unwrap();
        for pen in 0..1_200 {
            watch.published(id(pen), Instant::now());
        }
        let late = warehouse.clone();
        tokio::spawn(async move {
            for (pens, wait) in [(0..1_100, 0), (1_100..1_200, 500)] {
                tokio::time::sleep(Duration::from_millis(wait)).await;
                late.insert(&rows(pens, Utc::now()), &TableSchema::standard()).await.unwrap();
            }
        });
        let lag = watch.end().await.unwrap();
        assert_eq!((lag.arrived, lag.missing, lag.stopped), (1_200, 0, None));
        assert!(lag.ms.p50 < 450.0 && lag.ms.max > 450.0, "{}", lag.ms);

        let watch = DeliveryWatch::begin(watched(&warehouse, Duration::from_millis(300)), &cancel).await.unwrap();
        watch.published(id(5_000), Instant::now());
        let lag = watch.end().await.unwrap();
        assert_eq!((lag.missing, lag.missing_ids), (1, vec![id(5_000)]));
        assert!(lag.stopped.unwrap().contains("0.30 s"));
    }

    #[tokio::test]
    async fn a_warehouse_that_is_away_for_a_while_is_asked_again() {
        let warehouse = Memory::default();
        warehouse.init().await.unwrap();
        let watch = DeliveryWatch::begin(watched(&warehouse, Duration::from_secs(60)), &CancellationToken::default())
            .await
            .unwrap();
        warehouse.drop_table();
        watch.published(id(1), Instant::now());
        tokio::time::sleep(Duration::from_millis(400)).await;
        warehouse.init().await.unwrap();
        warehouse.insert(&rows([1], Utc::now()), &TableSchema::standard()).await.unwrap();
        let lag = watch.end().await.unwrap();
        assert_eq!((lag.arrived, lag.errors.values().sum::<u64>()), (1, 1));
    }
}
