//! Delivery watch: polls the warehouse for the published ids and measures how long they took.
//!
//! Ids wait in a queue in the order of their next poll. One poll reads up to 500 rows by primary key. A reading counts
//! as arrived when the response that contains its row arrives. A reported lag is therefore never too short, and at most
//! one poll interval too long.
//!
//! The interval grows with the number of pending ids, so that the number of keys requested per second is bounded.
//! Memory is bounded, too: above the limit, only ids with zeros in their last bits are watched, which samples evenly
//! because ids end in a hash. Finally a truth file is looked up (`truth.rs`), which needs no memory and covers every
//! reading.

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

/// Time to wait after a failed poll.
const AWAY: Duration = Duration::from_secs(1);

/// Options of a delivery watch.
#[derive(Debug, Clone)]
pub struct WatchOptions {
    /// The warehouse that readings must arrive in.
    pub warehouse: Arc<dyn Warehouse>,
    /// How long to wait for the rest after the last message was published.
    pub timeout: Duration,
    /// The truth file that lists which readings must arrive.
    pub truth: Option<PathBuf>,
}

/// An active delivery watch.
#[derive(Debug)]
pub(super) struct DeliveryWatch {
    published: mpsc::UnboundedSender<(Uuid, Instant)>,
    task: JoinHandle<Lag>,
    seen: Arc<WatchProgress>,
}

/// Progress of the watch, for the live view.
#[derive(Debug, Default)]
pub(super) struct WatchProgress {
    watched: AtomicU64,
    arrived: AtomicU64,
}

impl DeliveryWatch {
    /// Starts to watch.
    ///
    /// # Errors
    ///
    /// Returns an error if the warehouse cannot be read or its table does not have the schema of records, or if the
    /// truth file is not usable.
    pub(super) async fn begin(watched: WatchOptions, cancel: &CancellationToken) -> anyhow::Result<Self> {
        if let Some(path) = watched.truth.clone() {
            tokio::task::spawn_blocking(move || truth::check(&path)).await??;
        }
        let schema = watched.warehouse.table_schema().await?;
        let (published, receive) = mpsc::unbounded_channel();
        let seen = Arc::<WatchProgress>::default();
        let queue = PollQueue::new(Utc::now().naive_utc(), Arc::clone(&seen));
        let poller = Poller { watched, schema, cancel: cancel.clone(), queue, receive };
        Ok(Self { published, task: tokio::spawn(poller.run()), seen })
    }

    /// Adds a reading that has just been published. Cheap and non-blocking.
    pub(super) fn published(&self, id: Uuid, at: Instant) {
        let _ = self.published.send((id, at)); // fails only if the task has panicked, which `end` reports
    }

    /// Returns the number of readings watched, and how many of them have arrived.
    pub(super) fn progress(&self) -> (u64, u64) {
        (self.seen.watched.load(Ordering::Relaxed), self.seen.arrived.load(Ordering::Relaxed))
    }

    /// Waits for the rest after everything is published, and returns the lag.
    ///
    /// # Errors
    ///
    /// Returns an error if the task panicked, which is a bug in this program.
    pub(super) async fn end(self) -> anyhow::Result<Lag> {
        drop(self.published);
        Ok(self.task.await?)
    }
}

/// Task that polls for the ids in the queue.
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

    /// Polls until everything has arrived, the timeout has passed or the run is cancelled. Returns why it ended early
    /// (`None` if it did not), and how long it waited for the rest.
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
                Some(Some("interrupted".to_owned()))
            } else {
                None
            };
            if let Some(why) = why {
                return (why, waited(ended));
            }
            let polled = self.queue.take(Instant::now());
            if polled.is_empty() {
                self.wait_for_next_poll(last).await;
            } else {
                self.poll(polled).await;
            }
        }
    }

    /// Waits for the next poll, or for something to poll for.
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

    async fn poll(&mut self, polled: Vec<PendingId>) {
        let ids: Vec<String> = polled.iter().map(|one| one.id.hyphenated().to_string()).collect();
        let rows = self.watched.warehouse.fetch(&ids, &self.schema).await;
        let now = Instant::now();
        match rows {
            Ok(rows) => self.queue.record_rows(polled, &rows, now),
            Err(why) => {
                self.queue.requeue(polled, &why);
                // The loop checks for cancellation either way.
                let _ = self.cancel.run_until_cancelled(tokio::time::sleep(AWAY)).await;
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
    async fn it_waits_for_the_rest_up_to_the_timeout() {
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
        assert!(lag.lag_ms.p50 < 450.0 && lag.lag_ms.max > 450.0, "{}", lag.lag_ms);

        let watch = DeliveryWatch::begin(watched(&warehouse, Duration::from_millis(300)), &cancel).await.unwrap();
        watch.published(id(5_000), Instant::now());
        let lag = watch.end().await.unwrap();
        assert_eq!((lag.missing, lag.missing_ids), (1, vec![id(5_000)]));
        assert!(lag.stopped.unwrap().contains("0.30 s"));
    }

    #[tokio::test]
    async fn an_unavailable_warehouse_is_polled_again() {
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
